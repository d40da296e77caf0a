/* apart.h - a process that is no child of the program, in a session of its own: the launcher, and
 * the keeper of the file with the token. Runs in: program.
 */
#pragma once

/* Forks it. It runs `body`, which must end it, with all signals blocked, and may call only what is
 * safe after a fork from threads. 0 or an errno. */
int pi_fork_apart(void (*body)(void *), void *context);

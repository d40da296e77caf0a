/* relay_agent.h - the agent that a rank starts on its node. Runs in: posse-relay. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Starts the command: words[0] is the program; NULL after the last. The text of the token comes by
 * its stdin. It has no other descriptor, and nothing of MPI in its environment. -1 and errno. */
pid_t pi_relay_start(char **words, const char *token);
/* Whether it has ended. It does not wait. */
bool pi_relay_has_ended(pid_t agent);

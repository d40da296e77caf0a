/* tty.h - a terminal on which a line is drawn again and again.
 * Runs in: program, worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether the descriptor is a terminal that goes back to the start of a line: TERM is set, and not
 * "dumb". */
bool pi_os_tty_is(int fd);
/* Its columns now; `unknown` if it does not say. */
unsigned pi_os_tty_width(int fd, unsigned unknown);
/* Whether a write would not wait: the user may have stopped the terminal. */
bool pi_os_tty_is_ready(int fd);
/* Writes all of it, or as much as the descriptor takes. */
void pi_os_tty_write(int fd, const char *text, size_t size);

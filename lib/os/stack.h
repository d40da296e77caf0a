/* stack.h - whether a thread has stack enough for one more task on it. Runs in: program, worker. */
#pragma once

#include <stdbool.h>

/* Whether the calling thread has room for 128 KiB more, or for a quarter of a stack of less than
 * half a megabyte. Also true where nobody knows: on a stack that the program has made itself, and
 * not on Linux. */
bool pi_os_stack_has_room(void);

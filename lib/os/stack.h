/* stack.h - how much of its stack a thread has left. */
#ifndef PI_OS_STACK_H
#define PI_OS_STACK_H

#include <stdbool.h>

/* Whether the calling thread has room for about 128 KiB more, or for a quarter of a stack of less
 * than half a megabyte. True also where that is not known: on a stack that the program has made
 * itself, and not on Linux. */
bool pi_os_stack_has_room(void);

#endif

/* stdio.h - the standard streams' buffers, before a fork and before a worker ends.
 * Runs in: program, worker. */
#pragma once

/* Writes what stdout and stderr have buffered. Leaves a stream alone that another thread holds. */
void pi_os_stdio_flush(void);

/* stdio.h - the standard streams' buffers around a fork. */
#ifndef PI_OS_STDIO_H
#define PI_OS_STDIO_H

/* Writes what is buffered for stdout and stderr;
 * a stream that another thread holds is left alone. */
void pi_os_stdio_flush(void);

#endif

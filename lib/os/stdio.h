/* stdio.h - the standard streams' buffers around a fork. */
#ifndef OS_STDIO_H
#define OS_STDIO_H

/* Writes what is buffered for stdout and stderr;
 * a stream that another thread holds is left alone. */
void os_stdio_flush(void);

#endif

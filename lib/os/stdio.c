#include "os/stdio.h"

#include "os/cancel.h"

#include <stdio.h>
#ifdef __linux__
#include <stdio_ext.h>
#endif

static void flush(FILE *stream)
{
#ifdef __linux__
    if (__fpending(stream) == 0) /* glibc and musl: cheaper than a flush that finds nothing */
        return;
#endif
    PI_OS_NO_CANCEL;
    if (ftrylockfile(stream) != 0)
        return;
    fflush(stream);
    funlockfile(stream);
}

void pi_os_stdio_flush(void)
{
    flush(stdout);
    flush(stderr);
}

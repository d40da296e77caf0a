#include "os/thread.h"

#include "base/tuning.h"
#include "os/cancel.h"
#include "os/signals.h"

#include <sys/stat.h>

int pi_os_thread_create(pthread_t *thread, void *(*body)(void *), void *context)
{
    pthread_attr_t attributes;
    sigset_t before;
    size_t stack;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    if (pthread_attr_getstacksize(&attributes, &stack) == 0 && stack < PI_MIN_STACK)
        (void)pthread_attr_setstacksize(&attributes, PI_MIN_STACK);
    pi_os_signals_block_for_thread(&before); /* the thread inherits that */
    error = pthread_create(thread, &attributes, body, context);
    pi_os_signals_restore(&before);
    pthread_attr_destroy(&attributes);
    return error;
}

void pi_os_thread_join(pthread_t thread)
{
    PI_OS_NO_CANCEL;
    (void)pthread_join(thread, NULL);
}

/* Linux counts a process's threads as links to this directory, beside its own two. */
unsigned pi_os_other_threads(void)
{
    struct stat tasks;
    if (stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink <= 3)
        return 0;
    return (unsigned)tasks.st_nlink - 3;
}

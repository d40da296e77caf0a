/* Runs in: worker; inline and with threads in the program. */
#include "worker/own_descriptors.h"
#include "os/packet.h"
#include "os/unwind.h"
#include "pool/descriptors.h"

static void close_own(void *context)
{
    struct posse_task *task = context;
    pi_os_fds_close(task->descriptors);
    task->descriptors = NULL;
}

int pi_call_with_descriptors(struct posse_task *task, posse_fn *fn, const struct pi_bytes *arg,
                             int *code)
{
    struct pi_os_fds own;
    int error = pi_descriptors_take(task, &own);
    if (error)
        return error;
    task->descriptors = &own; /* cppcheck-suppress autoVariables */
    PI_OS_IF_LEFT(close_own, task);
    *code = fn(task, arg->size ? arg->bytes : NULL, arg->size);
    PI_OS_END_IF_LEFT;
    close_own(task);
    return 0;
}

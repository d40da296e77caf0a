#include "os/pollable.h"

#include "base/tuning.h"
#include "os/channel.h"

#include <errno.h>

int pi_os_pollable_init(struct pi_os_pollable *flag)
{
    int sockets[2];
    atomic_init(&flag->lost, false);
    flag->reader.number = flag->writer.number = -1;
    int error = pi_os_channel_pair(sockets);
    if (error)
        return error;
    error = pi_os_fd_own(&flag->reader, sockets[0]);
    if (error)
        pi_os_close(sockets[1]);
    else
        error = pi_os_fd_own(&flag->writer, sockets[1]);
    if (error)
        pi_os_fd_close(&flag->reader);
    return error;
}

void pi_os_pollable_fini(struct pi_os_pollable *flag)
{
    pi_os_fd_close(&flag->reader);
    pi_os_fd_close(&flag->writer);
}

static void lose(struct pi_os_pollable *flag)
{
    /* relaxed: only tells a later call why nothing comes */
    atomic_store_explicit(&flag->lost, true, memory_order_relaxed);
}

/* No later call would send the byte: so this one tries until the kernel has memory. */
void pi_os_pollable_set(struct pi_os_pollable *flag)
{
    for (int tries = 0; tries < PI_MAX_POLLABLE_RETRIES; tries++) {
        if (!pi_os_fd_is_ours(&flag->writer))
            break;
        if (pi_os_channel_notify(flag->writer.number))
            return;
        if (!pi_os_channel_passes(errno))
            break;
    }
    lose(flag);
}

void pi_os_pollable_clear(struct pi_os_pollable *flag)
{
    if (!pi_os_fd_is_ours(&flag->reader) || !pi_os_channel_drain(flag->reader.number))
        lose(flag);
}

#include "os/flag.h"

#include "os/cancel.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/eventfd.h>

int pi_os_flag_init(struct pi_os_flag *flag)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd >= 0)
        fd = pi_os_file_above_stdio(fd);
    *flag = (struct pi_os_flag){fd, fd};
    return fd >= 0 ? 0 : errno;
}

void pi_os_flag_fini(struct pi_os_flag *flag)
{
    PI_OS_NO_CANCEL;
    close(flag->reader);
}

#else

int pi_os_flag_init(struct pi_os_flag *flag)
{
    PI_OS_NO_CANCEL;
    int fds[2];
    if (pipe(fds) != 0)
        return errno;
    *flag = (struct pi_os_flag){pi_os_file_above_stdio(fds[0]), pi_os_file_above_stdio(fds[1])};
    if (flag->reader >= 0 && flag->writer >= 0 && fcntl(flag->reader, F_SETFL, O_NONBLOCK) == 0 &&
        fcntl(flag->writer, F_SETFL, O_NONBLOCK) == 0)
        return 0;
    int error = errno;
    if (flag->reader >= 0)
        close(flag->reader);
    if (flag->writer >= 0)
        close(flag->writer);
    return error;
}

void pi_os_flag_fini(struct pi_os_flag *flag)
{
    PI_OS_NO_CANCEL;
    close(flag->reader);
    close(flag->writer);
}
#endif

void pi_os_flag_set(struct pi_os_flag *flag)
{
    PI_OS_NO_CANCEL;
    uint64_t one = 1;
    while (write(flag->writer, &one, sizeof one) < 0 && errno == EINTR)
        ; /* EAGAIN: it is set */
}

void pi_os_flag_clear(struct pi_os_flag *flag)
{
    PI_OS_NO_CANCEL;
    uint64_t count;
    while (read(flag->reader, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

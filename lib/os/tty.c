#include "os/tty.h"

#include "os/cancel.h"
#include "os/signals.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool pi_os_tty_is(int fd)
{
    int error = errno;
    const char *kind = getenv("TERM");
    bool moves = kind && kind[0] && strcmp(kind, "dumb") != 0 && isatty(fd);
    errno = error;
    return moves;
}

unsigned pi_os_tty_width(int fd, unsigned unknown)
{
    int error = errno;
    struct winsize size;
    bool known = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    errno = error;
    return known ? size.ws_col : unknown;
}

bool pi_os_tty_is_ready(int fd)
{
    PI_OS_NO_CANCEL;
    int error = errno;
    struct pollfd look = {.fd = fd, .events = POLLOUT};
    bool ready = poll(&look, 1, 0) == 1 && (look.revents & POLLOUT);
    errno = error;
    return ready;
}

void pi_os_tty_write(int fd, const char *text, size_t size)
{
    PI_OS_NO_CANCEL;
    int error = errno;
    struct pi_os_write_signals signals;
    pi_os_signals_begin_write(&signals);
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n < 0 && errno != EINTR)
            break;
        text += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    pi_os_signals_end_write(&signals);
    errno = error;
}

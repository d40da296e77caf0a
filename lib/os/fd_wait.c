#include "os/fd_wait.h"

#include "os/cancel.h"
#include "os/clock.h"

#include <poll.h>
#include <pthread.h>
#include <stddef.h>

static void do_nothing(int signal) { (void)signal; }

void pi_os_fd_wait_begin(void)
{
    sigset_t set;
    struct sigaction action = {.sa_handler = do_nothing};
    sigemptyset(&set);
    sigaddset(&set, PI_OS_LOOK_AGAIN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)sigaction(PI_OS_LOOK_AGAIN, &action, NULL);
}

void pi_os_fd_wait(const int fds[2], uint64_t until)
{
    PI_OS_NO_CANCEL;
    struct pollfd at[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
    uint64_t now = pi_os_now();
    struct timespec rest = pi_os_timespec(until > now ? until - now : 0);
    sigset_t none;
    sigemptyset(&none);
    (void)ppoll(at, 2, until == PI_NEVER ? NULL : &rest, &none);
}

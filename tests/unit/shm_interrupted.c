/* shm_interrupted.c - memory is backed though each signal makes the kernel begin anew.
 *
 * The linker leads fallocate here. It does what older kernels did at a signal: gives up, and keeps
 * nothing. Only signals that are blocked do not come faster than the memory can be backed.
 */
#include "support/support.h"

#include "os/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#define MAX_TRIES 1000 /* then nobody would come to an end */

static int tries;

int __real_fallocate(int, int, off_t, off_t);
int __wrap_fallocate(int, int, off_t, off_t);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t length)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    bool comes = sigismember(&mask, SIGPROF) == 0;
    if (comes && ++tries < MAX_TRIES) {
        errno = EINTR;
        return -1;
    }
    return __real_fallocate(fd, mode, offset, length);
}

TEST(signals_wait_for_it, ALL)
{
    enum { SIZE = 1 << 20 };
    struct pi_os_shm memory;
    sigset_t mask;
    tries = 0;
    assert_int_equal(pi_os_shm_create(&memory, SIZE, true), 0);
    assert_int_equal(pi_os_shm_open(&memory, 0, SIZE, true), 0);
    assert_int_equal(pi_os_shm_back(&memory, 0, SIZE), 0);
    memset(memory.base, 1, SIZE);
    assert_in_range(tries, memory.fd.number >= 0 ? 1 : 0,
                    10); /* without /dev/shm there is no file */
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGPROF)); /* not for longer than that */
    pi_os_shm_destroy(&memory);
}

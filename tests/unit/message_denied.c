/* message_denied.c - a message that the kernel never gives away is an error, and not waited for.
 *
 * The linker leads recvmsg here.
 */
#include "support/support.h"

#include "os/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY 100000 /* then nobody would come to an end */

static int failing; /* errno of each call; 0: none fails */
static int calls;

ssize_t __real_recvmsg(int, struct msghdr *, int);
ssize_t __wrap_recvmsg(int, struct msghdr *, int);
ssize_t __wrap_recvmsg(int socket, struct msghdr *message, int flags)
{
    if (failing && ++calls < MANY) {
        errno = failing;
        return -1;
    }
    return __real_recvmsg(socket, message, flags);
}

TEST(no_memory_for_ever, PROCESSES)
{
    static const int errors[] = {ENOMEM, ENOBUFS};
    for (size_t i = 0; i < COUNT(errors); i++) {
        int sockets[2], fd = 7;
        long number = 5, heard = 0;
        assert_int_equal(pi_os_channel_pair(sockets), 0);
        assert_int_equal(pi_os_channel_tell(sockets[0], &number, sizeof number, -1), 0);
        failing = errors[i];
        int error = pi_os_channel_hear(sockets[1], &heard, sizeof heard, &fd);
        failing = calls = 0;
        assert_int_equal(error, errors[i]);
        assert_int_equal(fd, -1);
        assert_int_equal(pi_os_channel_hear(sockets[1], &heard, sizeof heard, &fd), 0);
        assert_int_equal(heard, 5);
        close(sockets[0]);
        close(sockets[1]);
    }
}

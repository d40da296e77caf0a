/* Runs in: program, the keeper.
 *
 * The file is whole when it gets its name, and has a keeper already.
 *
 *   what dies     what follows
 *   the program   the supervisor and the workers end, and with them all copies of the socket; the
 *                 keeper removes the file, whatever its name is
 *   the keeper    the file stays; after the end of the pool nobody can join with it
 */
#include "remote/token_file.h"
#include "remote/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct kept {
    const char *path, *first; /* first: its name until it is whole */
    struct stat file;         /* as it was made */
    int fd;                   /* of the file: while it is open no other file is the same inode */
    int listener, socket, other;
};

/* Between stat and unlink nobody replaces it but on purpose. */
static void remove_ours(const struct kept *k, const char *path)
{
    struct stat now;
    if (lstat(path, &now) == 0 && now.st_dev == k->file.st_dev && now.st_ino == k->file.st_ino)
        (void)unlink(path);
}

static void keep(void *context)
{
    const struct kept *k = context;
    struct pollfd end = {.fd = k->socket, .events = POLLIN};
    close(k->listener);
    close(k->other);
    while (poll(&end, 1, -1) != 1)
        ;
    remove_ours(k, k->first);
    remove_ours(k, k->path);
    _exit(0);
}

static int start_keeper(struct kept *k, int listener, int *keeper)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return errno;
    k->listener = listener;
    k->other = pair[0];
    k->socket = pair[1];
    int error = pi_fork_apart(keep, k);
    close(pair[1]);
    if (error)
        close(pair[0]);
    else
        *keeper = pair[0];
    return error;
}

static int write_all(int fd, const char token[PI_TOKEN_TEXT], struct stat *file)
{
    const ssize_t size = (ssize_t)PI_TOKEN_TEXT - 1;
    bool written =
        write(fd, token, (size_t)size) == size && write(fd, "\n", 1) == 1 && fstat(fd, file) == 0;
    return written ? 0 : errno ? errno : ENOSPC;
}

int pi_token_file_make(const char *path, const char token[PI_TOKEN_TEXT], int listener, int *keeper)
{
    struct kept kept = {.path = path};
    size_t size = strlen(path) + 8;
    char *own = malloc(size);
    if (!own)
        return ENOMEM;
    snprintf(own, size, "%s.XXXXXX", path);
    kept.first = own;
    errno = 0;
    int fd = mkostemp(own, O_CLOEXEC); /* 0600 */
    int error = fd < 0 ? errno : write_all(fd, token, &kept.file);
    kept.fd = fd;
    if (!error)
        error = start_keeper(&kept, listener, keeper);
    if (fd >= 0 && close(fd) != 0 && !error)
        error = errno;
    if (!error && rename(own, path) != 0)
        error = errno;
    if (error && fd >= 0)
        (void)unlink(own);
    free(own);
    return error;
}

/* Runs in: program, the keeper.
 *
 *   step                              if the program dies then
 *   1  forks the keeper               there is no file
 *   2  makes the file, under its      the keeper removes that
 *      first name, and writes it
 *   3  the pool is made               the supervisor ends, and the keeper removes the file
 *   4  the file gets its name         the same; it is ours if the token is in it
 *
 * If the keeper dies the file stays; after the end of the pool nobody can join with it.
 */
#include "remote/token_file.h"
#include "remote/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_LENGTH (PI_TOKEN_TEXT - 1)

/* ---- the keeper ---- */

struct keeper {
    const struct pi_token_file *file;
    int socket;
};

static bool is_ours(const char *path, const char *token)
{
    char there[TOKEN_LENGTH] = "";
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool ours = fd >= 0 && read(fd, there, sizeof there) == (ssize_t)sizeof there &&
                memcmp(there, token, sizeof there) == 0;
    if (fd >= 0)
        close(fd);
    return ours;
}

/* The next pool may name its file between the look and the removal. So the file gets its first name
 * again, and what is another one goes back. */
static void remove_ours(const struct pi_token_file *file)
{
    if (!is_ours(file->path, file->token) || rename(file->path, file->first) != 0)
        return;
    if (is_ours(file->first, file->token) || link(file->first, file->path) == 0 || errno == EEXIST)
        (void)unlink(file->first);
    else if (access(file->path, F_OK) != 0) /* where no hard links are */
        (void)rename(file->first, file->path);
}

static void keep(void *context)
{
    const struct keeper *k = context;
    struct pollfd end = {.fd = k->socket, .events = POLLIN};
    close(k->file->listener);
    close(k->file->keeper);
    while (poll(&end, 1, -1) != 1)
        ;
    (void)unlink(k->file->first);
    remove_ours(k->file);
    (void)shutdown(k->socket, SHUT_RDWR); /* all copies: with await_keeper */
    _exit(0);
}

/* ---- in the program ---- */

static int start_keeper(struct pi_token_file *file)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return errno;
    file->keeper = pair[0];
    struct keeper keeper = {file, pair[1]};
    int error = pi_fork_apart(keep, &keeper);
    close(pair[1]);
    return error;
}

/* A write over the limit of the size of files would end the program by SIGXFSZ. */
static int write_all(int fd, const char *token)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < TOKEN_LENGTH + 1)
        return EFBIG;
    if (fchmod(fd, 0600) != 0) /* whatever the umask is */
        return errno;
    errno = 0;
    bool written =
        write(fd, token, TOKEN_LENGTH) == (ssize_t)TOKEN_LENGTH && write(fd, "\n", 1) == 1;
    return written ? 0 : errno ? errno : ENOSPC;
}

/* rename would replace a device, or what a link leads to for others. */
static bool may_replace(const char *path)
{
    struct stat there;
    return lstat(path, &there) != 0 || S_ISREG(there.st_mode);
}

/* In the same directory, and short: the name of the file may be as long as one can be. NULL: errno
 * says why. */
static char *first_name(const char *path)
{
    char any[PI_TOKEN_TEXT];
    const char *name = strrchr(path, '/');
    int directory = name ? (int)(name + 1 - path) : 0;
    size_t size = (size_t)directory + sizeof ".posse-" + 16;
    char *first = malloc(size);
    errno = first ? 0 : ENOMEM;
    if (first && !pi_token_name(any)) {
        free(first);
        errno = errno ? errno : EIO;
        return NULL;
    }
    if (first)
        snprintf(first, size, "%.*s.posse-%.16s", directory, path, any);
    return first;
}

int pi_token_file_make(struct pi_token_file *file)
{
    if (!may_replace(file->path))
        return EEXIST;
    file->first = first_name(file->path);
    if (!file->first)
        return errno;
    int error = start_keeper(file);
    if (error)
        return error;
    int fd = open(file->first, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    error = write_all(fd, file->token);
    if (close(fd) != 0 && !error)
        error = errno;
    return error;
}

int pi_token_file_name(const struct pi_token_file *file)
{
    if (!may_replace(file->path)) /* it may have come meanwhile */
        return EEXIST;
    return rename(file->first, file->path) == 0 ? 0 : errno;
}

/* After a failure the keeper would remove the file, too. */
void pi_token_file_free(struct pi_token_file *file)
{
    if (file->first)
        (void)unlink(file->first);
    if (file->keeper >= 0)
        close(file->keeper);
    free(file->first);
}

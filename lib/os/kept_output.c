#include "os/kept_output.h"

#include "base/tuning.h"
#include "os/cancel.h"
#include "os/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__linux__) && defined(MFD_ALLOW_SEALING)

#define CHUNK ((size_t)4096)

/* ---- the file ---- */

int pi_os_output_create(void)
{
    int fd = memfd_create("posse-stderr", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0)
        fd = pi_os_fd_above_stdio(fd);
    if (fd < 0 || (ftruncate(fd, PI_MAX_OUTPUT) == 0 &&
                   fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0))
        return fd;
    pi_os_close(fd);
    return -1;
}

/* Past its limit of a file's size the kernel would kill a task. */
int pi_os_output_denied(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur <= PI_MAX_OUTPUT)
        return EFBIG;
    int fd = pi_os_output_create();
    pi_os_close(fd);
    bool full = fd < 0 && (errno == EMFILE || errno == ENFILE); /* later there may be room */
    return fd < 0 && !full ? errno : 0;
}

/* How many bytes are in it. A task may have moved the offset. */
static size_t length_of(int file)
{
    off_t length = lseek(file, 0, SEEK_CUR);
    return length <= 0 ? 0 : length < PI_MAX_OUTPUT ? (size_t)length : PI_MAX_OUTPUT;
}

static size_t read_at(int file, char *bytes, size_t size, size_t at)
{
    ssize_t length = pread(file, bytes, size, (off_t)at);
    return length > 0 ? (size_t)length : 0;
}

/* Gives the memory back, if it is much. */
static void make_empty(int file, size_t length)
{
    if (length > PI_KEPT_OUTPUT)
        (void)fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)length);
    (void)lseek(file, 0, SEEK_SET);
}

/* ---- in the worker ---- */

void pi_os_output_begin(struct pi_os_output *output, int file)
{
    int before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, PI_KEPT_FD);
    if (before < 0)
        before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    output->file.number = output->before.number = -1;
    if (before >= 0 && pi_os_fd_own(&output->before, before) == 0 &&
        dup2(file, STDERR_FILENO) == STDERR_FILENO &&
        pi_os_fd_own(&output->file, STDERR_FILENO) != 0) /* which has closed it */
        (void)dup2(output->before.number, STDERR_FILENO);
    pi_os_close(file);
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno != EINTR)
            return false;
        bytes += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

void pi_os_output_show(const struct pi_os_output *output)
{
    PI_OS_NO_CANCEL;
    char bytes[CHUNK];
    int error = errno;
    size_t length = pi_os_fd_is_ours(&output->file) ? length_of(output->file.number) : 0;
    bool shows = length > 0 && pi_os_fd_is_ours(&output->before);
    for (size_t at = 0, n; shows && at < length; at += n) {
        n = read_at(output->file.number, bytes, length - at < CHUNK ? length - at : CHUNK, at);
        shows = n > 0 && write_all(output->before.number, bytes, n);
    }
    if (length > 0)
        make_empty(output->file.number, length);
    errno = error;
}

/* ---- in the supervisor ---- */

size_t pi_os_output_tail(int file, char *tail, size_t size)
{
    size_t length = length_of(file), n = length < size ? length : size;
    return read_at(file, tail, n, length - n);
}

/* A file of its own for the same pipe or terminal: with O_NONBLOCK, which the program's does not
 * get. Writing to a regular file never waits. */
static int open_at_once(const struct stat *status)
{
    char path[32];
    if (S_ISREG(status->st_mode) || S_ISSOCK(status->st_mode))
        return STDERR_FILENO;
    snprintf(path, sizeof path, "/proc/self/fd/%d", STDERR_FILENO);
    return pi_os_fd_open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY);
}

static ssize_t write_at_once(int fd, bool is_socket, const char *bytes, size_t size)
{
    return is_socket ? send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) : write(fd, bytes, size);
}

void pi_os_output_show_rest(int file)
{
    struct stat status;
    char bytes[CHUNK];
    size_t length = length_of(file);
    int fd = length > 0 && fstat(STDERR_FILENO, &status) == 0 ? open_at_once(&status) : -1;
    for (size_t at = 0; fd >= 0 && at < length;) {
        size_t n = read_at(file, bytes, length - at < CHUNK ? length - at : CHUNK, at);
        ssize_t written = n > 0 ? write_at_once(fd, S_ISSOCK(status.st_mode), bytes, n) : 0;
        if (written <= 0)
            break;
        at += (size_t)written;
    }
    if (fd > STDERR_FILENO)
        pi_os_close(fd);
}

#else

int pi_os_output_denied(void) { return ENOSYS; }
int pi_os_output_create(void) { return -1; }

size_t pi_os_output_tail(int file, char *tail, size_t size)
{
    (void)file;
    (void)tail;
    (void)size;
    return 0;
}

void pi_os_output_show_rest(int file) { (void)file; }

void pi_os_output_begin(struct pi_os_output *output, int file)
{
    (void)output;
    (void)file;
}

void pi_os_output_show(const struct pi_os_output *output) { (void)output; }

#endif

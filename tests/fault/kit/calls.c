/* calls.c - what the library calls instead of the system: see fault.h. */
#include "fault/kit/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __GLIBC__
typedef __rlimit_resource_t fault_resource;
#else
typedef int fault_resource;
#endif
#define FAULT_RESOURCE fault_resource

const char *const fault_names[CALLS] = {
#define FAULT(type, name, ...) [CALL_##name] = #name,
#define BY_HAND(name) [CALL_##name] = #name,
#define SOUND(name, reason)
#include "fault/kit/calls.def"
#undef FAULT
#undef BY_HAND
#undef SOUND
};

struct fault_balance fault_balance;

#define FAILS(call, ...) fault_error(CALL_##call, (const int[FAULT_MOST_ERRORS]){__VA_ARGS__})

#define MINUS(error, call) (errno = (error), -1)
#define NOTHING(error, call) (errno = (error), NULL)
#define CODE(error, call) (error)
#define DONE(error, call) ((void)(call), errno = (error), -1)

#define FAULT(type, name, parameters, arguments, how, ...)                                         \
    type fault_##name parameters;                                                                  \
    type fault_##name parameters                                                                   \
    {                                                                                              \
        int error = FAILS(name, __VA_ARGS__);                                                      \
        return error ? how(error, name arguments) : name arguments;                                \
    }
#define BY_HAND(name)
#define SOUND(name, reason)
#include "fault/kit/calls.def"
#undef FAULT
#undef BY_HAND
#undef SOUND

/* ---- memory ---- */

static void *counted(void *block)
{
    fault_balance.blocks += block != NULL;
    return block;
}

void *fault_malloc(size_t size);
void *fault_malloc(size_t size)
{
    int error = FAILS(malloc, ENOMEM);
    return error ? NOTHING(error, ) : counted(malloc(size));
}

void *fault_calloc(size_t n, size_t size);
void *fault_calloc(size_t n, size_t size)
{
    int error = FAILS(calloc, ENOMEM);
    return error ? NOTHING(error, ) : counted(calloc(n, size));
}

void *fault_realloc(void *block, size_t size);
void *fault_realloc(void *block, size_t size)
{
    int error = FAILS(realloc, ENOMEM);
    if (error)
        return NOTHING(error, );
    bool fresh = block == NULL;
    void *moved = realloc(block, size);
    return fresh ? counted(moved) : moved;
}

void fault_free(void *block);
void fault_free(void *block)
{
    fault_balance.blocks -= block != NULL;
    free(block);
}

void *fault_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *fault_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    int error = FAILS(mmap, ENOMEM, EAGAIN, ENFILE);
    if (error) {
        errno = error;
        return MAP_FAILED;
    }
    void *mapping = mmap(at, size, protection, flags, fd, offset);
    fault_balance.mappings += mapping != MAP_FAILED;
    return mapping;
}

/* The library unmaps what it has mapped, all of it; there is nothing that it could do if it could
 * not. */
int fault_munmap(void *at, size_t size);
int fault_munmap(void *at, size_t size)
{
    fault_balance.mappings--;
    return munmap(at, size);
}

/* ---- descriptors ---- */

int fault_open(const char *path, int flags, ...);
int fault_open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    int error = FAILS(open, ENOENT, EMFILE, EACCES, EINTR, ENFILE);
    return error ? MINUS(error, ) : open(path, flags, mode);
}

int fault_fcntl(int fd, int command, ...);
int fault_fcntl(int fd, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    int argument = va_arg(rest, int);
    va_end(rest);
    int error = FAILS(fcntl, EMFILE, EINVAL);
    return error ? MINUS(error, ) : fcntl(fd, command, argument);
}

static bool is_a(int fd, mode_t kind)
{
    struct stat status;
    return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == kind;
}

/* A call on the counter of an eventfd can be interrupted, at most. */
ssize_t fault_read(int fd, void *to, size_t size);
ssize_t fault_read(int fd, void *to, size_t size)
{
    bool counter = size == sizeof(uint64_t) && !is_a(fd, S_IFSOCK);
    int error = counter ? FAILS(read, EINTR) : FAILS(read, EINTR, EIO);
    return error ? MINUS(error, ) : read(fd, to, size);
}

/* A file has half of it then. */
static ssize_t write_file(int fd, const void *from, size_t size)
{
    int error = FAILS(write, EINTR, EIO, ENOSPC, EDQUOT);
    if (!error)
        return write(fd, from, size);
    return DONE(error, error == EINTR ? 0 : write(fd, from, size / 2));
}

ssize_t fault_write(int fd, const void *from, size_t size);
ssize_t fault_write(int fd, const void *from, size_t size)
{
    if (is_a(fd, S_IFREG))
        return write_file(fd, from, size);
    bool counter = size == sizeof(uint64_t) && !is_a(fd, S_IFSOCK);
    int error = counter ? FAILS(write, EINTR) : FAILS(write, EINTR, ENOBUFS, ENOMEM);
    return error ? MINUS(error, ) : write(fd, from, size);
}

/* ---- processes and threads ---- */

static pid_t forked(void)
{
    pid_t pid = fork();
    fault_forks += pid == 0;
    return pid;
}

pid_t fault_fork(void);
pid_t fault_fork(void)
{
    int error = FAILS(fork, EAGAIN, ENOMEM, ENOSYS);
    return error ? MINUS(error, ) : forked();
}

/* A child that shares no memory does as well. */
pid_t fault_vfork(void);
pid_t fault_vfork(void)
{
    int error = FAILS(vfork, EAGAIN, ENOMEM, ENOSYS);
    return error ? MINUS(error, ) : forked();
}

/* ECHILD: somebody else has waited for the child first. */
pid_t fault_waitpid(pid_t pid, int *status, int options);
pid_t fault_waitpid(pid_t pid, int *status, int options)
{
    int error = FAILS(waitpid, EINTR, ECHILD);
    if (error == ECHILD)
        return DONE(error, waitpid(pid, status, options));
    return error ? MINUS(error, ) : waitpid(pid, status, options);
}

int fault_prctl(int option, ...);
int fault_prctl(int option, ...)
{
    va_list rest;
    va_start(rest, option);
    unsigned long argument = va_arg(rest, unsigned long);
    va_end(rest);
    int error = FAILS(prctl, EPERM, EINVAL);
    return error ? MINUS(error, ) : prctl(option, argument, 0, 0, 0);
}

void (*fault_after_wake)(void);

/* close_range, and those of Landlock. */
static bool seals(long number)
{
    return number == SYS_seccomp || number == 436 || (number >= 444 && number <= 446);
}

/* pidfd_open and those that seal a worker, which may fail; futexes, whose failures do no harm; and
 * what old kernels need in place of MADV_POPULATE_WRITE. */
long fault_syscall(long number, ...);
long fault_syscall(long number, ...)
{
    va_list rest;
    long words[6];
    va_start(rest, number);
    for (int i = 0; i < 6; i++)
        words[i] = va_arg(rest, long);
    va_end(rest);
    bool fails = number == SYS_pidfd_open || seals(number);
    int error = fails ? FAILS(syscall, ENOSYS, EMFILE, EPERM, ENOMEM) : 0;
    long result = error
                      ? MINUS(error, )
                      : syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
    void (*hook)(void) = fault_after_wake;
    if (hook != NULL && fault_starts == 0 && number == SYS_futex &&
        words[1] == 1 /* FUTEX_WAKE */) {
        fault_after_wake = NULL;
        hook();
    }
    return result;
}

struct thread {
    void *(*body)(void *);
    void *context;
    int starts;
};

static void *start_thread(void *context)
{
    struct thread thread = *(struct thread *)context;
    free(context);
    fault_starts = thread.starts;
    return thread.body(thread.context);
}

int fault_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                         void *context);
int fault_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                         void *context)
{
    int error = FAILS(pthread_create, EAGAIN, ENOMEM, EPERM);
    struct thread *copy = error ? NULL : malloc(sizeof *copy);
    if (copy == NULL)
        return error ? error : ENOMEM;
    *copy = (struct thread){body, context, fault_starts + 1};
    error = pthread_create(thread, attributes, start_thread, copy);
    if (error)
        free(copy);
    return error;
}

/* ---- limits ---- */

/* The size of a page is always told. */
long fault_sysconf(int name);
long fault_sysconf(int name)
{
    int error = name == _SC_PAGESIZE ? 0 : FAILS(sysconf, EINVAL);
    return error ? MINUS(error, ) : sysconf(name);
}

/* ---- other names of them --------------------------------------------------------------------- */

/* With _FILE_OFFSET_BITS=64, which changes nothing where a long has 64 bits. */
#define BY_HAND(name)                                                                              \
    extern __typeof__(fault_##name) fault_##name##64 __attribute__((alias("fault_" #name)));
#define FAULT(type, name, ...) BY_HAND(name)
#define SOUND(name, reason)
#include "fault/kit/calls.def"
#undef FAULT
#undef BY_HAND
#undef SOUND

/* With _FORTIFY_SOURCE: no mode is given, or they are told the room that there is. */
int fault___open_2(const char *path, int flags);
int fault___open_2(const char *path, int flags) { return fault_open(path, flags); }

ssize_t fault___read_chk(int fd, void *to, size_t size, size_t room);
ssize_t fault___read_chk(int fd, void *to, size_t size, size_t room)
{
    return fault_read(fd, to, size);
}

ssize_t fault___recv_chk(int fd, void *to, size_t size, size_t room, int flags);
ssize_t fault___recv_chk(int fd, void *to, size_t size, size_t room, int flags)
{
    return fault_recv(fd, to, size, flags);
}

int fault___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int fault___poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room)
{
    return fault_poll(fds, n, timeout);
}

int fault___ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                      const sigset_t *mask, size_t room);
int fault___ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
                      const sigset_t *mask, size_t room)
{
    return fault_ppoll(fds, n, timeout, mask);
}

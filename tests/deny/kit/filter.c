/* filter.c - a filter for one system call, made of a handful of instructions: see filter.h. */
#include "deny/kit/filter.h"

#include <sys/prctl.h>
#include <sys/syscall.h>

/* As in linux/filter.h and linux/seccomp.h, which not every libc comes with. */
struct instruction {
    uint16_t code;
    uint8_t if_true, if_false;
    uint32_t operand;
};

struct program {
    unsigned short length;
    struct instruction *code;
};

#define LOAD 0x20 /* a word of what the call is: */
#define NUMBER 0
#define FIRST 16
#define IF_EQUAL 0x15 /* goes on, or skips a number of instructions */
#define RETURN 0x06
#define ALLOW 0x7fff0000u
#define ERRNO 0x00050000u
#define FILTER_MODE 2

bool deny(const struct denial *denial, int error)
{
    bool any = denial->first == ANY;
    struct instruction code[] = {
        {LOAD, 0, 0, NUMBER},
        {IF_EQUAL, 0, 3, (uint32_t)denial->number},
        {LOAD, 0, 0, any ? NUMBER : FIRST},
        {IF_EQUAL, 0, 1, (uint32_t)(any ? denial->number : denial->first)},
        {RETURN, 0, 0, ERRNO | (uint32_t)error},
        {RETURN, 0, 0, ALLOW},
    };
    struct program program = {COUNT(code), code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, FILTER_MODE, &program, 0, 0) == 0;
}

/* clang-format off */
#define CALL(name) {#name, SYS_##name, ANY}
/* clang-format on */

const struct denial denials[] = {
    CALL(openat),
#ifdef SYS_open
    CALL(open),
    CALL(unlink),
    CALL(fork),
    CALL(vfork),
    CALL(poll),
    CALL(getrlimit),
    CALL(pause),
#endif
    CALL(unlinkat),
    CALL(ftruncate),
    CALL(fallocate),
#ifdef SYS_memfd_create
    CALL(memfd_create),
#endif
    CALL(fstat),
#ifdef SYS_newfstatat
    CALL(newfstatat),
#endif
#ifdef SYS_statx
    CALL(statx),
#endif
    CALL(mmap),
    CALL(madvise),
    CALL(mprotect),
    CALL(clone),
#ifdef SYS_clone3
    CALL(clone3),
#endif
    CALL(prctl),
    {"prctl(PR_SET_PDEATHSIG)", SYS_prctl, PR_SET_PDEATHSIG},
    {"prctl(PR_SET_NAME)", SYS_prctl, PR_SET_NAME},
    CALL(setpgid),
    CALL(getppid),
    CALL(socketpair),
    CALL(sendto),
    CALL(recvfrom),
    CALL(sendmsg),
    CALL(recvmsg),
    CALL(shutdown),
    CALL(ppoll),
#ifdef SYS_pidfd_open
    CALL(pidfd_open),
#endif
#ifdef SYS_pidfd_send_signal
    CALL(pidfd_send_signal),
#endif
    CALL(wait4),
    CALL(waitid),
    CALL(kill),
    CALL(tgkill),
    CALL(eventfd2),
    CALL(pipe2),
    CALL(dup),
    CALL(fcntl),
    CALL(read),
    CALL(write),
    CALL(prlimit64),
    CALL(sched_getaffinity),
    CALL(sysinfo),
    CALL(nanosleep),
    CALL(clock_nanosleep),
    CALL(rt_sigaction),
    CALL(rt_sigpending),
    CALL(rt_sigtimedwait),
    CALL(sigaltstack),
    CALL(getrandom),
    CALL(set_tid_address),
    {.name = NULL},
};

/* seal_rules.h - the system calls that a sealed worker may make: the one list of them.
 *
 * Runs in: worker. seal_filter.c makes a filter of this list, and lib/man/seal.awk the
 * list in posse_seal(7). A call that is not here costs the task that makes it.
 *
 * RULE(call, when, check): the call is allowed if the seal allows `when` and the arguments pass the
 * check (seal_checks.h). A call may have several rules.
 *
 *   when        the seal allows
 *   ALWAYS      anything: what posse and the C library need to compute, and what can be done with
 *               memory, time and descriptors that are open
 *   PATHS       POSSE_ALLOW_FILES, or it lists paths
 *   CHANGES     POSSE_ALLOW_FILES, or it lists writable paths
 *   FILES       POSSE_ALLOW_FILES
 *   NETWORK     POSSE_ALLOW_NETWORK
 *   PORTS       it lists ports
 *   CONNECTS    it lists ports to connect to
 *   BINDS       it lists ports to bind
 *   PROGRAMS    POSSE_ALLOW_PROGRAMS
 *   PROCESSES   POSSE_ALLOW_PROCESSES
 *   SIGNALS     POSSE_ALLOW_SIGNALS
 *   TRACING     POSSE_ALLOW_TRACING
 *
 * What must never be here, whatever a seal allows:
 *   - io_uring_setup: its rings make calls that no filter sees
 *   - setsid, setpgid: what a task starts would outlive its worker
 *   - prctl, but for names: a task could undo the end with the supervisor, or the ban of dumps
 *   - mount, unshare, setns, bpf, keyctl and calls that change the user
 */
#pragma once

/* clang-format off */
#define PI_OS_SEAL_RULES(RULE)                                                                     \
    /* memory */                                                                                   \
    RULE(brk, ALWAYS, ANY) RULE(mmap, ALWAYS, ANY) RULE(munmap, ALWAYS, ANY)                       \
    RULE(mremap, ALWAYS, ANY) RULE(mprotect, ALWAYS, ANY) RULE(madvise, ALWAYS, ADVICE)            \
    RULE(msync, ALWAYS, ANY) RULE(mincore, ALWAYS, ANY) RULE(mlock, ALWAYS, ANY)                   \
    RULE(mlock2, ALWAYS, ANY) RULE(munlock, ALWAYS, ANY) RULE(mseal, ALWAYS, ANY)                  \
    RULE(fallocate, ALWAYS, ANY) RULE(getrandom, ALWAYS, ANY) RULE(membarrier, ALWAYS, ANY)        \
    /* threads */                                                                                  \
    RULE(futex, ALWAYS, ANY) RULE(futex_waitv, ALWAYS, ANY) RULE(futex_wake, ALWAYS, ANY)          \
    RULE(futex_wait, ALWAYS, ANY) RULE(clone, ALWAYS, THREAD) RULE(clone3, ALWAYS, NO_CALL)        \
    RULE(exit, ALWAYS, ANY) RULE(exit_group, ALWAYS, ANY) RULE(set_robust_list, ALWAYS, ANY)       \
    RULE(rseq, ALWAYS, ANY) RULE(sched_yield, ALWAYS, ANY) RULE(sched_getaffinity, ALWAYS, ANY)    \
    RULE(sched_getscheduler, ALWAYS, ANY) RULE(sched_getparam, ALWAYS, ANY)                        \
    RULE(sched_get_priority_max, ALWAYS, ANY) RULE(sched_get_priority_min, ALWAYS, ANY)            \
    RULE(getcpu, ALWAYS, ANY) RULE(restart_syscall, ALWAYS, ANY)                                   \
    /* time */                                                                                     \
    RULE(clock_gettime, ALWAYS, ANY) RULE(clock_getres, ALWAYS, ANY)                               \
    RULE(clock_nanosleep, ALWAYS, ANY) RULE(nanosleep, ALWAYS, ANY)                                \
    RULE(gettimeofday, ALWAYS, ANY) RULE(time, ALWAYS, ANY) RULE(times, ALWAYS, ANY)               \
    RULE(alarm, ALWAYS, ANY) RULE(setitimer, ALWAYS, ANY) RULE(getitimer, ALWAYS, ANY)             \
    RULE(timer_create, ALWAYS, ANY) RULE(timer_settime, ALWAYS, ANY)                               \
    RULE(timer_gettime, ALWAYS, ANY) RULE(timer_getoverrun, ALWAYS, ANY)                           \
    RULE(timer_delete, ALWAYS, ANY) RULE(timerfd_create, ALWAYS, ANY)                              \
    RULE(timerfd_settime, ALWAYS, ANY) RULE(timerfd_gettime, ALWAYS, ANY)                          \
    /* what the process is */                                                                      \
    RULE(getpid, ALWAYS, ANY) RULE(getppid, ALWAYS, ANY) RULE(gettid, ALWAYS, ANY)                 \
    RULE(getuid, ALWAYS, ANY) RULE(geteuid, ALWAYS, ANY) RULE(getgid, ALWAYS, ANY)                 \
    RULE(getegid, ALWAYS, ANY) RULE(getpgrp, ALWAYS, ANY) RULE(getpgid, ALWAYS, ANY)               \
    RULE(uname, ALWAYS, ANY) RULE(sysinfo, ALWAYS, ANY) RULE(getrusage, ALWAYS, ANY)               \
    RULE(getrlimit, ALWAYS, ANY) RULE(prlimit64, ALWAYS, READ_OWN) RULE(prctl, ALWAYS, NAMES)      \
    RULE(prlimit64, ALWAYS, OWN_DATA)                                                              \
    /* its own signals; and the one with which it notifies the supervisor */                       \
    RULE(rt_sigaction, ALWAYS, ANY) RULE(rt_sigprocmask, ALWAYS, ANY)                              \
    RULE(rt_sigreturn, ALWAYS, ANY) RULE(rt_sigpending, ALWAYS, ANY)                               \
    RULE(rt_sigsuspend, ALWAYS, ANY) RULE(rt_sigtimedwait, ALWAYS, ANY)                            \
    RULE(sigaltstack, ALWAYS, ANY) RULE(pause, ALWAYS, ANY) RULE(tgkill, ALWAYS, SELF)             \
    RULE(tkill, ALWAYS, SELF) RULE(rt_tgsigqueueinfo, ALWAYS, SELF) RULE(kill, ALWAYS, SELF)       \
    RULE(kill, ALWAYS, NOTIFY) RULE(kill, ALWAYS, NOTIFY_OTHER)                                    \
    /* descriptors that are open */                                                                \
    RULE(read, ALWAYS, ANY) RULE(readv, ALWAYS, ANY) RULE(pread64, ALWAYS, ANY)                    \
    RULE(preadv, ALWAYS, ANY) RULE(preadv2, ALWAYS, ANY) RULE(write, ALWAYS, ANY)                  \
    RULE(writev, ALWAYS, ANY) RULE(pwrite64, ALWAYS, ANY) RULE(pwritev, ALWAYS, ANY)               \
    RULE(pwritev2, ALWAYS, ANY) RULE(lseek, ALWAYS, ANY) RULE(fstat, ALWAYS, ANY)                  \
    RULE(newfstatat, ALWAYS, OPEN_STAT) RULE(statx, ALWAYS, OPEN_STATX)                            \
    RULE(fstatfs, ALWAYS, ANY) RULE(fsync, ALWAYS, ANY) RULE(fdatasync, ALWAYS, ANY)               \
    RULE(sync_file_range, ALWAYS, ANY) RULE(fadvise64, ALWAYS, ANY) RULE(readahead, ALWAYS, ANY)   \
    RULE(sendfile, ALWAYS, ANY) RULE(copy_file_range, ALWAYS, ANY) RULE(splice, ALWAYS, ANY)       \
    RULE(tee, ALWAYS, ANY) RULE(vmsplice, ALWAYS, ANY) RULE(flock, ALWAYS, ANY)                    \
    RULE(close, ALWAYS, ANY) RULE(close_range, ALWAYS, ANY) RULE(dup, ALWAYS, ANY)                 \
    RULE(dup2, ALWAYS, ANY) RULE(dup3, ALWAYS, ANY) RULE(fcntl, ALWAYS, OWN_FLAGS)                 \
    RULE(ioctl, ALWAYS, HARMLESS) RULE(poll, ALWAYS, ANY) RULE(ppoll, ALWAYS, ANY)                 \
    RULE(select, ALWAYS, ANY) RULE(pselect6, ALWAYS, ANY) RULE(epoll_create, ALWAYS, ANY)          \
    RULE(epoll_create1, ALWAYS, ANY) RULE(epoll_ctl, ALWAYS, ANY) RULE(epoll_wait, ALWAYS, ANY)    \
    RULE(epoll_pwait, ALWAYS, ANY) RULE(epoll_pwait2, ALWAYS, ANY) RULE(eventfd, ALWAYS, ANY)      \
    RULE(eventfd2, ALWAYS, ANY) RULE(pipe, ALWAYS, ANY) RULE(pipe2, ALWAYS, ANY)                   \
    RULE(recvfrom, ALWAYS, ANY) RULE(recvmsg, ALWAYS, ANY) RULE(recvmmsg, ALWAYS, ANY)             \
    RULE(sendto, ALWAYS, CONNECTED) RULE(sendmsg, ALWAYS, NO_FASTOPEN) RULE(shutdown, ALWAYS, ANY) \
    RULE(getsockopt, ALWAYS, ANY) RULE(getsockname, ALWAYS, ANY) RULE(getpeername, ALWAYS, ANY)    \
    /* opening and looking at files, which Landlock limits to the paths of the seal */             \
    RULE(open, PATHS, ANY) RULE(openat, PATHS, ANY) RULE(openat2, PATHS, ANY)                      \
    RULE(access, PATHS, ANY) RULE(faccessat, PATHS, ANY) RULE(faccessat2, PATHS, ANY)              \
    RULE(stat, PATHS, ANY) RULE(lstat, PATHS, ANY) RULE(newfstatat, PATHS, ANY)                    \
    RULE(statx, PATHS, ANY) RULE(statfs, PATHS, ANY) RULE(readlink, PATHS, ANY)                    \
    RULE(readlinkat, PATHS, ANY) RULE(getdents, PATHS, ANY) RULE(getdents64, PATHS, ANY)           \
    RULE(getcwd, PATHS, ANY) RULE(chdir, PATHS, ANY) RULE(fchdir, PATHS, ANY)                      \
    /* changing them */                                                                            \
    RULE(creat, CHANGES, ANY) RULE(mkdir, CHANGES, ANY) RULE(mkdirat, CHANGES, ANY)                \
    RULE(rmdir, CHANGES, ANY) RULE(unlink, CHANGES, ANY) RULE(unlinkat, CHANGES, ANY)              \
    RULE(rename, CHANGES, ANY) RULE(renameat, CHANGES, ANY) RULE(renameat2, CHANGES, ANY)          \
    RULE(link, CHANGES, ANY) RULE(linkat, CHANGES, ANY) RULE(symlink, CHANGES, ANY)                \
    RULE(symlinkat, CHANGES, ANY) RULE(mknod, CHANGES, ANY) RULE(mknodat, CHANGES, ANY)            \
    RULE(truncate, CHANGES, ANY) RULE(ftruncate, CHANGES, ANY) RULE(umask, CHANGES, ANY)           \
    /* what Landlock does not limit to paths */                                                    \
    RULE(chmod, FILES, ANY) RULE(fchmod, FILES, ANY) RULE(fchmodat, FILES, ANY)                    \
    RULE(fchmodat2, FILES, ANY) RULE(chown, FILES, ANY) RULE(fchown, FILES, ANY)                   \
    RULE(lchown, FILES, ANY) RULE(fchownat, FILES, ANY) RULE(utime, FILES, ANY)                    \
    RULE(utimes, FILES, ANY) RULE(futimesat, FILES, ANY) RULE(utimensat, FILES, ANY)               \
    RULE(getxattr, FILES, ANY) RULE(lgetxattr, FILES, ANY) RULE(fgetxattr, FILES, ANY)             \
    RULE(listxattr, FILES, ANY) RULE(llistxattr, FILES, ANY) RULE(flistxattr, FILES, ANY)          \
    RULE(setxattr, FILES, ANY) RULE(lsetxattr, FILES, ANY) RULE(fsetxattr, FILES, ANY)             \
    RULE(removexattr, FILES, ANY) RULE(lremovexattr, FILES, ANY) RULE(fremovexattr, FILES, ANY)    \
    RULE(memfd_create, FILES, ANY)                                                                 \
    /* sockets */                                                                                  \
    RULE(socket, NETWORK, ANY) RULE(socketpair, NETWORK, ANY) RULE(connect, NETWORK, ANY)          \
    RULE(bind, NETWORK, ANY) RULE(listen, NETWORK, ANY) RULE(accept, NETWORK, ANY)                 \
    RULE(accept4, NETWORK, ANY) RULE(setsockopt, NETWORK, ANY) RULE(sendto, NETWORK, ANY)          \
    RULE(sendmsg, NETWORK, ANY) RULE(sendmmsg, NETWORK, ANY)                                       \
    /* sockets of TCP, whose ports Landlock limits */                                              \
    RULE(socket, PORTS, TCP) RULE(setsockopt, PORTS, OPTIONS) RULE(connect, CONNECTS, ANY)         \
    RULE(bind, BINDS, ANY) RULE(listen, BINDS, ANY) RULE(accept, BINDS, ANY)                       \
    RULE(accept4, BINDS, ANY)                                                                      \
    /* programs, and how one begins */                                                             \
    RULE(execve, PROGRAMS, ANY) RULE(execveat, PROGRAMS, ANY) RULE(arch_prctl, PROGRAMS, ANY)      \
    RULE(set_tid_address, PROGRAMS, ANY)                                                           \
    /* processes */                                                                                \
    RULE(fork, PROCESSES, ANY) RULE(vfork, PROCESSES, ANY) RULE(clone, PROCESSES, NO_SPACES)       \
    RULE(wait4, PROCESSES, ANY) RULE(waitid, PROCESSES, ANY)                                       \
    /* signals to others */                                                                        \
    RULE(kill, SIGNALS, ANY) RULE(tkill, SIGNALS, ANY) RULE(tgkill, SIGNALS, ANY)                  \
    RULE(rt_sigqueueinfo, SIGNALS, ANY) RULE(rt_tgsigqueueinfo, SIGNALS, ANY)                      \
    RULE(pidfd_open, SIGNALS, ANY) RULE(pidfd_send_signal, SIGNALS, ANY)                           \
    RULE(fcntl, SIGNALS, ANY)                                                                      \
    /* memory and descriptors of others */                                                         \
    RULE(ptrace, TRACING, ANY) RULE(process_vm_readv, TRACING, ANY)                                \
    RULE(process_vm_writev, TRACING, ANY) RULE(pidfd_open, TRACING, ANY)                           \
    RULE(pidfd_getfd, TRACING, ANY) RULE(kcmp, TRACING, ANY)
/* Of a worker that forks a process for each task (worker/fresh.c): what it may do beyond the seal,
 * and its children until they are sealed. The filter of such a child forbids again what the seal
 * does not allow of these calls. It knows the child's pid, so each call that has a rule above about
 * a pid must be here. */
#define PI_OS_WORKER_CALLS(CALL)                                                                   \
    CALL(clone, NO_SPACES) CALL(fork, ANY) CALL(wait4, ANY) CALL(kill, ANY) CALL(tkill, ANY)       \
    CALL(tgkill, ANY) CALL(rt_tgsigqueueinfo, ANY) CALL(prctl, ANY) CALL(prlimit64, ANY)           \
    CALL(open, ANY) CALL(openat, ANY) CALL(seccomp, ANY) CALL(landlock_restrict_self, ANY)
/* Of its children: what of the calls above would reach beyond memory that a task was given
 * (worker/fresh_memory.c). */
#define PI_OS_TASK_CALLS(CALL)                                                                     \
    CALL(mremap, NO_CALL) CALL(vmsplice, NO_CALL) CALL(madvise, TASK_ADVICE)                       \
    CALL(sendto, COPIES) CALL(sendmmsg, COPIES) CALL(sendmsg, MESSAGE_COPIES)
/* Nor do its children get a rule above with one of these checks. A worker needs these for
 * itself: it limits its memory, and may be another user. */
#define PI_OS_CHECKS_OF_WORKER(CHECK)                                                              \
    CHECK(OWN_DATA) CHECK(NOTIFY_OTHER)
/* clang-format on */

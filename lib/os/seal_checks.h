/* seal_checks.h - what the arguments of a call must be, for the rules of seal_rules.h.
 *
 * Runs in: worker. Included by seal_program.h alone.
 */
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

/* Against what an argument is compared. */
enum value { CONSTANT, SELF_PID, PARENT_PID, NULL_POINTER };

/* argument & mask == value. */
struct test {
    unsigned argument;
    uint32_t mask, value;
    enum value kind;
    bool and_next; /* the next test must hold, too; else one of them is enough */
};

#define ALL_BITS 0xffffffffu
#define EQUALS(argument, value)                                                                    \
    {                                                                                              \
        argument, ALL_BITS, value, CONSTANT, false                                                 \
    }
#define IS(argument, kind)                                                                         \
    {                                                                                              \
        argument, ALL_BITS, 0, kind, false                                                         \
    }

#define FASTOPEN 0x20000000u /* MSG_FASTOPEN */
#define ZEROCOPY 0x4000000u  /* MSG_ZEROCOPY */
#define SOCKET_FLAGS ((uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC))
#define THREAD_FLAGS ((uint32_t)(CLONE_THREAD | CLONE_VM | CLONE_SIGHAND))
/* Namespaces; and a child of the supervisor. */
#define SPACE_FLAGS                                                                                \
    ((uint32_t)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |      \
                CLONE_NEWPID | CLONE_NEWNET | CLONE_PARENT))

/* Of a process for its own memory: not the pages that one with CAP_SYS_ADMIN takes from all (100,
 * 101). 102 and 103 are guard pages. */
static const struct test advice[] = {{2, ~31u, 0, CONSTANT, false}, EQUALS(2, 102), EQUALS(2, 103)};
/* The same without MADV_REMOVE (9), which takes memory away from all who map it. */
static const struct test task_advice[] = {{2, ~7u, 0, CONSTANT, false},
                                          EQUALS(2, 8),
                                          {2, ~1u, 10, CONSTANT, false},
                                          {2, ~3u, 12, CONSTANT, false},
                                          {2, ~15u, 16, CONSTANT, false},
                                          EQUALS(2, 102),
                                          EQUALS(2, 103)};
static const struct test self[] = {IS(0, SELF_PID)};
static const struct test notify[] = {{0, ALL_BITS, 0, PARENT_PID, true}, EQUALS(1, SIGCHLD)};
static const struct test notify_other[] = {{0, ALL_BITS, 0, PARENT_PID, true}, EQUALS(1, SIGCONT)};
static const struct test thread[] = {
    {0, THREAD_FLAGS | SPACE_FLAGS, THREAD_FLAGS, CONSTANT, false}};
static const struct test no_spaces[] = {{0, SPACE_FLAGS, 0, CONSTANT, false}};
static const struct test read_own[] = {{0, ALL_BITS, 0, CONSTANT, true},
                                       IS(2, NULL_POINTER),
                                       {0, ALL_BITS, 0, SELF_PID, true},
                                       IS(2, NULL_POINTER)};
/* Its limit of memory, which posse sets around a task that has one. */
static const struct test own_data[] = {{0, ALL_BITS, 0, CONSTANT, true},
                                       EQUALS(1, RLIMIT_DATA),
                                       {0, ALL_BITS, 0, SELF_PID, true},
                                       EQUALS(1, RLIMIT_DATA)};
static const struct test names[] = {EQUALS(0, PR_SET_NAME), EQUALS(0, PR_GET_NAME),
                                    EQUALS(0, PR_GET_DUMPABLE)};
/* On a descriptor, if the path is empty. A task can write a path there, too: see posse_seal(7). */
static const struct test open_stat[] = {{3, AT_EMPTY_PATH, AT_EMPTY_PATH, CONSTANT, false}};
static const struct test open_statx[] = {{2, AT_EMPTY_PATH, AT_EMPTY_PATH, CONSTANT, false}};
/* Not those that make the kernel send signals: F_SETOWN, F_SETSIG, O_ASYNC. 0 is F_DUPFD, 3 is
 * F_GETFL, 5 to 7 are of locks. */
static const struct test own_flags[] = {{1, ~3u, 0, CONSTANT, false},
                                        {1, ALL_BITS, F_SETFL, CONSTANT, true},
                                        {2, O_ASYNC, 0, CONSTANT, false},
                                        EQUALS(1, F_GETLK),
                                        {1, ~1u, F_SETLK, CONSTANT, false},
                                        EQUALS(1, F_DUPFD_CLOEXEC),
                                        EQUALS(1, F_OFD_GETLK),
                                        EQUALS(1, F_OFD_SETLK),
                                        EQUALS(1, F_OFD_SETLKW),
                                        EQUALS(1, F_GETPIPE_SZ),
                                        EQUALS(1, F_SETPIPE_SZ)};
static const struct test harmless[] = {EQUALS(1, TCGETS), EQUALS(1, TIOCGWINSZ),
                                       EQUALS(1, FIONREAD), EQUALS(1, FIONBIO), EQUALS(1, FIOCLEX)};
static const struct test connected[] = {IS(4, NULL_POINTER)};
/* With that flag a call connects, and Landlock does not see it. */
static const struct test no_fastopen[] = {{2, FASTOPEN, 0, CONSTANT, false}};
/* Without that flag the kernel copies what it sends. Else it keeps pages until they are sent. */
static const struct test copies[] = {{3, ZEROCOPY, 0, CONSTANT, false}};
static const struct test message_copies[] = {{2, ZEROCOPY, 0, CONSTANT, false}};
/* IPv4 (2) or IPv6 (10); a stream; the protocol 0 or 6. No stream has 2 or 4, which the mask lets
 * through. Landlock does not limit other streams. */
static const struct test tcp[] = {{0, ~8u, AF_INET, CONSTANT, true},
                                  {1, ~SOCKET_FLAGS, SOCK_STREAM, CONSTANT, true},
                                  {2, ~6u, 0, CONSTANT, false}};
/* All of a socket; the first 15 and TCP_USER_TIMEOUT of TCP; IPV6_V6ONLY. Not TCP_ULP: with it a
 * socket turns into one that Landlock does not limit. */
#define LEVEL(level)                                                                               \
    {                                                                                              \
        1, ALL_BITS, level, CONSTANT, true                                                         \
    }
static const struct test options[] = {EQUALS(1, SOL_SOCKET),         LEVEL(IPPROTO_TCP),
                                      {2, ~15u, 0, CONSTANT, false}, LEVEL(IPPROTO_TCP),
                                      EQUALS(2, TCP_USER_TIMEOUT),   LEVEL(IPPROTO_IPV6),
                                      EQUALS(2, IPV6_V6ONLY)};

enum check {
    ANY,     /* whatever its arguments are */
    NO_CALL, /* as if the kernel did not know it */
    ADVICE,
    TASK_ADVICE,
    SELF,
    NOTIFY,
    NOTIFY_OTHER, /* user, as which a task may act by now */
    THREAD,
    NO_SPACES,
    READ_OWN,
    OWN_DATA,
    NAMES,
    OPEN_STAT,
    OPEN_STATX,
    OWN_FLAGS,
    HARMLESS,
    CONNECTED,
    NO_FASTOPEN,
    COPIES,
    MESSAGE_COPIES,
    TCP,
    OPTIONS
};

#define TESTS_OF(tests)                                                                            \
    {                                                                                              \
        tests, sizeof(tests) / sizeof(tests)[0]                                                    \
    }
static const struct {
    const struct test *tests;
    size_t count;
} checks[] = {
    [ADVICE] = TESTS_OF(advice),
    [TASK_ADVICE] = TESTS_OF(task_advice),
    [SELF] = TESTS_OF(self),
    [NOTIFY] = TESTS_OF(notify),
    [NOTIFY_OTHER] = TESTS_OF(notify_other),
    [THREAD] = TESTS_OF(thread),
    [NO_SPACES] = TESTS_OF(no_spaces),
    [READ_OWN] = TESTS_OF(read_own),
    [OWN_DATA] = TESTS_OF(own_data),
    [NAMES] = TESTS_OF(names),
    [OPEN_STAT] = TESTS_OF(open_stat),
    [OPEN_STATX] = TESTS_OF(open_statx),
    [OWN_FLAGS] = TESTS_OF(own_flags),
    [HARMLESS] = TESTS_OF(harmless),
    [CONNECTED] = TESTS_OF(connected),
    [NO_FASTOPEN] = TESTS_OF(no_fastopen),
    [COPIES] = TESTS_OF(copies),
    [MESSAGE_COPIES] = TESTS_OF(message_copies),
    [TCP] = TESTS_OF(tcp),
    [OPTIONS] = TESTS_OF(options),
};

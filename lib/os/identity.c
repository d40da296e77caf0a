#include "os/identity.h"

#include "os/fd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Fields 1, 3, 20 and 22 of a process's stat in /proc. */
struct stat_line {
    uint64_t pid, threads, start;
    char state;
};

static uint64_t number_at(const char *at)
{
    uint64_t number = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    return number;
}

/* Behind that number of spaces, or the end. */
static const char *after_spaces(const char *at, int spaces)
{
    for (; *at && spaces > 0; at++)
        spaces -= *at == ' ';
    return at;
}

/* The name, which may hold anything, ends with the last parenthesis of the line. */
static bool parse(const char *line, struct stat_line *found)
{
    const char *end = strrchr(line, ')');
    if (!end)
        return false;
    found->pid = number_at(line);
    found->state = *after_spaces(end, 1);
    found->threads = number_at(after_spaces(end, 18));
    found->start = number_at(after_spaces(end, 20));
    return found->start != 0;
}

static bool read_stat(const char *path, pid_t pid, struct stat_line *found)
{
    char line[1024];
    return pi_os_fd_read(path, line, sizeof line) > 0 && parse(line, found) &&
           found->pid == (uint64_t)pid;
}

static bool read_stat_of(pid_t pid, struct stat_line *found)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    return read_stat(path, pid, found);
}

/* Whether /proc is that of our pid namespace. */
static bool proc_is_ours(void)
{
    struct stat_line self;
    return read_stat("/proc/self/stat", getpid(), &self);
}

static bool is_used(pid_t pid) { return kill(pid, 0) == 0 || errno != ESRCH; }

struct pi_os_identity pi_os_identify(pid_t pid)
{
    struct stat_line line;
    if (pid <= 0 || !is_used(pid))
        return (struct pi_os_identity){.pid = 0};
    bool known = proc_is_ours() && read_stat_of(pid, &line);
    return (struct pi_os_identity){.pid = pid, .start = known ? line.start : 0};
}

/* Its line, if /proc has one. False: the process is not there. */
static bool look(const struct pi_os_identity *identity, struct stat_line *line)
{
    line->state = 0;
    if (identity->pid <= 0)
        return false;
    if (identity->start == 0 || !read_stat_of(identity->pid, line))
        return is_used(identity->pid);
    return line->start == identity->start;
}

bool pi_os_identity_is(const struct pi_os_identity *identity)
{
    struct stat_line line;
    return look(identity, &line);
}

/* A process whose first thread alone has ended is a zombie too, but has more threads. */
bool pi_os_identity_lives(const struct pi_os_identity *identity)
{
    struct stat_line line;
    if (!look(identity, &line))
        return false;
    return !(line.state == 'Z' || line.state == 'X') || line.threads > 1;
}

struct pi_os_user pi_os_user(void)
{
    return (struct pi_os_user){.user = geteuid(), .group = getegid()};
}

bool pi_os_user_is(const struct pi_os_user *user)
{
    return geteuid() == user->user && getegid() == user->group;
}

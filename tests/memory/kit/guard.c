/* guard.c - a child in a memory cgroup and with a /dev/shm of its own.
 *
 * The cgroup is made below the one of the runner, or, where that may not have any, at the top of
 * what is mounted here.
 */
#include "kit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH = 1024, NOT_PERMITTED = 77, SECONDS = 200, NO_GUARD = -1 };

/* ---- the cgroup ---- */

static char group[PATH]; /* "": there is none */

static bool write_word(const char *directory, const char *name, const char *word)
{
    char path[PATH + 64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, word, strlen(word)) == (ssize_t)strlen(word);
    if (fd >= 0)
        (void)close(fd);
    return written;
}

/* Where the cgroups with a limit of memory are mounted. */
static bool find_mount(char at[PATH], bool *unified)
{
    char line[4096], type[32], options[1024], place[PATH];
    bool found = false;
    FILE *mounts = fopen("/proc/self/mounts", "re");
    while (mounts != NULL && fgets(line, sizeof line, mounts) != NULL) {
        if (sscanf(line, "%*s %1023s %31s %1023s", place, type, options) != 3)
            continue;
        bool second = strcmp(type, "cgroup2") == 0;
        if ((strcmp(type, "cgroup") == 0 && strstr(options, "memory") != NULL) ||
            (second && !found)) {
            strcpy(at, place);
            *unified = second;
            found = true;
        }
    }
    if (mounts != NULL)
        fclose(mounts);
    return found;
}

/* The runner's own cgroup, below the mount: of /proc/self/cgroup's lines "4:memory:/path" or
 * "0::/path". */
static void find_own(bool unified, char path[PATH])
{
    char line[2048];
    FILE *file = fopen("/proc/self/cgroup", "re");
    strcpy(path, "");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *names = strchr(line, ':');
        const char *at = names != NULL ? strchr(names + 1, ':') : NULL;
        if (at != NULL && (unified ? names + 1 == at : strstr(names, "memory:") == names + 1))
            snprintf(path, PATH, "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
    }
    if (file != NULL)
        fclose(file);
}

static bool make_group_in(const char *at, const char *below, bool unified, size_t limit)
{
    char bytes[32];
    snprintf(group, sizeof group, "%.400s%.400s/posse-test-%ld", at, below, (long)getpid());
    snprintf(bytes, sizeof bytes, "%zu", limit);
    if (mkdir(group, 0755) == 0) {
        if (write_word(group, unified ? "memory.max" : "memory.limit_in_bytes", bytes)) {
            /* No swap beyond it. Where there is none the file may be missing. */
            (void)write_word(group, unified ? "memory.swap.max" : "memory.memsw.limit_in_bytes",
                             unified ? "0" : bytes);
            return true;
        }
        (void)rmdir(group);
    }
    group[0] = '\0';
    return false;
}

static bool make_group(size_t limit)
{
    char at[PATH], own[PATH];
    bool unified;
    if (!find_mount(at, &unified))
        return false;
    find_own(unified, own);
    return make_group_in(at, own, unified, limit) || make_group_in(at, "", unified, limit);
}

static void kill_group(void)
{
    char path[PATH + 64];
    long pid;
    snprintf(path, sizeof path, "%s/cgroup.procs", group);
    FILE *pids = fopen(path, "re");
    while (pids != NULL && fscanf(pids, "%ld", &pid) == 1)
        (void)kill((pid_t)pid, SIGKILL);
    if (pids != NULL)
        fclose(pids);
}

/* Whatever is left in it ends too, and may take a while to be gone. */
static void remove_group(void)
{
    for (long end = now_ms() + PATIENCE_MS; group[0] != '\0' && rmdir(group) != 0; pause_ms(5)) {
        kill_group();
        if (now_ms() > end) {
            print_error("%s is left\n", group);
            break;
        }
    }
    group[0] = '\0';
}

/* ---- the child ---- */

static bool mount_shm(const char *options)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", "/dev/shm", "tmpfs", 0, options) == 0;
}

static int run_body(void *context)
{
    const struct guard *guard = context;
    (void)setpgid(0, 0);
    time_limit((unsigned)guard->seconds);
    if ((guard->limit > 0 && !write_word(group, "cgroup.procs", "0")) ||
        (guard->shm != NULL && !mount_shm(guard->shm)))
        return NOT_PERMITTED;
    return guard->body(guard->context);
}

int run_guarded(struct guard guard)
{
    if (guard.limit > 0 && !make_group(guard.limit))
        return NO_GUARD;
    guard.seconds = guard.seconds > 0 ? guard.seconds : SECONDS;
    time_limit((unsigned)guard.seconds + 15); /* what was begun is cleared away before */
    pid_t child = start_child(run_body, &guard);
    int status = wait_status(child);
    (void)kill(-child, SIGKILL); /* what it has left, where there is no cgroup */
    remove_group();
    return WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED ? NO_GUARD : status;
}

void assert_ended_well(int status)
{
    if (status == NO_GUARD) {
        print_message("a memory cgroup or a /dev/shm of its own is not permitted here\n");
        skip();
    }
    if (WIFSIGNALED(status))
        fail_msg("killed by signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

void assert_guarded(struct guard guard) { assert_ended_well(run_guarded(guard)); }

/* idle.c - while a pool of agents has no task, no thread of it runs: of the program, the launcher,
 * the agents and their pools. */
#include "remote/kit/peer.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer than any time after which something could look by itself. */
#define QUIET_MS 2500

/* How often the thread has gone to sleep, plus the ticks that it has run. A thread that spins does
 * not sleep; one that wakes for a moment has no tick. */
static long work_of_thread(const char *pid, const char *thread)
{
    char path[100], line[512] = "";
    long switches = 0;
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%.20s/task/%.20s/status", pid, thread);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &switches) == 1)
            break;
    if (file)
        (void)fclose(file);
    snprintf(path, sizeof path, "/proc/%.20s/task/%.20s/stat", pid, thread);
    file = fopen(path, "re");
    const char *end = file && fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    if (end)
        (void)sscanf(end, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    if (file)
        (void)fclose(file);
    return switches + (long)(user + system);
}

/* The thread that looks does not count. */
static long work_of(const char *pid)
{
    char path[64];
    long work = 0;
    snprintf(path, sizeof path, "/proc/%.20s/task", pid);
    DIR *threads = opendir(path);
    for (const struct dirent *one; threads && (one = readdir(threads));)
        if (atol(one->d_name) > 0 && atol(one->d_name) != identity())
            work += work_of_thread(pid, one->d_name);
    if (threads)
        (void)closedir(threads);
    return work;
}

/* Of all processes of this program, and how many there are. */
static long work_of_all(int *n)
{
    long work = 0;
    DIR *processes = opendir("/proc");
    assert_non_null(processes);
    *n = 0;
    for (const struct dirent *one; (one = readdir(processes));)
        if (peer_is_this_program(one->d_name)) {
            work += work_of(one->d_name);
            ++*n;
        }
    (void)closedir(processes);
    return work;
}

static bool rests(int least)
{
    int before_n, n;
    long before = work_of_all(&before_n);
    pause_ms(QUIET_MS);
    long after = work_of_all(&n);
    return after == before && before > 0 && n == before_n && n >= least;
}

TEST(an_idle_pool_of_agents_sleeps, UNSANITIZED(PROCESSES))
{
    /* For each pool a supervisor, a launcher and a worker for each place; each agent, its
     * supervisor and its workers. */
    enum { UNIX = 1 + 1 + 3 + (2 + 2) + (2 + 1), TCP = 1 + 1 + 2 + (2 + 2) };
    posse_executor *pool = REMOTE("a:2,b:1");
    posse_executor *tcp = make_remote_tcp("a:2");
    assert_square_tasks(pool, 50);
    assert_square_tasks(tcp, 50);
    assert_eventually(rests(1 + UNIX + TCP));
    end_remote(pool);
    end_remote(tcp);
}

/* program.c - the program is killed at random moments, also inside posse_create and posse_destroy:
 * soon after nothing lives that it has started, and no name with memory is left.
 *
 * The program is a forked child; its descendants enter themselves in the roster (parts/roster.c).
 * POSSE_TEST_SEED and POSSE_CHAOS_SECONDS set the first seed and the time.
 */
#include "parts/chaos.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum stage { BEGINS, CREATES, LOADS, WAITS, SHUTS_DOWN, DESTROYS, STAGES };
static const char *const stages[] = {"its begin", "create", "load", "wait", "shutdown", "destroy"};

/* What the program is told, and tells in memory that it shares with the runner. */
struct word {
    uint64_t random;
    struct roster *roster;
    bool seals; /* some of its pools give each task a process of its own */
    _Atomic int stage;
};

/* ---- the program ---- */

static int spinning_task(posse_task *task, const void *arg, size_t size)
{
    work_for(*(const uint32_t *)arg % 3000);
    return 0;
}

/* Deaf, and with a child that is in the way too. */
static int deaf_task(posse_task *task, const void *arg, size_t size)
{
    signal(SIGTERM, SIG_IGN);
    if (fork() == 0) {
        pause_ms(HANG_MS);
        _exit(0);
    }
    pause_ms(20);
    return 0;
}

static int large_task(posse_task *task, const void *arg, size_t size)
{
    void *memory;
    if (posse_alloc(posse_task_executor(task), 300000, &memory) != POSSE_OK)
        return NO_ROOM;
    fill(memory, 300000, size);
    return posse_task_return(task, arg, size) == POSSE_OK ? 0 : NO_ROOM;
}

static int be_told(posse_future future, void *context) { return posse_release(future) != POSSE_OK; }

static bool load(struct word *word, posse_executor *pool, uint64_t *random)
{
    static posse_fn *const tasks[] = {spinning_task, spinning_task, deaf_task, large_task};
    static char bytes[200000];
    posse_future futures[12];
    for (size_t i = 0; i < COUNT(futures); i++) {
        size_t which = below(random, COUNT(tasks));
        size_t size = which == 3 ? sizeof bytes : 4 + below(random, 200);
        if (posse_submit(pool, tasks[which], bytes, size, &futures[i]) != POSSE_OK ||
            (i % 4 == 0 && posse_add_done_callback(futures[i], be_told, NULL) != POSSE_OK))
            return false;
    }
    atomic_store(&word->stage, WAITS);
    for (size_t i = 1; i < below(random, COUNT(futures)); i += 2)
        if (posse_exception(futures[i], -1, NULL) == POSSE_BROKEN)
            return false;
    return true;
}

static bool play_pool(struct word *word, uint64_t *random)
{
    posse_options options = default_options();
    posse_executor *pool = NULL;
    options.max_workers = 1 + (long)below(random, 6);
    options.max_tasks_per_worker = (long)below(random, 3);
    if (word->seals && below(random, 3) == 0)
        options.isolation = POSSE_FRESH;
    atomic_store(&word->stage, CREATES);
    if (posse_create(&options, &pool) != POSSE_OK)
        return false;
    atomic_store(&word->stage, LOADS);
    bool loaded = below(random, 3) == 0 || load(word, pool, random);
    if (below(random, 2) == 0) {
        atomic_store(&word->stage, SHUTS_DOWN);
        loaded = loaded && posse_shutdown(pool, POSSE_CANCEL_FUTURES, -1) == POSSE_OK;
    }
    atomic_store(&word->stage, DESTROYS);
    return posse_destroy(pool) == POSSE_OK && loaded;
}

static int program(void *context)
{
    struct word *word = context;
    uint64_t random = word->random;
    for (int i = 0; i < 100000; i++)
        REQUIRE(play_pool(word, &random));
    return 0;
}

/* ---- its end ---- */

/* A kill between making a name and removing it leaves the name, but no memory. */
static bool holds_memory(pid_t pid)
{
    char prefix[32];
    bool holds = false;
    struct stat stat;
    int length = snprintf(prefix, sizeof prefix, "posse-%ld-", (long)pid);
    DIR *names = opendir("/dev/shm");
    for (struct dirent *entry; names != NULL && (entry = readdir(names)) != NULL;) {
        if (strncmp(entry->d_name, prefix, (size_t)length) == 0 &&
            fstatat(dirfd(names), entry->d_name, &stat, 0) == 0) {
            holds |= stat.st_size != 0;
            unlinkat(dirfd(names), entry->d_name, 0);
        }
    }
    if (names != NULL)
        closedir(names);
    return holds;
}

static bool anybody_lives(struct roster *roster)
{
    for (int i = 0; i < RECENT; i++) {
        pid_t pid = (pid_t)atomic_load(&roster->recent[i]);
        if (pid > 0 && process_lives(pid))
            return true;
    }
    return false;
}

/* Waits until all are dead. A pid may belong to another process by now: after some looks, the marks
 * of the processes are counted too. */
static void await_deaths(struct roster *roster)
{
    for (long looks = 1; anybody_lives(roster); looks++) {
        if (looks % 100 == 0 && count_processes() == 0)
            return;
        pause_ms(1);
    }
}

/* A program, and how it died. */
struct victim_program {
    enum stage stage;
    long ms;           /* until all were dead */
    const char *wrong; /* NULL: nothing */
};

/* Kills it at a moment of its own; mostly when it has begun. */
static int kill_at_some_moment(pid_t child, struct word *word, uint64_t *random)
{
    static const uint32_t most_us[] = {1000, 3000, 3000, 30000};
    bool waits = below(random, 8) != 0;
    while (waits && atomic_load(&word->stage) == BEGINS)
        work_for(10);
    uint32_t us = below(random, most_us[below(random, COUNT(most_us))]);
    pause_ms(us / 1000);
    work_for(us % 1000);
    kill(child, below(random, 4) == 0 ? SIGTERM : SIGKILL);
    return wait_status(child);
}

static struct victim_program kill_once(uint64_t random, bool seals)
{
    struct word *word = make_shared(sizeof *word);
    word->roster = open_roster();
    word->random = mix(random);
    word->seals = seals;
    pid_t child = start_child(program, word);
    int status = kill_at_some_moment(child, word, &random);
    long start = now_ms();
    struct victim_program dead = {.stage = (enum stage)atomic_load(&word->stage)};
    await_deaths(word->roster);
    dead.ms = now_ms() - start;
    dead.wrong = !WIFSIGNALED(status)  ? "it had ended before"
                 : holds_memory(child) ? "a name holds memory"
                                       : NULL;
    close_roster(word->roster);
    free_shared(word, sizeof *word);
    return dead;
}

static void print_deaths(const long *deaths, long programs, long ms, long worst)
{
    print_message("%ld programs were killed (%ld a second), the last worker died at most %ld ms "
                  "later:",
                  programs, programs * 1000 / (ms > 0 ? ms : 1), worst);
    for (int i = 0; i < STAGES; i++)
        print_message(" %ld in %s", deaths[i], stages[i]);
    print_message("\n");
}

/* For the time that is set, and until some died where it is most delicate. */
static bool goes_on(const long *deaths, long start, long ms)
{
    return now_ms() - start < ms || deaths[CREATES] == 0 || deaths[DESTROYS] == 0;
}

TEST(killed_at_any_moment, PROCESSES)
{
    unsigned long seed = test_seed(LONG_MAX);
    bool seals = can_seal();
    long deaths[STAGES] = {0}, worst = 0, round = 0;
    long start = now_ms(), ms = chosen_seconds(3, 300) * 1000;
    for (; goes_on(deaths, start, ms); round++, seed++) {
        again_with("POSSE_TEST_SEED=%lu POSSE_CHAOS_SECONDS=1", seed);
        time_limit(TIME_LIMIT);
        struct victim_program dead = kill_once(mix(seed), seals);
        if (dead.wrong != NULL)
            fail_msg("killed in %s: %s, %ld ms later", stages[dead.stage], dead.wrong, dead.ms);
        deaths[dead.stage]++;
        worst = dead.ms > worst ? dead.ms : worst;
        if (round % 50 == 0)
            assert_eventually(count_processes() == 0);
    }
    print_deaths(deaths, round, now_ms() - start, worst);
}

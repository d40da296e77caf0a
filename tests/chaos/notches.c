/* notches.c - sealed workers, and processes of tasks, are killed at random while tasks of a group
 * run, tell messages and are traced.
 *
 * What holds: a process that was killed explains one loss, or one more run of a task. Nothing else
 * is lost, nothing runs twice in one attempt, every result is right. A message is there as a whole
 * or not at all. A group knows when all its tasks have ended. The file of a trace is whole.
 *
 * POSSE_TEST_SEED and POSSE_CHAOS_SECONDS set the first seed and the time of a part.
 */
#include "parts/chaos.h"

#include "os/process.h"
#include "support/sealed.h"

#include <posse_group.h>
#include <posse_progress.h>
#include <posse_trace.h>

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BATCH = 40, WORDS = 5, MAX_VICTIMS = 64 };

/* What a task does: the last ones end their process, or are ended. */
enum act { COMPUTES, TELLS, CRASHES, ASKS, ACTS };

struct told {
    long number, attempt, word;
};

struct notch_order {
    enum act act;
    long number;
    uint32_t work_us;
    struct entry *entry; /* NULL: it has no memory of the program's */
};

struct notches {
    posse_executor *pool;
    posse_group *group;
    bool fresh;
    struct entry *entries; /* of posse_alloc, one for each order of a batch */
    _Atomic int *supervisor;
    uint64_t random;
    long lost, again;  /* losses, and runs beyond the first, that deaths must explain */
    _Atomic long good; /* tasks that have ended with a result */
    _Atomic long kills;
    _Atomic int over;
    uint64_t killer_random;
};

/* ---- tasks ---- */

static int note_parent(posse_task *task, const void *arg, size_t size)
{
    _Atomic int *supervisor;
    memcpy(&supervisor, arg, sizeof supervisor);
    atomic_store(supervisor, (int)getppid());
    return 0;
}

static void tell_words(posse_task *task, const struct notch_order *order)
{
    for (long i = 0; i < WORDS; i++) {
        struct told told = {order->number, posse_task_attempt(task), i};
        (void)posse_task_emit(task, &told, sizeof told);
        work_for(order->work_us / WORDS);
    }
}

static int obey(posse_task *task, const void *arg, size_t size)
{
    const struct notch_order *order = arg;
    if (order->entry != NULL)
        atomic_fetch_add(&order->entry->runs, 1);
    if (order->act == TELLS)
        tell_words(task, order);
    work_for(order->work_us);
    if (order->act == CRASHES)
        raise(SIGKILL);
    if (order->act == ASKS)
        (void)socket(AF_INET, SOCK_STREAM, 0);
    uint64_t result = mix((uint64_t)order->number);
    return posse_task_return(task, &result, sizeof result) == POSSE_OK ? 0 : NO_ROOM;
}

/* ---- a batch ---- */

static posse_status give(struct notches *at, struct notch_order *order, posse_future *future)
{
    posse_memory memory = {at->entries, true};
    posse_job job = {.struct_size = sizeof job,
                     .fn = obey,
                     .arg = order,
                     .size = sizeof *order,
                     .name = "order",
                     .retries = order->act == CRASHES ? -1 : (long)below(&at->random, 3) - 1,
                     .group = at->group};
    if (order->entry != NULL) {
        job.memory = &memory;
        job.n_memory = 1;
    }
    return posse_submit_with(at->pool, &job, future);
}

static struct notch_order drawn(struct notches *at, long number)
{
    struct notch_order order = {.number = number, .work_us = below(&at->random, 500)};
    order.act = (enum act)below(&at->random, 3 * ACTS);
    order.act = order.act < ACTS ? order.act : COMPUTES;
    if (below(&at->random, 2) == 0)
        order.entry = &at->entries[number];
    return order;
}

/* What it told, in order, each run from the first word on. Returns how many of the last run. */
static long words_of(posse_future future, long number)
{
    struct told told, last = {.word = -1};
    size_t size;
    posse_status status;
    while ((status = posse_next_message(future, 0, &told, sizeof told, &size)) == POSSE_OK) {
        assert_int_equal(size, sizeof told);
        assert_int_equal(told.number, number);
        assert_in_range(told.word, 0, WORDS - 1);
        assert_int_equal(told.word, told.attempt == last.attempt ? last.word + 1 : 0);
        last = told;
    }
    assert_status(status, POSSE_END);
    return last.word + 1;
}

/* Whether it may end so: by what it does itself, or by a death, which is counted. */
static bool may_end(struct notches *at, const struct notch_order *order, posse_status status)
{
    if (status == POSSE_WORKER_LOST)
        at->lost += order->act != CRASHES;
    return status == POSSE_WORKER_LOST ||
           (status == POSSE_OK && order->act != CRASHES && order->act != ASKS) ||
           (status == POSSE_FORBIDDEN && order->act == ASKS);
}

static void judge(struct notches *at, const struct notch_order *order, posse_future future)
{
    posse_error error = {.struct_size = sizeof error};
    posse_status status = posse_exception(future, PATIENCE_MS, &error);
    assert_ok(status);
    if (!may_end(at, order, error.status))
        fail_msg("act %d ended as %s: %s", order->act, posse_status_name(error.status),
                 error.message);
    at->again += error.attempt - 1;
    if (order->entry != NULL)
        assert_in_range(atomic_load(&order->entry->runs), error.status == POSSE_OK, error.attempt);
    long words = words_of(future, order->number);
    if (error.status != POSSE_OK)
        return;
    uint64_t result = 0;
    assert_ok(posse_result_into(future, 0, &result, sizeof result, NULL));
    assert_true(result == mix((uint64_t)order->number));
    assert_int_equal(words, order->act == TELLS && !at->fresh ? WORDS : 0);
    atomic_fetch_add(&at->good, 1);
}

/* The group has ended with its last task. */
static void await_group(struct notches *at)
{
    posse_status status = posse_group_wait(at->group, PATIENCE_MS);
    assert_status(status == POSSE_FORBIDDEN || status == POSSE_WORKER_LOST ? POSSE_OK : status,
                  POSSE_OK);
    assert_int_equal(posse_group_left(at->group), 0);
}

static void play_some(struct notches *at)
{
    struct notch_order orders[BATCH];
    posse_future futures[BATCH];
    memset(at->entries, 0, BATCH * sizeof *at->entries);
    for (int i = 0; i < BATCH; i++) {
        orders[i] = drawn(at, i);
        assert_ok(give(at, &orders[i], &futures[i]));
    }
    if (below(&at->random, 2) == 0)
        await_group(at);
    for (int i = 0; i < BATCH; i++) {
        judge(at, &orders[i], futures[i]);
        assert_ok(posse_release(futures[i]));
    }
    await_group(at);
}

/* ---- deaths ---- */

/* Of a process that lives; 0 otherwise. */
static pid_t living_parent(pid_t pid)
{
    char path[32], state = 'X';
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *stat = fopen(path, "re");
    if (stat == NULL)
        return 0;
    if (fscanf(stat, "%*d (%*[^)]) %c %d", &state, &parent) != 2)
        state = 'X';
    fclose(stat);
    return state == 'X' || state == 'Z' ? 0 : parent;
}

/* 1: a worker, or what a dead one has left. 2: a process of a task, or one that waits for one. */
static int depth_of(struct notches *at, pid_t pid)
{
    pid_t supervisor = atomic_load(at->supervisor), parent = living_parent(pid);
    if (parent == supervisor)
        return 1;
    return parent > 1 && living_parent(parent) == supervisor ? 2 : 0;
}

static pid_t pick(struct notches *at)
{
    pid_t found[MAX_VICTIMS];
    uint32_t n = 0;
    DIR *all = opendir("/proc");
    for (struct dirent *entry; all != NULL && (entry = readdir(all)) != NULL && n < MAX_VICTIMS;) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        if (pid > 1 && depth_of(at, pid) > 0)
            found[n++] = pid;
    }
    if (all != NULL)
        closedir(all);
    return n > 0 ? found[below(&at->killer_random, n)] : 0;
}

/* Workers that die before they have done anything break the pool, as they should: tasks must have
 * ended well since the last death of one. */
static void kill_one(struct notches *at, long *good)
{
    pid_t pid = pick(at);
    int fd = pid > 0 ? pi_os_pidfd(pid) : -1;
    if (fd < 0)
        return;
    int depth = depth_of(at, pid); /* the descriptor names this one, or nobody */
    long now_good = atomic_load(&at->good);
    if (depth == 2 || (depth == 1 && now_good > *good)) {
        if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0)
            atomic_fetch_add(&at->kills, 1);
        *good = depth == 1 ? now_good : *good;
    }
    close(fd);
}

static void *kill_some(void *argument)
{
    struct notches *at = argument;
    long good = 0;
    while (!atomic_load(&at->over)) {
        kill_one(at, &good);
        pause_ms((long)below(&at->killer_random, 8));
    }
    return NULL;
}

/* ---- a round ---- */

static void open_notches(struct notches *at)
{
    at->supervisor = make_shared(sizeof *at->supervisor);
    posse_options options =
        OPTIONS(3, .stamps = 1, .initializer = note_parent, .initializer_arg = &at->supervisor,
                .initializer_size = sizeof at->supervisor);
    posse_seal seal = {.allow = 0};
    void *entries;
    at->pool = at->fresh ? fresh_pool_with(options, seal) : sealed_pool_with(options, seal);
    assert_eventually(atomic_load(at->supervisor) != 0);
    assert_ok(posse_alloc(at->pool, BATCH * sizeof *at->entries, &entries));
    at->entries = entries;
    posse_group_options group = {.struct_size = sizeof group, .max_running = 2};
    assert_ok(posse_group_create(at->pool, below(&at->random, 2) ? &group : NULL, &at->group));
}

/* The last thing in it is the end of the array. */
static void assert_whole(const char *path)
{
    char end[3] = "";
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fseek(file, -2, SEEK_END), 0);
    assert_int_equal(fread(end, 1, 2, file), 2);
    fclose(file);
    assert_non_null(strchr(end, '}'));
}

static void close_notches(struct notches *at)
{
    assert_ok(posse_group_destroy(at->group));
    assert_ok(posse_free(at->pool, at->entries));
    end_pool(at->pool);
    free_shared((void *)at->supervisor, sizeof *at->supervisor);
}

static void play_for(struct notches *at, long ms)
{
    pthread_t killer;
    assert_int_equal(pthread_create(&killer, NULL, kill_some, at), 0);
    for (long end = now_ms() + ms; now_ms() < end || at->good == 0 || at->kills == 0;)
        play_some(at);
    atomic_store(&at->over, 1);
    pthread_join(killer, NULL);
    print_message("%ld results, %ld kills, %ld lost, %ld runs again\n", at->good, at->kills,
                  at->lost, at->again);
    assert_true(at->lost + at->again <= at->kills);
}

static struct notches drawn_notches(bool fresh)
{
    unsigned long seed = test_seed(LONG_MAX);
    time_limit(3 * TIME_LIMIT);
    return (struct notches){.fresh = fresh, .random = mix(seed), .killer_random = mix(~seed)};
}

static void play(bool fresh)
{
    char path[] = "/tmp/posse-chaos-XXXXXX";
    int fd = mkstemp(path);
    struct notches at = drawn_notches(fresh);
    assert_true(fd >= 0);
    close(fd);
    open_notches(&at);
    assert_ok(posse_trace_start(at.pool, path, POSSE_TRACE_JSON));
    play_for(&at, 1000 * chosen_seconds(2, 200));
    assert_ok(posse_trace_stop(at.pool));
    assert_whole(path);
    assert_int_equal(unlink(path), 0);
    close_notches(&at);
}

TEST(sealed, SEALABLE) { play(false); }
TEST(fresh, SEALABLE) { play(true); }

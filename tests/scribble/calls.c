/* calls.c - what the program does meanwhile: any call, on any future that it holds. Whatever a call
 * says is fine, if it is a status and comes in time. What is shown is read, every byte. */
#include "scribble.h"

#include <string.h>

#define BIG 100000

void begin_call(struct program *p, const char *name)
{
    atomic_store(&p->notes->call, name);
    atomic_fetch_add(&p->notes->calls, 1);
    p->began = now_ms();
}

posse_status end_call_of(struct program *p, posse_status status, long limit_ms)
{
    long late = now_ms() - p->began - limit_ms;
    if (limit_ms != NO_LIMIT && late > atomic_load(&p->notes->late_ms)) {
        atomic_store(&p->notes->late_ms, late);
    }
    bool known = (int)status >= 0 && status <= POSSE_OWNER_DIED;
    atomic_fetch_add(known ? &p->notes->statuses[status] : &p->notes->wrong, 1);
    return status;
}

static long a_limit(struct program *p)
{
    static const long limits[] = {0, 0, 1, 3, 10, 30};
    if (p->patient && one_in(&p->dice, 4)) {
        return NO_LIMIT;
    }
    return limits[below(&p->dice, COUNT(limits))];
}

static long short_limit(struct program *p) { return (long)below(&p->dice, 4); }

static posse_future *a_future(struct program *p)
{
    return &p->futures[below(&p->dice, MOST_FUTURES)];
}

static void read_all(const void *data, size_t size)
{
    static volatile unsigned sum;
    const unsigned char *at = data;
    for (size_t i = 0; i < size; i++) {
        sum += at[i];
    }
}

/* ---- tasks: none trusts its argument, as that may have been scribbled on --------------------- */

static int nap_task(posse_task *task, const void *arg, size_t size)
{
    unsigned char ms = size > 0 ? *(const unsigned char *)arg : 0;
    pause_ms(ms % 8);
    return return_long(task, ms);
}

static int nest_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    posse_future futures[2];
    long n = size > 0 ? *(const unsigned char *)arg : 0;
    for (size_t i = 0; i < COUNT(futures); i++) {
        if (posse_submit(pool, square_task, &n, sizeof n, &futures[i]) != POSSE_OK) {
            return INNER_FAILED;
        }
    }
    (void)posse_wait(futures, COUNT(futures), POSSE_ALL_COMPLETED, 20, NULL, NULL);
    for (size_t i = 0; i < COUNT(futures); i++) {
        (void)posse_result(futures[i], 20, NULL, NULL);
        (void)posse_release(futures[i]);
    }
    return 0;
}

struct tools {
    posse_lock lock;
    posse_queue queue;
};

static int tools_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    struct tools tools = {0};
    void *memory;
    long n = 7;
    memcpy(&tools, arg, size < sizeof tools ? size : sizeof tools);
    tools.lock.executor = tools.queue.executor = pool;
    posse_status status = posse_lock_acquire(tools.lock, 5);
    (void)posse_queue_put(tools.queue, &n, sizeof n, 3);
    if (status == POSSE_OK || status == POSSE_OWNER_DIED) {
        (void)posse_lock_release(tools.lock);
    }
    (void)posse_queue_get(tools.queue, &n, sizeof n, NULL, 3);
    if (posse_alloc(pool, 300, &memory) == POSSE_OK) {
        memset(memory, 1, 300);
        (void)posse_free(pool, memory);
    }
    return 0;
}

static int wild_task(posse_task *task, const void *arg, size_t size)
{
    struct run run = {.steps = 0};
    memcpy(&run, arg, size < sizeof run ? size : sizeof run);
    run.part = (unsigned)run.part < N_PARTS ? run.part : PART_ANY;
    run.kind = (unsigned)run.kind < N_KINDS ? run.kind : KIND_MIXED;
    struct dice dice = {run.seed};
    for (uint64_t n = 1 + below(&dice, 12); n > 0; n--) {
        scribble(posse_task_executor(task), &run, &dice);
        if (one_in(&dice, 3)) {
            pause_ms((long)below(&dice, 2));
        }
    }
    return 0;
}

/* ---- submitting ------------------------------------------------------------------------------ */

static void submit(struct program *p)
{
    static char bytes[BIG];
    static const size_t sizes[] = {0, 8, 16, 17, 64, 65, 700, 5000, BIG};
    struct tools tools = {p->lock, p->queue};
    struct dice *dice = &p->dice;
    posse_job jobs[] = {
        {.fn = square_task, .arg = &(long){9}, .size = sizeof(long)},
        {.fn = echo_task, .arg = bytes, .size = sizes[below(dice, COUNT(sizes))]},
        {.fn = nap_task, .arg = &(char){(char)below(dice, 8)}, .size = 1},
        {.fn = nap_task, .arg = &(char){7}, .size = 1, .timeout_ms = 2, .name = "limited"},
        {.fn = message_task, .arg = &(long){5}, .size = sizeof(long), .name = "failing"},
        {.fn = nest_task, .arg = &(char){3}, .size = 1},
        {.fn = tools_task, .arg = &tools, .size = sizeof tools},
    };
    posse_job job = jobs[below(dice, COUNT(jobs))];
    posse_future *future = a_future(p);
    job.struct_size = sizeof job;
    job.retries = one_in(dice, 3);
    job.queue_timeout_ms = 20;
    (void)CALL(p, 0, posse_release(*future));
    (void)CALL(p, 20, posse_submit_with(p->pool, &job, one_in(dice, 8) ? NULL : future));
}

static void submit_wild(struct program *p)
{
    struct run run = *p->run;
    run.seed = roll(&p->dice);
    posse_job job = {.struct_size = sizeof job,
                     .fn = wild_task,
                     .arg = &run,
                     .size = sizeof run,
                     .queue_timeout_ms = 20};
    posse_future *future = a_future(p);
    (void)CALL(p, 0, posse_release(*future));
    (void)CALL(p, 20, posse_submit_with(p->pool, &job, future));
}

/* Every second program writes itself, the others have tasks that do. */
static void go_wild(struct program *p)
{
    if (p->run->seed % 2 == 0) {
        submit_wild(p);
        return;
    }
    for (uint64_t n = 1 + below(&p->dice, 3); n > 0; n--) {
        scribble(p->pool, p->run, &p->dice);
    }
}

/* ---- one future ------------------------------------------------------------------------------ */

static void result(struct program *p)
{
    static char buffer[BIG];
    const void *data = NULL;
    size_t size = 0;
    long limit = a_limit(p);
    posse_future future = *a_future(p);
    if (CALL(p, limit, posse_result(future, limit, &data, &size)) == POSSE_OK) {
        read_all(data, size);
    }
    (void)CALL(p, 0, posse_result_into(future, 0, buffer, sizeof buffer, &size));
}

static void exception(struct program *p)
{
    posse_error error;
    char text[400];
    long limit = a_limit(p);
    posse_future future = *a_future(p);
    if (CALL(p, limit, posse_exception(future, limit, &error)) == POSSE_OK) {
        read_all(error.message, strlen(error.message));
        read_all(error.name, strlen(error.name));
    }
    (void)posse_describe(future, text, sizeof text);
    (void)CALL(p, 0, posse_why_broken(p->pool, &error));
    read_all(error.message, strlen(error.message));
}

static void end_one(struct program *p)
{
    posse_future *future = a_future(p);
    switch (below(&p->dice, 4)) {
    case 0: (void)CALL(p, 0, posse_cancel(*future)); break;
    case 1: (void)CALL(p, 0, posse_kill(*future)); break;
    case 2: (void)CALL(p, 0, posse_release(*future)); break;
    default: (void)(posse_done(*future) + posse_running(*future) + posse_cancelled(*future)); break;
    }
}

static int callback(posse_future future, void *context)
{
    struct program *p = context;
    (void)posse_exception(future, 0, NULL);
    atomic_fetch_add(&p->callbacks, 1);
    return 0;
}

static void tell(struct program *p)
{
    posse_completion taken[4];
    posse_future future = *a_future(p);
    if (one_in(&p->dice, 2)) {
        (void)CALL(p, 0, posse_add_done_callback(future, callback, p));
    } else {
        (void)CALL(p, 0, posse_completions_add(p->completions, future, p));
    }
    (void)posse_completions_take(p->completions, taken, COUNT(taken));
}

/* ---- many futures ---------------------------------------------------------------------------- */

/* Those that are valid; how many. */
static size_t valid(struct program *p, posse_future *futures)
{
    size_t n = 0;
    for (size_t i = 0; i < MOST_FUTURES; i++) {
        if (posse_result(p->futures[i], 0, NULL, NULL) != POSSE_INVALID) {
            futures[n++] = p->futures[i];
        }
    }
    return n;
}

static void wait_for_many(struct program *p)
{
    posse_future futures[MOST_FUTURES];
    bool done[MOST_FUTURES];
    size_t n = valid(p, futures), n_done;
    posse_when when = (posse_when)below(&p->dice, 3);
    long limit = a_limit(p);
    (void)CALL(p, limit, posse_wait(futures, n, when, limit, done, &n_done));
}

static void as_completed(struct program *p)
{
    posse_future futures[MOST_FUTURES], future;
    posse_completed *completed;
    size_t n = valid(p, futures), index;
    long limit = a_limit(p);
    if (CALL(p, 0, posse_as_completed(futures, n, limit, &completed)) != POSSE_OK) {
        return;
    }
    for (size_t i = 0; i <= n; i++) {
        if (CALL(p, limit, posse_completed_next(completed, &future, &index)) != POSSE_OK) {
            break;
        }
    }
    posse_completed_close(completed);
}

static int item(posse_task *task, const void *const *items, void *result)
{
    (void)task;
    memcpy(result, items[0], sizeof(long));
    return 0;
}

static void map(struct program *p)
{
    long inputs[40] = {0}, results[40];
    posse_status statuses[40];
    long limit = a_limit(p);
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = item,
                         .inputs = &(posse_input){inputs, sizeof inputs[0], 0},
                         .n_inputs = 1,
                         .count = 1 + below(&p->dice, 40),
                         .results = one_in(&p->dice, 2) ? results : NULL,
                         .result_size = sizeof results[0],
                         .chunksize = (long)below(&p->dice, 6),
                         .unordered = one_in(&p->dice, 2),
                         .timeout_ms = limit < 0 ? 0 : limit + 1};
    if (one_in(&p->dice, 2)) {
        job.results = results;
        (void)CALL(p, limit, posse_map(p->pool, &job, statuses));
        return;
    }
    posse_mapping *mapping;
    posse_item shown;
    if (CALL(p, limit, posse_map_open(p->pool, &job, &mapping)) != POSSE_OK) {
        return;
    }
    while (CALL(p, limit, posse_map_next(mapping, &shown)) == POSSE_OK) {
        read_all(shown.result, shown.result ? sizeof(long) : 0);
        (void)posse_map_exception(mapping, &(posse_error){.code = 0});
    }
    (void)CALL(p, 0, posse_map_close(mapping));
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void memory(struct program *p)
{
    static const size_t sizes[] = {1, 64, 100, 4096, 70000, 300000};
    void **memory = &p->memory[below(&p->dice, COUNT(p->memory))];
    size_t size = sizes[below(&p->dice, COUNT(sizes))];
    (void)CALL(p, 0, posse_free(p->pool, *memory));
    *memory = NULL;
    if (CALL(p, 0, posse_alloc(p->pool, size, memory)) == POSSE_OK) {
        memset(*memory, 1, size);
    }
}

static void lock(struct program *p)
{
    long limit = short_limit(p);
    if (one_in(&p->dice, 10)) {
        (void)CALL(p, 0, posse_lock_destroy(p->lock));
        (void)CALL(p, 0, posse_lock_create(p->pool, &p->lock));
    }
    posse_status status = CALL(p, limit, posse_lock_acquire(p->lock, limit));
    if (status == POSSE_OK || status == POSSE_OWNER_DIED) {
        (void)CALL(p, 0, posse_lock_release(p->lock));
    }
}

/* It may take a second more than its limit, see posse.h. */
static void queue(struct program *p)
{
    char bytes[16] = "";
    size_t size;
    long limit = short_limit(p);
    switch (below(&p->dice, 8)) {
    case 0:
        (void)CALL(p, 1000, posse_queue_destroy(p->queue));
        (void)CALL(p, 0, posse_queue_create(p->pool, 3, sizeof bytes, &p->queue));
        break;
    case 1: (void)CALL(p, 1000, posse_queue_close(p->queue)); break;
    case 2: (void)posse_queue_length(p->queue); break;
    default:
        size = below(&p->dice, sizeof bytes);
        (void)CALL(p, 1000 + limit, posse_queue_put(p->queue, bytes, size, limit));
        (void)CALL(p, 1000 + limit, posse_queue_get(p->queue, bytes, sizeof bytes, &size, limit));
        break;
    }
}

static void look_around(struct program *p)
{
    posse_stats stats = {.size = sizeof stats};
    (void)CALL(p, 0, posse_get_stats(p->pool, &stats));
    if (one_in(&p->dice, 4)) {
        (void)CALL(p, 0, posse_resize(p->pool, 1 + (long)below(&p->dice, 3)));
    }
}

void make_call(struct program *p)
{
    static void (*const calls[])(struct program *) = {
        submit, submit, submit,        submit,       result, result, exception, end_one,
        tell,   map,    wait_for_many, as_completed, memory, lock,   queue,     look_around,
    };
    calls[below(&p->dice, COUNT(calls))](p);
    if (one_in(&p->dice, 3)) {
        go_wild(p);
    }
}

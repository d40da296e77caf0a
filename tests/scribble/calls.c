/* calls.c - what the program does meanwhile: any call, on any future that it holds. Any status
 * is fine that comes before the time limit of the run. How late it comes is only told: an
 * overwritten size may make a task take gigabytes, for which the kernel needs seconds. The program
 * reads every byte that a call shows. */
#include "scribble.h"

#include <posse_trace.h>
#include <posse_progress.h>
#include <string.h>

void begin_call(struct program *p, const char *name)
{
    atomic_store(&p->notes->call, name);
    atomic_fetch_add(&p->notes->calls, 1);
    p->began = now_ms();
}

posse_status end_call_of(struct program *p, posse_status status, long limit_ms)
{
    long late = now_ms() - p->began - limit_ms;
    if (limit_ms != NO_LIMIT && late > atomic_load(&p->notes->late_ms))
        atomic_store(&p->notes->late_ms, late);
    bool known = (int)status >= 0 && status <= POSSE_OWNER_DIED;
    atomic_fetch_add(known ? &p->notes->statuses[status] : &p->notes->wrong, 1);
    return status;
}

long a_limit(struct program *p)
{
    static const long limits[] = {0, 0, 1, 3, 10, 30};
    if (p->patient && one_in(&p->dice, 4))
        return NO_LIMIT;
    return limits[below(&p->dice, COUNT(limits))];
}

static long short_limit(struct program *p) { return (long)below(&p->dice, 4); }

posse_future *a_future(struct program *p) { return &p->futures[below(&p->dice, MAX_FUTURES)]; }

void read_all(const void *data, size_t size)
{
    const volatile unsigned char *at = data;
    for (size_t i = 0; i < size; i++)
        (void)at[i];
}

/* ---- one future ------------------------------------------------------------------------------ */

static void result(struct program *p)
{
    static char buffer[BIG_BYTES];
    const void *data = NULL;
    size_t size = 0;
    long limit = a_limit(p);
    posse_future future = *a_future(p);
    if (CALL(p, limit, posse_result(future, limit, &data, &size)) == POSSE_OK)
        read_all(data, size);
    (void)CALL(p, 0, posse_result_into(future, 0, buffer, sizeof buffer, &size));
}

static void exception(struct program *p)
{
    posse_error error = {.struct_size = sizeof error};
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

static void hear(struct program *p)
{
    static char buffer[BIG_BYTES];
    uint64_t done, total;
    size_t size;
    long limit = a_limit(p);
    posse_future future = *a_future(p);
    (void)CALL(p, 0, posse_progress(future, &done, &total));
    for (int i = 0; i < 4; i++)
        (void)CALL(p, limit, posse_next_message(future, limit, buffer, sizeof buffer, &size));
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
    if (one_in(&p->dice, 2))
        (void)CALL(p, 0, posse_add_done_callback(future, callback, p));
    else
        (void)CALL(p, 0, posse_completion_queue_add(p->completions, future, p));
    (void)posse_completion_queue_take(p->completions, taken, COUNT(taken));
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void memory(struct program *p)
{
    static const size_t sizes[] = {1, 64, 100, 4096, 70000, 300000};
    void **memory = &p->memory[below(&p->dice, COUNT(p->memory))];
    size_t size = sizes[below(&p->dice, COUNT(sizes))];
    (void)CALL(p, 0, posse_free(p->pool, *memory));
    *memory = NULL;
    if (CALL(p, 0, posse_alloc(p->pool, size, memory)) == POSSE_OK)
        memset(*memory, 1, size);
}

static void lock(struct program *p)
{
    long limit = short_limit(p);
    if (one_in(&p->dice, 10)) {
        (void)CALL(p, 0, posse_lock_destroy(p->lock));
        (void)CALL(p, 0, posse_lock_create(p->pool, &p->lock));
    }
    posse_status status = CALL(p, limit, posse_lock_acquire(p->lock, limit));
    if (status == POSSE_OK || status == POSSE_OWNER_DIED)
        (void)CALL(p, 0, posse_lock_release(p->lock));
}

/* It may take a second more than its limit, see posse.h. */
static void queue(struct program *p)
{
    char bytes[16] = "";
    size_t size;
    long limit = short_limit(p);
    switch (below(&p->dice, 8)) {
    case 0:
        (void)CALL(p, NO_LIMIT, posse_queue_destroy(p->queue));
        (void)CALL(p, 0, posse_queue_create(p->pool, 3, sizeof bytes, &p->queue));
        break;
    case 1: (void)CALL(p, NO_LIMIT, posse_queue_close(p->queue)); break;
    case 2: (void)posse_queue_length(p->queue); break;
    default:
        size = below(&p->dice, sizeof bytes);
        (void)CALL(p, 1000 + limit, posse_queue_put(p->queue, bytes, size, limit));
        (void)CALL(p, 1000 + limit, posse_queue_get(p->queue, bytes, sizeof bytes, &size, limit));
        break;
    }
}

static void look_at_times(struct program *p)
{
    static posse_times times;
    posse_info info = {.struct_size = sizeof info};
    times.struct_size = sizeof times;
    if (CALL(p, 0, posse_get_info(*a_future(p), &info)) == POSSE_OK)
        read_all(info.name, strlen(info.name));
    if (CALL(p, 0, posse_get_times(p->pool, &times)) == POSSE_OK)
        (void)posse_quantile(&times.running, 0.5);
    if (p->run->part == PART_OWN)
        return; /* a trace holds memory until the end */
    if (CALL(p, 0, posse_trace_stop(p->pool)) == POSSE_INVALID)
        (void)CALL(p, 0,
                   posse_trace_start(p->pool, "/dev/null",
                                     one_in(&p->dice, 2) ? POSSE_TRACE_SVG : POSSE_TRACE_JSON));
}

static void look_around(struct program *p)
{
    posse_stats stats = {.struct_size = sizeof stats};
    (void)CALL(p, 0, posse_get_stats(p->pool, &stats));
    look_at_times(p);
    if (one_in(&p->dice, 4))
        (void)CALL(p, 0, posse_resize(p->pool, 1 + (long)below(&p->dice, 3)));
}

void make_call(struct program *p)
{
    static void (*const calls[])(struct program *) = {
        submit_any, submit_any, submit_any, submit_any,  result,        result,
        exception,  end_one,    tell,       map_items,   wait_for_many, as_completed,
        memory,     lock,       queue,      look_around, hear,
    };
    calls[below(&p->dice, COUNT(calls))](p);
    if (one_in(&p->dice, 3))
        go_wild(p);
}

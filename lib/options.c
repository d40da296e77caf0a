/* Runs in: program.
 *
 * The options of posse_create: copied, checked, and written into the executor.
 */
#include "internal.h"
#include "base/tuning.h"
#include "log.h"
#include "map_chunk.h"
#include "os/crash_handler.h"
#include "os/kept_output.h"
#include "os/rss.h"
#include "map_chunk.h"
#include "pool/backend.h"
#include "worker/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_QUEUED ((long)1 << 24)
#define MAX_RETRIES 255
#define MAX_IDLE_MS ((long)UINT32_MAX)

static const struct pi_backend *find_backend(posse_backend backend)
{
    switch (backend) {
    case POSSE_PROCESS: return &pi_process_backend;
    case POSSE_THREAD: return &pi_thread_backend;
    case POSSE_INLINE: return &pi_inline_backend;
    }
    return NULL;
}

static posse_status copy_options(const posse_options *given, posse_options *options)
{
    *options = (posse_options){.struct_size = sizeof *options};
    const posse_options *known = given ? pi_sized_read(given, options, sizeof *options) : options;
    if (!known)
        return POSSE_INVALID;
    *options = *known;
    return POSSE_OK;
}

static bool is_call(posse_fn *fn, const void *arg, size_t size)
{
    return (fn || (!arg && !size)) && (arg || !size);
}

static posse_status check_options(const posse_options *o)
{
    const struct pi_mistake mistakes[] = {
        {o->max_workers < 0, POSSE_INVALID, "options.max_workers is negative"},
        {o->queue_limit < 0, POSSE_INVALID, "options.queue_limit is negative"},
        {o->retries < 0, POSSE_INVALID, "options.retries is negative"},
        {o->max_tasks_per_worker < 0, POSSE_INVALID, "options.max_tasks_per_worker is negative"},
        {o->idle_timeout_ms < 0, POSSE_INVALID, "options.idle_timeout_ms is negative"},
        {o->min_workers < 0, POSSE_INVALID, "options.min_workers is negative"},
        {o->max_workers > POSSE_MAX_WORKERS, POSSE_TOO_LARGE,
         "options.max_workers is over POSSE_MAX_WORKERS"},
        {o->queue_limit > MAX_QUEUED, POSSE_TOO_LARGE, "options.queue_limit is over 16777216"},
        {o->retries > MAX_RETRIES, POSSE_TOO_LARGE, "options.retries is over 255"},
        {o->idle_timeout_ms > MAX_IDLE_MS, POSSE_TOO_LARGE,
         "options.idle_timeout_ms is over 49 days"},
        {!find_backend(o->backend), POSSE_INVALID, "options.backend is unknown"},
        {o->on_worker_lost != POSSE_CARRY_ON && o->on_worker_lost != POSSE_BREAK, POSSE_INVALID,
         "options.on_worker_lost is unknown"},
        {o->max_memory && o->max_memory < PI_MIN_MEMORY, POSSE_INVALID,
         "options.max_memory is under 1 MiB"},
        {!is_call(o->initializer, o->initializer_arg, o->initializer_size), POSSE_INVALID,
         "options.initializer_arg without a function, or initializer_size without it"},
        {!is_call(o->finalizer, o->finalizer_arg, o->finalizer_size), POSSE_INVALID,
         "options.finalizer_arg without a function, or finalizer_size without it"},
        {o->max_rss_per_worker && (o->backend != POSSE_PROCESS || pi_os_rss() < 0),
         POSSE_NOT_SUPPORTED,
         "options.max_rss_per_worker: a worker's own memory cannot be measured"},
        {o->autopsy != 0 && o->autopsy != 1, POSSE_INVALID, "options.autopsy is neither 0 nor 1"},
        {o->autopsy && (o->backend != POSSE_PROCESS || !pi_os_crash_is_known()),
         POSSE_NOT_SUPPORTED, "options.autopsy: only worker processes crash alone, on Linux"},
        {o->keep_stderr != 0 && o->keep_stderr != 1, POSSE_INVALID,
         "options.keep_stderr is neither 0 nor 1"},
        {o->keep_stderr && o->isolation == POSSE_FRESH, POSSE_NOT_SUPPORTED,
         "options.keep_stderr: with POSSE_FRESH tasks would share what is kept"},
        {o->keep_stderr && !o->autopsy, POSSE_INVALID,
         "options.keep_stderr without options.autopsy"},
        {o->keep_stderr && pi_os_output_denied() != 0, POSSE_NOT_SUPPORTED,
         "options.keep_stderr: this system, or RLIMIT_FSIZE, allows no file for it"},
        {o->stamps != 0 && o->stamps != 1, POSSE_INVALID, "options.stamps is neither 0 nor 1"},
        {o->seal && o->backend != POSSE_PROCESS, POSSE_NOT_SUPPORTED,
         "options.seal: only worker processes can be sealed"},
        {o->isolation != POSSE_SHARED && o->isolation != POSSE_FRESH, POSSE_INVALID,
         "options.isolation is unknown"},
        {o->isolation == POSSE_FRESH && o->backend != POSSE_PROCESS, POSSE_NOT_SUPPORTED,
         "options.isolation: only a process can have no other task"},
        {o->message_memory > PI_MAX_MESSAGE_MEMORY, POSSE_TOO_LARGE,
         "options.message_memory is over 1 GiB"},
        {o->runner && (o->backend != POSSE_PROCESS || o->seal || o->isolation || o->autopsy),
         POSSE_NOT_SUPPORTED,
         "options.runner: only plain worker processes can run tasks elsewhere"},
    };
    return PI_REFUSE_FIRST(mistakes);
}

posse_status pi_options_read(const posse_options *given, posse_options *options)
{
    posse_status status = copy_options(given, options);
    return status == POSSE_OK ? check_options(options) : status;
}

/* ---- into the executor ---- */

static unsigned workers_of(const posse_options *options, const struct pi_backend *backend,
                           unsigned cpus)
{
    unsigned workers =
        options->max_workers ? (unsigned)options->max_workers : backend->default_workers(cpus);
    return workers < POSSE_MAX_WORKERS ? workers : POSSE_MAX_WORKERS;
}

/* Its number, and how its workers are named: by default with that. */
static void set_name(posse_executor *e, const char *prefix)
{
    static _Atomic unsigned executors;
    /* relaxed: only the value counts */
    e->number = atomic_fetch_add_explicit(&executors, 1, memory_order_relaxed) + 1;
    if (prefix)
        snprintf(e->hooks.name, sizeof e->hooks.name, "%s", prefix);
    else
        snprintf(e->hooks.name, sizeof e->hooks.name, "posse-%u", e->number);
}

static bool set_call(struct pi_hook *call, posse_fn *fn, const void *arg, size_t size)
{
    *call = (struct pi_hook){.fn = fn, .size = size};
    if (size == 0)
        return true;
    call->arg = malloc(size);
    if (call->arg)
        memcpy(call->arg, arg, size);
    return call->arg;
}

/* A power of two, which holds an empty message at least. */
static size_t message_ring(size_t asked)
{
    size_t size = 64;
    while (size < (asked ? asked : PI_MESSAGE_MEMORY))
        size *= 2;
    return size;
}

/* For free. POSSE_INVALID, POSSE_NO_MEMORY. */
static posse_status set_runner(posse_executor *e, const posse_runner *given)
{
    posse_runner copy;
    const posse_runner *known = pi_sized_read(given, &copy, sizeof copy);
    if (!known || !known->run || !known->ready)
        return pi_refuse(POSSE_INVALID, "options.runner has no size, or lacks a function");
    e->runner = calloc(1, sizeof *e->runner);
    if (!e->runner)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    e->runner->calls = *known;
    e->runner->chunk = pi_chunk_run;
    e->runner->pointers[0] = offsetof(struct pi_chunk, fn);
    e->runner->pointers[1] = offsetof(struct pi_chunk, block_fn);
    return POSSE_OK;
}

posse_status pi_options_apply(posse_executor *e, const posse_options *o)
{
    e->backend = find_backend(o->backend);
    e->workers = workers_of(o, e->backend, e->cpus);
    if (o->min_workers > (long)e->workers)
        return pi_refuse(POSSE_INVALID, "options.min_workers is over options.max_workers");
    e->min_workers = (unsigned)o->min_workers;
    e->on_demand = o->on_demand;
    e->wipe = o->wipe;
    e->autopsy = o->autopsy;
    e->keep_stderr = o->keep_stderr;
    e->stamps = o->stamps;
    e->break_on_loss = o->on_worker_lost == POSSE_BREAK;
    e->idle_timeout_ms = o->idle_timeout_ms;
    e->max_tasks = o->max_tasks_per_worker;
    e->max_memory = o->max_memory;
    e->max_result = o->max_result;
    e->map_fn = pi_chunk_run;
    e->ring_bytes = message_ring(o->message_memory);
    e->max_rss = o->max_rss_per_worker < (size_t)INT64_MAX ? o->max_rss_per_worker : 0;
    e->queue_limit = (uint64_t)o->queue_limit;
    e->retries = (uint8_t)o->retries;
    if (e->autopsy)
        pi_os_crash_prepare();
    set_name(e, o->worker_name_prefix);
    bool copied =
        set_call(&e->hooks.initializer, o->initializer, o->initializer_arg, o->initializer_size) &&
        set_call(&e->hooks.finalizer, o->finalizer, o->finalizer_arg, o->finalizer_size);
    if (!copied)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    e->fresh = o->isolation == POSSE_FRESH;
    if (e->fresh && !e->max_result)
        e->max_result = PI_FRESH_RESULT;
    posse_status status = pi_log_create(e, o);
    if (status == POSSE_OK && o->runner)
        status = set_runner(e, o->runner);
    bool seals = o->seal || e->fresh;
    return status == POSSE_OK && seals ? pi_seal_read(e, o->seal) : status;
}

/* outputs.c - see outputs.h. */
#include "outputs.h"

#include <string.h>

#define POISON 0x55

static bool all_bytes(const void *memory, size_t size, unsigned char byte)
{
    const unsigned char *bytes = memory;
    size_t i = 0;
    while (i < size && bytes[i] == byte)
        i++;
    return i == size;
}

#define IS_ZERO(object) all_bytes(&(object), sizeof(object), 0)
#define POISONED(object) memset(&(object), POISON, sizeof(object))

/* The status of the call, or POSSE_OK if it has left anything undefined. */
static posse_status if_defined(posse_status status, bool defined)
{
    return defined ? status : POSSE_OK;
}

/* ---- the calls ---- */

static posse_status create(const struct given *given)
{
    posse_options options = default_options();
    posse_executor *pool;
    POISONED(pool);
    options.max_workers = given->scene == LARGE ? POSSE_MAX_WORKERS + 1 : -1;
    posse_status status = posse_create(&options, &pool);
    return if_defined(status, pool == NULL);
}

static posse_status get_stats(const struct given *given)
{
    posse_stats stats;
    POISONED(stats);
    stats.struct_size = sizeof stats;
    posse_status status = posse_get_stats(given->pool, &stats);
    stats.struct_size = 0;
    return if_defined(status, IS_ZERO(stats));
}

static posse_status submit(const struct given *given)
{
    posse_future future;
    POISONED(future);
    size_t size = given->scene == LARGE ? SIZE_MAX : 1;
    posse_status status = posse_submit(given->pool, echo_task, "", size, &future);
    return if_defined(status, IS_ZERO(future));
}

static posse_status submit_with(const struct given *given)
{
    posse_future future;
    POISONED(future);
    posse_job job = {.struct_size = sizeof job, .fn = identity_task};
    job.retries = given->scene == LARGE ? 256 : 0;
    job.queue_timeout_ms = 1;
    posse_status status = posse_submit_with(given->pool, &job, &future);
    return if_defined(status, IS_ZERO(future));
}

static posse_status submit_many(const struct given *given)
{
    posse_future futures[2];
    size_t accepted;
    POISONED(futures);
    POISONED(accepted);
    posse_job job = {.struct_size = sizeof job, .fn = identity_task};
    job.retries = given->scene == LARGE ? 256 : 0;
    job.queue_timeout_ms = 1;
    posse_job jobs[2] = {job, job};
    posse_status status = posse_submit_many(given->pool, jobs, 2, futures, &accepted);
    return if_defined(status, IS_ZERO(futures) && accepted == 0);
}

static posse_status broadcast(const struct given *given)
{
    size_t n;
    POISONED(n);
    posse_broadcast_job job = {.struct_size = sizeof job, .fn = identity_task, .arg = ""};
    job.size = given->scene == LARGE ? SIZE_MAX : 1;
    posse_status status = posse_broadcast(given->pool, &job, &n);
    return if_defined(status, n == 0);
}

static posse_status result(const struct given *given)
{
    const void *data;
    size_t size;
    POISONED(data);
    POISONED(size);
    posse_status status = posse_result(given->future, given->timeout_ms, &data, &size);
    return if_defined(status, data == NULL && size == 0);
}

/* The buffer is not touched, and a size that is too large is told. */
static posse_status result_into(const struct given *given)
{
    char buffer[4];
    size_t size;
    POISONED(buffer);
    POISONED(size);
    posse_status status =
        posse_result_into(given->future, given->timeout_ms, buffer, sizeof buffer, &size);
    return if_defined(status, all_bytes(buffer, sizeof buffer, POISON) &&
                                  size == (given->scene == LARGE ? sizeof(long) : 0));
}

/* Says what the call said, and nothing else. */
static bool says(const posse_error *error, posse_status status)
{
    if (status == POSSE_BROKEN)
        return error->status == status && error->message[0] != '\0';
    posse_error expected = {.struct_size = sizeof expected, .status = status};
    strcpy(expected.message, posse_status_message(status));
    return error->status == status && strcmp(error->message, expected.message) == 0 &&
           error->name[0] == '\0' && error->code == 0 && error->signal == 0 &&
           error->exit_code == 0 && error->pid == 0 && error->attempt == 0;
}

static posse_status exception(const struct given *given)
{
    posse_error error;
    POISONED(error);
    error.struct_size = sizeof error;
    posse_status status = posse_exception(given->future, given->timeout_ms, &error);
    return if_defined(status, says(&error, status));
}

static posse_status why_broken(const struct given *given)
{
    posse_error error;
    POISONED(error);
    error.struct_size = sizeof error;
    posse_status status = posse_why_broken(given->pool, &error);
    return if_defined(status, says(&error, status));
}

static posse_status wait_for(const struct given *given)
{
    bool done[2];
    size_t n_done;
    posse_future futures[2] = {given->future, given->future};
    POISONED(done);
    POISONED(n_done);
    posse_status status =
        posse_wait(futures, 2, POSSE_ALL_COMPLETED, given->timeout_ms, done, &n_done);
    return if_defined(status, IS_ZERO(done) && n_done == 0);
}

static posse_status as_completed(const struct given *given)
{
    posse_completion_iter *completed;
    POISONED(completed);
    posse_status status = posse_as_completed(&given->future, 1, -1, &completed);
    return if_defined(status, completed == NULL);
}

static posse_status completed_next(const struct given *given)
{
    posse_future future;
    size_t index;
    POISONED(future);
    POISONED(index);
    posse_status status = posse_completion_iter_next(given->completed, &future, &index);
    return if_defined(status, IS_ZERO(future) && index == 0);
}

static posse_status alloc(const struct given *given)
{
    void *memory;
    POISONED(memory);
    posse_status status = posse_alloc(given->pool, given->scene == LARGE ? SIZE_MAX : 1, &memory);
    return if_defined(status, memory == NULL);
}

static posse_status lock_create(const struct given *given)
{
    posse_lock lock;
    POISONED(lock);
    posse_status status = posse_lock_create(given->pool, &lock);
    return if_defined(status, IS_ZERO(lock));
}

static posse_status queue_create(const struct given *given)
{
    posse_queue queue;
    POISONED(queue);
    size_t capacity = given->scene == LARGE ? SIZE_MAX : 1;
    posse_status status = posse_queue_create(given->pool, capacity, 16, &queue);
    return if_defined(status, IS_ZERO(queue));
}

static posse_status queue_get(const struct given *given)
{
    char buffer[4];
    size_t size;
    POISONED(buffer);
    POISONED(size);
    posse_status status =
        posse_queue_get(given->queue, buffer, sizeof buffer, &size, given->timeout_ms);
    return if_defined(status, all_bytes(buffer, sizeof buffer, POISON) &&
                                  size == (given->scene == LARGE ? sizeof(long) : 0));
}

/* What each call gives in each scene; POSSE_OK: it is not made, as it would succeed. */
const struct output output_calls[] = {
    {"posse_create", create, {[EMPTY] = POSSE_INVALID, [LARGE] = POSSE_TOO_LARGE}},
    {"posse_get_stats", get_stats, {[EMPTY] = POSSE_INVALID, [CHILD] = POSSE_WRONG_PROCESS}},
    {"posse_submit",
     submit,
     {[EMPTY] = POSSE_INVALID,
      [CHILD] = POSSE_WRONG_PROCESS,
      [SHUT] = POSSE_SHUT_DOWN,
      [BROKEN] = POSSE_BROKEN,
      [LARGE] = POSSE_TOO_LARGE}},
    {"posse_submit_with",
     submit_with,
     {[EMPTY] = POSSE_INVALID,
      [CHILD] = POSSE_WRONG_PROCESS,
      [SHUT] = POSSE_SHUT_DOWN,
      [BROKEN] = POSSE_BROKEN,
      [LATE] = POSSE_TIMEOUT,
      [LARGE] = POSSE_TOO_LARGE}},
    {"posse_submit_many",
     submit_many,
     {[EMPTY] = POSSE_INVALID,
      [CHILD] = POSSE_WRONG_PROCESS,
      [SHUT] = POSSE_SHUT_DOWN,
      [BROKEN] = POSSE_BROKEN,
      [LATE] = POSSE_TIMEOUT,
      [LARGE] = POSSE_TOO_LARGE}},
    {"posse_broadcast",
     broadcast,
     {[EMPTY] = POSSE_INVALID,
      [CHILD] = POSSE_WRONG_PROCESS,
      [SHUT] = POSSE_SHUT_DOWN,
      [BROKEN] = POSSE_BROKEN,
      [LARGE] = POSSE_TOO_LARGE}},
    {"posse_result",
     result,
     {[EMPTY] = POSSE_INVALID,
      [STALE] = POSSE_INVALID,
      [CHILD] = POSSE_WRONG_PROCESS,
      [BROKEN] = POSSE_BROKEN,
      [LATE] = POSSE_TIMEOUT,
      [ENDED] = POSSE_SHUT_DOWN}},
    {"posse_result_into",
     result_into,
     {[EMPTY] = POSSE_INVALID,
      [STALE] = POSSE_INVALID,
      [CHILD] = POSSE_WRONG_PROCESS,
      [BROKEN] = POSSE_BROKEN,
      [LATE] = POSSE_TIMEOUT,
      [LARGE] = POSSE_TOO_LARGE,
      [ENDED] = POSSE_SHUT_DOWN}},
    {"posse_exception",
     exception,
     {[EMPTY] = POSSE_INVALID,
      [STALE] = POSSE_INVALID,
      [CHILD] = POSSE_WRONG_PROCESS,
      [BROKEN] = POSSE_BROKEN,
      [LATE] = POSSE_TIMEOUT,
      [ENDED] = POSSE_SHUT_DOWN}},
    {"posse_why_broken", why_broken, {[EMPTY] = POSSE_INVALID, [CHILD] = POSSE_WRONG_PROCESS}},
    {"posse_wait",
     wait_for,
     {[EMPTY] = POSSE_INVALID,
      [STALE] = POSSE_INVALID,
      [CHILD] = POSSE_WRONG_PROCESS,
      [BROKEN] = POSSE_BROKEN,
      [LATE] = POSSE_TIMEOUT,
      [ENDED] = POSSE_SHUT_DOWN}},
    {"posse_as_completed",
     as_completed,
     {[EMPTY] = POSSE_INVALID, [STALE] = POSSE_INVALID, [CHILD] = POSSE_WRONG_PROCESS}},
    {"posse_completion_iter_next",
     completed_next,
     {[EMPTY] = POSSE_INVALID,
      [CHILD] = POSSE_WRONG_PROCESS,
      [BROKEN] = POSSE_BROKEN,
      [LATE] = POSSE_TIMEOUT,
      [ENDED] = POSSE_SHUT_DOWN}},
    {"posse_alloc",
     alloc,
     {[EMPTY] = POSSE_INVALID, [CHILD] = POSSE_WRONG_PROCESS, [LARGE] = POSSE_TOO_LARGE}},
    {"posse_lock_create", lock_create, {[EMPTY] = POSSE_INVALID, [CHILD] = POSSE_WRONG_PROCESS}},
    {"posse_queue_create",
     queue_create,
     {[EMPTY] = POSSE_INVALID, [CHILD] = POSSE_WRONG_PROCESS, [LARGE] = POSSE_TOO_LARGE}},
    {"posse_queue_get",
     queue_get,
     {[EMPTY] = POSSE_INVALID,
      [STALE] = POSSE_INVALID,
      [CHILD] = POSSE_WRONG_PROCESS,
      [BROKEN] = POSSE_BROKEN,
      [LATE] = POSSE_TIMEOUT,
      [LARGE] = POSSE_TOO_LARGE,
      [ENDED] = POSSE_SHUT_DOWN}},
};

const size_t output_calls_count = COUNT(output_calls);

/* They write nothing, or what they write is told by what they return. */
const char *const calls_without_outputs[] = {
    "posse_status_*",
    "posse_last_error",
    "posse_version",
    "posse_shutdown",
    "posse_destroy",
    "posse_terminate_workers",
    "posse_kill_workers",
    "posse_resize",
    "posse_wait_idle",
    "posse_task_*",
    "posse_cancel",
    "posse_kill",
    "posse_done",
    "posse_running",
    "posse_cancelled",
    "posse_describe",
    "posse_add_done_callback",
    "posse_release",
    "posse_completion_iter_left",
    "posse_completion_iter_close",
    "posse_completion_queue_create", /* fails if there is no memory */
    "posse_completion_queue_fd",
    "posse_completion_queue_add",
    "posse_completion_queue_take",
    "posse_completion_queue_destroy",
    "posse_map*",
    "posse_free",
    "posse_lock_acquire",
    "posse_lock_release",
    "posse_lock_destroy",
    "posse_queue_put",
    "posse_queue_close",
    "posse_queue_length",
    "posse_queue_destroy",
    NULL};

/* ---- the check ---- */

static bool has_words(posse_status status)
{
    return status == POSSE_INVALID || status == POSSE_TOO_LARGE || status == POSSE_NOT_SUPPORTED ||
           status == POSSE_NO_MEMORY || status == POSSE_SYSTEM;
}

bool output_is_defined(const struct output *call, const struct given *given)
{
    (void)!posse_completion_queue_create(NULL);
    const char *before = posse_last_error();
    posse_status status = call->call(given);
    bool told = strcmp(posse_last_error(), before) != 0 && posse_last_error()[0] != '\0';
    if (status == call->expected[given->scene] && told == has_words(status))
        return true;
    print_error("%s in scene %d: %s, or something is undefined; %s\n", call->name,
                (int)given->scene, posse_status_name(status), posse_last_error());
    return false;
}

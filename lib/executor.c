#include "api.h"

#include "os/clock.h"
#include "os/cpus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST_QUEUED ((long)1 << 24)
#define MOST_RETRIES 255

/* Copies the options that this library knows.
 * A program built against a later one may say more, if it is zero. */
static posse_status read_options(const posse_options *given, posse_options *options)
{
    *options = (posse_options){.size = sizeof *options};
    if (!given)
        return POSSE_OK;
    if (given->size < sizeof *options || given->size > 4096)
        return POSSE_INVALID;
    for (size_t i = sizeof *options; i < given->size; i++)
        if (((const char *)given)[i] != 0)
            return POSSE_INVALID;
    *options = *given;
    if (options->max_workers < 0 || options->queue_limit < 0 || options->retries < 0)
        return POSSE_INVALID;
    if (options->max_workers > POSSE_MAX_WORKERS || options->queue_limit > MOST_QUEUED ||
        options->retries > MOST_RETRIES)
        return POSSE_TOO_LARGE;
    return POSSE_OK;
}

static const struct pi_backend *find_backend(posse_backend backend)
{
    switch (backend) {
    case POSSE_PROCESS: return &pi_process_backend;
    case POSSE_THREAD: return &pi_thread_backend;
    case POSSE_INLINE: return &pi_inline_backend;
    }
    return NULL;
}

static posse_status status_of(int error)
{
    if (error == 0)
        return POSSE_OK;
    errno = error;
    return error == ENOMEM || error == ENOSPC ? POSSE_NO_MEMORY : POSSE_SYSTEM;
}

/* The largest segment that the limits of this process allow. */
static posse_status make_segment(posse_executor *e)
{
    int error = ENOMEM;
    for (unsigned scale = 0; scale < PI_SCALES; scale++) {
        error = os_memory_create(&e->memory, pi_segment_size(scale), e->backend->shared);
        if (error == 0) {
            pi_segment_layout(&e->segment, e->memory.base, scale);
            return pi_memory_begin(e) ? POSSE_OK : POSSE_NO_MEMORY;
        }
        if (error != ENOMEM && error != EINVAL && error != EFBIG)
            break;
    }
    return status_of(error);
}

static posse_status build(posse_executor *e)
{
    posse_status status = status_of(os_guard_init(&e->guard));
    if (status == POSSE_OK && e->backend->kills)
        status = status_of(os_image_init(&e->image));
    if (status == POSSE_OK)
        status = make_segment(e);
    if (status != POSSE_OK)
        return status;
    pi_store_seq(&e->segment.header->phase, PI_OPEN);
    return status_of(e->backend->start(e));
}

/* Frees an executor, half-built or whole, that nobody uses any more. */
static void tear_down(posse_executor *e)
{
    int error = errno;
    e->backend->join(e);
    pi_mail_close(e);
    pi_mail_fini(e);
    os_memory_clear(&e->memory);
    os_memory_destroy(&e->memory);
    os_image_fini(&e->image);
    os_guard_fini(&e->guard);
    free(e);
    errno = error;
}

posse_status posse_create(const posse_options *given, posse_executor **executor)
{
    posse_options options;
    if (!executor)
        return POSSE_INVALID;
    posse_status status = read_options(given, &options);
    if (status != POSSE_OK)
        return status;
    const struct pi_backend *backend = find_backend(options.backend);
    if (!backend)
        return POSSE_INVALID;
    posse_executor *e = calloc(1, sizeof *e);
    if (!e || pi_mail_init(&e->mail) != 0) {
        free(e);
        return POSSE_NO_MEMORY;
    }
    e->backend = backend;
    e->cpus = os_cpus();
    e->workers =
        options.max_workers ? (unsigned)options.max_workers : backend->default_workers(e->cpus);
    if (e->workers > POSSE_MAX_WORKERS)
        e->workers = POSSE_MAX_WORKERS;
    e->queue_limit = (uint64_t)options.queue_limit;
    e->retries = (uint8_t)options.retries;
    e->owner = PI_PROGRAM;
    e->socket = e->pidfd = e->memory.fd = -1;
    status = build(e);
    if (status == POSSE_OK)
        *executor = e;
    else
        tear_down(e);
    return status;
}

/* ---- the end ---- */

static void raise_phase(posse_executor *e, enum pi_phase phase)
{
    (void)pi_raise_phase(e, phase);
    e->backend->poke(e);
    pi_wake_room(e);
}

static posse_status ended(posse_executor *e)
{
    if (pi_phase_of(e) == PI_DEAD)
        return POSSE_BROKEN;
    return pi_destroying(e) ? POSSE_SHUT_DOWN : POSSE_OK;
}

posse_status posse_shutdown(posse_executor *e, unsigned flags, long timeout_ms)
{
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if ((flags & ~(POSSE_NO_WAIT | POSSE_CANCEL_FUTURES)) || timeout_ms < -1)
        return POSSE_INVALID;
    bool wait = !(flags & POSSE_NO_WAIT);
    if (wait && (pi_self_in(e) || e->owner != PI_PROGRAM))
        return POSSE_DEADLOCK;
    raise_phase(e, PI_DRAINING);
    if (flags & POSSE_CANCEL_FUTURES)
        pi_cancel_all(e);
    if (!wait)
        return ended(e);
    pi_enter(e);
    (void)pi_check_supervisor(e);
    uint64_t until = os_after_ms(timeout_ms);
    status = pi_wait_closed(e, until);
    if (status == POSSE_OK && !pi_settle_callbacks(e, until))
        status = POSSE_TIMEOUT;
    if (status == POSSE_OK)
        status = ended(e);
    pi_leave(e);
    return status;
}

/* Ends all workers with a signal; 0 for threads, which end when their tasks do. */
static void stop(posse_executor *e, int signal)
{
    pi_store_seq(&e->segment.header->stop_signal, (uint32_t)signal);
    raise_phase(e, PI_STOPPING);
}

static posse_status force(posse_executor *e, int signal)
{
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if (!e->backend->kills)
        return POSSE_NOT_SUPPORTED;
    if (e->owner != PI_PROGRAM)
        return POSSE_WRONG_PROCESS;
    stop(e, signal);
    return POSSE_OK;
}

posse_status posse_terminate_workers(posse_executor *e) { return force(e, SIGTERM); }

posse_status posse_kill_workers(posse_executor *e) { return force(e, SIGKILL); }

posse_status posse_destroy(posse_executor *e)
{
    if (!e)
        return POSSE_OK;
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if (pi_self_in(e) || e->owner != PI_PROGRAM || pi_calling_back == e)
        return POSSE_DEADLOCK;
    atomic_store(&e->destroying, 1);
    pi_wait_unblocked(e); /* those who sleep are told before their tasks are ended */
    stop(e, e->backend->kills ? SIGKILL : 0);
    pi_cancel_all(e);
    e->backend->join(e);
    pi_wait_unblocked(e); /* those who have come since */
    tear_down(e);
    return POSSE_OK;
}

/* Runs in: program.
 *
 * Begins a trace, ends it, and writes the file: core/trace_ring.h has how events come about.
 */
#include "trace.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "os/saved_file.h"
#include "pool/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A trace has an eighth of the memory at most. There may be more workers than max_workers for a
 * while, or later. */
void pi_trace_size(const posse_executor *e, struct pi_segment_options *options)
{
    uint32_t capacity = PI_MAX_TRACE_EVENTS;
    unsigned workers = 2 * e->workers < PI_MAX_WORKERS ? 2 * e->workers : PI_MAX_WORKERS;
    if (!e->stamps)
        return;
    options->trace_rings = 2 + (workers > PI_MIN_TRACE_WORKERS ? workers : PI_MIN_TRACE_WORKERS);
    while (capacity > PI_MIN_TRACE_EVENTS &&
           options->trace_rings * pi_trace_ring_size(capacity) > e->max_memory / 8)
        capacity /= 2;
    options->trace_capacity = capacity;
}

static void destroy(struct pi_trace *trace)
{
    if (!trace)
        return;
    free(trace->path);
    free(trace->heads);
    free(trace->events);
    free(trace->rows);
    free(trace);
}

/* It begins now. */
static struct pi_trace *create(posse_executor *e, const char *path, posse_trace_format format)
{
    struct pi_trace *trace = calloc(1, sizeof *trace);
    if (!trace)
        return NULL;
    size_t size = strlen(path) + 1;
    trace->format = format;
    trace->began = pi_os_now();
    trace->missed = pi_load_relaxed(&e->segment.header->trace_missed); /* relaxed: it only counts */
    trace->path = malloc(size);
    trace->heads = calloc(e->segment.trace.rings, sizeof *trace->heads);
    if (trace->path && trace->heads && pi_trace_count(e, trace, trace->began)) {
        memcpy(trace->path, path, size);
        pi_trace_heads(e, trace->heads);
        return trace;
    }
    destroy(trace);
    return NULL;
}

static posse_status check_start(posse_executor *e, const char *path, posse_trace_format format)
{
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    const struct pi_mistake mistakes[] = {
        {!path, POSSE_INVALID, "path is NULL"},
        {format != POSSE_TRACE_JSON && format != POSSE_TRACE_SVG, POSSE_INVALID,
         "format is unknown"},
        {!e->stamps, POSSE_NOT_SUPPORTED, "the executor is without options.stamps"},
        {e->owner != PI_OWNER_PROGRAM, POSSE_NOT_SUPPORTED, "a worker process traces nothing"},
        {e->trace, POSSE_INVALID, "a trace is on already"},
    };
    return PI_REFUSE_FIRST(mistakes);
}

posse_status posse_trace_start(posse_executor *e, const char *path, posse_trace_format format)
{
    posse_status status = check_start(e, path, format);
    if (status != POSSE_OK)
        return status;
    if (!pi_grow_trace(e))
        return pi_failure(PI_NO_SHARED);
    struct pi_trace *trace = create(e, path, format);
    if (!trace)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    e->trace = trace;
    pi_store_relaxed(&e->segment.header->tracing, 1); /* relaxed: see segment.h */
    return POSSE_OK;
}

/* 0 or an errno. */
static int write_file(posse_executor *e, struct pi_trace *trace)
{
    struct pi_text text = {.at = NULL};
    if (!pi_trace_read(e, trace))
        return ENOMEM;
    pi_trace_names(e, trace);
    (trace->format == POSSE_TRACE_SVG ? pi_trace_svg : pi_trace_json)(e, trace, &text);
    struct pi_os_bytes bytes = {text.at, text.length};
    int error = text.failed ? ENOMEM : pi_os_file_write(trace->path, "", 0, &bytes);
    free(text.at);
    return error;
}

posse_status posse_trace_stop(posse_executor *e)
{
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    struct pi_trace *trace = e->trace;
    if (!trace || e->owner != PI_OWNER_PROGRAM)
        return pi_refuse(POSSE_INVALID, "no trace is on");
    e->trace = NULL;
    pi_store_relaxed(&e->segment.header->tracing, 0); /* relaxed: see segment.h */
    trace->ended = pi_os_now();
    status = pi_refuse_errno(write_file(e, trace), "the file cannot be written");
    destroy(trace);
    return status;
}

void pi_trace_drop(posse_executor *e) { destroy(e->trace); }

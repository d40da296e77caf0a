/* tracer.h - writes the events of a trace: see core/trace_ring.h. Each call does nothing unless a
 * trace is on. */
#pragma once

#include "core/trace_ring.h"
#include "pool/pool.h"

/* Whether a trace is on, in an executor with stamps. relaxed: an event more or less at its edges */
static inline bool pi_tracing(const posse_executor *executor)
{
    return executor->stamps && pi_load_relaxed(&executor->segment.header->tracing); /* as said */
}

/* A run that is over, or about to be. */
struct pi_trace_run {
    uint32_t index;
    uint64_t word;       /* RUNNING or KILLING, or final and PINNED, with the worker */
    enum pi_state state; /* it ends in; PENDING: it runs again */
    uint64_t at;
};
/* By the worker of the run; or by the supervisor, which has reaped that worker. */
void pi_tracer_run(posse_executor *executor, const struct pi_trace_run *run);
/* By the worker: it slept from then until now. */
void pi_tracer_slept(posse_executor *executor, uint64_t since, uint64_t now);

/* What waits, and how much has memory, now. By a worker or a caller that goes to sleep: what is so
 * then may stay. */
void pi_tracer_count(posse_executor *executor);
/* The same by a worker that has claimed a task after a sleep, but not for each. */
void pi_tracer_claimed(posse_executor *executor);

/* By the supervisor: what happens to a worker, and two numbers about it. */
struct pi_trace_mark {
    enum pi_trace_kind kind;
    unsigned worker;
    uint64_t value[2];
};
void pi_tracer_mark(posse_executor *executor, const struct pi_trace_mark *what);
void pi_tracer_death(posse_executor *executor, unsigned worker, const struct pi_death *death);

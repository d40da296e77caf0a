/* trace.h - a trace of an executor, in the program: what its files share.
 *
 * Runs in: program.
 *
 *   trace.c         begins a trace; ends it, and writes the file
 *   trace_read.c    takes the events out of shared memory, and checks them
 *   trace_json.c    writes them in the trace event format
 *   trace_svg.c     draws them; trace_chart.c what is below the rows
 *   trace_text.c    what both write with
 */
#pragma once

#include "core/trace_ring.h"
#include "internal.h"
#include "posse_trace.h"

#define PI_TRACE_DEPTH 8 /* of runs on each other that is drawn */

/* An event that was checked. */
struct pi_trace_event {
    enum pi_trace_kind kind;
    enum pi_state state; /* of a run: final; RUNNING: it goes on; PENDING: it runs again */
    unsigned attempt;
    unsigned worker;
    uint32_t slot, generation;
    uint64_t began, at, submitted; /* within the trace, but for `submitted`, which is not later */
    uint64_t value[2];             /* as in core/trace_ring.h */
    unsigned depth;                /* of a run: how many others it lies on */
    bool by_supervisor;
    char name[PI_NAME_SIZE]; /* ends with 0 */
};

/* What a worker's row has, as the events are gone through. */
struct pi_trace_row {
    uint64_t ends[PI_TRACE_DEPTH]; /* of the runs that lie on each other */
    unsigned depth;
    uint64_t from; /* begin of its life, 0: it has ended */
};

struct pi_trace {
    posse_trace_format format;
    char *path;
    uint64_t began, ended;
    uint64_t *heads; /* of each ring, when it began */
    uint64_t missed; /* pi_header.trace_missed, when it began */
    /* By pi_trace_read: in the order of their begin. */
    struct pi_trace_event *events;
    size_t n, room;
    uint64_t dropped; /* events that were overwritten, are not whole, or had no place */
    unsigned workers; /* 1 + the last that has an event */
    struct pi_trace_row *rows;
};

/* ---- trace_read.c ---- */

/* The positions that the rings have now. */
void pi_trace_heads(posse_executor *executor, uint64_t *heads);
/* How long the queue is, and how much memory there is. False: there is no room. */
bool pi_trace_count(posse_executor *executor, struct pi_trace *trace, uint64_t at);
/* Reads all. False: there is no memory. */
bool pi_trace_read(posse_executor *executor, struct pi_trace *trace);

/* ---- trace_text.c ---- */

/* A text that grows. */
struct pi_text {
    char *at;
    size_t length, room;
    bool failed; /* there was no memory: it is not whole */
};

void pi_text_put(struct pi_text *text, const char *bytes, size_t size);
void pi_text_add(struct pi_text *text, const char *format, ...) POSSE_PRINTF(2, 3);
/* Words from outside, in a string of JSON, or in XML. */
void pi_text_add_json(struct pi_text *text, const char *words);
void pi_text_add_xml(struct pi_text *text, const char *words);
/* A time in the unit that suits it: "1.25 ms". */
const char *pi_trace_time(uint64_t ns, char text[32]);

/* Gives runs without the name of a job that of their function, or its address. */
void pi_trace_names(posse_executor *executor, struct pi_trace *trace);
/* How a run ended, in a word. */
const char *pi_trace_outcome(const struct pi_trace_event *event);

/* ---- trace_json.c, trace_svg.c ---- */

void pi_trace_json(posse_executor *executor, const struct pi_trace *trace, struct pi_text *text);
void pi_trace_svg(posse_executor *executor, const struct pi_trace *trace, struct pi_text *text);

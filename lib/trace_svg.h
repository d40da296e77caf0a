/* trace_svg.h - the picture of a trace: its measures, and the charts below its rows.
 *
 * Runs in: program.
 */
#pragma once

#include "trace.h"

#define LEFT 90
#define WIDTH 1080 /* of the time axis */
#define RIGHT 30
#define TOP 92
#define ROW 30   /* of a worker */
#define BAR 22   /* of a run, that lies on no other */
#define NESTED 4 /* it is that much lower for each run below it */
#define CHART 56
#define CHART_GAP 34

/* What is drawn, and how far it is. */
struct pi_picture {
    const struct pi_trace *trace;
    struct pi_text *text;
    uint64_t span; /* of time, at least 1 */
    int charts;    /* where they begin */
};

/* Hundredths of a unit: numbers are written without a locale's comma. */
static inline uint64_t pi_x_of(const struct pi_picture *p, uint64_t at)
{
    double part = (double)(at - p->trace->began) / (double)p->span;
    return (uint64_t)100 * LEFT + (uint64_t)(100.0 * WIDTH * part);
}
#define FIXED "%llu.%02u"
#define OF_FIXED(hundredths) (unsigned long long)(hundredths) / 100, (unsigned)((hundredths) % 100)

static inline int pi_y_of(unsigned worker) { return TOP + (int)worker * ROW; }

/* trace_chart.c: how the queue and the memory change. */
void pi_trace_charts(const struct pi_picture *picture);

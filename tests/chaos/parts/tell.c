/* tell.c - what a run is told, counts and says. */
#include "chaos.h"

#include <stdio.h>
#include <stdlib.h>

void blame(struct chaos *chaos, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (atomic_fetch_add(&chaos->faults, 1) < 10)
        print_error("%s\n", text);
}

long patience(const struct chaos *chaos)
{
    return atomic_load(&chaos->faults) != 0 ? 1000 : HANG_MS;
}

static void blame_call(struct chaos *chaos, const char *call, posse_status status)
{
    posse_error why = {.struct_size = sizeof why};
    if (status == POSSE_BROKEN)
        (void)posse_why_broken(chaos->pool, &why);
    blame(chaos, "%s: %s %s", call, posse_status_name(status), why.message);
}

bool went_well(struct chaos *chaos, const char *call, posse_status status)
{
    if (status == POSSE_BROKEN && chaos->mortal)
        atomic_store(&chaos->shut, 1);
    else if (status != POSSE_OK)
        blame_call(chaos, call, status);
    return status == POSSE_OK;
}

bool was_let_in(struct chaos *chaos, const char *call, posse_status status)
{
    if (status != POSSE_SHUT_DOWN || !atomic_load(&chaos->closing))
        return went_well(chaos, call, status);
    atomic_store(&chaos->shut, 1);
    return false;
}

bool cancels(const struct chaos *chaos)
{
    return atomic_load(&chaos->closing) && chaos->end != DRAINS;
}

void count(struct chaos *chaos, unsigned figure, long more)
{
    atomic_fetch_add(&chaos->figures.of[figure], more);
}

long chosen_seconds(long few, long many)
{
    const char *given = getenv("POSSE_CHAOS_SECONDS");
    return given ? strtol(given, NULL, 10) : in_long_run(few, many);
}

void print_figures(const char *what, const struct figures *figures, long ms)
{
    const _Atomic long *of = figures->of;
    print_message("%s: %ld kills, %ld stops, %ld workers started, %ld died (%ld a second); "
                  "%ld orders, %ld maps, %ld queues, %ld broadcasts, %ld batches, %ld with a "
                  "group: %ld done, %ld failed, "
                  "%ld cancelled, %ld late, %ld lost; %ld losses seen and explained, "
                  "%ld not seen, %ld attempts again, %ld refused, %ld notes kept\n",
                  what, of[KILLS], of[STOPS], of[STARTS], of[DEATHS],
                  of[DEATHS] * 1000 / (ms > 0 ? ms : 1), of[ACCEPTED], of[MAPS], of[BELTS],
                  of[BROADCASTS], of[BATCHES], of[GROUPS], of[ended_with(POSSE_OK)],
                  of[ended_with(POSSE_TASK_FAILED)], of[ended_with(POSSE_CANCELLED)],
                  of[ended_with(POSSE_DEADLINE)], of[ended_with(POSSE_WORKER_LOST)], of[HARMED],
                  of[SILENT], of[TRIED_AGAIN], of[STARVED], of[NOTED]);
}

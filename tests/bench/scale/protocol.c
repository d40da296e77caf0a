/* protocol.c - the engine of the simulation.
 *
 * Each processor is an actor with a time of its own. The actor whose time is least makes the access
 * of its row. So all accesses happen in one order, and two runs are the same. */
#include "sim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct line *cell_at(const struct sim *s, const struct ring *ring, unsigned position)
{
    return &ring->cells[position % ring_cells(s) / CELLS_PER_LINE];
}

static struct line *slot_ahead(const struct sim *s, const struct actor *a)
{
    unsigned position = a->position + AHEAD;
    return position < a->ring->end ? &s->tasks[*entry_at(s, a->ring, position)].slot : NULL;
}

/* The processor sees that the program reads slot after slot, and fetches ahead. */
static struct line *slot_of_next(const struct sim *s, const struct actor *a)
{
    unsigned next = a->next + STRIDE;
    return next < a->share ? &s->tasks[a->tasks[next]].slot : NULL;
}

/* The line of a place, for this actor now. NULL: none. */
static struct line *line_at(struct sim *s, struct actor *a, enum place place)
{
    switch (place) {
    case HEADER: return &s->header;
    case CALLER: return &s->caller;
    case MAP: return &s->map[a->next < a->share ? s->next_slot / BITS_PER_LINE : 0];
    case SLOT: return &s->tasks[a->task].slot;
    case HEAD: return &a->ring->head;
    case TAIL: return &a->ring->tail;
    case LAST: return &a->ring->last;
    case CELL: return cell_at(s, a->ring, a->position);
    case AHEAD_CELL: return cell_at(s, a->ring, a->position + AHEAD);
    case AHEAD_SLOT: return slot_ahead(s, a);
    case NEXT_SLOT: return slot_of_next(s, a);
    case IDLE: return &s->idle;
    case RECORD: return &a->record;
    case INBOX: return &a->inbox;
    default: return NULL;
    }
}

/* A submitter that waits for this task has the line, and sees that it changes. */
static void show_change(struct sim *s, const struct actor *by, const struct row *row)
{
    struct task *task = &s->tasks[by->task];
    if (row->place != SLOT || row->access == READ || !task->waiter || !is_worker(s, by))
        return;
    struct actor *waiter = &s->actors[task->waiter - 1];
    if (by->at - waiter->since <= SPIN_NS && waiter->at > by->at)
        waiter->at = by->at;
}

static void make_access(struct sim *s, struct actor *a)
{
    while (protocol_rows[a->row].when && !protocol_rows[a->row].when(s, a))
        a->row++;
    const struct row *row = &protocol_rows[a->row];
    double before = a->at;
    struct line *line = line_at(s, a, row->place);
    a->at += row->ns;
    if (line)
        a->at = line_access(&s->machine, line, a->cache, row->access, a->at);
    if (row < &protocol_rows[GO_IDLE])
        a->busy_ns += a->at - before;
    show_change(s, a, row);
    int next = row->then ? row->then(s, a) : -1;
    a->row = next < 0 ? (int)(row - protocol_rows) + 1 : next;
}

static struct actor *next_actor(const struct sim *s)
{
    struct actor *first = s->actors;
    for (unsigned i = 1; i < s->n_actors; i++)
        if (s->actors[i].at < first->at)
            first = &s->actors[i];
    return first->at < INFINITY ? first : NULL;
}

static void *zeroed(size_t n, size_t size)
{
    void *memory = calloc(n, size);
    if (!memory) {
        fprintf(stderr, "simulate: out of memory\n");
        exit(1);
    }
    return memory;
}

static void init_actor(struct sim *s, unsigned i)
{
    struct actor *a = &s->actors[i];
    unsigned share = s->load.tasks / s->load.submitters;
    *a = (struct actor){
        .number = i, .cache = s->load.one_cache ? 0 : i, .ring = s->rings, .random = i};
    if (is_worker(s, a)) {
        a->row = WORK;
        a->at = INFINITY;
        a->idle = a->sleeps = true;
        a->ring = &s->rings[i % s->protocol.rings];
        s->sleepers++;
    } else {
        a->share = share;
        a->tasks = zeroed(share, sizeof *a->tasks);
    }
}

static void init(struct sim *s)
{
    unsigned tasks = s->load.tasks;
    s->tasks = zeroed(tasks, sizeof *s->tasks);
    s->map = zeroed(tasks / BITS_PER_LINE + 1, sizeof *s->map);
    s->rings = zeroed(s->protocol.rings, sizeof *s->rings);
    for (unsigned i = 0; i < s->protocol.rings; i++) {
        s->rings[i].cells = zeroed(ring_cells(s) / CELLS_PER_LINE, sizeof(struct line));
        s->rings[i].entry = zeroed(ring_cells(s), sizeof *s->rings[i].entry);
        s->rings[i].room = FIRST_CELLS;
    }
    s->n_actors = s->load.submitters + s->load.workers;
    s->actors = zeroed(s->n_actors, sizeof *s->actors);
    for (unsigned i = 0; i < s->n_actors; i++)
        init_actor(s, i);
}

static void fini(struct sim *s)
{
    for (unsigned i = 0; i < s->n_actors; i++)
        free(s->actors[i].tasks);
    for (unsigned i = 0; i < s->protocol.rings; i++) {
        free(s->rings[i].cells);
        free(s->rings[i].entry);
    }
    free(s->actors);
    free(s->rings);
    free(s->map);
    free(s->tasks);
}

static struct figures measure(const struct sim *s)
{
    double tasks = s->actors[0].share * s->load.submitters;
    struct figures f = {.ns = (s->ended - s->began) / tasks};
    for (unsigned i = 0; i < s->n_actors; i++) {
        const struct actor *a = &s->actors[i];
        *(is_worker(s, a) ? &f.worker_ns : &f.program_ns) += a->busy_ns / tasks;
        if (i == 0 || !s->load.one_cache)
            f.transfers += (double)s->machine.processors[a->cache].transfers / tasks;
    }
    return f;
}

/* As in lib/executor.c and core/stash.c. */
static struct protocol settled(const struct protocol *given, unsigned workers)
{
    struct protocol protocol = *given;
    if (given->rings == 0)
        for (protocol.rings = 1; protocol.rings < 16 && 8 * protocol.rings <= workers;)
            protocol.rings *= 2;
    if (given->stash == STASH_OF_POSSE)
        protocol.stash = workers >= 8;
    return protocol;
}

struct figures protocol_run(const struct costs *costs, const struct protocol *protocol,
                            const struct load *load)
{
    struct sim s = {
        .machine.costs = *costs, .protocol = settled(protocol, load->workers), .load = *load};
    init(&s);
    begin_batch(&s, 0);
    for (struct actor *a; s.at_end < load->submitters && (a = next_actor(&s));)
        make_access(&s, a);
    if (s.at_end < load->submitters) { /* all sleep: a wake-up was lost, here or in the protocol */
        fprintf(stderr, "posse_simulate: all processors wait, and tasks are left\n");
        exit(1);
    }
    struct figures figures = measure(&s);
    fini(&s);
    return figures;
}

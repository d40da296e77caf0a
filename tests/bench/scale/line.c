#include "line.h"

#include <string.h>

static int holds(const struct line *line, unsigned processor)
{
    return line->holders[processor / 64] >> (processor % 64) & 1;
}

static unsigned holders(const struct line *line)
{
    unsigned n = 0;
    for (unsigned i = 0; i < MAX_PROCESSORS / 64; i++)
        n += (unsigned)__builtin_popcountll(line->holders[i]);
    return n;
}

static void hold(struct line *line, unsigned processor)
{
    line->holders[processor / 64] |= (uint64_t)1 << (processor % 64);
}

static void hold_alone(struct line *line, unsigned processor)
{
    memset(line->holders, 0, sizeof line->holders);
    hold(line, processor);
    line->owner = (int)processor + 1;
}

/* How many processors of this one's cluster have the line. */
static unsigned near_holders(const struct machine *m, const struct line *line, unsigned processor)
{
    unsigned size = m->costs.cluster, first = size ? processor / size * size : 0, n = 0;
    if (!size)
        return holders(line);
    for (unsigned i = first; i < first + size && i < MAX_PROCESSORS; i++)
        n += (unsigned)holds(line, i);
    return n;
}

/* The nearest holder gives it to a reader. */
static int is_near(const struct machine *m, const struct line *line, unsigned processor)
{
    return near_holders(m, line, processor) > 0 || holders(line) == 0;
}

/* The farthest one gives it up for a writer. */
static int are_near(const struct machine *m, const struct line *line, unsigned processor)
{
    return near_holders(m, line, processor) == holders(line);
}

/* When the line can be read here. */
static double get_shared(struct machine *m, struct line *line, unsigned processor, double now)
{
    double start = now > line->free_at ? now : line->free_at, end;
    if (holds(line, processor))
        return start;
    m->processors[processor].transfers++;
    if (line->owner) {
        end = start + (is_near(m, line, processor) ? m->costs.transfer : m->costs.far);
        line->free_at = end;
        line->owner = 0;
    } else {
        end = start + (is_near(m, line, processor) ? m->costs.shared : m->costs.far);
        line->free_at = start + m->costs.occupied;
    }
    hold(line, processor);
    return end;
}

/* When the line can be written here. */
static double get_alone(struct machine *m, struct line *line, unsigned processor, double now)
{
    double start = now > line->free_at ? now : line->free_at;
    if (line->owner == (int)processor + 1)
        return start;
    unsigned others = holders(line) - (unsigned)holds(line, processor);
    if (others > 0 || !holds(line, processor)) {
        m->processors[processor].transfers++;
        start += are_near(m, line, processor) ? m->costs.transfer : m->costs.far;
        start += others > 1 ? (others - 1) * m->costs.invalidate : 0;
    }
    hold_alone(line, processor);
    line->free_at = start;
    return start;
}

/* A line comes at `end`: the processor has done other things meanwhile. */
static double after_wait(const struct machine *m, double end, double now)
{
    return end - m->costs.overlap > now ? end - m->costs.overlap : now;
}

double line_access(struct machine *m, struct line *line, unsigned processor, enum access access,
                   double now)
{
    struct processor *p = &m->processors[processor];
    double end;
    switch (access) {
    case NONE: return now;
    case READ: return after_wait(m, get_shared(m, line, processor, now), now) + m->costs.hit;
    case FETCH: (void)get_alone(m, line, processor, now); return now + m->costs.hit;
    case FETCH_SHARED: (void)get_shared(m, line, processor, now); return now;
    case WRITE:
        end = get_alone(m, line, processor, now);
        p->stored_at = end > p->stored_at ? end : p->stored_at;
        return now + m->costs.hit;
    case LOCKED: break;
    }
    end = get_alone(m, line, processor, p->stored_at > now ? p->stored_at : now);
    line->free_at = end + m->costs.locked; /* nobody gets it in between */
    return after_wait(m, end, now) + m->costs.hit + m->costs.locked;
}

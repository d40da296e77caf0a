#include "core/ring.h"

#define SLOT_BITS 24
#define SLOT_MASK (((uint64_t)1 << SLOT_BITS) - 1)
#define MARK SLOT_MASK
#define TAIL_LAG 8

static uint64_t cell_of(uint64_t position, uint64_t entry) { return position << SLOT_BITS | entry; }

/* Where the cell's tag lies to a position:
 * 0 the same, below 0 an earlier lap or never used, above 0 a later lap. */
static int64_t lap(uint64_t cell, uint64_t position)
{
    if (cell == 0)
        return -1;
    return (int64_t)((cell & ~SLOT_MASK) - (position << SLOT_BITS));
}

void pi_ring_init(struct pi_ring *ring, struct pi_ring_shared *shared, void *cells, uint32_t rings)
{
    ring->shared = shared;
    ring->cells = cells;
    ring->rings = rings;
    atomic_init(&ring->hint, 0);
    ring->open = NULL;
}

/* Whether this process can look at rings 0 to k. */
static bool is_open(const struct pi_ring *ring, uint32_t k)
{
    return !ring->open || ring->open(ring->context, k);
}

/* The ring that holds a position which was read from head or tail
 * (acquire: the cuts before it are seen). */
static uint32_t ring_of(struct pi_ring *ring, uint64_t position)
{
    uint32_t k = pi_load_relaxed(&ring->hint); /* relaxed: checked against the cut */
    if (position < pi_load_acquire(&ring->shared->cut[k]))
        k = 0;
    uint32_t first = k;
    while (k + 1 < ring->rings) {
        uint64_t cut = pi_load_acquire(&ring->shared->cut[k + 1]); /* with the CAS of open_next */
        if (cut == 0 || position < cut || !is_open(ring, k + 1))
            break;
        k++;
    }
    if (k != first)
        atomic_store_explicit(&ring->hint, k, memory_order_relaxed);
    return k;
}

static _Atomic uint64_t *cell_at(struct pi_ring *ring, uint32_t k, uint64_t position)
{
    return &ring->cells[pi_ring_start(k) + (position & (pi_ring_cells(k) - 1))];
}

/* The mark stands just before `first`: positions from there on are in ring k + 1.
 * All who help write the same. False: there is no such ring, or a task has scribbled. */
static bool open_next(struct pi_ring *ring, uint32_t k, uint64_t first)
{
    if (k + 1 >= ring->rings || !is_open(ring, k + 1))
        return false;
    uint64_t none = 0;
    return pi_cas(&ring->shared->cut[k + 1], &none, first) || none == first;
}

/* Whether the entry at `tail` may go into ring k:
 * false if the ring is full but for the cell of the mark. */
static bool has_room(struct pi_ring *ring, uint32_t k, uint64_t head, uint64_t tail)
{
    uint64_t cut = k == 0 ? 0 : pi_load_acquire(&ring->shared->cut[k]);
    uint64_t first = head > cut ? head : cut;
    return tail - first < pi_ring_cells(k) - 1;
}

/* The first position without an entry, from `position` on, and its cell's value. False: it was not
 * found in so many steps as patience says, which is used up. */
static bool find_end(struct pi_ring *ring, uint64_t *position, uint32_t *k, uint64_t *value,
                     uint32_t *patience)
{
    while (--*patience > 0) {
        *value = pi_load_acquire(cell_at(ring, *k, *position)); /* with the CAS of its producer */
        int64_t where = lap(*value, *position);
        if (where < 0)
            return true;
        if (where > 0) { /* the tail that we began at is old */
            *position = pi_load_acquire(&ring->shared->tail);
            *k = ring_of(ring, *position);
            continue;
        }
        ++*position;
        if ((*value & SLOT_MASK) == MARK) {
            if (!open_next(ring, *k, *position))
                return false;
            ++*k;
        }
    }
    return false;
}

static void help_tail(struct pi_ring *ring, uint64_t seen, uint64_t end)
{
    if (end - seen >= TAIL_LAG)
        (void)pi_cas(&ring->shared->tail, &seen, end);
}

enum pi_push pi_ring_push(struct pi_ring *ring, uint32_t slot, uint64_t limit)
{
    uint64_t seen = pi_load_acquire(&ring->shared->tail), position = seen;
    uint32_t k = ring_of(ring, position);
    for (uint32_t patience = PI_RING_PATIENCE; patience > 0;) {
        uint64_t value;
        if (!find_end(ring, &position, &k, &value, &patience))
            return PI_PUSH_BROKEN;
        /* acquire: those before it have been dealt with */
        uint64_t head = pi_load_acquire(&ring->shared->head);
        if (head > position) {
            position = head;
            k = ring_of(ring, position);
            continue;
        }
        if (limit && position - head >= limit)
            return PI_PUSH_LIMIT;
        uint64_t entry = slot + 1;
        if (!has_room(ring, k, head, position)) {
            if (k + 1 >= pi_load_acquire(&ring->shared->backed))
                return PI_PUSH_NO_CELL;
            entry = MARK;
        }
        if (pi_cas_seq(cell_at(ring, k, position), &value, cell_of(position, entry)) &&
            entry != MARK) {
            help_tail(ring, seen, position + 1);
            return PI_PUSHED;
        }
    }
    return PI_PUSH_BROKEN;
}

uint32_t pi_ring_peek(struct pi_ring *ring, uint64_t *position)
{
    for (uint32_t step = 0; step < PI_RING_PATIENCE; step++) {
        uint64_t head = pi_load_seq(&ring->shared->head);
        uint32_t k = ring_of(ring, head);
        uint64_t cell = pi_load_seq(cell_at(ring, k, head));
        int64_t where = lap(cell, head);
        if (where < 0)
            return PI_NONE;
        if (where > 0) /* the head has moved meanwhile */
            continue;
        if ((cell & SLOT_MASK) != MARK) {
            *position = head;
            return (uint32_t)(cell & SLOT_MASK) - 1;
        }
        if (!open_next(ring, k, head + 1))
            return PI_NONE;
        pi_ring_pass(ring, head);
    }
    return PI_NONE;
}

void pi_ring_pass(struct pi_ring *ring, uint64_t position)
{
    (void)pi_cas_seq(&ring->shared->head, &position, position + 1);
}

uint32_t pi_ring_at(struct pi_ring *ring, uint64_t position, bool *mark)
{
    uint32_t k = ring_of(ring, position);
    uint64_t cell = pi_load_acquire(cell_at(ring, k, position));
    *mark = false;
    if (lap(cell, position) != 0)
        return PI_NONE;
    *mark = (cell & SLOT_MASK) == MARK;
    if (*mark)
        (void)open_next(ring, k, position + 1);
    return *mark ? PI_NONE : (uint32_t)(cell & SLOT_MASK) - 1;
}

uint64_t pi_ring_length(struct pi_ring *ring)
{
    uint64_t head = pi_load_seq(&ring->shared->head); /* after `room` was set: see segment.h */
    uint64_t end = pi_load_acquire(&ring->shared->tail), value;
    uint32_t k = ring_of(ring, end);
    uint32_t patience = PI_RING_PATIENCE;
    bool found = find_end(ring, &end, &k, &value, &patience);
    if (found && end < head) { /* the tail is scribbled: from the head, as a push would go on */
        end = head;
        k = ring_of(ring, end);
        found = find_end(ring, &end, &k, &value, &patience);
    }
    return found && end >= head ? end - head : 0;
}

uint64_t pi_ring_end(struct pi_ring *ring)
{
    uint64_t end = pi_load_acquire(&ring->shared->tail), value;
    uint32_t k = ring_of(ring, end), patience = PI_RING_PATIENCE;
    return find_end(ring, &end, &k, &value, &patience) ? end : 0;
}

void pi_ring_mend(struct pi_ring *ring)
{
    uint64_t tail = pi_load_seq(&ring->shared->tail); /* first: the head may pass it meanwhile */
    uint64_t head = pi_load_seq(&ring->shared->head);
    uint32_t k = ring_of(ring, head);
    uint64_t cell = pi_load_seq(cell_at(ring, k, head));
    int64_t where = lap(cell, head);
    bool gap = where < 0 && head < tail; /* it was an entry once */
    bool astray = where == 0 && (cell & SLOT_MASK) == MARK && !open_next(ring, k, head + 1);
    if (gap || astray || (where > 0 && head == pi_load_seq(&ring->shared->head)))
        (void)pi_cas_seq(&ring->shared->head, &head, tail);
}

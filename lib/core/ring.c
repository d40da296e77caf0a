#include "core/ring.h"

#include "base/assert.h"

#define SLOT_BITS 24
#define SLOT_MASK (((uint64_t)1 << SLOT_BITS) - 1)
#define UP SLOT_MASK
#define DOWN (SLOT_MASK - 1)
#define TAIL_LAG 8

/* What happens a few times in the use of a ring is kept out of the path of each entry. */
#define SELDOM __attribute__((cold, noinline))

/* `backed`, in a word of monotonic.h: bits 0-4 the rings, 5 GIVING, 6-31 the version. */
#define RINGS_MASK 31u
#define GIVING 32u
#define VERSION 64u

static uint64_t cell_of(uint64_t position, uint64_t entry) { return position << SLOT_BITS | entry; }

/* Whether a cell holds the entry, or mark, of this position. */
static bool belongs(uint64_t cell, uint64_t position)
{
    return cell != 0 && cell >> SLOT_BITS == (position & (UINT64_MAX >> SLOT_BITS));
}

static bool is_mark(uint64_t cell) { return (cell & SLOT_MASK) >= DOWN; }

void pi_ring_init(struct pi_ring *ring, struct pi_ring_shared *shared, void *cells, uint32_t rings)
{
    ring->shared = shared;
    ring->cells = cells;
    ring->rings = rings;
    ring->lane = 0;
    atomic_init(&ring->hint, 0);
    atomic_init(&ring->last, 0);
    atomic_init(&ring->earlier_head, 0);
    ring->open = NULL;
}

/* Whether this process can look at rings 0 to k. */
static bool is_open(struct pi_ring *ring, uint32_t k) { return !ring->open || ring->open(ring, k); }

struct pi_ring_backing pi_ring_backed(struct pi_ring *ring)
{
    uint64_t word = pi_load_seq(&ring->shared->backed); /* after the mark */
    uint32_t rings = pi_monotonic_is_valid(word) ? (uint32_t)word & RINGS_MASK : PI_NO_INDEX;
    if (rings > ring->rings)
        return (struct pi_ring_backing){word, PI_NO_INDEX, false};
    return (struct pi_ring_backing){word, rings, word & GIVING};
}

bool pi_ring_raise(struct pi_ring *ring, const struct pi_ring_backing *from)
{
    uint64_t word = from->word;
    return from->rings < ring->rings && !from->giving &&
           pi_cas_seq(&ring->shared->backed, &word, pi_monotonic_word((uint32_t)word + 1));
}

/* ---- which ring ---- */

static uint64_t cut_of(struct pi_ring *ring, uint32_t k)
{
    return pi_load_acquire(&ring->shared->cut[k]); /* with the CAS of follow */
}

/* The ring with the largest cut up to position, without those that were given back: an old position
 * must not lead there. */
SELDOM static uint32_t find_ring(struct pi_ring *ring, uint64_t position)
{
    uint32_t rings = pi_ring_backed(ring).rings, found = 0;
    uint64_t largest = 0;
    for (uint32_t k = 0; k < rings && k < ring->rings; k++) {
        uint64_t cut = cut_of(ring, k);
        if (cut <= position && cut > largest && is_open(ring, k)) {
            found = k;
            largest = cut;
        }
    }
    atomic_store_explicit(&ring->hint, found, memory_order_relaxed); /* a hint: it is checked */
    return found;
}

/* The ring that holds a position of head or tail (an acquire load: the cuts before it are seen).
 * From ring k the queue goes on in ring k + 1 or in ring 0. So if these two cuts are not between
 * cut[k] and the position, no other is. If the head has passed the position, it may be any ring. */
static uint32_t ring_of(struct pi_ring *ring, uint64_t position)
{
    uint32_t k = pi_load_relaxed(&ring->hint); /* relaxed: checked against the cuts */
    uint64_t cut = cut_of(ring, k), next = cut_of(ring, k + 1), first = cut_of(ring, 0);
    if (position < cut || (next > cut && next <= position) ||
        (k > 0 && first >= cut && first <= position))
        return find_ring(ring, position);
    return k;
}

static _Atomic uint64_t *cell_at(struct pi_ring *ring, uint32_t k, uint64_t position)
{
    return &ring->cells[pi_ring_start(k) + (position & (pi_ring_cells(k) - 1))];
}

enum lead {
    LED,
    BARE,  /* the ring has no memory */
    ASTRAY /* the mark is an old one, or a task has overwritten it */
};

/* The mark stands just before `first`. Positions from there on are in the ring that it leads to,
 * which becomes *k. All callers write the same cut. */
SELDOM static enum lead follow(struct pi_ring *ring, uint32_t *k, uint64_t mark, uint64_t first)
{
    uint32_t next = (mark & SLOT_MASK) == UP ? *k + 1 : 0;
    if (next >= ring->rings)
        return ASTRAY;
    uint64_t cut = cut_of(ring, next);
    if (cut < first) {
        struct pi_ring_backing backed = pi_ring_backed(ring);
        if (next > 0 && (next >= backed.rings || backed.giving))
            return BARE;
        if (pi_cas(&ring->shared->cut[next], &cut, first)) /* with cut_of */
            cut = first;
    }
    if (cut != first)
        return ASTRAY;
    if (!is_open(ring, next))
        return BARE;
    *k = next;
    return LED;
}

/* ---- the end ---- */

/* A walk to the first position without an entry. */
struct walk {
    uint64_t position;
    uint64_t value; /* of its cell */
    uint64_t head;  /* as it was after that */
    uint32_t k;
    uint32_t steps; /* left */
};

/* Whether ring k is in use at this position, if the head is not past it. In a ring that was left, a
 * walk comes to the first position of ring 0 at most. */
static bool is_in_use(struct pi_ring *ring, uint32_t k, uint64_t position)
{
    uint64_t cut = cut_of(ring, k);
    return k == 0 || (cut <= position && cut > cut_of(ring, 0));
}

static void begin(struct pi_ring *ring, struct walk *walk, uint64_t position)
{
    walk->position = position;
    walk->k = ring_of(ring, position);
}

/* PI_PUSHED: the end was found, and the head is not past it. PI_PUSH_NO_CELL: it would be in a ring
 * without memory. PI_PUSH_BROKEN: the steps are used up. */
static enum pi_push find_end(struct pi_ring *ring, struct walk *walk)
{
    while (--walk->steps > 0) {
        walk->value = pi_load_seq(cell_at(ring, walk->k, walk->position)); /* with its CAS */
        enum lead lead = LED;
        if (belongs(walk->value, walk->position)) {
            walk->position++;
            if (is_mark(walk->value))
                lead = follow(ring, &walk->k, walk->value, walk->position);
            if (lead == LED)
                continue;
            if (lead == BARE)
                return PI_PUSH_NO_CELL;
        }
        walk->head = pi_load_acquire(&ring->shared->head); /* with pi_ring_advance */
        if (lead == LED && walk->head <= walk->position && is_in_use(ring, walk->k, walk->position))
            return PI_PUSHED;
        uint64_t tail = pi_load_acquire(&ring->shared->tail); /* with help_tail */
        begin(ring, walk, tail > walk->head ? tail : walk->head);
    }
    return PI_PUSH_BROKEN;
}

/* Whether the ring has room for an entry at its end. Its last cell is for the mark. */
static bool has_room(struct pi_ring *ring, const struct walk *end)
{
    uint64_t cut = cut_of(ring, end->k);
    uint64_t first = end->head > cut ? end->head : cut;
    return end->position - first < pi_ring_cells(end->k) - 1;
}

/* Puts an entry at the end. If it replaces zero, its cell may have been given back: then the head
 * has passed it, and it counts for nothing. seq: the entry, then the looks at head and sleepers. */
static inline bool put(struct pi_ring *ring, const struct walk *end, uint64_t entry)
{
    uint64_t value = end->value;
    return pi_cas_seq(cell_at(ring, end->k, end->position), &value,
                      cell_of(end->position, entry)) &&
           (value != 0 || pi_load_seq(&ring->shared->head) <= end->position);
}

/* Puts a mark UP at the end, or moves the head over the mark DOWN first. PI_PUSHED: the caller
 * looks again. */
SELDOM static enum pi_push go_up(struct pi_ring *ring, const struct walk *end)
{
    struct pi_ring_backing backed = pi_ring_backed(ring);
    uint64_t first = cut_of(ring, 0);
    if (backed.rings > ring->rings)
        return PI_PUSH_BROKEN;
    if (end->k + 1 >= backed.rings || backed.giving)
        return PI_PUSH_NO_CELL;
    if (end->head < first)
        pi_ring_advance(ring, first - 1);
    else
        (void)put(ring, end, UP);
    return PI_PUSHED;
}

/* If it fails, another has moved the tail. release: the cells before it, with the next producer. */
static void help_tail(struct pi_ring *ring, uint64_t seen, uint64_t end)
{
    (void)pi_cas(&ring->shared->tail, &seen, end); /* as said */
}

static void help_tail_along(struct pi_ring *ring, uint64_t seen, uint64_t end)
{
    if (seen + TAIL_LAG <= end)
        help_tail(ring, seen, end);
}

/* Searches for the end from the walk's position on, and puts the entry there. */
static inline enum pi_push append(struct pi_ring *ring, struct walk *walk, uint32_t slot,
                                  uint64_t limit)
{
    PI_ASSERT(slot < PI_MAX_SLOTS);
    for (;;) {
        enum pi_push found = find_end(ring, walk);
        if (found != PI_PUSHED)
            return found;
        if (limit && walk->position - walk->head >= limit)
            return PI_PUSH_LIMIT;
        if (!has_room(ring, walk)) {
            if ((found = go_up(ring, walk)) != PI_PUSHED)
                return found;
        } else if (put(ring, walk, slot + 1)) {
            return PI_PUSHED;
        }
    }
}

/* ---- one behind the other ---- */

/* `last`: 32 times the position of this process's last entry, and its ring. */
#define LAST(position, k) ((position) << 5 | (k))

/* Whether a cell of ring k holds the entry of a lap before this position, or nothing. What a cell
 * holds only gets younger, so there was no entry of this position yet. */
static bool is_lap_before(uint64_t cell, uint64_t position, uint32_t k)
{
    return cell == 0 || belongs(cell, position - pi_ring_cells(k));
}

/* Puts the entry behind the last one of this process: the next position is in the same ring. If its
 * cell was not used since the lap before, that is the end. The head is an earlier one, so there
 * seems to be less room than there is. False: the end must be searched for. The cell is read
 * before the cuts: if the ring was left in between, its CAS fails, or it was zero (see put). */
static bool put_behind_last(struct pi_ring *ring, struct walk *walk, uint32_t slot, uint64_t limit)
{
    uint64_t last = pi_load_acquire(&ring->last); /* with pi_ring_push: the cuts that it has seen */
    walk->position = (last >> 5) + 1;
    walk->k = last & 31;
    walk->head = pi_load_relaxed(&ring->earlier_head); /* relaxed: however late it is seen */
    if (last == 0)
        return false;
    walk->value = pi_load_seq(cell_at(ring, walk->k, walk->position)); /* with its CAS */
    return is_lap_before(walk->value, walk->position, walk->k) &&
           is_in_use(ring, walk->k, walk->position) &&
           !(limit && walk->position - walk->head >= limit) && has_room(ring, walk) &&
           put(ring, walk, slot + 1);
}

void pi_ring_forget(struct pi_ring *ring)
{
    atomic_store_explicit(&ring->last, 0, memory_order_release); /* with put_behind_last */
}

static enum pi_push search_and_put(struct pi_ring *ring, struct walk *walk, uint32_t slot,
                                   uint64_t limit)
{
    uint64_t seen = pi_load_acquire(&ring->shared->tail); /* with help_tail */
    walk->steps = PI_RING_STEPS;
    begin(ring, walk, seen);
    enum pi_push pushed = append(ring, walk, slot, limit);
    if (pushed == PI_PUSHED) {
        pi_store_relaxed(&ring->earlier_head, walk->head); /* relaxed: as put_behind_last */
        help_tail_along(ring, seen, walk->position + 1);
    }
    return pushed;
}

enum pi_push pi_ring_push(struct pi_ring *ring, uint32_t slot, uint64_t limit)
{
    struct walk walk;
    enum pi_push pushed = PI_PUSHED;
    if (!put_behind_last(ring, &walk, slot, limit))
        pushed = search_and_put(ring, &walk, slot, limit);
    else if ((walk.position + 1) % TAIL_LAG == 0)
        help_tail_along(ring, pi_load_acquire(&ring->shared->tail), walk.position + 1); /* as it */
    if (pushed == PI_PUSHED)
        pi_store_release(&ring->last, LAST(walk.position, walk.k)); /* with put_behind_last */
    return pushed;
}

/* ---- how long it is ---- */

uint64_t pi_ring_end(struct pi_ring *ring)
{
    struct walk walk = {.steps = PI_RING_STEPS};
    begin(ring, &walk, pi_load_acquire(&ring->shared->tail)); /* with help_tail */
    return find_end(ring, &walk) == PI_PUSH_BROKEN ? 0 : walk.position;
}

uint64_t pi_ring_length(struct pi_ring *ring)
{
    uint64_t head = pi_load_seq(&ring->shared->head); /* after `room_waiter` was set */
    uint64_t end = pi_ring_end(ring);
    return end > head ? end - head : 0;
}

/* ---- the head ---- */

uint32_t pi_ring_peek(struct pi_ring *ring, uint64_t *position)
{
    for (uint32_t step = 0; step < PI_RING_STEPS; step++) {
        uint64_t head = pi_load_seq(&ring->shared->head);
        uint32_t k = ring_of(ring, head);
        uint64_t cell = pi_load_seq(cell_at(ring, k, head)); /* with put, and after our idle bit */
        bool found = belongs(cell, head);
        if (found && !is_mark(cell)) {
            *position = head;
            return (uint32_t)(cell & SLOT_MASK) - 1;
        }
        if (found && follow(ring, &k, cell, head + 1) == LED)
            pi_ring_advance(ring, head);
        else if (head == pi_load_seq(&ring->shared->head)) /* else the cell was an old one */
            return PI_NO_INDEX;
    }
    return PI_NO_INDEX;
}

uint32_t pi_ring_at(struct pi_ring *ring, uint64_t position, bool *mark)
{
    uint32_t k = ring_of(ring, position);
    uint64_t cell = pi_load_acquire(cell_at(ring, k, position)); /* with put */
    bool found = belongs(cell, position);
    *mark = found && is_mark(cell);
    if (*mark)
        (void)follow(ring, &k, cell, position + 1);
    return !found || *mark ? PI_NO_INDEX : (uint32_t)(cell & SLOT_MASK) - 1;
}

/* ---- giving back ---- */

bool pi_ring_shrink(struct pi_ring *ring)
{
    struct walk at = {.position = 0};
    if (pi_ring_peek(ring, &at.position) != PI_NO_INDEX) /* moves the head over marks, too */
        return false;
    at.head = pi_load_seq(&ring->shared->head);
    begin(ring, &at, at.head);
    at.value = pi_load_seq(cell_at(ring, at.k, at.position)); /* with put, before the head */
    if (at.k == 0 || belongs(at.value, at.position) ||
        pi_load_seq(&ring->shared->head) != at.head || !put(ring, &at, DOWN))
        return false;
    if (follow(ring, &at.k, DOWN, at.position + 1) == LED)
        pi_ring_advance(ring, at.position);
    uint64_t tail = pi_load_acquire(&ring->shared->tail); /* with help_tail */
    if (tail <= at.position)
        help_tail(ring, tail, at.position + 1);
    return true;
}

/* Whether head, tail and end are in ring 0, and no mark leads on. If only the head or the tail is
 * behind, it is moved on, but others who have just looked there need time: false. */
static bool is_in_first(struct pi_ring *ring)
{
    struct walk walk = {.steps = PI_RING_STEPS};
    uint64_t tail = pi_load_seq(&ring->shared->tail);
    begin(ring, &walk, tail);
    if (find_end(ring, &walk) != PI_PUSHED || walk.k != 0)
        return false;
    uint64_t first = cut_of(ring, 0); /* after the walk, which may have met the mark DOWN */
    if (walk.head < first)
        pi_ring_advance(ring, first - 1);
    else if (tail < first)
        help_tail(ring, tail, walk.position);
    else
        return true;
    return false;
}

uint32_t pi_ring_leave(struct pi_ring *ring)
{
    struct pi_ring_backing backed = pi_ring_backed(ring);
    uint64_t word = backed.word, giving = pi_monotonic_word((uint32_t)word | GIVING);
    if (backed.giving || backed.rings > ring->rings || backed.rings <= 1 || !is_in_first(ring) ||
        !pi_cas_seq(&ring->shared->backed, &word, giving))
        return 0;
    if (is_in_first(ring))
        return backed.rings;
    pi_store_seq(&ring->shared->backed, word);
    return 0;
}

void pi_ring_left(struct pi_ring *ring)
{
    struct pi_ring_backing backed = pi_ring_backed(ring);
    uint32_t version = ((uint32_t)backed.word & ~(RINGS_MASK | GIVING)) + VERSION;
    if (backed.rings <= ring->rings && backed.giving)
        pi_store_seq(&ring->shared->backed, pi_monotonic_word(version | 1));
}

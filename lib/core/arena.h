/* arena.h - blocks of shared memory for arguments, results and posse_alloc.
 *
 * Runs in: program, worker, supervisor. The arena is an array of units of 64 KiB. A block over 32
 * KiB is a run of whole units. Smaller blocks are of 9 classes, 128 bytes to 32 KiB, and a unit of
 * them is a span: blocks of one class. A unit becomes whatever is needed next.
 *
 * Each unit has a tag, and each block of a span has one, outside the span. Tags are the truth.
 *
 *   unit's tag        meaning                            changed by                 to
 *   NONE              free, has no memory                anyone, by CAS             CLAIMED
 *   FREE              free, has memory                   anyone, by CAS             CLAIMED
 *   CLAIMED(owner)    the owner makes, frees or          the owner                  any other
 *                     discards it; BARE: not counted yet supervisor, owner reaped   NONE
 *   HELD(owner)       a large block: the owner fills it, the owner                  ATTACHED,
 *                     or has it from posse_alloc                                    SYNC, CLAIMED
 *                                                        supervisor, owner reaped   CLAIMED
 *                                                        ... or exited cleanly      HELD(program)
 *   ATTACHED(slot,    a large block: argument or result  the process that frees it  CLAIMED
 *   generation)       of that life of the slot
 *   SYNC(type,        a large block: a queue, named by   the process that frees it  CLAIMED
 *   owner, serial)    handles with that serial           supervisor, owner reaped   CLAIMED
 *                                                        ... or exited cleanly      owner: program
 *   INSIDE(head)      a part of the large block that     the process that CLAIMED   FREE, NONE
 *                     begins at unit `head`              the head
 *   SPAN(class, life, blocks of a class; `life` counts   see below
 *   owner, closer)    the spans and large blocks that
 *                     the unit has been
 *
 *   block's tag       meaning                            changed by                 to
 *   NONE              there is no such block             the span's maker           FREE
 *   FREE(life)        free, in that life of the span     anyone, by CAS             HELD
 *                                                        the closer, by CAS         NONE
 *   HELD, ATTACHED,   as above                           as above, but by one CAS   FREE(life)
 *   SYNC                                                 from the exact tag
 *
 *   a SPAN's part     meaning                            changed by                 to
 *   owner: a worker,  it takes blocks of the span; a     anyone without memory      SHARED
 *   the program, or   dead worker held blocks of its     supervisor, owner reaped   program
 *   SHARED            own spans, or of SHARED ones       or exited
 *   closer: 0         the span is open                   anyone, by CAS             a closer
 *   closer            turns FREE blocks into NONE        the closer: a block is     0
 *                                                        not FREE; supervisor,
 *                                                        closer reaped
 *                                                        the closer: all are NONE   (CLAIMED)
 *   HAS_SYNC          a block is, or was, a lock or      the maker of one           set
 *                     queue
 *
 * order: a tag changes by CAS, or by a release store of its own; acquire loads of the
 * tag pair with both. A taker knows the span's life, so its CAS fails if the unit is another span
 * by now.
 *
 * `info` of a unit is a life and a value. The claimer of a unit writes it relaxed: the tag
 * publishes it. The value is
 *   of a large block    its units
 *   of a SPAN           1: a block may be free; 0: a look at all found none. A taker that finds
 *                       none stores 0 (seq), then looks again (seq); one that frees a block stores
 *                       the tag (seq), then reads the value (seq), and changes 0 to 1. So one of
 *                       the two sees the other.
 *   of a free unit      what there is to give back: CLEAN, nothing; USED, something; KEPT, the
 *                       same, and it has been SYNC; SEEN, something, in this round of the trim
 *
 * A late look at a freed block finds another tag or serial, but it must find memory. So the trim
 * discards a unit only if the round before has found it unused, too (SEEN). A caller that needs
 * memory discards FREE units at once, but neither their tags nor KEPT units.
 *
 *   a worker died ...                     left behind             repair
 *   claiming units                        CLAIMED(w)              discarded, NONE
 *   making a large block, or freeing it   CLAIMED(w), INSIDE      discarded, NONE
 *   holding a block                       HELD(w)                 freed
 *   closing a span                        closer w, some NONE     opened again
 *   freeing a block, before info          value 0, a FREE block   value 1, in all spans
 *
 * The model is tests/model/arena.pml.
 */
#pragma once

#include "core/slot.h"

#define PI_UNIT_SHIFT 16
#define PI_UNIT ((size_t)1 << PI_UNIT_SHIFT)
#define PI_UNIT_COST (PI_UNIT + PI_TAGS * sizeof(uint64_t)) /* with its tags, used or not */
#define PI_CLASS_FIRST 7                                    /* 128 bytes */
#define PI_CLASSES 9                                        /* up to 32 KiB */
#define PI_TAGS 512u          /* of a unit: blocks of the first class */
#define PI_OWNER_SHARED 1021u /* the owner of a span that all take from */

enum pi_tag {
    PI_TAG_NONE,
    PI_TAG_FREE,
    PI_TAG_HELD,
    PI_TAG_ATTACHED,
    PI_TAG_SYNC,
    PI_TAG_CLAIMED,
    PI_TAG_INSIDE,
    PI_TAG_SPAN
};
enum pi_sync_type { PI_SYNC_LOCK = 1, PI_SYNC_QUEUE };
#define PI_SERIAL_MASK (((uint32_t)1 << 30) - 1)
#define PI_BARE 1u
#define PI_SPAN_HAS_SYNC ((uint64_t)1 << 55)

/* Values of a free unit, above all that a large block can have. */
enum pi_rest { PI_CLEAN, PI_USED = 0x40000000, PI_KEPT, PI_SEEN };

struct pi_unit {
    _Atomic uint64_t tag;  /* see the table */
    _Atomic uint64_t info; /* see above */
};

/* Where an owner has last found a block of each class. Two owners may share a row. */
#define PI_HINTS 16
struct pi_hints {
    _Alignas(64) _Atomic uint32_t place[PI_CLASSES];
};

struct pi_arena {
    struct pi_unit *units;
    _Atomic uint64_t *tags; /* PI_TAGS of each unit; they have memory while it is a SPAN */
    char *bytes;
    struct pi_monotonic end; /* units in use or once used */
    uint32_t max;            /* units that there is address space for */
    _Atomic uint32_t place;  /* private, as all hints: where units were last found */
    struct pi_hints hints[PI_HINTS];
};

/* A block, as a reference names it. */
struct pi_block {
    _Atomic uint64_t *tag;
    char *bytes;
    size_t size; /* of all of it */
    uint32_t unit;
    uint64_t span; /* the unit's tag; 0: it is a large block */
};

static inline uint64_t pi_tag_make(enum pi_tag kind, unsigned owner, uint32_t rest)
{
    return (uint64_t)kind << 60 | (uint64_t)owner << 32 | rest;
}
static inline uint64_t pi_tag_free(uint32_t life) { return pi_tag_make(PI_TAG_FREE, 0, life); }
static inline uint64_t pi_tag_held(unsigned owner) { return pi_tag_make(PI_TAG_HELD, owner, 0); }
static inline uint64_t pi_tag_claimed(unsigned owner, uint32_t bare)
{
    return pi_tag_make(PI_TAG_CLAIMED, owner, bare);
}
static inline uint64_t pi_tag_inside(uint32_t head) { return pi_tag_make(PI_TAG_INSIDE, 0, head); }
static inline uint64_t pi_tag_attached(uint32_t slot, uint32_t generation)
{
    return (uint64_t)PI_TAG_ATTACHED << 60 | (uint64_t)slot << 32 | generation;
}
static inline uint64_t pi_tag_sync(unsigned type, unsigned owner, uint32_t serial)
{
    return pi_tag_make(PI_TAG_SYNC, owner, serial) | (uint64_t)type << 56;
}
static inline uint64_t pi_tag_span(unsigned class, unsigned owner, uint32_t life)
{
    return pi_tag_make(PI_TAG_SPAN, owner, life) | (uint64_t) class << 56;
}

static inline enum pi_tag pi_tag_kind(uint64_t tag) { return (enum pi_tag)(tag >> 60); }
static inline unsigned pi_tag_owner(uint64_t tag) { return (unsigned)(tag >> 32) & 0x3ff; }
static inline uint64_t pi_tag_with_owner(uint64_t tag, unsigned owner)
{
    return (tag & ~((uint64_t)0x3ff << 32)) | (uint64_t)owner << 32;
}
static inline unsigned pi_tag_type(uint64_t tag) { return (unsigned)(tag >> 56) & 15; }
static inline unsigned pi_tag_class(uint64_t tag) { return (unsigned)(tag >> 56) & 15; }
static inline uint32_t pi_tag_serial(uint64_t tag) { return (uint32_t)tag & PI_SERIAL_MASK; }
static inline uint32_t pi_tag_life(uint64_t tag) { return (uint32_t)tag; }
/* 1 + the closer; 0: none */
static inline unsigned pi_tag_closer(uint64_t tag) { return (unsigned)(tag >> 43) & 0x7ff; }
static inline uint64_t pi_tag_with_closer(uint64_t tag, unsigned closer)
{
    return (tag & ~((uint64_t)0x7ff << 43)) | (uint64_t)closer << 43;
}
/* Whether it is a block that somebody has. */
static inline bool pi_tag_in_use(uint64_t tag)
{
    enum pi_tag kind = pi_tag_kind(tag);
    return kind == PI_TAG_HELD || kind == PI_TAG_ATTACHED || kind == PI_TAG_SYNC;
}

static inline size_t pi_size_class_bytes(unsigned class)
{
    return (size_t)1 << (PI_CLASS_FIRST + class);
}
/* Blocks of a span; of a tag that names no class, none. */
static inline uint32_t pi_span_blocks(uint64_t span)
{
    unsigned class = pi_tag_class(span);
    return pi_tag_kind(span) == PI_TAG_SPAN && class < PI_CLASSES ? PI_TAGS >> class : 0;
}

/* A reference: 0 is none. */
static inline pi_block_ref pi_block_ref_make(uint32_t unit, uint32_t index)
{
    return (pi_block_ref)unit * PI_TAGS + index + 1;
}

static inline char *pi_unit_bytes(const struct pi_arena *arena, uint32_t unit)
{
    return arena->bytes + (size_t)unit * PI_UNIT;
}
static inline uint32_t pi_arena_end(struct pi_arena *arena)
{
    return pi_monotonic_get(&arena->end);
}

/* The value of its `info`. relaxed: published with the tag, or a later CAS of the tag checks it. */
static inline uint32_t pi_unit_value(struct pi_arena *arena, uint32_t unit)
{
    return (uint32_t)pi_load_relaxed(&arena->units[unit].info); /* as said */
}

/* The first class whose blocks hold size bytes; PI_CLASSES: it needs whole units. */
unsigned pi_size_class_for(size_t size);

/* The block that a reference names, which may be any number. False: there is no such block, or it
 * is large and nobody has it. */
bool pi_arena_find(struct pi_arena *arena, pi_block_ref ref, struct pi_block *block);
/* The block that begins at an address; 0: none does. */
pi_block_ref pi_arena_ref(struct pi_arena *arena, const void *at);
/* The first block after `after` (0: of all) that somebody has, and its tag. 0: there is none. Small
 * blocks are left out where the tag of their span lacks bits of `part`. */
pi_block_ref pi_arena_next(struct pi_arena *arena, pi_block_ref after, uint64_t part,
                           uint64_t *tag);
/* Frees a block if its tag is exactly that; owner claims its units meanwhile. */
bool pi_arena_free(struct pi_arena *arena, pi_block_ref ref, uint64_t tag, unsigned owner);

/* Supervisor, when the worker was reaped or has exited: the next owner holds what the worker held
 * there; PI_OWNER_NONE: it is freed. True: the worker had CLAIMED the unit, and the caller must
 * discard pi_units_of units. */
bool pi_unit_recover(struct pi_arena *arena, uint32_t unit, unsigned worker, unsigned next);

/* ---- units (units.c): `owner` claims them, n of them from `unit` on ---- */

/* How much of a large arena is looked at: a part, another one each time; or all. */
enum pi_search { PI_SEARCH_PART, PI_SEARCH_ALL };
/* Claims n units in a row. Returns the first, or PI_NO_INDEX. */
uint32_t pi_units_claim(struct pi_arena *arena, uint32_t n, unsigned owner, enum pi_search search);
/* Claims n units from there on, or none. Returns how many were free before one that is not. */
uint32_t pi_units_claim_at(struct pi_arena *arena, uint32_t unit, uint32_t n, unsigned owner);
/* How many units before the end are free; at most n. */
uint32_t pi_units_tail(struct pi_arena *arena, uint32_t n);
/* How many of n claimed units are BARE, up to the first that is not. The caller backs them next, so
 * their value becomes USED. */
uint32_t pi_units_bare(struct pi_arena *arena, uint32_t unit, uint32_t n);
/* Gives n claimed units the tag of their owner, BARE or not. */
void pi_units_mark(struct pi_arena *arena, uint32_t unit, uint32_t n, uint64_t tag);
/* Frees n claimed units: NONE if they are BARE, else FREE. */
void pi_units_put_back(struct pi_arena *arena, uint32_t unit, uint32_t n);
/* Makes a large block of n claimed units, HELD. */
void pi_units_join(struct pi_arena *arena, uint32_t unit, uint32_t n, unsigned owner);
/* What may be discarded: by the trim, units that are SEEN; by a caller without memory, those that
 * are FREE and not KEPT. */
enum pi_idle_units { PI_UNITS_SEEN, PI_UNITS_FREE };
/* Claims the first such units from there on. Returns how many, 256 at most. */
uint32_t pi_units_claim_idle(struct pi_arena *arena, uint32_t unit, unsigned owner,
                             enum pi_idle_units which);
/* Calls fn for each unit between two, or up to the end. Returns for how many it said true. */
typedef bool pi_unit_fn(struct pi_arena *arena, uint32_t unit, unsigned owner);
uint32_t pi_units_each(struct pi_arena *arena, uint32_t from, uint32_t to, pi_unit_fn *fn,
                       unsigned owner);
/* How many of n units have memory: all that are not NONE, nor CLAIMED and BARE. */
uint32_t pi_units_with_memory(struct pi_arena *arena, uint32_t unit, uint32_t n);
/* The caller has discarded n claimed units: they become NONE. rest: PI_CLEAN if it has discarded
 * their tags too, else PI_USED. */
void pi_units_discarded(struct pi_arena *arena, uint32_t unit, uint32_t n, enum pi_rest rest);
/* Marks as SEEN what the next round of the trim may discard. Returns how many units. */
uint32_t pi_units_see(struct pi_arena *arena, unsigned owner, uint32_t from, uint32_t to);
/* The units of a large block, or of what is left of one, that begins there. */
uint32_t pi_units_of(struct pi_arena *arena, uint32_t unit);
/* Frees the units of a large block whose head is claimed. rest: PI_USED or PI_KEPT. */
void pi_units_free(struct pi_arena *arena, uint32_t head, enum pi_rest rest);

/* ---- spans (span.c) ---- */

/* Makes a claimed unit, whose bytes and tags have memory, a span. Its first block is HELD. */
pi_block_ref pi_span_open(struct pi_arena *arena, uint32_t unit, unsigned class, unsigned owner);
/* Takes a block of a class from the owner's spans, or shared ones: HELD. 0: none was found. */
pi_block_ref pi_span_take(struct pi_arena *arena, unsigned class, unsigned owner);
/* The same from any span of at least that class, because there is no memory for another one. */
pi_block_ref pi_span_take_any(struct pi_arena *arena, unsigned class, unsigned owner);
/* Frees a block of a span, if its tag is exactly that. */
bool pi_span_free(struct pi_arena *arena, const struct pi_block *block, uint64_t tag);
/* Sets HAS_SYNC, before the holder of a block publishes a lock or queue there. */
void pi_span_mark(struct pi_arena *arena, uint32_t unit);
/* Makes empty spans FREE units. Returns how many. */
uint32_t pi_spans_close(struct pi_arena *arena, unsigned owner, uint32_t from, uint32_t to);
/* As pi_unit_recover. The worker's spans become the program's. */
void pi_span_recover(struct pi_arena *arena, uint32_t unit, unsigned worker, unsigned next);

/* arena.h - blocks of shared memory for arguments, results and posse_alloc: power-of-two classes
 * from 64 bytes up.
 *
 * Every block has a tag word, the truth about it, and every class a map (map.h), the hint where a
 * free one is.
 *
 *   tag            meaning                             who may change it             to
 *   FREE           nobody's                            anyone, by CAS                HELD
 *   HELD(owner)    a process fills it, or posse_alloc  owner                         any other
 *                  gave it                             the supervisor, when the      FREE
 *                                                      owner was reaped
 *   ATTACHED       argument or result of that life of  whoever frees the slot or     FREE
 *   (slot,         that slot; a block of an earlier    ends the task
 *   generation)    life is garbage                     the supervisor's sweep,       FREE
 *                                                      if it is garbage
 *   OBJECT(type,   a lock or a queue, made by owner,   whoever ends it (lock.h)      FREE
 *   owner,         and named by handles with that      the supervisor, when the      FREE
 *   serial)        serial                              owner was reaped,
 *                                                      or has left by itself         owner: program
 *
 * A block's memory is backed when it is first held: `backed` says how much of it, counted up by its
 * holder. Large free blocks beyond PI_WARM bytes of a class go back to the system, but for their
 * first PI_HEAD bytes: a block that was a lock or a queue may still be looked at by a call that was
 * about to when it was freed. Such a call finds another serial there, or none, but it must find
 * memory.
 *
 * The model is tests/model/arena.pml.
 */
#ifndef PI_ARENA_H
#define PI_ARENA_H

#include "core/slots.h"

#define PI_CLASS_FIRST 6 /* 64 bytes */
#define PI_CLASSES 29    /* up to 16 GB */
#define PI_WARM ((size_t)64 << 20)
#define PI_HEAD ((size_t)4 << 10)

enum pi_tag { PI_TAG_FREE, PI_TAG_HELD, PI_TAG_ATTACHED, PI_TAG_OBJECT };
enum pi_object_type { PI_OBJECT_LOCK = 1, PI_OBJECT_QUEUE };
#define PI_SERIAL_MASK (((uint32_t)1 << 30) - 1)

struct pi_block {
    _Atomic uint64_t tag; /* see the table */
    /* Bytes that have memory; written by the holder, or by whoever frees a large block. */
    _Atomic uint64_t backed;
};

struct pi_class {
    struct pi_map map;
    struct pi_block *blocks;
    size_t offset;         /* of the first block's bytes in the segment */
    size_t size;           /* of a block in bytes */
    struct pi_count count; /* blocks whose tags have memory */
    uint32_t max;
};

struct pi_arena {
    struct pi_class classes[PI_CLASSES];
};

static inline uint64_t pi_tag_held(unsigned owner) { return (uint64_t)PI_TAG_HELD << 60 | owner; }
static inline uint64_t pi_tag_attached(uint32_t slot, uint32_t generation)
{
    return (uint64_t)PI_TAG_ATTACHED << 60 | (uint64_t)slot << 32 | generation;
}
static inline uint64_t pi_tag_object(unsigned type, unsigned owner, uint32_t serial)
{
    return (uint64_t)PI_TAG_OBJECT << 60 | (uint64_t)type << 56 | (uint64_t)owner << 32 | serial;
}
static inline unsigned pi_tag_type(uint64_t tag) { return (unsigned)(tag >> 56) & 15; }
static inline unsigned pi_tag_owner(uint64_t tag) { return (unsigned)(tag >> 32) & 0x3ff; }
static inline uint32_t pi_tag_serial(uint64_t tag) { return (uint32_t)tag & PI_SERIAL_MASK; }
static inline enum pi_tag pi_tag_kind(uint64_t tag) { return (enum pi_tag)(tag >> 60); }
static inline uint32_t pi_tag_slot(uint64_t tag) { return (uint32_t)(tag >> 32) & 0xffffff; }
static inline uint32_t pi_tag_generation(uint64_t tag) { return (uint32_t)tag; }

static inline pi_ref pi_ref_make(unsigned class, uint32_t index)
{
    return (uint64_t)(class + 1) << 32 | index;
}
static inline uint32_t pi_ref_index(pi_ref ref) { return (uint32_t)ref; }

static inline uint32_t pi_class_count(struct pi_class *class) { return pi_count_of(&class->count); }

/* The first class whose blocks hold size bytes, or PI_CLASSES. */
unsigned pi_class_for(size_t size);

/* Takes a free block of a class: FREE -> HELD(owner).
 * PI_NONE: there is none, the class must grow. */
uint32_t pi_class_take(struct pi_class *class, unsigned owner);

/* The class and block that a reference names; false if it names none.
 * References come from shared memory. */
bool pi_arena_find(struct pi_arena *arena, pi_ref ref, struct pi_class **class,
                   struct pi_block **block);

/* Where a block's bytes are in the segment. */
static inline size_t pi_block_offset(const struct pi_class *class, uint32_t index)
{
    return class->offset + (size_t)index * class->size;
}

/* The block that begins at an offset of the segment, 0 if none does. */
pi_ref pi_arena_ref(struct pi_arena *arena, size_t offset);

#endif

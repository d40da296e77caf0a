/* What is repaired in locks and queues when a worker was reaped. Everybody else goes on meanwhile,
 * so every repair is a compare-and-swap like any other.
 *
 *   a worker has died ...                            left behind           repair
 *   before its object was published                  HELD(w)               FREE, as any block
 *   and its object is there                          OBJECT(w)             lock GONE, then FREE
 *   ... while another one is inside its queue        HELD(h) and GONE      h frees it
 *   holding a lock                                   HELD(w)               FREE, DIED
 *   waiting, or before the post of a wake that it    its bit; a sleeper    cleared; all are woken
 *   had claimed
 *   after GONE, before it freed the block            GONE                  FREE
 *
 * A worker that has left by itself may have left locks too; its objects live on, as the program's.
 * The model is tests/model/lock.pml, without the end of objects.
 */
#include "worker/backend.h"
#include "worker/objects.h"

/* The waiters of the dead get no wakes any more. */
static void forget_waiters(const struct pi_object *object, struct pi_waiters *waiters,
                           unsigned seat)
{
    struct pi_parkers *parkers = &object->executor->segment.parkers;
    uint32_t count = pi_parkers_count(parkers);
    for (uint32_t i = 0; i < count; i++)
        if (pi_waiters_has(waiters, object->serial, i) &&
            pi_load_seq(&parkers->at[i].owner) == seat + 1)
            pi_waiters_remove(waiters, object->serial, i);
}

static void forget_all_waiters(const struct pi_object *object, unsigned seat)
{
    forget_waiters(object, &object->lock->waiters, seat);
    if (object->type != PI_OBJECT_QUEUE || object->size < sizeof(struct pi_queue))
        return;
    struct pi_queue *queue = (struct pi_queue *)object->lock;
    forget_waiters(object, &queue->readers, seat);
    forget_waiters(object, &queue->writers, seat);
}

/* The maker died. True: nobody is inside, so it may be freed. Who only holds a lock is not. */
static bool end_object(const struct pi_object *object)
{
    bool busy = pi_lock_end(object->lock, object->serial, true) == PI_LOCK_BUSY;
    return object->type != PI_OBJECT_QUEUE || !busy;
}

/* Whoever ended it died before it was freed. */
static bool is_left(const struct pi_object *object)
{
    uint64_t word = pi_load_seq(&object->lock->word);
    return pi_stamped(word, object->serial) && (word & PI_LOCK_GONE) && pi_lock_holder(word) == 0;
}

/* Its maker has left by itself. If it fails it was freed. */
static void bequeath(const struct pi_object *object, uint64_t tag)
{
    struct pi_block block;
    if (pi_arena_find(&object->executor->segment.arena, object->ref, &block))
        (void)pi_cas(block.tag, &tag, pi_tag_with_owner(tag, PI_PROGRAM));
}

static void recover_object(const struct pi_object *object, uint64_t tag, unsigned seat, bool died)
{
    bool its = pi_tag_owner(tag) == seat;
    if (pi_lock_recover(object->lock, seat) && !died)
        pi_wake_each(object, &object->lock->waiters);
    forget_all_waiters(object, seat);
    if ((its && died && end_object(object)) || is_left(object))
        pi_object_free(object);
    else if (its && !died)
        bequeath(object, tag);
}

void pi_recover_objects(posse_executor *e, unsigned seat, bool died)
{
    uint64_t tag;
    pi_ref ref = 0;
    if (pi_load_relaxed(&e->segment.header->objects) == 0) /* relaxed: the dead counted before */
        return;
    while ((ref = pi_arena_next(&e->segment.arena, ref, true, &tag)) != 0) {
        struct pi_object object = {.executor = e,
                                   .type = (enum pi_object_type)pi_tag_type(tag),
                                   .ref = ref,
                                   .serial = pi_tag_serial(tag)};
        object.size = pi_block_room(e, ref);
        object.lock = pi_block_bytes(e, ref, sizeof *object.lock);
        if (pi_tag_kind(tag) == PI_TAG_OBJECT && object.lock)
            recover_object(&object, tag, seat, died);
    }
}

/* Runs in: supervisor; pi_crash_block_record in a worker, too, pi_crash_block_size in all. */
#include "supervisor/crash_block.h"
#include "core/crash_record.h"
#include "os/kept_output.h"
#include "pool/block.h"

#include <string.h>

size_t pi_crash_block_size(const posse_executor *e)
{
    return sizeof(struct pi_crash_record) + (e->keep_stderr ? sizeof(struct pi_crash_output) : 0);
}

pi_block_ref pi_crash_block_acquire(posse_executor *e)
{
    struct pi_bytes block;
    size_t size = pi_crash_block_size(e);
    if (!e->autopsy || pi_block_acquire(e, PI_OWNER_NONE, size, &block) != POSSE_OK)
        return 0;
    struct pi_crash_record *record = memset(block.bytes, 0, size);
    record->magic = PI_CRASH_MAGIC; /* published by the start of the worker, or with the state */
    return block.ref;
}

struct pi_crash_record *pi_crash_block_record(posse_executor *e, pi_block_ref ref)
{
    return ref ? pi_block_bytes(e, ref, sizeof(struct pi_crash_record)) : NULL;
}

void pi_crash_block_attach(posse_executor *e, pi_block_ref ref, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t held = pi_tag_held(PI_OWNER_NONE);
    struct pi_block block;
    if (!pi_arena_find(&e->segment.arena, ref, &block) || /* with pi_arena_free */
        !pi_cas(block.tag, &held, pi_tag_attached(index, pi_generation(word))))
        return;
    pi_store_relaxed(&slot->result, ref); /* relaxed, both: published with the state */
    pi_store_relaxed(&slot->result_size, pi_crash_block_size(e));
}

void pi_crash_block_release(posse_executor *e, pi_block_ref *ref)
{
    if (*ref)
        (void)pi_block_release(e, PI_OWNER_NONE, *ref, pi_tag_held(PI_OWNER_NONE));
    *ref = 0;
}

void pi_crash_block_keep(posse_executor *e, pi_block_ref ref, int *file)
{
    if (*file < 0)
        return;
    char *block = ref ? pi_block_bytes(e, ref, pi_crash_block_size(e)) : NULL;
    if (block) {
        struct pi_crash_output *output = (void *)(block + sizeof(struct pi_crash_record));
        output->size = (uint32_t)pi_os_output_tail(*file, output->text, sizeof output->text);
    }
    pi_os_output_show_rest(*file);
    pi_os_close(*file);
    *file = -1;
}

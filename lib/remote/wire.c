#include "remote/wire.h"
#include "base/tuning.h"
#include "remote/protocol.h"

#include <string.h>

#define MAGIC 0x65737370u /* "psse" */

/* ---- numbers ---- */

static unsigned char *step(struct pi_pack *p, size_t size)
{
    if (p->wrong || size > p->size - p->used) {
        p->wrong = true;
        return NULL;
    }
    p->used += size;
    return p->at + p->used - size;
}

void pi_put(struct pi_pack *p, uint64_t number, unsigned bytes)
{
    unsigned char *at = step(p, bytes);
    for (unsigned i = 0; at && i < bytes; i++)
        at[i] = (unsigned char)(number >> (8 * i));
}

void pi_put_bytes(struct pi_pack *p, const void *bytes, size_t size)
{
    unsigned char *at = step(p, size);
    if (at && size)
        memcpy(at, bytes, size);
}

void pi_put_text(struct pi_pack *p, const char *text, size_t max)
{
    size_t length = strlen(text);
    length = length < max ? length : max;
    pi_put(p, length, 2);
    pi_put_bytes(p, text, length);
}

uint64_t pi_get(struct pi_pack *p, unsigned bytes)
{
    const unsigned char *at = step(p, bytes);
    uint64_t number = 0;
    for (unsigned i = 0; at && i < bytes; i++)
        number |= (uint64_t)at[i] << (8 * i);
    return number;
}

int32_t pi_get_int(struct pi_pack *p) { return (int32_t)(uint32_t)pi_get(p, 4); }

const unsigned char *pi_get_bytes(struct pi_pack *p, size_t size) { return step(p, size); }

void pi_get_text(struct pi_pack *p, char *text, size_t room)
{
    size_t length = (size_t)pi_get(p, 2);
    p->wrong |= length >= room;
    const unsigned char *bytes = pi_get_bytes(p, length);
    text[0] = '\0';
    if (!bytes)
        return;
    memcpy(text, bytes, length);
    text[length] = '\0';
}

/* ---- frames ---- */

void pi_frame_write(unsigned char *at, const struct pi_frame *frame)
{
    struct pi_pack pack = {.at = at, .size = PI_FRAME_SIZE};
    pi_put(&pack, MAGIC, 4);
    pi_put(&pack, frame->kind, 2);
    pi_put(&pack, frame->head, 2);
    pi_put(&pack, frame->tail, 8);
}

/* The largest tail of a message. */
static uint64_t max_tail(unsigned message)
{
    switch (message) {
    case PI_HELLO: return PI_REMOTE_MODULES + PI_REMOTE_SETUP;
    case PI_POOL_FAILED:
    case PI_REFUSE: return PI_TEXT_SIZE - 1;
    case PI_MESSAGE: return PI_REMOTE_MESSAGES;
    case PI_SUBMIT:
    case PI_RESULT: return PI_REMOTE_BYTES;
    default: return 0;
    }
}

static bool read_frame(struct pi_inbox *in, unsigned accepts)
{
    struct pi_pack pack = {.at = in->bytes + in->begin, .size = PI_FRAME_SIZE};
    uint64_t magic = pi_get(&pack, 4);
    struct pi_frame *frame = &in->frame;
    frame->kind = (unsigned)pi_get(&pack, 2);
    frame->head = (size_t)pi_get(&pack, 2);
    frame->tail = pi_get(&pack, 8);
    return magic == MAGIC && frame->kind < PI_MESSAGES && (accepts >> frame->kind & 1) &&
           frame->head <= PI_MAX_HEAD && frame->tail <= max_tail(frame->kind);
}

/* ---- the inbox ---- */

void *pi_inbox_room(struct pi_inbox *in, size_t *size)
{
    if (in->begin == in->end)
        in->begin = in->end = 0;
    if (in->begin > 0 && PI_INBOX_SIZE - in->end < PI_FRAME_SIZE + PI_MAX_HEAD) {
        memmove(in->bytes, in->bytes + in->begin, in->end - in->begin);
        in->end -= in->begin;
        in->begin = 0;
    }
    *size = PI_INBOX_SIZE - in->end;
    return in->bytes + in->end;
}

void pi_inbox_add(struct pi_inbox *in, size_t size) { in->end += size; }

enum pi_arrival pi_inbox_next(struct pi_inbox *in, unsigned accepts)
{
    size_t there = in->end - in->begin;
    if (in->tail_left || there < PI_FRAME_SIZE)
        return PI_MORE;
    if (!read_frame(in, accepts))
        return PI_WRONG;
    if (there < PI_FRAME_SIZE + in->frame.head)
        return PI_MORE;
    in->head =
        (struct pi_pack){.at = in->bytes + in->begin + PI_FRAME_SIZE, .size = in->frame.head};
    in->begin += PI_FRAME_SIZE + in->frame.head;
    in->tail_left = in->frame.tail;
    return PI_HEAD;
}

size_t pi_inbox_take(struct pi_inbox *in, void *to, size_t size)
{
    size_t there = in->end - in->begin;
    size = size < there ? size : there;
    size = size < in->tail_left ? size : (size_t)in->tail_left;
    if (size && to)
        memcpy(to, in->bytes + in->begin, size);
    in->begin += size;
    in->tail_left -= size;
    return size;
}

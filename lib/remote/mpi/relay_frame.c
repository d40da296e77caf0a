#include "remote/mpi/relay_frame.h"
#include "base/tuning.h"
#include "remote/wire.h"

void pi_relay_write(unsigned char head[PI_RELAY_HEAD], const struct pi_relay_frame *frame)
{
    struct pi_pack pack = {.at = head, .size = PI_RELAY_HEAD};
    pi_put(&pack, frame->kind, 4);
    pi_put(&pack, frame->number, 4);
    pi_put(&pack, frame->count, 4);
}

static bool is_of_connection(uint32_t kind) { return kind <= PI_RELAY_END; }

static bool is_count(const struct pi_relay_frame *frame)
{
    switch (frame->kind) {
    case PI_RELAY_DATA: return frame->count >= 1 && frame->count <= PI_RELAY_CHUNK;
    case PI_RELAY_CREDIT: return frame->count >= 1 && frame->count <= PI_RELAY_WINDOW;
    default: return frame->count == 0;
    }
}

bool pi_relay_read(const unsigned char *message, size_t size, unsigned accepts,
                   uint32_t connections, struct pi_relay_frame *frame)
{
    struct pi_pack pack = {.at = (unsigned char *)(uintptr_t)message, .size = size};
    frame->kind = (uint32_t)pi_get(&pack, 4);
    frame->number = (uint32_t)pi_get(&pack, 4);
    frame->count = (uint32_t)pi_get(&pack, 4);
    if (pack.wrong || frame->kind == 0 || frame->kind >= PI_RELAY_KINDS ||
        !(accepts & 1u << frame->kind) || !is_count(frame))
        return false;
    size_t tail = frame->kind == PI_RELAY_DATA ? frame->count : 0;
    return size == PI_RELAY_HEAD + tail &&
           (is_of_connection(frame->kind) ? frame->number < connections : frame->number == 0);
}

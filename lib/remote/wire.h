/* wire.h - frames on a connection between a proxy and an agent, and the numbers in them.
 *
 * Runs in: worker (the proxy), agent.
 *
 * A frame is 16 bytes, a head and a tail:
 *
 *   bytes 0-3    the magic number, so that a stranger is noticed at once
 *   bytes 4-5    which message (protocol.h)
 *   bytes 6-7    bytes of the head
 *   bytes 8-15   bytes of the tail
 *   head         the numbers and short texts of the message
 *   tail         an argument, a result, a text or a list of modules
 *
 * All numbers are little-endian. The receiver says which messages it accepts now; each has a
 * largest head and tail. Anything else is WRONG, and the connection ends. An inbox has room for a
 * few KiB. Its owner takes a tail piece by piece, and makes room only for what has come.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PI_FRAME_SIZE ((size_t)16)
#define PI_MAX_HEAD ((size_t)512)
#define PI_INBOX_SIZE ((size_t)16 << 10)

struct pi_frame {
    unsigned kind;
    size_t head;
    uint64_t tail;
};

/* ---- numbers ---- */

/* Bytes that are written, or read, one number after another. `wrong` stays set once one did not
 * fit: then nothing is written any more, and what is read is 0. */
struct pi_pack {
    unsigned char *at;
    size_t size, used;
    bool wrong;
};

void pi_put(struct pi_pack *pack, uint64_t number, unsigned bytes);
void pi_put_bytes(struct pi_pack *pack, const void *bytes, size_t size);
/* Two bytes of length, then the text, which is cut to `max` bytes. */
void pi_put_text(struct pi_pack *pack, const char *text, size_t max);
uint64_t pi_get(struct pi_pack *pack, unsigned bytes);
int32_t pi_get_int(struct pi_pack *pack);
/* size bytes in place; NULL: the rest is shorter. */
const unsigned char *pi_get_bytes(struct pi_pack *pack, size_t size);
/* Reads a text of at most room - 1 bytes. */
void pi_get_text(struct pi_pack *pack, char *text, size_t room);

/* Writes the frame before a head, at `at`, which has room for PI_FRAME_SIZE bytes. */
void pi_frame_write(unsigned char *at, const struct pi_frame *frame);

/* ---- the inbox ---- */

enum pi_arrival {
    PI_MORE,  /* the frame is not whole yet: read more */
    PI_HEAD,  /* the head is there: `head`; then its owner takes the tail */
    PI_WRONG, /* the peer has sent what it may not */
};

/* Zero: empty, and accepts nothing. */
struct pi_inbox {
    unsigned char bytes[PI_INBOX_SIZE];
    size_t begin, end; /* what has come and is not taken yet */
    struct pi_frame frame;
    struct pi_pack head;
    uint64_t tail_left; /* of the tail, not taken yet */
};

/* Where the next bytes go; *size: how many at most, at least 1 after PI_MORE. Then the owner says
 * how many have come. */
void *pi_inbox_room(struct pi_inbox *inbox, size_t *size);
void pi_inbox_add(struct pi_inbox *inbox, size_t size);
/* The next frame, when the tail of the last one is taken. accepts: a bit for each message. */
enum pi_arrival pi_inbox_next(struct pi_inbox *inbox, unsigned accepts);
/* Takes bytes of the tail that are in the inbox: at most size. Returns how many. NULL: nowhere. */
size_t pi_inbox_take(struct pi_inbox *inbox, void *to, size_t size);

/* carry.h - connections that a link of the relay carries.
 *
 * Runs in: posse-relay. The states of a connection are in relay.c.
 *
 * Each end of a link has an array of as many connections; a number names the same one at both. What
 * is read from a socket goes to the other end at once, if there is credit. What comes is written to
 * the socket, or waits in a queue until the socket takes it, and then the other end gets the credit
 * back. So a connection has at most PI_RELAY_WINDOW bytes waiting at each end.
 */
#pragma once

#include "remote/mpi/relay_frame.h"

#include <poll.h>

enum pi_carried_state { PI_UNUSED, PI_OPEN, PI_DRAINING, PI_ENDED };

struct pi_carried {
    enum pi_carried_state state;
    int fd;
    uint32_t credit;          /* bytes that may be sent to the other end */
    uint32_t owed;            /* bytes written to the socket, of which it does not know yet */
    bool tell_open, tell_end; /* OPEN, END is not sent yet */
    char *queue;              /* NULL, or a ring of PI_RELAY_WINDOW bytes: */
    uint32_t begin, used;     /* what waits for the socket */
};

/* Of one link. */
struct pi_carrier {
    size_t link;
    bool drains; /* what came before the end of the other side is still written: at rank 0 */
    uint32_t n, turn;
    struct pi_carried *all;
};

/* False: no memory. */
bool pi_carry_init(struct pi_carrier *carrier, size_t link, uint32_t connections);
/* Ends all of them; the other end is not told. */
void pi_carry_fini(struct pi_carrier *carrier);

/* The node's end: whether there is room, and carries a new connection from now on. */
bool pi_carry_has_room(const struct pi_carrier *carrier);
void pi_carry_begin(struct pi_carrier *carrier, int fd);
/* The end at rank 0, after OPEN; fd -1: it could not connect. False: no such message may come. */
bool pi_carry_open(struct pi_carrier *carrier, uint32_t number, int fd);
/* DATA, CREDIT or END has come. False: no such message may come now. */
bool pi_carry_hear(struct pi_carrier *carrier, const struct pi_relay_frame *frame,
                   const unsigned char *bytes);

/* Sends OPEN, CREDIT and END where they are due, as long as there is room. */
void pi_carry_tell(struct pi_carrier *carrier);
/* Writes what to wait for to fds[0] to fds[n - 1]. */
void pi_carry_watch(const struct pi_carrier *carrier, struct pollfd *fds);
/* Reads and writes where poll has said so. True: something has moved. */
bool pi_carry_serve(struct pi_carrier *carrier, const struct pollfd *fds);

/* relay_loop.h - what each rank does over and over: messages, sleep, sockets.
 *
 * Runs in: posse-relay.
 *
 * MPI has nothing to sleep on, so a rank sleeps on its sockets alone, and naps: after each nap it
 * asks MPI for messages. A nap is a quarter of the time since something last moved, up to 1 ms;
 * after a second of rest it grows to 8 ms. While data flows there is none. So a message finds its
 * rank asleep for at most a quarter of the time for which there was none.
 */
#pragma once

#include "remote/mpi/carry.h"

#include <stdint.h>

struct pi_relay {
    size_t n; /* links, each with a carrier */
    struct pi_carrier *carriers;
    struct pollfd *fds;    /* one more than all connections; */
    struct pollfd *polled; /* those of them that are open: poll takes no more than RLIMIT_NOFILE */
    int64_t moved_ns;      /* when something last moved */
};

/* connections: of each link. False: no memory. */
bool pi_relay_init(struct pi_relay *relay, size_t links, const uint32_t *connections);
/* Ends all connections; the other ends are not told. */
void pi_relay_drop(struct pi_relay *relay);
void pi_relay_fini(struct pi_relay *relay);

/* After pi_ranks_move, which has moved something or nothing: tells, sleeps, reads and writes. also:
 * one more descriptor, or -1; true: it can be read. Ends this process if its mpirun has gone. */
bool pi_relay_serve(struct pi_relay *relay, bool moved, int also);

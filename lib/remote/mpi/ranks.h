/* ranks.h - messages between the ranks of the relay. All calls of MPI are in ranks.c.
 *
 * Runs in: posse-relay, one thread.
 *
 * A link leads to another rank: link i of rank 0 to rank i + 1, the only link of the others to rank
 * 0. A link has a few messages on their way, each in a buffer of its own: no send blocks, and a
 * rank that does not receive holds up no other link. Messages of a link arrive in their order.
 */
#pragma once

#include "remote/mpi/relay_frame.h"

/* Sets the rank and how many there are. It may wait for the others. */
void pi_ranks_begin(int *rank, int *count);
/* Makes the bytes of rank 0 those of all. It may wait for the others. */
void pi_ranks_share(void *bytes, size_t size);
/* Makes the links, after which the calls below may come. False: no memory. */
bool pi_ranks_link(size_t links);

/* Messages that the link still takes now. */
unsigned pi_ranks_room(size_t link);
/* Where the bytes of the next DATA go, PI_RELAY_CHUNK at most. There must be room. */
unsigned char *pi_ranks_payload(size_t link);
/* Sends a message, a DATA with what was written there. There must be room. */
void pi_ranks_send(size_t link, const struct pi_relay_frame *frame);

/* Hands over what has come, and sees what has been sent. True: something has moved. */
typedef void pi_ranks_fn(size_t link, const unsigned char *message, size_t size);
bool pi_ranks_move(pi_ranks_fn *hear);
/* Whether nothing is on its way from here. */
bool pi_ranks_sent(void);

/* After all messages are sent and all that count have come. It waits for the others. */
void pi_ranks_end(void);
/* Ends all ranks, with these words on stderr. */
_Noreturn void pi_ranks_abort(const char *why);

/* relay.c - posse-relay: carries the connections of agents to the program by MPI, where nodes
 * cannot reach the program otherwise.
 *
 *     mpirun -n RANKS ... posse-relay NODES PROGRAM --posse-agent ADDRESS PLACES
 *
 * posse_remote_create starts it with POSSE_LAUNCH_MPI_RELAY. Neither the program nor an agent is a
 * rank of MPI, and neither knows of the relay. Rank 0 runs beside the program; its stdin has the
 * token. The rank r > 0 runs on a node, starts an agent there with the places of entry r of NODES,
 * and listens on a unix socket. For each connection that it accepts, rank 0 makes one to ADDRESS.
 *
 * Runs in: posse-relay, one thread in each rank. No call blocks but poll (relay_loop.h) and, at
 * rank 0, pi_net_connect. If ADDRESS is HOST:PORT, pi_net_connect asks the system for the addresses
 * of the host, and tries up to eight of them for 2 s each. Meanwhile rank 0 carries nothing. A unix
 * socket, the default, answers at once.
 *
 * Messages between rank 0 and a node. All but the last three name a connection, by a number that
 * the node chooses among the unused ones:
 *
 *   message   from     what                               when
 *   OPEN      node     a new connection                   the agent has connected
 *   DATA      both     bytes                              there is credit for them
 *   CREDIT    both     how many bytes a socket has taken  at least PI_RELAY_CHUNK
 *   END       both     no more comes from here            once for each connection
 *   GONE      node     its agent has ended                once
 *   STOP      rank 0   the end                            the last one to a node
 *   BYE       node     all there has ended                after STOP and GONE; the last one
 *
 * Each end of a connection is in one of these states. A number is unused again when each end has
 * sent END and heard END.
 *
 *   state     means                          leaves by
 *   UNUSED    no connection                  node: accept, OPEN sent: OPEN
 *                                            rank 0: OPEN heard, and connected: OPEN; it cannot
 *                                            connect: END sent: ENDED
 *   OPEN      the socket is open             the socket ends: closed, END sent: ENDED
 *                                            END heard: closed, END sent: UNUSED
 *                                            END heard by rank 0 while bytes wait for the socket:
 *                                            DRAINING
 *   DRAINING  the rest is written            all is written, or the socket ends: closed, END sent:
 *                                            UNUSED
 *   ENDED     the socket is closed, the      END heard: UNUSED. DATA and CREDIT that come before it
 *             other end does not know        are dropped
 *
 * So the end of a connection at the program, which kills the task, overtakes all but the few
 * messages that are on their way, and what waits for the agent is dropped. What an agent has sent
 * before its end is still written, if there was credit for it.
 *
 * Memory: a link has 12 messages of 64 KiB at each end; a connection whose socket is slow has at
 * most PI_RELAY_WINDOW bytes at each end, and holds up no other.
 *
 *   what ends                      what follows
 *   a connection, at either side   it ends at the other side
 *   memory for what waits          that connection ends, at both sides
 *   an agent                       its connections end, the program's tasks there are lost or run
 *                                  again; the rank stays. All agents: STOP
 *   the program                    nobody listens at ADDRESS any more when an agent connects
 *                                  again: STOP. A rank that stops closes its socket, so its agent
 *                                  ends; after PI_RELAY_GRACE_MS it is killed
 *   a rank, a node, a message      MPI ends all ranks. So all connections end, all agents end, as
 *   that may not come              nobody listens there, and the launcher has ended
 *   a node, silently               nothing, until MPI notices: the sockets of both ends are of one
 *                                  machine each, so silence_ms finds nothing there. Tasks of that
 *                                  node do not end until then
 *   mpirun                         as with a rank: a rank that has another parent ends
 *   too few ranks                  words, and the launcher has ended: mpirun is of another MPI
 */
#include "remote/mpi/relay.h"
#include "remote/mpi/ranks.h"
#include "remote/mpi/relay_words.h"
#include "remote/token.h"

#include <stdio.h>

/* The text of the token, from the stdin of rank 0 to all. */
static void read_token(int rank, char text[PI_TOKEN_TEXT])
{
    unsigned char token[PI_TOKEN_SIZE];
    if (rank == 0 && (!fgets(text, (int)PI_TOKEN_TEXT, stdin) || !pi_token_read(text, token)))
        pi_ranks_abort("no token at stdin");
    pi_ranks_share(text, PI_TOKEN_TEXT);
    text[PI_TOKEN_TEXT - 1] = '\0';
}

int main(int argc, char **argv)
{
    struct pi_relay_words words;
    char token[PI_TOKEN_TEXT] = "", why[160];
    int rank, count;
    if (!pi_relay_words_read(argc, argv, &words)) {
        fprintf(stderr,
                "usage: mpirun ... posse-relay NODES PROGRAM --posse-agent ADDRESS PLACES\n");
        return 2;
    }
    pi_ranks_begin(&rank, &count);
    snprintf(why, sizeof why, "mpirun has made %d ranks of %zu: is it of another MPI?", count,
             words.n_nodes + 1);
    if ((size_t)count != words.n_nodes + 1)
        pi_ranks_abort(why);
    read_token(rank, token);
    if (rank == 0)
        pi_relay_at_program(&words);
    else
        pi_relay_at_node(&words, (size_t)rank, token);
    pi_ranks_end();
    return 0;
}

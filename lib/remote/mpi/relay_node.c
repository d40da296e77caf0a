/* A rank on a node: the agent, and the socket that it connects to. The tables are in relay.c. */
#include "remote/mpi/relay.h"
#include "base/tuning.h"
#include "remote/mpi/ranks.h"
#include "remote/mpi/relay_agent.h"
#include "remote/mpi/relay_loop.h"
#include "remote/net.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS                                                                                    \
    (1u << PI_RELAY_DATA | 1u << PI_RELAY_CREDIT | 1u << PI_RELAY_END | 1u << PI_RELAY_STOP)

static struct {
    struct pi_relay relay; /* with one link */
    uint32_t connections;
    int listener;
    pid_t agent;      /* 0: it has ended */
    int64_t stops_ms; /* since when it stops; 0: not yet */
    bool said_gone, said_bye;
} node;

static void stop(void)
{
    pi_relay_drop(&node.relay);
    close(node.listener); /* so the agent finds nobody there, and ends */
    node.listener = -1;
    node.stops_ms = pi_net_now();
}

static void hear(size_t link, const unsigned char *message, size_t size)
{
    struct pi_relay_frame frame;
    (void)link;
    bool right = pi_relay_read(message, size, ACCEPTS, node.connections, &frame) && !node.stops_ms;
    if (right && frame.kind == PI_RELAY_STOP)
        stop();
    else if (right)
        right = pi_carry_hear(node.relay.carriers, &frame, message + PI_RELAY_HEAD);
    if (!right)
        pi_ranks_abort("rank 0 has sent what it may not");
}

/* A process of another user has no token; it is sent away before it takes a number. */
static bool is_own(int fd)
{
#ifdef SO_PEERCRED
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
#else
    return fd >= 0;
#endif
}

static void take(void)
{
    int fd = pi_net_accept(node.listener, PI_SILENCE_MS);
    if (fd < 0)
        return;
    if (is_own(fd))
        pi_carry_begin(node.relay.carriers, fd);
    else
        close(fd);
}

/* ---- the agent ---- */

/* The agent connects here, in place of the program. */
static pid_t start(const struct pi_relay_words *words, size_t rank, long places, const char *token)
{
    static char stdin_word[] = "--token-stdin";
    char address[PI_ADDRESS_SIZE], at[PI_ADDRESS_SIZE], number[24];
    size_t n = 0;
    snprintf(address, sizeof address, "unix:@posse-relay-%ld-%zu", (long)getpid(), rank);
    snprintf(number, sizeof number, "%ld", places);
    node.listener = pi_net_listen(address, at);
    while (words->agent[n])
        n++;
    char **line = calloc(n + 2, sizeof *line);
    if (node.listener < 0 || !line)
        return -1;
    for (size_t i = 0; i < n; i++)
        line[i] = words->agent[i];
    line[2] = at;
    line[3] = number;
    line[n] = stdin_word;
    pid_t agent = pi_relay_start(line, token);
    free(line);
    return agent;
}

static void look_after(void)
{
    if (node.agent && pi_relay_has_ended(node.agent))
        node.agent = 0;
    else if (node.agent && node.stops_ms && pi_net_now() - node.stops_ms > PI_RELAY_GRACE_MS)
        (void)kill(node.agent, SIGKILL);
}

static bool say(bool said, uint32_t kind)
{
    const struct pi_relay_frame frame = {.kind = kind};
    if (said || !pi_ranks_room(0))
        return said;
    pi_ranks_send(0, &frame);
    return true;
}

void pi_relay_at_node(const struct pi_relay_words *words, size_t rank, const char *token)
{
    long places;
    node.connections = pi_relay_connections(words, rank, &places);
    if (!pi_relay_init(&node.relay, 1, &node.connections) || !pi_ranks_link(1))
        pi_ranks_abort("no memory");
    node.agent = start(words, rank, places, token);
    if (node.agent < 0)
        pi_ranks_abort("cannot start an agent");
    while (!node.said_bye || !pi_ranks_sent()) {
        bool moved = pi_ranks_move(hear);
        look_after();
        if (!node.agent)
            node.said_gone = say(node.said_gone, PI_RELAY_GONE);
        if (node.said_gone && node.stops_ms)
            node.said_bye = say(node.said_bye, PI_RELAY_BYE);
        bool room = node.listener >= 0 && pi_carry_has_room(node.relay.carriers);
        if (pi_relay_serve(&node.relay, moved, room ? node.listener : -1))
            take();
    }
    pi_relay_fini(&node.relay);
}

/* Rank 0, beside the program: for each connection of a node one to the program's listener. The
 * tables are in relay.c. */
#include "remote/mpi/relay.h"
#include "base/tuning.h"
#include "remote/mpi/ranks.h"
#include "remote/mpi/relay_loop.h"
#include "remote/net.h"

#include <errno.h>
#include <stdlib.h>

#define ACCEPTS                                                                                    \
    (1u << PI_RELAY_OPEN | 1u << PI_RELAY_DATA | 1u << PI_RELAY_CREDIT | 1u << PI_RELAY_END |      \
     1u << PI_RELAY_GONE | 1u << PI_RELAY_BYE)

static struct {
    struct pi_relay relay;
    const char *address;
    uint32_t *connections; /* of each link */
    bool *told;            /* each link: STOP has been sent */
    size_t gone, left;     /* agents that have ended; links without BYE */
    bool stops;
} program;

/* The listener lives as long as the program's pool. So if nobody listens, the pool is gone. */
static bool open_one(struct pi_carrier *c, uint32_t number)
{
    int fd = pi_net_connect(program.address);
    if (fd >= 0)
        pi_net_watch(fd, PI_SILENCE_MS);
    else
        program.stops |= errno == ECONNREFUSED || errno == ENOENT;
    return pi_carry_open(c, number, fd);
}

static void hear(size_t link, const unsigned char *message, size_t size)
{
    struct pi_carrier *c = &program.relay.carriers[link];
    struct pi_relay_frame frame;
    bool right = pi_relay_read(message, size, ACCEPTS, program.connections[link], &frame);
    if (right && frame.kind == PI_RELAY_GONE)
        program.stops |= ++program.gone == program.relay.n;
    else if (right && frame.kind == PI_RELAY_BYE)
        program.left--;
    else if (right && frame.kind == PI_RELAY_OPEN && !program.stops)
        right = open_one(c, frame.number);
    else if (right && !program.stops)
        right = pi_carry_hear(c, &frame, message + PI_RELAY_HEAD);
    if (!right)
        pi_ranks_abort("a rank has sent what it may not");
}

/* From here on nothing is carried. STOP is the last that a node hears. */
static void stop(void)
{
    const struct pi_relay_frame frame = {.kind = PI_RELAY_STOP};
    pi_relay_drop(&program.relay);
    for (size_t i = 0; i < program.relay.n; i++)
        if (!program.told[i] && pi_ranks_room(i)) {
            pi_ranks_send(i, &frame);
            program.told[i] = true;
        }
}

static bool init(const struct pi_relay_words *words)
{
    long places;
    size_t nodes = words->n_nodes;
    program.address = words->address;
    program.left = nodes;
    program.connections = calloc(nodes, sizeof *program.connections);
    program.told = calloc(nodes, sizeof *program.told);
    if (!program.connections || !program.told)
        return false;
    for (size_t i = 0; i < nodes; i++)
        program.connections[i] = pi_relay_connections(words, i + 1, &places);
    if (!pi_relay_init(&program.relay, nodes, program.connections) || !pi_ranks_link(nodes))
        return false;
    for (size_t i = 0; i < nodes; i++)
        program.relay.carriers[i].drains = true;
    return true;
}

void pi_relay_at_program(const struct pi_relay_words *words)
{
    if (!init(words))
        pi_ranks_abort("no memory");
    while (program.left || !pi_ranks_sent()) {
        bool moved = pi_ranks_move(hear);
        if (program.stops)
            stop();
        (void)pi_relay_serve(&program.relay, moved, -1);
    }
    pi_relay_fini(&program.relay);
    free(program.connections);
    free(program.told);
}

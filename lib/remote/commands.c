/* Runs in: program.
 *
 * One command of a shell for each node; for mpirun and srun one for all nodes with the same number
 * of places; for posse-relay one for all nodes. They find all they need in the environment:
 *
 *   POSSE_COMMAND         the program that starts agents, and options of it
 *   POSSE_AGENT           the agent's command line, quoted for a shell
 *   POSSE_NODE            the host; for mpirun and srun POSSE_NODES, all hosts,
 *                         POSSE_NODES_COUNT and POSSE_PLACES, of each
 *   POSSE_TUNNEL          of ssh; POSSE_ALIVE, seconds, of which it gives up after three
 *   POSSE_RELAY           posse-relay and the list of nodes, quoted: it knows the places of each
 *   POSSE_REMOTE_TOKEN    of mpirun, srun and POSSE_LAUNCH_COMMAND; the others read it from stdin
 *
 * mpirun of Open MPI and that of MPICH take other options; it says which one it is. Both, and srun,
 * would give an agent one processor, and end all agents after the death of one: options forbid it.
 * srun takes the processors of its allocation, also if a step has them (--overlap).
 */
#include "remote/commands.h"
#include "base/tuning.h"
#include "remote/nodes.h"
#include "remote/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE ((size_t)8192)
#ifndef POSSE_RELAY_PATH /* where it is installed */
#define POSSE_RELAY_PATH "posse-relay"
#endif

/* ---- what is run ---- */

static const char *const programs[] = {[POSSE_LAUNCH_SSH] = "ssh",
                                       [POSSE_LAUNCH_MPIRUN] = "mpirun",
                                       [POSSE_LAUNCH_SRUN] = "srun",
                                       [POSSE_LAUNCH_MPI_RELAY] = "mpirun"};

static const char *const texts[] = {
    [POSSE_LAUNCH_LOCAL] = "eval \"exec $POSSE_AGENT\"",
    [POSSE_LAUNCH_SSH] = "eval \"exec $POSSE_COMMAND\" '-o BatchMode=yes "
                         "-o ExitOnForwardFailure=yes -o StreamLocalBindMask=0177 "
                         "-o ServerAliveInterval=\"$POSSE_ALIVE\" "
                         "-R \"$POSSE_TUNNEL\" \"$POSSE_NODE\" \"$POSSE_AGENT\"'",
    [POSSE_LAUNCH_MPIRUN] =
        "case $(eval \"$POSSE_COMMAND --version\" </dev/null 2>&1) in\n"
        "*HYDRA*) set -- -hosts \"$POSSE_NODES\" -bind-to none ;;\n"
        "*) set -- --host \"$POSSE_NODES\" --bind-to none -x POSSE_REMOTE_TOKEN ;;\n"
        "esac\n"
        "eval \"exec $POSSE_COMMAND\" '\"$@\" -n' \"$POSSE_NODES_COUNT\" "
        "\"sh -c '\\\"\\$@\\\"; exit 0' agent $POSSE_AGENT\"",
    [POSSE_LAUNCH_SRUN] =
        "[ -n \"${SLURM_JOB_ID:-}\" ] || set -- --cpus-per-task=\"$POSSE_PLACES\"\n"
        "case $(scontrol show config </dev/null 2>&1) in\n"
        "*task/affinity*) set -- \"$@\" --cpu-bind=none ;;\n"
        "esac\n"
        "eval \"exec $POSSE_COMMAND\" '--nodelist=\"$POSSE_NODES\" -N \"$POSSE_NODES_COUNT\" "
        "-n \"$POSSE_NODES_COUNT\" \"$@\" --ntasks-per-node=1 --export=ALL --mpi=none "
        "--overlap --kill-on-bad-exit=0 --wait=0 --no-kill' \"$POSSE_AGENT\"",
    [POSSE_LAUNCH_COMMAND] = NULL,
    [POSSE_LAUNCH_MPI_RELAY] =
        "case $(eval \"$POSSE_COMMAND --version\" </dev/null 2>&1) in\n"
        "*HYDRA*) set -- -hosts \"localhost,$POSSE_NODES\" -bind-to none ;;\n"
        "*) set -- --host \"localhost,$POSSE_NODES\" --bind-to none ;;\n"
        "esac\n"
        "eval \"exec $POSSE_COMMAND\" '\"$@\" -n' \"$((POSSE_NODES_COUNT + 1))\" "
        "\"$POSSE_RELAY $POSSE_AGENT\"",
};

static size_t append(char *line, size_t used, size_t capacity, const char *text)
{
    for (; *text; text++, used++)
        if (used + 1 < capacity)
            line[used] = *text;
    return used;
}

static size_t append_quoted(char *line, size_t used, size_t capacity, const char *word)
{
    used = append(line, used, capacity, "'");
    for (; *word; word++) {
        const char one[2] = {*word, '\0'};
        used = append(line, used, capacity, *word == '\'' ? "'\\''" : one);
    }
    return append(line, used, capacity, "'");
}

size_t pi_launch_line(const char *address, long places, char *buffer, size_t capacity)
{
    char program[4096], number[24];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    snprintf(number, sizeof number, " %ld", places);
    size_t used = append_quoted(buffer, 0, capacity, program);
    used = append(buffer, used, capacity, " --posse-agent ");
    used = append_quoted(buffer, used, capacity, address);
    used = append(buffer, used, capacity, number);
    if (capacity)
        buffer[used < capacity ? used : capacity - 1] = '\0';
    return used;
}

/* ---- the commands ---- */

static bool set(struct pi_command *c, const char *name, const char *value)
{
    size_t i = 0;
    while (c->environment[i])
        i++;
    size_t size = strlen(name) + strlen(value) + 2;
    c->environment[i] = i < PI_COMMAND_VARIABLES ? malloc(size) : NULL;
    if (c->environment[i])
        snprintf(c->environment[i], size, "%s=%s", name, value);
    return c->environment[i];
}

static bool set_number(struct pi_command *c, const char *name, long value)
{
    char number[24];
    snprintf(number, sizeof number, "%ld", value);
    return set(c, name, number);
}

/* For ssh: the agent connects to a socket on its node, which ssh carries to our listener. The name
 * of the socket, which command lines show, tells nothing of the token. */
static bool set_tunnel(struct pi_command *c, const struct pi_launch *l, char address[128])
{
    char tunnel[512], name[PI_TOKEN_TEXT];
    if (!pi_token_name(name))
        return false;
    snprintf(address, 128, "unix:/tmp/posse-%s", name);
    snprintf(tunnel, sizeof tunnel, "%s:%s", address + 5, l->target);
    long silence = l->options->silence_ms ? l->options->silence_ms : PI_SILENCE_MS;
    return set(c, "POSSE_TUNNEL", tunnel) && set_number(c, "POSSE_ALIVE", (silence + 2999) / 3000);
}

/* What follows the address and the places on the agent's command line. */
static size_t append_options(char *line, size_t used, long launcher, const char *host)
{
    bool local = launcher == POSSE_LAUNCH_LOCAL, ssh = launcher == POSSE_LAUNCH_SSH;
    if (local || ssh || launcher == POSSE_LAUNCH_COMMAND)
        used = append(line, used, LINE_SIZE, " --token-stdin");
    if (local || ssh) {
        used = append(line, used, LINE_SIZE, " --node ");
        used = append_quoted(line, used, LINE_SIZE, host);
    }
    return ssh ? append(line, used, LINE_SIZE, " --unlink") : used;
}

static bool prepare(struct pi_command *c, const struct pi_launch *l, const struct pi_node *node)
{
    char line[LINE_SIZE], tunnel[128];
    const char *address = l->address;
    long launcher = l->options->launcher;
    bool command = launcher == POSSE_LAUNCH_COMMAND;
    if (launcher == POSSE_LAUNCH_SSH) {
        if (!set_tunnel(c, l, tunnel))
            return false;
        address = tunnel;
    }
    bool relay = launcher == POSSE_LAUNCH_MPI_RELAY; /* the number is of nodes that have none */
    size_t used = pi_launch_line(address, relay ? l->places : node->places, line, sizeof line);
    if (used < sizeof line)
        used = append_options(line, used, launcher, node->host);
    if (used >= sizeof line)
        return false;
    line[used] = '\0';
    c->text = command ? l->options->command : texts[launcher];
    if (!command && programs[launcher] &&
        !set(c, "POSSE_COMMAND", l->options->command ? l->options->command : programs[launcher]))
        return false;
    bool has_stdin = relay || launcher == POSSE_LAUNCH_LOCAL || launcher == POSSE_LAUNCH_SSH;
    return set(c, "POSSE_AGENT", line) && set(c, "POSSE_NODE", node->host) &&
           (has_stdin || set(c, "POSSE_REMOTE_TOKEN", l->token));
}

static bool set_relay(struct pi_command *c, const struct pi_launch *l)
{
    const char *relay = l->options->relay ? l->options->relay : POSSE_RELAY_PATH;
    size_t size = 4 * (strlen(relay) + strlen(l->nodes)) + 6; /* if all is quotes */
    char *line = calloc(1, size);
    if (!line)
        return false;
    size_t used = append_quoted(line, 0, size, relay);
    used = append(line, used, size, " ");
    (void)append_quoted(line, used, size, l->nodes);
    bool done = set(c, "POSSE_RELAY", line);
    free(line);
    return done;
}

/* Whether one command starts the agents of both. */
static bool are_together(const struct pi_launch *l, const struct pi_node *a,
                         const struct pi_node *b)
{
    return l->options->launcher == POSSE_LAUNCH_MPI_RELAY || a->places == b->places;
}

/* All hosts that are together with `node`: "a,b". */
static bool set_hosts(struct pi_command *c, const struct pi_launch *l, const struct pi_node *node)
{
    char *hosts = calloc(1, strlen(l->nodes) + 1);
    long n = 0;
    const char *at = l->nodes;
    for (struct pi_node next; hosts && pi_nodes_next(&at, l->places, &next);)
        if (are_together(l, &next, node)) {
            strcat(hosts, n++ ? "," : "");
            strcat(hosts, next.host);
        }
    bool done = hosts && set(c, "POSSE_NODES", hosts) && set_number(c, "POSSE_NODES_COUNT", n) &&
                set_number(c, "POSSE_PLACES", node->places);
    free(hosts);
    return done && (l->options->launcher != POSSE_LAUNCH_MPI_RELAY || set_relay(c, l));
}

/* Whether an entry before `end` is together with `node`. */
static bool is_with_others(const struct pi_launch *l, const char *end, const struct pi_node *node)
{
    const char *at = l->nodes;
    struct pi_node before;
    while (pi_nodes_next(&at, l->places, &before) && at < end)
        if (are_together(l, &before, node))
            return true;
    return false;
}

bool pi_commands_prepare(struct pi_commands *all, const struct pi_launch *launch)
{
    const char *at = launch->nodes;
    long launcher = launch->options->launcher;
    bool groups = launcher == POSSE_LAUNCH_MPIRUN || launcher == POSSE_LAUNCH_SRUN ||
                  launcher == POSSE_LAUNCH_MPI_RELAY;
    *all = (struct pi_commands){.launch = launch};
    for (char **variable = environ; variable && *variable; variable++)
        all->room++;
    all->environment = calloc(all->room + PI_COMMAND_VARIABLES + 1, sizeof *all->environment);
    all->at = calloc(PI_MAX_NODES, sizeof *all->at);
    if (!all->at || !all->environment)
        return false;
    for (struct pi_node node; pi_nodes_next(&at, launch->places, &node);) {
        if (groups && is_with_others(launch, at, &node))
            continue;
        struct pi_command *c = &all->at[all->n];
        if (all->n++ == PI_MAX_NODES || !prepare(c, launch, &node) ||
            (groups && !set_hosts(c, launch, &node)))
            return false;
    }
    return true;
}

void pi_commands_free(struct pi_commands *all)
{
    for (size_t i = 0; all->at && i < all->n; i++)
        for (size_t k = 0; all->at[i].environment[k]; k++)
            free(all->at[i].environment[k]);
    free(all->at);
    free(all->environment);
}

#include "base/tuning.h"
#include "remote/agent.h"
#include "remote/hosts.h"
#include "remote/making.h"
#include "remote/net.h"
#include "remote/nodes.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool pi_making_read_sized(void *to, const void *from, size_t known)
{
    size_t size = *(const size_t *)from;
    if (size < 2 * sizeof size || size > 4096)
        return false;
    for (size_t i = known; i < size; i++)
        if (((const char *)from)[i])
            return false;
    memcpy(to, from, size < known ? size : known);
    memcpy(to, &known, sizeof known);
    return true;
}

static bool excludes(const posse_options *o)
{
    return o->backend != POSSE_PROCESS || o->runner || o->seal || o->isolation || o->autopsy;
}

static long usable_processors(void)
{
    long all = sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
    cpu_set_t usable;
    if (sched_getaffinity(0, sizeof usable, &usable) == 0)
        all = CPU_COUNT(&usable);
#endif
    return all < 1 ? 1 : all < POSSE_MAX_WORKERS ? all : POSSE_MAX_WORKERS;
}

/* What is run is given for POSSE_LAUNCH_COMMAND, and may be given where there is a default. */
static bool is_command(const posse_remote_options *r)
{
    return r->command ? r->launcher != POSSE_LAUNCH_LOCAL && r->launcher != POSSE_LAUNCH_NONE
                      : r->launcher != POSSE_LAUNCH_COMMAND;
}

static posse_status status_of(int error)
{
    errno = error;
    return error == 0        ? POSSE_OK
           : error == EINVAL ? POSSE_INVALID
           : error == E2BIG  ? POSSE_TOO_LARGE
           : error == ENOMEM ? POSSE_NO_MEMORY
                             : POSSE_SYSTEM;
}

static posse_status read_nodes(struct pi_making *m)
{
    const char *nodes = m->remote.launcher == POSSE_LAUNCH_SRUN ? POSSE_NODES_BATCH : "localhost";
    nodes = m->remote.nodes ? m->remote.nodes : nodes;
    posse_status status = status_of(pi_hosts_list(nodes, m->launch.places, &m->nodes));
    if (status != POSSE_OK)
        return status;
    m->launch.nodes = m->nodes;
    long places = pi_nodes_places(m->nodes, m->launch.places);
    if (places <= 0)
        return places == 0 ? POSSE_INVALID : POSSE_TOO_LARGE;
    if (m->options.max_workers == 0)
        m->options.max_workers = places < POSSE_MAX_WORKERS ? places : POSSE_MAX_WORKERS;
    return POSSE_OK;
}

posse_status pi_making_read(struct pi_making *m, const posse_options *options,
                            const posse_remote_options *remote)
{
    m->options.struct_size = sizeof m->options;
    if (pi_main_is_missing() || !remote ||
        !pi_making_read_sized(&m->remote, remote, sizeof m->remote) ||
        (options && !pi_making_read_sized(&m->options, options, sizeof m->options)))
        return POSSE_INVALID;
    if (excludes(&m->options))
        return POSSE_NOT_SUPPORTED;
    posse_remote_options *r = &m->remote;
    bool silence = r->silence_ms == 0 || (r->silence_ms >= 1000 && r->silence_ms <= INT_MAX);
    if (r->launcher < POSSE_LAUNCH_LOCAL || r->launcher > POSSE_LAUNCH_MPI_RELAY || r->places < 0 ||
        !silence || !is_command(r) || (r->launcher == POSSE_LAUNCH_NONE && !r->token_file) ||
        (r->connect && !pi_net_is_address(r->connect)))
        return POSSE_INVALID;
    m->launch.places = r->places ? r->places : usable_processors();
    return read_nodes(m);
}

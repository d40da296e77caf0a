#include "base/tuning.h"
#include "posse_runner.h"
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

static bool is_silence(long ms) { return ms == 0 || (ms >= 1000 && ms <= INT_MAX); }

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

/* What may be wrong; the first one that was made is refused. */
struct mistake {
    bool made;
    const char *words;
};

/* What is run is given for POSSE_LAUNCH_COMMAND, and may be given where there is a default. */
static posse_status check(const posse_remote_options *r)
{
    long l = r->launcher;
    const struct mistake mistakes[] = {
        {l < POSSE_LAUNCH_LOCAL || l > POSSE_LAUNCH_MPI_RELAY,
         "remote.launcher is none of posse_launcher"},
        {r->places < 0, "remote.places is under 0"},
        {!is_silence(r->silence_ms), "remote.silence_ms is neither 0 nor from 1000 to INT_MAX"},
        {!r->command && l == POSSE_LAUNCH_COMMAND,
         "remote.command is NULL, with POSSE_LAUNCH_COMMAND"},
        {r->command && (l == POSSE_LAUNCH_LOCAL || l == POSSE_LAUNCH_NONE),
         "remote.command is not NULL, with POSSE_LAUNCH_LOCAL or POSSE_LAUNCH_NONE"},
        {!r->token_file && l == POSSE_LAUNCH_NONE,
         "remote.token_file is NULL, with POSSE_LAUNCH_NONE"},
        {r->connect && !pi_net_is_address(r->connect),
         "remote.connect is no address, or has no port"},
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
        if (mistakes[i].made)
            return posse_refuse(POSSE_INVALID, mistakes[i].words);
    return POSSE_OK;
}

static posse_status status_of(int error)
{
    errno = error;
    switch (error) {
    case 0: return POSSE_OK;
    case EINVAL:
        return posse_refuse(POSSE_INVALID, "remote.nodes is not valid, or there is no batch job");
    case E2BIG:
        return posse_refuse(POSSE_TOO_LARGE,
                            "remote.nodes has over 1000 nodes, or too many places on one");
    case ENOMEM: return posse_refuse(POSSE_NO_MEMORY, "no memory for the list of remote.nodes");
    default: return posse_refuse(POSSE_SYSTEM, "the file of remote.nodes cannot be read");
    }
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
        return status_of(places == 0 ? EINVAL : E2BIG);
    if (m->options.max_workers == 0)
        m->options.max_workers = places < POSSE_MAX_WORKERS ? places : POSSE_MAX_WORKERS;
    return POSSE_OK;
}

/* The structs, each of the size that its program knows. */
static posse_status read_structs(struct pi_making *m, const posse_options *options,
                                 const posse_remote_options *remote)
{
    m->options.struct_size = sizeof m->options;
    if (pi_main_is_missing())
        return posse_refuse(POSSE_INVALID, "this process was started as an agent, and main has not "
                                           "called posse_remote_main");
    if (!remote)
        return posse_refuse(POSSE_INVALID, "remote is NULL");
    if (!pi_making_read_sized(&m->remote, remote, sizeof m->remote))
        return posse_refuse(
            POSSE_INVALID,
            "remote.struct_size is not valid, or a member is set that is unknown here");
    if (options && !pi_making_read_sized(&m->options, options, sizeof m->options))
        return posse_refuse(
            POSSE_INVALID,
            "options.struct_size is not valid, or a member is set that is unknown here");
    if (excludes(&m->options))
        return posse_refuse(POSSE_NOT_SUPPORTED, "options.backend is not POSSE_PROCESS, or options "
                                                 "has a runner, seal, isolation or autopsy");
    return POSSE_OK;
}

posse_status pi_making_read(struct pi_making *m, const posse_options *options,
                            const posse_remote_options *remote)
{
    posse_status status = read_structs(m, options, remote);
    if (status == POSSE_OK)
        status = check(&m->remote);
    if (status != POSSE_OK)
        return status;
    m->launch.places = m->remote.places ? m->remote.places : usable_processors();
    return read_nodes(m);
}

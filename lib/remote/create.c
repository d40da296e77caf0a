/* Runs in: program.
 *
 * posse_remote_create: the listening socket, the launcher and the executor.
 *
 *   step                                          what stays in the program
 *   1  the token, the modules, the listener;      a socket of the keeper
 *      forks the keeper of the token's file
 *      (token_file.c)
 *   2  a pair of sockets; forks the launcher,     its end of the pair
 *      which has the other end alone
 *   3  posse_create: the supervisor and the
 *      workers inherit the listener and these
 *   4  closes all                                 nothing
 *
 * So the listener and the sockets live exactly as long as the supervisor and the workers do, and
 * any process that the program forks meanwhile, until it runs another program. A failure closes
 * all, and the launcher and the keeper end.
 */
#include "posse_remote.h"
#include "base/tuning.h"
#include "remote/hosts.h"
#include "remote/launcher.h"
#include "remote/net.h"
#include "remote/nodes.h"
#include "remote/setup.h"
#include "remote/token_file.h"

#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct making {
    posse_options options;
    posse_remote_options remote;
    char *nodes;
    struct pi_launch launch;
    struct pi_remote shared;
};

/* ---- options ---- */

/* A smaller struct of an older program counts as zeros. */
static bool read_sized(void *to, const void *from, size_t known)
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

static posse_status read_nodes(struct making *m)
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

static posse_status read_options(struct making *m, const posse_options *options,
                                 const posse_remote_options *remote)
{
    m->options.struct_size = sizeof m->options;
    if (!remote || !read_sized(&m->remote, remote, sizeof m->remote) ||
        (options && !read_sized(&m->options, options, sizeof m->options)))
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

/* As much as the caller's struct holds. */
static void write_address(const struct making *m, posse_remote_options *to)
{
    size_t at = offsetof(posse_remote_options, address), size = sizeof to->address;
    size_t room = to->struct_size > at ? to->struct_size - at : 0;
    memcpy(to->address, m->remote.address, room < size ? room : size);
}

/* ---- what proxies and the launcher need ---- */

static bool listens_on_host(const struct making *m)
{
    return strncmp(m->remote.address, "unix:", 5);
}

static posse_status listen_there(struct making *m)
{
    static _Atomic unsigned number;
    char own[64];
    long launcher = m->remote.launcher;
    bool local = launcher == POSSE_LAUNCH_LOCAL || launcher == POSSE_LAUNCH_MPI_RELAY;
    snprintf(own, sizeof own, "unix:@posse-%ld-%u", (long)getpid(), ++number);
    const char *where = m->remote.listen ? m->remote.listen : local ? own : "127.0.0.1:0";
    m->shared.listener = pi_net_listen(where, m->remote.address);
    if (m->shared.listener < 0)
        return errno == EINVAL ? POSSE_INVALID : POSSE_SYSTEM;
    m->launch.target = listens_on_host(m) ? m->remote.address : NULL;
    m->launch.address = m->remote.connect ? m->remote.connect : m->remote.address;
    return m->remote.launcher == POSSE_LAUNCH_SSH && !m->launch.target ? POSSE_INVALID : POSSE_OK;
}

static posse_status make_hello(struct pi_remote *r, posse_options *options)
{
    struct pi_setup setup;
    if (!pi_modules_read(&r->modules))
        return POSSE_NOT_SUPPORTED;
    posse_status status = pi_setup_take(&setup, options, &r->modules);
    if (status != POSSE_OK)
        return status;
    setup.silence_ms = (uint64_t)r->silence_ms;
    size_t modules = pi_modules_write(&r->modules, NULL, 0);
    r->hello_size = modules + pi_setup_write(&setup, NULL, 0);
    r->message_memory = setup.message_memory;
    r->max_result = setup.max_result;
    r->hello = malloc(r->hello_size);
    if (!r->hello || modules > PI_REMOTE_MODULES)
        return POSSE_NO_MEMORY;
    (void)pi_modules_write(&r->modules, r->hello, modules);
    (void)pi_setup_write(&setup, r->hello + modules, r->hello_size - modules);
    return POSSE_OK;
}

static posse_status write_token(struct making *m)
{
    if (!m->remote.token_file)
        return POSSE_OK;
    int error = pi_token_file_make(m->remote.token_file, m->launch.token, m->shared.listener,
                                   &m->launch.keeper);
    errno = error;
    return error == 0                           ? POSSE_OK
           : error == ENOMEM || error == EAGAIN ? POSSE_NO_MEMORY
                                                : POSSE_SYSTEM;
}

static posse_status make_shared(struct pi_remote *r)
{
    void *at =
        mmap(NULL, sizeof *r->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return POSSE_NO_MEMORY;
    r->shared = at;
    return POSSE_OK;
}

static posse_status make_parts(struct making *m)
{
    m->shared.silence_ms = m->remote.silence_ms ? (int)m->remote.silence_ms : PI_SILENCE_MS;
    posse_status status = make_hello(&m->shared, &m->options);
    if (status == POSSE_OK)
        status = make_shared(&m->shared);
    if (status == POSSE_OK && !pi_token_make(m->shared.token))
        status = POSSE_SYSTEM;
    if (status == POSSE_OK)
        status = listen_there(m);
    if (status != POSSE_OK)
        return status;
    pi_token_write(m->shared.token, m->launch.token);
    return write_token(m);
}

/* ---- the launcher and the executor ---- */

static posse_status launch(struct making *m)
{
    int pair[2];
    if (m->remote.launcher == POSSE_LAUNCH_NONE)
        return POSSE_OK;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return POSSE_SYSTEM;
    m->shared.launcher = pair[0];
    m->launch.socket = pair[1];
    m->launch.options = &m->remote;
    m->launch.shared = m->shared.shared;
    m->launch.listener = m->shared.listener;
    m->launch.other = pair[0];
    int error = pi_launch_agents(&m->launch);
    close(pair[1]); /* before the workers are forked: they must see its end */
    errno = error;
    return error == 0                           ? POSSE_OK
           : error == ENOMEM || error == EAGAIN ? POSSE_NO_MEMORY
                                                : POSSE_SYSTEM;
}

static posse_status create(struct making *m, posse_executor **executor)
{
    posse_runner runner = {.struct_size = sizeof runner,
                           .run = pi_proxy_run,
                           .ready = pi_proxy_ready,
                           .context = &m->shared};
    m->options.runner = &runner;
    return posse_create(&m->options, executor);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* The supervisor and the workers have their own copies of all. */
static void free_parts(struct making *m)
{
    int error = errno;
    close_fd(m->shared.listener);
    close_fd(m->shared.launcher);
    close_fd(m->launch.keeper);
    if (m->shared.shared)
        (void)munmap(m->shared.shared, sizeof *m->shared.shared);
    pi_modules_free(&m->shared.modules);
    free(m->shared.hello);
    free(m->nodes);
    free(m);
    errno = error;
}

posse_status posse_remote_create(const posse_options *options, posse_remote_options *remote,
                                 posse_executor **executor)
{
    if (!executor)
        return POSSE_INVALID;
    *executor = NULL;
    struct making *m = calloc(1, sizeof *m);
    if (!m)
        return POSSE_NO_MEMORY;
    m->shared.listener = m->shared.launcher = m->launch.keeper = -1;
    posse_status status = read_options(m, options, remote);
    if (status == POSSE_OK)
        status = make_parts(m);
    if (status == POSSE_OK)
        status = launch(m);
    if (status == POSSE_OK)
        status = create(m, executor);
    if (status == POSSE_OK)
        write_address(m, remote);
    free_parts(m);
    return status;
}

size_t posse_remote_line(const posse_remote_options *remote, long places, char *buffer,
                         size_t capacity)
{
    posse_remote_options r = {.struct_size = 0};
    (void)read_sized(&r, remote, sizeof r);
    return pi_launch_line(r.connect ? r.connect : r.address, places, buffer, buffer ? capacity : 0);
}

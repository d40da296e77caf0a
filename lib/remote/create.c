/* Runs in: program.
 *
 * posse_remote_create: the listening socket, the launcher and the executor.
 *
 *   step                                          what stays in the program
 *   1  the token, the modules, the listener;      a socket of the keeper
 *      forks the keeper of the token's file, and
 *      writes it under another name
 *      (token_file.c)
 *   2  a pair of sockets; forks the launcher,     its end of the pair
 *      which has the other end alone, and waits
 *   3  posse_create: the supervisor and the
 *      workers inherit the listener and these
 *   4  the file gets its name, the launcher       nothing
 *      begins; closes all
 *
 * If a step fails, the program shuts the sockets down. When the pool has ended the supervisor does.
 * To close them is not enough, because processes that the program has forked meanwhile have copies.
 * If the program dies before step 4 or the supervisor is killed, such a process keeps the launcher,
 * the keeper and the agents until its end.
 */
#include "posse_remote.h"
#include "base/tuning.h"
#include "remote/making.h"
#include "remote/net.h"
#include "remote/setup.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define NO_RANDOM "there are no random bytes: /dev/urandom"
#define NO_FILE "remote.token_file cannot be written, or is something other than a file"
#define NO_LAUNCHER "the launcher of agents cannot be started"

/* As much as the caller's struct holds. */
static void write_address(const struct pi_making *m, posse_remote_options *to)
{
    size_t at = offsetof(posse_remote_options, address), size = sizeof to->address;
    size_t room = to->struct_size > at ? to->struct_size - at : 0;
    memcpy(to->address, m->remote.address, room < size ? room : size);
}

/* ---- what proxies and the launcher need ---- */

/* The words name what failed. */
static posse_status status_of_step(int error, const char *words)
{
    bool exhausted = error == ENOMEM || error == EAGAIN;
    errno = error;
    return error ? posse_refuse(exhausted ? POSSE_NO_MEMORY : POSSE_SYSTEM, words) : POSSE_OK;
}

static posse_status no_memory(void)
{
    return status_of_step(ENOMEM, "the program has no memory left");
}

static bool listens_on_host(const struct pi_making *m)
{
    return strncmp(m->remote.address, "unix:", 5);
}

static posse_status listen_there(struct pi_making *m)
{
    char name[PI_TOKEN_TEXT], own[64];
    long launcher = m->remote.launcher;
    bool local = launcher == POSSE_LAUNCH_LOCAL || launcher == POSSE_LAUNCH_MPI_RELAY;
    if (!pi_token_name(name))
        return posse_refuse(POSSE_SYSTEM, NO_RANDOM);
    snprintf(own, sizeof own, "unix:@posse-%s", name);
    const char *where = m->remote.listen ? m->remote.listen : local ? own : "127.0.0.1:0";
    m->shared.listener = pi_net_listen(where, m->remote.address);
    if (m->shared.listener < 0 && errno == EINVAL)
        return posse_refuse(POSSE_INVALID, "remote.listen is no address, or an unknown host");
    if (m->shared.listener < 0)
        return status_of_step(errno, "nobody can listen at remote.listen");
    m->launch.target = listens_on_host(m) ? m->remote.address : NULL;
    m->launch.address = m->remote.connect ? m->remote.connect : m->remote.address;
    if (m->remote.launcher == POSSE_LAUNCH_SSH && !m->launch.target)
        return posse_refuse(POSSE_INVALID, "remote.listen is a unix socket, with POSSE_LAUNCH_SSH");
    return POSSE_OK;
}

static posse_status read_modules(struct pi_modules *modules)
{
    posse_status status = pi_modules_read(modules);
    if (status == POSSE_NO_MEMORY)
        return no_memory();
    if (status != POSSE_OK)
        return posse_refuse(status, "this program has no build-id, or there is no /proc");
    if (pi_modules_write(modules, NULL, 0) > PI_REMOTE_MODULES)
        return posse_refuse(POSSE_TOO_LARGE, "the list of the program's libraries is over 1 MiB");
    return POSSE_OK;
}

static posse_status make_hello(struct pi_remote *r, posse_options *options)
{
    struct pi_setup setup;
    posse_status status = read_modules(&r->modules);
    if (status == POSSE_OK)
        status = pi_setup_take(&setup, options, &r->modules);
    if (status != POSSE_OK)
        return status;
    setup.silence_ms = (uint64_t)r->silence_ms;
    size_t modules = pi_modules_write(&r->modules, NULL, 0);
    r->hello_size = modules + pi_setup_write(&setup, NULL, 0);
    r->message_memory = setup.message_memory;
    r->max_result = setup.max_result;
    r->hello = malloc(r->hello_size);
    if (!r->hello)
        return no_memory();
    (void)pi_modules_write(&r->modules, r->hello, modules);
    (void)pi_setup_write(&setup, r->hello + modules, r->hello_size - modules);
    return POSSE_OK;
}

static posse_status make_file(struct pi_making *m)
{
    m->file.path = m->remote.token_file;
    m->file.listener = m->shared.listener;
    memcpy(m->file.token, m->launch.token, sizeof m->file.token);
    int error = m->file.path ? pi_token_file_make(&m->file) : 0;
    m->shared.keeper = m->file.keeper;
    return status_of_step(error, NO_FILE);
}

static posse_status make_shared(struct pi_remote *r)
{
    void *at =
        mmap(NULL, sizeof *r->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return no_memory();
    r->shared = at;
    return POSSE_OK;
}

static posse_status make_parts(struct pi_making *m)
{
    m->shared.silence_ms = m->remote.silence_ms ? (int)m->remote.silence_ms : PI_SILENCE_MS;
    posse_status status = make_hello(&m->shared, &m->options);
    if (status == POSSE_OK)
        status = make_shared(&m->shared);
    if (status == POSSE_OK && !pi_token_make(m->shared.token))
        status = posse_refuse(POSSE_SYSTEM, NO_RANDOM);
    if (status == POSSE_OK)
        status = listen_there(m);
    if (status != POSSE_OK)
        return status;
    pi_token_write(m->shared.token, m->launch.token);
    return make_file(m);
}

/* ---- the launcher and the executor ---- */

static posse_status fork_launcher(struct pi_making *m)
{
    int pair[2];
    if (m->remote.launcher == POSSE_LAUNCH_NONE)
        return POSSE_OK;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return status_of_step(errno, NO_LAUNCHER);
    m->shared.launcher = pair[0];
    m->launch.socket = pair[1];
    m->launch.options = &m->remote;
    m->launch.shared = m->shared.shared;
    m->launch.others[0] = m->shared.listener;
    m->launch.others[1] = m->shared.launcher;
    m->launch.others[2] = m->shared.keeper;
    int error = pi_launch_agents(&m->launch);
    close(pair[1]); /* before the workers are forked: they must see its end */
    return status_of_step(error, NO_LAUNCHER);
}

/* The next pool may write a file of that name as soon as this one has ended. */
static void await_keeper(int keeper)
{
    struct pollfd removed = {.fd = keeper, .events = POLLIN};
    int64_t end = pi_net_now() + PI_KEEPER_MS, left = PI_KEEPER_MS;
    while (left > 0 && poll(&removed, 1, (int)left) < 0 && errno == EINTR)
        left = end - pi_net_now();
    (void)shutdown(keeper, SHUT_RDWR);
}

/* In the supervisor, as `ended` of a runner. Agents that are not accepted yet would wait. */
static void end_sockets(void *shared)
{
    const struct pi_remote *r = shared;
    if (r->launcher >= 0)
        (void)shutdown(r->launcher, SHUT_RDWR);
    if (r->keeper >= 0)
        (void)shutdown(r->keeper, SHUT_WR);
    if (r->listener >= 0) {
        (void)shutdown(r->listener, SHUT_RDWR);
        for (int waiting; (waiting = pi_net_accept(r->listener, r->silence_ms)) >= 0;)
            close(waiting);
    }
    if (r->keeper >= 0)
        await_keeper(r->keeper);
}

static posse_status create(struct pi_making *m, posse_executor **executor)
{
    posse_runner runner = {.struct_size = sizeof runner,
                           .run = pi_proxy_run,
                           .ready = pi_proxy_ready,
                           .context = &m->shared,
                           .ended = end_sockets};
    m->options.runner = &runner;
    return posse_create(&m->options, executor);
}

static posse_status begin(struct pi_making *m, posse_executor **executor)
{
    int error = m->file.path ? pi_token_file_name(&m->file) : 0;
    if (error) { /* errno is set last */
        (void)posse_destroy(*executor);
        *executor = NULL;
    } else if (m->shared.launcher >= 0) {
        (void)send(m->shared.launcher, "", 1, MSG_NOSIGNAL); /* proxies see if it has died */
    }
    return status_of_step(error, NO_FILE);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* The supervisor and the workers have their own copies of all, unless there is no pool. */
static void free_parts(struct pi_making *m, posse_status status)
{
    int error = errno;
    if (status != POSSE_OK)
        end_sockets(&m->shared);
    close_fd(m->shared.listener);
    close_fd(m->shared.launcher);
    pi_token_file_free(&m->file);
    if (m->shared.shared)
        (void)munmap(m->shared.shared, sizeof *m->shared.shared);
    pi_modules_free(&m->shared.modules);
    free(m->shared.hello);
    free(m->nodes);
    free(m);
    errno = error;
}

static posse_status create_all(struct pi_making *m, const posse_options *options,
                               posse_remote_options *remote, posse_executor **executor)
{
    posse_status status = pi_making_read(m, options, remote);
    if (status == POSSE_OK)
        status = make_parts(m);
    if (status == POSSE_OK)
        status = fork_launcher(m);
    if (status == POSSE_OK)
        status = create(m, executor);
    if (status == POSSE_OK)
        status = begin(m, executor);
    if (status == POSSE_OK)
        write_address(m, remote);
    free_parts(m, status);
    return status;
}

posse_status posse_remote_create(const posse_options *options, posse_remote_options *remote,
                                 posse_executor **executor)
{
    int before;
    if (!executor)
        return posse_refuse(POSSE_INVALID, "executor is NULL");
    *executor = NULL;
    struct pi_making *m = calloc(1, sizeof *m);
    if (!m)
        return no_memory();
    m->shared.listener = m->shared.launcher = m->shared.keeper = m->file.keeper = -1;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before); /* no call is such a point */
    posse_status status = create_all(m, options, remote, executor);
    (void)pthread_setcancelstate(before, NULL);
    return status;
}

size_t posse_remote_line(const posse_remote_options *remote, long places, char *buffer,
                         size_t capacity)
{
    posse_remote_options r = {.struct_size = 0};
    if (!remote || !pi_making_read_sized(&r, remote, sizeof r)) {
        if (buffer && capacity)
            buffer[0] = '\0';
        return 0;
    }
    return pi_launch_line(r.connect ? r.connect : r.address, places, buffer, buffer ? capacity : 0);
}

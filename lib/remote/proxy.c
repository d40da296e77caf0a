/* Runs in: worker.
 *
 * The states of a place are in protocol.h. Until a connection is a place, the proxy never blocks in
 * it; with a task it blocks, as a worker does that runs one.
 */
#include "remote/proxy.h"
#include "base/tuning.h"
#include "remote/net.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum greeting { NONE, JOINING, GREETED, PLACE };

/* The one of this process. */
static struct {
    enum greeting state;
    int fd;
    int64_t until; /* of the greeting, in ms */
    uint64_t number;
    int64_t pid;
    char node[PI_NODE_SIZE];
    struct pi_inbox inbox;
} proxy;

static void hang_up(void)
{
    if (proxy.state != NONE)
        close(proxy.fd);
    proxy.state = NONE;
    proxy.inbox.begin = proxy.inbox.end = 0;
    proxy.inbox.tail_left = 0;
}

/* ---- the greeting ---- */

static bool greet(const struct pi_remote *r)
{
    struct pi_envelope envelope;
    pi_plain_write(&envelope, PI_HELLO, r->hello_size);
    const struct pi_net_part parts[2] = {{envelope.bytes, envelope.size},
                                         {r->hello, r->hello_size}};
    proxy.state = GREETED;
    return pi_net_send(proxy.fd, parts);
}

/* In a time that does not tell how much of it was right. */
static bool is_token(const unsigned char *a, const unsigned char *b)
{
    unsigned different = 0;
    for (size_t i = 0; i < PI_TOKEN_SIZE; i++)
        different |= a[i] ^ b[i];
    return different == 0;
}

static bool hear_join(const struct pi_remote *r)
{
    struct pi_join join;
    if (!pi_join_read(&proxy.inbox.head, &join) || join.version != PI_REMOTE_VERSION ||
        !is_token(join.token, r->token))
        return false;
    proxy.pid = join.pid;
    memcpy(proxy.node, join.node, sizeof proxy.node);
    return greet(r);
}

static bool hear_welcome(const struct pi_remote *r)
{
    uint64_t version;
    if (!pi_number_read(&proxy.inbox.head, &version) || !pi_net_block(proxy.fd, PI_CANCEL_LOOK_MS))
        return false;
    proxy.state = PLACE;
    r->shared->joined++;
    return true;
}

static bool hear_refusal(const struct pi_remote *r)
{
    char text[PI_TEXT_SIZE] = "";
    size_t size = (size_t)proxy.inbox.tail_left;
    if (proxy.inbox.end - proxy.inbox.begin < size)
        return true; /* the rest will come */
    (void)pi_inbox_take(&proxy.inbox, text, size);
    for (char *c = text; *c; c++)
        if (*c < ' ')
            *c = '?';
    snprintf(r->shared->words, sizeof r->shared->words, "%.40s refuses: %.180s", proxy.node, text);
    return false;
}

/* False: the connection is none. */
static bool hear(const struct pi_remote *r)
{
    unsigned accepts =
        proxy.state == JOINING ? PI_ACCEPT(PI_JOIN) : PI_ACCEPT(PI_WELCOME) | PI_ACCEPT(PI_REFUSE);
    size_t room;
    void *at = pi_inbox_room(&proxy.inbox, &room);
    ssize_t n = recv(proxy.fd, at, room, 0);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    pi_inbox_add(&proxy.inbox, (size_t)n);
    if (proxy.inbox.tail_left)
        return hear_refusal(r);
    switch (pi_inbox_next(&proxy.inbox, accepts)) {
    case PI_MORE: return true;
    case PI_WRONG: return false;
    case PI_HEAD: break;
    }
    switch (proxy.inbox.frame.kind) {
    case PI_JOIN: return hear_join(r);
    case PI_WELCOME: return hear_welcome(r);
    default: return hear_refusal(r);
    }
}

/* ---- ready ---- */

/* Whether there will be no place: what was launched has ended, and nobody has joined. */
static bool is_hopeless(const struct pi_remote *r, posse_place *place)
{
    struct pi_shared *s = r->shared;
    if (!s->ended || s->joined)
        return false;
    snprintf(place->message, sizeof place->message, "no agent has joined: %.200s",
             s->words[0] ? s->words : "the launcher has ended and said nothing");
    return true;
}

static void go_on(const struct pi_remote *r)
{
    if (proxy.state == NONE) {
        proxy.fd = pi_net_accept(r->listener, r->silence_ms);
        if (proxy.fd < 0)
            return;
        proxy.state = JOINING;
        proxy.until = pi_net_now() + PI_GREETING_MS;
    }
    if (pi_net_now() >= proxy.until || !hear(r))
        hang_up();
}

posse_status pi_proxy_ready(void *remote, posse_place *place)
{
    const struct pi_remote *r = remote;
    if (proxy.state == PLACE)
        return POSSE_OK;
    go_on(r);
    if (proxy.state == PLACE)
        return POSSE_OK;
    if (is_hopeless(r, place))
        return POSSE_BROKEN;
    bool greets = proxy.state != NONE;
    place->fds[0] = greets ? proxy.fd : r->listener;
    if (!r->shared->ended) /* its end would be readable for ever */
        place->fds[1] = r->launcher;
    if (greets)
        place->timeout_ms = (long)(proxy.until > pi_net_now() ? proxy.until - pi_net_now() : 0);
    return POSSE_TIMEOUT;
}

/* ---- a task ---- */

/* The time that the deadline leaves; -1: for ever. */
static int64_t time_left(const posse_run *run)
{
    long left = posse_task_time_left(run->task);
    return left == 0 ? 1 : left;
}

/* False: a function lies in no module that the node could have. */
static bool translate(const struct pi_remote *r, const posse_run *run, struct pi_submit *submit)
{
    if (!pi_modules_find(&r->modules, (uintptr_t)run->fn, &submit->fn))
        return false;
    for (size_t i = 0; i < run->n_pointers && i < PI_MAX_POINTERS; i++) {
        uintptr_t pointer;
        memcpy(&pointer, (const char *)run->arg + run->pointers[i], sizeof pointer);
        submit->pointers[i].at = run->pointers[i];
        if (!pi_modules_find(&r->modules, pointer, &submit->pointers[i].value))
            return false;
        submit->n_pointers++;
    }
    return true;
}

/* False: the connection has ended before the agent has it all. */
static bool send_task(const posse_run *run, const struct pi_submit *submit)
{
    struct pi_envelope envelope;
    pi_submit_write(&envelope, submit, run->size);
    const struct pi_net_part parts[2] = {{envelope.bytes, envelope.size}, {run->arg, run->size}};
    return !pi_net_has_ended(proxy.fd) && pi_net_send(proxy.fd, parts);
}

static bool send_cancel(void)
{
    struct pi_envelope envelope;
    pi_cancel_write(&envelope, proxy.number);
    const struct pi_net_part parts[2] = {{envelope.bytes, envelope.size}, {NULL, 0}};
    return pi_net_send(proxy.fd, parts);
}

/* Reads what has come, or waits a little. False: the connection has ended. */
static bool read_some(void *to, size_t size, size_t *got)
{
    ssize_t n = recv(proxy.fd, to, size, 0);
    *got = n > 0 ? (size_t)n : 0;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

/* Waits for the head of RESULT. False: the connection has ended, or brings something else. */
static bool await_result(const posse_run *run, struct pi_result *result)
{
    bool told = false;
    for (;;) {
        size_t room, got;
        void *at = pi_inbox_room(&proxy.inbox, &room);
        if (!read_some(at, room, &got))
            return false;
        pi_inbox_add(&proxy.inbox, got);
        switch (pi_inbox_next(&proxy.inbox, PI_ACCEPT(PI_RESULT))) {
        case PI_HEAD:
            return pi_result_read(&proxy.inbox.head, result) && result->number == proxy.number;
        case PI_WRONG: return false;
        case PI_MORE: break;
        }
        if (!told && posse_task_cancelled(run->task)) {
            told = true;
            if (!send_cancel())
                return false;
        }
    }
}

/* Takes the tail: `size` bytes to `to`, the rest nowhere. */
static bool take_tail(char *to, size_t size)
{
    char nowhere[4096];
    size_t done = 0;
    while (proxy.inbox.tail_left) {
        bool keep = done < size;
        /* cppcheck-suppress [nullPointerArithmetic, legacyUninitvar] */
        char *at = keep ? to + done : nowhere;
        size_t room = keep ? size - done : sizeof nowhere;
        size_t got = pi_inbox_take(&proxy.inbox, at, room);
        if (got == 0) {
            room = room < proxy.inbox.tail_left ? room : (size_t)proxy.inbox.tail_left;
            if (!read_some(at, room, &got))
                return false;
            proxy.inbox.tail_left -= got;
        }
        done += keep ? got : 0;
    }
    return true;
}

static bool take_returned(posse_run *run)
{
    size_t size = (size_t)proxy.inbox.tail_left;
    char *room = size ? posse_task_reserve(run->task, size) : NULL;
    if (size && !room && run->code == 0)
        (void)posse_task_fail(run->task, 0, "no memory for the result of the task");
    return take_tail(room, room ? size : 0);
}

static bool take_failed(posse_run *run)
{
    char text[PI_TEXT_SIZE] = "";
    if (!take_tail(text, sizeof text - 1))
        return false;
    text[sizeof text - 1] = '\0';
    (void)posse_task_fail(run->task, run->code, "%s", text);
    return true;
}

/* The agent has seen the deadline first. */
static void await_deadline(const posse_run *run)
{
    const struct timespec rest = {.tv_nsec = 1000000};
    while (posse_task_time_left(run->task) > 0)
        (void)nanosleep(&rest, NULL);
}

static bool take_result(posse_run *run, const struct pi_result *result)
{
    run->code = result->code;
    run->peak_memory = result->peak_memory;
    run->cpu_ns = result->cpu_ns;
    switch ((enum pi_outcome)result->outcome) {
    case PI_RETURNED: return take_returned(run);
    case PI_FAILED: return take_failed(run);
    case PI_LOST:
        run->end = POSSE_RUN_LOST;
        run->pid = (long)result->pid;
        run->signal = result->signal;
        run->exit_code = result->exit_code;
        run->node = proxy.node;
        break;
    case PI_LATE: await_deadline(run); break;
    case PI_OVER_MEMORY: run->end = POSSE_RUN_OVER_MEMORY; break;
    case PI_OVER_CPU: run->end = POSSE_RUN_OVER_CPU; break;
    default: run->end = POSSE_RUN_NOT_BEGUN; break;
    }
    return take_tail(NULL, 0);
}

/* The agent or its node has died, or the network between. */
static void lose(posse_run *run)
{
    static char node[PI_NODE_SIZE + 32];
    snprintf(node, sizeof node, "%s, whose connection has ended", proxy.node);
    run->end = POSSE_RUN_LOST;
    run->signal = SIGHUP;
    run->exit_code = -1;
    run->pid = (long)proxy.pid;
    run->node = node;
    hang_up();
}

void pi_proxy_run(void *remote, posse_run *run)
{
    const struct pi_remote *r = remote;
    struct pi_submit submit = {.number = ++proxy.number,
                               .time_left_ms = time_left(run),
                               .max_memory = run->max_memory,
                               .max_cpu_ms = run->max_cpu_ms};
    struct pi_result result;
    if (!translate(r, run, &submit)) {
        run->code = posse_task_fail(run->task, 0, "its function is in no library that travels");
        return;
    }
    if (!send_task(run, &submit)) {
        hang_up();
        run->end = POSSE_RUN_NOT_BEGUN;
    } else if (!await_result(run, &result) || !take_result(run, &result)) {
        lose(run);
    }
}

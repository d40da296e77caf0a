/* Runs in: worker.
 *
 * One task of a proxy: SUBMIT, what the task tells meanwhile, and RESULT. It blocks, as a worker
 * does that runs a task.
 */
#include "base/tuning.h"
#include "posse_progress.h"
#include "remote/net.h"
#include "remote/proxy.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define proxy pi_proxy

/* What the task that runs has told. */
static struct {
    posse_run *run;
    char *message; /* the next one, of the proxy's life */
    size_t room;
    uint64_t got;   /* bytes of messages, also those that were there before */
    uint64_t taken; /* of these, as the agent was told */
    int look_ms;    /* until the next look whether more are */
    const char *trouble;
} told;

/* ---- SUBMIT ---- */

/* The time that the deadline leaves; -1: for ever. */
static int64_t time_left(const posse_run *run)
{
    long left = posse_task_time_left(run->task);
    return left == 0 ? 1 : left;
}

static uint32_t runs_before(const posse_run *run)
{
    int attempt = posse_task_attempt(run->task);
    return attempt > 0 ? (uint32_t)attempt - 1 : 0;
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

/* ---- what comes ---- */

static bool send_small(const struct pi_envelope *envelope)
{
    const struct pi_net_part parts[2] = {{envelope->bytes, envelope->size}, {NULL, 0}};
    return pi_net_send(proxy.fd, parts);
}

/* Reads what has come, or waits a little. False: the connection has ended. */
static bool read_some(void *to, size_t size, size_t *got)
{
    ssize_t n = recv(proxy.fd, to, size, 0);
    *got = n > 0 ? (size_t)n : 0;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
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

/* ---- what the task tells ---- */

/* Tells the agent that messages were read: when all were, or half of what it may send. So a task
 * whose feed is full goes on when its messages are read. False: the connection has ended. */
static bool tell_taken(const struct pi_remote *r)
{
    uint64_t unread = posse_run_unread(told.run);
    uint64_t taken = told.got > unread ? told.got - unread : 0;
    if (taken <= told.taken || (unread > 0 && taken - told.taken < r->message_memory / 2))
        return true;
    struct pi_envelope envelope;
    const struct pi_told now = {proxy.number, {taken, 0}};
    pi_told_write(&envelope, PI_TAKEN, &now);
    told.taken = taken;
    return send_small(&envelope);
}

/* No descriptor tells that a message was read. So while there are some the proxy looks, first soon,
 * then seldom. False: nothing has come, and it is time to look. */
static bool await_bytes(void)
{
    struct pollfd bytes = {.fd = proxy.fd, .events = POLLIN};
    if (told.taken >= told.got || poll(&bytes, 1, told.look_ms) != 0)
        return true;
    told.look_ms = told.look_ms < PI_CANCEL_LOOK_MS ? 2 * told.look_ms : told.look_ms;
    return false;
}

static bool make_room(size_t size)
{
    char *more = size > told.room ? realloc(told.message, size) : told.message;
    if (size > told.room && !more)
        return false;
    told.message = more;
    told.room = size > told.room ? size : told.room;
    return true;
}

/* False: the connection has ended, or brings what it may not. */
static bool take_message(const struct pi_remote *r)
{
    uint64_t number, size = proxy.inbox.tail_left;
    if (!pi_number_read(&proxy.inbox.head, &number) || number != proxy.number ||
        pi_message_room(size) > r->message_memory)
        return false;
    bool room = make_room((size_t)size);
    if (!take_tail(told.message, room ? (size_t)size : 0))
        return false;
    posse_status status =
        room ? posse_task_emit(told.run->task, told.message, (size_t)size) : POSSE_NO_MEMORY;
    if (status == POSSE_FULL)
        told.trouble = "its messages have no room beside those of a run before";
    else if (status != POSSE_OK)
        told.trouble = "no memory for a message of the task";
    told.got += pi_message_room(size); /* one that is lost counts as read */
    told.look_ms = 1;
    return true;
}

static bool take_progress(void)
{
    struct pi_told now;
    if (!pi_told_read(&proxy.inbox.head, PI_PROGRESS, &now) || now.number != proxy.number)
        return false;
    posse_task_progress(told.run->task, now.numbers[0], now.numbers[1]);
    return true;
}

/* False: the connection has ended, or brings what it may not; or the head of RESULT is there. */
static bool take_told(const struct pi_remote *r)
{
    switch (proxy.inbox.frame.kind) {
    case PI_MESSAGE: return take_message(r);
    case PI_PROGRESS: return take_progress();
    default: return false;
    }
}

/* ---- RESULT ---- */

/* Goes through what is in the inbox. PI_HEAD: RESULT is there. */
static enum pi_arrival go_through(const struct pi_remote *r)
{
    const unsigned accepts = PI_ACCEPT(PI_MESSAGE) | PI_ACCEPT(PI_PROGRESS) | PI_ACCEPT(PI_RESULT) |
                             PI_ACCEPT(PI_POOL_FAILED);
    enum pi_arrival arrival;
    while ((arrival = pi_inbox_next(&proxy.inbox, accepts)) == PI_HEAD) {
        if (proxy.inbox.frame.kind == PI_RESULT)
            return PI_HEAD;
        if (proxy.inbox.frame.kind == PI_POOL_FAILED)
            pi_proxy_note_failure(r);
        if (!take_told(r))
            return PI_WRONG;
    }
    return arrival;
}

static bool send_cancel(void)
{
    struct pi_envelope envelope;
    pi_number_write(&envelope, PI_CANCEL_TASK, proxy.number, 0);
    return send_small(&envelope);
}

/* Waits for the head of RESULT. False: the connection has ended, or brings something else. */
static bool await_result(const struct pi_remote *r, const posse_run *run, struct pi_result *result)
{
    bool asked = false;
    for (;;) {
        size_t room, got = 0;
        void *at = pi_inbox_room(&proxy.inbox, &room);
        if (await_bytes() && !read_some(at, room, &got))
            return false;
        pi_inbox_add(&proxy.inbox, got);
        switch (go_through(r)) {
        case PI_HEAD:
            return pi_result_read(&proxy.inbox.head, result) && result->number == proxy.number;
        case PI_WRONG: return false;
        case PI_MORE: break;
        }
        if (!tell_taken(r))
            return false;
        if (!asked && posse_task_cancelled(run->task)) {
            asked = true;
            if (!send_cancel())
                return false;
        }
    }
}

static bool take_returned(posse_run *run)
{
    size_t size = (size_t)proxy.inbox.tail_left;
    char *room = size ? posse_task_reserve(run->task, size) : NULL;
    if (size && !room && run->code == 0)
        (void)posse_task_fail(run->task, 0, "no memory for the result of the task");
    return take_tail(room, room ? size : 0);
}

/* Of a task that has failed, or said something before it was over a limit. */
static bool take_words(posse_run *run)
{
    char text[PI_TEXT_SIZE] = "";
    if (!take_tail(text, sizeof text - 1))
        return false;
    text[sizeof text - 1] = '\0';
    if (text[0] || run->end == POSSE_RUN_RETURNED)
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
    if (result->done || result->total)
        posse_task_progress(run->task, result->done, result->total);
    run->code = result->code;
    run->peak_memory = result->peak_memory;
    run->cpu_ns = result->cpu_ns;
    switch ((enum pi_outcome)result->outcome) {
    case PI_RETURNED: return take_returned(run);
    case PI_FAILED: return take_words(run);
    case PI_LOST:
        run->end = POSSE_RUN_LOST;
        run->pid = (long)result->pid;
        run->signal = result->signal;
        run->exit_code = result->exit_code;
        run->node = proxy.node;
        break;
    case PI_LATE: await_deadline(run); break;
    case PI_OVER_MEMORY: run->end = POSSE_RUN_OVER_MEMORY; return take_words(run);
    case PI_OVER_CPU: run->end = POSSE_RUN_OVER_CPU; return take_words(run);
    default: run->end = POSSE_RUN_NOT_BEGUN; break;
    }
    bool whole = take_tail(NULL, 0);
    if (run->end == POSSE_RUN_NOT_BEGUN)
        pi_proxy_hang_up(); /* the agent ends: what is sent now could be lost there */
    return whole || run->end == POSSE_RUN_NOT_BEGUN;
}

/* A message that the task has sent is not there: the task has not gone well. */
static void fail_for_trouble(posse_run *run)
{
    if (told.trouble && run->end == POSSE_RUN_RETURNED && run->code == 0)
        run->code = posse_task_fail(run->task, 0, "%s", told.trouble);
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
    pi_proxy_hang_up();
}

/* An idle place was told that the pool of its agent is broken. */
static void hear_failure(const struct pi_remote *r)
{
    size_t room;
    void *at = pi_inbox_room(&proxy.inbox, &room);
    ssize_t n = recv(proxy.fd, at, room, MSG_DONTWAIT);
    if (n <= 0)
        return;
    pi_inbox_add(&proxy.inbox, (size_t)n);
    if (pi_inbox_next(&proxy.inbox, PI_ACCEPT(PI_POOL_FAILED)) == PI_HEAD)
        pi_proxy_note_failure(r);
}

void pi_proxy_run(void *remote, posse_run *run)
{
    const struct pi_remote *r = remote;
    told.run = run;
    told.got = posse_run_unread(run);
    told.taken = 0;
    told.look_ms = 1;
    told.trouble = NULL;
    struct pi_submit submit = {.number = ++proxy.number,
                               .time_left_ms = time_left(run),
                               .max_memory = run->max_memory,
                               .max_cpu_ms = run->max_cpu_ms,
                               .runs = runs_before(run),
                               .unread = told.got};
    struct pi_result result;
    if (!translate(r, run, &submit)) {
        run->code = posse_task_fail(run->task, 0, "its function is in no library that travels");
        return;
    }
    if (!send_task(run, &submit)) {
        hear_failure(r);
        pi_proxy_hang_up();
        run->end = POSSE_RUN_NOT_BEGUN;
    } else if (!await_result(r, run, &result) || !take_result(run, &result)) {
        lose(run);
    }
    fail_for_trouble(run);
}

/* Runs in: worker.
 *
 * One task of a proxy: SUBMIT, what the task tells meanwhile, and RESULT. It blocks, as a worker
 * does that runs a task.
 */
#include "base/tuning.h"
#include "posse_progress.h"
#include "remote/net.h"
#include "remote/proxy_heard.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define proxy pi_proxy

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

/* False: the task cannot go to a node. It fails, with words. */
static bool travels(const struct pi_remote *r, posse_run *run, struct pi_submit *submit)
{
    const char *why = NULL;
    if (run->size > PI_REMOTE_BYTES)
        why = "its argument is over " PI_REMOTE_BYTES_TEXT;
    else if (!translate(r, run, submit))
        why = "its function is in no library that travels";
    if (why)
        run->code = posse_task_fail(run->task, 0, "%s", why);
    return !why;
}

/* False: the connection has ended before the agent has it all. */
static bool send_task(const struct pi_remote *r, const posse_run *run,
                      const struct pi_submit *submit)
{
    struct pi_envelope envelope;
    pi_submit_write(&envelope, submit, run->size);
    const struct pi_net_part parts[2] = {{envelope.bytes, envelope.size}, {run->arg, run->size}};
    pi_net_allow(proxy.fd, r->silence_ms, run->size, &proxy.longer);
    bool says_something = proxy.inbox.begin < proxy.inbox.end; /* unasked: it ends */
    return !says_something && !pi_net_has_ended(proxy.fd) && pi_net_send(proxy.fd, parts);
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
        if (!pi_heard_take(r))
            return PI_WRONG;
    }
    return arrival;
}

static bool send_cancel(void)
{
    struct pi_envelope envelope;
    pi_number_write(&envelope, PI_CANCEL_TASK, proxy.number, 0);
    return pi_proxy_send_small(&envelope);
}

/* An agent that ends says 0 of a task that it has not heard of. */
static bool is_ours(const struct pi_result *result)
{
    return result->number == proxy.number ||
           (result->number == 0 && result->outcome == PI_NOT_BEGUN);
}

/* Waits for the head of RESULT. False: the connection has ended, or brings something else. */
static bool await_result(const struct pi_remote *r, const posse_run *run, struct pi_result *result)
{
    bool asked = false;
    for (;;) {
        size_t room, got = 0;
        void *at = pi_inbox_room(&proxy.inbox, &room);
        if (pi_heard_await() && !pi_proxy_read_some(at, room, &got))
            return false;
        pi_inbox_add(&proxy.inbox, got);
        pi_net_settle(proxy.fd, r->silence_ms, &proxy.longer);
        switch (go_through(r)) {
        case PI_HEAD: return pi_result_read(&proxy.inbox.head, result) && is_ours(result);
        case PI_WRONG: return false;
        case PI_MORE: break;
        }
        if (!pi_heard_tell_taken(r))
            return false;
        if (!asked && posse_task_cancelled(run->task)) {
            asked = true;
            if (!send_cancel())
                return false;
        }
    }
}

/* Shared memory for a large result is taken when half of it has come: an agent that only claims a
 * size takes no memory. */
static bool take_returned(const struct pi_remote *r, posse_run *run)
{
    struct pi_growing first = {.bytes = NULL};
    size_t size = (size_t)proxy.inbox.tail_left, half = size > PI_REMOTE_AT_ONCE ? size / 2 : 0;
    bool is_map = run->n_pointers > 0; /* its results are those of its items, and have no limit */
    if (r->max_result && !is_map && size > r->max_result)
        return false; /* the agent's pool would have refused it */
    if (half && !pi_proxy_take_growing(&first, half)) {
        pi_growing_fini(&first);
        return false;
    }
    bool kept = first.size == half;
    char *room = size && kept ? posse_task_reserve(run->task, size) : NULL;
    if (size && !room && run->code == 0)
        (void)posse_task_fail(run->task, 0, "no memory for the result of the task");
    if (room && half)
        memcpy(room, first.bytes, half);
    pi_growing_fini(&first);
    return pi_proxy_take_tail(room ? room + half : NULL, room ? size - half : 0);
}

/* Of a task that has failed, or said something before it was over a limit. */
static bool take_words(posse_run *run)
{
    char text[PI_TEXT_SIZE] = "";
    if (!pi_proxy_take_tail(text, sizeof text - 1))
        return false;
    text[sizeof text - 1] = '\0';
    if (text[0] || run->end == POSSE_RUN_RETURNED)
        (void)posse_task_fail(run->task, run->code, "%s", text);
    return true;
}

/* The agent has seen the deadline first, as its clock runs faster. False: there is none. */
static bool await_deadline(const posse_run *run)
{
    const struct timespec rest = {.tv_nsec = 1000000};
    if (posse_task_time_left(run->task) < 0)
        return false;
    while (posse_task_time_left(run->task) > 0)
        (void)nanosleep(&rest, NULL);
    return true;
}

static bool take_result(const struct pi_remote *r, posse_run *run, const struct pi_result *result)
{
    if (result->done || result->total || pi_heard_has_progress())
        posse_task_progress(run->task, result->done, result->total);
    run->code = result->code;
    run->peak_memory = result->peak_memory;
    run->cpu_ns = result->cpu_ns;
    switch ((enum pi_outcome)result->outcome) {
    case PI_RETURNED: return take_returned(r, run);
    case PI_FAILED: return take_words(run);
    case PI_LOST:
        run->end = POSSE_RUN_LOST;
        run->pid = (long)result->pid;
        run->signal = result->signal;
        run->exit_code = result->exit_code;
        run->node = proxy.node;
        break;
    case PI_LATE:
        if (!await_deadline(run))
            return false;
        break;
    case PI_OVER_MEMORY: run->end = POSSE_RUN_OVER_MEMORY; return take_words(run);
    case PI_OVER_CPU: run->end = POSSE_RUN_OVER_CPU; return take_words(run);
    default: run->end = POSSE_RUN_NOT_BEGUN; break;
    }
    bool whole = pi_proxy_take_tail(NULL, 0);
    if (run->end == POSSE_RUN_NOT_BEGUN)
        pi_proxy_hang_up(); /* the agent ends: what is sent now could be lost there */
    return whole || run->end == POSSE_RUN_NOT_BEGUN;
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
    pi_inbox_add(&proxy.inbox, n > 0 ? (size_t)n : 0);
    if (pi_inbox_next(&proxy.inbox, PI_ACCEPT(PI_POOL_FAILED)) == PI_HEAD)
        pi_proxy_note_failure(r);
}

void pi_proxy_run(void *remote, posse_run *run)
{
    const struct pi_remote *r = remote;
    uint64_t unread = pi_heard_begin(run);
    struct pi_submit submit = {.number = ++proxy.number,
                               .time_left_ms = time_left(run),
                               .max_memory = run->max_memory,
                               .max_cpu_ms = run->max_cpu_ms,
                               .runs = runs_before(run),
                               .unread = unread};
    struct pi_result result;
    if (!travels(r, run, &submit))
        return;
    if (!send_task(r, run, &submit)) {
        hear_failure(r);
        pi_proxy_hang_up();
        run->end = POSSE_RUN_NOT_BEGUN;
    } else if (!await_result(r, run, &result) || !take_result(r, run, &result)) {
        lose(run);
    }
    pi_heard_end(run);
}

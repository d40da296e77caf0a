#include "pool/descriptors.h"

#include "base/crash_point.h"
#include "base/tuning.h"
#include "os/channel.h"
#include "os/clock.h"
#include "os/fd.h"
#include "pool/backend.h"
#include "pool/error.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/self.h"

#include <errno.h>
#include <string.h>

/* ---- to the supervisor ---- */

/* Whether a send that failed may do after a rest. */
static bool passes(int error) { return pi_os_channel_passes(error) || error == ETOOMANYREFS; }

/* 0 or an errno; EPIPE: the supervisor is gone. */
static int send_request(int socket, const struct pi_descriptors_request *request,
                        const struct pi_os_fds *fds)
{
    int error, tries = 0;
    while ((error = pi_os_packet_send(socket, request, sizeof *request, fds)) != 0) {
        if (error == EAGAIN && pi_os_packet_room(socket))
            continue;
        if (!passes(error) || ++tries >= PI_MAX_RETRIES)
            return error == EAGAIN ? EPIPE : error;
        pi_os_sleep(PI_RETRY_NS);
    }
    return 0;
}

/* Whether it is the answer to this request: a sealed worker may find that of one that failed. */
static bool answers(const struct pi_descriptors_request *request,
                    const struct pi_descriptors_answer *answer)
{
    return answer->op == request->op && answer->life.slot == request->life.slot &&
           answer->life.generation == request->life.generation;
}

/* Whether the other side of the socket is gone, or will be soon. Signals do not end the wait. */
static bool is_ending(int socket)
{
    uint64_t until = pi_os_now() + PI_DEATH_MS * PI_MS, now;
    bool closed = false;
    while (!closed && (now = pi_os_now()) < until)
        closed = pi_os_channel_closed(socket, (int)((until - now) / PI_MS) + 1);
    return closed;
}

/* 0 or an errno; EPIPE: the supervisor is gone; EMFILE also if it had no descriptor left for the
 * other end of this socket. */
static int await_answer(int socket, int peer, const struct pi_descriptors_request *request,
                        struct pi_os_fds *own)
{
    struct pi_descriptors_answer answer;
    int tries = 0;
    for (;;) {
        int error = pi_os_packet_receive(socket, &answer, sizeof answer, own);
        if ((error == 0 || error == EMFILE) && answers(request, &answer))
            return error ? error : answer.error;
        pi_os_fds_close(own);
        if (error == 0 || error == EMFILE || (error == EAGAIN && pi_os_packet_await(socket, peer)))
            continue;
        if (error == EAGAIN || error == ECHILD)
            return is_ending(peer) ? EPIPE : EMFILE;
        if (!passes(error) || ++tries >= PI_MAX_RETRIES)
            return error;
        pi_os_sleep(PI_RETRY_NS);
    }
}

/* Asks with the descriptors in `fds`, the first of which is a place for the answer's socket. */
static int ask_on(const int pair[2], int peer, const struct pi_descriptors_request *request,
                  struct pi_os_fds *fds)
{
    fds->at[0] = pair[1];
    PI_POINT(0);
    int error = send_request(peer, request, fds);
    PI_POINT(1);
    return error;
}

/* A pair for one answer. */
static int ask_once(int peer, const struct pi_descriptors_request *request, struct pi_os_fds *fds,
                    struct pi_os_fds *own)
{
    int pair[2];
    int error = pi_os_packet_pair(pair);
    if (error)
        return error;
    error = ask_on(pair, peer, request, fds);
    pi_os_close(pair[1]);
    if (error == 0)
        error = await_answer(pair[0], peer, request, own);
    PI_POINT(1);
    pi_os_close(pair[0]);
    return error;
}

static bool answers_are_ours(const struct pi_answers *a)
{
    return pi_os_fd_is_ours(&a->ends[0]) && pi_os_fd_is_ours(&a->ends[1]);
}

/* The pair that is kept. */
static int ask_sealed(posse_executor *e, const struct pi_descriptors_request *request,
                      struct pi_os_fds *fds, struct pi_os_fds *own)
{
    struct pi_answers *a = &e->answers;
    int pair[2] = {a->ends[0].number, a->ends[1].number};
    pthread_mutex_lock(&a->lock);
    int error =
        answers_are_ours(a) ? ask_on(pair, e->link.descriptors.number, request, fds) : EPIPE;
    if (error == 0)
        error = await_answer(pair[0], e->link.descriptors.number, request, own);
    pthread_mutex_unlock(&a->lock);
    return error;
}

/* The socket has ended. If the supervisor dies, its other sockets end too, and a worker dies with
 * it. It lives if a task has ended the socket, or if it could not read from there. */
static void await_death(const posse_executor *e)
{
    if (e->owner != PI_OWNER_PROGRAM)
        pi_os_sleep(PI_DEATH_MS * PI_MS);
    else if (pi_os_fd_is_ours(&e->link.socket))
        (void)is_ending(e->link.socket.number);
}

static int ask(posse_executor *e, const struct pi_descriptors_request *request,
               struct pi_os_fds *fds, struct pi_os_fds *own)
{
    own->n = 0;
    if (!pi_os_fd_is_ours(&e->link.descriptors))
        return e->link.descriptors.number < 0 ? ENOTSUP : EPIPE;
    int error = e->answers.kept ? ask_sealed(e, request, fds, own)
                                : ask_once(e->link.descriptors.number, request, fds, own);
    if (error == EPIPE)
        await_death(e);
    return error;
}

int pi_descriptors_before_seal(posse_executor *e)
{
    struct pi_answers *a = &e->answers;
    int pair[2];
    int error = pi_os_packet_pair(pair);
    if (error)
        return error == ENOTSUP ? 0 : error;
    error = pi_os_fd_own(&a->ends[0], pair[0]);
    if (error) {
        pi_os_close(pair[1]);
        return error;
    }
    pthread_mutex_init(&a->lock, NULL);
    a->kept = true;
    return pi_os_fd_own(&a->ends[1], pair[1]);
}

/* ---- submit ---- */

static int keep_here(posse_executor *e, const struct pi_life *life, const int *from, size_t n)
{
    struct pi_os_fds copies;
    int error = pi_os_fds_copy(&copies, from, (int)n);
    if (error == 0)
        error = pi_held_add(&e->holder, life, &copies);
    if (error)
        pi_os_fds_close(&copies);
    return error;
}

static int keep_there(posse_executor *e, const struct pi_life *life, const int *from, size_t n)
{
    struct pi_descriptors_request request = {.op = PI_DESCRIPTORS_KEEP, .life = *life};
    struct pi_os_fds fds = {.n = 1 + (int)n}, none;
    memcpy(fds.at + 1, from, n * sizeof *from);
    pi_call_enter(e); /* it may sleep */
    int error = ask(e, &request, &fds, &none);
    pi_os_fds_close(&none);
    pi_call_exit(e);
    return error;
}

posse_status pi_descriptors_keep(posse_executor *e, const struct pi_life *life, const int *from,
                                 size_t n)
{
    int error = e->backend->shared ? keep_there(e, life, from, n) : keep_here(e, life, from, n);
    if (error == EPIPE && !pi_check_supervisor(e))
        return pi_phase_status(pi_phase_of(e));
    if (error == ENOTSUP)
        return pi_refuse(POSSE_NOT_SUPPORTED, "this system cannot pass job.descriptors");
    return pi_refuse_errno(error, "job.descriptors cannot be passed on");
}

/* ---- run ---- */

static int take_here(const struct posse_task *task, const struct pi_life *life,
                     struct pi_os_fds *own)
{
    struct pi_holder *holder = &task->executor->holder;
    bool last = pi_load_relaxed(&task->slot->retries) == 0; /* relaxed: constant in RUNNING */
    return last ? pi_held_take(holder, life, own) : pi_held_copy(holder, life, own);
}

int pi_descriptors_take(const struct posse_task *task, struct pi_os_fds *own)
{
    struct pi_life life = {task->index, pi_generation(task->word)};
    if (!task->executor->backend->shared)
        return take_here(task, &life, own);
    uint32_t retries = pi_load_relaxed(&task->slot->retries); /* relaxed: constant in a run */
    struct pi_descriptors_request request = {PI_DESCRIPTORS_TAKE, task->worker, life, retries};
    struct pi_os_fds fds = {.n = 1};
    return ask(task->executor, &request, &fds, own);
}

bool pi_descriptors_in_reach(posse_executor *e)
{
    if (!e->backend->shared || e->link.descriptors.number < 0)
        return true; /* or no other worker could */
    const struct pi_answers *a = &e->answers;
    if (a->kept && (!answers_are_ours(a) || pi_os_channel_closed(a->ends[0].number, 0)))
        return false;
    return pi_os_fd_is_ours(&e->link.descriptors) &&
           !pi_os_channel_closed(e->link.descriptors.number, 0);
}

/* ---- the end ---- */

/* The supervisor needs no notice: the end is in its own round. */
void pi_descriptors_ended(posse_executor *e, uint32_t index, uint64_t word)
{
    int error = errno;
    struct pi_life life = {index, pi_generation(word)};
    if (!e->backend->shared)
        pi_held_drop(&e->holder, &life);
    else if (e->owner != PI_OWNER_NONE)
        e->backend->notify(e);
    errno = error;
}

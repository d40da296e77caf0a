/* Runs in: supervisor; pi_serve_leave in a worker.
 *
 * The supervisor's part of pool/descriptors.h. With the process backend alone.
 */
#include "supervisor/serve.h"
#include "base/tuning.h"
#include "os/channel.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/packet.h"
#include "pool/backend.h"
#include "pool/descriptors.h"

#include <errno.h>

/* ---- requests ---- */

static uint64_t word_of(struct pi_supervisor *s, const struct pi_life *life)
{
    uint64_t word = pi_slots_word(&s->executor->segment.slots, life->slot);
    return pi_generation(word) == life->generation ? word : 0;
}

/* `fds` are the task's own; none are left if they are held. */
static int keep(struct pi_supervisor *s, const struct pi_life *life, struct pi_os_fds *fds)
{
    if (fds->n == 0 || pi_state(word_of(s, life)) != PI_FILLING)
        return EINVAL;
    if (pi_os_fds_are_last(fds))
        return EMFILE;
    int error = pi_held_add(&s->executor->holder, life, fds);
    if (error == 0)
        fds->n = 0;
    return error;
}

/* A retry needs them again. A task that is KILLING may still end by itself (grace.c). */
static int take(struct pi_supervisor *s, const struct pi_descriptors_request *request,
                struct pi_os_fds *fds)
{
    struct pi_holder *holder = &s->executor->holder;
    if (!pi_is_run_by(word_of(s, &request->life), request->worker))
        return EINVAL;
    struct pi_slot *slot = &s->executor->segment.slots.at[request->life.slot];
    uint32_t retries = pi_load_relaxed(&slot->retries); /* relaxed: constant in a run */
    if (retries != request->retries)
        return EINVAL; /* a dead worker has sent it */
    return retries == 0 ? pi_held_take(holder, &request->life, fds)
                        : pi_held_copy(holder, &request->life, fds);
}

/* To the socket in `fds`. If the descriptors cannot be sent, an answer without any says so. */
static void answer(int socket, const struct pi_descriptors_request *request, int error,
                   const struct pi_os_fds *fds)
{
    static const struct pi_os_fds none = {.n = 0};
    struct pi_descriptors_answer answer = {request->op, error, request->life};
    answer.error = pi_os_packet_send(socket, &answer, sizeof answer, fds);
    if (answer.error)
        (void)pi_os_packet_send(socket, &answer, sizeof answer, &none);
}

/* `fds` came with the request: the socket for the answer, then those of the task. */
static void serve_one(struct pi_supervisor *s, const struct pi_descriptors_request *request,
                      int error, struct pi_os_fds *fds)
{
    struct pi_os_fds passed = {.n = 0}, given = {.n = 0};
    for (int i = 1; i < fds->n; i++)
        passed.at[passed.n++] = fds->at[i];
    int socket = fds->n > 0 ? fds->at[0] : -1;
    if (error == 0 && request->op == PI_DESCRIPTORS_KEEP)
        error = keep(s, &request->life, &passed);
    else if (error == 0 && request->op == PI_DESCRIPTORS_TAKE)
        error = take(s, request, &given);
    else if (error == 0)
        error = EINVAL;
    if (socket >= 0)
        answer(socket, request, error, &given);
    pi_os_close(socket);
    pi_os_fds_close(&passed);
    pi_os_fds_close(&given);
}

/* As pi_os_packet_receive; tries again for a tenth of a second while the kernel has no memory. */
static int receive(int requests, struct pi_descriptors_request *request, struct pi_os_fds *fds)
{
    int error, tries = 0;
    while ((error = pi_os_packet_receive(requests, request, sizeof *request, fds)) != 0 &&
           pi_os_channel_passes(error) && ++tries < PI_MAX_RETRIES) {
        pi_os_fds_close(fds);
        pi_os_sleep(PI_RETRY_NS);
    }
    return error;
}

/* False: nothing more is there. If a wild process has ended the socket, if the kernel lets nothing
 * be read, or a worker's request came without a socket for its answer, it is closed, so that nobody
 * waits there for an answer. */
static bool serve_next(struct pi_supervisor *s, int *requests)
{
    struct pi_descriptors_request request;
    struct pi_os_fds fds;
    int error = receive(*requests, &request, &fds);
    bool answerable = (fds.n > 0 && fds.at[0] >= 0) || requests == &s->requests[0];
    if (error == 0 || error == EMFILE)
        serve_one(s, &request, error, &fds);
    if (answerable && (error == 0 || error == EMFILE))
        return true;
    pi_os_fds_close(&fds);
    if (error == EAGAIN || error == EPROTO)
        return error == EPROTO;
    pi_os_close(*requests);
    *requests = -1;
    return false;
}

/* ---- the sockets ---- */

/* For the workers. */
static int open_for_workers(struct pi_supervisor *s)
{
    int pair[2];
    int error = pi_os_packet_pair(pair);
    bool paired = error == 0;
    if (paired)
        error = pi_os_fd_own(&s->executor->link.descriptors, pair[1]);
    if (error == 0)
        s->requests[1] = pair[0];
    else if (paired)
        pi_os_close(pair[0]);
    return error;
}

int pi_serve_begin(struct pi_supervisor *s)
{
    int pair[2];
    int error = pi_os_packet_pair(pair);
    if (error == 0) {
        s->requests[0] = pair[0];
        s->asker = pair[1];
        error = open_for_workers(s);
    }
    return error == ENOTSUP ? 0 : error;
}

void pi_serve_leave(struct pi_supervisor *s)
{
    pi_os_close(s->requests[0]);
    pi_os_close(s->requests[1]);
    pi_os_close(s->asker);
    pi_holder_fini(&s->executor->holder);
}

void pi_serve(struct pi_supervisor *s)
{
    for (int i = 0; i < 2; i++)
        for (int n = 0; n < PI_MAX_SERVED && s->requests[i] >= 0; n++)
            if (!serve_next(s, &s->requests[i]))
                break;
    if (s->requests[1] < 0 && s->requests[0] >= 0) {
        pi_os_close(s->executor->link.descriptors.number);
        s->executor->link.descriptors.number = -1;
        (void)open_for_workers(s); /* or in the next round */
    }
}

void pi_serve_sweep(struct pi_supervisor *s)
{
    if (s->executor->backend->shared)
        pi_held_sweep(&s->executor->holder, &s->executor->segment.slots);
}

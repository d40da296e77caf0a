#include "remote/proxy_heard.h"
#include "base/tuning.h"
#include "posse_progress.h"
#include "remote/net.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define proxy pi_proxy

/* What the task that runs has heard. */
static struct {
    posse_run *run;
    struct pi_growing message; /* the next one, of the proxy's life */
    uint64_t got;              /* bytes of messages, also those that were there before */
    uint64_t taken;            /* of these, as the agent was told */
    int look_ms;               /* until the next look whether more are */
    bool has_progress;         /* of this run */
    bool closed;               /* the agent was told that nobody reads messages */
    const char *trouble;
} heard;

uint64_t pi_heard_begin(posse_run *run)
{
    uint64_t unread = posse_run_unread(run);
    heard.run = run;
    heard.got = unread == UINT64_MAX ? 0 : unread;
    heard.closed = false;
    heard.taken = 0;
    heard.look_ms = 1;
    heard.has_progress = false;
    heard.trouble = NULL;
    return heard.got;
}

/* ---- what comes ---- */

bool pi_proxy_send_small(const struct pi_envelope *envelope)
{
    const struct pi_net_part parts[2] = {{envelope->bytes, envelope->size}, {NULL, 0}};
    return pi_net_send(proxy.fd, parts);
}

bool pi_proxy_read_some(void *to, size_t size, size_t *got)
{
    ssize_t n = recv(proxy.fd, to, size, 0);
    *got = n > 0 ? (size_t)n : 0;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

/* Takes `size` bytes of the tail, which has as many. */
static bool take_part(char *to, size_t size)
{
    while (size > 0) {
        size_t got = pi_inbox_take(&proxy.inbox, to, size);
        if (got == 0) {
            if (!pi_proxy_read_some(to, size, &got))
                return false;
            proxy.inbox.tail_left -= got;
        }
        to += got;
        size -= got;
    }
    return true;
}

bool pi_proxy_take_tail(char *to, size_t size)
{
    char nowhere[4096];
    uint64_t left = proxy.inbox.tail_left;
    if (!take_part(to, size < left ? size : (size_t)left))
        return false;
    while ((left = proxy.inbox.tail_left) > 0)
        if (!take_part(nowhere, left < sizeof nowhere ? (size_t)left : sizeof nowhere))
            return false;
    return true;
}

void pi_growing_fini(struct pi_growing *g)
{
    free(g->bytes);
    *g = (struct pi_growing){.bytes = NULL};
}

/* What is full doubles, up to `size`. */
static bool grow(struct pi_growing *g, size_t size)
{
    size_t room = g->room ? 2 * g->room : PI_REMOTE_FIRST_BYTES;
    if (g->size < g->room)
        return true;
    char *more = realloc(g->bytes, room < size ? room : size);
    if (!more) {
        pi_growing_fini(g);
        return false;
    }
    g->bytes = more;
    g->room = room < size ? room : size;
    return true;
}

bool pi_proxy_take_growing(struct pi_growing *g, size_t size)
{
    g->size = 0;
    while (g->size < size) {
        if (!grow(g, size))
            return pi_proxy_take_tail(NULL, 0);
        size_t part = size < g->room ? size - g->size : g->room - g->size;
        if (!take_part(g->bytes + g->size, part))
            return false;
        g->size += part;
    }
    return true;
}

/* ---- what the task tells ---- */

/* The future was released. False: the connection has ended. */
static bool tell_closed(void)
{
    struct pi_envelope envelope;
    const struct pi_told now = {proxy.number, {UINT64_MAX, 0}};
    pi_told_write(&envelope, PI_TAKEN, &now);
    heard.closed = true;
    heard.taken = heard.got; /* no look is needed any more */
    return pi_proxy_send_small(&envelope);
}

/* Tells the agent that messages were read: when all were, or half of what it may send. So a task
 * whose feed is full goes on when its messages are read. False: the connection has ended. */
bool pi_heard_tell_taken(const struct pi_remote *r)
{
    uint64_t unread = posse_run_unread(heard.run);
    if (unread == UINT64_MAX)
        return heard.closed || heard.got == 0 || tell_closed();
    uint64_t taken = heard.got > unread ? heard.got - unread : 0;
    if (taken <= heard.taken || (unread > 0 && taken - heard.taken < r->message_memory / 2))
        return true;
    struct pi_envelope envelope;
    const struct pi_told now = {proxy.number, {taken, 0}};
    pi_told_write(&envelope, PI_TAKEN, &now);
    heard.taken = taken;
    return pi_proxy_send_small(&envelope);
}

/* No descriptor tells that a message was read. So while there are some the proxy looks, first soon,
 * then seldom. False: nothing has come, and it is time to look. */
bool pi_heard_await(void)
{
    struct pollfd bytes = {.fd = proxy.fd, .events = POLLIN};
    if (heard.taken >= heard.got || poll(&bytes, 1, heard.look_ms) != 0)
        return true;
    heard.look_ms = heard.look_ms < PI_CANCEL_LOOK_MS ? 2 * heard.look_ms : heard.look_ms;
    return false;
}

/* False: the connection has ended, or brings what it may not. */
static bool take_message(const struct pi_remote *r)
{
    uint64_t number, size = proxy.inbox.tail_left;
    if (!pi_number_read(&proxy.inbox.head, &number) || number != proxy.number ||
        pi_message_room(size) > r->message_memory)
        return false;
    if (!pi_proxy_take_growing(&heard.message, (size_t)size))
        return false;
    bool whole = heard.message.size == size;
    posse_status status = whole
                              ? posse_task_emit(heard.run->task, heard.message.bytes, (size_t)size)
                              : POSSE_NO_MEMORY;
    if (status == POSSE_FULL && posse_run_unread(heard.run) == UINT64_MAX)
        status = POSSE_OK; /* nobody can read it */
    if (status == POSSE_FULL)
        heard.trouble = "its messages have no room beside those of a run before";
    else if (status != POSSE_OK)
        heard.trouble = "no memory for a message of the task";
    heard.got += pi_message_room(size); /* one that is lost counts as read */
    heard.look_ms = 1;
    return true;
}

static bool take_progress(void)
{
    struct pi_told now;
    if (!pi_told_read(&proxy.inbox.head, PI_PROGRESS, &now) || now.number != proxy.number)
        return false;
    posse_task_progress(heard.run->task, now.numbers[0], now.numbers[1]);
    heard.has_progress = true;
    return true;
}

bool pi_heard_has_progress(void) { return heard.has_progress; }

/* False: the connection has ended, or brings what it may not; or the head of RESULT is there. */
bool pi_heard_take(const struct pi_remote *r)
{
    switch (proxy.inbox.frame.kind) {
    case PI_MESSAGE: return take_message(r);
    case PI_PROGRESS: return take_progress();
    default: return false;
    }
}

/* A message that the task has sent is not there: the task has not gone well. */
void pi_heard_end(posse_run *run)
{
    if (heard.trouble && run->end == POSSE_RUN_RETURNED && run->code == 0)
        run->code = posse_task_fail(run->task, 0, "%s", heard.trouble);
}

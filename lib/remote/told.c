#include "remote/agent.h"
#include "base/tuning.h"
#include "posse_progress.h"
#include "posse_runner.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- messages ---- */

/* Bytes of messages that may go to the program now: see protocol.h. */
static uint64_t window_of(const struct pi_spot *s)
{
    uint64_t most = s->agent->message_memory;
    uint64_t there = s->submit.unread + s->sent - s->taken;
    return s->ended ? UINT64_MAX : there < most && !s->closed ? most - there : 0;
}

/* False: there is no memory. */
static bool make_room(struct pi_spot *s, size_t size)
{
    char *more = realloc(s->message, size);
    if (!more)
        return false;
    s->message = more;
    s->message_room = size;
    return true;
}

/* Takes the next message, if it may go now. */
static posse_status take_message(struct pi_spot *s, uint64_t window, size_t *size)
{
    for (;;) {
        size_t capacity = s->message_room;
        capacity = window - 8 < capacity ? (size_t)(window - 8) : capacity;
        posse_status status = posse_next_message(s->future, 0, s->message, capacity, size);
        if (status != POSSE_TOO_LARGE || *size <= s->message_room ||
            pi_message_room(*size) > window)
            return status;
        if (!make_room(s, *size))
            return POSSE_NO_MEMORY;
    }
}

void pi_told_listen(struct pi_spot *s)
{
    if (s->hears || s->ended)
        return;
    s->hears = posse_completion_queue_listen(s->agent->ended, s->future, &s->news) == POSSE_OK;
    s->tells |= !s->hears; /* else by looks */
}

static posse_status send_message(struct pi_spot *s)
{
    size_t size;
    uint64_t window = window_of(s);
    if (window < 8)
        return POSSE_TIMEOUT; /* until TAKEN */
    posse_status status = take_message(s, window, &size);
    if (status == POSSE_TIMEOUT)
        pi_told_listen(s);
    if (status != POSSE_OK)
        return status;
    s->sent += pi_message_room(size);
    pi_number_write(&s->out, PI_MESSAGE, s->submit.number, size);
    s->out_tail = s->message;
    s->out_tail_size = size;
    pi_net_allow(s->fd, s->agent->silence_ms, size, &s->longer);
    return POSSE_OK;
}

/* ---- progress ---- */

/* False: it is as it was. */
static bool look_at_progress(struct pi_spot *s)
{
    uint64_t done, total;
    if (posse_progress(s->future, &done, &total) != POSSE_OK)
        return false;
    bool same = done == s->done && total == s->total;
    s->done = done;
    s->total = total;
    return !same;
}

static bool send_progress(struct pi_spot *s)
{
    int64_t now = pi_net_now();
    if (s->ended || now - s->looked_at < PI_PROGRESS_LOOK_MS)
        return false;
    s->looked_at = now;
    if (!look_at_progress(s))
        return false;
    s->tells = true;
    const struct pi_told told = {s->submit.number, {s->done, s->total}};
    pi_told_write(&s->out, PI_PROGRESS, &told);
    return true;
}

/* ---- for a BUSY place ---- */

void pi_told_begin(struct pi_spot *s)
{
    s->ended = s->hears = s->tells = s->closed = false;
    s->sent = s->taken = s->done = s->total = 0;
    s->looked_at = 0;
}

posse_status pi_told_next(struct pi_spot *s)
{
    posse_status status = send_message(s);
    bool goes = status == POSSE_OK || (status != POSSE_NO_MEMORY && send_progress(s));
    return goes ? POSSE_OK : status;
}

void pi_told_end(struct pi_spot *s, struct pi_result *result)
{
    (void)look_at_progress(s);
    result->done = s->done;
    result->total = s->total;
}

/* The task goes on as if its future was released. Nothing more is sent before its end. */
static bool close_messages(struct pi_spot *s)
{
    s->closed = true;
    return posse_close_messages(s->future) == POSSE_OK;
}

bool pi_told_taken(struct pi_spot *s, const struct pi_told *told)
{
    if (s->state != PI_BUSY || told->number != s->submit.number)
        return true; /* it crosses RESULT */
    if (told->numbers[0] == UINT64_MAX)
        return close_messages(s);
    if (told->numbers[0] < s->taken || told->numbers[0] > s->submit.unread + s->sent)
        return false;
    s->taken = told->numbers[0];
    return true;
}

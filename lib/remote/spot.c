#include "base/tuning.h"
#include "remote/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_TURN ((size_t)4 << 20) /* bytes that are read before others have their turn */

/* One that is accepted and ends at once may be a tunnel that leads nowhere. */
bool pi_spot_lasts(const struct pi_spot *s)
{
    return s->state >= PI_GREETED ||
           (s->state == PI_JOINING && pi_net_now() - s->since > PI_CONNECT_MS / 2);
}

void pi_agent_seen(struct pi_agent *a)
{
    a->alive = pi_net_now();
    a->tried = false;
}

void pi_spot_close(struct pi_spot *s)
{
    if (s->state == PI_CLOSED)
        return;
    if (pi_spot_lasts(s))
        pi_agent_seen(s->agent); /* until now somebody was there */
    pi_work_drop(s);
    (void)shutdown(s->fd, SHUT_RDWR); /* processes of the pool may have copies */
    close(s->fd);
    free(s->tail);
    free(s->message);
    s->message = NULL;
    s->message_room = 0;
    s->state = PI_CLOSED;
    s->longer = false;
    s->tail = NULL;
    s->has_tail = false;
    s->tail_got = s->tail_room = 0;
    s->out.size = s->out_tail_size = s->out_sent = 0;
    s->inbox.begin = s->inbox.end = 0;
    s->inbox.tail_left = 0;
}

/* ---- what goes ---- */

/* False: the connection takes no more now, or has ended. */
static bool write_out(struct pi_spot *s)
{
    while (pi_spot_writes(s)) {
        size_t head = s->out_sent < s->out.size ? s->out.size - s->out_sent : 0;
        size_t tail = s->out_sent - (s->out.size - head);
        struct iovec left[2] = {{.iov_base = s->out.bytes + s->out_sent, .iov_len = head},
                                {.iov_base = (char *)(uintptr_t)s->out_tail + tail,
                                 .iov_len = s->out_tail_size - tail}};
        struct msghdr message = {.msg_iov = left + !head, .msg_iovlen = 2u - !head};
        ssize_t n = sendmsg(s->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            pi_spot_close(s);
        if (n < 0)
            return false;
        s->out_sent += (size_t)n;
    }
    s->out.size = s->out_tail_size = s->out_sent = 0;
    return true;
}

/* What is left after a turn is on its way, so poll says when it may go on. */
void pi_spot_write(struct pi_spot *s)
{
    for (size_t turn = 0; turn < MAX_TURN && pi_spot_writes(s);) {
        turn += s->out.size + s->out_tail_size;
        if (!write_out(s))
            return;
        if (s->state == PI_ANSWERING) {
            (void)posse_release(s->future);
            s->state = PI_IDLE;
        }
        pi_work_next(s);
    }
}

/* ---- what comes ---- */

/* The agent has refused; it ends when REFUSE is sent. */
static void refuse(struct pi_spot *s)
{
    struct pi_agent *a = s->agent;
    pi_plain_write(&s->out, PI_REFUSE, strlen(a->why));
    s->out_tail = a->why;
    s->out_tail_size = strlen(a->why);
    a->code = 1;
}

/* The processes of the pool have copies of the sockets that were open when it was made. With these
 * a connection would outlive the agent. So all are made again. */
static void begin_again(struct pi_agent *a)
{
    for (size_t i = 0; i < a->n; i++)
        pi_spot_close(&a->spots[i]);
    pi_agent_seen(a);
}

static void welcome(struct pi_spot *s)
{
    struct pi_pack hello = {.at = (unsigned char *)s->tail, .size = s->tail_got};
    bool first = !s->agent->pool;
    if (!pi_agent_pool_prepare(s->agent, &hello)) {
        refuse(s);
        return;
    }
    if (first) {
        begin_again(s->agent);
        return;
    }
    s->agent->welcomed = true;
    pi_agent_pool_welcome(s);
}

/* False: there is no memory, and the tail is no argument. Of an argument nothing is kept then. */
static bool drop_tail(struct pi_spot *s)
{
    free(s->tail);
    s->tail = NULL;
    s->tail_got = s->tail_room = 0;
    s->drops = s->inbox.frame.kind == PI_SUBMIT;
    return s->drops;
}

/* False: there is no memory. */
static bool make_room(struct pi_spot *s)
{
    uint64_t whole = s->inbox.frame.tail;
    if (s->drops || s->tail_got < s->tail_room)
        return true;
    size_t room = s->tail_room ? 2 * s->tail_room : PI_REMOTE_FIRST_BYTES;
    room = room < whole || s->tail_room == 0 ? room : (size_t)whole;
    char *more = realloc(s->tail, room);
    if (!more)
        return drop_tail(s);
    s->tail = more;
    s->tail_room = room;
    return true;
}

/* Takes what is there of the tail. */
static size_t take_some(struct pi_spot *s)
{
    if (s->drops)
        return pi_inbox_take(&s->inbox, NULL, PI_INBOX_SIZE);
    size_t got = pi_inbox_take(&s->inbox, s->tail + s->tail_got, s->tail_room - s->tail_got);
    s->tail_got += got;
    return got;
}

/* The tail is whole. */
static void end_tail(struct pi_spot *s)
{
    s->has_tail = false;
    if (s->inbox.frame.kind == PI_HELLO)
        welcome(s);
    else if (s->drops)
        pi_work_fail(s, "no memory for the argument of the task");
    else
        pi_work_begin(s);
    if (s->tail_room > PI_REMOTE_FIRST_BYTES) {
        free(s->tail);
        s->tail = NULL;
        s->tail_room = 0;
    }
    s->tail_got = 0;
    pi_spot_write(s);
}

/* False: wrong. */
static bool hear_head(struct pi_spot *s)
{
    uint64_t number;
    struct pi_told told;
    switch (s->inbox.frame.kind) {
    case PI_TAKEN:
        if (!pi_told_read(&s->inbox.head, PI_TAKEN, &told) || !pi_told_taken(s, &told))
            return false;
        pi_work_next(s);
        pi_spot_write(s);
        return true;
    case PI_CANCEL_TASK:
        if (!pi_number_read(&s->inbox.head, &number))
            return false;
        pi_work_cancel(s, number);
        return true;
    case PI_HELLO:
        if (!pi_number_read(&s->inbox.head, &number) || number != PI_REMOTE_VERSION)
            return false;
        break;
    default:
        if (!pi_submit_read(&s->inbox.head, &s->submit))
            return false;
    }
    s->has_tail = true;
    s->drops = false;
    return true;
}

static unsigned accepted(const struct pi_spot *s)
{
    unsigned late = PI_ACCEPT(PI_CANCEL_TASK) | PI_ACCEPT(PI_TAKEN); /* they cross RESULT */
    switch (s->state) {
    case PI_JOINING: return PI_ACCEPT(PI_HELLO);
    case PI_GREETED: return 0;
    case PI_IDLE: return PI_ACCEPT(PI_SUBMIT) | late;
    default: return late;
    }
}

/* Goes through what has been read. False: wrong, or no memory for HELLO. */
static bool go_on(struct pi_spot *s)
{
    while (s->state != PI_CLOSED) {
        if (s->has_tail && s->inbox.tail_left) {
            if (!make_room(s))
                return false;
            if (take_some(s) == 0)
                return true;
        } else if (s->has_tail) {
            end_tail(s);
        } else {
            enum pi_arrival arrival = pi_inbox_next(&s->inbox, accepted(s));
            if (arrival != PI_HEAD)
                return arrival == PI_MORE;
            if (!hear_head(s))
                return false;
        }
    }
    return true;
}

/* Large tails go straight to their memory. */
static ssize_t receive(struct pi_spot *s)
{
    bool straight = s->has_tail && !s->drops && s->inbox.begin == s->inbox.end;
    size_t room;
    void *at = pi_inbox_room(&s->inbox, &room);
    if (straight) {
        at = s->tail + s->tail_got;
        room = s->tail_room - s->tail_got;
        room = room < s->inbox.tail_left ? room : (size_t)s->inbox.tail_left;
    }
    ssize_t n = recv(s->fd, at, room, MSG_DONTWAIT);
    if (n > 0 && straight) {
        s->tail_got += (size_t)n;
        s->inbox.tail_left -= (size_t)n;
    } else if (n > 0) {
        pi_inbox_add(&s->inbox, (size_t)n);
    }
    return n;
}

void pi_spot_read(struct pi_spot *s)
{
    size_t turn = 0;
    do {
        ssize_t n = receive(s);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        if (n <= 0 || !go_on(s)) {
            pi_spot_close(s);
            return;
        }
        turn += (size_t)n;
    } while (s->has_tail && turn < MAX_TURN);
}

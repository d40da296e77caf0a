#include "remote/mpi/carry.h"
#include "base/tuning.h"
#include "remote/mpi/ranks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURN 4 /* messages of one connection before the next one has its turn */
#ifndef POLLRDHUP
#define POLLRDHUP 0 /* then the end of a connection without credit is seen when it has credit */
#endif

bool pi_carry_init(struct pi_carrier *c, size_t link, uint32_t connections)
{
    *c = (struct pi_carrier){.link = link, .n = connections};
    c->all = calloc(connections, sizeof *c->all);
    return c->all;
}

/* The socket is closed; the state is the caller's to set. */
static void hang_up(struct pi_carried *one)
{
    if (one->fd >= 0)
        close(one->fd);
    free(one->queue);
    *one = (struct pi_carried){.fd = -1, .tell_open = one->tell_open};
}

void pi_carry_fini(struct pi_carrier *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        if (c->all[i].state == PI_OPEN || c->all[i].state == PI_DRAINING)
            hang_up(&c->all[i]);
        c->all[i] = (struct pi_carried){.fd = -1};
    }
    free(c->all);
    c->all = NULL;
    c->n = 0;
}

static void end(struct pi_carried *one, enum pi_carried_state next)
{
    hang_up(one);
    one->state = next;
    one->tell_end = true;
}

/* The socket has ended, or cannot be had. */
static void end_own(struct pi_carried *one)
{
    end(one, one->state == PI_OPEN ? PI_ENDED : PI_UNUSED);
}

/* ---- new ones ---- */

static bool is_free(const struct pi_carried *one)
{
    return one->state == PI_UNUSED && !one->tell_end && !one->tell_open;
}

static struct pi_carried *find_free(const struct pi_carrier *c)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (is_free(&c->all[i]))
            return &c->all[i];
    return NULL;
}

bool pi_carry_has_room(const struct pi_carrier *c) { return find_free(c); }

void pi_carry_begin(struct pi_carrier *c, int fd)
{
    *find_free(c) = (struct pi_carried){
        .state = PI_OPEN, .fd = fd, .credit = PI_RELAY_WINDOW, .tell_open = true};
}

bool pi_carry_open(struct pi_carrier *c, uint32_t number, int fd)
{
    struct pi_carried *one = &c->all[number];
    if (!is_free(one))
        return false;
    *one = (struct pi_carried){.state = PI_OPEN, .fd = fd, .credit = PI_RELAY_WINDOW};
    if (fd < 0)
        end_own(one);
    return true;
}

/* ---- from the other end to the socket ---- */

/* How many bytes the socket takes now; -1: it has ended. */
static ssize_t write_some(int fd, const void *bytes, size_t size)
{
    ssize_t n;
    while ((n = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR)
        ;
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : n;
}

/* False: no memory. */
static bool enqueue(struct pi_carried *one, const unsigned char *bytes, uint32_t size)
{
    if (!one->queue)
        one->queue = malloc(PI_RELAY_WINDOW);
    if (!one->queue)
        return false;
    uint32_t end = (one->begin + one->used) % PI_RELAY_WINDOW;
    uint32_t first = size < PI_RELAY_WINDOW - end ? size : PI_RELAY_WINDOW - end;
    memcpy(one->queue + end, bytes, first);
    memcpy(one->queue, bytes + first, size - first);
    one->used += size;
    return true;
}

static void flush(struct pi_carried *one)
{
    while (one->used) {
        uint32_t part = PI_RELAY_WINDOW - one->begin;
        ssize_t n =
            write_some(one->fd, one->queue + one->begin, part < one->used ? part : one->used);
        if (n < 0) {
            end_own(one);
            return;
        }
        if (n == 0)
            return;
        one->begin = (one->begin + (uint32_t)n) % PI_RELAY_WINDOW;
        one->used -= (uint32_t)n;
        one->owed += (uint32_t)n;
    }
    if (one->state == PI_DRAINING)
        end_own(one);
}

static void pass_on(struct pi_carried *one, const unsigned char *bytes, uint32_t size)
{
    ssize_t n = one->used ? 0 : write_some(one->fd, bytes, size);
    uint32_t done = n > 0 ? (uint32_t)n : 0;
    one->owed += done;
    if (n < 0 || (done < size && !enqueue(one, bytes + done, size - done)))
        end_own(one);
}

static bool hear_data(struct pi_carried *one, const unsigned char *bytes, uint32_t size)
{
    if (one->state == PI_ENDED)
        return true; /* it was sent before END came there */
    if (one->state != PI_OPEN || size > PI_RELAY_WINDOW - one->used - one->owed)
        return false;
    pass_on(one, bytes, size);
    return true;
}

static bool hear_credit(struct pi_carried *one, uint32_t count)
{
    if (one->state == PI_ENDED)
        return true;
    if (one->state != PI_OPEN || count > PI_RELAY_WINDOW - one->credit)
        return false;
    one->credit += count;
    return true;
}

static bool hear_end(const struct pi_carrier *c, struct pi_carried *one)
{
    if (one->state == PI_ENDED) {
        one->state = PI_UNUSED;
    } else if (one->state != PI_OPEN) {
        return false;
    } else if (c->drains && one->used) {
        one->state = PI_DRAINING;
    } else {
        end(one, PI_UNUSED);
    }
    return true;
}

bool pi_carry_hear(struct pi_carrier *c, const struct pi_relay_frame *frame,
                   const unsigned char *bytes)
{
    struct pi_carried *one = &c->all[frame->number];
    switch (frame->kind) {
    case PI_RELAY_DATA: return hear_data(one, bytes, frame->count);
    case PI_RELAY_CREDIT: return hear_credit(one, frame->count);
    default: return hear_end(c, one);
    }
}

/* ---- from the socket to the other end ---- */

static void say(struct pi_carrier *c, const struct pi_carried *one, uint32_t kind, uint32_t count)
{
    const struct pi_relay_frame frame = {
        .kind = kind, .number = (uint32_t)(one - c->all), .count = count};
    pi_ranks_send(c->link, &frame);
}

void pi_carry_tell(struct pi_carrier *c)
{
    for (uint32_t i = 0; i < c->n; i++) {
        struct pi_carried *one = &c->all[i];
        if (one->tell_open && pi_ranks_room(c->link)) {
            say(c, one, PI_RELAY_OPEN, 0);
            one->tell_open = false;
        }
        if (one->state == PI_OPEN && one->owed >= PI_RELAY_CHUNK && pi_ranks_room(c->link)) {
            say(c, one, PI_RELAY_CREDIT, one->owed);
            one->owed = 0;
        }
        if (one->tell_end && !one->tell_open && pi_ranks_room(c->link)) {
            say(c, one, PI_RELAY_END, 0);
            one->tell_end = false;
        }
    }
}

/* One message is kept for what pi_carry_tell says. */
static bool may_read(const struct pi_carrier *c, const struct pi_carried *one)
{
    return one->state == PI_OPEN && one->credit && !one->tell_open && pi_ranks_room(c->link) > 1;
}

static void read_some(struct pi_carrier *c, struct pi_carried *one)
{
    for (int i = 0; i < TURN && may_read(c, one); i++) {
        size_t most = one->credit < PI_RELAY_CHUNK ? one->credit : PI_RELAY_CHUNK;
        ssize_t n = recv(one->fd, pi_ranks_payload(c->link), most, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        if (n <= 0) {
            end_own(one);
            return;
        }
        one->credit -= (uint32_t)n;
        say(c, one, PI_RELAY_DATA, (uint32_t)n);
    }
}

/* ---- poll ---- */

void pi_carry_watch(const struct pi_carrier *c, struct pollfd *fds)
{
    for (uint32_t i = 0; i < c->n; i++) {
        const struct pi_carried *one = &c->all[i];
        unsigned events = one->used ? POLLOUT : 0;
        if (may_read(c, one))
            events |= POLLIN;
        else if (one->state == PI_OPEN && one->credit == 0)
            events |= POLLRDHUP;
        fds[i] = (struct pollfd){.fd = events ? one->fd : -1, .events = (short)events};
    }
}

static void serve_one(struct pi_carrier *c, struct pi_carried *one, const struct pollfd *fd)
{
    unsigned found = (unsigned)fd->revents;
    if (found & POLLOUT)
        flush(one);
    if (found & POLLIN)
        read_some(c, one);
    else if (one->fd == fd->fd && (found & (POLLHUP | POLLERR | POLLRDHUP)))
        end_own(one);
}

bool pi_carry_serve(struct pi_carrier *c, const struct pollfd *fds)
{
    bool moved = false;
    for (uint32_t k = 0; k < c->n; k++) {
        uint32_t i = (c->turn + k) % c->n;
        if (fds[i].fd < 0 || !fds[i].revents)
            continue;
        serve_one(c, &c->all[i], &fds[i]);
        moved = true;
    }
    c->turn = c->n ? (c->turn + 1) % c->n : 0;
    return moved;
}

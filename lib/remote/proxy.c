/* Runs in: worker.
 *
 * The greeting. The states of a place are in protocol.h. A proxy has one connection at a time. It
 * never blocks for a stranger. A stranger that says a part of JOIN keeps the proxy from others for
 * PI_JOIN_MS, if others wait, and for PI_GREETING_MS if none do. The proxy waits for a peer that
 * has the token, as long as something of HELLO goes.
 */
#include "remote/proxy.h"
#include "base/tuning.h"
#include "remote/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct pi_proxy pi_proxy;
#define proxy pi_proxy

void pi_proxy_hang_up(void)
{
    if (proxy.state != PI_PROXY_NONE)
        close(proxy.fd);
    proxy.state = PI_PROXY_NONE;
    proxy.inbox.begin = proxy.inbox.end = 0;
    proxy.inbox.tail_left = 0;
}

/* ---- the greeting ---- */

static bool greet(const struct pi_remote *r, bool has_pool)
{
    struct pi_envelope envelope;
    size_t size = has_pool ? 0 : r->hello_size;
    pi_plain_write(&envelope, PI_HELLO, size);
    const struct pi_net_part parts[2] = {{envelope.bytes, envelope.size}, {r->hello, size}};
    pi_net_allow(proxy.fd, r->silence_ms, size, &proxy.longer);
    proxy.state = PI_PROXY_GREETED;
    bool sent = pi_net_send(proxy.fd, parts);
    proxy.until = pi_net_now() + PI_GREETING_MS;
    return sent;
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
    return greet(r, join.has_pool);
}

static bool hear_welcome(const struct pi_remote *r)
{
    uint64_t version;
    if (!pi_number_read(&proxy.inbox.head, &version) || !pi_net_block(proxy.fd, PI_CANCEL_LOOK_MS))
        return false;
    proxy.state = PI_PROXY_PLACE;
    r->shared->joined++;
    return true;
}

/* The whole text is in the inbox, or the rest of it is lost. */
static void take_words(char text[PI_TEXT_SIZE])
{
    size_t size = pi_inbox_take(&proxy.inbox, text, PI_TEXT_SIZE - 1);
    text[size] = '\0';
    for (char *c = text; *c; c++)
        if (*c < ' ')
            *c = '?';
}

void pi_proxy_note_failure(const struct pi_remote *r)
{
    char text[PI_TEXT_SIZE];
    take_words(text);
    snprintf(r->shared->why, sizeof r->shared->why, "%.180s on %.40s", text, proxy.node);
    r->shared->failed = 1;
}

/* False: that was all. */
static bool hear_words(const struct pi_remote *r)
{
    char text[PI_TEXT_SIZE];
    if (proxy.inbox.end - proxy.inbox.begin < proxy.inbox.tail_left)
        return true; /* the rest will come */
    if (proxy.inbox.frame.kind == PI_POOL_FAILED) {
        pi_proxy_note_failure(r);
        return false;
    }
    take_words(text);
    snprintf(r->shared->words, sizeof r->shared->words, "%.40s refuses: %.180s", proxy.node, text);
    return false;
}

static bool hear_preparing(void)
{
    uint64_t version;
    proxy.until = INT64_MAX; /* it has the token */
    return pi_number_read(&proxy.inbox.head, &version);
}

static bool hear_head(const struct pi_remote *r)
{
    switch (proxy.inbox.frame.kind) {
    case PI_JOIN: return hear_join(r);
    case PI_PREPARING: return hear_preparing();
    case PI_WELCOME: return hear_welcome(r);
    default: return hear_words(r);
    }
}

/* Goes through what has come. False: the connection is none. */
static bool go_through(const struct pi_remote *r)
{
    while (proxy.state != PI_PROXY_PLACE) {
        unsigned accepts = proxy.state == PI_PROXY_JOINING
                               ? PI_ACCEPT(PI_JOIN)
                               : PI_ACCEPT(PI_PREPARING) | PI_ACCEPT(PI_WELCOME) |
                                     PI_ACCEPT(PI_REFUSE) | PI_ACCEPT(PI_POOL_FAILED);
        if (proxy.inbox.tail_left)
            return hear_words(r);
        enum pi_arrival arrival = pi_inbox_next(&proxy.inbox, accepts);
        if (arrival != PI_HEAD)
            return arrival == PI_MORE;
        if (!hear_head(r))
            return false;
    }
    return true;
}

static bool hear(const struct pi_remote *r)
{
    size_t room;
    void *at = pi_inbox_room(&proxy.inbox, &room);
    ssize_t n = recv(proxy.fd, at, room, 0);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    pi_inbox_add(&proxy.inbox, (size_t)n);
    return go_through(r);
}

/* ---- ready ---- */

/* The launcher says that it has ended. Of one that was killed, the socket says so. */
static bool is_launched(const struct pi_remote *r)
{
    char none;
    if (r->launcher >= 0 && !r->shared->ended &&
        recv(r->launcher, &none, sizeof none, MSG_PEEK | MSG_DONTWAIT) == 0)
        r->shared->ended = 1;
    return r->launcher >= 0 && !r->shared->ended;
}

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

static bool has_failed(const struct pi_remote *r, posse_place *place)
{
    if (!r->shared->failed)
        return false;
    snprintf(place->message, sizeof place->message, "%s", r->shared->why);
    return true;
}

/* False: no connection waits. */
static bool take_next(const struct pi_remote *r)
{
    int fd = pi_net_accept(r->listener, r->silence_ms);
    if (fd < 0)
        return false;
    pi_proxy_hang_up();
    proxy.fd = fd;
    proxy.longer = false;
    proxy.state = PI_PROXY_JOINING;
    proxy.until = pi_net_now() + PI_GREETING_MS;
    return true;
}

/* Whether a part of JOIN is there. An agent sends JOIN in one piece, but may be slow to begin. */
static bool is_in_pieces(void)
{
    return proxy.state == PI_PROXY_JOINING && proxy.inbox.end > proxy.inbox.begin;
}

/* Milliseconds until another connection may take the place of one in pieces; 0: now. */
static int64_t time_alone(void)
{
    int64_t left = proxy.until - PI_GREETING_MS + PI_JOIN_MS - pi_net_now();
    return left > 0 ? left : 0;
}

static void go_on(const struct pi_remote *r)
{
    if (proxy.state == PI_PROXY_NONE && !take_next(r))
        return;
    bool is_there = pi_net_now() < proxy.until && hear(r);
    if (is_there && is_in_pieces() && time_alone() == 0 && take_next(r))
        is_there = hear(r);
    if (!is_there)
        pi_proxy_hang_up();
}

/* The listener is none of the descriptors while a connection joins, so the proxy looks at it. */
static long time_to_look(void)
{
    int64_t left = proxy.until - pi_net_now(), alone = time_alone();
    if (is_in_pieces()) {
        alone = alone ? alone : PI_JOIN_MS;
        left = alone < left ? alone : left;
    }
    return left > 0 ? (long)left : 0;
}

posse_status pi_proxy_ready(void *remote, posse_place *place)
{
    const struct pi_remote *r = remote;
    if (proxy.state != PI_PROXY_PLACE)
        go_on(r);
    if (has_failed(r, place))
        return POSSE_BROKEN;
    if (proxy.state == PI_PROXY_PLACE)
        return POSSE_OK;
    bool launched = is_launched(r);
    if (is_hopeless(r, place))
        return POSSE_BROKEN;
    bool greets = proxy.state != PI_PROXY_NONE;
    place->fds[0] = greets ? proxy.fd : r->listener;
    if (launched) /* else its end would be readable for ever */
        place->fds[1] = r->launcher;
    if (greets && proxy.until < INT64_MAX)
        place->timeout_ms = time_to_look();
    return POSSE_TIMEOUT;
}

#include "remote/kit/peer.h"

#include "remote/net.h"
#include "remote/setup.h"
#include "remote/token.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void peer_token(const struct hand *hand, unsigned char token[PI_TOKEN_SIZE])
{
    char text[2 * PI_TOKEN_SIZE + 1] = "";
    FILE *file = fopen(hand->token, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_true(pi_token_read(text, token));
    (void)fclose(file);
}

void peer_say(int fd, const struct pi_envelope *envelope, const void *tail, size_t size)
{
    const struct pi_net_part parts[2] = {{envelope->bytes, envelope->size}, {tail, size}};
    (void)pi_net_send(fd, parts);
}

void peer_say_plain(int fd, unsigned kind)
{
    struct pi_envelope envelope;
    pi_plain_write(&envelope, kind, 0);
    peer_say(fd, &envelope, NULL, 0);
}

/* ---- what comes ---- */

static int64_t read_head(struct pi_inbox *in)
{
    struct pi_submit submit;
    struct pi_result result;
    struct pi_join join;
    if (in->frame.kind == PI_RESULT)
        return pi_result_read(&in->head, &result) ? (int64_t)result.outcome : -1;
    if (in->frame.kind == PI_SUBMIT)
        return pi_submit_read(&in->head, &submit) ? (int64_t)submit.number : -1;
    if (in->frame.kind == PI_JOIN)
        return pi_join_read(&in->head, &join) ? join.has_pool : -1;
    return 0;
}

static bool read_some(int fd, struct pi_inbox *in)
{
    size_t room;
    void *at = pi_inbox_room(in, &room);
    struct pollfd bytes = {.fd = fd, .events = POLLIN};
    if (poll(&bytes, 1, PATIENCE_MS) != 1)
        return false;
    ssize_t n = recv(fd, at, room, MSG_DONTWAIT);
    pi_inbox_add(in, n > 0 ? (size_t)n : 0);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

int64_t peer_try(int fd, unsigned kind)
{
    struct pi_inbox *in = calloc(1, sizeof *in);
    char tail[4096];
    int64_t number = 0;
    bool has_head = false, going = in != NULL;
    while (going && !(has_head && in->tail_left == 0)) {
        enum pi_arrival arrival = has_head ? PI_MORE : pi_inbox_next(in, PI_ACCEPT(kind));
        if (arrival == PI_HEAD) {
            has_head = true;
            number = read_head(in);
        }
        while (pi_inbox_take(in, tail, sizeof tail) > 0)
            ;
        if (arrival == PI_MORE && !(has_head && in->tail_left == 0))
            going = read_some(fd, in);
        going &= arrival != PI_WRONG && number >= 0;
    }
    free(in);
    return going ? number : -1;
}

uint64_t peer_await(int fd, unsigned kind)
{
    int64_t number = peer_try(fd, kind);
    assert_true(number >= 0);
    return (uint64_t)number;
}

/* ---- an agent ---- */

int peer_join(const struct hand *hand)
{
    struct pi_envelope envelope;
    struct pi_join join = {.version = PI_REMOTE_VERSION, .pid = 77, .node = "liar"};
    peer_token(hand, join.token);
    int fd = pi_net_connect(hand->options.address);
    assert_true(fd >= 0);
    pi_join_write(&envelope, &join);
    peer_say(fd, &envelope, NULL, 0);
    return fd;
}

int peer_idle(const struct hand *hand)
{
    int fd = peer_join(hand);
    (void)peer_await(fd, PI_HELLO);
    peer_say_plain(fd, PI_WELCOME);
    return fd;
}

int peer_busy(const struct hand *hand, uint64_t *number)
{
    int fd = peer_idle(hand);
    *number = peer_await(fd, PI_SUBMIT);
    return fd;
}

/* ---- a program ---- */

int peer_listen(struct hand *hand)
{
    int listener = pi_net_listen("127.0.0.1:0", hand->options.address);
    assert_true(listener >= 0);
    return listener;
}

int peer_accept(int listener, bool *has_pool)
{
    struct pollfd there = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&there, 1, PATIENCE_MS), 1);
    int fd = pi_net_accept(listener, PATIENCE_MS);
    assert_true(fd >= 0);
    *has_pool = peer_await(fd, PI_JOIN);
    return fd;
}

unsigned char *peer_hello(size_t *size)
{
    struct pi_modules modules;
    struct pi_setup setup;
    posse_options options = plain();
    assert_ok(pi_modules_read(&modules));
    assert_ok(pi_setup_take(&setup, &options, &modules));
    setup.silence_ms = PATIENCE_MS;
    size_t first = pi_modules_write(&modules, NULL, 0);
    *size = first + pi_setup_write(&setup, NULL, 0);
    unsigned char *hello = malloc(*size);
    assert_non_null(hello);
    (void)pi_modules_write(&modules, hello, first);
    (void)pi_setup_write(&setup, hello + first, *size - first);
    pi_modules_free(&modules);
    return hello;
}

int peer_welcomed(int listener)
{
    struct pi_envelope envelope;
    bool has_pool;
    size_t size;
    unsigned char *hello = peer_hello(&size);
    int fd = peer_accept(listener, &has_pool);
    assert_false(has_pool);
    pi_plain_write(&envelope, PI_HELLO, size);
    peer_say(fd, &envelope, hello, size);
    free(hello);
    assert_true(peer_try(fd, PI_JOIN) < 0); /* it connects anew */
    close(fd);
    fd = peer_accept(listener, &has_pool);
    assert_true(has_pool);
    peer_say_plain(fd, PI_HELLO);
    (void)peer_await(fd, PI_WELCOME);
    return fd;
}

void peer_submit(int fd, uint64_t number, posse_fn *fn, uint64_t size)
{
    struct pi_envelope envelope;
    struct pi_modules modules;
    struct pi_submit submit = {.number = number, .time_left_ms = -1};
    assert_ok(pi_modules_read(&modules));
    assert_true(pi_modules_find(&modules, (uintptr_t)fn, &submit.fn));
    pi_modules_free(&modules);
    pi_submit_write(&envelope, &submit, size);
    peer_say(fd, &envelope, NULL, 0);
}

/* ---- processes ---- */

bool peer_is_this_program(const char *pid)
{
    char path[64], other[4096], own[4096];
    snprintf(path, sizeof path, "/proc/%.20s/exe", pid);
    ssize_t size = readlink(path, other, sizeof other);
    return size > 0 && readlink("/proc/self/exe", own, sizeof own) == size &&
           memcmp(own, other, (size_t)size) == 0;
}

static size_t memory_of(const char *pid)
{
    char path[64], line[200];
    size_t kb = 0;
    snprintf(path, sizeof path, "/proc/%.20s/status", pid);
    FILE *file = fopen(path, "re");
    while (file && kb == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, "VmData:", 7) == 0)
            kb = strtoul(line + 7, NULL, 10);
    if (file)
        (void)fclose(file);
    return kb << 10;
}

size_t peer_most_memory(void)
{
    size_t most = 0;
    DIR *processes = opendir("/proc");
    assert_non_null(processes);
    for (const struct dirent *one; (one = readdir(processes));) {
        size_t memory = peer_is_this_program(one->d_name) ? memory_of(one->d_name) : 0;
        most = memory > most ? memory : most;
    }
    (void)closedir(processes);
    assert_true(most > 0);
    return most;
}

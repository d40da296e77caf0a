/* liar.c - an agent that has the token, and sends what no agent may send: its task is lost, or
 * fails with words; the program goes on with the next agent. */
#include "remote/kit/remote.h"

#include "remote/net.h"
#include "remote/protocol.h"
#include "remote/token.h"

#include <errno.h>
#include <posse_progress.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 1024 /* message_memory in these tests */

static void read_token_of(const struct hand *hand, unsigned char token[PI_TOKEN_SIZE])
{
    char text[2 * PI_TOKEN_SIZE + 1] = "";
    FILE *file = fopen(hand->token, "re");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_true(pi_token_read(text, token));
    (void)fclose(file);
}

static void say(int fd, const struct pi_envelope *envelope, const char *tail, size_t size)
{
    const struct pi_net_part parts[2] = {{envelope->bytes, envelope->size}, {tail, size}};
    (void)pi_net_send(fd, parts); /* the proxy may have hung up */
}

/* Reads until a message of that kind has come, whole. */
static void await_message(int fd, unsigned kind)
{
    struct pi_inbox *in = calloc(1, sizeof *in);
    char tail[1000];
    assert_non_null(in);
    while (in->frame.kind != kind || in->tail_left) {
        size_t room;
        void *at = pi_inbox_room(in, &room);
        ssize_t n = recv(fd, at, room, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            pause_ms(1);
            continue;
        }
        assert_true(n > 0);
        pi_inbox_add(in, (size_t)n);
        assert_true(pi_inbox_next(in, PI_ACCEPT(kind)) != PI_WRONG);
        while (pi_inbox_take(in, tail, sizeof tail) > 0)
            ;
    }
    free(in);
}

/* A place with a task that runs. */
static int join(const struct hand *hand)
{
    struct pi_envelope envelope;
    struct pi_join join = {.version = PI_REMOTE_VERSION, .pid = 77, .node = "liar"};
    read_token_of(hand, join.token);
    int fd = pi_net_connect(hand->options.address);
    assert_true(fd >= 0);
    pi_join_write(&envelope, &join);
    say(fd, &envelope, NULL, 0);
    await_message(fd, PI_HELLO);
    pi_plain_write(&envelope, PI_WELCOME, 0);
    say(fd, &envelope, NULL, 0);
    await_message(fd, PI_SUBMIT);
    return fd;
}

static void tell_message(int fd, uint64_t number, size_t size, size_t sent)
{
    static const char bytes[4 * ROOM];
    struct pi_envelope envelope;
    pi_number_write(&envelope, PI_MESSAGE, number, size);
    say(fd, &envelope, bytes, sent);
}

static void tell_numbers(int fd, unsigned kind, uint64_t number)
{
    struct pi_envelope envelope;
    const struct pi_told told = {number, {5, 6}};
    pi_told_write(&envelope, kind, &told);
    say(fd, &envelope, NULL, 0);
}

static void tell_result(int fd)
{
    struct pi_envelope envelope;
    const struct pi_result result = {.number = 1};
    pi_result_write(&envelope, &result, 0);
    say(fd, &envelope, NULL, 0);
}

/* The proxy is another process each time, so the number of its first task is 1. */
static void lie(int fd, int lie)
{
    switch (lie) {
    case 0: tell_message(fd, 1, 300, 200); break; /* cut */
    case 1: tell_message(fd, 1, ROOM, ROOM); break;
    case 2: tell_message(fd, 2, 3, 3); break; /* of no task */
    case 3: tell_message(fd, 1, (size_t)1 << 29, 3 * ROOM); break;
    case 4: tell_numbers(fd, PI_TAKEN, 1); break; /* the program's to say */
    case 5: tell_numbers(fd, PI_PROGRESS, 7); break;
    case 6: (void)send(fd, "psse and so on and on", 21, MSG_NOSIGNAL); break;
    default: tell_numbers(fd, PI_HELLO, 1); break;
    }
}

TEST(a_lie_costs_its_task, PROCESSES)
{
    posse_options options = plain();
    options.message_memory = ROOM;
    for (int i = 0; i < 8; i++) {
        struct hand hand = make_by_hand(1, options);
        posse_future future = submitted_long(hand.pool, square_task, 4);
        int fd = join(&hand);
        tell_message(fd, 1, 8, 8);
        tell_numbers(fd, PI_PROGRESS, 1);
        lie(fd, i);
        (void)shutdown(fd, SHUT_WR);
        assert_int_equal(error_of(future).signal, SIGHUP);
        char bytes[8];
        uint64_t done = 0;
        assert_ok(posse_next_message(future, -1, bytes, sizeof bytes, NULL)); /* it was whole */
        assert_status(posse_next_message(future, -1, bytes, sizeof bytes, NULL), POSSE_END);
        assert_ok(posse_progress(future, &done, NULL));
        assert_int_equal(done, 5);
        take_error(future, POSSE_WORKER_LOST);
        close(fd);
        pid_t agent = start_agent(&hand, 1);
        assert_int_equal(take_long(submitted_long(hand.pool, square_task, 5)), 25);
        end_hand(&hand);
        (void)end_of(agent);
    }
}

/* More messages than may be there unread: no memory grows, and the task fails. */
TEST(too_many_messages_fail_the_task, PROCESSES)
{
    posse_options options = plain();
    options.message_memory = ROOM;
    struct hand hand = make_by_hand(1, options);
    posse_future future = submitted_long(hand.pool, square_task, 4);
    int fd = join(&hand);
    for (int i = 0; i < 5000; i++)
        tell_message(fd, 1, 100, 100);
    tell_result(fd);
    posse_error error = error_of(future);
    assert_string_equal(error.message, "its messages have no room beside those of a run before");
    take_error(future, POSSE_TASK_FAILED);
    close(fd);
    end_hand(&hand);
}

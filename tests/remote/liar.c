/* liar.c - an agent that has the token, and sends what no agent may send: its task is lost, or
 * fails with words; the program goes on with the next agent. */
#include "remote/kit/peer.h"

#include <posse_progress.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 1024 /* message_memory in these tests */

static void tell_message(int fd, uint64_t number, size_t size, size_t sent)
{
    static const char bytes[4 * ROOM];
    struct pi_envelope envelope;
    pi_number_write(&envelope, PI_MESSAGE, number, size);
    peer_say(fd, &envelope, bytes, sent);
}

static void tell_numbers(int fd, unsigned kind, uint64_t number)
{
    struct pi_envelope envelope;
    const struct pi_told told = {number, {5, 6}};
    pi_told_write(&envelope, kind, &told);
    peer_say(fd, &envelope, NULL, 0);
}

static void tell_result(int fd)
{
    struct pi_envelope envelope;
    const struct pi_result result = {.number = 1};
    pi_result_write(&envelope, &result, 0);
    peer_say(fd, &envelope, NULL, 0);
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
        uint64_t number;
        int fd = peer_busy(&hand, &number);
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
    uint64_t number;
    int fd = peer_busy(&hand, &number);
    for (int i = 0; i < 5000; i++)
        tell_message(fd, 1, 100, 100);
    tell_result(fd);
    posse_error error = error_of(future);
    assert_string_equal(error.message, "its messages have no room beside those of a run before");
    take_error(future, POSSE_TASK_FAILED);
    close(fd);
    end_hand(&hand);
}

/* claims.c - the size that a message claims takes no memory: only what has come does, on both ends.
 * A size that is over what the program has asked for is refused. */
#include "remote/kit/peer.h"

#include "base/tuning.h"
#include "remote/net.h"

#include <signal.h>
#include <unistd.h>

#define MB ((size_t)1 << 20)
/* More than sockets hold: when it is sent, the other end has read the head, and most of it. */
#define SENT (48 * MB)

/* Sends that many bytes of a tail. */
static void send_bytes(int fd, size_t size)
{
    static const char bytes[MB];
    for (size_t sent = 0; sent < size; sent += sizeof bytes) {
        const struct pi_net_part parts[2] = {{bytes, sizeof bytes}, {NULL, 0}};
        assert_true(pi_net_send(fd, parts));
    }
}

static void claim_result(int fd, uint64_t number, uint64_t size)
{
    struct pi_envelope envelope;
    const struct pi_result result = {.number = number};
    pi_result_write(&envelope, &result, size);
    peer_say(fd, &envelope, NULL, 0);
}

/* ---- the program ---- */

TEST(a_claimed_result_takes_no_memory, PROCESSES)
{
    static const uint64_t claims[] = {(uint64_t)1 << 30, PI_REMOTE_BYTES};
    for (size_t i = 0; i < COUNT(claims); i++) {
        struct hand hand = make_by_hand(1, plain());
        posse_future future = submitted_long(hand.pool, square_task, 4);
        uint64_t number, before = stats_of(hand.pool).memory_committed;
        int fd = peer_busy(&hand, &number);
        claim_result(fd, number, claims[i]);
        send_bytes(fd, SENT);
        assert_true(stats_of(hand.pool).memory_committed < before + 2 * SENT);
        close(fd);
        take_error(future, POSSE_WORKER_LOST);
        end_hand(&hand);
    }
}

/* Of a size that grows more than once: what has come first is there, too. */
static int pattern_task(posse_task *task, const void *arg, size_t size)
{
    const size_t n = *(const size_t *)arg;
    unsigned char *room = posse_task_reserve(task, n);
    (void)size;
    for (size_t i = 0; room && i < n; i++)
        room[i] = (unsigned char)(i * 7 + (i >> 12));
    return room == NULL;
}

TEST(large_results_are_whole, PROCESSES)
{
    const size_t sizes[] = {1, 16 * MB, 16 * MB + 1, 37 * MB + 5};
    struct hand hand = make_by_hand(1, plain());
    pid_t agent = start_agent(&hand, 1);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        const unsigned char *data = NULL;
        size_t size = 0, wrong = 0;
        posse_future future = SUBMIT_VALUE(hand.pool, pattern_task, sizes[i]);
        assert_ok(posse_result(future, -1, (const void **)&data, &size));
        assert_int_equal(size, sizes[i]);
        for (size_t k = 0; k < size; k++)
            wrong += data[k] != (unsigned char)(k * 7 + (k >> 12));
        assert_int_equal(wrong, 0);
        assert_ok(posse_release(future));
    }
    end_hand(&hand);
    (void)end_of(agent);
}

/* The agent's own pool refuses such a result: an agent that sends one lies. */
TEST(a_result_over_the_limit_is_refused, PROCESSES)
{
    posse_options options = plain();
    options.max_result = 1000;
    struct hand hand = make_by_hand(1, options);
    for (uint64_t over = 0; over < 2; over++) {
        static const char bytes[1001];
        struct pi_envelope envelope;
        struct pi_result result = {.outcome = PI_RETURNED};
        posse_future future = submitted_long(hand.pool, square_task, 4);
        int fd = peer_busy(&hand, &result.number);
        pi_result_write(&envelope, &result, 1000 + over);
        peer_say(fd, &envelope, bytes, over ? 0 : 1000);
        if (over) { /* it does not wait for the bytes */
            assert_int_equal(error_of(future).signal, SIGHUP);
            take_error(future, POSSE_WORKER_LOST);
        } else {
            size_t size;
            assert_ok(posse_result(future, -1, NULL, &size));
            assert_int_equal(size, 1000);
            assert_ok(posse_release(future));
        }
        close(fd);
    }
    end_hand(&hand);
}

TEST(a_deadline_that_is_none_is_no_end, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    posse_future future = submitted_long(hand.pool, square_task, 4);
    struct pi_result result = {.outcome = PI_LATE};
    struct pi_envelope envelope;
    int fd = peer_busy(&hand, &result.number);
    pi_result_write(&envelope, &result, 0);
    peer_say(fd, &envelope, NULL, 0);
    take_error(future, POSSE_WORKER_LOST);
    close(fd);
    end_hand(&hand);
}

/* A message is as large as the program lets it be; nothing of it has come when the task is killed,
 * or half of it. */
TEST(a_claimed_message_takes_no_memory, UNSANITIZED(PROCESSES))
{
    posse_options options = plain();
    options.message_memory = 512 * MB;
    struct hand hand = make_by_hand(1, options);
    struct pi_envelope envelope;
    posse_future future = submitted_long(hand.pool, square_task, 4);
    uint64_t number;
    int fd = peer_busy(&hand, &number);
    size_t before = peer_most_memory();
    pi_number_write(&envelope, PI_MESSAGE, number, 500 * MB);
    peer_say(fd, &envelope, NULL, 0);
    send_bytes(fd, SENT);
    assert_true(peer_most_memory() < before + 3 * SENT);
    close(fd);
    take_error(future, POSSE_WORKER_LOST);
    end_hand(&hand);
}

/* ---- an agent ---- */

TEST(a_claimed_argument_takes_no_memory, UNSANITIZED(PROCESSES))
{
    struct hand hand = make_by_hand(1, plain());
    int listener = peer_listen(&hand);
    pid_t agent = start_agent(&hand, 1);
    int fd = peer_welcomed(listener);
    size_t before = peer_most_memory();
    peer_submit(fd, 1, square_task, PI_REMOTE_BYTES);
    send_bytes(fd, SENT);
    assert_true(peer_most_memory() < before + 3 * SENT);
    close(fd);
    close(listener);
    assert_int_equal(end_of(agent), 0);
    end_hand(&hand);
}

/* Modules, and arguments of an initializer, that never come. */
TEST(a_claimed_greeting_takes_no_memory, UNSANITIZED(PROCESSES))
{
    struct hand hand = make_by_hand(1, plain());
    struct pi_envelope envelope;
    int listener = peer_listen(&hand);
    pid_t agent = start_agent(&hand, 1);
    bool has_pool;
    int fd = peer_accept(listener, &has_pool);
    size_t before = peer_most_memory();
    pi_plain_write(&envelope, PI_HELLO, PI_REMOTE_MODULES + PI_REMOTE_SETUP);
    peer_say(fd, &envelope, NULL, 0);
    send_bytes(fd, 16 * MB);
    assert_true(peer_most_memory() < before + 48 * MB);
    close(fd);
    close(listener);
    (void)end_of(agent);
    end_hand(&hand);
}

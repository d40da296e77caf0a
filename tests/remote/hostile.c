/* hostile.c - an agent, and a program, that have the token and send anything: in each state
 * messages that are cut, split, enormous, changed or out of turn. The other end, a real pool or a
 * real agent, hangs up or goes on; it neither crashes nor grows, and serves the next honest
 * peer. */
#include "remote/kit/peer.h"

#include "base/tuning.h"
#include "remote/net.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MB ((size_t)1 << 20)
#define ROUNDS in_long_run(300, 20000)
/* Private memory of a process, and shared memory of the pool: more than an honest one needs. */
#define MOST (128 * MB)

static uint64_t state;

static uint64_t random_number(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 24;
}

static unsigned below(unsigned n) { return (unsigned)(random_number() % n); }

/* Near a limit more often than not. */
static uint64_t any_number(void)
{
    static const uint64_t some[] = {
        0,         1,          7,         255,        256, 65535,   65536,
        INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, MB,  64 * MB, PI_REMOTE_BYTES};
    return below(4) ? some[below(COUNT(some))] + below(3) - 1 : random_number();
}

/* ---- messages ---- */

struct bytes {
    unsigned char at[32768];
    size_t size;
};

static void add(struct bytes *all, const void *bytes, size_t size)
{
    size = size < sizeof all->at - all->size ? size : sizeof all->at - all->size;
    memcpy(all->at + all->size, bytes, size);
    all->size += size;
}

/* What follows the head may be less than what it says, or more. */
static void add_message(struct bytes *all, const struct pi_envelope *envelope)
{
    static const unsigned char tail[4096];
    add(all, envelope->bytes, envelope->size);
    add(all, tail, below(3) ? below(600) : 0);
}

static void write_result(struct pi_envelope *envelope, uint64_t number)
{
    const struct pi_result result = {.number = number,
                                     .outcome = below(PI_OUTCOMES + 1),
                                     .code = (int32_t)any_number(),
                                     .signal = (int32_t)any_number(),
                                     .exit_code = (int32_t)any_number(),
                                     .pid = (int64_t)any_number(),
                                     .done = any_number(),
                                     .total = any_number()};
    pi_result_write(envelope, &result, below(2) ? below(600) : any_number());
}

/* A function that is none: one that is would run, as the program asks for it. */
static struct pi_place_in no_function(void)
{
    static const struct pi_place_in none[] = {{0, 0}, {0, 5}, {1, UINT64_MAX}, {60000, 16}};
    return none[below(COUNT(none))];
}

static void write_submit(struct pi_envelope *envelope, uint64_t number)
{
    struct pi_submit submit = {.number = number,
                               .fn = no_function(),
                               .n_pointers = below(3),
                               .time_left_ms = (int64_t)any_number(),
                               .max_memory = any_number(),
                               .max_cpu_ms = (int64_t)any_number(),
                               .runs = (uint32_t)any_number(),
                               .unread = any_number()};
    for (int i = 0; i < 2; i++) {
        submit.pointers[i].at = any_number();
        submit.pointers[i].value = no_function();
    }
    pi_submit_write(envelope, &submit, below(2) ? below(600) : any_number());
}

/* Any message of either end. That the pool of an agent has failed breaks the executor, as it must:
 * no agent says that here. */
static void add_any(struct bytes *all, uint64_t number)
{
    struct pi_envelope envelope;
    const struct pi_told told = {number, {any_number(), any_number()}};
    unsigned kind = below(PI_MESSAGES + 1);
    uint64_t tail = below(2) ? below(600) : any_number();
    switch (kind) {
    case PI_RESULT: write_result(&envelope, number); break;
    case PI_SUBMIT: write_submit(&envelope, number); break;
    case PI_PROGRESS:
    case PI_TAKEN: pi_told_write(&envelope, kind, &told); break;
    case PI_CANCEL_TASK:
    case PI_MESSAGE: pi_number_write(&envelope, kind, number, tail); break;
    case PI_POOL_FAILED: return;
    default: pi_plain_write(&envelope, kind, below(2) ? 0 : tail); break;
    }
    add_message(all, &envelope);
}

/* A few messages, most often of the task; the last may be cut. */
static struct bytes any_bytes(uint64_t number)
{
    struct bytes all = {.size = 0};
    for (unsigned n = 1 + below(4); n > 0; n--)
        add_any(&all, below(4) ? number : any_number());
    all.size = below(3) ? all.size : below((unsigned)all.size + 1);
    return all;
}

static void change_some(struct bytes *all)
{
    for (unsigned n = below(3); n > 0 && all->size > 0; n--)
        all->at[below((unsigned)all->size)] = (unsigned char)random_number();
    for (size_t i = 0; i + 6 <= all->size; i++)
        if (memcmp(all->at + i, "psse", 4) == 0 && all->at[i + 4] == PI_POOL_FAILED)
            all->at[i + 4] = PI_MESSAGES; /* a changed byte has made it */
}

/* In pieces: the other end sees some of them alone. */
static void send_split(int fd, const struct bytes *all)
{
    for (size_t at = 0; at < all->size;) {
        size_t n = 1 + below(1000);
        n = n < all->size - at ? n : all->size - at;
        const struct pi_net_part parts[2] = {{all->at + at, n}, {NULL, 0}};
        if (!pi_net_send(fd, parts))
            return;
        at += n;
    }
}

/* ---- an agent that is hostile ---- */

/* Brings a connection to a state, and returns its socket. */
static int agent_in(const struct hand *hand, unsigned where, uint64_t *number)
{
    *number = 1;
    if (where == 0)
        return pi_net_connect(hand->options.address);
    int fd = peer_join(hand);
    if (where == 1)
        return fd;
    (void)peer_await(fd, PI_HELLO);
    if (where >= 3)
        peer_say_plain(fd, PI_PREPARING);
    if (where < 4)
        return fd;
    peer_say_plain(fd, PI_WELCOME);
    *number = peer_await(fd, PI_SUBMIT);
    return fd;
}

/* What has begun is lost with the connection; what went back to the queue is cancelled. */
static void end_task(posse_future future)
{
    do { /* one that was asked to stop while it ran may go back to the queue */
        (void)posse_cancel(future);
    } while (posse_exception(future, 20, NULL) == POSSE_TIMEOUT);
    assert_ok(posse_release(future));
}

static void honest_agent(const struct hand *hand)
{
    struct pi_envelope envelope;
    struct pi_result result = {.outcome = PI_RETURNED};
    posse_future future = submitted_long(hand->pool, square_task, 4);
    int fd = peer_busy(hand, &result.number);
    pi_result_write(&envelope, &result, 0);
    peer_say(fd, &envelope, NULL, 0);
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_ok(posse_release(future));
    close(fd);
}

/* A place that is idle sees the end of its connection when there is a task for it. */
static void hostile_agent(const struct hand *hand)
{
    posse_future future = submitted_long(hand->pool, square_task, 4);
    unsigned where = below(5);
    uint64_t number;
    int fd = agent_in(hand, where, &number);
    struct bytes all = any_bytes(number);
    change_some(&all);
    send_split(fd, &all);
    if (below(2))
        (void)shutdown(fd, SHUT_WR);
    close(fd);
    end_task(future);
}

TEST(hostile_agents, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    size_t before = peer_most_memory();
    state = test_seed(1u << 30);
    for (long i = 0; i < ROUNDS; i++) {
        hostile_agent(&hand);
        assert_true(stats_of(hand.pool).memory_committed < MOST);
        if (i % 10 == 9)
            honest_agent(&hand);
        if (i % 50 == 49)
            assert_true(peer_most_memory() < before + MOST);
    }
    end_hand(&hand);
}

/* ---- a program that is hostile ---- */

struct agent {
    const struct hand *hand;
    int listener;
    pid_t pid;
};

/* An agent that was refused, or finds nobody, ends in order: another is started. */
static void restart_if_ended(struct agent *a)
{
    int how;
    if (a->pid && waitpid(a->pid, &how, WNOHANG) != a->pid)
        return;
    assert_true(!a->pid || WIFEXITED(how));
    a->pid = start_agent(a->hand, 1);
}

static int next_connection(struct agent *a, bool *has_pool)
{
    for (int tries = 0; tries < PATIENCE_MS; tries++) {
        int64_t joined = -1;
        int fd = pi_net_accept(a->listener, PATIENCE_MS);
        if (fd >= 0)
            joined = peer_try(fd, PI_JOIN);
        *has_pool = joined > 0;
        if (joined >= 0)
            return fd;
        if (fd >= 0)
            close(fd);
        restart_if_ended(a);
        pause_ms(1);
    }
    fail_msg("no agent came");
    return -1;
}

static void say_hello(int fd, bool has_pool)
{
    struct pi_envelope envelope;
    size_t size;
    unsigned char *hello = peer_hello(&size);
    size = has_pool ? 0 : size;
    pi_plain_write(&envelope, PI_HELLO, size);
    peer_say(fd, &envelope, hello, size);
    free(hello);
}

/* A place that is IDLE. */
static int next_place(struct agent *a)
{
    for (;;) {
        bool has_pool;
        int fd = next_connection(a, &has_pool);
        say_hello(fd, has_pool);
        if (peer_try(fd, PI_WELCOME) >= 0)
            return fd;
        close(fd);
    }
}

/* The right modules, and then any options; no hooks, which would run. */
static void say_hostile_hello(int fd)
{
    struct pi_envelope envelope;
    size_t size, hooks = 40, numbers = 48;
    unsigned char *hello = peer_hello(&size), *options = hello + size - numbers - 4;
    for (size_t i = 0; i < numbers; i += 8)
        if (below(3) == 0)
            pi_put(&(struct pi_pack){.at = options + i, .size = 8}, any_number(), 8);
    if (below(3) == 0)
        hello[below((unsigned)(size - numbers - 4 - hooks))] = (unsigned char)random_number();
    size_t said = below(3) ? size : below((unsigned)size + 1);
    pi_plain_write(&envelope, PI_HELLO, below(4) ? said : size);
    peer_say(fd, &envelope, hello, said);
    free(hello);
}

static void submit_sleep(int fd, size_t sent)
{
    const long ms = PATIENCE_MS;
    const struct pi_net_part parts[2] = {{&ms, sent}, {NULL, 0}};
    peer_submit(fd, 1, sleep_task, sizeof ms);
    (void)pi_net_send(fd, parts);
}

static void hostile_program(struct agent *a)
{
    unsigned where = below(6);
    bool has_pool;
    int fd = where < 2 ? next_connection(a, &has_pool) : next_place(a);
    if (where == 1 && !has_pool)
        say_hostile_hello(fd);
    if (where == 3)
        submit_sleep(fd, sizeof(long));
    if (where == 4)
        submit_sleep(fd, below(sizeof(long)));
    if (where == 5) {
        peer_submit(fd, 1, identity_task, 0);
        (void)peer_try(fd, PI_RESULT);
    }
    struct bytes all = any_bytes(1);
    send_split(fd, &all);
    if (below(2))
        (void)shutdown(fd, SHUT_WR);
    close(fd);
}

static void honest_program(struct agent *a)
{
    long value = 4;
    const struct pi_net_part parts[2] = {{&value, sizeof value}, {NULL, 0}};
    int fd = next_place(a);
    peer_submit(fd, 9, square_task, sizeof value);
    assert_true(pi_net_send(fd, parts));
    assert_true(peer_try(fd, PI_RESULT) >= 0);
    close(fd);
}

TEST(hostile_programs, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    struct agent agent = {.hand = &hand, .listener = peer_listen(&hand)};
    size_t before = peer_most_memory();
    state = test_seed(1u << 30);
    for (long i = 0; i < ROUNDS; i++) {
        hostile_program(&agent);
        if (i % 10 == 9)
            honest_program(&agent);
        if (i % 10 == 0)
            assert_true(peer_most_memory() < before + MOST);
    }
    close(agent.listener);
    if (agent.pid)
        assert_true(WIFEXITED(end_of(agent.pid)));
    end_hand(&hand);
}

/* As a tunnel does whose other end is gone: it accepts, and hangs up. */
TEST(a_listener_that_hangs_up_is_nobody, PROCESSES)
{
    struct hand hand = make_by_hand(8, plain());
    int listener = peer_listen(&hand), how = 0;
    pid_t pid = start_agent(&hand, 8), ended = 0;
    close(peer_welcomed(listener));
    for (long end = now_ms() + PATIENCE_MS; ended == 0 && now_ms() < end;) {
        int fd = pi_net_accept(listener, PATIENCE_MS);
        if (fd >= 0)
            close(fd);
        ended = waitpid(pid, &how, WNOHANG);
    }
    close(listener);
    assert_int_equal(ended, pid);
    assert_true(WIFEXITED(how));
    end_hand(&hand);
}

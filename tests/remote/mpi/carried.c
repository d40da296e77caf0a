/* carried.c - messages of the relay's ranks, and the connections that they carry, without MPI: the
 * links are queues of this file. */
#include "support/support.h"

#include "base/tuning.h"
#include "remote/mpi/carry.h"
#include "remote/mpi/ranks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t state;

static unsigned random_below(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

/* ---- messages ---- */

#define ALL ((1u << PI_RELAY_KINDS) - 2)
#define CONNECTIONS 4u

static bool reads(const struct pi_relay_frame *frame, size_t size, unsigned accepts)
{
    static unsigned char message[PI_RELAY_HEAD + PI_RELAY_CHUNK + 1];
    struct pi_relay_frame read;
    pi_relay_write(message, frame);
    return pi_relay_read(message, size, accepts, CONNECTIONS, &read);
}

TEST(messages_that_ranks_send, PROCESSES)
{
    for (uint32_t kind = 0; kind < 2 * PI_RELAY_KINDS; kind++) {
        struct pi_relay_frame frame = {.kind = kind};
        frame.count = kind == PI_RELAY_DATA || kind == PI_RELAY_CREDIT;
        size_t size = PI_RELAY_HEAD + (kind == PI_RELAY_DATA);
        bool there = kind >= 1 && kind < PI_RELAY_KINDS;
        assert_int_equal(reads(&frame, size, ALL | 1), there);
        assert_false(there && reads(&frame, size, ALL & ~(1u << kind)));
        for (size_t other = 0; other < 40; other++)
            assert_int_equal(reads(&frame, other, ALL), there && other == size);
    }
}

TEST(numbers_and_counts_have_bounds, PROCESSES)
{
    const uint32_t most = UINT32_MAX;
    const struct {
        struct pi_relay_frame frame;
        size_t tail;
        bool right;
    } cases[] = {
        {{PI_RELAY_OPEN, CONNECTIONS - 1, 0}, 0, true},
        {{PI_RELAY_OPEN, CONNECTIONS, 0}, 0, false},
        {{PI_RELAY_END, most, 0}, 0, false},
        {{PI_RELAY_END, 0, 1}, 0, false},
        {{PI_RELAY_STOP, 1, 0}, 0, false},
        {{PI_RELAY_DATA, 0, 0}, 0, false},
        {{PI_RELAY_DATA, 0, PI_RELAY_CHUNK}, PI_RELAY_CHUNK, true},
        {{PI_RELAY_DATA, 0, PI_RELAY_CHUNK + 1}, PI_RELAY_CHUNK + 1, false},
        {{PI_RELAY_DATA, 0, 5}, 4, false},
        {{PI_RELAY_DATA, 0, most}, most, false},
        {{PI_RELAY_CREDIT, 0, PI_RELAY_WINDOW}, 0, true},
        {{PI_RELAY_CREDIT, 0, PI_RELAY_WINDOW + 1}, 0, false},
        {{PI_RELAY_CREDIT, 0, most}, 0, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(reads(&cases[i].frame, PI_RELAY_HEAD + cases[i].tail, ALL),
                         cases[i].right);
}

TEST(what_is_read_was_written_and_nothing_behind_the_end, PROCESSES)
{
    state = test_seed(1000000);
    for (long i = 0; i < in_long_run(300000, 10000000); i++) {
        struct pi_relay_frame frame;
        size_t size = random_below(30);
        unsigned char *message = malloc(size ? size : 1); /* a sanitizer sees its end */
        assert_non_null(message);
        for (size_t k = 0; k < size; k++)
            message[k] = random_below(3) ? (unsigned char)random_below(8) : 0;
        if (pi_relay_read(message, size, ALL, CONNECTIONS, &frame)) {
            unsigned char again[PI_RELAY_HEAD];
            pi_relay_write(again, &frame);
            assert_memory_equal(again, message, PI_RELAY_HEAD);
            assert_true(frame.number < CONNECTIONS && frame.count <= PI_RELAY_WINDOW);
        }
        free(message);
    }
}

/* ---- a link of two ends: 0 is rank 0, 1 a node ---- */

#define ROOM 8u
struct message {
    struct pi_relay_frame frame;
    unsigned char bytes[PI_RELAY_CHUNK];
};
static struct way {
    struct message ring[ROOM];
    unsigned oldest, n;
} ways[2]; /* from each end */
static struct pi_carrier ends[2];

unsigned pi_ranks_room(size_t link) { return ROOM - ways[link].n; }

static struct message *next_message(size_t link)
{
    return &ways[link].ring[(ways[link].oldest + ways[link].n) % ROOM];
}

unsigned char *pi_ranks_payload(size_t link) { return next_message(link)->bytes; }

void pi_ranks_send(size_t link, const struct pi_relay_frame *frame)
{
    next_message(link)->frame = *frame;
    ways[link].n++;
}

/* The program's side of the sockets that rank 0 makes, and the node's: by number. */
static int at_program[CONNECTIONS], at_node[CONNECTIONS];

static int make_pair(int *outside)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    *outside = pair[0];
    return pair[1];
}

static void deliver(size_t from)
{
    struct way *way = &ways[from];
    struct pi_carrier *to = &ends[!from];
    const struct message *m = &way->ring[way->oldest];
    if (way->n == 0)
        return;
    if (m->frame.kind == PI_RELAY_OPEN)
        assert_true(pi_carry_open(to, m->frame.number, make_pair(&at_program[m->frame.number])));
    else
        assert_true(pi_carry_hear(to, &m->frame, m->bytes));
    way->oldest = (way->oldest + 1) % ROOM;
    way->n--;
}

static void serve(size_t end)
{
    struct pollfd fds[CONNECTIONS];
    pi_carry_tell(&ends[end]);
    pi_carry_watch(&ends[end], fds);
    if (poll(fds, CONNECTIONS, 0) > 0)
        (void)pi_carry_serve(&ends[end], fds);
}

static void set_up(void)
{
    memset(ways, 0, sizeof ways);
    for (size_t i = 0; i < 2; i++)
        assert_true(pi_carry_init(&ends[i], i, CONNECTIONS));
    ends[0].drains = true;
    for (size_t i = 0; i < CONNECTIONS; i++)
        at_program[i] = at_node[i] = -1;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void clear(void)
{
    for (size_t i = 0; i < 2; i++)
        pi_carry_fini(&ends[i]);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        close_one(&at_program[i]);
        close_one(&at_node[i]);
    }
}

static void go_on(void)
{
    for (size_t end = 0; end < 2; end++) {
        serve(end);
        deliver(end);
    }
}

/* A node's connection; its number. */
static uint32_t begin(void)
{
    int outside;
    assert_true(pi_carry_has_room(&ends[1]));
    pi_carry_begin(&ends[1], make_pair(&outside));
    uint32_t number = 0;
    while (!ends[1].all[number].tell_open)
        number++;
    close_one(&at_node[number]);
    close_one(&at_program[number]);
    at_node[number] = outside;
    for (int i = 0; i < 100 && at_program[number] < 0; i++)
        go_on();
    assert_true(at_program[number] >= 0);
    return number;
}

static bool has_ended(int fd)
{
    char byte;
    for (int i = 0; i < 1000; i++) {
        if (recv(fd, &byte, 1, MSG_PEEK) == 0)
            return true;
        go_on();
    }
    return false;
}

static void assert_all_unused(void)
{
    for (int i = 0; i < 100; i++)
        go_on();
    for (size_t end = 0; end < 2; end++)
        for (size_t i = 0; i < CONNECTIONS; i++) {
            assert_int_equal(ends[end].all[i].state, PI_UNUSED);
            assert_false(ends[end].all[i].tell_end || ends[end].all[i].queue);
        }
}

TEST(the_end_of_one_side_is_that_of_the_other, PROCESSES)
{
    set_up();
    for (int i = 0; i < 20; i++) {
        uint32_t number = begin();
        int *first = i % 2 ? &at_program[number] : &at_node[number];
        int *second = i % 2 ? &at_node[number] : &at_program[number];
        close_one(first);
        if (i % 3 == 0)
            close_one(second); /* both at once */
        else
            assert_true(has_ended(*second));
        close_one(second);
        assert_all_unused();
    }
    clear();
}

TEST(what_waits_for_a_stopped_peer_is_bounded_and_holds_up_no_other, PROCESSES)
{
    static char bytes[1 << 20];
    set_up();
    uint32_t slow = begin(), other = begin();
    size_t sent = 0;
    for (int i = 0; i < 2000; i++) {
        ssize_t n = send(at_program[slow], bytes, sizeof bytes, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        go_on();
    }
    assert_true(sent < 16 * (size_t)PI_RELAY_WINDOW);
    assert_true(ends[1].all[slow].used <= PI_RELAY_WINDOW);
    assert_int_equal(ends[0].all[slow].credit, 0);
    assert_int_equal(send(at_program[other], "x", 1, MSG_NOSIGNAL), 1);
    char byte = 0;
    for (int i = 0; i < 100 && recv(at_node[other], &byte, 1, 0) != 1; i++)
        go_on();
    assert_int_equal(byte, 'x');
    /* Without credit the end is still seen: it is a kill. */
    close_one(&at_program[slow]);
    for (int i = 0; i < 100; i++)
        go_on();
    assert_int_equal(ends[1].all[slow].state, PI_UNUSED);
    close_one(&at_node[slow]);
    close_one(&at_node[other]);
    assert_true(has_ended(at_program[other]));
    close_one(&at_program[other]);
    assert_all_unused();
    clear();
}

/* A result that was sent before the agent died comes whole, however slowly it is read. */
TEST(what_a_node_sent_before_its_end_comes, PROCESSES)
{
    static char bytes[PI_RELAY_WINDOW], got[PI_RELAY_WINDOW];
    set_up();
    uint32_t number = begin();
    size_t sent = 0, come = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 31 >> 3);
    for (int i = 0; i < 1000 && sent < sizeof bytes; i++) {
        ssize_t n = send(at_node[number], bytes + sent, sizeof bytes - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        go_on();
    }
    close_one(&at_node[number]);
    for (int i = 0; i < 100; i++)
        go_on();
    for (int i = 0; i < 100000 && come < sent; i++) {
        ssize_t n = recv(at_program[number], got + come, 1 + random_below(5000), 0);
        come += n > 0 ? (size_t)n : 0;
        go_on();
    }
    assert_int_equal(come, sizeof bytes);
    assert_memory_equal(got, bytes, come);
    assert_true(has_ended(at_program[number]));
    close_one(&at_program[number]);
    assert_all_unused();
    clear();
}

/* ---- any order of steps ---- */

/* Bytes count up, so each side knows what comes next. */
struct stream {
    unsigned char out, in;
};

static void send_some(int fd, struct stream *s)
{
    static unsigned char bytes[60000];
    size_t size = 1 + random_below(sizeof bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(s->out + i);
    ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
    s->out = (unsigned char)(s->out + (n > 0 ? n : 0));
}

static void take_some(int fd, struct stream *s)
{
    static unsigned char bytes[30000]; /* less than is sent, so that it waits */
    ssize_t n = recv(fd, bytes, 1 + random_below(sizeof bytes), 0);
    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(bytes[i], s->in++);
}

static struct stream to_node[CONNECTIONS], to_program[CONNECTIONS];

static void begin_one(void)
{
    if (!pi_carry_has_room(&ends[1]))
        return;
    uint32_t number = begin();
    to_node[number] = to_program[number] = (struct stream){0, 0};
}

static void use_one(uint32_t k)
{
    switch (random_below(4)) {
    case 0: send_some(at_node[k], &to_program[k]); break;
    case 1: send_some(at_program[k], &to_node[k]); break;
    case 2: take_some(at_node[k], &to_node[k]); break;
    default: take_some(at_program[k], &to_program[k]);
    }
}

static void take_step(void)
{
    uint32_t k = random_below(CONNECTIONS);
    switch (random_below(600)) {
    case 0: close_one(&at_node[k]); break;
    case 1: close_one(&at_program[k]); break;
    case 2:
    case 3: begin_one(); break;
    default:
        if (random_below(2))
            use_one(k);
        else if (random_below(2))
            serve(random_below(2));
        else
            deliver(random_below(2));
    }
}

#ifdef SANITIZED
#define STEPS in_long_run(20000, 500000)
#else
#define STEPS in_long_run(200000, 10000000)
#endif

TEST(in_any_order_of_steps_bytes_come_in_theirs, PROCESSES)
{
    state = test_seed(1000000);
    set_up();
    for (long i = 0, steps = STEPS; i < steps; i++)
        take_step();
    for (size_t k = 0; k < CONNECTIONS; k++) {
        close_one(&at_node[k]);
        close_one(&at_program[k]);
    }
    assert_all_unused();
    clear();
}

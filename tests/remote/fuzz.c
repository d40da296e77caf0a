/* fuzz.c - both ends of the protocol, with bytes that no honest peer sends: cut, split, enormous,
 * changed, random. Each end reports an error or waits for more: it does not crash, and it has no
 * more memory than what has come. */
#include "remote/kit/remote.h"

#include "remote/protocol.h"
#include "remote/modules.h"

#include <stdlib.h>
#include <string.h>

#define EVERY_MESSAGE ((1u << PI_MESSAGES) - 1)

static uint64_t state;

static unsigned random_below(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

/* ---- what honest peers send ---- */

struct bytes {
    unsigned char at[70000];
    size_t size;
};

static void append(struct bytes *all, const struct pi_envelope *envelope, size_t tail)
{
    memcpy(all->at + all->size, envelope->bytes, envelope->size);
    all->size += envelope->size;
    memset(all->at + all->size, 'x', tail);
    all->size += tail;
}

static void write_all(struct bytes *all)
{
    struct pi_envelope envelope;
    struct pi_join join = {.version = 1, .pid = 12, .node = "node"};
    struct pi_submit submit = {.number = 7, .fn = {1, 4096}, .n_pointers = 2, .time_left_ms = -1};
    struct pi_result result = {.number = 7, .outcome = PI_LOST, .signal = 11, .exit_code = -1};
    struct pi_told told = {7, {3, 4}};
    all->size = 0;
    pi_join_write(&envelope, &join);
    append(all, &envelope, 0);
    pi_plain_write(&envelope, PI_HELLO, 100);
    append(all, &envelope, 100);
    pi_plain_write(&envelope, PI_WELCOME, 0);
    append(all, &envelope, 0);
    pi_submit_write(&envelope, &submit, 40000);
    append(all, &envelope, 40000);
    pi_number_write(&envelope, PI_CANCEL_TASK, 7, 0);
    append(all, &envelope, 0);
    pi_result_write(&envelope, &result, 0);
    append(all, &envelope, 0);
    pi_plain_write(&envelope, PI_PREPARING, 0);
    append(all, &envelope, 0);
    pi_plain_write(&envelope, PI_POOL_FAILED, 30);
    append(all, &envelope, 30);
    pi_number_write(&envelope, PI_MESSAGE, 7, 500);
    append(all, &envelope, 500);
    pi_told_write(&envelope, PI_PROGRESS, &told);
    append(all, &envelope, 0);
    pi_told_write(&envelope, PI_TAKEN, &told);
    append(all, &envelope, 0);
}

/* ---- a receiver ---- */

struct seen {
    unsigned kinds[20];
    unsigned n;
    uint64_t tails;
    bool wrong;
};

static bool read_head(struct pi_inbox *in)
{
    struct pi_join join;
    struct pi_submit submit;
    struct pi_result result;
    struct pi_told told;
    uint64_t number;
    switch (in->frame.kind) {
    case PI_JOIN: return pi_join_read(&in->head, &join);
    case PI_SUBMIT: return pi_submit_read(&in->head, &submit) && submit.n_pointers <= 2;
    case PI_RESULT: return pi_result_read(&in->head, &result);
    case PI_PROGRESS:
    case PI_TAKEN: return pi_told_read(&in->head, in->frame.kind, &told);
    default: return pi_number_read(&in->head, &number);
    }
}

static void look(struct pi_inbox *in, struct seen *seen)
{
    char tail[1000];
    while (!seen->wrong) {
        size_t got = pi_inbox_take(in, tail, sizeof tail);
        seen->tails += got;
        if (got)
            continue;
        enum pi_arrival arrival = pi_inbox_next(in, EVERY_MESSAGE & ~1u);
        if (arrival == PI_MORE)
            return;
        seen->wrong = arrival == PI_WRONG || !read_head(in);
        if (!seen->wrong && seen->n < 20)
            seen->kinds[seen->n++] = in->frame.kind;
    }
}

/* Bytes arrive in pieces of at most `piece`. */
static struct seen receive(const struct bytes *all, size_t piece)
{
    struct pi_inbox *in = calloc(1, sizeof *in);
    struct seen seen = {.n = 0};
    assert_non_null(in);
    for (size_t at = 0; at < all->size && !seen.wrong;) {
        size_t room;
        void *to = pi_inbox_room(in, &room);
        size_t n = all->size - at < piece ? all->size - at : piece;
        n = n < room ? n : room;
        assert_true(n > 0);
        memcpy(to, all->at + at, n);
        pi_inbox_add(in, n);
        at += n;
        look(in, &seen);
    }
    free(in);
    return seen;
}

static struct bytes honest, changed;

static void assert_all(const struct seen *seen)
{
    const unsigned kinds[] = {PI_JOIN,        PI_HELLO,    PI_WELCOME,   PI_SUBMIT,
                              PI_CANCEL_TASK, PI_RESULT,   PI_PREPARING, PI_POOL_FAILED,
                              PI_MESSAGE,     PI_PROGRESS, PI_TAKEN};
    assert_false(seen->wrong);
    assert_int_equal(seen->n, COUNT(kinds));
    assert_memory_equal(seen->kinds, kinds, sizeof kinds);
    assert_int_equal(seen->tails, 40100 + 30 + 500);
}

/* ---- tests ---- */

TEST(split_anywhere_it_is_the_same, PROCESSES)
{
    write_all(&honest);
    for (size_t piece = 1; piece < 300; piece++) {
        struct seen seen = receive(&honest, piece);
        assert_all(&seen);
    }
    struct seen seen = receive(&honest, sizeof honest.at);
    assert_all(&seen);
}

TEST(cut_anywhere_it_waits, PROCESSES)
{
    write_all(&honest);
    size_t whole = honest.size;
    for (size_t cut = 0; cut < whole; cut += cut < 600 ? 1 : 97) {
        honest.size = cut;
        struct seen seen = receive(&honest, 1000);
        assert_false(seen.wrong);
        assert_true(seen.n <= 11);
    }
}

TEST(changed_bytes_do_no_harm, PROCESSES)
{
    long rounds = in_long_run(30000, 3000000);
    state = test_seed(1u << 30);
    write_all(&honest);
    unsigned wrong = 0;
    for (long i = 0; i < rounds; i++) {
        changed = honest;
        for (unsigned k = 1 + random_below(4); k > 0; k--) {
            size_t at = random_below(3) ? random_below(260) : random_below((unsigned)honest.size);
            changed.at[at] = (unsigned char)random_below(256);
        }
        changed.size = 300 + random_below((unsigned)honest.size - 300);
        wrong += receive(&changed, 1 + random_below(20000)).wrong;
    }
    assert_true(wrong > 0);
}

TEST(random_bytes_are_wrong, PROCESSES)
{
    state = test_seed(1u << 30);
    for (long i = 0; i < in_long_run(20000, 1000000); i++) {
        changed.size = PI_FRAME_SIZE + random_below(600);
        for (size_t k = 0; k < changed.size; k++)
            changed.at[k] = (unsigned char)random_below(256);
        assert_true(receive(&changed, 1 + random_below(700)).wrong);
    }
}

static enum pi_arrival arrival_of(const struct pi_frame *frame, unsigned accepts)
{
    struct pi_inbox *in = calloc(1, sizeof *in);
    size_t room;
    assert_non_null(in);
    pi_frame_write(pi_inbox_room(in, &room), frame);
    pi_inbox_add(in, PI_FRAME_SIZE);
    enum pi_arrival arrival = pi_inbox_next(in, accepts);
    free(in);
    return arrival;
}

TEST(what_is_not_accepted_is_wrong, PROCESSES)
{
    const struct pi_frame frames[] = {
        {PI_NO_MESSAGE, 0, 0},
        {PI_MESSAGES, 0, 0},
        {65535, 0, 0},
        {PI_JOIN, PI_MAX_HEAD + 1, 0},
        {PI_JOIN, 20, 1},
        {PI_HELLO, 8, ((uint64_t)65 << 20) + 1},
        {PI_MESSAGE, 8, ((uint64_t)512 << 20) + 1},
        {PI_POOL_FAILED, 8, PI_TEXT_SIZE},
        {PI_PROGRESS, 24, 1},
        {PI_TAKEN, 16, 1},
        {PI_PREPARING, 8, 1},
        {PI_SUBMIT, 60, UINT64_MAX},
        {PI_RESULT, 60, (uint64_t)1 << 40},
        {PI_CANCEL_TASK, 8, 1},
        {PI_REFUSE, 8, PI_TEXT_SIZE},
    };
    for (size_t i = 0; i < COUNT(frames); i++)
        assert_int_equal(arrival_of(&frames[i], EVERY_MESSAGE & ~1u), PI_WRONG);
    const struct pi_frame submit = {PI_SUBMIT, 0, 10};
    assert_int_equal(arrival_of(&submit, PI_ACCEPT(PI_JOIN)), PI_WRONG); /* before the token */
    assert_int_equal(arrival_of(&submit, PI_ACCEPT(PI_SUBMIT)), PI_HEAD);
}

TEST(hostile_lists_of_modules_are_refused, PROCESSES)
{
    struct pi_modules own, theirs;
    char why[PI_TEXT_SIZE];
    static unsigned char list[1 << 16];
    assert_ok(pi_modules_read(&own));
    size_t size = pi_modules_write(&own, list, sizeof list);
    assert_true(size > 0 && size <= sizeof list);
    struct pi_pack whole = {.at = list, .size = size};
    assert_true(pi_modules_match(&whole, &theirs, why));
    pi_modules_free(&theirs);
    for (size_t cut = 0; cut < size; cut++) {
        struct pi_pack pack = {.at = list, .size = cut};
        assert_false(pi_modules_match(&pack, &theirs, why));
    }
    list[8] ^= 1; /* the build-id of the program */
    struct pi_pack other = {.at = list, .size = size};
    assert_false(pi_modules_match(&other, &theirs, why));
    assert_string_equal(why, "another build of the program, or none");
    pi_modules_free(&own);
}

TEST(functions_travel_only_in_code, PROCESSES)
{
    struct pi_modules own;
    struct pi_place_in place;
    uintptr_t function;
    int local = 0;
    assert_ok(pi_modules_read(&own));
    assert_true(pi_modules_find(&own, (uintptr_t)square_task, &place));
    assert_true(pi_modules_resolve(&own, &place, &function));
    assert_true(function == (uintptr_t)square_task);
    assert_false(pi_modules_find(&own, (uintptr_t)&local, &place));
    const struct pi_place_in wrong[] = {{0, 5}, {1, UINT64_MAX}, {1, 0x7fffffffffff}, {60000, 16}};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(pi_modules_resolve(&own, &wrong[i], &function));
    pi_modules_free(&own);
}

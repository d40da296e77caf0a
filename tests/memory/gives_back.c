/* gives_back.c - an idle pool holds at most 4 MB, whatever it held before. */
#include "kit/kit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IDLE (4 * MB)

static const size_t sizes[] = {100, 1000, 10000, 1000000};

/* Bytes of arguments that are outstanding at a time, and tasks. */
static size_t volume(void) { return (size_t)in_long_run(200, 1000) * MB; }

static long most_tasks(void) { return in_long_run(100000, 1000000); }

static long tasks_of(size_t size)
{
    long tasks = (long)(volume() / size);
    return tasks < most_tasks() ? tasks : most_tasks();
}

static int comes_to_rest(size_t before, const char *after)
{
    size_t first = held();
    bool down = comes_down_to(before + IDLE);
    size_t last = held();
    dprintf(STDOUT_FILENO, "%s: %zu kB, later %zu kB\n", after,
            first > before ? (first - before) / 1024 : 0,
            last > before ? (last - before) / 1024 : 0);
    return down ? 0 : 1;
}

/* ---- tasks that waited for a worker ---- */

static int backlog(size_t size)
{
    char after[64];
    struct load load;
    size_t before = held();
    REQUIRE(hold_workers(&load, default_options()) == 0);
    submit_many(&load, size, tasks_of(size));
    REQUIRE(load.status == POSSE_OK && let_go(&load) == 0);
    snprintf(after, sizeof after, "after %ld tasks of %zu bytes", load.accepted, size);
    REQUIRE(comes_to_rest(before, after) == 0);
    REQUIRE(pool_works(load.pool) == 0 && comes_to_rest(before, "after some work") == 0);
    return end_load(&load);
}

static int backlogs(void *context)
{
    for (size_t i = 0; i < COUNT(sizes); i++)
        REQUIRE(backlog(sizes[i]) == 0);
    return 0;
}

/* ---- tasks without a word, as many as the machine is asked for ---- */

static int many_tasks(void *context)
{
    struct load load;
    size_t before = held();
    REQUIRE(hold_workers(&load, default_options()) == 0);
    submit_many(&load, sizeof(long), most_tasks());
    REQUIRE(load.status == POSSE_OK && let_go(&load) == 0);
    REQUIRE(comes_to_rest(before, "after many tasks") == 0);
    return end_load(&load);
}

/* ---- memory that the program took ---- */

static int blocks(posse_executor *pool, void **memory, size_t size)
{
    long count = tasks_of(size);
    for (long i = 0; i < count; i++) {
        REQUIRE(posse_alloc(pool, size, &memory[i]) == POSSE_OK);
        memset(memory[i], 1, size);
    }
    for (long i = 0; i < count; i++)
        REQUIRE(posse_free(pool, memory[i]) == POSSE_OK);
    return 0;
}

static int allocated(void *memory)
{
    size_t before = held();
    for (size_t i = 0; i < COUNT(sizes); i++) {
        char after[64];
        posse_executor *pool = open_pool(2);
        REQUIRE(pool != NULL && blocks(pool, memory, sizes[i]) == 0);
        snprintf(after, sizeof after, "after blocks of %zu bytes", sizes[i]);
        REQUIRE(comes_to_rest(before, after) == 0);
        REQUIRE(posse_destroy(pool) == POSSE_OK);
    }
    return 0;
}

/* ---- */

static void assert_gives_back(int (*body)(void *), void *context)
{
    if (!tells_held() || available_memory() < 4 * volume()) {
        print_message("too little memory is free, or the system does not show who holds it\n");
        skip();
    }
    assert_guarded((struct guard){.body = body, .context = context});
}

TEST(after_a_backlog, UNSANITIZED(PARALLEL)) { assert_gives_back(backlogs, NULL); }

TEST(after_many_tasks, UNSANITIZED(PARALLEL)) { assert_gives_back(many_tasks, NULL); }

TEST(after_posse_free, UNSANITIZED(ALL))
{
    size_t size = (size_t)most_tasks() * sizeof(void *);
    void *memory = make_shared(size);
    memset(memory, 0, size); /* it is there before anything is measured */
    assert_gives_back(allocated, memory);
    free_shared(memory, size);
}

/* address.c - address space and committed memory of a pool with the default options: no more than
 * the machine has, and what is used, in the program and in each process of the pool.
 */
#include "kit/kit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (100 * MB)
#define SLACK (64 * MB)

/* The processes of a pool that a program has. */
struct family {
    long pids[3];
    const char *names[3];
    size_t count;
};

static struct family family_of(posse_executor *pool)
{
    struct family family = {{(long)getpid()}, {"program", "worker", "supervisor"}, 1};
    if (backend() == POSSE_PROCESS) {
        family.pids[1] = take_long(submitted(pool, process_task, NULL, 0));
        family.pids[2] = take_long(submitted(pool, parent_task, NULL, 0));
        family.count = 3;
    }
    return family;
}

/* Asserts that a figure of each process is at most so much above that of the program before. */
static void assert_grown_at_most(struct family family, size_t (*figure)(long), size_t before,
                                 size_t most)
{
    for (size_t i = 0; i < family.count; i++) {
        size_t now = figure(family.pids[i]);
        assert_true(now > 0);
        if (now > before + most) {
            fail_msg("%s: %zu MB more than before, %zu MB are allowed", family.names[i],
                     (now - before) / MB, most / MB);
        }
    }
}

TEST(address_space_is_at_most_the_memory_of_the_machine, ALL)
{
    size_t before = address_space((long)getpid());
    posse_executor *pool = make_pool(2);
    assert_int_equal(take_long(submitted_long(pool, square_task, 9)), 81);
    assert_grown_at_most(family_of(pool), address_space, before, machine_memory());
    end_pool(pool);
}

TEST(fresh_pool_commits_little, UNSANITIZED(ALL))
{
    size_t before = committed((long)getpid());
    posse_executor *pool = make_pool(2);
    assert_int_equal(take_long(submitted_long(pool, square_task, 9)), 81);
    assert_grown_at_most(family_of(pool), committed, before, SLACK);
    end_pool(pool);
}

TEST(use_commits_what_is_used, UNSANITIZED(ALL))
{
    if (available_memory() < 8 * BLOCK) {
        print_message("too little memory is free\n");
        skip();
    }
    size_t before = committed((long)getpid());
    void *memory = NULL;
    posse_executor *pool = make_pool(2);
    assert_ok(posse_alloc(pool, BLOCK, &memory));
    memset(memory, 1, BLOCK);
    assert_grown_at_most(family_of(pool), committed, before, BLOCK + SLACK);
    assert_ok(posse_free(pool, memory));
    end_pool(pool);
}

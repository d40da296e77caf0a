/* names.c - what ps and a debugger show. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SIZE 16

/* The name of a thread, or a process, with this number. */
static void read_name(long identity, char name[NAME_SIZE])
{
    char path[64];
    snprintf(path, sizeof path,
             backend() == POSSE_THREAD ? "/proc/self/task/%ld/comm" : "/proc/%ld/comm", identity);
    FILE *file = fopen(path, "re");
    name[0] = '\0';
    if (file != NULL) {
        if (fgets(name, NAME_SIZE, file) == NULL)
            name[0] = '\0';
        fclose(file);
    }
    name[strcspn(name, "\n")] = '\0';
}

struct who {
    long worker;
    long identity;
};

static int who_task(posse_task *task, const void *arg, size_t size)
{
    struct who who = {posse_task_worker(task), identity()};
    return pass_gate(*(struct gate *const *)arg) &&
                   posse_task_return(task, &who, sizeof who) == POSSE_OK
               ? 0
               : GAVE_UP;
}

/* All workers are called <prefix>_<number>. */
static void assert_names(posse_executor *pool, int workers, const char *prefix)
{
    posse_future futures[12];
    char name[NAME_SIZE];
    char expected[64];
    struct gate *gate = make_gate(pool);
    for (int i = 0; i < workers; i++)
        futures[i] = SUBMIT_VALUE(pool, who_task, gate);
    await_entered(gate, workers);
    open_gate(gate);
    for (int i = 0; i < workers; i++) {
        struct who who;
        assert_ok(posse_result_into(futures[i], -1, &who, sizeof who, NULL));
        read_name(who.identity, name);
        int digits = snprintf(expected, sizeof expected, "_%ld", who.worker);
        snprintf(expected, sizeof expected, "%.*s_%ld", 15 - digits, prefix, who.worker);
        assert_string_equal(name, expected);
        assert_ok(posse_release(futures[i]));
    }
    free_gate(pool, gate);
}

static posse_executor *make_named(const char *prefix, long workers)
{
    return POOL(workers, .worker_name_prefix = prefix);
}

static void assert_prefix(const char *prefix)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", prefix);
    posse_executor *pool = make_named(copy, 11);
    memset(copy, 0, sizeof copy);
    assert_names(pool, 11, prefix);
    end_pool(pool);
}

TEST(S12_names_assigned, PARALLEL) { assert_prefix("SpecialPool"); }

/* Each pool has its own, also for workers that it starts later. */
TEST(IP24_prefix_of_each_pool, PARALLEL)
{
    posse_executor *tellers = make_named("Teller", 2);
    posse_executor *cooks = make_named("Cook", 3);
    assert_names(cooks, 3, "Cook");
    assert_names(tellers, 2, "Teller");
    assert_ok(posse_resize(tellers, 5));
    assert_eventually(stats_of(tellers).workers == 5);
    assert_names(tellers, 5, "Teller");
    end_pool(cooks);
    end_pool(tellers);
}

TEST(IP25_names_are_cut, PARALLEL)
{
    assert_prefix("a prefix that is much too long");
    assert_prefix("fifteen letters");
    assert_prefix("thirteen char");
    assert_prefix("");
}

/* posse-<number of the executor>: each has another. */
TEST(S13_default_names, PARALLEL)
{
    long numbers[2];
    for (int i = 0; i < 2; i++) {
        char name[NAME_SIZE];
        char *end;
        posse_executor *pool = make_pool(2);
        read_name(take_long(submitted(pool, identity_task, NULL, 0)), name);
        assert_memory_equal(name, "posse-", 6);
        numbers[i] = strtol(name + 6, &end, 10);
        assert_true(numbers[i] > 0 && end[0] == '_' && (end[1] == '0' || end[1] == '1'));
        end_pool(pool);
    }
    assert_int_equal(numbers[1], numbers[0] + 1);
}

TEST(supervisor_has_the_prefix, PROCESSES)
{
    char name[NAME_SIZE];
    posse_executor *pool = make_named("kitchen", 1);
    read_name(take_long(submitted(pool, parent_task, NULL, 0)), name);
    assert_string_equal(name, "kitchen");
    end_pool(pool);
}

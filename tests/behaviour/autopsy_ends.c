/* autopsy_ends.c - tasks of an executor with options.autopsy end in all ways, one after another and
 * side by side: each report is of its own task, and nothing is left. */
#include "pool/pool.h"
#include "support/autopsied.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* ---- posse_kill comes between the two steps of a loss ---- */

static bool kills;

void __wrap_pi_crash_block_attach(posse_executor *e, pi_block_ref ref, uint32_t index,
                                  uint64_t word);
void __real_pi_crash_block_attach(posse_executor *e, pi_block_ref ref, uint32_t index,
                                  uint64_t word);
void __wrap_pi_crash_block_attach(posse_executor *e, pi_block_ref ref, uint32_t index,
                                  uint64_t word)
{
    __real_pi_crash_block_attach(e, ref, index, word);
    if (kills && pi_state(word) == PI_RUNNING)
        (void)pi_slot_transition(&e->segment.slots.at[index], &word, PI_KILLING, 0, PI_EXPIRED);
}

static int dying_task(posse_task *task, const void *arg, size_t size)
{
    posse_task_note(task, "dies");
    return raise(SIGKILL);
}

TEST(killed_while_it_is_lost, PROCESSES)
{
    posse_autopsy_report report = {.struct_size = sizeof report};
    kills = true; /* in the supervisor too, which is forked next */
    posse_executor *pool = AUTOPSIED(1);
    kills = false;
    for (int i = 0; i < 10; i++) {
        posse_future future = submitted(pool, dying_task, NULL, 0);
        assert_status(posse_result(future, -1, NULL, NULL), POSSE_CANCELLED);
        assert_status(posse_autopsy(future, &report), POSSE_END);
        assert_ok(posse_release(future));
    }
    end_autopsied(pool);
}

/* ---- workers that leave ---- */

static int nothing_task(posse_task *task, const void *arg, size_t size) { return 0; }

TEST(replaced_workers_leave_no_block, PROCESSES)
{
    posse_executor *pool = AUTOPSIED(2, .max_tasks_per_worker = 1);
    for (int i = 0; i < 50; i++) {
        posse_future future = submitted(pool, i % 5 ? nothing_task : dying_task, NULL, 0);
        (void)posse_result(future, -1, NULL, NULL);
        assert_ok(posse_release(future));
    }
    end_autopsied(pool);
}

TEST(resized, PROCESSES)
{
    posse_executor *pool = AUTOPSIED(1);
    assert_ok(posse_resize(pool, 20));
    assert_eventually(stats_of(pool).workers_idle == 20);
    assert_int_equal(stats_of(pool).memory_blocks, 20);
    assert_ok(posse_resize(pool, 1));
    assert_eventually(stats_of(pool).workers == 1);
    end_autopsied(pool);
}

/* ---- all ways, side by side ---- */

enum way { ENDS, FAILS, EXITS, CRASHES, OVERRUNS, STAYS, WAITS, WAYS };

struct order {
    long number;
    long way;
};

static posse_fn ended_task;

static int inner_way(posse_task *task, const struct order *order)
{
    posse_future inner;
    struct order of_inner = {order->number, CRASHES};
    if (posse_submit(posse_task_executor(task), ended_task, &of_inner, sizeof of_inner, &inner) !=
        POSSE_OK)
        return GAVE_UP;
    posse_status status = posse_result(inner, -1, NULL, NULL);
    (void)posse_release(inner);
    return status == POSSE_WORKER_LOST ? 0 : INNER_FAILED;
}

static int ended_task(posse_task *task, const void *arg, size_t size)
{
    struct order order;
    memcpy(&order, arg, sizeof order);
    posse_task_note(task, "order %ld", order.number);
    switch (order.way) {
    case ENDS: return return_long(task, order.number);
    case FAILS: return posse_task_fail(task, 1, "a long message, which takes a block of its own");
    case EXITS: _exit(1);
    case CRASHES: return raise(SIGSEGV);
    case WAITS: return inner_way(task, &order);
    default: return pause();
    }
}

/* The report, if the task has one, is of this task. One that overruns its time may not even come to
 * its note. */
static void check_report(posse_future future, long number)
{
    posse_autopsy_report report = {.struct_size = sizeof report};
    char note[32];
    snprintf(note, sizeof note, "order %ld", number);
    posse_status end = posse_result(future, -1, NULL, NULL);
    posse_status status = posse_autopsy(future, &report);
    if (status != POSSE_OK)
        assert_status(status, POSSE_END);
    else if (end != POSSE_DEADLINE || report.note[0])
        assert_string_equal(report.note, note);
    if (end != POSSE_WORKER_LOST && end != POSSE_DEADLINE)
        assert_status(status, POSSE_END);
}

TEST(each_report_is_of_its_task, PROCESSES)
{
    enum { TOGETHER = 40, ROUNDS = 10 };
    posse_executor *pool = AUTOPSIED(4);
    posse_future futures[TOGETHER];
    long number = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < TOGETHER; i++) {
            struct order order = {number + i, (number + i) % WAYS};
            posse_job job = {.fn = ended_task,
                             .arg = &order,
                             .size = sizeof order,
                             .retries = i % 3 ? -1 : 1,
                             .timeout_ms = order.way == OVERRUNS ? 5 : 0};
            futures[i] = submitted_job(pool, job);
        }
        /* All at first: a task that is tried again waits behind those that stay. */
        for (int i = 0; i < TOGETHER; i++)
            if ((number + i) % WAYS == STAYS)
                (void)posse_kill(futures[i]);
        for (int i = 0; i < TOGETHER; i++) {
            if (i % 4)
                check_report(futures[i], number + i);
            assert_ok(posse_release(futures[i]));
        }
        number += TOGETHER;
    }
    end_autopsied(pool);
}

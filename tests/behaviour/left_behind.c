/* left_behind.c - a worker or an executor goes, and others stay: neither too much goes with it nor
 * too little. */
#include "pool/pool.h"
#include "support/support.h"

#include <string.h>
#include <sys/statvfs.h>

/* ---- threads that are still inside a task that has ended for everybody else ---- */

/* An argument that does not fit into the task's slot. */
struct parcel {
    struct gate *gate;
    unsigned char bytes[1000];
};

static struct parcel make_parcel(struct gate *gate)
{
    struct parcel parcel = {.gate = gate};
    memset(parcel.bytes, 'p', sizeof parcel.bytes);
    return parcel;
}

static bool is_whole(const struct parcel *parcel)
{
    struct parcel expected = make_parcel(parcel->gate);
    return memcmp(parcel->bytes, expected.bytes, sizeof expected.bytes) == 0;
}

/* Stays at the gate beyond its deadline; looks at its argument then, and marks in who[1] what it
 * saw. */
static int overstays_task(posse_task *task, const void *arg, size_t size)
{
    const struct parcel *parcel = arg;
    struct gate *gate = parcel->gate;
    enter_gate(gate);
    for (long end = now_ms() + PATIENCE_MS; !atomic_load(&gate->open); pause_ms(1))
        if (now_ms() > end)
            return GAVE_UP;
    atomic_store(&gate->who[1], is_whole(parcel) ? 1 : 2);
    atomic_fetch_add(&gate->passed, 1);
    return 0;
}

/* Has its task run by another thread, until its deadline. */
static int submits_overstaying_task(posse_task *task, const void *arg, size_t size)
{
    const struct parcel *parcel = arg;
    posse_job job = {.struct_size = sizeof job,
                     .fn = overstays_task,
                     .arg = arg,
                     .size = size,
                     .timeout_ms = 50};
    posse_future inner;
    if (posse_submit_with(posse_task_executor(task), &job, &inner) != POSSE_OK)
        return INNER_FAILED;
    for (long end = now_ms() + PATIENCE_MS; atomic_load(&parcel->gate->entered) == 0; pause_ms(1))
        if (now_ms() > end)
            return GAVE_UP;
    posse_status status = posse_result(inner, -1, NULL, NULL);
    posse_release(inner);
    return status == POSSE_DEADLINE ? 0 : INNER_FAILED;
}

/* What a worker's tasks submitted is cleared away when it leaves, but not what a thread is still
 * inside of. */
TEST(argument_outlives_its_submitter, THREADS)
{
    int threads = count_threads();
    posse_executor *pool = make_pool(2);
    struct gate *gate = make_gate(pool);
    struct parcel parcel = make_parcel(gate);
    take_error(SUBMIT_VALUE(pool, submits_overstaying_task, parcel), POSSE_OK);
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT, 0));
    assert_eventually(count_threads() <= threads + 2); /* that one, and one that may watch */
    pause_ms(50);                                      /* clearing away would have time to show */
    assert_int_equal(stats_of(pool).memory_blocks, 2); /* the gate and the argument */
    open_gate(gate);
    assert_eventually(atomic_load(&gate->passed) == 1);
    assert_int_equal(atomic_load(&gate->who[1]), 1);
    assert_ok(posse_shutdown(pool, 0, -1));
    free_gate(pool, gate);
    end_pool(pool);
}

static int leaves_thread_task(posse_task *task, const void *arg, size_t size)
{
    (void)overstays_task(task, arg, size);
    pthread_exit(NULL);
}

/* Nothing of the task before is left in the slot, above all not its deadline. */
static void assert_next_is_left_alone(posse_executor *pool)
{
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    await_entered(gate, 1);
    await_rounds(pool);
    open_gate(gate);
    (void)take_long(future);
    free_gate(pool, gate);
}

static void assert_slot_is_freed(bool released_before)
{
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    struct parcel parcel = make_parcel(gate);
    posse_future future = submitted_job(pool, (posse_job){.fn = leaves_thread_task,
                                                          .arg = &parcel,
                                                          .size = sizeof parcel,
                                                          .timeout_ms = 30});
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_DEADLINE);
    if (released_before)
        assert_ok(posse_release(future));
    open_gate(gate);
    assert_eventually(atomic_load(&gate->passed) == 1);
    if (!released_before)
        take_error(future, POSSE_DEADLINE);
    assert_eventually(stats_of(pool).futures == 0 && stats_of(pool).workers == 1);
    assert_next_is_left_alone(pool);
    free_gate(pool, gate);
    end_pool(pool);
}

/* The task never returns, and yet the last trace of it goes with its thread. */
TEST(pthread_exit_after_the_deadline, THREADS) { assert_slot_is_freed(false); }

TEST(pthread_exit_of_a_released_task, THREADS) { assert_slot_is_freed(true); }

/* ---- a worker that is being killed ---- */

/* The future of a task that waits for a worker, for the task that the worker runs now. */
struct letter {
    _Atomic int sent;
    posse_future other;
};

/* Waits for the other task only when it is told to end: it must not start it now. */
static int waits_while_killed_task(posse_task *task, const void *arg, size_t size)
{
    struct letter *letter = *(struct letter *const *)arg;
    atomic_store(&letter->sent, 1);
    for (long end = now_ms() + PATIENCE_MS; !posse_task_cancelled(task);)
        if (now_ms() > end)
            return GAVE_UP;
    return (int)posse_result(letter->other, -1, NULL, NULL);
}

POOL_TEST(kill_spares_what_the_task_waits_for, PROCESSES, 1)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct letter), &memory));
    struct letter *letter = memory;
    for (int i = 0; i < 40; i++) {
        atomic_store(&letter->sent, 0);
        posse_future waiter = SUBMIT_VALUE(pool, waits_while_killed_task, letter);
        assert_eventually(atomic_load(&letter->sent));
        letter->other = submitted_long(pool, sleep_task, 20);
        assert_ok(posse_kill(waiter));
        take_error(waiter, POSSE_CANCELLED);
        assert_int_equal(take_long(letter->other), 20);
    }
    assert_ok(posse_free(pool, letter));
}

/* ---- an executor beside another one ---- */

static size_t bytes_in_use(void)
{
    struct statvfs shm;
    assert_int_equal(statvfs("/dev/shm", &shm), 0);
    return (size_t)(shm.f_blocks - shm.f_bfree) * shm.f_frsize;
}

/* The later one's processes were forked while the earlier one's memory was there; they must not
 * hold it. */
TEST(memory_of_a_destroyed_executor, PROCESSES)
{
    const size_t size = (size_t)32 << 20;
    posse_executor *earlier = make_pool(1);
    void *memory = NULL;
    assert_ok(posse_alloc(earlier, size, &memory));
    memset(memory, 1, size);
    posse_executor *later = make_pool(1);
    size_t with_both = bytes_in_use();
    assert_ok(posse_destroy(earlier));
    assert_eventually(bytes_in_use() + size / 2 < with_both); /* others use /dev/shm too */
    take_long(submitted(later, identity_task, NULL, 0));
    end_pool(later);
}

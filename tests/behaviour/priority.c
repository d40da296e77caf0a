/* priority.c - which of the tasks that wait is taken next. A gate holds the only worker while they
 * are submitted, and each task writes down its number when it runs. */
#include "base/tuning.h"
#include "support/support.h"

#include <signal.h>
#include <string.h>

#define MANY 4000
#define PLACES (2 * MANY + 100)

/* Lies in memory from posse_alloc. */
struct diary {
    _Atomic long n;
    _Atomic long at[PLACES];
};

struct scene {
    posse_executor *pool;
    struct gate *gate;
    struct diary *diary;
    posse_future held;
};

struct note {
    struct diary *diary;
    long number;
};

static int note_task(posse_task *task, const void *arg, size_t size)
{
    const struct note *note = arg;
    long at = atomic_fetch_add(&note->diary->n, 1);
    if (at < PLACES)
        atomic_store(&note->diary->at[at], note->number);
    return 0;
}

static struct scene hold_worker(posse_options options)
{
    struct scene scene = {.pool = make_pool_with(options)};
    void *memory = NULL;
    assert_ok(posse_alloc(scene.pool, sizeof *scene.diary, &memory));
    scene.diary = memset(memory, 0, sizeof *scene.diary);
    scene.gate = make_gate(scene.pool);
    scene.held = submitted_hold(scene.pool, scene.gate);
    await_entered(scene.gate, 1);
    return scene;
}

static void submit_note(const struct scene *scene, long priority, long number)
{
    struct note note = {scene->diary, number};
    posse_job job = {.struct_size = sizeof job,
                     .fn = note_task,
                     .arg = &note,
                     .size = sizeof note,
                     .priority = priority};
    assert_ok(posse_submit_with(scene->pool, &job, NULL));
}

/* Asserts that `expected` tasks ran. */
static void let_run(const struct scene *scene, long expected)
{
    open_gate(scene->gate);
    (void)take_long(scene->held);
    assert_eventually(atomic_load(&scene->diary->n) == expected);
}

static void end_scene(const struct scene *scene)
{
    assert_ok(posse_free(scene->pool, scene->diary));
    free_gate(scene->pool, scene->gate);
    end_pool(scene->pool);
}

static long noted(const struct scene *scene, long at) { return atomic_load(&scene->diary->at[at]); }

static long place_of(const struct scene *scene, long number)
{
    for (long at = 0; at < PLACES; at++)
        if (noted(scene, at) == number)
            return at;
    fail_msg("task %ld did not run", number);
    return -1;
}

TEST(high_then_normal_then_low, PARALLEL)
{
    struct scene scene = hold_worker(OPTIONS(1));
    const long priorities[] = {POSSE_PRIORITY_LOW, POSSE_PRIORITY_NORMAL, POSSE_PRIORITY_HIGH};
    for (long i = 0; i < 15; i++)
        submit_note(&scene, priorities[i % 3], i % 3 * 100 + i);
    let_run(&scene, 15);
    for (long i = 0; i < 15; i++)
        assert_int_equal(noted(&scene, i), (2 - i / 5) * 100 + i % 5 * 3 + (2 - i / 5));
    end_scene(&scene);
}

/* However many wait: when a worker has ended its task, the urgent one is next. */
TEST(urgent_behind_thousands, PARALLEL)
{
    struct scene scene = hold_worker(OPTIONS(1));
    struct gate *second = make_gate(scene.pool);
    for (long i = 0; i < MANY; i++)
        submit_note(&scene, POSSE_PRIORITY_NORMAL, 1);
    posse_future middle = submitted_hold(scene.pool, second);
    for (long i = 0; i < MANY; i++)
        submit_note(&scene, POSSE_PRIORITY_NORMAL, 1);
    open_gate(scene.gate);
    (void)take_long(scene.held);
    await_entered(second, 1);
    assert_int_equal(atomic_load(&scene.diary->n), MANY);
    submit_note(&scene, POSSE_PRIORITY_HIGH, 2);
    open_gate(second);
    (void)take_long(middle);
    assert_eventually(atomic_load(&scene.diary->n) == 2 * MANY + 1);
    assert_int_equal(place_of(&scene, 2), MANY);
    free_gate(scene.pool, second);
    end_scene(&scene);
}

/* A LOW task waits no longer than posse.h says, whatever else waits, ... */
static void low_task_runs(posse_options options, long others, long priority, long last)
{
    struct scene scene = hold_worker(options);
    submit_note(&scene, POSSE_PRIORITY_LOW, 2);
    for (long i = 0; i < others; i++)
        submit_note(&scene, priority, 1);
    let_run(&scene, others + 1);
    assert_in_range(place_of(&scene, 2), 1, last - 1);
    end_scene(&scene);
}

TEST(low_is_one_of_32_beside_normal, PARALLEL)
{
    low_task_runs(OPTIONS(1), MANY, POSSE_PRIORITY_NORMAL, PI_CLAIMS_PER_LOW);
}

TEST(low_is_one_of_32_beside_high, PARALLEL)
{
    low_task_runs(OPTIONS(1), MANY, POSSE_PRIORITY_HIGH, PI_CLAIMS_PER_LOW);
}

/* ... also if no worker lives as long as that. */
TEST(low_is_one_of_32_of_many_workers, PARALLEL)
{
    low_task_runs(OPTIONS(1, .max_tasks_per_worker = 1), 3 * PI_CLAIMS_PER_LOW,
                  POSSE_PRIORITY_NORMAL, PI_CLAIMS_PER_LOW);
}

/* A task that submits its successor, until the LOW one has run. */
struct stream {
    _Atomic long low_has_run, ended;
    long left; /* of those that may come */
};

static int stream_task(posse_task *task, const void *arg, size_t size)
{
    struct stream *stream = *(struct stream *const *)arg;
    if (atomic_load(&stream->low_has_run) || --stream->left < 0) {
        atomic_store(&stream->ended, 1);
        return 0;
    }
    return posse_submit(posse_task_executor(task), stream_task, arg, size, NULL) != POSSE_OK;
}

POOL_TEST(low_runs_beside_an_endless_stream, PARALLEL, 1)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct stream), &memory));
    struct stream *stream = memset(memory, 0, sizeof *stream);
    stream->left = 1000000;
    for (int i = 0; i < 3; i++)
        assert_ok(posse_submit(pool, stream_task, &stream, sizeof stream, NULL));
    _Atomic long *flag = &stream->low_has_run;
    posse_job job = {
        .fn = count_task, .arg = &flag, .size = sizeof flag, .priority = POSSE_PRIORITY_LOW};
    (void)take_error(submitted_job(pool, job), POSSE_OK);
    assert_eventually(atomic_load(&stream->ended));
    assert_true(stream->left > 0);
    assert_eventually(stats_of(pool).queued + stats_of(pool).running == 0);
    assert_ok(posse_free(pool, stream));
}

/* ---- attempts, and tasks of tasks ---- */

/* Comes to its gate at the first attempt, and takes its worker with it. */
struct fatal {
    struct note note;
    struct gate *gate;
};

static int fatal_task(posse_task *task, const void *arg, size_t size)
{
    const struct fatal *fatal = arg;
    if (posse_task_attempt(task) > 1)
        return note_task(task, &fatal->note, sizeof fatal->note);
    if (pass_gate(fatal->gate))
        raise(SIGKILL);
    return GAVE_UP;
}

static void assert_retry_runs_at(long priority, long place)
{
    struct scene scene = hold_worker(OPTIONS(1));
    struct fatal fatal = {{scene.diary, 2}, make_gate(scene.pool)};
    posse_future future = submitted_job(scene.pool, (posse_job){.fn = fatal_task,
                                                                .arg = &fatal,
                                                                .size = sizeof fatal,
                                                                .retries = 1,
                                                                .priority = priority});
    open_gate(scene.gate);
    (void)take_long(scene.held);
    await_entered(fatal.gate, 1);
    for (long i = 0; i < 5; i++)
        submit_note(&scene, POSSE_PRIORITY_NORMAL, 1);
    open_gate(fatal.gate);
    assert_int_equal(take_error(future, POSSE_OK).attempt, 2);
    assert_eventually(atomic_load(&scene.diary->n) == 6);
    assert_int_equal(place_of(&scene, 2), place);
    free_gate(scene.pool, fatal.gate);
    end_scene(&scene);
}

TEST(retry_of_a_high_task, PROCESSES) { assert_retry_runs_at(POSSE_PRIORITY_HIGH, 0); }

TEST(retry_of_a_low_task, PROCESSES) { assert_retry_runs_at(POSSE_PRIORITY_LOW, 5); }

/* Submits three tasks, one of each priority, and waits for the last. */
static int nest_task(posse_task *task, const void *arg, size_t size)
{
    long sum = 0, value;
    for (long priority = POSSE_PRIORITY_LOW; priority <= POSSE_PRIORITY_HIGH; priority++) {
        posse_job job = {.struct_size = sizeof job,
                         .fn = square_task,
                         .arg = &(long){priority + 3},
                         .size = sizeof(long),
                         .priority = priority};
        posse_future future;
        if (posse_submit_with(posse_task_executor(task), &job, &future) != POSSE_OK ||
            posse_result_into(future, -1, &value, sizeof value, NULL) != POSSE_OK ||
            posse_release(future) != POSSE_OK)
            return INNER_FAILED;
        sum += value;
    }
    return return_long(task, sum);
}

POOL_TEST(tasks_of_tasks, ALL, 1)
{
    for (long priority = POSSE_PRIORITY_LOW; priority <= POSSE_PRIORITY_HIGH; priority++) {
        posse_job job = {.fn = nest_task, .priority = priority};
        assert_int_equal(take_long(submitted_job(pool, job)), 4 + 9 + 16);
    }
}

static int note_item(posse_task *task, const void *const *items, void *result)
{
    return note_task(task, items[0], sizeof(struct note));
}

TEST(tasks_of_a_map, PARALLEL)
{
    struct scene scene = hold_worker(OPTIONS(1));
    struct note notes[6];
    posse_input input = {notes, sizeof notes[0], 0};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = note_item,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = COUNT(notes),
                         .chunksize = 1,
                         .buffersize = COUNT(notes),
                         .priority = POSSE_PRIORITY_HIGH};
    posse_map_iter *map;
    for (size_t i = 0; i < COUNT(notes); i++)
        notes[i] = (struct note){scene.diary, 2};
    submit_note(&scene, POSSE_PRIORITY_NORMAL, 1);
    assert_ok(posse_map_open(scene.pool, &job, &map));
    let_run(&scene, 1 + COUNT(notes));
    assert_int_equal(place_of(&scene, 1), COUNT(notes));
    assert_ok(posse_map_close(map));
    end_scene(&scene);
}

/* autopsy_kept.c - what is kept of a lost task beside its crash: its note and its argument. And
 * what posse_autopsy says of all other tasks, and of a record that was overwritten. */
#include "core/crash_record.h"
#include "pool/pool.h"
#include "support/autopsied.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- notes ---- */

static int die(void) { return raise(SIGKILL); }

static int noting_task(posse_task *task, const void *arg, size_t size)
{
    for (int page = 1; page <= 7; page++)
        posse_task_note(task, "page %d of %s", page, "nine");
    return die();
}

AUTOPSY_TEST(last_note_counts, 1)
{
    char text[1000];
    posse_job job = {.fn = noting_task, .name = "thumbnail"};
    posse_future future = submitted_job(pool, job);
    posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
    assert_string_equal(report.note, "page 7 of nine");
    assert_int_equal(report.signal, 0);
    size_t length = posse_autopsy_text(future, text, sizeof text);
    assert_int_equal(length, strlen(text));
    assert_true(strncmp(text, "thumbnail: finished: worker ", 28) == 0);
    assert_non_null(strstr(text, "\n  note: page 7 of nine\n"));
    assert_int_equal(posse_autopsy_text(future, NULL, 0), length);
    char cut[20];
    assert_int_equal(posse_autopsy_text(future, cut, sizeof cut), length);
    assert_memory_equal(cut, text, sizeof cut - 1);
    assert_int_equal(cut[sizeof cut - 1], '\0');
    assert_ok(posse_release(future));
}

static int ill_noting_task(posse_task *task, const void *arg, size_t size)
{
    char text[1000];
    memset(text, 'x', sizeof text);
    memcpy(text, "\033[31m\n", 6);
    text[sizeof text - 1] = '\0';
    posse_task_note(task, "%s", text);
    return die();
}

AUTOPSY_TEST(note_is_cut_and_clean, 1)
{
    posse_future future = submitted(pool, ill_noting_task, NULL, 0);
    posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
    assert_int_equal(strlen(report.note), sizeof report.note - 1);
    assert_memory_equal(report.note, "?[31m?xxx", 9);
    assert_ok(posse_release(future));
}

static int quiet_noting_task(posse_task *task, const void *arg, size_t size)
{
    posse_task_note(task, "of another task");
    return 0;
}

static int dying_task(posse_task *task, const void *arg, size_t size) { return die(); }

AUTOPSY_TEST(note_of_an_earlier_task_is_not_shown, 1)
{
    posse_future first = submitted(pool, quiet_noting_task, NULL, 0);
    assert_ok(posse_result(first, -1, NULL, NULL));
    posse_future future = submitted(pool, dying_task, NULL, 0);
    assert_string_equal(report_of(future, POSSE_WORKER_LOST).note, "");
    assert_ok(posse_release(future));
    assert_ok(posse_release(first));
}

static int attempt_noting_task(posse_task *task, const void *arg, size_t size)
{
    if (posse_task_attempt(task) < 3)
        posse_task_note(task, "attempt %d", posse_task_attempt(task));
    return posse_task_attempt(task) < *(const long *)arg ? die() : 0;
}

AUTOPSY_TEST(report_is_of_the_last_attempt, 2, .retries = 2)
{
    long good = 3;
    posse_future future = SUBMIT_VALUE(pool, attempt_noting_task, good);
    posse_autopsy_report report = {.struct_size = sizeof report};
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_status(posse_autopsy(future, &report), POSSE_END);
    assert_ok(posse_release(future));
    good = 4;
    future = SUBMIT_VALUE(pool, attempt_noting_task, good);
    assert_string_equal(report_of(future, POSSE_WORKER_LOST).note, "");
    assert_ok(posse_release(future));
    posse_job job = {.fn = attempt_noting_task, .arg = &good, .size = sizeof good, .retries = 1};
    future = submitted_job(pool, job);
    assert_string_equal(report_of(future, POSSE_WORKER_LOST).note, "attempt 2");
    assert_ok(posse_release(future));
}

static int late_noting_task(posse_task *task, const void *arg, size_t size)
{
    posse_task_note(task, "too slow");
    while (pause() != 0)
        ;
    return 0;
}

AUTOPSY_TEST(task_that_passed_its_deadline, 1)
{
    posse_job job = {.fn = late_noting_task, .timeout_ms = 20};
    char note[256] = "";
    for (int i = 0; i < 100 && note[0] == '\0'; i++) { /* it may not even come to its note */
        posse_future future = submitted_job(pool, job);
        memcpy(note, report_of(future, POSSE_DEADLINE).note, sizeof note);
        assert_ok(posse_release(future));
    }
    assert_string_equal(note, "too slow");
}

static void *note_on(void *task)
{
    for (int i = 0; i < 2000; i++)
        posse_task_note(task, "%s", i % 2 ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" : "bbbbbbbbbb");
    return NULL;
}

static int threads_noting_task(posse_task *task, const void *arg, size_t size)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, note_on, task) != 0)
            return GAVE_UP;
    note_on(task);
    return die();
}

AUTOPSY_TEST(note_is_never_torn, 1)
{
    for (int i = 0; i < 20; i++) {
        posse_future future = submitted(pool, threads_noting_task, NULL, 0);
        posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
        assert_true(strcmp(report.note, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") == 0 ||
                    strcmp(report.note, "bbbbbbbbbb") == 0 || strcmp(report.note, "") == 0);
        assert_ok(posse_release(future));
    }
}

/* ---- what has no report ---- */

AUTOPSY_TEST(task_that_has_not_ended, 1)
{
    posse_autopsy_report report = {.struct_size = sizeof report};
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_status(posse_autopsy(future, &report), POSSE_TIMEOUT);
    assert_status(posse_autopsy_save(future, "/nowhere/at/all"), POSSE_TIMEOUT);
    open_gate(gate);
    take_long(future);
    assert_status(posse_autopsy(future, &report), POSSE_INVALID);
    free_gate(pool, gate);
}

TEST(without_the_option, PROCESSES)
{
    posse_autopsy_report report = {.struct_size = sizeof report};
    posse_executor *pool = POOL(1);
    posse_future future = submitted(pool, noting_task, NULL, 0);
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_status(posse_autopsy(future, &report), POSSE_END);
    assert_status(posse_autopsy_save(future, "/nowhere/at/all"), POSSE_END);
    assert_ok(posse_release(future));
    end_pool(pool);
}

TEST(other_backends, THREADS | INLINE)
{
    posse_executor *pool = NULL;
    posse_options options = OPTIONS(1, .autopsy = 1);
    assert_status(posse_create(&options, &pool), POSSE_NOT_SUPPORTED);
    assert_string_equal(posse_last_error(),
                        "options.autopsy: only worker processes crash alone, on Linux");
    pool = POOL(1);
    posse_future future = submitted(pool, quiet_noting_task, NULL, 0);
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_ok(posse_release(future));
    end_pool(pool);
}

TEST(bad_input, PROCESSES)
{
    posse_executor *pool = NULL;
    posse_options options = OPTIONS(1, .autopsy = 2);
    posse_autopsy_report report = {.struct_size = 0};
    posse_frame frame = {.struct_size = sizeof frame};
    assert_status(posse_create(&options, &pool), POSSE_INVALID);
    assert_status(posse_autopsy((posse_future){0}, &report), POSSE_INVALID);
    assert_status(posse_autopsy((posse_future){0}, NULL), POSSE_INVALID);
    assert_status(posse_autopsy_frame((posse_future){0}, 0, &frame), POSSE_INVALID);
    assert_status(posse_autopsy_save((posse_future){0}, "/tmp"), POSSE_INVALID);
    assert_status(posse_replay(NULL, noting_task), POSSE_INVALID);
    char text[20];
    assert_int_equal(posse_autopsy_text((posse_future){0}, text, sizeof text), strlen("stale\n"));
    posse_task_note(NULL, "nobody");
}

static int asked_in_child(void *future)
{
    posse_autopsy_report report = {.struct_size = sizeof report};
    REQUIRE(posse_autopsy(*(posse_future *)future, &report) == POSSE_WRONG_PROCESS);
    return 0;
}

AUTOPSY_TEST(in_a_forked_child, 1)
{
    posse_future future = submitted(pool, noting_task, NULL, 0);
    (void)report_of(future, POSSE_WORKER_LOST);
    assert_child(asked_in_child, &future);
    assert_ok(posse_release(future));
}

/* ---- a record that the task has overwritten ---- */

static int scribbling_task(posse_task *task, const void *arg, size_t size)
{
    struct pi_crash_record *record = posse_task_executor(task)->crash_record;
    unsigned seed;
    memcpy(&seed, arg, sizeof seed);
    uint64_t magic = record->magic;
    for (size_t i = 0; i < sizeof *record; i++)
        ((volatile unsigned char *)record)[i] =
            seed < 2 ? (unsigned char)-seed : (unsigned char)rand_r(&seed);
    if (seed % 4)
        record->magic = magic;
    if (seed % 3 == 0)
        atomic_store(&record->note, 1 + seed % 2);
    if (seed % 5 == 0)
        record->crash.signal = SIGSEGV;
    return seed % 2 ? die() : raise(SIGSEGV);
}

AUTOPSY_TEST(record_is_not_believed, 1)
{
    static char text[32768];
    posse_frame frame = {.struct_size = sizeof frame};
    for (unsigned seed = 0; seed < 200; seed++) {
        posse_future future = SUBMIT_VALUE(pool, scribbling_task, seed);
        posse_autopsy_report report = {.struct_size = sizeof report};
        assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
        posse_status status = posse_autopsy(future, &report);
        assert_true(status == POSSE_OK || status == POSSE_END);
        assert_in_range(report.n_frames, 0, POSSE_MAX_FRAMES);
        assert_in_range(strnlen(report.note, sizeof report.note), 0, sizeof report.note - 1);
        for (size_t i = 0; i < report.n_frames; i++)
            assert_ok(posse_autopsy_frame(future, i, &frame));
        assert_in_range(posse_autopsy_text(future, text, sizeof text), 1, sizeof text);
        for (const char *at = text; *at; at++)
            assert_true((unsigned char)*at >= ' ' || *at == '\n');
        assert_ok(posse_release(future));
    }
}

/* It may even give its block to others. */
static int freeing_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *e = posse_task_executor(task);
    return posse_free(e, e->crash_record) == POSSE_OK ? die() : 0;
}

AUTOPSY_TEST(record_that_was_freed, 1)
{
    posse_autopsy_report report = {.struct_size = sizeof report};
    posse_future future = submitted(pool, freeing_task, NULL, 0);
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_status(posse_autopsy(future, &report), POSSE_END);
    assert_ok(posse_release(future));
    future = submitted(pool, noting_task, NULL, 0);
    assert_string_equal(report_of(future, POSSE_WORKER_LOST).note, "page 7 of nine");
    assert_ok(posse_release(future));
}

/* Without memory a worker has no record; the pool goes on. */
AUTOPSY_TEST(no_memory_for_a_record, 1, .max_memory = (size_t)1 << 20)
{
    enum { MANY = 4096 };
    static void *taken[MANY];
    posse_autopsy_report report = {.struct_size = sizeof report};
    int n = 0;
    for (size_t size = 65536; size >= 64; size /= 2)
        while (n < MANY && posse_alloc(pool, size, &taken[n]) == POSSE_OK)
            n++;
    posse_future first = submitted(pool, noting_task, NULL, 0);
    assert_string_equal(report_of(first, POSSE_WORKER_LOST).note, "page 7 of nine");
    posse_future second = submitted(pool, noting_task, NULL, 0);
    assert_status(posse_result(second, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_status(posse_autopsy(second, &report), POSSE_END);
    while (n > 0)
        assert_ok(posse_free(pool, taken[--n]));
    assert_ok(posse_release(first));
    assert_ok(posse_release(second));
    assert_eventually(stats_of(pool).workers_started == 3);
    posse_future third = submitted(pool, dying_task, NULL, 0);
    assert_status(posse_result(third, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_ok(posse_release(third));
    posse_future fourth = submitted(pool, noting_task, NULL, 0);
    assert_string_equal(report_of(fourth, POSSE_WORKER_LOST).note, "page 7 of nine");
    assert_ok(posse_release(fourth));
}

/* ---- arguments ---- */

static _Atomic size_t replayed;

static int crashing_on_arg(posse_task *task, const void *arg, size_t size)
{
    const unsigned char *bytes = arg;
    size_t right = 0;
    while (right < size && bytes[right] == (unsigned char)(right * 7))
        right++;
    atomic_store(&replayed, right);
    return posse_task_worker(task) == 0 && right == size && getenv("POSSE_TEST_REPLAY") == NULL
               ? die()
               : 5;
}

static void assert_replays(posse_executor *pool, const char *path, size_t size)
{
    unsigned char *arg = malloc(size + 1);
    assert_non_null(arg);
    for (size_t i = 0; i < size; i++)
        arg[i] = (unsigned char)(i * 7);
    posse_future future = submitted(pool, crashing_on_arg, size ? arg : NULL, size);
    free(arg);
    (void)report_of(future, POSSE_WORKER_LOST);
    assert_ok(posse_autopsy_save(future, path));
    assert_ok(posse_release(future));
    atomic_store(&replayed, size + 1);
    assert_status(posse_replay(path, crashing_on_arg), POSSE_TASK_FAILED);
    assert_int_equal(atomic_load(&replayed), size);
}

AUTOPSY_TEST(saved_argument, 1)
{
    static const size_t sizes[] = {0, 1, 16, 64, 65, 5000, 300000};
    char path[] = "/tmp/posse-autopsy-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "no argument", 11), 11);
    assert_int_equal(setenv("POSSE_TEST_REPLAY", "1", 1), 0); /* workers have none */
    assert_status(posse_replay(path, crashing_on_arg), POSSE_INVALID);
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_replays(pool, path, sizes[i]);
    assert_int_equal(ftruncate(fd, 5000), 0);
    assert_status(posse_replay(path, crashing_on_arg), POSSE_INVALID);
    assert_int_equal(unsetenv("POSSE_TEST_REPLAY"), 0);
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_status(posse_replay(path, crashing_on_arg), POSSE_SYSTEM);
    assert_int_equal(errno, ENOENT);
}

/* Nobody is at its other end, and neither call waits for somebody. */
AUTOPSY_TEST(a_fifo_blocks_nobody, 1)
{
    char directory[] = "/tmp/posse-autopsy-XXXXXX", path[64];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/fifo", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    posse_future future = submitted(pool, dying_task, "x", 1);
    (void)report_of(future, POSSE_WORKER_LOST);
    assert_status(posse_autopsy_save(future, path), POSSE_SYSTEM);
    assert_int_equal(errno, ENXIO);
    assert_ok(posse_release(future));
    assert_status(posse_replay(path, crashing_on_arg), POSSE_INVALID);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_status(posse_replay(path, crashing_on_arg), POSSE_INVALID);
    close(reader);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
    assert_status(posse_replay("/dev/zero", crashing_on_arg), POSSE_INVALID);
    assert_status(posse_replay("/tmp", crashing_on_arg), POSSE_INVALID);
}

/* A write that would send a signal to the program gives a status. */
struct saving {
    posse_executor *pool;
    posse_future future;
};

static int begin_saving(struct saving *saving)
{
    static const char arg[50000];
    posse_options options = OPTIONS(1, .autopsy = 1);
    REQUIRE(posse_create(&options, &saving->pool) == POSSE_OK);
    REQUIRE(posse_submit(saving->pool, dying_task, arg, sizeof arg, &saving->future) == POSSE_OK);
    REQUIRE(posse_result(saving->future, -1, NULL, NULL) == POSSE_WORKER_LOST);
    return 0;
}

static int save_over_a_limit(void *path)
{
    struct saving saving;
    REQUIRE(begin_saving(&saving) == 0);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &(struct rlimit){4096, RLIM_INFINITY}) == 0);
    REQUIRE(posse_autopsy_save(saving.future, path) == POSSE_NO_MEMORY && errno == EFBIG);
    return posse_destroy(saving.pool) != POSSE_OK;
}

static _Atomic bool reads;

static void *read_now_and_then(void *path)
{
    while (atomic_load(&reads)) {
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        sched_yield();
        close(fd);
    }
    return NULL;
}

/* Now and then the reader leaves between the open and the write. */
static int save_where_readers_leave(void *path)
{
    pthread_t reader;
    struct saving saving;
    REQUIRE(begin_saving(&saving) == 0 && mkfifo(path, 0600) == 0);
    atomic_store(&reads, true);
    REQUIRE(pthread_create(&reader, NULL, read_now_and_then, path) == 0);
    for (int i = 0; i < 20000; i++)
        (void)!posse_autopsy_save(saving.future, path);
    atomic_store(&reads, false);
    REQUIRE(pthread_join(reader, NULL) == 0);
    return posse_destroy(saving.pool) != POSSE_OK;
}

TEST(saving_sends_the_program_no_signal, PROCESSES)
{
    char directory[] = "/tmp/posse-autopsy-XXXXXX", path[64];
    int (*const children[])(void *) = {save_where_readers_leave, save_over_a_limit};
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/file", directory);
    for (size_t i = 0; i < COUNT(children); i++) {
        assert_int_equal(wait_status(start_child(children[i], path)), 0);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(directory), 0);
}

AUTOPSY_TEST(argument_that_cannot_be_saved, 1)
{
    posse_future future = submitted(pool, dying_task, "x", 1);
    (void)report_of(future, POSSE_WORKER_LOST);
    struct stat full; /* some containers have no such device */
    if (stat("/dev/full", &full) == 0 && S_ISCHR(full.st_mode)) {
        assert_status(posse_autopsy_save(future, "/dev/full"), POSSE_NO_MEMORY);
        assert_int_equal(errno, ENOSPC);
    }
    assert_status(posse_autopsy_save(future, "/nowhere/at/all"), POSSE_SYSTEM);
    assert_status(posse_autopsy_save(future, NULL), POSSE_INVALID);
    assert_ok(posse_release(future));
}

/* fresh.c - POSSE_FRESH: arguments, results, and what the options must be. */
#include "support/objects.h"
#include "support/sealed.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <posse_trace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const posse_seal nothing = {.allow = 0};

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* ---- results ---- */

TEST(each_task_has_a_process, SEALABLE)
{
    enum { TASKS = 50 };
    posse_executor *pool = fresh_pool(2, nothing);
    long pids[TASKS];
    for (int i = 0; i < TASKS; i++)
        pids[i] = take_long(submitted(pool, process_task, NULL, 0));
    for (int i = 0; i < TASKS; i++)
        for (int k = 0; k < i; k++)
            assert_true(pids[i] != pids[k]);
    assert_int_equal(stats_of(pool).workers_started, 2);
    assert_int_equal(stats_of(pool).done, TASKS);
    end_pool(pool);
}

static int remembering_task(posse_task *task, const void *arg, size_t size)
{
    static long runs;
    return return_long(task, ++runs);
}

TEST(nothing_stays, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    for (int i = 0; i < 5; i++)
        assert_int_equal(take_long(submitted(pool, remembering_task, NULL, 0)), 1);
    end_pool(pool);
}

static void assert_echo(posse_executor *pool, size_t size)
{
    unsigned char *bytes = malloc(size + 1);
    const void *result;
    size_t length;
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7 + size);
    posse_future future = submitted(pool, echo_task, bytes, size);
    assert_ok(posse_result(future, -1, &result, &length));
    assert_int_equal(length, size);
    if (size)
        assert_memory_equal(result, bytes, size);
    assert_ok(posse_release(future));
    free(bytes);
}

/* Sizes at each border: in the slot, in a block, in the room of a process that was forked ahead,
 * and beyond it. */
TEST(sizes, SEALABLE)
{
    const size_t sizes[] = {0,  1,  8,    9,    16,           17,       32,           33,
                            64, 65, 4096, 4097, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB - 1,
                            MIB};
    posse_executor *pool = fresh_pool(1, nothing);
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_echo(pool, sizes[i]);
    end_pool(pool);
}

static int length_task(posse_task *task, const void *arg, size_t size)
{
    long sum = 0;
    for (size_t i = 0; i < size; i += 4096)
        sum += ((const unsigned char *)arg)[i];
    return return_long(task, (long)size + sum);
}

TEST(large_argument, SEALABLE)
{
    posse_executor *pool = fresh_pool(2, nothing);
    size_t size = 32 * MIB;
    unsigned char *bytes = calloc(1, size);
    assert_non_null(bytes);
    bytes[16 * MIB] = 3;
    assert_int_equal(take_long(submitted(pool, length_task, bytes, size)), (long)size + 3);
    free(bytes);
    end_pool(pool);
}

static int refused_result_task(posse_task *task, const void *arg, size_t size)
{
    char bytes[200] = "";
    if (posse_task_return(task, bytes, 101) != POSSE_TOO_LARGE)
        return WRONG_ARG;
    if (posse_task_reserve(task, 101) != NULL)
        return WRONG_ARG;
    return size && posse_task_return(task, bytes, 100) != POSSE_OK ? GAVE_UP : 0;
}

TEST(max_result, SEALABLE)
{
    posse_options options = OPTIONS(1, .max_result = 100);
    posse_executor *pool = fresh_pool_with(options, nothing);
    posse_error error =
        take_error(submitted(pool, refused_result_task, NULL, 0), POSSE_TASK_FAILED);
    assert_string_equal(error.message, "the result is over options.max_result");
    take_error(submitted_long(pool, refused_result_task, 1), POSSE_OK);
    end_pool(pool);
    pool = fresh_pool(1, nothing);
    char *bytes = calloc(1, MIB + 1);
    assert_non_null(bytes);
    take_error(submitted(pool, echo_task, bytes, MIB + 1), POSSE_TASK_FAILED);
    free(bytes);
    end_pool(pool);
}

/* posse_task_reserve, twice; the memory is clear, as nobody had it before. */
static int reserving_task(posse_task *task, const void *arg, size_t size)
{
    unsigned char *room = posse_task_reserve(task, 10000);
    for (size_t i = 0; room && i < 10000; i++)
        if (room[i] != 0)
            return WRONG_ARG;
    if (!room || (uintptr_t)room % 16 != 0)
        return GAVE_UP;
    memset(room, 1, 10000);
    room = posse_task_reserve(task, 20000);
    if (!room)
        return GAVE_UP;
    memset(room, 2, 20000);
    return posse_task_return(task, room + 100, 15000) == POSSE_OK ? 0 : GAVE_UP;
}

TEST(reserve, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    const void *result;
    size_t size;
    for (int i = 0; i < 3; i++) {
        posse_future future = submitted(pool, reserving_task, NULL, 0);
        assert_ok(posse_result(future, -1, &result, &size));
        assert_int_equal(size, 15000);
        assert_int_equal(((const unsigned char *)result)[14999], 2);
        assert_ok(posse_release(future));
    }
    end_pool(pool);
}

/* ---- failures ---- */

static int long_message_task(posse_task *task, const void *arg, size_t size)
{
    char text[400];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    return posse_task_fail(task, 4, "%s", text);
}

TEST(failures, SEALABLE)
{
    posse_options options = OPTIONS(1, .max_result = 8);
    posse_executor *pool = fresh_pool_with(options, nothing);
    assert_int_equal(take_error(submitted_long(pool, code_task, 7), POSSE_TASK_FAILED).code, 7);
    posse_error error = take_error(submitted_long(pool, message_task, 9), POSSE_TASK_FAILED);
    assert_int_equal(error.code, 9);
    assert_string_equal(error.message, "failed with 9");
    error = take_error(submitted(pool, long_message_task, NULL, 0), POSSE_TASK_FAILED);
    assert_int_equal(strlen(error.message), 255);
    error = take_error(submitted_long(pool, message_task, 0), POSSE_TASK_FAILED);
    assert_int_equal(error.code, 0);
    end_pool(pool);
}

/* ---- what a task is told ---- */

TEST(what_a_task_is_told, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    assert_int_equal(take_long(submitted(pool, worker_task, NULL, 0)), 0);
    assert_int_equal(take_long(submitted(pool, attempt_task, NULL, 0)), 1);
    end_pool(pool);
}

static int time_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, posse_task_time_left(task));
}

TEST(time_left, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    assert_int_equal(take_long(submitted(pool, time_task, NULL, 0)), -1);
    posse_job job = {.fn = time_task, .timeout_ms = 100000};
    assert_in_range(take_long(submitted_job(pool, job)), 1, 100000);
    end_pool(pool);
}

/* ---- descriptors ---- */

static int reading_task(posse_task *task, const void *arg, size_t size)
{
    char text[8] = "";
    int fd = posse_task_descriptor(task, 0);
    if (posse_task_descriptor(task, 1) != -1)
        return WRONG_ARG;
    bool good = read(fd, text, sizeof text) == 5 && posse_task_return(task, text, 5) == POSSE_OK;
    return good ? 0 : GAVE_UP;
}

TEST(descriptors, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    for (int i = 0; i < 10; i++) {
        int fds[2];
        char text[8] = "";
        assert_int_equal(pipe(fds), 0);
        posse_job job = {.fn = reading_task, .descriptors = fds, .n_descriptors = 1};
        posse_future future = submitted_job(pool, job);
        close(fds[0]);
        assert_int_equal(write(fds[1], "hello", 5), 5);
        close(fds[1]);
        assert_ok(posse_result_into(future, -1, text, sizeof text, NULL));
        assert_string_equal(text, "hello");
        assert_ok(posse_release(future));
    }
    end_pool(pool);
}

/* ---- large data without a copy ---- */

enum { PAGES = 4 * 4096 };

/* The task may read the program's memory, or also write it, as its descriptor was opened. It cannot
 * make more of it. */
static int mapping_task(posse_task *task, const void *arg, size_t size)
{
    int fd = posse_task_descriptor(task, 0);
    bool writes = *(const long *)arg;
    int access = writes ? PROT_READ | PROT_WRITE : PROT_READ;
    char *memory = mmap(NULL, PAGES, access, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED || memory[PAGES - 1] != 7)
        return WRONG_ARG;
    if (writes)
        memory[0] = 9;
    else if (mprotect(memory, PAGES, PROT_READ | PROT_WRITE) == 0 || errno != EACCES ||
             mmap(NULL, PAGES, PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED ||
             pwrite(fd, "x", 1, 0) >= 0 || fallocate(fd, 0, 0, 1) == 0)
        return GAVE_UP;
    return 0;
}

static int writing_task(posse_task *task, const void *arg, size_t size)
{
    int fd = posse_task_descriptor(task, 0);
    char *memory = mmap(NULL, PAGES, PROT_READ, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED)
        *(volatile char *)memory = 9;
    return 0;
}

static posse_future submitted_map(posse_executor *pool, posse_fn *fn, int fd, long writes)
{
    posse_job job = {
        .fn = fn, .arg = &writes, .size = sizeof writes, .descriptors = &fd, .n_descriptors = 1};
    return submitted_job(pool, job);
}

TEST(shared_memory_by_descriptor, SEALABLE)
{
    char path[64];
    posse_executor *pool = fresh_pool(1, nothing);
    int fd = memfd_create("data", MFD_CLOEXEC);
    assert_true(fd >= 0 && ftruncate(fd, PAGES) == 0);
    assert_int_equal(pwrite(fd, "\7", 1, PAGES - 1), 1);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int to_read = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(to_read >= 0);
    take_error(submitted_map(pool, mapping_task, to_read, 0), POSSE_OK);
    posse_error error =
        take_error(submitted_map(pool, writing_task, to_read, 0), POSSE_WORKER_LOST);
    assert_int_equal(error.signal, SIGSEGV);
    char first = 1;
    assert_true(pread(fd, &first, 1, 0) == 1 && first == 0);
    take_error(submitted_map(pool, mapping_task, fd, 1), POSSE_OK);
    assert_true(pread(fd, &first, 1, 0) == 1 && first == 9);
    close(to_read);
    close(fd);
    end_pool(pool);
}

/* ---- what the initializer makes ---- */

static long prepared;

static int preparing_task(posse_task *task, const void *arg, size_t size)
{
    prepared = 5;
    return 0;
}

static int prepared_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, prepared++);
}

TEST(initializer, SEALABLE)
{
    posse_options options = OPTIONS(1, .initializer = preparing_task);
    posse_executor *pool = fresh_pool_with(options, nothing);
    for (int i = 0; i < 3; i++)
        assert_int_equal(take_long(submitted(pool, prepared_task, NULL, 0)), 5);
    end_pool(pool);
}

/* ---- options ---- */

static posse_status creates(posse_options options)
{
    posse_executor *pool;
    posse_status status = posse_create(&options, &pool);
    if (status == POSSE_OK)
        assert_ok(posse_destroy(pool));
    return status;
}

TEST(processes_alone, ALL)
{
    posse_options options = OPTIONS(1, .isolation = POSSE_FRESH);
    if (backend() != POSSE_PROCESS)
        assert_status(creates(options), POSSE_NOT_SUPPORTED);
    options.autopsy = options.keep_stderr = 1;
    if (backend() == POSSE_PROCESS)
        assert_status(creates(options), POSSE_NOT_SUPPORTED);
    options.autopsy = options.keep_stderr = 0;
    options.isolation = 2;
    assert_status(creates(options), POSSE_INVALID);
    options.isolation = -1;
    assert_status(creates(options), POSSE_INVALID);
}

TEST(seals_that_reach_others, SEALABLE)
{
    const uint64_t allow[] = {POSSE_ALLOW_SIGNALS, POSSE_ALLOW_TRACING, POSSE_ALLOW_DESCRIPTORS};
    end_pool(fresh_pool(1, nothing));
    for (size_t i = 0; i < COUNT(allow); i++) {
        posse_seal seal = {.struct_size = sizeof seal, .allow = allow[i]};
        posse_options options = OPTIONS(1, .isolation = POSSE_FRESH, .seal = &seal);
        assert_status(creates(options), POSSE_INVALID);
        assert_string_equal(posse_last_error(), "options.seal allows what POSSE_FRESH rules out");
    }
}

/* Without options.seal the seal is one that allows nothing. */
TEST(without_a_seal, SEALABLE)
{
    end_pool(fresh_pool(1, nothing));
    posse_executor *pool = POOL(1, .isolation = POSSE_FRESH);
    take_error(submitted(pool, socket_task, NULL, 0), POSSE_FORBIDDEN);
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    end_pool(pool);
}

/* Each starts after its submit, though its process was made before. */
TEST(starts_when_it_starts, SEALABLE)
{
    posse_executor *pool = POOL(1, .isolation = POSSE_FRESH, .stamps = true);
    for (int i = 0; i < 20; i++) {
        posse_info info = {.struct_size = sizeof info};
        posse_future future = submitted(pool, identity_task, NULL, 0);
        assert_ok(posse_result(future, -1, NULL, NULL));
        assert_ok(posse_get_info(future, &info));
        assert_true(info.started_ns > info.submitted_ns);
        assert_ok(posse_release(future));
    }
    end_pool(pool);
}

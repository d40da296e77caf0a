/* fresh_memory.c - job.memory: blocks that tasks get, also those with a process of their own, which
 * have nothing else of shared memory.
 */
#include "core/arena.h"
#include "pool/pool.h"
#include "support/sealed.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <posse_group.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const posse_seal nothing = {.allow = 0};

/* What tests put into a block: what the task reads and adds to, and who runs. */
struct block {
    _Atomic long value;
    _Atomic long process;
    _Atomic int open;
};

static struct block *make_block(posse_executor *pool)
{
    void *memory;
    assert_ok(posse_alloc(pool, sizeof(struct block), &memory));
    struct block *block = memory;
    *block = (struct block){.value = 40};
    return block;
}

/* The argument is the address of the first block. */
static posse_job job_of(posse_fn *fn, posse_memory *blocks, size_t n)
{
    return (posse_job){.struct_size = sizeof(posse_job),
                       .fn = fn,
                       .arg = &blocks[0].block,
                       .size = sizeof blocks[0].block,
                       .memory = blocks,
                       .n_memory = n};
}

static struct block *block_of(const void *arg)
{
    struct block *block;
    memcpy(&block, arg, sizeof block);
    return block;
}

static posse_future submitted_with(posse_executor *pool, posse_fn *fn, struct block *block,
                                   bool writable)
{
    posse_memory memory = {block, writable};
    return submitted_job(pool, job_of(fn, &memory, 1));
}

/* ---- the same program on each notch ---- */

static int add_task(posse_task *task, const void *arg, size_t size)
{
    struct block *block = block_of(arg);
    block->value += 2;
    return return_long(task, atomic_load(&block->value));
}

static int read_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, block_of(arg)->value);
}

static void assert_shares(posse_executor *pool)
{
    struct block *block = make_block(pool);
    for (long i = 1; i <= 5; i++) {
        assert_int_equal(take_long(submitted_with(pool, read_task, block, false)), 40 + 2 * i - 2);
        assert_int_equal(take_long(submitted_with(pool, add_task, block, true)), 40 + 2 * i);
        assert_int_equal(block->value, 40 + 2 * i);
    }
    assert_ok(posse_free(pool, block));
    end_pool(pool);
}

TEST(shared_by_all_notches, ALL) { assert_shares(POOL(2)); }
TEST(shared_with_a_seal, SEALABLE) { assert_shares(sealed_pool(2, nothing)); }
TEST(shared_with_processes_of_tasks, SEALABLE) { assert_shares(fresh_pool(2, nothing)); }

/* ---- what is refused ---- */

static void assert_refused(posse_executor *pool, posse_job job, posse_status how, const char *words)
{
    posse_future future;
    assert_status(posse_submit_with(pool, &job, &future), how);
    assert_string_equal(posse_last_error(), words);
}

#define NO_BLOCK "job.memory has a block that is not of posse_alloc"

static void assert_refuses(posse_executor *pool)
{
    struct block *a = make_block(pool), *b = make_block(pool);
    posse_memory blocks[POSSE_MAX_JOB_MEMORY + 1] = {{a, false}, {b, true}, {a, true}};
    void *const wrong[] = {NULL, &pool, (char *)b + 64, (char *)b - 64, (void *)(uintptr_t)64};
    assert_refused(pool, job_of(read_task, blocks, 3), POSSE_INVALID,
                   "job.memory has a block twice");
    assert_refused(pool, job_of(read_task, blocks, COUNT(blocks)), POSSE_TOO_LARGE,
                   "job.n_memory is over POSSE_MAX_JOB_MEMORY");
    posse_job job = job_of(read_task, blocks, 2);
    job.memory = NULL;
    assert_refused(pool, job, POSSE_INVALID, "job.memory is NULL, but job.n_memory is not 0");
    for (size_t i = 0; i < COUNT(wrong); i++) {
        blocks[1].block = wrong[i];
        assert_refused(pool, job_of(read_task, blocks, 2), POSSE_INVALID, NO_BLOCK);
    }
    blocks[1].block = b;
    assert_ok(posse_free(pool, b));
    assert_refused(pool, job_of(read_task, blocks, 2), POSSE_INVALID, NO_BLOCK);
    assert_int_equal(take_long(submitted_job(pool, job_of(read_task, blocks, 1))), 40);
    assert_ok(posse_free(pool, a));
    end_pool(pool);
}

TEST(refused_by_all_notches, ALL) { assert_refuses(POOL(1)); }
TEST(refused_with_processes_of_tasks, SEALABLE) { assert_refuses(fresh_pool(1, nothing)); }

/* A queue of posse is no memory of the program's. */
TEST(a_block_of_a_queue, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    struct block *block = make_block(pool);
    posse_queue queue;
    assert_ok(posse_queue_create(pool, 1000, 200, &queue));
    for (uintptr_t at = (uintptr_t)block; at < (uintptr_t)block + 8 * PI_UNIT; at += PI_UNIT) {
        posse_memory memory = {(void *)at, true};
        if (at != (uintptr_t)block)
            assert_refused(pool, job_of(read_task, &memory, 1), POSSE_INVALID, NO_BLOCK);
    }
    assert_ok(posse_queue_destroy(queue));
    assert_ok(posse_free(pool, block));
    end_pool(pool);
}

TEST(where_children_may_stay, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, (posse_seal){.allow = POSSE_ALLOW_PROCESSES});
    struct block *block = make_block(pool);
    posse_memory memory = {block, false};
    assert_refused(pool, job_of(read_task, &memory, 1), POSSE_NOT_SUPPORTED,
                   "job.memory: with POSSE_ALLOW_PROCESSES a child could keep it");
    assert_ok(posse_free(pool, block));
    end_pool(pool);
}

/* ---- many ---- */

static int sum_task(posse_task *task, const void *arg, size_t size)
{
    struct block *const *blocks = arg;
    long sum = 0;
    for (size_t i = 0; i < size / sizeof *blocks; i++) {
        if (i % 2)
            blocks[i]->value++;
        sum += blocks[i]->value;
    }
    return return_long(task, sum);
}

TEST(as_many_as_can_be, SEALABLE)
{
    posse_executor *pool = fresh_pool(2, nothing);
    struct block *blocks[POSSE_MAX_JOB_MEMORY];
    posse_memory memory[POSSE_MAX_JOB_MEMORY];
    for (size_t i = 0; i < COUNT(blocks); i++) {
        blocks[i] = make_block(pool);
        memory[i] = (posse_memory){blocks[i], i % 2};
    }
    posse_job jobs[20];
    posse_future futures[COUNT(jobs)];
    for (size_t i = 0; i < COUNT(jobs); i++) {
        jobs[i] = job_of(sum_task, memory, COUNT(memory));
        jobs[i].arg = blocks;
        jobs[i].size = sizeof blocks;
    }
    assert_ok(posse_submit_many(pool, jobs, COUNT(jobs), futures, NULL));
    for (size_t i = 0; i < COUNT(jobs); i++)
        assert_in_range(take_long(futures[i]), 40 * 16 + 8, 40 * 16 + 8 * COUNT(jobs));
    assert_int_equal(blocks[1]->value, 40 + COUNT(jobs));
    for (size_t i = 0; i < COUNT(blocks); i++)
        assert_ok(posse_free(pool, blocks[i]));
    end_pool(pool);
}

enum { MANY_PAGES = 40 << 20 };

static int large_task(posse_task *task, const void *arg, size_t size)
{
    unsigned char *bytes;
    memcpy(&bytes, arg, sizeof bytes);
    for (size_t i = 0; i < MANY_PAGES; i += 1000)
        if (bytes[i] != 0)
            return WRONG_ARG;
    memset(bytes, 7, MANY_PAGES);
    return 0;
}

TEST(a_large_block, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    void *memory;
    assert_ok(posse_alloc(pool, MANY_PAGES, &memory));
    take_error(submitted_with(pool, large_task, memory, true), POSSE_OK);
    assert_int_equal(((unsigned char *)memory)[MANY_PAGES - 1], 7);
    assert_ok(posse_free(pool, memory));
    end_pool(pool);
}

/* Tasks that wait in their group, and not in the queue. */
TEST(in_a_group, SEALABLE)
{
    posse_executor *pool = fresh_pool(2, nothing);
    posse_group_options options = {.struct_size = sizeof options, .max_running = 1};
    posse_group *group;
    struct block *block = make_block(pool);
    posse_memory memory = {block, true};
    assert_ok(posse_group_create(pool, &options, &group));
    for (int i = 0; i < 10; i++) {
        posse_job job = job_of(add_task, &memory, 1);
        job.group = group;
        assert_ok(posse_submit_with(pool, &job, NULL));
    }
    assert_ok(posse_group_wait(group, -1));
    assert_int_equal(block->value, 60);
    assert_ok(posse_group_destroy(group));
    assert_ok(posse_free(pool, block));
    end_pool(pool);
}

/* ---- more attempts ---- */

static int third_time_lucky_task(posse_task *task, const void *arg, size_t size)
{
    struct block *block = block_of(arg);
    block->value++;
    if (posse_task_attempt(task) < 3)
        abort();
    return return_long(task, block->value);
}

TEST(attempts_find_what_was_written, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    struct block *block = make_block(pool);
    posse_memory memory = {block, true};
    posse_job job = job_of(third_time_lucky_task, &memory, 1);
    job.retries = 2;
    assert_int_equal(take_long(submitted_job(pool, job)), 43);
    assert_ok(posse_free(pool, block));
    end_pool(pool);
}

/* ---- what a task cannot do ---- */

static int write_task(posse_task *task, const void *arg, size_t size)
{
    block_of(arg)->value = 1;
    return 0;
}

static int lift_and_write_task(posse_task *task, const void *arg, size_t size)
{
    struct block *block = block_of(arg);
    if (mprotect(block, PI_UNIT, PROT_READ | PROT_WRITE) == 0 || errno != EACCES)
        return WRONG_ARG;
    return write_task(task, arg, size);
}

TEST(a_block_to_read, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    struct block *block = make_block(pool);
    posse_fn *const fns[] = {write_task, lift_and_write_task};
    for (size_t i = 0; i < COUNT(fns); i++) {
        posse_error error =
            take_error(submitted_with(pool, fns[i], block, false), POSSE_WORKER_LOST);
        assert_int_equal(error.signal, SIGSEGV);
        assert_int_equal(block->value, 40);
    }
    assert_int_equal(stats_of(pool).workers_lost, 0);
    assert_ok(posse_free(pool, block));
    end_pool(pool);
}

/* How many of these pages the process has. */
static long pages_in(const char *from, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    long found = 0;
    for (size_t at = 0; at < size; at += page) {
        unsigned char there;
        found += mincore((void *)(uintptr_t)(from + at), page, &there) == 0;
    }
    return found;
}

#define LOOKED_AT ((size_t)64 << 20)

/* Whether the process has the pages of its one block, and no other page of the segment. */
static int probing_task(posse_task *task, const void *arg, size_t size)
{
    const posse_executor *e = posse_task_executor(task);
    const char *block = (const char *)block_of(arg);
    const char *base = e->segment.base, *arena = e->segment.arena.bytes;
    long of_block = (long)(PI_UNIT / (size_t)sysconf(_SC_PAGESIZE));
    if (pages_in(block, PI_UNIT) != of_block)
        return WRONG_ARG;
    return return_long(task, pages_in(base, LOOKED_AT) + pages_in(arena, LOOKED_AT) - of_block);
}

static int unmoved(const void *block)
{
    REQUIRE(mremap((void *)(uintptr_t)block, PI_UNIT, 2 * PI_UNIT, MREMAP_MAYMOVE) == MAP_FAILED);
    REQUIRE(errno == ENOSYS);
    REQUIRE(mremap((void *)(uintptr_t)block, 0, 2 * PI_UNIT, MREMAP_MAYMOVE) == MAP_FAILED);
    return 0;
}

static int growing_task(posse_task *task, const void *arg, size_t size)
{
    int ends[2];
    struct iovec pages = {block_of(arg), PI_UNIT};
    if (unmoved(block_of(arg)) != 0)
        return WRONG_ARG;
    if (pipe(ends) != 0 || vmsplice(ends[1], &pages, 1, 0) >= 0 || errno != ENOSYS)
        return GAVE_UP;
    for (int fd = 3; fd < 1000; fd++)
        if (mmap(NULL, PI_UNIT, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED)
            return WRONG_ARG;
    return 0;
}

static int removing_task(posse_task *task, const void *arg, size_t size)
{
    return madvise(block_of(arg), PI_UNIT, MADV_REMOVE) == 0 ? 0 : GAVE_UP;
}

static int dropping_task(posse_task *task, const void *arg, size_t size)
{
    struct block *block = block_of(arg);
    bool dropped = madvise(block, PI_UNIT, MADV_DONTNEED) == 0;
    return return_long(task, dropped ? block->value : 0);
}

TEST(nothing_beside_a_block, SEALABLE)
{
    posse_executor *pool = fresh_pool(2, nothing);
    struct block *blocks[3];
    for (size_t i = 0; i < COUNT(blocks); i++)
        blocks[i] = make_block(pool);
    for (int writable = 0; writable <= 1; writable++) {
        assert_int_equal(take_long(submitted_with(pool, probing_task, blocks[1], writable)), 0);
        take_error(submitted_with(pool, growing_task, blocks[1], writable), POSSE_OK);
        assert_string_equal(
            take_error(submitted_with(pool, removing_task, blocks[1], writable), POSSE_FORBIDDEN)
                .call_name,
            "madvise");
        assert_int_equal(take_long(submitted_with(pool, dropping_task, blocks[1], writable)), 40);
    }
    assert_int_equal(blocks[1]->value, 40);
    for (size_t i = 0; i < COUNT(blocks); i++)
        assert_ok(posse_free(pool, blocks[i]));
    end_pool(pool);
}

enum call { SENDTO, SENDMSG, SENDMMSG };

struct sending {
    enum call call;
    int flags;
};

/* To a socket of its own. */
static int sending_task(posse_task *task, const void *arg, size_t size)
{
    struct sending sending;
    int ends[2];
    char byte = 1;
    struct iovec bytes = {&byte, 1};
    struct mmsghdr messages = {.msg_hdr = {.msg_iov = &bytes, .msg_iovlen = 1}};
    memcpy(&sending, arg, sizeof sending);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return GAVE_UP;
    switch (sending.call) {
    case SENDTO: return sendto(ends[0], &byte, 1, sending.flags, NULL, 0) == 1 ? 0 : GAVE_UP;
    case SENDMSG: return sendmsg(ends[0], &messages.msg_hdr, sending.flags) == 1 ? 0 : GAVE_UP;
    default: /* by its number: musl makes single calls of sendmsg */
        return syscall(SYS_sendmmsg, ends[0], &messages, 1, sending.flags) == 1 ? 0 : GAVE_UP;
    }
}

/* Pages that are sent without a copy could be another's when they go. */
TEST(nothing_is_sent_later, SEALABLE)
{
    static const char *const names[] = {"sendto", "sendmsg", "sendmmsg"};
    static const posse_seal network = {.allow = POSSE_ALLOW_NETWORK};
    posse_executor *pool = fresh_pool(1, network);
    for (enum call call = SENDTO; call <= SENDMMSG; call++) {
        struct sending sending = {call, 0};
        take_error(SUBMIT_VALUE(pool, sending_task, sending), POSSE_OK);
        sending.flags = 0x4000000; /* MSG_ZEROCOPY */
        posse_future future = SUBMIT_VALUE(pool, sending_task, sending);
        assert_string_equal(take_error(future, POSSE_FORBIDDEN).call_name, names[call]);
    }
    end_pool(pool);
}

/* The process of the next task is made while one has the block. */
TEST(the_next_task_has_nothing_of_it, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    struct block *block = make_block(pool);
    for (int i = 0; i < 10; i++) {
        posse_future first = submitted_with(pool, add_task, block, true);
        posse_future next = SUBMIT_VALUE(pool, read_task, block);
        assert_int_equal(take_error(next, POSSE_WORKER_LOST).signal, SIGSEGV);
        take_error(first, POSSE_OK);
    }
    assert_ok(posse_free(pool, block));
    end_pool(pool);
}

/* Of whole units all is cleared: what was there before is not shown, behind the block either. */
TEST(blocks_are_clear, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    for (size_t size = 1; size <= 3 * PI_UNIT; size += 30000) {
        size_t whole = (size + PI_UNIT - 1) / PI_UNIT * PI_UNIT;
        unsigned char *bytes;
        assert_ok(posse_alloc(pool, size, (void **)&bytes));
        assert_int_equal((uintptr_t)bytes % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
        for (size_t i = 0; i < whole; i++)
            assert_int_equal(bytes[i], 0);
        memset(bytes, 0245, whole);
        assert_ok(posse_free(pool, bytes));
    }
    end_pool(pool);
}

/* ---- freed too early ---- */

TEST(a_block_that_is_gone, SEALABLE)
{
    struct gate *gate = make_shared(sizeof *gate);
    posse_executor *pool = fresh_pool(1, nothing);
    struct block *block = make_block(pool);
    posse_future first = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future late = submitted_with(pool, add_task, block, true);
    assert_ok(posse_free(pool, block));
    open_gate(gate);
    take_long(first);
    assert_non_null(strstr(take_error(late, POSSE_TASK_FAILED).message,
                           "a block of job.memory was freed before the task began"));
    end_pool(pool);
    free_shared(gate, sizeof *gate);
}

/* ---- after the end ---- */

static void *write_for_ever(void *block)
{
    for (;;)
        ((struct block *)block)->value++;
    return NULL;
}

/* It goes on to write when it has returned. */
static int writing_on_task(posse_task *task, const void *arg, size_t size)
{
    struct block *block = block_of(arg);
    pthread_t thread;
    block->process = getpid();
    for (int i = 0; i < 3; i++)
        if (pthread_create(&thread, NULL, write_for_ever, block) != 0)
            return GAVE_UP;
    return return_long(task, 5);
}

static int writing_task(posse_task *task, const void *arg, size_t size)
{
    struct block *block = block_of(arg);
    block->process = getpid();
    write_for_ever(block);
    return 0;
}

/* The future has ended: so the process has, which could write. */
static void assert_quiet(struct block *block)
{
    assert_true(block->process > 0);
    assert_false(process_lives((pid_t)block->process));
    block->process = 0;
}

TEST(nothing_writes_after_the_end, SEALABLE)
{
    posse_executor *pool = fresh_pool(2, nothing);
    struct block *block = make_block(pool);
    posse_memory memory = {block, true};
    for (int i = 0; i < 20; i++) {
        assert_int_equal(take_long(submitted_with(pool, writing_on_task, block, true)), 5);
        assert_quiet(block);
    }
    posse_job job = job_of(writing_task, &memory, 1);
    job.timeout_ms = 1;
    for (int i = 0; i < 20; i++) {
        take_error(submitted_job(pool, job), POSSE_DEADLINE);
        if (block->process) /* it had begun */
            assert_quiet(block);
    }
    job.timeout_ms = 0;
    for (int i = 0; i < 20; i++) {
        posse_future future = submitted_job(pool, job);
        assert_eventually(block->process != 0);
        assert_ok(posse_kill(future));
        take_error(future, POSSE_CANCELLED);
        assert_quiet(block);
    }
    assert_ok(posse_free(pool, block));
    end_pool(pool);
}

static int parent_and_write_task(posse_task *task, const void *arg, size_t size)
{
    block_of(arg)->open = getppid();
    return writing_task(task, arg, size);
}

TEST(nothing_writes_after_the_death_of_the_worker, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    struct block *block = make_block(pool);
    for (int i = 0; i < 20; i++) {
        posse_future future = submitted_with(pool, parent_and_write_task, block, true);
        assert_eventually(block->process != 0);
        assert_int_equal(kill(block->open, SIGKILL), 0);
        take_error(future, POSSE_WORKER_LOST);
        assert_quiet(block);
    }
    assert_ok(posse_free(pool, block));
    end_pool(pool);
}

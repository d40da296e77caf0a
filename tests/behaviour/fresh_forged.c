/* fresh_forged.c - POSSE_FRESH: a task that knows how posse works, and tries to reach others,
 * changes nothing but its own future.
 *
 * Each deed runs several times, in a pool whose workers have a hundred other tasks. All of these
 * keep their results, no worker is lost, and the executor comes to rest.
 */
#include "pool/descriptors.h"
#include "pool/pool.h"
#include "pool/self.h"
#include "pool/task_memory.h"
#include "support/sealed.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FORGED 0x666f726765642121u

/* ---- memory ---- */

static sigjmp_buf out;

static void jump_out(int signal) { siglongjmp(out, signal); }

/* Writes words from there on, until it faults. Returns how many. */
static volatile size_t written;

static size_t overwrite(void *from, size_t words)
{
    volatile uint64_t *at = (volatile uint64_t *)((uintptr_t)from & ~(uintptr_t)7);
    (void)signal(SIGSEGV, jump_out);
    (void)signal(SIGBUS, jump_out);
    written = 0;
    if (sigsetjmp(out, 1) == 0)
        for (size_t i = 0; i < words; i++, written++)
            at[i] = FORGED;
    (void)signal(SIGSEGV, SIG_DFL);
    (void)signal(SIGBUS, SIG_DFL);
    return written;
}

/* Wherever the executor says that shared memory is. It gives what it could write. */
static int write_segment(posse_task *task)
{
    posse_executor *e = posse_task_executor(task);
    const struct pi_segment *s = &e->segment;
    void *const places[] = {s->base,
                            s->header,
                            s->slots.at,
                            s->workers,
                            (char *)s->base + 4096,
                            (char *)s->base + s->size - 4096};
    size_t words = 0;
    for (size_t i = 0; i < COUNT(places); i++)
        words += overwrite(places[i], 512);
    return return_long(task, (long)words);
}

/* All the memory that it shares with its worker; then it ends in one of four ways. */
static int write_own(posse_task *task)
{
    static int ends;
    size_t words = overwrite(task->memory, ((size_t)1 << 20) / sizeof(uint64_t));
    (void)words;
    ends = getpid() % 4;
    if (ends == 0)
        abort();
    if (ends == 1)
        _exit(0);
    if (ends == 2)
        return 0;
    return posse_task_fail(task, 5, "forged");
}

/* A result that is larger than all memory, and what else it may say. */
static int forge_size(posse_task *task)
{
    struct pi_task_memory *m = task->memory;
    static const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX / 2, (uint64_t)1 << 40, 5000000, 2000};
    atomic_store(&m->size, sizes[(size_t)getpid() % COUNT(sizes)]);
    atomic_store(&m->failed, (uint32_t)getpid() / 8 % 2);
    atomic_store(&m->code, 0);
    atomic_store(&m->begun, (uint32_t)getpid() / 2 % 2);
    m->arg_room = m->result_room = m->arg_size = SIZE_MAX / 2;
    atomic_store(&m->done, 1);
    _exit(0);
}

/* It says that it has called and noted things. */
static int forge_record(posse_task *task)
{
    struct pi_task_memory *m = task->memory;
    memset(&m->record, 0xff, sizeof m->record);
    atomic_store(&m->forbidden, UINT32_MAX);
    return raise(SIGSYS);
}

/* It wakes its worker again and again, for nothing. */
static int storm(posse_task *task)
{
    for (int i = 0; i < 20000; i++)
        (void)kill(getppid(), SIGCHLD);
    return return_long(task, 1);
}

/* It has done all, it says, and goes on. */
static int go_on(posse_task *task)
{
    struct pi_task_memory *m = task->memory;
    atomic_store(&m->done, 1);
    for (uint64_t i = 0; i < UINT64_MAX; i++) {
        (void)kill(getppid(), SIGCHLD);
        atomic_store(&m->size, i * 977);
        atomic_store(&m->failed, (uint32_t)i % 2);
        memset((char *)m + sizeof *m, (int)i, 5000);
    }
    return 0;
}

/* ---- descriptors ---- */

/* Whatever is open: the supervisor's socket, or a file of shared memory. */
static int use_descriptors(posse_task *task)
{
    struct pi_descriptors_request request = {.op = PI_DESCRIPTORS_TAKE};
    long reached = 0;
    for (int fd = 3; fd < 3000; fd++) {
        reached += sendto(fd, &request, sizeof request, MSG_NOSIGNAL, NULL, 0) >= 0;
        reached += mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED;
        reached += write(fd, &request, sizeof request) >= 0;
    }
    return return_long(task, reached);
}

/* ---- calls: each must end the task before it does anything ---- */

static void kill_parent(void) { (void)kill(getppid(), SIGKILL); }
static void continue_parent(void) { (void)kill(getppid(), SIGCONT); }
static void kill_group(void) { (void)kill(0, SIGKILL); }
static void kill_all(void) { (void)kill(-1, SIGSTOP); }
static void kill_thread(void) { (void)syscall(SYS_tkill, getppid(), SIGKILL); }
static void trace_parent(void) { (void)ptrace(PTRACE_SEIZE, getppid(), NULL, NULL); }
static void write_parent(void)
{
    char byte = 1;
    struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)&written, 1};
    (void)process_vm_writev(getppid(), &here, 1, &there, 1, 0);
}
static void open_parent(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/mem", (long)getppid());
    (void)open(path, O_RDWR | O_CLOEXEC);
}
static void outlive(void) { (void)prctl(PR_SET_PDEATHSIG, 0); }
static void be_dumped(void) { (void)prctl(PR_SET_DUMPABLE, 1); }
static void leave_session(void) { (void)setsid(); }
static void leave_group(void) { (void)setpgid(0, 0); }
static void adopt(void) { (void)prctl(36 /* PR_SET_CHILD_SUBREAPER */, 1); }
static void limit_parent(void)
{
    struct rlimit limit = {0, 0};
    (void)prlimit(getppid(), RLIMIT_DATA, &limit, NULL);
}
static void fork_off(void) { (void)fork(); }
static void wait_for(void) { (void)syscall(SYS_wait4, -1, NULL, 0, NULL); }
static void filter(void) { (void)syscall(SYS_seccomp, 0, 0, NULL); }
static void restrict_self(void) { (void)syscall(446 /* landlock_restrict_self */, 3, 0); }
static void make_memory(void) { (void)syscall(SYS_memfd_create, "posse", 0); }
static void attach_memory(void) { (void)syscall(SYS_shmget, 1, 4096, 0); }
static void open_pid(void) { (void)syscall(434 /* pidfd_open */, getppid(), 0); }
static void new_namespace(void) { (void)unshare(CLONE_NEWUSER); }

static void (*const calls[])(void) = {
    kill_parent,  continue_parent, kill_group, kill_all,      kill_thread,   trace_parent,
    write_parent, open_parent,     outlive,    be_dumped,     leave_session, leave_group,
    adopt,        limit_parent,    fork_off,   wait_for,      filter,        restrict_self,
    make_memory,  attach_memory,   open_pid,   new_namespace,
};

static int call_task(posse_task *task, const void *arg, size_t size)
{
    calls[*(const long *)arg]();
    return 0;
}

/* ---- innocent tasks beside them ---- */

enum { MANY_INNOCENT = 400, INNOCENT = 100, TIMES = 4 };

static long innocents(void) { return in_long_run(INNOCENT, MANY_INNOCENT); }

static int stamped_task(posse_task *task, const void *arg, size_t size)
{
    unsigned char *result = posse_task_reserve(task, size);
    if (!result)
        return GAVE_UP;
    for (size_t i = 0; i < size; i++)
        result[i] = (unsigned char)(((const unsigned char *)arg)[i] + 1);
    return 0;
}

static size_t size_of(long number) { return 4 + (size_t)number * 37 % 3000; }

static posse_future submitted_stamp(posse_executor *pool, long number)
{
    unsigned char bytes[4000];
    memset(bytes, (int)(number % 200), sizeof bytes);
    return submitted(pool, stamped_task, bytes, size_of(number));
}

static void assert_stamp(posse_future future, long number)
{
    const unsigned char *bytes;
    const void *data;
    size_t size;
    scene_is("innocent task %ld", number);
    assert_ok(posse_result(future, -1, &data, &size));
    assert_int_equal(size, size_of(number));
    bytes = data;
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], number % 200 + 1);
    assert_ok(posse_release(future));
}

static posse_future innocent[MANY_INNOCENT], hostile[TIMES];

/* Both kinds by turns; gives the hostile ones. */
static void submit_both(posse_executor *pool, posse_fn *fn, long arg)
{
    for (long i = 0, k = 0; i < innocents(); i++) {
        innocent[i] = submitted_stamp(pool, i);
        if (i % (INNOCENT / TIMES) == 5 && k < TIMES)
            hostile[k++] = submitted_long(pool, fn, arg);
    }
}

static void assert_innocent(posse_executor *pool)
{
    for (long i = 0; i < innocents(); i++)
        assert_stamp(innocent[i], i);
    assert_int_equal(stats_of(pool).workers_lost, 0);
}

static int deed_task(posse_task *task, const void *arg, size_t size)
{
    static int (*const deeds[])(posse_task *) = {
        write_segment, use_descriptors, write_own, forge_size, forge_record, storm, go_on};
    return deeds[*(const long *)arg](task);
}

/* ---- tests ---- */

static posse_executor *pool_of(uint64_t allow)
{
    return fresh_pool(3, (posse_seal){.allow = allow});
}

/* The first two deeds give how much they have reached. */
TEST(nothing_is_reached, SEALABLE)
{
    posse_executor *pool = pool_of(0);
    for (long deed = 0; deed < 2; deed++) {
        submit_both(pool, deed_task, deed);
        assert_innocent(pool);
        for (int i = 0; i < TIMES; i++)
            assert_int_equal(take_long(hostile[i]), 0);
    }
    end_pool(pool);
}

static void assert_ended(posse_future future)
{
    posse_error error = error_of(future);
    assert_in_range(strlen(error.message), 0, sizeof error.message - 1);
    assert_true(error.status == POSSE_OK || error.status == POSSE_TASK_FAILED ||
                error.status == POSSE_WORKER_LOST || error.status == POSSE_FORBIDDEN);
    assert_ok(posse_release(future));
}

/* The others end in some way. */
TEST(own_memory, SEALABLE)
{
    for (int autopsy = 0; autopsy < 2; autopsy++) {
        posse_options options = OPTIONS(3, .autopsy = autopsy);
        posse_executor *pool = fresh_pool_with(options, (posse_seal){.allow = 0});
        for (long deed = 2; deed < 7; deed++) {
            submit_both(pool, deed_task, deed);
            assert_innocent(pool);
            for (int i = 0; i < TIMES; i++)
                assert_ended(hostile[i]);
        }
        assert_ok(posse_destroy(pool));
    }
}

TEST(forbidden_calls, SEALABLE)
{
    posse_executor *pool = pool_of(0);
    for (long call = 0; call < (long)COUNT(calls); call++) {
        submit_both(pool, call_task, call);
        for (int i = 0; i < TIMES; i++) {
            scene_is("call %ld", call);
            take_error(hostile[i], POSSE_FORBIDDEN);
        }
        assert_innocent(pool);
    }
    end_pool(pool);
}

/* It has not begun, it says. */
static int unbegun_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    gate->entered++;
    atomic_store(&task->memory->begun, 0);
    atomic_store(&task->memory->error, EACCES);
    while (gate->entered)
        ;
    return 0;
}

TEST(a_run_that_reaches_a_limit, SEALABLE)
{
    struct gate *gate = make_shared(sizeof *gate);
    posse_executor *pool = pool_of(0);
    posse_job job = {
        .fn = unbegun_task, .arg = &gate, .size = sizeof gate, .max_cpu_ms = 20, .retries = 3};
    for (int i = 1; i <= 3; i++) {
        take_error(submitted_job(pool, job), POSSE_OVER_CPU);
        assert_int_equal(gate->entered, i);
    }
    end_pool(pool);
    free_shared(gate, sizeof *gate);
}

static int sized_task(posse_task *task, const void *arg, size_t size)
{
    struct pi_task_memory *m = task->memory;
    atomic_store(&m->size, (uint64_t) * (const long *)arg);
    atomic_store(&m->done, 1);
    _exit(0);
}

/* Not even by what its memory has room for. */
TEST(a_result_over_max_result, SEALABLE)
{
    posse_executor *pool = fresh_pool_with(OPTIONS(1, .max_result = 20), (posse_seal){.allow = 0});
    take_error(submitted_long(pool, sized_task, 20), POSSE_OK);
    for (long size = 21; size < 600; size += 50)
        take_error(submitted_long(pool, sized_task, size), POSSE_TASK_FAILED);
    assert_ok(posse_destroy(pool));
}

/* ---- what is left of others ---- */

/* Arguments and results that nothing else looks like. */
static void assert_nothing_left(posse_fn *looking)
{
    static unsigned char bytes[3000];
    posse_future others[100], looks[100];
    posse_executor *pool = fresh_pool(1, (posse_seal){.allow = 0});
    memset(bytes, 0245, sizeof bytes);
    for (size_t i = 0; i < COUNT(looks); i++) {
        others[i] = submitted(pool, echo_task, bytes, 60 + 29 * i);
        looks[i] = submitted(pool, looking, NULL, 0);
    }
    for (size_t i = 0; i < COUNT(looks); i++) {
        take_error(others[i], POSSE_OK);
        assert_int_equal(take_long(looks[i]), 0);
    }
    end_pool(pool);
}

static bool holds_pattern(void *page)
{
    static const unsigned char pattern[16] = "\245\245\245\245\245\245\245\245"
                                             "\245\245\245\245\245\245\245\245";
    static volatile bool holds;
    unsigned char there;
    holds = false;
    if (mincore(page, 1, &there) != 0)
        return false;
    (void)signal(SIGSEGV, jump_out);
    if (sigsetjmp(out, 1) == 0)
        holds = memmem(page, 4096, pattern, sizeof pattern) != NULL;
    return holds;
}

/* Looks through what is mapped beside its own memory: there the memory of other tasks is, in a
 * process that has it. */
static int neighbours_task(posse_task *task, const void *arg, size_t size)
{
    uintptr_t own = (uintptr_t)task->memory & ~(uintptr_t)4095, around = (uintptr_t)64 << 20;
    long found = 0;
    for (uintptr_t at = own - around; at < own + around; at += 4096)
        found += holds_pattern((void *)at);
    return return_long(task, found);
}

TEST(nothing_in_memory, SEALABLE) { assert_nothing_left(neighbours_task); }

#ifndef SANITIZED
/* The worker reads this name when it looks at the memory of the process. */
static int named_task(posse_task *task, const void *arg, size_t size)
{
    char name[16];
    memset(name, 0245, sizeof name);
    name[15] = '\0';
    prctl(PR_SET_NAME, name);
    pause_ms(2 * PI_LIMITS_CHECK_NS / PI_MS);
    return 0;
}

/* How often eight bytes of such a name lie on the stack below the task, where its worker's calls
 * have been. */
static int stack_task(posse_task *task, const void *arg, size_t size)
{
    volatile unsigned char here;
    long found = 0, row = 0;
    for (volatile unsigned char *at = &here - (1 << 17); at < &here; at++) {
        row = *at == 0245 ? row + 1 : 0;
        found += row == 8;
    }
    return return_long(task, found);
}

TEST(nothing_on_the_stack, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, (posse_seal){.allow = 0});
    posse_future looks[4];
    posse_job job = {.fn = named_task, .max_memory = (size_t)64 << 20};
    posse_future named = submitted_job(pool, job);
    for (size_t i = 0; i < COUNT(looks); i++)
        looks[i] = submitted(pool, stack_task, NULL, 0);
    take_error(named, POSSE_OK);
    for (size_t i = 0; i < COUNT(looks); i++)
        assert_int_equal(take_long(looks[i]), 0);
    end_pool(pool);
}
#endif

#ifdef __x86_64__
#include <cpuid.h>

/* Whether the registers of this process, which it has from its worker, hold bytes that only
 * arguments and results of others have. */
static int registers_task(posse_task *task, const void *arg, size_t size)
{
    static _Alignas(64) unsigned char state[32768];
    unsigned a, b, c, d;
    long found = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return return_long(task, 0);
    __asm__ volatile("xsave64 %0" : "+m"(state) : "a"(~0u), "d"(~0u));
    for (size_t i = 0; i + 4 <= sizeof state; i++)
        found += memcmp(state + i, "\245\245\245\245", 4) == 0;
    return return_long(task, found);
}

TEST(nothing_in_registers, SEALABLE) { assert_nothing_left(registers_task); }
#endif

/* ---- with files: through /proc ---- */

static long opens_memory_of(long pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/mem", pid);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    char byte;
    ssize_t got = pread(fd, &byte, 1, (off_t)(uintptr_t)&written);
    close(fd);
    return got > 0;
}

static int proc_task(posse_task *task, const void *arg, size_t size)
{
    const long others[] = {getppid(), *(const long *)arg};
    long reached = 0;
    for (size_t i = 0; i < COUNT(others); i++) {
        reached += opens_memory_of(others[i]);
        for (int fd = 3; fd < 40; fd++) {
            char path[64];
            snprintf(path, sizeof path, "/proc/%ld/fd/%d", others[i], fd);
            int got = open(path, O_RDWR | O_CLOEXEC);
            reached += got >= 0;
        }
    }
    return return_long(task, reached);
}

TEST(through_proc, SEALABLE)
{
    posse_executor *pool = pool_of(POSSE_ALLOW_FILES);
    submit_both(pool, proc_task, getpid());
    assert_innocent(pool);
    for (int i = 0; i < TIMES; i++)
        assert_int_equal(take_long(hostile[i]), 0);
    end_pool(pool);
}

/* ---- with processes: a child that writes on ---- */

static int writing_task(posse_task *task, const void *arg, size_t size)
{
    struct pi_task_memory *m = task->memory;
    pid_t child = fork();
    if (child == 0)
        for (uint64_t i = 0;; i++) {
            atomic_store(&m->size, i * 977);
            atomic_store(&m->failed, (uint32_t)i % 2);
            atomic_store(&m->done, 1);
            memset((char *)m + sizeof *m, (int)i, 5000);
        }
    return child < 0 ? GAVE_UP : return_long(task, 1);
}

TEST(a_child_that_writes_on, SEALABLE)
{
    posse_executor *pool = pool_of(POSSE_ALLOW_PROCESSES);
    submit_both(pool, writing_task, 0);
    assert_innocent(pool);
    for (int i = 0; i < TIMES; i++)
        assert_ended(hostile[i]);
    end_pool(pool);
}

/* probes.c - each static probe fires once for each event: `submit` also for a task that is withheld
 * and for those of a batch, `claim` and `finish` in the worker, `loss` in the supervisor.
 *
 * A probe is a nop. A note of the program says where; there the test puts a breakpoint, as a tracer
 * does, and counts the traps: in the program by a handler, in a worker or the supervisor by ptrace.
 */
#include "support/support.h"
#include "support/trace.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <posse_group.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_PLACES 16
#define NOP 0x90
#define BREAKPOINT 0xcc
#if defined(__x86_64__)
#define IS_X86 1
#else
#define IS_X86 0
#endif

static unsigned char *places[MAX_PLACES];
static int n_places;
static const char *probe; /* whose places they are */
static _Atomic int hits;
static struct sigaction before;

/* Behind the breakpoint, which was a nop, it goes on. */
static void on_trap(int number)
{
    (void)number;
    atomic_fetch_add(&hits, 1);
}

static int take_bias(struct dl_phdr_info *info, size_t size, void *bias)
{
    (void)size;
    *(uintptr_t *)bias = info->dlpi_addr;
    return 1; /* the program is the first */
}

/* One note: place, base and semaphore, then provider and name. */
static void look_at_note(const char *text, size_t size)
{
    uintptr_t bias = 0;
    Elf64_Addr place;
    const char *provider = text + 3 * sizeof place, *name = provider + sizeof "posse";
    if (size < 3 * sizeof place + sizeof "posse" + strlen(probe) + 1 ||
        strcmp(provider, "posse") != 0 || strcmp(name, probe) != 0)
        return;
    assert_true(n_places < MAX_PLACES);
    memcpy(&place, text, sizeof place);
    (void)dl_iterate_phdr(take_bias, &bias);
    places[n_places++] = (unsigned char *)(bias + place); /* NOLINT(performance-no-int-to-ptr) */
}

static size_t padded(size_t size) { return (size + 3) & ~(size_t)3; }

static void look_at_notes(const char *at, size_t size)
{
    Elf64_Nhdr note;
    for (; size > sizeof note; at += sizeof note + padded(note.n_namesz) + padded(note.n_descsz)) {
        memcpy(&note, at, sizeof note);
        size_t whole = sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
        if (whole > size)
            return;
        if (strncmp(at + sizeof note, "stapsdt", 8) == 0)
            look_at_note(at + sizeof note + padded(note.n_namesz), note.n_descsz);
        size -= whole;
    }
}

static void find_places(const char *of)
{
    struct stat file;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &file) == 0);
    const char *image = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_true(image != MAP_FAILED);
    const Elf64_Ehdr *head = (const void *)image;
    const Elf64_Shdr *sections = (const void *)(image + head->e_shoff);
    probe = of;
    n_places = 0;
    for (int i = 0; i < head->e_shnum; i++)
        if (sections[i].sh_type == SHT_NOTE)
            look_at_notes(image + sections[i].sh_offset, sections[i].sh_size);
    munmap((void *)image, (size_t)file.st_size);
    close(fd);
}

static void put_all(unsigned char byte)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < n_places; i++) {
        unsigned char *begin = places[i] - (uintptr_t)places[i] % page;
        assert_int_equal(mprotect(begin, page, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
        assert_int_equal(*places[i], byte == NOP ? BREAKPOINT : NOP);
        *places[i] = byte;
        assert_int_equal(mprotect(begin, page, PROT_READ | PROT_EXEC), 0);
    }
}

/* A pool, if the library has probes: else it was built without sys/sdt.h. */
static posse_executor *probed_pool(long workers)
{
    find_places("submit");
    if (!IS_X86 || n_places == 0)
        skip();
    return make_pool(workers);
}

/* From here on it counts. The workers of the pool go on without. */
static void attach(void)
{
    struct sigaction trap = {.sa_handler = on_trap};
    assert_int_equal(sigaction(SIGTRAP, &trap, &before), 0);
    put_all(BREAKPOINT);
    atomic_store(&hits, 0);
}

static void detach(void)
{
    put_all(NOP);
    assert_int_equal(sigaction(SIGTRAP, &before, NULL), 0);
}

static void submit_to(posse_executor *pool, posse_group *group)
{
    posse_job job = {.struct_size = sizeof job, .fn = identity_task, .group = group};
    assert_ok(posse_submit_with(pool, &job, NULL));
}

TEST(submit_fires_once, UNSANITIZED(ALL))
{
    posse_executor *pool = probed_pool(2);
    posse_group *group;
    posse_group_options options = {.struct_size = sizeof options, .max_running = 1};
    attach();
    assert_ok(posse_group_create(pool, &options, &group));
    assert_ok(posse_submit(pool, identity_task, NULL, 0, NULL));
    assert_int_equal(atomic_load(&hits), 1);
    for (int i = 0; i < 20; i++)
        submit_to(pool, group);
    assert_int_equal(atomic_load(&hits), 21);
    assert_ok(posse_group_wait(group, -1));
    assert_int_equal(atomic_load(&hits), 21);
    detach();
    assert_ok(posse_group_destroy(group));
    end_pool(pool);
}

static int nothing_task(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)arg, (void)size;
    return 0;
}

TEST(submit_fires_for_each_worker, UNSANITIZED(PARALLEL))
{
    posse_executor *pool = probed_pool(3);
    posse_broadcast_job job = {.struct_size = sizeof job, .fn = nothing_task};
    assert_eventually(stats_of(pool).workers == 3);
    attach();
    assert_ok(posse_broadcast(pool, &job, NULL));
    assert_int_equal(atomic_load(&hits), 3);
    detach();
    end_pool(pool);
}

TEST(submit_fires_for_each_of_a_batch, UNSANITIZED(ALL))
{
    enum { N = 100 };
    static posse_job jobs[N];
    posse_executor *pool = probed_pool(2);
    for (int i = 0; i < N; i++)
        jobs[i] = (posse_job){.struct_size = sizeof jobs[i], .fn = nothing_task};
    attach();
    assert_ok(posse_submit_many(pool, jobs, N, NULL, NULL));
    assert_int_equal(atomic_load(&hits), N);
    detach();
    end_pool(pool);
}

/* Inline the program runs the task itself. */
static void count_inline(const char *name)
{
    posse_executor *pool = probed_pool(1);
    find_places(name);
    assert_true(n_places > 0);
    attach();
    for (int i = 1; i <= 5; i++) {
        assert_ok(
            posse_submit(pool, i % 2 ? nothing_task : code_task, &(long){3}, sizeof(long), NULL));
        assert_int_equal(atomic_load(&hits), i);
    }
    detach();
    end_pool(pool);
}

TEST(claim_fires_inline, UNSANITIZED(INLINE)) { count_inline("claim"); }
TEST(finish_fires_inline, UNSANITIZED(INLINE)) { count_inline("finish"); }

/* ---- in other processes ---- */

#if IS_X86
static pid_t traced;

static void require_trace(long result) { assert_true(result >= 0); }

/* The process stands still in between. */
static void trace_places(pid_t pid)
{
    int status;
    traced = pid;
    require_trace(ptrace(PTRACE_SEIZE, pid, NULL, NULL));
    require_trace(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL));
    assert_int_equal(waitpid(pid, &status, __WALL), pid);
    for (int i = 0; i < n_places; i++) {
        long word = ptrace(PTRACE_PEEKTEXT, pid, places[i], NULL);
        assert_int_equal(word & 0xff, NOP);
        require_trace(ptrace(PTRACE_POKETEXT, pid, places[i], (word & ~0xffL) | BREAKPOINT));
    }
    require_trace(ptrace(PTRACE_CONT, pid, NULL, NULL));
    atomic_store(&hits, 0);
}

static bool is_at_place(void)
{
    struct user_regs_struct registers;
    require_trace(ptrace(PTRACE_GETREGS, traced, NULL, &registers));
    for (int i = 0; i < n_places; i++)
        if (registers.rip == (uintptr_t)places[i] + 1)
            return true;
    return false;
}

/* Lets it go on from where it stopped, if it did. Its own signals reach it. */
static void look_at_traced(void)
{
    int status;
    if (waitpid(traced, &status, __WALL | WNOHANG) != traced)
        return;
    assert_true(WIFSTOPPED(status));
    int number = status >> 16 ? 0 : WSTOPSIG(status);
    if (number == SIGTRAP && is_at_place()) {
        atomic_fetch_add(&hits, 1);
        number = 0;
    }
    require_trace(ptrace(PTRACE_CONT, traced, NULL, number));
}

/* In the end it is as before. */
static void untrace(void)
{
    int status;
    require_trace(ptrace(PTRACE_INTERRUPT, traced, NULL, NULL));
    assert_int_equal(waitpid(traced, &status, __WALL), traced);
    assert_true(WIFSTOPPED(status) && status >> 16);
    for (int i = 0; i < n_places; i++) {
        long word = ptrace(PTRACE_PEEKTEXT, traced, places[i], NULL);
        require_trace(ptrace(PTRACE_POKETEXT, traced, places[i], (word & ~0xffL) | NOP));
    }
    require_trace(ptrace(PTRACE_DETACH, traced, NULL, NULL));
}

/* Asserts that it holds in the end, while the traced process goes on. */
#define TRACE_UNTIL(condition)                                                                     \
    do {                                                                                           \
        long end = now_ms() + PATIENCE_MS;                                                         \
        while (!(condition) && now_ms() < end)                                                     \
            look_at_traced();                                                                      \
        assert_true(condition);                                                                    \
    } while (0)

static posse_executor *traced_pool(const char *name)
{
    if (!may_trace())
        skip();
    posse_executor *pool = probed_pool(1);
    find_places(name);
    assert_true(n_places > 0);
    return pool;
}

static void count_in_worker(const char *name)
{
    enum { N = 10 };
    static posse_job jobs[N];
    posse_executor *pool = traced_pool(name);
    pid_t worker = (pid_t)take_long(submitted(pool, identity_task, NULL, 0));
    for (int i = 0; i < N; i++)
        jobs[i] = (posse_job){.struct_size = sizeof jobs[i], .fn = nothing_task};
    trace_places(worker);
    assert_ok(posse_submit(pool, nothing_task, NULL, 0, NULL));
    TRACE_UNTIL(stats_of(pool).done == 2 && atomic_load(&hits) == 1);
    assert_ok(posse_submit_many(pool, jobs, N, NULL, NULL));
    TRACE_UNTIL(stats_of(pool).done == 2 + N && atomic_load(&hits) == 1 + N);
    untrace();
    end_pool(pool);
}

TEST(claim_fires_in_a_worker, UNSANITIZED(PROCESSES)) { count_in_worker("claim"); }
TEST(finish_fires_in_a_worker, UNSANITIZED(PROCESSES)) { count_in_worker("finish"); }

TEST(loss_fires_in_the_supervisor, UNSANITIZED(PROCESSES))
{
    posse_executor *pool = traced_pool("loss");
    trace_places((pid_t)take_long(submitted(pool, parent_task, NULL, 0)));
    for (int i = 1; i <= 3; i++) {
        long signal = SIGKILL;
        posse_future lost = SUBMIT_VALUE(pool, signal_task, signal);
        TRACE_UNTIL(posse_done(lost) && stats_of(pool).workers == 1 && atomic_load(&hits) == i);
        (void)take_error(lost, POSSE_WORKER_LOST);
    }
    untrace();
    end_pool(pool);
}
#endif

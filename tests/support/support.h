/* support.h - what all behaviour and crash tests share.
 *
 * A file of tests is one program, whose main is in runner.c. Each TEST says on which backends it
 * makes sense; the backend comes from the command line (process, thread or inline), and after it a
 * pattern of names may. After every test the runner looks at what is left: child processes,
 * workers, threads, descriptors, names in /dev/shm. Anything new is a failure.
 *
 * cmocka's assertions jump back into the runner, so only the runner's main thread may use them
 * (and the helpers here that say "asserts"). Tasks report through their results, threads through
 * memory, forked children by how they end.
 */
#ifndef SUPPORT_H
#define SUPPORT_H

#include <posse.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

/* The runner counts what was skipped. */
_Noreturn void skip_test(const char *file, int line);
#undef skip
#define skip() skip_test(__FILE__, __LINE__)

/* cmocka 2 warns of the old name: it has one for each sign, whose macros change the sign. */
#ifdef assert_uint_in_range
#undef assert_in_range
#define assert_in_range(value, minimum, maximum)                                                   \
    _assert_uint_in_range((uintmax_t)(value), (uintmax_t)(minimum), (uintmax_t)(maximum),          \
                          __FILE__, __LINE__)
#endif

/* Sanitizers, and valgrind, need time, threads and address space of their own. */
#if defined(__has_feature)
#define HAS_FEATURE(feature) __has_feature(feature)
#else
#define HAS_FEATURE(feature) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define SANITIZED_THREADS
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer) ||                             \
    defined(SANITIZED_THREADS) || defined(POSSE_TEST_VALGRIND)
#define SANITIZED
#endif

/* ---- running (runner.c) ---------------------------------------------------------------------- */

enum {
    PROCESSES = 1u << POSSE_PROCESS,
    THREADS = 1u << POSSE_THREAD,
    INLINE = 1u << POSSE_INLINE,
    PARALLEL = PROCESSES | THREADS,
    ALL = PARALLEL | INLINE,
#ifdef SANITIZED_THREADS
    FORKED = PROCESSES | INLINE, /* it gives up when a forked child starts threads */
    CALLERS = THREADS | INLINE,  /* it does not see what workers pass on from thread to thread */
#else
    FORKED = ALL,  /* where forked children make pools */
    CALLERS = ALL, /* where threads use a pool side by side */
#endif
    PARALLEL_FORKED = PARALLEL & FORKED,
    PARALLEL_CALLERS = PARALLEL & CALLERS,
};

/* The backends of a test where a sanitizer has calls, address space or memory of its own. */
#ifdef SANITIZED
#define UNSANITIZED(backends) 0
#else
#define UNSANITIZED(backends) backends
#endif

struct test {
    const char *name;
    CMUnitTestFunction run;
    unsigned backends; /* where it makes sense */
    int order;         /* in its file */
    struct test *next;
};
void add_test(struct test *test);

/* TEST(name, BACKENDS) { ... } is a test: the runner finds it, and runs it in the order of the
 * file. TEST_AS gives it a name that is no identifier. */
/* clang-format off */
#define TEST(function, where) TEST_AS(function, #function, where)
#define TEST_AS(function, text, where)                                                             \
    static void function(void **);                                                                 \
    __attribute__((constructor)) static void register_##function(void)                             \
    {                                                                                              \
        static struct test test = {text, function, where, __COUNTER__, NULL};                      \
        add_test(&test);                                                                           \
    }                                                                                              \
    static void function(void **unused_state)

/* POOL_TEST(name, BACKENDS, workers[, .option = value]...) { ... } has a `pool`, which is made
 * before it, and after it must be at rest and is destroyed (end_pool). */
#define POOL_TEST(function, where, ...)                                                            \
    static void in_pool_##function(posse_executor *pool);                                          \
    TEST(function, where)                                                                          \
    {                                                                                              \
        posse_executor *pool = POOL(__VA_ARGS__);                                                  \
        in_pool_##function(pool);                                                                  \
        end_pool(pool);                                                                            \
    }                                                                                              \
    static void in_pool_##function(posse_executor *pool)
/* clang-format on */
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

posse_backend backend(void);

/* How much to do: `few` in a run of minutes, `many` after tests/run.sh --long. */
long in_long_run(long few, long many);

/* What the log says of this test if it fails or hangs: what it did last, and the settings of the
 * environment that make it do the same again. */
__attribute__((format(printf, 1, 2))) void scene_is(const char *format, ...);
__attribute__((format(printf, 1, 2))) void again_with(const char *format, ...);

/* POSSE_TEST_SEED, or another number below that each time. The log says which if the test fails. */
unsigned long test_seed(unsigned long below);

/* Seconds from now until the runner is killed; every test starts with TIME_LIMIT. */
#define TIME_LIMIT 240
void time_limit(unsigned seconds);

/* ---- what is there (census.c) ---------------------------------------------------------------- */

int count_descriptors(void);
int count_threads(void);

/* Processes that were forked by this runner or by what it forked, and live. Not the runner; a
 * zombie is dead. */
int count_processes(void);

/* Names of posse in /dev/shm that were not there when the test began; not those of programs that
 * live and were not forked by this runner. */
int count_new_names(void);

bool process_lives(pid_t pid); /* a zombie does not */
/* Asserts that the process, or a thread, of that number comes to sleep in a call. */
void await_asleep(long id);
char process_state(pid_t pid); /* as in /proc/<pid>/stat, X: there is none */

void census_mark(void);  /* once: makes this runner's descendants recognizable */
void census_begin(void); /* before a test */
bool census_end(void);   /* after it: false if something is left, printed as an error */

/* ---- waiting (wait.c) ------------------------------------------------------------------------ */

/* How long a test waits for an event that must come. No machine is so busy: it is a little less
 * than the time limit, so that the test can say what never came. */
#define PATIENCE_MS 200000

void pause_ms(long ms);
long now_ms(void); /* monotonic */

/* For the rest of the test no caller that sleeps, in a pool made from now on, looks by itself after
 * a second: whoever is not woken never is, and the test runs out of its time. */
void look_never(void);
/* They look so often: every SECOND_MS before each test. Where many must look, a test takes less. */
#define SECOND_MS 1000
void look_every(long ms);
/* The supervisor waits so long after a start of a worker that failed, and twice as long after each
 * further one: RETRY_US before each test. */
#define RETRY_US 1000
void retry_after(long us);

/* Looks every millisecond until the condition holds; fails if it takes too long. */
#define assert_eventually(condition)                                                               \
    do {                                                                                           \
        for (long end_ = now_ms() + PATIENCE_MS; !(condition); pause_ms(1))                        \
            if (now_ms() > end_)                                                                   \
                fail_msg("never came: %s", #condition);                                            \
    } while (0)

/* Waits until the supervisor has looked at all that it looks at once more: what it would do by
 * itself, it has done. Asserts. */
void await_rounds(posse_executor *pool);

/* ---- pools (pool.c) -------------------------------------------------------------------------- */

/* Asserts that a call gives the status; names both if not. */
#define assert_status(call, expected) require_status((call), (expected), #call, __FILE__, __LINE__)
#define assert_ok(call) assert_status(call, POSSE_OK)
void require_status(posse_status actual, posse_status expected, const char *call, const char *file,
                    int line);

posse_options default_options(void); /* of this backend, size set */
posse_options with_initializer(posse_fn *fn, const void *arg, size_t size); /* 3 workers */
posse_executor *open_pool(long workers);               /* NULL if that fails; also for children */
posse_executor *make_pool(long workers);               /* asserts */
posse_executor *make_pool_with(posse_options options); /* asserts */
/* POOL(workers[, .option = value]...): a pool of this backend. Asserts. */
#define POOL(...) make_pool_with(OPTIONS(__VA_ARGS__))
#define OPTIONS(...)                                                                               \
    ((posse_options){                                                                              \
        .struct_size = sizeof(posse_options), .backend = backend(), .max_workers = __VA_ARGS__})

/* Asserts that the pool comes to rest with nothing held (no task, future or memory), and
 * destroys it. */
void end_pool(posse_executor *pool);

posse_stats stats_of(posse_executor *pool); /* asserts */

/* Asserts that nothing is left inside a pool that has come to rest: each slot, block and parker is
 * free and its map says so, the ring is empty, the workers sleep. The pool is not broken, no future
 * and no memory of it is held, and no worker is stopped or abandoned. (rest.c) */
void assert_at_rest(posse_executor *pool);
const char *unrest(posse_executor *pool); /* what does not hold now, NULL: all holds */

/* Submits and asserts that it is accepted. VALUE takes any lvalue as the argument. */
posse_future submitted(posse_executor *pool, posse_fn *fn, const void *arg, size_t size);
#define SUBMIT_VALUE(pool, fn, value) submitted(pool, fn, &(value), sizeof(value))
posse_future submitted_long(posse_executor *pool, posse_fn *fn, long value);
posse_future submitted_job(posse_executor *pool, posse_job job); /* sets struct_size */

/* Waits for the end, asserts how the task ended, and releases it. take_long: a result that is
 * one long. */
long take_long(posse_future future);
posse_error take_error(posse_future future, posse_status how);
posse_error error_of(posse_future future); /* waits and asserts; does not release */
long next_long(posse_future future);       /* waits for a message that is one long; asserts */

/* Runs a task that takes its worker with it, beside another one that must not notice, in a pool of
 * its own, and gives how it was lost. Asserts that this is all that is lost. */
posse_error lost_by(posse_fn *fn, const void *arg, size_t size);

/* ---- gates (gate.c) -------------------------------------------------------------------------- */

/* A gate holds tasks back until it is opened. It lies in memory from posse_alloc. */
struct gate {
    _Atomic long who[64]; /* the threads that came to it, in order */
    _Atomic int coming;
    _Atomic int entered; /* tasks that have come to it; they are in `who` */
    _Atomic int passed;  /* tasks that have gone through */
    _Atomic int open;
};

struct gate *make_gate(posse_executor *pool);            /* asserts */
void free_gate(posse_executor *pool, struct gate *gate); /* asserts */
void open_gate(struct gate *gate);
void await_entered(struct gate *gate, int tasks); /* asserts that `tasks` come */
posse_future submitted_hold(posse_executor *pool, struct gate *gate);

/* A task that waits for another one of its own. It lies in memory from posse_alloc, so the program
 * knows the inner one, whose argument is the gate. */
struct nest {
    struct gate *gate;
    posse_future inner;
};

struct nest *make_nest(posse_executor *pool);            /* asserts */
void free_nest(posse_executor *pool, struct nest *nest); /* asserts */
/* For use in the task: the nest that is its argument; submits the job there, waits for its end, and
 * returns its status. */
struct nest *nest_of(const void *arg);
int wait_in_nest(posse_task *task, struct nest *nest, posse_job job);

/* For use in a task: comes to the gate; comes to it and waits. False if it does not open. */
void enter_gate(struct gate *gate);
bool pass_gate(struct gate *gate);

/* ---- tasks (tasks.c) ------------------------------------------------------------------------- */

#define GAVE_UP 901      /* code of a task that waited too long */
#define INNER_FAILED 902 /* code of a task whose own task failed */
#define WRONG_ARG 903    /* code of a task that got other bytes than expected */

posse_fn square_task;   /* long -> long */
posse_fn echo_task;     /* bytes -> the same bytes */
posse_fn code_task;     /* long code -> returns it */
posse_fn message_task;  /* long code -> posse_task_fail(code, "failed with <code>") */
posse_fn sleep_task;    /* long ms -> long ms */
posse_fn identity_task; /* -> long, the thread that ran it: a worker's pid with processes */
posse_fn process_task;  /* -> long, the process that ran it */
posse_fn parent_task;   /* -> long, the parent process of the worker: the supervisor */
posse_fn worker_task;   /* -> long, posse_task_worker */
posse_fn attempt_task;  /* -> long, posse_task_attempt */
posse_fn hold_task;     /* struct gate * -> waits at the gate; long, as identity_task */
posse_fn heed_task;     /* struct gate * -> comes to the gate, returns once posse_task_cancelled */
posse_fn count_task;    /* _Atomic long * -> adds one */
posse_fn fib_task;      /* long n -> long, by submitting and waiting for its two halves */
posse_fn signal_task;   /* long signal -> raises it */
posse_fn exit_task;     /* long code -> _exit */

long identity(void); /* of the calling thread, as identity_task */

/* For use in a task: returns one long as the result. */
int return_long(posse_task *task, long value);

/* A shared counter for count_task. */
_Atomic long *make_counter(posse_executor *pool); /* asserts */

/* ---- other threads (caller.c) ---------------------------------------------------------------- */

/* A thread that makes one call, so that a test can look on while it blocks. */
struct caller {
    posse_status (*call)(void *context);
    void *context;
    pthread_t thread;
    _Atomic long identity;
    _Atomic int returned;
    posse_status status;
};

void start_call(struct caller *caller, posse_status (*call)(void *), void *context); /* asserts */
void await_parked(struct caller *caller);     /* asserts that it comes to sleep in the call */
bool comes_to_park(struct caller *caller);    /* false if it has returned instead */
posse_status end_call(struct caller *caller); /* joins it */

/* Asserts that all threads but this one come to sleep. Before a fork: a thread that runs may hold a
 * lock of the allocator, and not every one's, such as AddressSanitizer's, is free in the child. */
void await_other_threads(void);

posse_status call_result(void *future);    /* posse_result without a limit */
posse_status call_exception(void *future); /* posse_exception without a limit */
posse_status call_shutdown(void *pool);    /* waits without a limit */
posse_status call_destroy(void *pool);

/* ---- forked children (child.c) --------------------------------------------------------------- */

/* Runs body in a forked child, which ends by _exit with what it returns, and asserts that this
 * is 0. */
void assert_child(int (*body)(void *), void *context);
pid_t start_child(int (*body)(void *), void *context); /* asserts */
int wait_status(pid_t child);                          /* asserts; the status as waitpid gives it */

/* In a child: returns 1 from body, with a word on stderr, unless the condition holds. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return child_says(__FILE__, __LINE__, #condition);                                     \
    } while (0)
int child_says(const char *file, int line, const char *text);

int pool_works(posse_executor *pool); /* in a child: 0 if its tasks give their results */

/* Memory that the runner shares with the children it forks later; zero at first. */
void *make_shared(size_t size); /* asserts */
void free_shared(void *memory, size_t size);

#endif

/* signals.c - what signals do in a task: what the program ignores is ignored there too, its
 * handlers stay in its own process, and a fault in a thread of the pool reaches them. */
#include "support/support.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum reaction { DEFAULT, IGNORED, HANDLED };

/* long signal -> long enum reaction */
static int reaction_task(posse_task *task, const void *arg, size_t size)
{
    struct sigaction action;
    if (sigaction((int)*(const long *)arg, NULL, &action) != 0)
        return GAVE_UP;
    return return_long(task, action.sa_handler == SIG_IGN   ? IGNORED
                             : action.sa_handler == SIG_DFL ? DEFAULT
                                                            : HANDLED);
}

/* -> long, a bit for each signal that is blocked */
static int mask_task(posse_task *task, const void *arg, size_t size)
{
    sigset_t mask;
    long blocked = 0;
    if (pthread_sigmask(SIG_BLOCK, NULL, &mask) != 0)
        return GAVE_UP;
    for (int signal = 1; signal < 32; signal++)
        blocked |= sigismember(&mask, signal) == 1 ? 1L << signal : 0;
    return return_long(task, blocked);
}

static void assert_reaction(posse_executor *pool, int signal, enum reaction in_program)
{
    bool process = backend() == POSSE_PROCESS;
    assert_int_equal(take_long(submitted_long(pool, reaction_task, signal)),
                     process && in_program == HANDLED ? DEFAULT : in_program);
}

static void handle(int signal) { (void)signal; }

/* ---- what the program ignores ---- */

static const int kept[] = {SIGPIPE, SIGXFSZ, SIGHUP, SIGTERM, SIGCHLD, SIGALRM, SIGUSR2};

static void assert_kept(posse_executor *pool)
{
    for (size_t i = 0; i < COUNT(kept); i++)
        assert_reaction(pool, kept[i], IGNORED);
    assert_reaction(pool, SIGUSR1, HANDLED);
    assert_reaction(pool, SIGURG, DEFAULT);
}

/* In the first worker, and in the one that takes its place. */
TEST(ignored_signals_stay_ignored, ALL)
{
    struct sigaction before[COUNT(kept)], usr1;
    for (size_t i = 0; i < COUNT(kept); i++)
        sigaction(kept[i], &(struct sigaction){.sa_handler = SIG_IGN}, &before[i]);
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = handle}, &usr1);
    posse_executor *pool = make_pool(1);
    assert_kept(pool);
    if (backend() == POSSE_PROCESS) {
        take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
        assert_kept(pool);
    }
    end_pool(pool);
    sigaction(SIGUSR1, &usr1, NULL);
    for (size_t i = 0; i < COUNT(kept); i++)
        sigaction(kept[i], &before[i], NULL);
}

/* What is ignored later is not seen in worker processes. */
POOL_TEST(ignored_signals_are_those_at_create, ALL, 1)
{
    struct sigaction before;
    sigaction(SIGUSR2, &(struct sigaction){.sa_handler = SIG_IGN}, &before);
    assert_reaction(pool, SIGUSR2, backend() == POSSE_PROCESS ? DEFAULT : IGNORED);
    sigaction(SIGUSR2, &before, NULL);
}

/* -> long, the errno of a write to a peer that has gone */
static int write_task(posse_task *task, const void *arg, size_t size)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return GAVE_UP;
    close(pair[1]);
    errno = 0;
    long error = write(pair[0], "x", 1) < 0 ? errno : 0;
    close(pair[0]);
    return return_long(task, error);
}

TEST(a_write_to_a_closed_socket_fails, ALL)
{
    struct sigaction before;
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &before);
    posse_executor *pool = make_pool(1);
    assert_int_equal(take_long(submitted(pool, write_task, NULL, 0)), EPIPE);
    end_pool(pool);
    sigaction(SIGPIPE, &before, NULL);
}

/* Its workers ignore SIGTERM as it does: SIGKILL ends them, a second later. */
TEST(a_program_that_ignores_sigterm, PROCESSES)
{
    struct sigaction before;
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = SIG_IGN}, &before);
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_ok(posse_terminate_workers(pool));
    assert_int_equal(take_error(future, POSSE_WORKER_LOST).signal, SIGKILL);
    assert_eventually(stats_of(pool).workers == 0);
    free_gate(pool, gate);
    end_pool(pool);
    sigaction(SIGTERM, &before, NULL);
}

/* ---- the supervisor ---- */

/* Whatever else is sent to it: it goes on, and still sees its workers end. */
POOL_TEST(no_signal_but_kill_ends_the_supervisor, PROCESSES, 1)
{
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    for (int signal = 1; signal <= SIGRTMAX; signal++) {
        bool of_libc = signal >= 32 && signal < SIGRTMIN; /* which does not let them be blocked */
        if (signal != SIGKILL && signal != SIGSTOP && !of_libc)
            assert_int_equal(kill(supervisor, signal), 0);
    }
    for (long i = 0; i < 3; i++)
        take_error(submitted_long(pool, exit_task, 1), POSSE_WORKER_LOST);
    assert_int_equal(take_long(submitted(pool, parent_task, NULL, 0)), supervisor);
}

/* ---- masks ---- */

#define BIT(signal) (1L << (signal))

/* The program's mask does not reach worker processes. A thread of the pool leaves to other threads
 * all that is not about itself. */
TEST(blocked_in_a_task, ALL)
{
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    posse_executor *pool = make_pool(1);
    long blocked = take_long(submitted(pool, mask_task, NULL, 0));
    end_pool(pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    long open = BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) |
                BIT(SIGSYS) | BIT(SIGABRT) | BIT(SIGPROF);
    long others = BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(SIGTERM) | BIT(SIGINT) | BIT(SIGCHLD);
    switch (backend()) {
    case POSSE_PROCESS: assert_int_equal(blocked, 0); break;
    case POSSE_THREAD:
        assert_int_equal(blocked & open, 0);
        assert_int_equal(blocked & others, others);
        break;
    case POSSE_INLINE: assert_int_equal(blocked & (open | others), BIT(SIGUSR1)); break;
    }
}

/* What the program blocks in the thread that makes the pool stays blocked in the pool's: it may
 * take it with sigwait. */
TEST(blocked_by_the_program, ALL)
{
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGPROF);
    sigaddset(&mask, SIGABRT);
    pthread_sigmask(SIG_BLOCK, &mask, &before);
    posse_executor *pool = make_pool(1);
    long blocked = take_long(submitted(pool, mask_task, NULL, 0));
    end_pool(pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    long theirs = BIT(SIGPROF) | BIT(SIGABRT);
    assert_int_equal(blocked & theirs, backend() == POSSE_PROCESS ? 0 : theirs);
}

/* ---- a fault in a task ---- */

static char *page; /* that nobody may write, until the handler has been called */
static size_t page_size;

static void open_page(int signal) { (void)mprotect(page, page_size, PROT_READ | PROT_WRITE); }

static int fault_task(posse_task *task, const void *arg, size_t size)
{
    *(volatile char *)page = 7;
    return return_long(task, *(volatile char *)page);
}

/* It is the program's own thread that faults, or a process in which the handler is not. */
TEST(a_fault_reaches_the_handler, ALL)
{
    struct sigaction before;
    page_size = (size_t)sysconf(_SC_PAGESIZE);
    page = mmap(NULL, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    sigaction(SIGSEGV, &(struct sigaction){.sa_handler = open_page}, &before);
    posse_executor *pool = make_pool(1);
    posse_future future = submitted(pool, fault_task, NULL, 0);
    if (backend() == POSSE_PROCESS)
        assert_int_equal(take_error(future, POSSE_WORKER_LOST).signal, SIGSEGV);
    else
        assert_int_equal(take_long(future), 7);
    end_pool(pool);
    sigaction(SIGSEGV, &before, NULL);
    munmap(page, page_size);
}

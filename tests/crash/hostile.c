/* hostile.c - tasks that never return are ended by their deadline, by posse_kill, by
 * posse_terminate_workers and by posse_destroy, whatever they have done before.
 *
 * A task beside them notices nothing, those after them are right, and nothing is left over.
 */
#include "support/hostile.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEADLINE_MS 60

/* ---- tasks that never return; each says at the gate that it has begun ---- */

static volatile bool forever = true;

static int stay(void)
{
    while (forever)
        pause();
    return GAVE_UP;
}

HOSTILE(deaf_to_all_signals)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    enter_gate(gate_of(arg));
    return stay();
}

static void on_signal(int signal) { (void)signal; }

HOSTILE(handles_all_signals)
{
    for (int signal = 1; signal < NSIG; signal++)
        (void)sigaction(signal, &(struct sigaction){.sa_handler = on_signal}, NULL);
    enter_gate(gate_of(arg));
    return stay();
}

HOSTILE(spins_with_the_least_priority)
{
    setpriority(PRIO_PROCESS, 0, 19);
    enter_gate(gate_of(arg));
    while (forever) {
    }
    return GAVE_UP;
}

HOSTILE(deadlocks_on_its_mutex)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    enter_gate(gate_of(arg));
    pthread_mutex_lock(&mutex);
    return stay();
}

HOSTILE(stops_itself)
{
    enter_gate(gate_of(arg));
    raise(SIGSTOP);
    return stay();
}

/* Its tracer is the supervisor, which knows nothing of that: it stops at the next signal. */
HOSTILE(asks_to_be_traced)
{
    (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    enter_gate(gate_of(arg));
    raise(SIGUSR1);
    return stay();
}

/* To that of the supervisor, whom a signal to the group must not hit. */
HOSTILE(moves_to_another_group)
{
    (void)setpgid(0, getpgid(getppid()));
    enter_gate(gate_of(arg));
    return stay();
}

HOSTILE(execs_a_program_that_stays)
{
    enter_gate(gate_of(arg));
    execlp("sleep", "sleep", "1000", (char *)NULL);
    return GAVE_UP;
}

HOSTILE(disarms_what_ends_it)
{
    (void)prctl(PR_SET_PDEATHSIG, 0);
    (void)setsid();
    enter_gate(gate_of(arg));
    return stay();
}

#ifndef SANITIZED_THREADS /* it gives up when a forked child starts threads */
static void *stay_in_thread(void *gate)
{
    enter_gate(gate);
    stay();
    return NULL;
}

/* The process lives on without its first thread. */
HOSTILE(goes_on_in_a_thread)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, stay_in_thread, gate_of(arg)) != 0)
        return GAVE_UP;
    syscall(SYS_exit, 0);
    return GAVE_UP;
}
#endif

/* The children do as it does. */
HOSTILE(breeds)
{
    pid_t first = getpid();
    for (int i = 0; i < 3; i++)
        (void)!fork();
    if (getpid() == first)
        enter_gate(gate_of(arg));
    return stay();
}

HOSTILE(calls_the_supervisor_all_the_time)
{
    enter_gate(gate_of(arg));
    while (forever) {
        kill(getppid(), SIGCHLD);
        kill(getppid(), SIGTERM);
    }
    return GAVE_UP;
}

static const struct {
    const char *name;
    posse_fn *fn;
} stayers[] = {
#define STAYER(name)                                                                               \
    {                                                                                              \
#name, name                                                                                \
    }
    STAYER(deaf_to_all_signals),
    STAYER(handles_all_signals),
    STAYER(spins_with_the_least_priority),
    STAYER(deadlocks_on_its_mutex),
    STAYER(stops_itself),
    STAYER(asks_to_be_traced),
    STAYER(moves_to_another_group),
    STAYER(execs_a_program_that_stays),
    STAYER(disarms_what_ends_it),
#ifndef SANITIZED_THREADS
    STAYER(goes_on_in_a_thread),
#endif
    STAYER(breeds),
    STAYER(calls_the_supervisor_all_the_time),
};

/* One task stands at the gate, and a hostile one runs beside it. */
struct company {
    posse_executor *pool;
    struct gate *gate;
    posse_future beside;
    posse_future hostile;
};

static struct company invite(posse_fn *fn, long timeout_ms)
{
    struct company company = {.pool = make_pool(2)};
    company.gate = make_gate(company.pool);
    company.beside = submitted_hold(company.pool, company.gate);
    await_entered(company.gate, 1);
    posse_job job = {
        .fn = fn, .arg = &company.gate, .size = sizeof company.gate, .timeout_ms = timeout_ms};
    company.hostile = submitted_job(company.pool, job);
    return company;
}

/* The worker of the hostile task was replaced; all else is as it was. */
static void part(struct company *company)
{
    assert_int_equal(take_long(submitted_long(company->pool, square_task, 9)), 81);
    open_gate(company->gate);
    take_long(company->beside);
    assert_eventually(stats_of(company->pool).workers == 2);
    assert_int_equal(stats_of(company->pool).workers_lost, 1);
    free_gate(company->pool, company->gate);
    end_pool(company->pool);
}

TEST(deadline_ends_it, PROCESSES)
{
    for (size_t i = 0; i < COUNT(stayers); i++) {
        scene_is("%s", stayers[i].name);
        struct company company = invite(stayers[i].fn, DEADLINE_MS);
        take_error(company.hostile, POSSE_DEADLINE);
        part(&company);
    }
}

TEST(kill_ends_it, PROCESSES)
{
    for (size_t i = 0; i < COUNT(stayers); i++) {
        scene_is("%s", stayers[i].name);
        struct company company = invite(stayers[i].fn, 0);
        await_entered(company.gate, 2);
        assert_ok(posse_kill(company.hostile));
        take_error(company.hostile, POSSE_CANCELLED);
        part(&company);
    }
}

/* What it leaves over shows in the census. */
TEST(destroy_ends_it, PROCESSES)
{
    int before = count_processes();
    for (size_t i = 0; i < COUNT(stayers); i++) {
        scene_is("%s", stayers[i].name);
        struct company company = invite(stayers[i].fn, 0);
        await_entered(company.gate, 2);
        assert_ok(posse_destroy(company.pool));
        assert_eventually(count_processes() == before);
    }
}

/* SIGTERM does not end them all; what ends them then is SIGKILL. */
TEST(terminate_ends_all, PROCESSES)
{
    posse_executor *pool = make_pool(COUNT(stayers));
    struct gate *gate = make_gate(pool);
    posse_future futures[COUNT(stayers)];
    for (size_t i = 0; i < COUNT(stayers); i++)
        futures[i] = SUBMIT_VALUE(pool, stayers[i].fn, gate);
    await_entered(gate, COUNT(stayers));
    assert_ok(posse_terminate_workers(pool));
    for (size_t i = 0; i < COUNT(stayers); i++)
        take_error(futures[i], POSSE_WORKER_LOST);
    assert_ok(posse_destroy(pool));
}

/* no_pidfd.c - what isolation promises where the system has no pidfds, as before Linux 5.3, or
 * denies another call: the promise is kept in another way, or posse_create refuses.
 */
#include "deny/kit/filter.h"

#include "pool/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_HERE 77

/* What a program tells the runner, in shared memory. */
struct word {
    _Atomic int ready;
    _Atomic long helper;
};

static const struct denial no_pidfd = {"pidfd_open", SYS_pidfd_open, ANY};
static const struct denial no_proc = {"openat", SYS_openat, ANY};
static const struct denial no_death_signal = {"prctl", SYS_prctl, PR_SET_PDEATHSIG};

static void assert_played(int (*body)(void *), void *context)
{
    int status = wait_status(start_child(body, context));
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE)
        skip();
    assert_int_equal(status, 0);
}

/* ---- the program dies ---- */

/* A child of it has a copy of the socket, so that the supervisor sees no end of file. */
static int program_with_a_child(void *context)
{
    struct word *word = context;
    if (!deny(&no_pidfd, ENOSYS))
        return NOT_HERE;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL && pool_works(pool) == 0);
    pid_t helper = fork();
    if (helper > 0) {
        atomic_store(&word->helper, helper);
        atomic_store(&word->ready, 1);
    }
    for (;;)
        pause();
}

static bool has_said(const struct word *word, pid_t program)
{
    return atomic_load(&word->ready) || !process_lives(program);
}

TEST(workers_die_with_the_program, UNSANITIZED(PROCESSES))
{
    struct word *word = make_shared(sizeof *word);
    pid_t program = start_child(program_with_a_child, word);
    assert_eventually(has_said(word, program));
    kill(program, SIGKILL);
    assert_eventually(process_state(program) == 'Z'); /* not reaped yet: dead all the same */
    bool ready = atomic_load(&word->ready);
    if (ready) {
        assert_eventually(count_processes() == 1); /* the helper */
        kill((pid_t)atomic_load(&word->helper), SIGKILL);
    }
    (void)wait_status(program);
    assert_eventually(count_processes() == 0);
    free_shared(word, sizeof *word);
    if (!ready)
        skip();
}

/* ---- it lives, and looks as if it were dead ---- */

/* The supervisor has looked whether the program lives, more than once. */
static bool is_looked_at(posse_executor *pool)
{
    _Atomic uint64_t *rounds = &pool->segment.header->supervisor_rounds;
    for (uint64_t before = atomic_load(rounds); atomic_load(rounds) < before + 3;)
        pause_ms(10);
    return true;
}

static void *go_on(void *context)
{
    pthread_t first = *(pthread_t *)context;
    posse_executor *pool = open_pool(1);
    pthread_join(first, NULL);
    _exit(pool != NULL && is_looked_at(pool) && pool_works(pool) == 0 &&
                  posse_destroy(pool) == POSSE_OK
              ? 0
              : 1);
}

/* A process whose first thread has ended is a zombie in /proc. */
static int first_thread_ends(void *unused)
{
    static pthread_t first, second;
    if (!deny(&no_pidfd, EPERM))
        return NOT_HERE;
    first = pthread_self();
    REQUIRE(pthread_create(&second, NULL, go_on, &first) == 0);
    pthread_exit(NULL);
}

TEST(a_program_without_its_first_thread_lives, UNSANITIZED(PROCESSES))
{
    assert_played(first_thread_ends, NULL);
}

/* ---- refusals ---- */

static int refuses(const struct denial *denial, int error)
{
    posse_executor *pool = NULL;
    posse_options options = default_options();
    if (!deny(denial, error))
        return NOT_HERE;
    errno = 0;
    REQUIRE(posse_create(&options, &pool) == POSSE_NOT_SUPPORTED && errno == error);
    REQUIRE(pool == NULL && waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    options.backend = POSSE_THREAD; /* which needs none of that */
    REQUIRE(posse_create(&options, &pool) == POSSE_OK && pool_works(pool) == 0);
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return 0;
}

static int neither_pidfd_nor_proc(void *unused)
{
    return deny(&no_proc, EACCES) ? refuses(&no_pidfd, ENOSYS) : NOT_HERE;
}

TEST(nothing_tells_of_the_end_of_the_program, UNSANITIZED(PROCESSES))
{
    assert_played(neither_pidfd_nor_proc, NULL);
}

static int no_signal_at_a_parents_death(void *unused)
{
    REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    return refuses(&no_death_signal, EPERM);
}

TEST(workers_would_outlive_the_supervisor, UNSANITIZED(PROCESSES))
{
    assert_played(no_signal_at_a_parents_death, NULL);
}

/* ---- a worker that gives up the call itself ---- */

static int seal(posse_task *task, const void *arg, size_t size)
{
    bool becomes_another;
    memcpy(&becomes_another, arg, sizeof becomes_another);
    if (becomes_another && setuid(geteuid() == 0 ? 54321 : geteuid()) != 0)
        return 1;
    return deny(&no_death_signal, EPERM) ? 0 : 1;
}

static int sealed_workers_work(void *unused)
{
    bool becomes_another = false;
    posse_options options = with_initializer(seal, &becomes_another, sizeof becomes_another);
    posse_executor *pool = NULL;
    REQUIRE(posse_create(&options, &pool) == POSSE_OK && pool_works(pool) == 0);
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return 0;
}

TEST(a_sealed_worker_works, UNSANITIZED(PROCESSES)) { assert_played(sealed_workers_work, NULL); }

/* The kernel has forgotten whom it dies with, and cannot be told again. */
static int another_user_is_refused(void *unused)
{
    bool becomes_another = true;
    posse_options options = with_initializer(seal, &becomes_another, sizeof becomes_another);
    posse_executor *pool = NULL;
    posse_error why = {.struct_size = sizeof why, .status = POSSE_OK};
    REQUIRE(posse_create(&options, &pool) == POSSE_OK);
    for (long end = now_ms() + PATIENCE_MS; why.status != POSSE_BROKEN; pause_ms(1))
        REQUIRE(now_ms() < end && posse_why_broken(pool, &why) == POSSE_OK);
    REQUIRE(strstr(why.message, "outlive") != NULL && posse_destroy(pool) == POSSE_OK);
    return 0;
}

TEST(a_sealed_worker_of_another_user_is_refused, UNSANITIZED(PROCESSES))
{
    if (geteuid() != 0)
        skip();
    assert_played(another_user_is_refused, NULL);
}

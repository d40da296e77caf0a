/* adopts.c - programs that adopt orphans: process 1 of a pid namespace, and a subreaper. There the
 * supervisor is a child of the program after all: one, alive as long as the pool. posse_destroy
 * reaps it, so that no zombies pile up. posse does not touch the program's own children.
 *
 * Each scene is played by a forked child in three roles: an ordinary program, a subreaper, and
 * process 1, which is skipped where namespaces are not permitted.
 */
#include "support/support.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_PERMITTED 77

enum role { ORDINARY, SUBREAPER, PROCESS_1, ROLES };
static const char *const role_names[] = {"ordinary", "subreaper", "process 1"};

struct scene {
    enum role role;
    int (*play)(bool adopts);
};

/* The new process 1 of a namespace. */
static int play_below(const struct scene *scene)
{
    int status = 0;
    if (unshare(CLONE_NEWPID) != 0)
        return NOT_PERMITTED;
    pid_t child = fork();
    if (child == 0) {
        time_limit(TIME_LIMIT);
        _exit(getpid() == 1 ? scene->play(true) : 1);
    }
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int play(void *context)
{
    const struct scene *scene = context;
    if (scene->role == PROCESS_1)
        return play_below(scene);
    REQUIRE(scene->role == ORDINARY || prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    return scene->play(scene->role == SUBREAPER);
}

static void assert_in_all_roles(int (*body)(bool adopts))
{
    for (int role = ORDINARY; role < ROLES; role++) {
        struct scene scene = {(enum role)role, body};
        int status = wait_status(start_child(play, &scene));
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED)
            print_message("as %s: not permitted here\n", role_names[role]);
        else if (status != 0)
            fail_msg("as %s: status %x", role_names[role], (unsigned)status);
    }
}

/* ---- scenes ---- */

static int no_child(void)
{
    REQUIRE(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    return 0;
}

static int squares(posse_executor *pool, long value)
{
    posse_future future;
    long result = 0;
    REQUIRE(posse_submit(pool, square_task, &value, sizeof value, &future) == POSSE_OK);
    REQUIRE(posse_result_into(future, -1, &result, sizeof result, NULL) == POSSE_OK);
    REQUIRE(result == value * value && posse_release(future) == POSSE_OK);
    return 0;
}

static int loses_a_worker(posse_executor *pool)
{
    posse_future future;
    long number = SIGKILL;
    REQUIRE(posse_submit(pool, signal_task, &number, sizeof number, &future) == POSSE_OK);
    REQUIRE(posse_result(future, -1, NULL, NULL) == POSSE_WORKER_LOST);
    return posse_release(future) == POSSE_OK ? 0 : 1;
}

/* No dead child is there at any time, and after each pool no child at all. */
static int many_pools(bool adopts)
{
    for (long i = 0; i < 8; i++) {
        posse_executor *pool = open_pool(2);
        REQUIRE(pool != NULL && squares(pool, i) == 0 && loses_a_worker(pool) == 0);
        REQUIRE(waitpid(-1, NULL, WNOHANG) == (adopts ? 0 : -1));
        REQUIRE(squares(pool, i + 1) == 0);
        REQUIRE(i % 2 == 0 || posse_shutdown(pool, 0, -1) == POSSE_OK);
        REQUIRE(posse_destroy(pool) == POSSE_OK && no_child() == 0);
    }
    return 0;
}

TEST(pools_leave_no_zombies, PROCESSES) { assert_in_all_roles(many_pools); }

static int breaks(posse_executor *pool)
{
    posse_error why = {.struct_size = sizeof why};
    for (long end = now_ms() + PATIENCE_MS; why.status != POSSE_BROKEN; pause_ms(1))
        REQUIRE(now_ms() < end && posse_why_broken(pool, &why) == POSSE_OK);
    return 0;
}

/* The supervisor may end before create looks at it. */
static int broken_pools(bool adopts)
{
    for (int i = 0; i < 8; i++) {
        long code = 5;
        posse_options options = with_initializer(code_task, &code, sizeof code);
        posse_executor *pool = NULL;
        options.max_workers = 1;
        REQUIRE(posse_create(&options, &pool) == POSSE_OK);
        REQUIRE(i % 2 == 0 || breaks(pool) == 0);
        REQUIRE(posse_destroy(pool) == POSSE_OK && no_child() == 0);
    }
    return 0;
}

TEST(broken_pools_leave_no_zombies, PROCESSES) { assert_in_all_roles(broken_pools); }

/* Creates that fail at each place: in the program, in the middle, for the first worker. */
static int failing_creates(bool adopts)
{
    enum { MOST = 200 };
    int failures = 0;
    bool made = false;
    REQUIRE(geteuid() != 0 || setuid(54322) == 0); /* nothing is too much for root */
    for (rlim_t i = 0; i < MOST && !made; i++) {
        posse_executor *pool = NULL;
        REQUIRE(setrlimit(RLIMIT_NPROC, &(struct rlimit){i, MOST}) == 0);
        posse_options options = OPTIONS(1);
        made = posse_create(&options, &pool) == POSSE_OK;
        failures += !made;
        REQUIRE(!made || squares(pool, 7) == 0);
        REQUIRE(!made || posse_destroy(pool) == POSSE_OK);
        REQUIRE(no_child() == 0);
    }
    REQUIRE(made && failures > 0);
    return 0;
}

TEST(failed_creates_leave_no_zombies, PROCESSES) { assert_in_all_roles(failing_creates); }

/* ---- a program that waits for everyone ---- */

enum { OWN = 20 };

static volatile sig_atomic_t reaped;     /* by the handler, in all */
static volatile sig_atomic_t ended[OWN]; /* own children, by what they exited with */

static void reap_all(int number)
{
    int status;
    int error = errno;
    while (waitpid(-1, &status, WNOHANG) > 0) {
        reaped++;
        if (WIFEXITED(status) && WEXITSTATUS(status) >= 100 && WEXITSTATUS(status) < 100 + OWN)
            ended[WEXITSTATUS(status) - 100]++;
    }
    errno = error;
}

static int count_ended(void)
{
    int found = 0;
    for (int i = 0; i < OWN; i++)
        found += ended[i] == 1;
    return found;
}

/* The program's handler may reap the supervisor before posse_destroy does. No call waits for ever,
 * and the handler reaps each of the program's own children once. */
static int reaps_all(bool adopts)
{
    struct sigaction action = {.sa_handler = reap_all, .sa_flags = SA_RESTART};
    reaped = 0;
    for (int i = 0; i < OWN; i++)
        ended[i] = 0;
    REQUIRE(sigaction(SIGCHLD, &action, NULL) == 0);
    for (int i = 0; i < OWN; i++) {
        posse_executor *pool = open_pool(1);
        REQUIRE(pool != NULL && squares(pool, i) == 0);
        pid_t child = fork();
        if (child == 0)
            _exit(100 + i);
        REQUIRE(child > 0 && posse_destroy(pool) == POSSE_OK);
    }
    for (long end = now_ms() + PATIENCE_MS; count_ended() < OWN; pause_ms(1))
        REQUIRE(now_ms() < end);
    REQUIRE(no_child() == 0);
    REQUIRE(reaped >= OWN && reaped <= (adopts ? 2 * OWN : OWN));
    return 0;
}

TEST(a_handler_that_reaps_all, PROCESSES) { assert_in_all_roles(reaps_all); }

/* The program waits for no child: the system reaps them. */
static int ignores_children(bool adopts)
{
    REQUIRE(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    for (int i = 0; i < 5; i++) {
        posse_executor *pool = open_pool(2);
        REQUIRE(pool != NULL && squares(pool, i) == 0);
        REQUIRE(posse_destroy(pool) == POSSE_OK && no_child() == 0);
    }
    return 0;
}

TEST(sigchld_ignored, PROCESSES) { assert_in_all_roles(ignores_children); }

/* A supervisor that was killed leaves its workers to whoever adopts; they die with it. */
static int loses_the_supervisor(bool adopts)
{
    posse_executor *pool = open_pool(2);
    posse_future future;
    long supervisor = 0;
    int dead = 0;
    REQUIRE(pool != NULL);
    REQUIRE(posse_submit(pool, parent_task, NULL, 0, &future) == POSSE_OK);
    REQUIRE(posse_result_into(future, -1, &supervisor, sizeof supervisor, NULL) == POSSE_OK);
    REQUIRE(kill((pid_t)supervisor, SIGKILL) == 0);
    for (long end = now_ms() + PATIENCE_MS; posse_shutdown(pool, 0, -1) != POSSE_BROKEN;)
        REQUIRE(now_ms() < end);
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    while (waitpid(-1, NULL, 0) > 0) /* which ends, or the time limit does */
        dead++;
    REQUIRE(errno == ECHILD && dead <= (adopts ? 2 : 0));
    return 0;
}

TEST(supervisor_killed, PROCESSES) { assert_in_all_roles(loses_the_supervisor); }

/* A program whose next child would be process 1 of a namespace that dies with it cannot have a
 * supervisor: it is told so. */
static int between_namespaces(void *context)
{
    posse_executor *pool = NULL;
    posse_options options = default_options();
    posse_executor *before = open_pool(1);
    REQUIRE(before != NULL);
    if (unshare(CLONE_NEWPID) == 0)
        REQUIRE(posse_create(&options, &pool) == POSSE_SYSTEM && errno != 0 && pool == NULL);
    REQUIRE(squares(before, 3) == 0 && loses_a_worker(before) == 0 && squares(before, 4) == 0);
    REQUIRE(posse_destroy(before) == POSSE_OK);
    return no_child();
}

TEST(between_two_namespaces, PROCESSES) { assert_child(between_namespaces, NULL); }

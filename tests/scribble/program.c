/* program.c - one run: a program makes a pool, works with it while it is scribbled on, ends it, and
 * looks what is left of it. */
#include "scribble.h"

#include <errno.h>
#include <posse_log.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS 25
#define MANY 8 /* workers: from here on there are several rings, and stashes */

static const posse_seal nothing = {.struct_size = sizeof nothing};
static const posse_seal files = {.struct_size = sizeof files, .allow = POSSE_ALLOW_FILES};

/* A worker that dies otherwise than by the pool's hand. */
static void note_crash(void *context, const posse_log_record *record)
{
    struct notes *notes = context;
    if (record->event == POSSE_LOG_WORKER_LOST && record->error->signal != SIGKILL) {
        print_error("%s\n", record->message);
        atomic_fetch_add(&notes->crashes, 1);
    }
}

static posse_status open_program(struct program *p)
{
    long workers = (one_in(&p->dice, 4) ? MANY : 1) + (long)below(&p->dice, 2);
    posse_options options = OPTIONS(
        workers, .queue_limit = one_in(&p->dice, 3) ? 3 : 0, .retries = one_in(&p->dice, 4),
        .max_tasks_per_worker = one_in(&p->dice, 6) ? 5 : 0, .on_demand = one_in(&p->dice, 5),
        .idle_timeout_ms = one_in(&p->dice, 6) ? 5 : 0, .stamps = one_in(&p->dice, 2));
    if (p->run->seals && one_in(&p->dice, 4))
        options.seal = &nothing;
    if (p->run->part == PART_OWN) {
        options.isolation = POSSE_FRESH;
        options.log = note_crash;
        options.log_context = p->notes;
        options.seal = &files; /* so that a task finds what it can write to */
    }
    posse_status status = CALL(p, 0, posse_create(&options, &p->pool));
    if (status == POSSE_OK)
        status = posse_completion_queue_create(&p->completions);
    if (status == POSSE_OK)
        status = posse_lock_create(p->pool, &p->lock);
    return status == POSSE_OK ? posse_queue_create(p->pool, 3, 16, &p->queue) : status;
}

static pid_t parent_of(pid_t pid)
{
    char path[40];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *stat = fopen(path, "re");
    if (stat != NULL && fscanf(stat, "%*d (%*[^)]) %*c %d", &parent) != 1)
        parent = 0;
    if (stat != NULL)
        fclose(stat);
    return parent;
}

static pid_t parent_of_task(struct program *p)
{
    long pid = 0;
    posse_future future;
    if (posse_submit(p->pool, parent_task, NULL, 0, &future) == POSSE_OK) {
        (void)posse_result_into(future, PATIENCE_MS, &pid, sizeof pid, NULL);
        (void)posse_release(future);
    }
    return (pid_t)pid;
}

/* The supervisor is the parent of a worker, which with FRESH is the parent of a task. That worker
 * may have ended by now, as it was idle. */
static pid_t supervisor_of(struct program *p)
{
    pid_t pid = parent_of_task(p);
    if (p->run->part != PART_OWN)
        return pid;
    for (int i = 0; i < 1000; i++) {
        pid_t supervisor = parent_of(pid);
        if (supervisor > 1)
            return supervisor;
        pid = parent_of_task(p);
    }
    return -1;
}

static void shut_down(struct program *p)
{
    posse_error error = {.struct_size = sizeof error};
    long limit = p->patient ? NO_LIMIT : 20;
    switch (below(&p->dice, 6)) {
    case 0: (void)CALL(p, limit, posse_shutdown(p->pool, 0, limit)); break;
    case 1: (void)CALL(p, limit, posse_shutdown(p->pool, POSSE_CANCEL_FUTURES, limit)); break;
    case 2: (void)CALL(p, 0, posse_shutdown(p->pool, POSSE_NO_WAIT, 0)); break;
    case 3: (void)CALL(p, 0, posse_terminate_workers(p->pool)); break;
    case 4: (void)CALL(p, 0, posse_kill_workers(p->pool)); break;
    default: break;
    }
    make_call(p);
    (void)posse_why_broken(p->pool, &error);
    atomic_fetch_add(&p->notes->broken, error.status == POSSE_BROKEN);
}

/* A thread that was joined may be seen for an instant longer. */
static bool alone(void)
{
    for (long end = now_ms() + PATIENCE_MS; count_threads() > 1 && now_ms() < end; pause_ms(1)) {
    }
    return count_threads() == 1;
}

static void give_all_back(struct program *p)
{
    for (size_t i = 0; i < MAX_FUTURES; i++) {
        (void)posse_kill(p->futures[i]);
        (void)posse_release(p->futures[i]);
    }
    for (size_t i = 0; i < COUNT(p->memory); i++)
        (void)posse_free(p->pool, p->memory[i]);
    (void)posse_lock_destroy(p->lock);
    (void)posse_queue_destroy(p->queue);
}

static bool stays_whole(struct program *p)
{
    posse_error error = {.struct_size = sizeof error};
    give_all_back(p);
    const char *left = unrest(p->pool);
    for (long end = now_ms() + PATIENCE_MS; left != NULL && now_ms() < end; pause_ms(1))
        left = unrest(p->pool);
    if (left != NULL)
        print_error("%s\n", left);
    return left == NULL && atomic_load(&p->notes->crashes) == 0 &&
           posse_why_broken(p->pool, &error) == POSSE_OK && error.status == POSSE_OK;
}

static int play(struct program *p)
{
    int descriptors = count_descriptors();
    REQUIRE(open_program(p) == POSSE_OK);
    atomic_store(&p->notes->supervisor_pid, supervisor_of(p));
    REQUIRE(atomic_load(&p->notes->supervisor_pid) > 1);
    for (long step = 0; step < STEPS && step < p->run->steps; step++) {
        make_call(p);
        REQUIRE(p->run->part != PART_OWN || step % 4 != 0 || innocents_are_right(p));
    }
    REQUIRE(p->run->part != PART_OWN || stays_whole(p));
    shut_down(p);
    (void)CALL(p, 0, posse_destroy(p->pool));
    posse_completion_queue_destroy(p->completions);
    atomic_store(&p->notes->call, "looking what is left");
    REQUIRE(alone());
    REQUIRE(count_descriptors() == descriptors);
    REQUIRE(atomic_load(&p->notes->wrong) == 0);
    return 0;
}

static int play_alone(void *context)
{
    struct order *order = context;
    struct program program = {.run = &order->run,
                              .notes = order->notes,
                              .dice = {order->run.seed * N_PARTS * N_KINDS +
                                       (uint64_t)order->run.part * N_KINDS + order->run.kind}};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    time_limit(WATCH_S);
    look_every(LOOK_MS);
    program.patient = one_in(&program.dice, 2);
    return play(&program);
}

/* All that the program and its pool consisted of are children of this process by now, as their
 * parents have died. False: one lives on. Notes how the supervisor ended. */
static bool all_gone(struct notes *notes)
{
    long end = now_ms() + PATIENCE_MS;
    pid_t ended;
    int how;
    while ((ended = waitpid(-1, &how, WNOHANG)) >= 0 || errno == EINTR) {
        if (ended > 0 && ended == atomic_load(&notes->supervisor_pid))
            atomic_store(&notes->supervisor, how);
        if (ended <= 0 && now_ms() > end)
            return false;
        if (ended <= 0)
            pause_ms(1);
    }
    return true;
}

/* The program is a child of its own, and this process adopts what it leaves. */
int run_program(void *context)
{
    struct order *order = context;
    int how;
    atomic_store(&order->notes->supervisor, -1);
    REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    pid_t program = fork();
    REQUIRE(program >= 0);
    if (program == 0)
        _exit(play_alone(order));
    REQUIRE(waitpid(program, &how, 0) == program);
    if (WIFSIGNALED(how))
        (void)raise(WTERMSIG(how)); /* as it ended */
    REQUIRE(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    REQUIRE(all_gone(order->notes));
    REQUIRE(atomic_load(&order->notes->supervisor) == 0);
    return 0;
}

/* launched.c - what a launcher has started: launched LAUNCHER NODES AGENTS [COMMAND].
 *
 * Waits until tasks have run in AGENTS agents. Then it prints the places of the pool, and a line
 * for each agent: what the launcher calls its node, its places, and how many processors it may use.
 * If there are several, it kills one: the others go on. NODES "-": NULL.
 */
#include <posse_remote.h>

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_AGENTS 8
#define PATIENCE_S 60

struct seen {
    long agent, places, processors;
    char node[64];
};

static void must(posse_status status, const char *what)
{
    if (status == POSSE_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, posse_status_name(status), posse_last_error());
    exit(1);
}

/* In a task, of the agent. */
static pid_t self;
static long places;

static int look_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    struct seen seen = {.agent = self, .places = places};
    struct timespec rest = {.tv_nsec = 10000000}; /* others take the next task */
    cpu_set_t usable;
    const char *node = getenv("SLURMD_NODENAME");
    node = node ? node : getenv("OMPI_COMM_WORLD_RANK") ? "Open MPI" : NULL;
    node = node ? node : getenv("PMI_RANK") ? "MPICH" : "-";
    snprintf(seen.node, sizeof seen.node, "%s", node);
    if (sched_getaffinity(0, sizeof usable, &usable) != 0)
        return 1;
    seen.processors = CPU_COUNT(&usable);
    (void)nanosleep(&rest, NULL);
    return (int)posse_task_return(task, &seen, sizeof seen);
}

static void take(posse_executor *pool, posse_future future, struct seen *seen)
{
    posse_error why = {.struct_size = sizeof why};
    posse_status status = posse_result_into(future, -1, seen, sizeof *seen, NULL);
    if (status == POSSE_BROKEN && posse_why_broken(pool, &why) == POSSE_OK)
        fprintf(stderr, "%s\n", why.message);
    must(status, "posse_result_into");
    must(posse_release(future), "posse_release");
}

static int kill_task(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)arg, (void)size;
    return kill(self, SIGKILL) != 0 || pause();
}

static bool add(struct seen *all, int *n, const struct seen *one)
{
    for (int i = 0; i < *n; i++)
        if (all[i].agent == one->agent)
            return false;
    all[(*n)++] = *one;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct seen *)a)->node, ((const struct seen *)b)->node);
}

static void print(posse_executor *pool, struct seen *all, int n)
{
    posse_stats stats = {.struct_size = sizeof stats};
    struct timespec rest = {.tv_nsec = 10000000};
    uint64_t together = 0;
    for (int i = 0; i < n; i++)
        together += (uint64_t)all[i].places;
    for (int i = 0; i < 1000 && stats.workers < together; i++) { /* the last may just start */
        must(posse_get_stats(pool, &stats), "posse_get_stats");
        (void)nanosleep(&rest, NULL);
    }
    printf("places %ld\n", (long)stats.workers);
    qsort(all, (size_t)n, sizeof *all, by_name);
    for (int i = 0; i < n; i++)
        printf("%s: places %ld, processors %s\n", all[i].node, all[i].places,
               all[i].processors == sysconf(_SC_NPROCESSORS_ONLN) ? "all" : "some");
}

static void kill_one(posse_executor *pool)
{
    struct seen one;
    posse_future future;
    posse_error error = {.struct_size = sizeof error};
    must(posse_submit(pool, kill_task, NULL, 0, &future), "posse_submit");
    must(posse_exception(future, -1, &error), "posse_exception");
    printf("killed: %s, signal %d\n", posse_status_name(error.status), error.signal);
    must(posse_release(future), "posse_release");
    /* The connections of its other places end a moment later: what is sent there is lost, too. */
    const posse_job again = {.struct_size = sizeof again, .fn = look_task, .retries = 3};
    for (int i = 0; i < 20; i++) {
        must(posse_submit_with(pool, &again, &future), "posse_submit_with");
        take(pool, future, &one);
    }
    puts("the others go on");
}

static const char *given(const char *argument)
{
    return argument && strcmp(argument, "-") != 0 ? argument : NULL;
}

int main(int argc, char **argv)
{
    self = getpid();
    places = argc > 3 ? atol(argv[3]) : 0;
    posse_remote_main(argc, argv);
    if (argc < 4)
        return 2;
    posse_remote_options remote = {.struct_size = sizeof remote, .nodes = given(argv[2])};
    remote.launcher = strcmp(argv[1], "srun") == 0     ? POSSE_LAUNCH_SRUN
                      : strcmp(argv[1], "mpirun") == 0 ? POSSE_LAUNCH_MPIRUN
                                                       : POSSE_LAUNCH_LOCAL;
    remote.command = argc > 4 ? given(argv[4]) : NULL;
    struct seen all[MAX_AGENTS], one;
    posse_executor *pool;
    int n = 0, agents = atoi(argv[3]);
    must(posse_remote_create(NULL, &remote, &pool), "posse_remote_create");
    for (time_t begin = time(NULL); n < agents && time(NULL) - begin < PATIENCE_S;) {
        posse_future futures[10];
        for (int k = 0; k < 10; k++)
            must(posse_submit(pool, look_task, NULL, 0, &futures[k]), "posse_submit");
        for (int k = 0; k < 10; k++) {
            take(pool, futures[k], &one);
            (void)add(all, &n, &one);
        }
    }
    print(pool, all, n);
    if (n > 1)
        kill_one(pool);
    must(posse_destroy(pool), "posse_destroy");
    return n == agents ? 0 : 1;
}

/* calls.c - each system call that the library makes is denied, as by a sandbox, a container or an
 * old kernel. Whatever is denied, each call of posse works, or gives a clear status with an errno;
 * nothing hangs or crashes, and nothing is left.
 *
 * A forked child plays the program. The filter comes before posse_create, or after it.
 */
#include "deny/kit/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLAY_LIMIT 20 /* seconds */
#define LONG_MS 10000
#define MAX_FDS 64

/* How a play ends, beside 0: all works, and 1: a fault. */
enum { REFUSED = 20, PARTLY = 21, NOT_HERE = 77 };

struct play {
    const struct denial *denial;
    int error;
    bool later;  /* after posse_create */
    bool adopts; /* orphans become children of the program */
};

static bool refused; /* by a call, with a clear status */

/* ---- statuses ---- */

static bool is_clear(posse_status status, int error, int denied)
{
    return status == POSSE_BROKEN ||
           ((status == POSSE_SYSTEM || status == POSSE_NOT_SUPPORTED) && error == denied);
}

/* In a play: the status is the expected one, or tells of the denial. */
#define EXPECT(call, expected)                                                                     \
    do {                                                                                           \
        errno = 0;                                                                                 \
        posse_status status_ = (call);                                                             \
        int error_ = errno;                                                                        \
        if (status_ != (expected)) {                                                               \
            refused = true;                                                                        \
            if (!is_clear(status_, error_, play->error)) {                                         \
                fprintf(stderr, "%s, errno %d: ", posse_status_name(status_), error_);             \
                return child_says(__FILE__, __LINE__, #call);                                      \
            }                                                                                      \
        }                                                                                          \
    } while (0)

/* ---- what a program does ---- */

static int run_task(const struct play *play, posse_executor *pool, posse_job job, posse_status how)
{
    posse_future future = {0};
    job.struct_size = sizeof job;
    EXPECT(posse_submit_with(pool, &job, &future), POSSE_OK);
    if (future.executor == NULL)
        return 0;
    EXPECT(posse_result(future, LONG_MS, NULL, NULL), how);
    EXPECT(posse_release(future), POSSE_OK);
    return 0;
}

/* Without a call of the system. */
static int spin_task(posse_task *task, const void *arg, size_t size)
{
    while (!posse_task_cancelled(task)) {
    }
    return 0;
}

static int run_tasks(const struct play *play, posse_executor *pool)
{
    static const char large[300000] = "large";
    long value = 7, code = 5;
    posse_job square = {.fn = square_task, .arg = &value, .size = sizeof value};
    posse_job echo = {.fn = echo_task, .arg = large, .size = sizeof large};
    posse_job ends = {.fn = exit_task, .arg = &code, .size = sizeof code};
    posse_job late = {.fn = spin_task, .timeout_ms = 30};
    REQUIRE(run_task(play, pool, square, POSSE_OK) == 0);
    REQUIRE(run_task(play, pool, echo, POSSE_OK) == 0);
    if (backend() == POSSE_PROCESS)
        REQUIRE(run_task(play, pool, ends, POSSE_WORKER_LOST) == 0);
    REQUIRE(run_task(play, pool, late, POSSE_DEADLINE) == 0);
    return run_task(play, pool, square, POSSE_OK);
}

static int note_call(posse_future future, void *calls)
{
    atomic_fetch_add((_Atomic int *)calls, 1);
    return 0;
}

static int call_back(const struct play *play, posse_executor *pool)
{
    static _Atomic int calls;
    long value = 3;
    posse_future future = {0};
    EXPECT(posse_submit(pool, square_task, &value, sizeof value, &future), POSSE_OK);
    if (future.executor == NULL)
        return 0;
    EXPECT(posse_add_done_callback(future, note_call, &calls), POSSE_OK);
    EXPECT(posse_result(future, LONG_MS, NULL, NULL), POSSE_OK);
    EXPECT(posse_wait(&future, 1, POSSE_ALL_COMPLETED, LONG_MS, NULL, NULL), POSSE_OK);
    EXPECT(posse_release(future), POSSE_OK);
    return 0;
}

static int take(const struct play *play, posse_executor *pool, posse_completion_queue *completions)
{
    long value = 4;
    posse_future future = {0};
    posse_completion taken;
    EXPECT(posse_submit(pool, square_task, &value, sizeof value, &future), POSSE_OK);
    if (future.executor == NULL)
        return 0;
    bool before = refused;
    refused = false;
    EXPECT(posse_completion_queue_add(completions, future, NULL), POSSE_OK);
    for (long end = now_ms() + LONG_MS; !refused; pause_ms(1)) {
        REQUIRE(now_ms() < end);
        if (posse_completion_queue_take(completions, &taken, 1) == 1)
            break;
    }
    refused |= before;
    EXPECT(posse_release(future), POSSE_OK);
    return 0;
}

static int complete(const struct play *play, posse_executor *pool)
{
    posse_completion_queue *completions = NULL;
    EXPECT(posse_completion_queue_create(&completions), POSSE_OK);
    int result = completions != NULL ? take(play, pool, completions) : 0;
    posse_completion_queue_destroy(completions);
    return result;
}

static int share(const struct play *play, posse_executor *pool)
{
    void *memory = NULL;
    posse_queue queue = {0};
    long value = 1;
    EXPECT(posse_alloc(pool, 1 << 20, &memory), POSSE_OK);
    if (memory != NULL) {
        memset(memory, 1, 1 << 20);
        EXPECT(posse_free(pool, memory), POSSE_OK);
    }
    EXPECT(posse_queue_create(pool, 2, sizeof value, &queue), POSSE_OK);
    if (queue.executor != NULL) {
        EXPECT(posse_queue_put(queue, &value, sizeof value, LONG_MS), POSSE_OK);
        EXPECT(posse_queue_destroy(queue), POSSE_OK);
    }
    return 0;
}

static int use(const struct play *play, posse_executor *pool)
{
    REQUIRE(run_tasks(play, pool) == 0);
    REQUIRE(call_back(play, pool) == 0);
    REQUIRE(complete(play, pool) == 0);
    REQUIRE(share(play, pool) == 0);
    EXPECT(posse_shutdown(pool, 0, LONG_MS), POSSE_OK);
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return 0;
}

/* ---- a play ---- */

static unsigned long long open_fds(void)
{
    struct stat status;
    unsigned long long set = 0;
    for (int fd = 0; fd < MAX_FDS; fd++) {
        bool is_open = fcntl(fd, F_GETFD) >= 0 || fstat(fd, &status) == 0;
        set |= (unsigned long long)is_open << fd;
    }
    return set;
}

static int begin(const struct play *play)
{
    time_limit(PLAY_LIMIT);
    return deny(play->denial, play->error) ? 0 : NOT_HERE;
}

static int no_child_is_left(const struct play *play)
{
    siginfo_t info;
    bool waits = play->denial->number != SYS_wait4 || play->later;
    REQUIRE(!waits || (waitpid(-1, NULL, WNOHANG) < 0 && errno != 0));
    int gone = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
    REQUIRE(gone < 0 && errno != 0);
    return 0;
}

static int run_play(void *context)
{
    const struct play *play = context;
    posse_options options = default_options();
    posse_executor *pool = NULL;
    options.max_workers = 2;
    REQUIRE(!play->adopts || prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    unsigned long long before = open_fds();
    int not_here = play->later ? 0 : begin(play);
    if (not_here)
        return not_here;
    EXPECT(posse_create(&options, &pool), POSSE_OK);
    REQUIRE((pool == NULL) == refused);
    not_here = play->later ? begin(play) : 0;
    if (not_here)
        return not_here;
    REQUIRE(pool == NULL || use(play, pool) == 0);
    REQUIRE(no_child_is_left(play) == 0 && open_fds() == before);
    return pool == NULL ? REFUSED : refused ? PARTLY : 0;
}

static const char *outcome(int status)
{
    return status == 0         ? "works"
           : status == REFUSED ? "posse_create refuses"
           : status == PARTLY  ? "some calls refuse"
                               : "FAULT";
}

/* Asserts, but for the last word. */
static bool goes_well(const struct play *play)
{
    int status = wait_status(start_child(run_play, (void *)(uintptr_t)play));
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (code == NOT_HERE) {
        print_message("filters of system calls are not permitted here\n");
        skip();
    }
    bool well = code == 0 || code == REFUSED || code == PARTLY;
    assert_eventually(count_processes() == 0);
    assert_int_equal(count_new_names(), 0);
    print_message("  %-24s %-7s %s%s\n", play->denial->name,
                  play->error == ENOSYS  ? "ENOSYS"
                  : play->error == EPERM ? "EPERM"
                                         : "EINVAL",
                  outcome(code), play->adopts ? ", a program that adopts" : "");
    if (!well)
        print_error("%s: wait status %x\n", play->denial->name, (unsigned)status);
    return well;
}

static void play_all(bool later)
{
    static const int errors[] = {ENOSYS, EPERM, EINVAL};
    int wrong = 0;
    long step = in_long_run(COUNT(errors), 1); /* the short form: one errno for each call */
    for (const struct denial *denial = denials; denial->name != NULL; denial++) {
        for (long i = (denial - denials) % step; i < (long)COUNT(errors); i += step) {
            struct play play = {denial, errors[i], later, i % 2 == 1};
            time_limit(3 * PLAY_LIMIT);
            wrong += goes_well(&play) ? 0 : 1;
        }
    }
    assert_int_equal(wrong, 0);
}

TEST(before_create, UNSANITIZED(ALL)) { play_all(false); }

TEST(after_create, UNSANITIZED(ALL)) { play_all(true); }

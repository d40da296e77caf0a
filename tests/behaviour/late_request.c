/* late_request.c - a worker asks for the descriptors of its task and dies. The supervisor reads
 * that when the next attempt runs, in a worker of the same number. The linker leads the calls of
 * both to the test.
 */
#include "support/descriptors.h"

#include "os/packet.h"
#include "pool/pool.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

struct pi_supervisor;

static _Atomic int *attempts; /* that have asked; all processes share it */
static bool dies;             /* this worker, when it has asked */

/* From the first request on the supervisor answers none until there is a second one. */
void __real_pi_serve(struct pi_supervisor *);
void __wrap_pi_serve(struct pi_supervisor *);
void __wrap_pi_serve(struct pi_supervisor *supervisor)
{
    if (atomic_load(attempts) != 1)
        __real_pi_serve(supervisor);
}

int __real_pi_descriptors_take(const struct posse_task *, struct pi_os_fds *);
int __wrap_pi_descriptors_take(const struct posse_task *, struct pi_os_fds *);
int __wrap_pi_descriptors_take(const struct posse_task *task, struct pi_os_fds *own)
{
    dies = atomic_fetch_add(attempts, 1) == 0;
    return __real_pi_descriptors_take(task, own);
}

int __real_pi_os_packet_send(int, const void *, size_t, const struct pi_os_fds *);
int __wrap_pi_os_packet_send(int, const void *, size_t, const struct pi_os_fds *);
int __wrap_pi_os_packet_send(int socket, const void *message, size_t size,
                             const struct pi_os_fds *fds)
{
    int error = __real_pi_os_packet_send(socket, message, size, fds);
    if (dies)
        (void)raise(SIGKILL);
    return error;
}

TEST(the_next_attempt_gets_them, PROCESSES)
{
    void *shared =
        mmap(NULL, sizeof *attempts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    attempts = shared;
    posse_executor *pool = make_pool(1);
    struct ends ends = make_pipe();
    posse_job job = job_with(write_task, &written, &ends.writer, 1);
    job.retries = 1;
    end_well(submitted_job(pool, job));
    assert_int_equal(atomic_load(attempts), 2);
    assert_comes(ends.reader);
    assert_none_is_left(ends);
    end_pool(pool);
    assert_int_equal(munmap(shared, sizeof *attempts), 0);
}

/* semaphore.h - process-shared semaphores whose deadlines are monotonic.
 *
 * Runs in: program, supervisor, worker.
 * A semaphore is one number in shared memory. Any value is a valid number of posts, so a task that
 * overwrites it does no harm: the C library's semaphore would call abort(). Nothing counts the
 * sleepers, so a killed sleeper leaves nothing behind. Every post makes a system call therefore. A
 * sleeper misses a value that a task writes there, and sleeps until the next post.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Zero: no post. Nothing needs to be freed. */
struct pi_os_semaphore {
    /* order: all seq. The process that takes a post sees what its maker wrote before. */
    _Atomic uint32_t posts;
};

void pi_os_semaphore_post(struct pi_os_semaphore *semaphore);
/* The same, but adds nothing to a post that is there, which wakes the sleeper anyway. The sleeper
 * then sees only what a seq operation wrote before. */
void pi_os_semaphore_post_once(struct pi_os_semaphore *semaphore);
/* Takes a post; waits for one until the moment (clock.h). False: none came. Signals do not end the
 * wait. */
bool pi_os_semaphore_wait(struct pi_os_semaphore *semaphore, uint64_t until);
/* Whether there is a post. */
bool pi_os_semaphore_posted(struct pi_os_semaphore *semaphore);
/* Takes all posts. */
void pi_os_semaphore_drain(struct pi_os_semaphore *semaphore);

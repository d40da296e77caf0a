/* semaphore.h - process-shared semaphores whose deadlines are monotonic.
 *
 * On Linux one is a number in shared memory and nothing else: the C library's ends the program by
 * abort() if a task has scribbled on it. Here whatever stands there is a number of posts. Every
 * post wakes a sleeper, if there is one, as nobody counts them: a killed one leaves nothing behind,
 * and there is no count to be scribbled on. One that sleeps while a task changes the number to
 * something else sleeps on until the next post.
 * 64-bit Linux, that is: elsewhere they are the C library's.
 */
#ifndef PI_OS_SEMAPHORE_H
#define PI_OS_SEMAPHORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#if defined(__linux__) && __SIZEOF_POINTER__ == 8
#define PI_OS_FUTEX 1
#else
#define PI_OS_FUTEX 0
#include <semaphore.h>
#endif

struct pi_os_semaphore {
#if PI_OS_FUTEX
    _Atomic uint32_t posts; /* seq: what came before a post is seen by who takes it */
#else
    sem_t semaphore;
#endif
};

/* 0 or an errno. */
int pi_os_semaphore_init(struct pi_os_semaphore *semaphore);
void pi_os_semaphore_fini(struct pi_os_semaphore *semaphore);
void pi_os_semaphore_post(struct pi_os_semaphore *semaphore);
/* The same, but counts for nothing if a post is there already: whoever waits, or will, wakes up
 * anyway. Only what was written before it by a seq operation is seen then. */
void pi_os_semaphore_post_once(struct pi_os_semaphore *semaphore);
/* Waits until the moment (clock.h). False: it has passed. Goes on after signals. */
bool pi_os_semaphore_wait(struct pi_os_semaphore *semaphore, uint64_t until);
/* Whether a post is there that nobody has taken. */
bool pi_os_semaphore_posted(struct pi_os_semaphore *semaphore);
/* Takes all posts that are there. */
void pi_os_semaphore_drain(struct pi_os_semaphore *semaphore);

#endif

/* semaphore.h - process-shared semaphores whose deadlines are monotonic. */
#ifndef OS_SEMAPHORE_H
#define OS_SEMAPHORE_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

/* 0 or an errno. */
int os_semaphore_init(sem_t *semaphore);
void os_semaphore_post(sem_t *semaphore);
/* Waits until the moment (clock.h). False: it has passed. Goes on after signals. */
bool os_semaphore_wait(sem_t *semaphore, uint64_t until);
/* Takes all posts that are there. */
void os_semaphore_drain(sem_t *semaphore);

#endif

/* thread.h - threads of ours in the program:
 * they take no signal that is not about themselves, and have room enough on their stack. */
#ifndef PI_OS_THREAD_H
#define PI_OS_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* 0 or an errno. */
int pi_os_thread_create(pthread_t *thread, void *(*body)(void *), void *context);
/* The name shown by ps and in debuggers, of the calling thread; 15 characters count. */
void pi_os_thread_name(const char *name);

/* A condition whose deadlines are monotonic. 0 or an errno. */
int pi_os_condition_init(pthread_cond_t *condition);
/* Waits until the moment (clock.h), or less. False: it has passed. */
bool pi_os_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t until);

#endif

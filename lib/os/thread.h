/* thread.h - threads of ours in the program.
 *
 * Runs in: program, worker.
 * They take only signals about themselves (signals.h), and have stack enough.
 */
#pragma once

#include <pthread.h>

/* 0 or an errno. */
int pi_os_thread_create(pthread_t *thread, void *(*body)(void *), void *context);
void pi_os_thread_join(pthread_t thread);

/* How many other threads this process has now; 0 if the system does not tell. */
unsigned pi_os_other_threads(void);

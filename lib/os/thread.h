/* thread.h - threads of ours in the program:
 * they take no signal, and have room enough on their stack. */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include <pthread.h>

/* 0 or an errno. */
int os_thread_create(pthread_t *thread, void *(*body)(void *), void *context);
/* The name shown by ps and in debuggers, of the calling thread; 15 characters count. */
void os_thread_name(const char *name);

#endif

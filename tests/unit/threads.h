/* threads.h - several threads that begin at the same moment. They never assert; the test does, once
 * they have ended. */
#ifndef UNIT_THREADS_H
#define UNIT_THREADS_H

#include "support/support.h"

#define MAX_THREADS 8u

struct unit_thread {
    pthread_t thread;
    pthread_barrier_t *start;
    void (*body)(void *context, unsigned number);
    void *context;
    unsigned number;
};

static inline void *unit_thread_main(void *argument)
{
    struct unit_thread *self = argument;
    pthread_barrier_wait(self->start);
    self->body(self->context, self->number);
    return NULL;
}

/* Runs body(context, 0), ... body(context, n - 1), each in a thread, and waits for their end. */
static inline void run_threads(unsigned n, void (*body)(void *, unsigned), void *context)
{
    struct unit_thread threads[MAX_THREADS];
    pthread_barrier_t start;
    assert_in_range(n, 1, MAX_THREADS);
    assert_int_equal(pthread_barrier_init(&start, NULL, n), 0);
    for (unsigned i = 0; i < n; i++) {
        threads[i] =
            (struct unit_thread){.start = &start, .body = body, .context = context, .number = i};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, unit_thread_main, &threads[i]),
                         0);
    }
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i].thread, NULL);
    pthread_barrier_destroy(&start);
}

#endif

/* shm.h - what the tests with a /dev/shm of their own share (shm.c). */
#ifndef SHM_H
#define SHM_H

#include "support.h"

/* A file system that is mounted over what is there, for a child that runs the body in it. */
struct shm {
    const char *where;
    const char *options;
    unsigned long flags;
    int (*body)(void);
};

/* Asserts that the body gives 0; where mounting is not permitted, says so and skips the test. */
void assert_with_shm(struct shm shm);

/* In such a child: */
posse_status stats_in(posse_executor *pool, posse_stats *stats);
posse_status create_in(posse_executor **pool); /* of two workers */
int ends(posse_executor *pool);                /* 0 if nothing was lost and nothing is held */

/* A file there that takes what is left of it, to the last page, and gives it back. */
int open_filler(void); /* -1: it cannot */
void fill_up(int filler);
void make_room(int filler);

#endif

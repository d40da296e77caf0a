/* descriptors.h - what tests of the descriptors of jobs share (descriptors.c).
 *
 * A pipe tells whether anybody has a copy left: its reader finds the end only when the last writer
 * is closed, in whatever process.
 */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include "support.h"

#define NO_DESCRIPTOR 910 /* code of a task that has not got them as it should */

struct ends {
    int reader, writer;
};

struct ends make_pipe(void); /* asserts */
bool has_ended(int reader);
void assert_none_is_left(struct ends ends); /* closes the program's own; nobody has another copy */

posse_fn write_task; /* writes its argument into descriptor 0 */

posse_job job_with(posse_fn *fn, const long *arg, const int *descriptors, size_t n);
posse_status submit(posse_executor *pool, posse_job job, posse_future *future);

extern long written;                                        /* the argument of: */
posse_future submitted_write(posse_executor *pool, int fd); /* asserts */
void assert_comes(int reader);                              /* what was written */
void end_well(posse_future future);                         /* asserts, and releases it */

#endif

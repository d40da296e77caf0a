/* recover.h - repairing what a worker left, and giving what it escaped to the program. */
#ifndef PI_RECOVER_H
#define PI_RECOVER_H

#include "supervisor/supervisor.h"

/* reparent.c: what the last worker of a worker, which left on purpose, has given to others becomes
 * the program's. */
void pi_reparent(struct pi_supervisor *supervisor, unsigned worker);
void pi_reparent_blocks(posse_executor *executor, unsigned worker);

/* recover.c: repairs what a worker left that has died and was reaped. */
void pi_recover(struct pi_supervisor *supervisor, unsigned worker, const struct pi_death *death);
void pi_recover_blocks(posse_executor *executor, unsigned worker);

#endif

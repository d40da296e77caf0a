/* held.h - descriptors that are held for tasks which have not got them yet.
 *
 * Runs in: supervisor; with threads and inline in the program.
 * A table in private memory, which is made when the first task has descriptors. Each call takes
 * the lock.
 */
#pragma once

#include "core/slot.h"
#include "os/packet.h"

#include <pthread.h>

/* One life of a slot. */
struct pi_life {
    uint32_t slot, generation;
};

struct pi_held_table;
struct pi_holder {
    pthread_mutex_t lock;
    struct pi_held_table *table; /* NULL: no task has had descriptors yet */
};

void pi_holder_init(struct pi_holder *holder);
/* Closes what is held. */
void pi_holder_fini(struct pi_holder *holder);

/* Holds the descriptors, which are its own from then on. 0 or an errno: the caller still has them;
 * EMFILE: PI_MAX_HELD tasks have some already. */
int pi_held_add(struct pi_holder *holder, const struct pi_life *life, const struct pi_os_fds *fds);
/* Gives them to the caller. 0; ENOENT: none are held. */
int pi_held_take(struct pi_holder *holder, const struct pi_life *life, struct pi_os_fds *fds);
/* Gives the caller copies. 0 or an errno; ENOENT: none are held. */
int pi_held_copy(struct pi_holder *holder, const struct pi_life *life, struct pi_os_fds *fds);
/* Closes them, if they are held. */
void pi_held_drop(struct pi_holder *holder, const struct pi_life *life);
/* Closes those of tasks that have ended. */
void pi_held_sweep(struct pi_holder *holder, struct pi_slots *slots);

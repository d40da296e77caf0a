/* scene.h - a scene with all that a pool does, in which at most one worker may die.
 *
 * Callers sleep while it is played: a caller that polled would not notice a lost wake-up.
 */
#ifndef SCENE_H
#define SCENE_H

#include "support.h"

struct scene {
    posse_executor *pool;
    int workers;
    struct gate *gate;
    _Atomic long *counters[2]; /* of the program's detached tasks, of the other task's */
    posse_future held[2];
    posse_future large;
    posse_future nested;
    posse_future versatile;
    posse_future failing;
    posse_future unwanted;
    bool cancelled; /* the unwanted one, in time */
    bool versatile_is_lost;
    struct caller waiter;
    struct caller submitter;
};

/* The limit for waiting tasks with which a caller of the scene is held back. */
#define SCENE_QUEUE_LIMIT 7

/* Plays the scene. `pool` (of `workers` workers and that limit) and `workers` must be set. Asserts
 * that it goes on, whoever dies. */
void play_scene(struct scene *scene);

/* Waits for all ends, asserts that each is right or lost, that nothing ran twice and nothing is
 * left, and gives how many tasks were lost. A task that lost its inner task counts too. */
int count_lost(struct scene *scene);

#endif

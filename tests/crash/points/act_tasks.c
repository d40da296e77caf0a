/* act_tasks.c - all that tasks do, and callers who sleep: support/scene.c. */
#include "points.h"
#include "support/scene.h"

static void one(posse_options *options)
{
    options->max_workers = 1;
    options->queue_limit = SCENE_QUEUE_LIMIT;
}

static void two(posse_options *options) { options->queue_limit = SCENE_QUEUE_LIMIT; }

static int play(posse_executor *pool, int workers)
{
    struct scene scene = {.pool = pool, .workers = workers};
    play_scene(&scene);
    return count_lost(&scene);
}

static int play_one(posse_executor *pool, int deaths) { return play(pool, 1); }

static int play_two(posse_executor *pool, int deaths) { return play(pool, 2); }

const struct act act_one_worker = {.name = "one worker", .set = one, .play = play_one};
const struct act act_two_workers = {.name = "two workers", .set = two, .play = play_two};

/* map_left.c - sources that leave in the middle, and never come back. Nothing leaks. */
#include "support/maps.h"

static posse_status jump(struct feed *feed)
{
    feed->special = -1;
    longjmp(*(jmp_buf *)feed->context, 1);
}

/* By longjmp, as an exception of C++ would. It has not been read, so the map can go on. */
static void assert_left(struct stage *stage, long special, bool goes_on)
{
    jmp_buf out;
    static struct feed feed;
    static posse_map_iter *map;
    static volatile long next;
    feed = (struct feed){
        .stage = stage, .end = 7, .special = special, .before = jump, .context = &out};
    posse_map_job job = stage->job;
    job.source = give_order;
    job.source_context = &feed;
    map = NULL;
    next = 0;
    bool left = setjmp(out) != 0;
    if (!map && !left)
        assert_ok(posse_map_open(stage->pool, &job, &map));
    assert_non_null(map);
    while (next < 7 && (goes_on || !left)) {
        long value = next_value(map);
        assert_true(stage->job.unordered || value == next);
        next = next + 1;
    }
    assert_true(left);
    if (goes_on)
        assert_map_ends(map);
    else
        close_map(map);
    assert_eventually(stats_of(stage->pool).futures == 0);
}

TEST(source_jumps_out, ALL)
{
    struct stage stage;
    make_stage(&stage, 2);
    EACH_KIND(stage.job)
    {
        for (long special = 0; special < 7; special++) {
            assert_left(&stage, special, false);
            assert_left(&stage, special, true);
        }
    }
    end_stage(&stage);
}

struct quitter {
    struct stage *stage;
    struct feed feed;
    posse_map_iter *map;
};

static posse_status quit(struct feed *feed) { pthread_exit(NULL); }

static void *map_and_quit(void *context)
{
    struct quitter *quitter = context;
    posse_map_job job = quitter->stage->job;
    posse_item item = {.struct_size = sizeof item};
    job.source = give_order;
    job.source_context = &quitter->feed;
    if (posse_map_open(quitter->stage->pool, &job, &quitter->map) == POSSE_OK) {
        while (posse_map_next(quitter->map, &item) == POSSE_OK) {
        }
    }
    return context;
}

TEST(source_ends_its_thread, CALLERS)
{
    struct stage stage;
    make_stage(&stage, 2);
    EACH_KIND(stage.job)
    {
        for (long special = 0; special < 5; special++) {
            pthread_t thread;
            void *returned;
            struct quitter quitter = {
                .stage = &stage,
                .feed = {.stage = &stage, .end = 7, .special = special, .before = quit}};
            assert_int_equal(pthread_create(&thread, NULL, map_and_quit, &quitter), 0);
            assert_int_equal(pthread_join(thread, &returned), 0);
            assert_null(returned);
            close_map(quitter.map);
        }
    }
    end_stage(&stage);
}

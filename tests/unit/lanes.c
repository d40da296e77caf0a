/* lanes.c - a lane for each priority, and the rings of one: which entry serves a slot, and whose
 * turn it is. */
#include "table.h"

#include "base/tuning.h"
#include "core/lanes.h"

struct scene {
    struct table *table;
    struct queue queues[PI_QUEUE_RINGS];
    struct pi_lanes lanes;
    _Atomic uint64_t more;
    _Atomic uint32_t claims;
};

/* `rings`: of the lane NORMAL. */
static struct scene *make_scene_of(unsigned rings)
{
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    scene->table = make_table(128, 128);
    scene->lanes.normal = rings;
    for (unsigned i = 0; i < pi_lanes_rings(&scene->lanes); i++) {
        scene->queues[i] = make_queue(1, 1);
        scene->lanes.ring[i] = scene->queues[i].ring;
        scene->lanes.ring[i].lane = i < rings ? PI_LANE_NORMAL : 1 + i - rings;
    }
    pi_monotonic_init(&scene->lanes.more, &scene->more, 1);
    scene->lanes.claims = &scene->claims;
    return scene;
}

static struct scene *make_scene(void) { return make_scene_of(1); }

static struct scene *make_scene_with_all(void)
{
    struct scene *scene = make_scene();
    assert_true(pi_monotonic_raise(&scene->lanes.more, 1));
    return scene;
}

static void free_scene(struct scene *scene)
{
    for (unsigned i = 0; i < pi_lanes_rings(&scene->lanes); i++)
        free_queue(&scene->queues[i]);
    free_table(scene->table);
    free(scene);
}

/* Takes a slot, and publishes it as a task of that lane. True: it lacks an entry there. */
static bool publish(struct scene *scene, enum pi_lane lane, uint32_t *index)
{
    uint64_t word;
    *index = pi_slots_acquire(&scene->table->slots, SUBMITTER, 0, &word);
    assert_int_not_equal(*index, PI_NO_INDEX);
    atomic_store(&slot_at(scene->table, *index)->arg_size, (uint64_t)lane << PI_LANE_SHIFT);
    return pi_slot_publish(slot_at(scene->table, *index), word, pi_in_ring(lane));
}

static uint32_t submit_to(struct scene *scene, enum pi_lane lane)
{
    uint32_t index;
    if (publish(scene, lane, &index))
        assert_int_equal(pi_lanes_push(&scene->lanes, lane, index, 0), PI_PUSHED);
    return index;
}

/* Its entry stays. */
static void end_out_of_turn(struct scene *scene, uint32_t index)
{
    uint64_t word = word_of(scene->table, index);
    assert_true(pi_slot_claim(slot_at(scene->table, index), WORKER, &word));
    assert_true(end_task(scene->table, index, word));
}

/* Its worker has run `ran` tasks, and `started` workers were there before it. */
static uint32_t claim_as(struct scene *scene, unsigned started, unsigned ran)
{
    struct pi_taker taker = {WORKER, started, ran};
    uint64_t word;
    return pi_lanes_claim_next(&scene->lanes, &scene->table->slots, &taker, &word);
}

static uint32_t claim_after(struct scene *scene, unsigned ran) { return claim_as(scene, 0, ran); }

static uint32_t claim(struct scene *scene) { return claim_after(scene, 0); }

TEST(no_lane_but_the_first, ALL)
{
    struct scene *scene = make_scene();
    uint32_t index;
    assert_int_equal(pi_lanes_count(&scene->lanes), 1);
    assert_true(publish(scene, PI_LANE_LOW, &index));
    assert_int_equal(pi_lanes_push(&scene->lanes, PI_LANE_LOW, index, 0), PI_PUSH_NO_CELL);
    assert_int_equal(claim(scene), PI_NO_INDEX);
    assert_true(pi_monotonic_raise(&scene->lanes.more, 1));
    assert_int_equal(pi_lanes_push(&scene->lanes, PI_LANE_LOW, index, 0), PI_PUSHED);
    assert_true(pi_lanes_any(&scene->lanes));
    assert_int_equal(claim(scene), index);
    assert_false(pi_lanes_any(&scene->lanes));
    free_scene(scene);
}

TEST(claims_by_priority, ALL)
{
    struct scene *scene = make_scene_with_all();
    uint32_t low = submit_to(scene, PI_LANE_LOW), normal = submit_to(scene, PI_LANE_NORMAL),
             high = submit_to(scene, PI_LANE_HIGH);
    assert_int_equal(pi_lanes_length(&scene->lanes), 3);
    assert_int_equal(pi_lanes_end(&scene->lanes), 3);
    assert_int_equal(claim(scene), high);
    assert_int_equal(claim(scene), normal);
    assert_int_equal(claim(scene), low);
    assert_int_equal(claim(scene), PI_NO_INDEX);
    assert_int_equal(pi_lanes_passed(&scene->lanes), 3);
    free_scene(scene);
}

TEST(each_32nd_claim_is_of_low, ALL)
{
    struct scene *scene = make_scene_with_all();
    assert_int_equal(submit_to(scene, PI_LANE_LOW), 0);
    assert_int_equal(submit_to(scene, PI_LANE_LOW), 1);
    for (unsigned i = 0; i < 2 * PI_CLAIMS_PER_LOW; i++)
        (void)submit_to(scene, i % 2 ? PI_LANE_HIGH : PI_LANE_NORMAL);
    for (unsigned i = 1; i <= 2 * PI_CLAIMS_PER_LOW; i++)
        assert_int_equal(claim(scene) < 2, i % PI_CLAIMS_PER_LOW == 0);
    free_scene(scene);
}

/* A slot is used again while entries of its earlier lives are in rings. One in the ring of its lane
 * serves it, another one counts as stale. */
TEST(entries_of_earlier_lives, ALL)
{
    struct scene *scene = make_scene_with_all();
    uint32_t index;
    end_out_of_turn(scene, submit_to(scene, PI_LANE_HIGH));
    end_out_of_turn(scene, submit_to(scene, PI_LANE_NORMAL)); /* with an entry of its own */
    assert_int_equal(pi_lanes_length(&scene->lanes), 2);
    assert_int_equal(word_of(scene->table, 0) & PI_IN_RING,
                     pi_in_ring(PI_LANE_HIGH) | pi_in_ring(PI_LANE_NORMAL));
    assert_false(publish(scene, PI_LANE_NORMAL, &index));
    assert_int_equal(index, 0);
    struct pi_entries entries =
        pi_lanes_count_entries(&scene->lanes, &scene->table->slots, UINT32_MAX);
    assert_int_equal(entries.pending, 1);
    assert_int_equal(entries.stale, 1);
    assert_int_equal(claim(scene), 0); /* past the entry in HIGH */
    assert_int_equal(word_of(scene->table, 0) & PI_IN_RING, 0);
    assert_int_equal(claim(scene), PI_NO_INDEX);
    free_scene(scene);
}

/* The entry in another lane is passed between the submitter's look at the word and its CAS. */
TEST(another_lanes_entry_was_just_passed, ALL)
{
    struct scene *scene = make_scene_with_all();
    uint64_t fill, word;
    end_out_of_turn(scene, submit_to(scene, PI_LANE_HIGH));
    assert_int_equal(pi_slots_acquire(&scene->table->slots, SUBMITTER, 0, &fill), 0);
    assert_int_equal(
        pi_slots_claim_next(&scene->table->slots, &scene->lanes.ring[PI_LANE_HIGH], WORKER, &word),
        PI_NO_INDEX);
    atomic_store(&slot_at(scene->table, 0)->arg_size, (uint64_t)PI_LANE_LOW << PI_LANE_SHIFT);
    assert_true(pi_slot_publish(slot_at(scene->table, 0), fill, pi_in_ring(PI_LANE_LOW)));
    assert_int_equal(word_of(scene->table, 0) & PI_IN_RING, pi_in_ring(PI_LANE_LOW));
    free_scene(scene);
}

TEST(a_lane_that_does_not_exist, ALL)
{
    struct scene *scene = make_scene_with_all();
    atomic_store(&slot_at(scene->table, 0)->arg_size, UINT64_MAX);
    assert_int_equal(pi_slot_lane(slot_at(scene->table, 0)), PI_LANE_NORMAL);
    free_scene(scene);
}

/* ---- several rings ---- */

/* Tasks of PI_RING_TURN slots in a row are in one ring, the next ones in the next. */
TEST(slots_go_into_rings_by_turns, ALL)
{
    struct scene *scene = make_scene_of(4);
    for (uint32_t i = 0; i < 8 * PI_RING_TURN; i++) {
        uint32_t index = submit_to(scene, PI_LANE_NORMAL);
        struct pi_ring *ring = &scene->lanes.ring[index / PI_RING_TURN % 4];
        assert_ptr_equal(pi_lanes_ring(&scene->lanes, PI_LANE_NORMAL, index), ring);
        assert_int_equal(pi_ring_length(ring),
                         1 + index % PI_RING_TURN + index / PI_RING_TURN / 4 * PI_RING_TURN);
    }
    free_scene(scene);
}

/* A worker finds a task in whatever ring it is. */
TEST(each_ring_is_looked_at, ALL)
{
    struct scene *scene = make_scene_of(4);
    for (uint32_t i = 0; i < 4 * PI_RING_TURN; i++)
        (void)submit_to(scene, PI_LANE_NORMAL);
    for (uint32_t i = 0; i < 4 * PI_RING_TURN; i++)
        assert_int_not_equal(claim(scene), PI_NO_INDEX); /* always the same turn */
    assert_int_equal(claim(scene), PI_NO_INDEX);
    assert_false(pi_lanes_any(&scene->lanes));
    free_scene(scene);
}

/* A ring is never passed over for ever, though another one always has tasks. */
TEST(each_ring_has_its_turn, ALL)
{
    struct scene *scene = make_scene_of(4);
    unsigned in_first = 0;
    for (uint32_t i = 0; i < 8 * PI_RING_TURN; i++)
        (void)submit_to(scene, PI_LANE_NORMAL);
    for (unsigned ran = 0; ran < 4 * PI_RING_TURN; ran++)
        in_first += claim_after(scene, ran) / PI_RING_TURN % 4 == 0;
    assert_int_equal(in_first, PI_RING_TURN);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pi_ring_length(&scene->lanes.ring[i]), PI_RING_TURN);
    free_scene(scene);
}

/* Each runs one task, and another takes its number. */
TEST(workers_of_one_task_pass_no_ring_over, ALL)
{
    struct scene *scene = make_scene_of(4);
    for (uint32_t i = 0; i < 8 * PI_RING_TURN; i++)
        (void)submit_to(scene, PI_LANE_NORMAL);
    for (unsigned started = 0; started < 8; started++)
        assert_int_equal(claim_as(scene, started, 0) / PI_RING_TURN % 4, started % 4);
    free_scene(scene);
}

/* An urgent task comes before those of all rings. */
TEST(high_is_before_all_rings, ALL)
{
    struct scene *scene = make_scene_of(2);
    assert_true(pi_monotonic_raise(&scene->lanes.more, 1));
    for (uint32_t i = 0; i < 2 * PI_RING_TURN; i++)
        (void)submit_to(scene, PI_LANE_NORMAL);
    uint32_t low = submit_to(scene, PI_LANE_LOW), high = submit_to(scene, PI_LANE_HIGH);
    assert_int_equal(claim(scene), high);
    for (uint32_t i = 0; i < 2 * PI_RING_TURN; i++)
        assert_int_not_equal(claim(scene), low);
    assert_int_equal(claim(scene), low);
    free_scene(scene);
}

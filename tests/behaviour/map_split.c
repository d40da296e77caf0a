/* map_split.c - maps that lose only the guilty item of a chunk (POSSE_SPLIT): in each form, and how
 * often items run. */
#include "support/mortal.h"

#include <string.h>

enum { N = 13 };

static long levels(long n) /* ceil(log2 n) */
{
    long levels = 0;
    while (1L << levels < n)
        levels++;
    return levels;
}

/* ---- a map in each form ---------------------------------------------------------------------- */

static bool is_guilty(const struct mortals *m, size_t i) { return m->tally->deaths[i] == EACH_RUN; }

static void assert_item(const struct mortals *m, size_t i, posse_status status, const void *result)
{
    assert_status(status, is_guilty(m, i) ? POSSE_WORKER_LOST : POSSE_OK);
    if (status == POSSE_OK)
        assert_int_equal(*(const long *)result, i * i);
}

static void assert_all_at_once(struct mortals *m, long *results)
{
    posse_status statuses[MAX_MORTALS], first = POSSE_OK;
    m->job.results = results;
    posse_status status = posse_map(m->pool, &m->job, statuses);
    m->job.results = NULL;
    for (size_t i = 0; i < m->job.count; i++) {
        assert_item(m, i, statuses[i], &results[i]);
        first = first == POSSE_OK ? statuses[i] : first;
    }
    assert_status(status, first);
}

static void assert_one_by_one(struct mortals *m, posse_map_job job)
{
    char given[MAX_MORTALS] = {0};
    posse_error error = {.struct_size = sizeof error};
    posse_map_iter *map = open_map(m->pool, job);
    for (size_t i = 0; i < m->job.count; i++) {
        posse_item item = next_item(map);
        assert_true(item.index < m->job.count && (job.unordered || item.index == i));
        assert_int_equal(given[item.index]++, 0);
        assert_item(m, item.index, item.status, item.result);
        assert_ok(posse_map_exception(map, &error));
        assert_status(error.status, item.status);
        assert_in_range(error.attempt, atomic_load(&m->tally->runs[item.index]), N);
        assert_true((error.message[0] != '\0') == is_guilty(m, item.index));
    }
    assert_map_ends(map);
}

struct supply {
    struct mortals *mortals;
    size_t next;
};

static posse_status give_mortal(void *context, void *const *elements)
{
    struct supply *supply = context;
    if (supply->next == supply->mortals->job.count)
        return POSSE_END;
    memcpy(elements[0], &supply->mortals->items[supply->next++], sizeof(struct mortal));
    return POSSE_OK;
}

enum form { PLAIN, IN_PLACE, BLOCKS, ITER, UNORDERED, SOURCE, SOURCE_UNORDERED, FORMS };

static void assert_array(struct mortals *m, enum form form)
{
    long plain[MAX_MORTALS];
    struct mortal copies[MAX_MORTALS];
    void *shared;
    posse_map_job job = m->job;
    assert_ok(posse_alloc(m->pool, sizeof plain, &shared));
    memcpy(copies, m->items, sizeof copies);
    if (form == BLOCKS) {
        m->job.fn = NULL;
        m->job.block_fn = mortal_block;
    }
    m->input.data = form == PLAIN ? copies : m->items;
    assert_all_at_once(m, form == PLAIN ? plain : shared);
    m->input.data = m->items;
    m->job = job;
    assert_ok(posse_free(m->pool, shared));
}

static void assert_form(struct mortals *m, enum form form)
{
    posse_map_job job = m->job;
    struct supply supply = {.mortals = m};
    memset(m->tally->runs, 0, sizeof m->tally->runs);
    job.unordered = form == UNORDERED || form == SOURCE_UNORDERED;
    if (form >= SOURCE) {
        job.count = 0;
        job.source = give_mortal;
        job.source_context = &supply;
    }
    if (form < ITER)
        assert_array(m, form);
    else
        assert_one_by_one(m, job);
}

/* The deaths, tasks and runs that lib/map_split.c allows. */
static void assert_bound(struct mortals *m, const posse_stats *before, long guilty)
{
    posse_stats after = stats_of(m->pool);
    long n = m->job.chunksize, count = (long)m->job.count, chunks = (count + n - 1) / n;
    long deaths = (long)(after.lost - before->lost);
    long tasks = deaths + (long)(after.done - before->done);
    assert_in_range(deaths, guilty, guilty * (levels(n) + 1));
    assert_in_range(tasks, chunks, chunks + 2 * guilty * levels(n));
    for (size_t i = 0; i < m->job.count; i++)
        assert_in_range(atomic_load(&m->tally->runs[i]), is_guilty(m, i), levels(n) + 1);
}

/* Bit i of the set says whether item i is guilty. */
static void assert_split(struct mortals *m, uint64_t set, enum form form)
{
    long guilty = 0;
    for (size_t i = 0; i < m->job.count; i++) {
        m->tally->deaths[i] = set >> i & 1 ? EACH_RUN : 0;
        guilty += (long)(set >> i & 1);
    }
    posse_stats before = stats_of(m->pool);
    assert_form(m, form);
    assert_bound(m, &before, guilty);
}

/* ---- which items are guilty ------------------------------------------------------------------ */

/* None, the first, the last, one, neighbours, several, all. */
static const uint64_t sets[] = {0, 1, 0x1000, 0x20, 0x18, 0x1451, 0x1fff};

TEST(each_form, PARALLEL)
{
    struct mortals m;
    make_mortals(&m, make_pool(2), N);
    for (enum form form = 0; form < FORMS; form++)
        for (size_t i = 0; i < 3 * COUNT(sets); i++) {
            m.job.chunksize = (long[]){1, 5, N}[i % 3];
            assert_split(&m, sets[i / 3], form);
        }
    end_mortals(&m);
}

TEST(each_chunksize, PARALLEL)
{
    struct mortals m;
    make_mortals(&m, make_pool(2), N);
    for (m.job.chunksize = 1; m.job.chunksize <= N + 1; m.job.chunksize++) {
        assert_split(&m, 0x100, IN_PLACE);
        assert_split(&m, 0x18, ITER);
    }
    end_mortals(&m);
}

/* Only a few items are on their way at a time. */
TEST(each_buffersize, PARALLEL)
{
    struct mortals m;
    make_mortals(&m, make_pool(2), N);
    m.job.chunksize = 3;
    for (m.job.buffersize = 0; m.job.buffersize < N; m.job.buffersize += 4)
        for (enum form form = ITER; form < FORMS; form++)
            assert_split(&m, 0x1012, form);
    end_mortals(&m);
}

/* The parts make room one by one. Later chunks are whole all the same. */
TEST(later_chunks_do_not_become_small, PARALLEL)
{
    struct mortals m;
    make_mortals(&m, make_pool(2), MAX_MORTALS);
    m.job.chunksize = 4;
    m.job.buffersize = 8;
    for (enum form form = ITER; form < FORMS; form++)
        assert_split(&m, 1, form);
    end_mortals(&m);
}

/* Parts wait for room in the queue. */
TEST(at_the_limit_of_the_queue, PARALLEL)
{
    struct mortals m;
    make_mortals(&m, POOL(1, .queue_limit = 1), N);
    m.job.chunksize = 3;
    for (enum form form = 0; form < FORMS; form++)
        assert_split(&m, 0x1012, form);
    end_mortals(&m);
}

TEST(of_a_large_chunk, PARALLEL)
{
    static const int places[] = {0, 17, MAX_MORTALS - 1};
    struct mortals m;
    make_mortals(&m, make_pool(2), MAX_MORTALS);
    for (size_t i = 0; i < COUNT(places); i++)
        assert_split(&m, (uint64_t)1 << places[i], IN_PLACE);
    end_mortals(&m);
}

/* Inline no worker dies. */
TEST(without_workers, INLINE)
{
    struct mortals m;
    make_mortals(&m, make_pool(1), N);
    for (enum form form = 0; form < FORMS; form++)
        assert_split(&m, 0, form);
    end_mortals(&m);
}

POOL_TEST(refused, ALL, 1)
{
    posse_map_job job = map_job(mortal_item, NULL, 0, 0);
    job.on_lost = POSSE_SPLIT + 1;
    assert_status(posse_map(pool, &job, NULL), POSSE_INVALID);
    assert_string_equal(posse_last_error(), "job.on_lost is no posse_on_lost");
    job.on_lost = -1;
    assert_status(posse_map(pool, &job, NULL), POSSE_INVALID);
}

/* Without POSSE_SPLIT nothing runs again. */
TEST(chunk_is_lost, PARALLEL)
{
    struct mortals m;
    posse_status statuses[N];
    make_mortals(&m, make_pool(2), N);
    m.job.on_lost = POSSE_LOSE_CHUNK;
    m.tally->deaths[4] = EACH_RUN;
    long results[N];
    m.job.results = results;
    assert_status(posse_map(m.pool, &m.job, statuses), POSSE_WORKER_LOST);
    for (size_t i = 0; i < N; i++) {
        assert_status(statuses[i], POSSE_WORKER_LOST);
        assert_int_equal(atomic_load(&m.tally->runs[i]), i <= 4);
    }
    end_mortals(&m);
}

/* ---- deaths that do not repeat, and retries -------------------------------------------------- */

/* The worker that takes the place of the first one dies, too. */
TEST(dies_twice, PARALLEL)
{
    struct mortals m;
    make_mortals(&m, make_pool(2), N);
    m.tally->deaths[3] = 1;
    m.tally->deaths[7] = 2;
    for (enum form form = 0; form < FORMS; form++)
        assert_form(&m, form);
    end_mortals(&m);
}

/* The first item of 8: in chunks of 8, 4 and 2, then alone with two retries. */
static void assert_retried(int deaths)
{
    struct mortals m;
    posse_error error = {.struct_size = sizeof error};
    make_mortals(&m, POOL(2, .retries = 2), 8);
    m.tally->deaths[0] = deaths;
    posse_map_iter *map = open_map(m.pool, m.job);
    posse_item item = next_item(map);
    assert_int_equal(item.index, 0);
    assert_status(item.status, deaths > 5 ? POSSE_WORKER_LOST : POSSE_OK);
    assert_ok(posse_map_exception(map, &error));
    assert_int_equal(error.attempt, 6);
    assert_squares(map, 1, 8);
    assert_map_ends(map);
    assert_int_equal(atomic_load(&m.tally->runs[0]), 6);
    assert_int_equal(atomic_load(&m.tally->runs[7]), 1);
    end_mortals(&m);
}

TEST(retries_are_for_an_item_alone, PARALLEL)
{
    assert_retried(5);
    assert_retried(EACH_RUN);
}

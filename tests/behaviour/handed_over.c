/* handed_over.c - bytes that a task made in shared memory and gave to the program stay whole. */
#include "support/support.h"

#include <string.h>

#define MEGABYTE ((size_t)1 << 20)

/* Part of a reserved result that is given back as the result. */
struct part {
    size_t reserved;
    size_t from;
    size_t size;
};

static void fill(unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i % 251 + 1);
}

static void assert_filled(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != i % 251 + 1)
            fail_msg("byte %zu of %zu is %d", i, size, bytes[i]);
}

static int part_task(posse_task *task, const void *arg, size_t size)
{
    const struct part *part = arg;
    unsigned char *room = posse_task_reserve(task, part->reserved);
    if (room == NULL)
        return GAVE_UP;
    fill(room + part->from, part->size);
    return posse_task_return(task, room + part->from, part->size) == POSSE_OK ? 0 : GAVE_UP;
}

static void assert_part(posse_executor *pool, struct part part)
{
    posse_future future = SUBMIT_VALUE(pool, part_task, part);
    const void *data = NULL;
    size_t size = 0;
    assert_ok(posse_result(future, -1, &data, &size));
    assert_int_equal(size, part.size);
    assert_filled(data, size);
    assert_ok(posse_release(future));
}

/* The reserved bytes are replaced by a copy of themselves: they must last until it is made. */
POOL_TEST(part_of_a_reserved_result, ALL, 1)
{
    static const struct part parts[] = {
        {8, 0, 8},           {8, 3, 4},           {100, 0, 100},
        {100, 20, 40},       {5000, 0, 8},        {5000, 4000, 1000},
        {300000, 1000, 100}, {300000, 0, 300000}, {300000, 1, 299999}};
    for (size_t i = 0; i < COUNT(parts); i++)
        assert_part(pool, parts[i]);
}

/* So much memory goes back to the system as soon as it is freed, and reads as zeros then. */
POOL_TEST(part_of_a_large_reserved_result, ALL, 1)
{
    static const struct part parts[] = {{70 * MEGABYTE, 0, 4096},
                                        {70 * MEGABYTE, 0, 8},
                                        {70 * MEGABYTE, 69 * MEGABYTE, MEGABYTE},
                                        {2 * MEGABYTE, 1, 2 * MEGABYTE - 1}};
    for (size_t i = 0; i < COUNT(parts); i++)
        assert_part(pool, parts[i]);
}

/* From large to small: each result is a part of the one before. */
static int shrinking_task(posse_task *task, const void *arg, size_t size)
{
    unsigned char *room = posse_task_reserve(task, 3 * MEGABYTE);
    if (room == NULL)
        return GAVE_UP;
    fill(room, MEGABYTE);
    return posse_task_return(task, room, MEGABYTE) == POSSE_OK &&
                   (room = posse_task_reserve(task, 1000)) != NULL &&
                   posse_task_return(task, memset(room, 7, 1000), 5) == POSSE_OK
               ? 0
               : GAVE_UP;
}

POOL_TEST(shrinking_result, ALL, 1)
{
    for (int i = 0; i < 20; i++) {
        posse_future future = submitted(pool, shrinking_task, NULL, 0);
        char bytes[5];
        size_t size = 0;
        assert_ok(posse_result_into(future, -1, bytes, sizeof bytes, &size));
        assert_int_equal(size, 5);
        assert_memory_equal(bytes, "\7\7\7\7\7", 5);
        assert_ok(posse_release(future));
    }
}

/* Gives the program memory of as many bytes as the argument says. */
static int alloc_task(posse_task *task, const void *arg, size_t size)
{
    size_t bytes = *(const size_t *)arg;
    void *memory = NULL;
    if (posse_alloc(posse_task_executor(task), bytes, &memory) != POSSE_OK)
        return GAVE_UP;
    fill(memory, bytes < 4096 ? bytes : 4096);
    return posse_task_return(task, &memory, sizeof memory) == POSSE_OK ? 0 : GAVE_UP;
}

static unsigned char *taken_memory(posse_executor *pool, size_t bytes)
{
    posse_future future = SUBMIT_VALUE(pool, alloc_task, bytes);
    void *memory = NULL;
    assert_ok(posse_result_into(future, -1, &memory, sizeof memory, NULL));
    assert_ok(posse_release(future));
    return memory;
}

/* A worker that leaves in good order is not one that died: what its tasks allocated is the
 * program's now. */
POOL_TEST(memory_outlives_the_workers, ALL, 2)
{
    static const size_t sizes[] = {1, 1000, 300000, 100 * MEGABYTE};
    unsigned char *memory[COUNT(sizes)];
    for (size_t i = 0; i < COUNT(sizes); i++)
        memory[i] = taken_memory(pool, sizes[i]);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(stats_of(pool).memory_blocks, COUNT(sizes));
    for (size_t i = 0; i < COUNT(sizes); i++) {
        assert_filled(memory[i], sizes[i] < 4096 ? sizes[i] : 4096);
        assert_ok(posse_free(pool, memory[i]));
    }
}

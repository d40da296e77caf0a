/* ways.c - all the ways in which a program waits for a batch. Each tells of each future once. */
#include "chaos.h"

#include <poll.h>
#include <string.h>

static void wait_for_each(struct driver *driver)
{
    for (size_t i = 0; i < driver->given; i++) {
        (void)went_well(driver->chaos, "exception",
                        posse_exception(driver->futures[i], patience(driver->chaos), NULL));
    }
}

/* The first, perhaps, and then all. */
static void wait_for_all(struct driver *driver)
{
    size_t done;
    posse_when when = (posse_when)below(&driver->random, 3);
    posse_status first =
        posse_wait(driver->futures, driver->given, when, patience(driver->chaos), NULL, &done);
    if (went_well(driver->chaos, "wait", first) && done == 0 && driver->given > 0)
        blame(driver->chaos, "wait (%d): none is done", when);
    posse_status all = posse_wait(driver->futures, driver->given, POSSE_ALL_COMPLETED,
                                  patience(driver->chaos), NULL, &done);
    if (went_well(driver->chaos, "wait for all", all) && done != driver->given)
        blame(driver->chaos, "wait: %zu of %zu are done", done, driver->given);
}

static int announce(posse_future future, void *context)
{
    struct bid *bid = context;
    bool its = memcmp(&future, &bid->future, sizeof future) == 0;
    atomic_fetch_add(&bid->announced, its && (bid->mortal || posse_done(future)) ? 1 : 100);
    return 0;
}

static void take_as_completed(struct driver *driver)
{
    posse_completion_iter *completed = NULL;
    posse_status status =
        posse_as_completed(driver->futures, driver->given, patience(driver->chaos), &completed);
    posse_future future;
    size_t index;
    while (status == POSSE_OK) {
        status = posse_completion_iter_next(completed, &future, &index);
        if (status == POSSE_OK)
            announce(future, driver->owners[index]);
    }
    posse_completion_iter_close(completed);
    (void)went_well(driver->chaos, "as_completed", status == POSSE_END ? POSSE_OK : status);
}

static bool all_announced(const struct driver *driver)
{
    for (size_t i = 0; i < driver->given; i++)
        if (atomic_load(&driver->owners[i]->announced) == 0)
            return false;
    return true;
}

static void be_called_back(struct driver *driver)
{
    for (size_t i = 0; i < driver->given; i++) {
        posse_status status =
            posse_add_done_callback(driver->futures[i], announce, driver->owners[i]);
        if (!went_well(driver->chaos, "add_done_callback", status))
            driver->owners[i]->announced = 1;
    }
    wait_for_each(driver);
    for (long end = now_ms() + patience(driver->chaos); !all_announced(driver) && now_ms() < end;)
        pause_ms(1);
}

static void take_completions(struct driver *driver)
{
    struct pollfd fd = {.fd = posse_completion_queue_fd(driver->completions), .events = POLLIN};
    for (size_t i = 0; i < driver->given; i++) {
        posse_status status =
            posse_completion_queue_add(driver->completions, driver->futures[i], driver->owners[i]);
        if (!went_well(driver->chaos, "completions_add", status))
            driver->owners[i]->announced = 1;
    }
    for (long end = now_ms() + patience(driver->chaos); !all_announced(driver) && now_ms() < end;) {
        posse_completion taken[4];
        if (poll(&fd, 1, 1000) <= 0)
            continue;
        size_t n = posse_completion_queue_take(driver->completions, taken, COUNT(taken));
        for (size_t i = 0; i < n; i++)
            announce(taken[i].future, taken[i].context);
    }
}

void wait_somehow(struct driver *driver)
{
    static void (*const ways[])(struct driver *) = {wait_for_each, wait_for_all, take_as_completed,
                                                    be_called_back, take_completions};
    size_t way = below(&driver->random, COUNT(ways));
    ways[way](driver);
    for (size_t i = 0; i < driver->given; i++) {
        int announced = atomic_load(&driver->owners[i]->announced);
        char how[200];
        bool fits = announced == (way >= 2) || (announced == 0 && driver->chaos->mortal);
        if (!fits) {
            posse_describe(driver->futures[i], how, sizeof how);
            blame(driver->chaos, "way %zu: future %zu (%s) was announced %d times", way, i, how,
                  announced);
        }
    }
}

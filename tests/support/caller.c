/* caller.c - a thread that makes one blocking call; and whether threads sleep. */
#include "support.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static void *make_call(void *argument)
{
    struct caller *caller = argument;
    atomic_store(&caller->identity, identity());
    caller->status = caller->call(caller->context);
    atomic_store(&caller->returned, 1);
    return NULL;
}

void start_call(struct caller *caller, posse_status (*call)(void *), void *context)
{
    *caller = (struct caller){.call = call, .context = context};
    assert_int_equal(pthread_create(&caller->thread, NULL, make_call, caller), 0);
}

/* A thread that is on its way into the call may sleep for an instant too, at a lock: hence
 * several looks. */
static bool sleeps_on(long id)
{
    for (int looks = 0; looks < 5; looks++) {
        if (process_state((pid_t)id) != 'S')
            return false;
        pause_ms(1);
    }
    return true;
}

void await_asleep(long id) { assert_eventually(sleeps_on(id)); }

bool comes_to_park(struct caller *caller)
{
    assert_eventually(sleeps_on(atomic_load(&caller->identity)) || atomic_load(&caller->returned));
    return !atomic_load(&caller->returned);
}

void await_parked(struct caller *caller) { assert_true(comes_to_park(caller)); }

posse_status end_call(struct caller *caller)
{
    pthread_join(caller->thread, NULL);
    return caller->status;
}

posse_status call_result(void *future)
{
    return posse_result(*(posse_future *)future, -1, NULL, NULL);
}

posse_status call_exception(void *future)
{
    return posse_exception(*(posse_future *)future, -1, NULL);
}

posse_status call_shutdown(void *pool) { return posse_shutdown(pool, 0, -1); }

posse_status call_destroy(void *pool) { return posse_destroy(pool); }

static bool other_threads_sleep(void)
{
    DIR *threads = opendir("/proc/self/task");
    bool sleep = threads != NULL;
    for (struct dirent *entry; sleep && (entry = readdir(threads)) != NULL;) {
        long id = atol(entry->d_name);
        sleep = !isdigit((unsigned char)entry->d_name[0]) || id == identity() ||
                process_state((pid_t)id) == 'S';
    }
    if (threads != NULL)
        closedir(threads);
    return sleep;
}

void await_other_threads(void) { assert_eventually(other_threads_sleep()); }

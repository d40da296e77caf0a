/* caller.c - a thread that makes one blocking call. */
#include "support.h"

#include <stdio.h>

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

static bool sleeps_now(const struct caller *caller)
{
    char path[64];
    char state = 'R';
    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", atomic_load(&caller->identity));
    FILE *stat = fopen(path, "re");
    if (stat != NULL) {
        if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1) {
            state = 'R';
        }
        fclose(stat);
    }
    return state == 'S';
}

/* A thread that is on its way into the call may sleep for an instant too, at a lock: hence
 * several looks. */
static bool sleeps_on(const struct caller *caller)
{
    for (int looks = 0; looks < 5; looks++) {
        if (!sleeps_now(caller)) {
            return false;
        }
        pause_ms(1);
    }
    return true;
}

bool comes_to_park(struct caller *caller)
{
    assert_eventually(sleeps_on(caller) || atomic_load(&caller->returned));
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

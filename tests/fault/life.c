/* life.c - executors that come and go while calls fail. */
#include "fault/kit/fault.h"

#include <errno.h>
#include <posse_log.h>

static void hear(void *context, const posse_log_record *record) { (void)context, (void)record; }

/* With a log, whose thread is started when the workers have been. */
static int create_and_destroy(void)
{
    posse_options options = default_options();
    posse_executor *pool = NULL;
    options.max_workers = 2;
    options.log = hear;
    fault_begin();
    errno = 0;
    posse_status status = posse_create(&options, &pool);
    ALLOW(status, CREATED);
    REQUIRE((status == POSSE_OK) == (pool != NULL));
    REQUIRE(status == POSSE_OK || errno != 0);
    if (fault_is_spent() && pool == NULL)
        REQUIRE(posse_create(&options, &pool) == POSSE_OK); /* nothing stands in its way */
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return 0;
}

TEST(come_and_go, FORKED) { sweep_all("create and destroy", create_and_destroy); }

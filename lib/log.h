/* log.h - what the calls of posse.h do with the log. */
#pragma once

#include "posse_log.h"

/* Takes the log of the options, if there is one. POSSE_NO_MEMORY. */
posse_status pi_log_create(posse_executor *executor, const posse_options *options);
/* Once there is shared memory, before the first fork: from here on processes report. */
posse_status pi_log_open(posse_executor *executor);
/* After the last fork of this process. POSSE_NO_MEMORY, POSSE_SYSTEM. */
posse_status pi_log_start(posse_executor *executor);
/* All workers have ended: the thread tells what is left. The executor may be half built. */
void pi_log_destroy(posse_executor *executor);

/* Tells one thing here and now; nothing without a log. */
void pi_log_say(posse_executor *executor, posse_log_event event, const char *format, ...)
    POSSE_PRINTF(3, 4);
/* Tells what has been reported; nothing without a log. */
void pi_log_deliver(posse_executor *executor);
/* Whether this thread is in options.log of that executor, or is its log's. */
bool pi_log_calls(const posse_executor *executor);

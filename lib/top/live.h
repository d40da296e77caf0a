/* live.h - the view that goes on until the user or the program ends it.
 *
 * Runs in: posse-top.
 */
#pragma once

#include "top/sample.h"

/* Shows the executors of files->program every interval_ns. PI_TOP_FOUND: the user has ended it;
 * else why there is nothing more. The terminal is as before. */
enum pi_top_found pi_top_live(struct pi_top_files *files, uint64_t interval_ns);

/* rates.h - what happened between two looks.
 *
 * Runs in: posse-top.
 */
#pragma once

#include "top/sample.h"

/* Fills in the rates of *now, and for how long tasks have been running at least. */
void pi_top_compare(const struct pi_top_round *before, struct pi_top_round *now);
/* Of the tasks whose time is known, the worker that runs the oldest; NULL: there is none. */
const struct pi_top_worker *pi_top_oldest(const struct pi_top_sample *sample);

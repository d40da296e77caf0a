/* report.h - what the program's log has to be told (posse_log.h).
 *
 * Runs in: program, worker, supervisor. Only executors with a log report, and only what is rare, so
 * nothing here is on the path of a task that ends well.
 *
 * A task that ends without a result, and whose future nobody has, is DETACHED. Without a log the
 * process that ends it frees its slot. With a log the slot stays, final and DETACHED, until the
 * program's thread for the log has read it and frees it. The thread's parker collects such slots
 * (core/done_list.h):
 *
 *   actor      step                                       if it dies after that
 *   finisher   makes the task final, DETACHED             the supervisor asks for a rescan
 *              pushes the slot on the parker's list       the same
 *              posts the parker, if the list was empty    nothing is left to do
 *   thread     takes the list, reads each slot, frees it  all is gone
 *
 * A slot has one link. If a parker stands in the task's word, the link may be in use: then the
 * finisher asks for a rescan, in which the thread looks at all slots.
 */
#pragma once

#include "core/worker_events.h"
#include "pool/pool.h"

/* Whether the log must be told how the task ended, and frees its slot. */
bool pi_is_for_log(const posse_executor *executor, uint64_t word);
/* The task was made final, with this word. Leaves its slot to the log. False: the log has nothing
 * to tell, so the caller frees the slot. */
bool pi_leave_to_log(posse_executor *executor, uint32_t index, uint64_t word);
/* The same, if the slot may be in the list already. */
bool pi_leave_to_log_again(posse_executor *executor, uint64_t word);
/* Supervisor: a worker was lost, or one was started in its place. */
void pi_report_worker(posse_executor *executor, const struct pi_worker_event *event);

/* trace.h - leads a process of another parent through its instructions or system calls, with
 * ptrace. All by the runner's main thread; everything asserts.
 *
 * Its parent learns of its death when its tracer has taken note of it.
 */
#ifndef TRACE_H
#define TRACE_H

#include "support.h"

bool may_trace(void); /* false: the system does not let us */

/* Traces a process that sleeps, and lets it sleep on: it stops at the first instruction after it
 * was woken. */
void trace_sleeper(pid_t pid);

/* How a stopped process goes on. */
void trace_step(pid_t pid); /* for one instruction */
void trace_call(pid_t pid); /* to the next begin or end of a system call */
void trace_run(pid_t pid);  /* to the next signal */

/* Until it stops. The second gives false if it sleeps instead, and costs more. */
void await_stop(pid_t pid);
bool comes_to_stop(pid_t pid);

void kill_traced(pid_t pid);

/* For one that may end meanwhile. False: it has ended. */
bool trace_steps(pid_t pid); /* as trace_step */
bool trace_stops(pid_t pid); /* as await_stop; takes note of its end */
void end_traced(pid_t pid);  /* kills it, if trace_stops has not taken note of its end */

#endif

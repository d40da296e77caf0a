/* probe.h - static probes: places where a tracer such as bpftrace may look on.
 *
 * Runs in: program, worker, supervisor. A probe is one instruction that does nothing, and a note in
 * the library that says where it stands and where its arguments are. Only where sys/sdt.h was there
 * when the library was built; elsewhere probes are nothing. Each has four arguments:
 *
 *   probe    where                                     arguments
 *   submit   a task is about to enter the queue, or    executor, slot, generation, function
 *            its group, or to be one worker's alone
 *            (posse_broadcast)
 *   claim    a worker begins a run of it               executor, slot, generation, worker
 *   finish   it has ended                              executor, slot, generation, state (state.h)
 *   loss     the supervisor reaps a worker that died   executor, worker, pid, signal
 *            or has exited
 */
#pragma once

#ifdef POSSE_HAVE_SDT
#include <sys/sdt.h>
#define PI_PROBE(name, a, b, c, d) STAP_PROBE4(posse, name, a, b, c, d)
#else
#define PI_PROBE(name, a, b, c, d) ((void)0)
#endif

/* serve.h - holds descriptors for tasks, and hands them out: see pool/descriptors.h. */
#pragma once

#include "supervisor/supervisor.h"

/* Makes the sockets on which the program and the workers ask. 0 or an errno; also 0 where the
 * system has no such sockets. */
int pi_serve_begin(struct pi_supervisor *supervisor);
/* In a new worker: closes all but the socket that it asks on, what is held for other tasks, too. */
void pi_serve_leave(struct pi_supervisor *supervisor);
/* Answers some of the requests that are there. */
void pi_serve(struct pi_supervisor *supervisor);
/* Closes what is held for tasks that are over. In each round. */
void pi_serve_sweep(struct pi_supervisor *supervisor);

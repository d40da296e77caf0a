/* launch.h - how a supervisor process and the program begin with each other: launched.c is the
 * supervisor's side, launch.c the program's.
 *
 * Runs in: program, supervisor.
 *
 *   the program                                the supervisor
 *   makes two sockets, forks                   tries what it needs of the system, makes two others
 *   hears a report, takes that socket for  <-  sends a report and one of those, closes both that
 *   its own, closes its first one              the program made
 *   sends a byte                           ->
 *   hears the second report                <-  starts the workers, sends a report
 *
 * If a report tells of an error, the supervisor lives until the program has closed the socket.
 */
#ifndef PI_LAUNCH_H
#define PI_LAUNCH_H

#include "os/fd.h"
#include "os/process.h"
#include "supervisor/supervisor.h"

struct pi_launch {
    struct pi_supervisor *supervisor;
    int sockets[2]; /* the program's, the supervisor's */
};

struct pi_launch_report {
    int error;   /* 0 or an errno */
    bool denied; /* the system does not let processes be supervised */
    pid_t pid;   /* of the supervisor; 0: there is none */
};

/* In the supervisor, or in the process between if there is none. The context is a struct pi_launch. */
void pi_supervisor_main(void *context);
void pi_supervisor_failed(void *context, int error);
/* The backend's `sleep`: until the moment, or until poked. False: the program is gone. */
bool pi_supervisor_sleep(struct pi_supervisor *supervisor, uint64_t until);

/* The process backend in the program, as backend.h says. */
posse_status pi_program_start(posse_executor *executor);
const char *pi_program_ended(posse_executor *executor);
void pi_program_join(posse_executor *executor);
void pi_program_fini(posse_executor *executor);
void pi_program_notify(posse_executor *executor);

#endif

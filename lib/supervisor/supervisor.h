/* supervisor.h - what the supervisor knows, in its private memory; its life. */
#ifndef PI_SUPERVISOR_H
#define PI_SUPERVISOR_H

#include "os/process.h"
#include "os/semaphore.h"
#include "pool/error.h"
#include "pool/pool.h"
#include "pool/trim.h"

#include <pthread.h>
#include <signal.h>

/* What the supervisor knows of a worker, in its private memory:
 * nothing here is believed from shared memory. */
enum pi_child_state { PI_CHILD_EMPTY, PI_CHILD_ALIVE, PI_CHILD_ABANDONED };
struct pi_child {
    enum pi_child_state state;
    bool killed;            /* SIGKILL is on its way */
    bool used;              /* the worker's semaphore was made before */
    bool exited;            /* the last one left on purpose, */
    bool escaped;           /* and may have given something away, which is not settled */
    bool initialized;       /* its initializer has ended well */
    bool stopped;           /* by SIGSTOP: not to be relied on */
    bool suspect;           /* killed as its task and its worker contradict each other */
    bool retiring;          /* it wants to go, once there is another in its place */
    bool told_to_exit;      /* it was told to go */
    uint64_t current_task;  /* the task that it was last seen to run, 0: none */
    uint64_t next_deadline; /* of the tasks on its stack, when it was last looked at */
    pid_t pid;              /* process backend */
    pthread_t thread;       /* thread backend, and the rest: */
    posse_executor *executor;
    unsigned worker;
    _Atomic uint32_t gone; /* 1: the thread has ended and can be joined */
};

struct pi_supervisor {
    posse_executor *executor;
    struct pi_child children[PI_MAX_WORKERS];
    unsigned n_workers; /* that are or were used */
    unsigned alive;     /* children that are not EMPTY */
    unsigned active;    /* children that count as workers: see scale.c */
    unsigned max;       /* workers at most, as it was last seen */
    unsigned target;    /* workers that there should be */
    unsigned missing;   /* of these, workers still to be started */
    bool begun;         /* the first one was started: then all that are missing are */
    /* Starts that came to nothing: see scale.c. All are 0 once a worker gets through its start. */
    unsigned put_off;         /* how often in a row the next one was put off */
    unsigned start_failures;  /* in a row, that failed by themselves; */
    uint64_t failing_since;   /* the first of them */
    unsigned init_failures;   /* of the failures, those in the initializer */
    int error;                /* errno of the last one that could not be started at all */
    struct pi_error why;      /* how the last start failed */
    uint64_t retry_at;        /* the next try, PI_NEVER: none is due */
    uint64_t kill_at;         /* when those that SIGTERM did not end are killed, PI_NEVER: never */
    int sent;                 /* the signal that all workers were sent, 0: none */
    uint64_t checked_ns;      /* when the deadlines were last looked at */
    enum pi_phase phase_seen; /* the phase that was acted on */
    struct pi_trim trim;      /* how far the trim is */
    int socket, program;      /* process backend: to the program, and its pidfd (-1: none), */
    struct pi_os_identity program_identity; /* or how else it is known */
    sigset_t ignored;                       /* signals that the program ignores: see os/signals.h */
    pthread_t thread;                       /* thread backend: the supervisor itself, */
    bool joined;                            /* whether it has ended, and what wakes it */
    struct pi_os_semaphore poked;
};

/* Prepares private memory for it; NULL: none. */
struct pi_supervisor *pi_supervisor_create(posse_executor *executor);
void pi_supervisor_destroy(struct pi_supervisor *supervisor);
/* Starts the first workers: of processes one, and pi_supervisor_run starts the others while the
 * program goes on. 0, or the errno that kept all of them from starting. */
int pi_supervisor_begin(struct pi_supervisor *supervisor);
/* Does its work until no worker is left:
 * the executor was shut down or broke, or the program died. */
void pi_supervisor_run(struct pi_supervisor *supervisor);

static inline uint64_t pi_earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

#endif

/* supervisor.h - what the supervisor knows, in its private memory; its life. */
#pragma once

#include "os/process.h"
#include "os/semaphore.h"
#include "pool/error.h"
#include "pool/pool.h"
#include "pool/trim.h"

#include <pthread.h>
#include <signal.h>

/* EMPTY: no worker. ABANDONED: a thread that still runs a task which was ended. */
enum pi_child_state { PI_CHILD_EMPTY, PI_CHILD_ALIVE, PI_CHILD_ABANDONED };

/* A task that was asked to stop, and when its grace is over (grace.c). */
struct pi_asked {
    uint64_t task; /* pi_task_name */
    uint64_t kill_at;
};

/* A worker, as the supervisor knows it without trusting shared memory. */
struct pi_child {
    enum pi_child_state state;
    bool initialized;       /* its initializer has ended well */
    bool retiring;          /* it has run all its tasks, and waits until it may exit */
    bool told_to_exit;      /* by pi_retire */
    bool stopped;           /* by SIGSTOP: it takes no task */
    bool killed;            /* SIGKILL is on its way */
    bool terminated;        /* SIGTERM is, or was, for a task that posse_kill names: grace.c */
    bool suspect;           /* it was killed because it lacks a task that names it */
    uint64_t current_task;  /* the task that it was last seen to run, 0: none */
    uint64_t next_deadline; /* of the tasks on its stack, when the supervisor last looked */
    struct pi_asked asked[PI_MAX_ASKED];
    uint64_t signalled[PI_MAX_ASKED]; /* tasks on its stack for which SIGTERM was sent */
    pi_block_ref crash_block;         /* of its record; 0: none */
    int output;                       /* its stderr, if that is kept; -1: none */
    pid_t pid;                        /* process backend */
    pthread_t thread;                 /* thread backend, as the rest */
    posse_executor *executor;
    unsigned worker;
    /* 1: the thread has ended and can be joined. By that thread, release; the supervisor, acquire.
     * A thread cannot die before it stores it. */
    _Atomic uint32_t gone;
};

/* Belongs to the supervisor alone, unless a field says otherwise. */
struct pi_supervisor {
    posse_executor *executor;
    struct pi_child children[PI_MAX_WORKERS];
    unsigned n_workers;  /* records that are or were used */
    unsigned alive;      /* children that are not EMPTY */
    unsigned active;     /* workers that will take another task: see scale.c */
    unsigned max;        /* workers at most, as last read */
    unsigned target;     /* workers that there should be */
    unsigned missing;    /* how many of these are not started yet */
    unsigned unreplaced; /* workers that were lost, less those that were started since */
    bool begun;          /* pi_supervisor_begin has returned: all that are missing are started */
    /* Failed starts: see child.c. All are 0 once a worker ends its initializer well. */
    unsigned put_off;         /* how often in a row the next start was put off */
    unsigned start_failures;  /* in a row, that failed by themselves; */
    uint64_t failing_since;   /* the first of them */
    unsigned init_failures;   /* those of them in the initializer */
    int error;                /* errno of the last start, 0: it did not fail */
    struct pi_error why;      /* how the last start failed */
    uint64_t retry_at;        /* the next start, PI_NEVER: none was put off */
    uint64_t kill_at;         /* when workers that SIGTERM did not end are killed, or PI_NEVER */
    int sent;                 /* the signal that all workers were sent, 0: none */
    uint64_t checked_ns;      /* when the deadlines were last read */
    enum pi_phase phase_seen; /* the phase that the supervisor acts on */
    struct pi_trim trim;      /* how far the trim is */
    /* Process backend: the socket to the program, and how the supervisor sees the program's end: by
     * a pidfd, or -1 and its identity. */
    int socket, program;
    struct pi_os_identity program_identity;
    /* Process backend: where the program and workers ask (serve.c), and the program's end of the
     * first, until it is sent. -1: there is none. */
    int requests[2], asker;
    sigset_t ignored; /* signals that the program ignores: see os/signals.h */
    /* Thread backend: the supervisor itself, whether it was joined (the program's), and its
     * sleep. */
    pthread_t thread;
    bool joined;
    struct pi_os_semaphore notified;
};

/* In the program. NULL: there is no memory. */
struct pi_supervisor *pi_supervisor_create(posse_executor *executor);
void pi_supervisor_destroy(struct pi_supervisor *supervisor);
/* Starts the first workers: with processes one, so that the program goes on soon. 0, or the errno
 * that kept all of them from starting. */
int pi_supervisor_begin(struct pi_supervisor *supervisor);
/* Makes rounds until no worker is left: the executor was shut down or broke, or the program
 * died. */
void pi_supervisor_run(struct pi_supervisor *supervisor);

static inline uint64_t pi_earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

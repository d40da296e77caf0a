/* backend.h - where processes, threads and inline differ: starting, ending and watching workers. */
#pragma once

#include "os/process.h"
#include "pool/pool.h"

struct pi_supervisor;

struct pi_backend {
    bool shared; /* memory is shared between processes */
    bool kills;  /* a running task can be killed with its worker */
    unsigned (*default_workers)(unsigned cpus);

    /* In the program. */
    /* Starts the supervisor, which starts the workers. POSSE_OK, or another status and errno. */
    posse_status (*start)(posse_executor *executor);
    /* Why there is no supervisor any more, in words; NULL: it lives. Two system calls. May be NULL:
     * it lives as long as the program. */
    const char *(*ended)(posse_executor *executor);
    /* Waits for its end; fine if it never started, or has ended. Callers may still notify it. */
    void (*join)(posse_executor *executor);
    /* Frees what start made. */
    void (*fini)(posse_executor *executor);

    /* In the program or a worker: something has changed that the supervisor acts on. */
    void (*notify)(posse_executor *executor);

    /* In a worker whose initializer has ended well: does again what that may have undone. False: it
     * cannot be done, and *why says so. May be NULL. */
    bool (*rearm)(posse_executor *executor, struct pi_error *why);

    /* In the supervisor. */
    int (*spawn)(struct pi_supervisor *supervisor, unsigned worker);
    enum pi_os_event (*event)(struct pi_supervisor *supervisor, unsigned worker,
                              struct pi_os_death *death);
    void (*signal)(struct pi_supervisor *supervisor, unsigned worker, int signal);
    void (*reap)(struct pi_supervisor *supervisor, unsigned worker);
    /* False: the program is gone. */
    bool (*sleep)(struct pi_supervisor *supervisor, uint64_t until);
};

extern const struct pi_backend pi_process_backend, pi_thread_backend, pi_inline_backend;

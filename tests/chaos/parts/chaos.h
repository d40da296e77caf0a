/* chaos.h - a pool under a mixed load, whose workers are killed all the time, and the roster of
 * them.
 *
 *   roster.c    which workers were started and killed, and which loss each death explains
 *   killers.c   threads that kill, stop and continue workers
 *   orders.c    what the tasks do
 *   batches.c   program threads that submit orders
 *   ways.c      ... and wait for them in all ways
 *   fates.c     whether each order ended as it may
 *   maps.c      maps
 *   belts.c     queues and memory
 *   tales.c     messages, groups, a function in each worker, traces
 *   burdens.c   descriptors, limits, grace, reports of lost tasks
 *   rounds.c    a round: pools and their threads
 *   ends.c      how a pool ends, and the sum
 *   tell.c      figures and faults
 *
 * What holds whatever happens: a death explains one loss, that of the task at the bottom of the
 * dead worker's stack, or one more attempt at it; a task that the program sees to be lost names the
 * dead worker; nothing else is lost, nothing runs twice, every result is right, every call returns.
 */
#ifndef CHAOS_H
#define CHAOS_H

#include "support/sealed.h"
#include <posse_group.h>

enum {
    MAX_PIDS = 1 << 22, /* the most that Linux has */
    RECENT = 64,
    /* For each worker that runs its first task, as ten in a row break the pool, as they should. */
    MAX_STILLBORN = 1,
    ENTRIES = 1 << 16, /* orders of one thread in a round */
    MAX_ORDERS = 24,   /* in a batch */
    DRIVERS = 3,
    KILLERS = 2,
    FILES = 5,
    HANG_MS = PATIENCE_MS
};

#define MAX_REPLY (4u << 20) /* bytes of a result */

/* Codes of tasks. */
enum { NO_ROOM = 905, WRONG_BYTES, LOST_INSIDE, WRONG_LOCK, WRONG_END, FAILS_SO, WRONG_FILE };

/* ---- the roster (roster.c) ------------------------------------------------------------------- */

/* What is known of the workers that have, or had, a pid; and of the processes of tasks. */
struct life {
    _Atomic uint32_t born;   /* workers that got this pid */
    _Atomic uint32_t met;    /* `born` of the last one that ran a task */
    _Atomic uint32_t doomed; /* how often somebody set out to kill it */
    uint32_t explains;       /* losses; the roster's lock guards it and the next */
    uint64_t last;           /* the loss that it explained last */
};

/* Shared with the supervisor and the workers. Each is told here in its first instant. */
struct roster {
    _Atomic int supervisor;
    _Atomic uint32_t births;
    _Atomic int recent[RECENT];
    _Atomic int fresh;   /* how many may be killed before another one has run a task */
    _Atomic long doomed; /* the sum of theirs */
    struct life lives[MAX_PIDS];
};

struct roster *open_roster(void); /* asserts; of the pools that are created from now on */
void close_roster(struct roster *roster);

/* For use in a task: the worker is there, and kills itself after about this time; 0: never. */
void meet(struct roster *roster, uint32_t die_after_us);

/* A worker or a process of a task, and a descriptor that names nobody else. */
struct victim {
    pid_t pid;
    int fd;
};
bool pick_victim(struct roster *roster, uint64_t random, struct victim *victim);
bool signal_victim(struct roster *roster, struct victim victim, int signal);

/* ---- a round (rounds.c) ---------------------------------------------------------------------- */

/* What a run counts. */
enum figure {
    KILLS,
    STOPS,
    ACCEPTED,
    HARMED,      /* losses that the program sees, and the dead workers that explain them */
    TRIED_AGAIN, /* attempts beyond the first */
    SILENT,      /* orders that never ran, whose end nobody sees */
    STARVED,     /* refused: no room in the queue, no memory */
    BATCHES,
    MAPS,
    BELTS,
    GROUPS,
    BROADCASTS,
    NOTED,       /* lost orders whose note was kept */
    LOCKED_WELL, /* orders that took the lock, and have a result */
    DEATHS,      /* these as the pool counts them */
    LOSSES,
    STARTS,
    ENDED, /* and the status of the orders that were judged */
    FIGURES = ENDED + POSSE_OWNER_DIED + 1
};

/* The figure of the orders that ended with this status. */
static inline unsigned ended_with(posse_status status)
{
    return (unsigned)ENDED + (unsigned)status;
}

struct figures {
    _Atomic long of[FIGURES];
};

/* How a pool ends: it comes to rest; or it is shut down while all use it, and lets the work end,
 * cancels what waits, or kills its workers; or it is destroyed in the midst of its work. */
enum end { RESTS, DRAINS, CANCELS, FORCED, DESTROYED };

/* What the workers may do: all, nothing but compute; or each task has a process of its own, which
 * dies too, before it begins and while it runs. */
enum guard { UNGUARDED, SEALED, FRESH, GUARDS };

struct entry {
    _Atomic uint32_t runs;  /* how often it was begun */
    _Atomic uint32_t nodes; /* tasks of its tree that were begun */
};

#define ALL_ENTRIES (DRIVERS * ENTRIES * sizeof(struct entry)) /* of a pool */

/* What the tasks that take the lock share. */
struct locked {
    posse_lock lock;
    long guard; /* who is inside */
    long count; /* of those that were inside */
};

/* One pool and all that is done to it. */
struct chaos {
    posse_executor *pool;
    struct roster *roster; /* NULL: threads, nobody dies */
    struct locked *locked;
    struct entry *entries; /* FRESH: of all drivers, from before the pool */
    long gap_us, end_ms;
    bool storm;       /* short tasks only */
    bool flat;        /* no task submits tasks */
    bool traced;      /* a trace is on, with stamps */
    bool autopsied;   /* lost tasks have reports */
    int files[FILES]; /* for tasks */
    enum guard guard;
    uint32_t arm_us; /* workers kill themselves after about this time; 0: never */
    long most_workers;
    bool mortal;      /* somebody kills the supervisor: calls may say POSSE_BROKEN */
    _Atomic int shut; /* one has, or POSSE_SHUT_DOWN: the drivers go */
    enum end end;
    _Atomic int supervisor; /* its pidfd, or -1 */
    _Atomic int closing;    /* its end has begun: then calls may say POSSE_SHUT_DOWN */
    _Atomic int over;       /* its users go */
    _Atomic int calm;       /* the killers go */
    _Atomic int faults;
    posse_future shown; /* of some driver, for others to look at; `lock` guards it */
    pthread_mutex_t lock;
    struct figures figures;
};

/* Says what went wrong. */
void blame(struct chaos *chaos, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What takes longer will never come, in ms; after a first fault less. */
long patience(const struct chaos *chaos);

/* Whether a call has given what it should; if not, blames it, unless the pool may be broken. */
bool went_well(struct chaos *chaos, const char *call, posse_status status);
/* The same for a call that brings work, which a pool that ends refuses. */
bool was_let_in(struct chaos *chaos, const char *call, posse_status status);
bool cancels(const struct chaos *chaos); /* what waits, by now */
void count(struct chaos *chaos, unsigned figure, long more);

/* A loss, and the worker that is said to have died with it: false if that cannot be. `loss` is
 * another number for each task. */
bool explained(struct chaos *chaos, long pid, uint64_t loss);

/* ---- orders (orders.c) ----------------------------------------------------------------------- */

enum kind { PLAIN, FAILING, NESTED, BIG, SLOW, LOCKED, GIFT };

#define GIFT_SIZE 5000 /* bytes that a task gives to the program */

struct order {
    struct entry *entry;
    struct roster *roster;
    struct locked *locked;
    uint64_t value;
    enum kind kind;
    uint32_t work_us, die_after_us;
    bool heeds;              /* SLOW: returns when it is to stop */
    bool fresh;              /* it has no memory of the pool */
    bool notes;              /* what it does */
    int file;                /* that it gets, from 1; 0: none */
    uint32_t messages;       /* PLAIN: that it sends */
    uint32_t payload, reply; /* BIG: bytes after the order, bytes of the result */
};

posse_fn obey_order;
uint64_t mix(uint64_t value); /* a hash; also the next of a row of random numbers */
uint32_t below(uint64_t *random, uint32_t end); /* the next, 0 to end - 1 */
void work_for(uint32_t us);
void fill(void *bytes, size_t size, uint64_t seed);
bool is_filled(const void *bytes, size_t size, uint64_t seed);
uint32_t nodes_of(uint64_t n); /* tasks in the tree of NESTED */

/* ---- program threads ------------------------------------------------------------------------- */

enum fate { LEAVE, CANCEL, KILL, LIMIT, AGAIN, DETACH, FORGET, FATES };

/* An order that was given, and what became of it. */
struct bid {
    struct order order;
    enum fate fate;
    long retries;
    bool mortal;  /* as the pool */
    bool limited; /* it may use so much memory and time */
    bool graced;  /* it is asked to stop before it is killed */
    posse_future future;
    posse_status told;     /* by posse_cancel or posse_kill */
    _Atomic int announced; /* callbacks, completions, as_completed */
};

struct driver {
    struct chaos *chaos;
    int number;
    uint64_t random;
    struct entry *entries; /* never used twice in a round */
    bool *unseen;          /* those whose end nobody sees */
    uint32_t used;
    posse_completion_queue *completions;
    posse_group *group; /* of this batch; NULL: none */
    struct bid bids[MAX_ORDERS];
    posse_future futures[MAX_ORDERS]; /* of those that have one */
    struct bid *owners[MAX_ORDERS];
    size_t given;
    char *bytes; /* for arguments */
    pthread_t thread;
};

bool driver_begin(struct driver *driver);
void *drive(void *driver); /* the thread */
void driver_end(struct driver *driver);

void play_batch(struct driver *driver);
void wait_somehow(struct driver *driver); /* for all of a batch */
void play_map(struct driver *driver);     /* maps.c */
void play_belt(struct driver *driver);    /* belts.c */
void play_memory(struct driver *driver);
struct entry *next_entry(struct driver *driver, bool unseen);
uint64_t loss_of(const struct driver *driver, uint64_t number);

/* Judges and releases one order that has ended (fates.c). */
void apply_loss_policy(struct driver *driver, struct bid *bid);

/* ---- killers (killers.c) --------------------------------------------------------------------- */

struct killer {
    struct chaos *chaos;
    long ms; /* kill_supervisor: at the latest */
    uint64_t random;
    pthread_t thread;
};

void *kill_workers(void *killer); /* the thread: until `over` */
void *govern(void *killer);       /* resizes, looks at figures */

void *look_on(void *killer);         /* waits for what drivers show, and may release meanwhile */
void *kill_supervisor(void *killer); /* the same: at a random moment, once */

void *close_pool(void *killer); /* the same: shuts it down */

/* A pool with its threads. */
struct scene {
    struct chaos chaos;
    struct driver drivers[DRIVERS];
    struct killer killers[KILLERS];
    struct killer governor, onlooker, ender; /* `ender`: of a supervisor, or a pool */
    int n_killers;
    bool governed;
};

bool has_ender(const struct chaos *chaos);
void end_use(struct scene *scene);  /* joins all threads */
int end_scene(struct scene *scene); /* the sum; then all goes. Its faults */

struct plan {
    unsigned long seed; /* of this round */
    int pools;          /* at once */
    long ms;            /* for how long; mortal: the supervisor dies by then */
    bool mortal;
    bool storm; /* nothing but short tasks and kills, as many as there can be */
    enum guard guard;
};

/* Plays a round and asserts that all came out right. */
void play_round(const struct plan *plan, struct figures *figures);
void print_figures(const char *what, const struct figures *figures, long ms);

/* POSSE_CHAOS_SECONDS, or how long a run of minutes, or a long one, takes. */
long chosen_seconds(long few, long many);

#endif

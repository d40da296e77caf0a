/* agent.h - a process on a node that runs tasks of a program elsewhere, in a local pool.
 *
 * Runs in: agent. One thread, which blocks in poll, and while no place is connected, as the system
 * finds the addresses of the program's host. No connection that is slow, or being made, holds
 * another up. But the agent copies the argument of a task into its pool in one step. Until the copy
 * is whole the other places wait.
 *
 *   agent.c      connects, sleeps, and ends when nobody is there to connect to
 *   agent_pool.c its pool, and what becomes of its places when workers start or cannot
 *   connect.c    one place connects
 *   spot.c       one place: its connection, and what comes and goes there
 *   work.c       the task of a place
 *   told.c       what that task tells: messages and progress
 *   main.c       posse_remote_main: from the command line to the agent
 */
#pragma once

#include "posse.h"
#include "remote/modules.h"
#include "remote/net.h"
#include "remote/setup.h"

enum pi_spot_state {
    PI_CLOSED,     /* not connected */
    PI_CONNECTING, /* to one of the targets */
    PI_JOINING,    /* has sent JOIN */
    PI_GREETED,    /* HELLO was right; the workers start */
    PI_IDLE,
    PI_BUSY,     /* its task runs */
    PI_ANSWERING /* RESULT is on its way */
};

/* What the completion queue delivers. */
struct pi_mark {
    struct pi_spot *spot;
    bool of_end; /* else the task has told something, or ended */
};

/* One place. */
struct pi_spot {
    struct pi_agent *agent;
    enum pi_spot_state state;
    int fd;
    int64_t since; /* connected, or connects, in ms */
    int64_t begun; /* to connect: to the first target */
    size_t target; /* of a place that is CONNECTING */
    int failed;    /* why the last one did not answer */
    struct pi_inbox inbox;

    /* The tail that comes: memory grows with what has come. */
    bool has_tail;
    bool drops; /* the tail: there is no memory for it */
    char *tail;
    size_t tail_got, tail_room;

    struct pi_submit submit;
    posse_future future; /* of a BUSY or ANSWERING place */
    struct pi_mark end, news;
    bool asked;        /* to stop, and the task does not know it yet */
    unsigned no_spins; /* next tasks for whose end the agent does not wait */

    /* Of a BUSY place: what its task tells (told.c). */
    bool ended;        /* the task; what it has told goes first, then RESULT */
    bool hears;        /* `news` will come */
    bool closed;       /* nobody reads its messages */
    bool tells;        /* has told something: its progress is looked at */
    int64_t looked_at; /* in ms */
    uint64_t done, total;
    uint64_t sent, taken; /* bytes of messages since SUBMIT; `taken` also of those before it */
    char *message;
    size_t message_room;

    /* What goes. */
    struct pi_envelope out;
    char text[PI_TEXT_SIZE]; /* that out_tail may be */
    const char *out_tail;
    size_t out_tail_size, out_sent;
    bool longer; /* see pi_net_allow */
};

struct pi_agent {
    const char *address;
    struct pi_net_targets targets; /* none: to be found again */
    bool unlinks;                  /* the socket there, at the end */
    struct pi_join join;
    size_t n;
    struct pi_spot *spots;
    struct pi_modules modules; /* as the program numbers them */
    posse_executor *pool;      /* made at the first HELLO, when all libraries are loaded */
    bool initializes;          /* with an initializer of the program */
    bool finalizes;            /* with a finalizer of the program */
    uint64_t message_memory;   /* of its tasks */
    int silence_ms;            /* after which the program is given up */
    posse_completion_queue *ended;
    int64_t alive;    /* when somebody was last seen there, in ms */
    int64_t credited; /* the end of the time that connecting took, which `alive` has */
    bool tried;       /* since then a place has come through, or has tried all targets */
    bool welcomed;
    int error; /* of the last try to connect */
    int code;  /* its exit code; -1: it goes on */
    char why[PI_TEXT_SIZE];
};

/* ---- main.c ---- */

/* In the program: whether this process was started as an agent, and posse_remote_main was not
 * called; false where the system does not tell. Such a process would start agents in turn. */
bool pi_main_is_missing(void);

/* ---- agent.c ---- */

/* Runs until nobody is there to connect to. Returns the exit code. */
int pi_agent_run(struct pi_agent *agent);

/* ---- connect.c ---- */

/* Begins to connect a CLOSED place. */
void pi_spot_connect(struct pi_spot *spot);
/* Of a CONNECTING one: poll says that it can be written; or whether its time is up. */
void pi_spot_answered(struct pi_spot *spot);
void pi_spot_check_time(struct pi_spot *spot);

/* ---- spot.c ---- */

/* Something can be read, or written. */
void pi_spot_read(struct pi_spot *spot);
void pi_spot_write(struct pi_spot *spot);
static inline bool pi_spot_writes(const struct pi_spot *spot)
{
    return spot->out_sent < spot->out.size + spot->out_tail_size;
}
/* Whether its connection is of somebody. */
bool pi_spot_lasts(const struct pi_spot *spot);
/* Somebody is there now. */
void pi_agent_seen(struct pi_agent *agent);
/* Ends the connection, and its task. */
void pi_spot_close(struct pi_spot *spot);

/* ---- agent_pool.c ---- */

/* The first HELLO: makes the pool. False: this program is another build, or has no pool. */
bool pi_agent_pool_prepare(struct pi_agent *agent, struct pi_pack *hello);
/* Sets WELCOME or PREPARING for a place that was greeted. */
void pi_agent_pool_welcome(struct pi_spot *spot);
/* Looks whether workers have started for places that wait for them, or never will. Sets what goes
 * from each. */
void pi_agent_pool_look(struct pi_agent *agent);
bool pi_agent_pool_is_broken(const struct pi_agent *agent);
/* The pool runs nothing more, so the agent ends: with the words of the pool if it is broken, else
 * of the status. If the initializer is the reason, sets FAILED for the program from each place. */
void pi_agent_pool_ended(struct pi_agent *agent, posse_status status);

/* ---- work.c ---- */

/* All of SUBMIT is there. Sets what goes if the task cannot run. */
void pi_work_begin(struct pi_spot *spot);
void pi_work_cancel(struct pi_spot *spot, uint64_t number);
/* Sets RESULT: the task has failed, with these words. Kills it if it has begun. */
void pi_work_fail(struct pi_spot *spot, const char *words);
/* Asks the task to stop, if it must and has begun. */
void pi_work_ask(struct pi_spot *spot);
/* If nothing is on its way from a BUSY place: sets what goes next, if there is something. */
void pi_work_next(struct pi_spot *spot);
/* The agent ends: a task that has not begun goes back to the queue. So does any that comes to an
 * IDLE place. */
void pi_work_give_back(struct pi_spot *spot);
/* Kills the task of a place whose connection has ended. */
void pi_work_drop(struct pi_spot *spot);

/* ---- told.c, of a BUSY place ---- */

void pi_told_begin(struct pi_spot *spot);
/* From now on the queue tells when there is something. */
void pi_told_listen(struct pi_spot *spot);
/* Sets MESSAGE or PROGRESS. POSSE_NO_MEMORY: for the next message. Else there is nothing that may
 * go. */
posse_status pi_told_next(struct pi_spot *spot);
/* For RESULT. */
void pi_told_end(struct pi_spot *spot, struct pi_result *result);
/* False: it is wrong. */
bool pi_told_taken(struct pi_spot *spot, const struct pi_told *told);

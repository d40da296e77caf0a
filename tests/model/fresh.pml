/* fresh.pml - a worker that gives each task a process of its own, and what it believes of it.
 *
 * Mirrors: fresh.c, fresh_task.c, pi_fresh_end, take_end, pi_spare_leave, pi_spare_take,
 * pi_spare_reap_leaving, pi_fresh_prepare, pi_spare_end, fork_spare, pi_os_spare_fork,
 * pi_os_spare_await, pi_os_spare_say, try_again, await_kill, process_of_task, task_lives,
 * reap_orphans, recover_running, recover_killing
 *
 * Sequentially consistent; every atomic operation, system call and copy is one step. A signal takes
 * any time to arrive. The worker, and each process, may die between any two steps.
 *
 * One worker, which is replaced when it is dead, and NT tasks, of which the first may be hostile:
 * then its process writes whatever it likes into its task memory, before and after `done`, and
 * signals the worker. In the end the worker exits.
 *
 * Abstracted: ring (the worker sees every PENDING task), how the recovery finds a task (pool.pml),
 * how the supervisor finds what it must kill (kill.pml). The worker does not look at a clock: a
 * signal that is lost shows as a worker that sleeps for ever. Of what a process gets at its fork,
 * only the task memory of others is modelled.
 *
 * Checked: a task runs in one process in each attempt, and in none once the attempt is over; the
 * process has run no other task, and has no memory of another one. A task of which no process has
 * begun is not lost with a process. OK means that an honest task has returned, and the bytes that
 * were copied are no more than were checked. With BLOCKS no process of a task lives when it ends.
 * Each task ends once, and in the end no process is left.
 *
 * A hostile task can hide that it has begun. Then it runs again in the same attempt, up to
 * PI_MAX_SPARES times; no other task can.
 *
 * Mutants, which must fail:
 *   BEGUN_LATE     the process says `begun` when it is inside its task
 *   SPARE_COUNTS   a process that died before it had begun counts as a loss
 *   TWICE          the worker reads the size again when it copies
 *   NO_CHECK       the worker does not compare the size
 *   NO_DEATH       the worker waits for `done` alone
 *   NO_KILL        the worker does not kill a process that has said `done`
 *   NO_REAP        the worker does not reap it before the next one has said so
 *   SAME_PROCESS   the worker gives the next task to it
 *   NOT_DEAD       with BLOCKS the task ends at `done`
 *   NO_NAME        the supervisor does not know the process of a dead worker's task
 *   NAME_LATE      the worker names it after `go`
 *   NO_KEEP        the next process gets the task memory of this one
 *   NO_ARM         a process does not die with its worker
 *   NO_PARENT      it does not look whether the worker died before it asked for that
 *   NO_ORPHANS     the supervisor reaps none of a dead worker's processes
 */
#ifndef HOSTILE
#define HOSTILE 0 /* 1: the first task is */
#endif
#ifndef BLOCKS
#define BLOCKS 0 /* 1: tasks have blocks of the program */
#endif
#ifndef LIMITED
#define LIMITED 0 /* 1: tasks have limits; the worker may find at any time that one is over */
#endif
#ifndef RETRIES
#define RETRIES 0
#endif
#ifndef KILL
#define KILL 0 /* 1: posse_kill of the first task */
#endif
#ifndef KILLS
#define KILLS 1 /* deaths of the worker */
#endif
#ifndef DEATHS
#define DEATHS 1 /* of processes */
#endif

#ifndef NT
#define NT 2 /* tasks: 1 or 2 */
#endif
#define NP 5    /* processes that are not reaped */
#define TRIES 2 /* PI_MAX_SPARES */
#define JUNK 7

/* states: lib/core/state.h */
#define PENDING 2
#define RUNNING 3
#define KILLING 4
#define DONE 5
#define FAILED 6
#define CANCELLED 7
#define TIMED_OUT 8
#define LOST 9

/* processes */
#define NONE 0
#define LIVES 1
#define ENDED 2 /* not reaped */

byte state[NT] = PENDING, retries[NT] = RETRIES;
byte current; /* 1 + task */
byte named;   /* 1 + process: task_process in the worker's record */

byte process_state[NP];
bit child[NP];  /* of the worker; else the supervisor has adopted it */
bit armed[NP];  /* dies with the worker */
bit killed[NP]; /* a signal is on its way, */
bit dying[NP];  /* and has come, or the process exits */
bit clean[NP];  /* exit code 0 */

/* The task memory of a process. */
bit mapped[NP]; /* in the worker */
bit kept[NP];   /* from its next children */
byte task_of[NP], attempt_of[NP];
bit go[NP], begun[NP], done[NP];
byte size[NP], value[NP]; /* of more than one byte there is no room */

bit signalled; /* SIGCHLD waits for the worker */
bit worker_killed, worker_dead, worker_gone, stop;

/* What is checked. */
byte attempt[NT], runs[NT]; /* runs: in this attempt */
bit inside[NP];
bit used[NP];
bit left[NP]; /* has said `done`; what it does from then on counts for nothing */

#define HONEST(t) (!HOSTILE || (t) != 0)
#define FINAL(t) (state[t] >= DONE)
#define QUEUED (state[0] == PENDING || state[NT - 1] == PENDING)
#ifdef NOT_DEAD
#define MUST_BE_DEAD 0
#else
#define MUST_BE_DEAD (BLOCKS || LIMITED)
#endif
#define IS_FREE(p) (process_state[p] == NONE && !mapped[p])
#define ACTIVE(p, t) (process_state[p] == LIVES && inside[p] && !left[p] && task_of[p] == (t))
#define ANY_ACTIVE(t) \
    (ACTIVE(0, t) || ACTIVE(1, t) || ACTIVE(2, t) || ACTIVE(3, t) || ACTIVE(4, t))

/* What is left of it says nothing more. */
inline forget(p)
{
    armed[p] = 0; killed[p] = 0; dying[p] = 0; clean[p] = 0; kept[p] = 0;
    task_of[p] = 0; attempt_of[p] = 0;
    go[p] = 0; begun[p] = 0; done[p] = 0; size[p] = 0; value[p] = 0;
    inside[p] = 0; used[p] = 0; left[p] = 0
}

inline reap(p)
{
    process_state[p] = NONE;
    if :: !mapped[p] -> forget(p) :: else fi
}

inline drop(p) /* pi_spare_drop */
{
    atomic {
        mapped[p] = 0;
        if :: process_state[p] == NONE -> forget(p) :: else fi
    }
}

inline signal_worker(p) { atomic { if :: child[p] -> signalled = 1 :: else fi } }

proctype process(byte p)
{
    byte t;
    {
#ifndef NO_ARM
        armed[p] = 1; /* pi_os_die_with_parent */
#endif
#ifndef NO_PARENT
        if :: !child[p] -> dying[p] = 1; (false) :: child[p] fi;
#endif
again:
        go[p];
#ifndef BEGUN_LATE
        begun[p] = 1;
#endif
        atomic {
            t = task_of[p];
            inside[p] = 1;
            runs[t]++;
            assert(!used[p]);
            used[p] = 1;
            assert(attempt_of[p] == attempt[t] && (state[t] == RUNNING || state[t] == KILLING));
            assert(runs[t] == 1 || (!HONEST(t) && runs[t] <= TRIES))
        }
#ifdef BEGUN_LATE
        begun[p] = 1;
#endif
        if
        :: !HONEST(t) ->
            do
            :: done[p] = 1
            :: begun[p] = 0
            :: size[p] = 1
            :: size[p] = 2
            :: value[p] = JUNK
            :: signal_worker(p)
            :: !BLOCKS -> done[p] = 1; signal_worker(p); (false)
            :: break
            od
        :: HONEST(t)
        fi;
        atomic { value[p] = t + 1; size[p] = 1 }
        done[p] = 1;
        signal_worker(p);
#ifdef SAME_PROCESS
        atomic { go[p] = 0; inside[p] = 0 }
        goto again;
#endif
        atomic { clean[p] = 1; dying[p] = 1 };
        (false)
    } unless {
        atomic {
            dying[p] -> process_state[p] = ENDED; signal_worker(p);
            armed[p] = 0; killed[p] = 0; dying[p] = 0; inside[p] = 0; used[p] = 0
        }
    }
}

inline fork_process(into)
{
    atomic {
        if
        :: IS_FREE(0) -> into = 1
        :: !IS_FREE(0) && IS_FREE(1) -> into = 2
        :: !IS_FREE(0) && !IS_FREE(1) && IS_FREE(2) -> into = 3
        :: !IS_FREE(0) && !IS_FREE(1) && !IS_FREE(2) && IS_FREE(3) -> into = 4
        :: else -> assert(IS_FREE(4)); into = 5
        fi;
        p = into - 1;
        for (q : 0 .. NP - 1) { assert(!mapped[q] || kept[q]) } /* it would see that */
        q = 0;
        process_state[p] = LIVES; child[p] = 1; mapped[p] = 1;
        run process(p);
        p = 0
    }
#ifndef NO_KEEP
    kept[into - 1] = 1 /* pi_os_task_memory_keep */
#endif
}

inline reap_leaving()
{
    if
    :: leaving != 0 ->
        atomic { process_state[leaving - 1] == ENDED -> reap(leaving - 1); leaving = 0 }
    :: leaving == 0
    fi
}

inline prepare() /* pi_fresh_prepare */
{
    if
    :: ahead != 0 && QUEUED
    :: else ->
#ifndef NO_REAP
        reap_leaving();
#endif
        if :: ahead == 0 -> fork_process(ahead) :: ahead != 0 fi
    fi
}

/* await_end, pi_os_spare_await */
inline await_end()
{
    do
    :: atomic {
           !MUST_BE_DEAD && done[own - 1] ->
           assert(leaving == 0);
#ifdef SAME_PROCESS
           ahead = own;
#else
#ifndef NO_KILL
           killed[own - 1] = 1;
#endif
           leaving = own;
#endif
           ok = 1; left[own - 1] = !BLOCKS
       }
       break
    :: MUST_BE_DEAD || !done[own - 1] ->
        if
#ifndef NO_DEATH
        :: atomic {
               process_state[own - 1] == ENDED ->
               ok = clean[own - 1]; reap(own - 1)
           }
           break
        :: process_state[own - 1] != ENDED ->
#else
        :: true ->
#endif
           if
           :: atomic { signalled -> signalled = 0 }
           :: atomic { LIMITED && !over -> over = 1; killed[own - 1] = 1 }
           fi
        fi
    od
}

inline name_process()
{
#ifndef NO_NAME
    named = own
#else
    skip
#endif
}

/* run_once: fill, `go`, and until the process has ended. ok: it has exited, or said `done` */
inline run_once()
{
    atomic { task_of[own - 1] = t; attempt_of[own - 1] = attempt[t] }
#ifndef NAME_LATE
    name_process();
#endif
    go[own - 1] = 1;
#ifdef NAME_LATE
    name_process();
#endif
#ifndef NO_REAP
    reap_leaving();
#endif
    if /* pi_fresh_prepare */
    :: QUEUED && ahead == 0 -> fork_process(ahead)
    :: !(QUEUED && ahead == 0)
    fi;
    await_end();
    named = 0
}

/* pi_fresh_end */
inline take_end()
{
    if
    :: ok && done[own - 1] -> ok = 1
    :: else -> ok = 0
    fi;
    if
    :: over -> how = TIMED_OUT
    :: !over && !ok -> how = LOST
    :: !over && ok ->
        length = size[own - 1];
        how = DONE;
        if
#ifndef NO_CHECK
        :: length > 1 -> how = FAILED
#else
        :: false
#endif
        :: else ->
#ifdef TWICE
            length = size[own - 1];
#endif
            assert(length <= 1);
            got = value[own - 1]
        fi
    fi
}

/* The end of an attempt. */
inline check_end()
{
    assert(!BLOCKS || !ANY_ACTIVE(t));
    assert(how != LOST || seen || tries == TRIES);
    assert(how != DONE || !HONEST(t) || (got == t + 1 && length == 1 && runs[t] == 1))
}

/* pi_end_task. The supervisor may have made the task KILLING; then the worker awaits its kill. */
inline end_task()
{
    if
    :: how == LOST && retries[t] > 0 -> /* try_again */
        current = 0;
        retries[t]--;
        atomic {
            if
            :: state[t] == RUNNING -> check_end(); state[t] = PENDING
            :: else -> how = 0
            fi
        }
    :: else ->
        atomic {
            if
            :: state[t] == RUNNING -> check_end(); state[t] = how
            :: else -> how = 0
            fi
        }
    fi;
    if :: how == 0 -> current = t + 1; (false) :: how != 0 fi;
    current = 0
}

inline call_fresh()
{
    do
    :: if
       :: atomic { ahead != 0 -> own = ahead; ahead = 0; tries++ }
       :: atomic { ahead == 0 -> tries++ } fork_process(own)
       fi;
       run_once();
       seen = over || begun[own - 1];
       if
       :: seen || tries == TRIES -> break
#ifdef SPARE_COUNTS
       :: else -> break
#else
       :: else -> drop(own - 1); own = 0
#endif
       fi
    od;
    take_end();
#ifndef SAME_PROCESS
    drop(own - 1)
#endif
}

proctype worker()
{
    byte t, own, ahead, leaving, tries, length, got, how, p, q;
    bit ok, over, seen;
start:
    {
        do
        :: prepare();
           atomic {
               if
               :: state[0] == PENDING -> t = 0
               :: state[NT - 1] == PENDING -> t = NT - 1
               :: stop -> worker_dead = 1; (false)
               fi;
               state[t] = RUNNING; attempt[t]++; runs[t] = 0;
               current = t + 1
           }
           call_fresh();
           end_task();
           atomic {
               t = 0; own = 0; tries = 0; length = 0; got = 0; how = 0; ok = 0; over = 0; seen = 0
           }
        od
    } unless {
        atomic { /* the kernel gives its children to the supervisor, and signals them */
            worker_dead -> worker_dead = 0; worker_killed = 0; signalled = 0;
            for (q : 0 .. NP - 1) {
                child[q] = 0; mapped[q] = 0;
                if
                :: process_state[q] == LIVES && armed[q] -> killed[q] = 1
                :: process_state[q] == NONE -> forget(q)
                :: else
                fi
            }
            t = 0; own = 0; ahead = 0; leaving = 0; tries = 0; length = 0; got = 0; how = 0; p = 0;
            q = 0; ok = 0; over = 0; seen = 0;
            worker_gone = 1
        }
    };
    if
    :: atomic { !worker_gone && !stop -> goto start }
    :: stop
    fi
}

/* Signals that arrive, and deaths. */
#define SIGNAL(p) \
    :: atomic { process_state[p] == LIVES && killed[p] && !dying[p] -> dying[p] = 1 } \
    :: atomic { \
           process_state[p] == LIVES && !killed[p] && !dying[p] && deaths > 0 -> \
           deaths--; dying[p] = 1 \
       }

proctype outside()
{
    byte kills = KILLS, deaths = DEATHS;
endloop:
    do
    :: atomic { worker_killed && !worker_gone -> worker_dead = 1; worker_killed = 0 }
    :: atomic { kills > 0 && !stop && !worker_gone -> kills--; worker_dead = 1 }
    SIGNAL(0) SIGNAL(1) SIGNAL(2) SIGNAL(3) SIGNAL(4)
    od
}

inline recover(t)
{
    atomic {
        assert(!(state[t] == RUNNING || state[t] == KILLING) || !ANY_ACTIVE(t));
        if
        :: state[t] == RUNNING && retries[t] > 0 -> retries[t]--; state[t] = PENDING
        :: state[t] == RUNNING && retries[t] == 0 -> state[t] = LOST
        :: state[t] == KILLING -> state[t] = CANCELLED
        :: else
        fi
    }
}

#define IS_ORPHAN(p) (process_state[p] == ENDED && !child[p])

proctype supervisor()
{
    byte p;
    bit told;
endloop:
    do
    /* event: the worker counts as alive while the process of its task lives */
    :: atomic { worker_gone && !(named != 0 && process_state[named - 1] == LIVES) }
       recover(0);
       recover(NT - 1);
       atomic { current = 0; worker_gone = 0; told = 0 }
    :: atomic {
           worker_gone && named != 0 && process_state[named - 1] == LIVES && !killed[named - 1] ->
           killed[named - 1] = 1 /* as the whole group */
       }
#ifndef NO_ORPHANS
    :: atomic { /* reap_orphans */
           IS_ORPHAN(0) || IS_ORPHAN(1) || IS_ORPHAN(2) || IS_ORPHAN(3) || IS_ORPHAN(4) ->
           for (p : 0 .. NP - 1) { if :: IS_ORPHAN(p) -> reap(p) :: else fi }
           p = 0
       }
#endif
    :: atomic {
           KILL && state[0] == KILLING && current == 1 && !worker_gone && !told ->
           told = 1; worker_killed = 1;
           for (p : 0 .. NP - 1) {
               if :: process_state[p] == LIVES && child[p] -> killed[p] = 1 :: else fi
           }
           p = 0
       }
    od
}

/* posse_kill */
proctype killer()
{
    if
    :: atomic { state[0] == RUNNING -> state[0] = KILLING }
    :: FINAL(0)
    fi
}

init
{
    atomic {
        run worker(); run outside(); run supervisor();
        if :: KILL -> run killer() :: else fi
    }
    (FINAL(0) && FINAL(NT - 1));
    stop = 1;
    (process_state[0] == NONE && process_state[1] == NONE && process_state[2] == NONE &&
     process_state[3] == NONE && process_state[4] == NONE && !worker_gone)
}

/* kill.pml - running tasks that are ended: by posse_kill, or because of their deadline.
 *
 * Mirrors: state.h, posse_kill, end_running, push_task, set_deadline, compute_outcome, await_kill,
 * finish, finish_killed, expire, check_task, check_stack, pi_terminate_first, plan,
 * recover_killing, recover_running
 *
 * Sequentially consistent; every atomic operation is one step. A signal takes any time to arrive.
 *
 * One worker, two slots. The program submits task 0 and task 1; perhaps task 0 is killed, or has a
 * deadline; when it has ended, its slot is used again for task 2. With NEST task 0 runs task 1 on
 * top of it, as a caller that waits for a task which nobody has begun.
 *
 * The worker takes task 1 on top whatever task 0 is; may_help in the code refuses some of these.
 *
 * Abstracted: ring (the worker sees every PENDING task), waking, everything else of the recovery
 * (pool.pml). The clock moves whenever it likes. A limit of memory or processor time is a deadline
 * by another clock (pi_check_limits); the end of a grace (pi_check_grace) is a posse_kill that may
 * come at any time. With SOFT the job has POSSE_TERMINATE: the worker may die of SIGTERM, or handle
 * it, and the time until SIGKILL is over in any round.
 *
 * Checked: R6, a kill ends only the task that it was meant for (and what runs on top of it); no
 * task times out that has no deadline; and the kill comes: nobody waits for ever, though a
 * task that is to be killed does not end by itself (ENDLESS).
 *
 * Mutants, which must fail:
 *   KILL_STRAIGHT    on a deadline the worker is killed without KILLING
 *   NO_EXIT          a worker whose task ended after SIGTERM was sent takes another one (seen with
 *                    SOFT=1)
 *   NO_PAUSE         a worker whose task is KILLING goes on when it has finished
 *   NO_CHECK         the worker does not look at its task's word after it has put the task on its
 *                    stack, where the supervisor looks for it
 *   STALE_DEADLINE   the deadline of a slot is not cleared when its task ends
 *   NO_PLAN_FIRST    plan does not say that no look is planned before it reads the deadlines
 *                    (seen with DEADLINE=2)
 *   NO_POKE          posse_kill does not poke the supervisor
 *   TOP_ONLY         the supervisor looks only at the task that runs on top (seen with NEST=1)
 */
#ifndef DEADLINE
#define DEADLINE 0 /* 1: task 0 has one; 2: task 2, too */
#endif
#ifndef KILL
#define KILL 1 /* task 0 is killed by the program */
#endif
#ifndef NEST
#define NEST 0
#endif
#ifndef SOFT
#define SOFT 0 /* 1: posse_kill sends SIGTERM first */
#endif
#ifndef ENDLESS
#define ENDLESS 0 /* 1: task 0 does not end by itself; 2: task 2 */
#endif

/* states: lib/core/state.h */
#define FREE 0
#define PENDING 2
#define RUNNING 3
#define KILLING 4
#define DONE 5
#define CANCELLED 6
#define TIMED_OUT 7
#define LOST 8

#define NEVER 15

/* the words: state, generation and a flag, changed as one; the owner is the one worker */
byte state[2], life[2];
bit expired[2];
byte task[2];
byte deadline[2];      /* of the slot, 0: none */
byte below[2];
byte current;          /* worker: 1 + slot on top of the stack */
byte worker_deadline;
byte next_check;
bit poked;
byte now = 1;

bit signalled, terminated, dead, gone;

/* What is checked. */
bit aimed;  /* task 0 was KILLING */
bit on_top; /* task 1 was run on top of task 0 */

#define HAS_DEADLINE(t) ((DEADLINE && (t) == 0) || (DEADLINE == 2 && (t) == 2))

/* RUNNING -> end. */
inline finish(s)
{
#ifndef STALE_DEADLINE
    if :: HAS_DEADLINE(task[s]) -> deadline[s] = 0 :: else fi;
#endif
    atomic {
        if
        :: state[s] == RUNNING -> state[s] = DONE; ok = 1
        :: else -> ok = 0
        fi
    }
    if
    :: ok
    :: else ->
        if
        :: SOFT ->
            atomic { state[s] == KILLING && !expired[s] -> state[s] = DONE }
#ifndef NO_EXIT
            leaves = 1
#endif
        :: else ->
#ifndef NO_PAUSE
            (false)
#endif
        fi
    fi
}

inline push_task(s, under)
{
    below[s] = under;
    current = s + 1;
#ifndef NO_CHECK
    if :: state[s] == KILLING -> poked = 1 :: else fi;
#endif
    /* set_deadline */
    if
    :: HAS_DEADLINE(task[s]) ->
        atomic { until = now + 1; deadline[s] = until }
        worker_deadline = until;
        atomic {
            look = next_check;
            if :: look == 0 || until < look -> look = 1 :: else -> look = 0 fi
        }
        if :: look -> poked = 1 :: else fi
    :: else
    fi;
    atomic { until = 0; look = 0 }
}

inline pop_task(s, under)
{
    atomic { ok = HAS_DEADLINE(task[s]); current = under }
    if :: ok -> worker_deadline = 0 :: else fi
}

proctype worker()
{
    byte s, until, look;
    bit ok, leaves;
start:
    skip;
    {
endidle:
        do
        :: atomic {
               if
               :: state[0] == PENDING -> s = 0; state[0] = RUNNING
               :: state[1] == PENDING && (!NEST || state[0] >= DONE || task[0] != 0) ->
                   s = 1; state[1] = RUNNING
               fi
           }
           push_task(s, 0);
           if
           :: task[s] == 0 && NEST ->
               ok = 0;
               atomic {
                   if :: state[1] == PENDING -> state[1] = RUNNING; ok = 1; on_top = 1 :: else fi
               }
               if
               :: ok ->
                   push_task(1, 1);
                   finish(1);
                   pop_task(1, 1)
               :: else
               fi
           :: else
           fi;
           if
           :: (task[s] == 0 && ENDLESS == 1) || (task[s] == 2 && ENDLESS == 2) -> (false)
           :: else
           fi;
           finish(s);
           pop_task(s, 0);
           s = 0;
           if :: leaves -> dead = 1; (false) :: else fi
        od
    } unless { atomic { dead -> gone = 1; s = 0; until = 0; look = 0; ok = 0; leaves = 0 } };
    atomic { !gone -> dead = 0; goto start }
}

/* Time, and signals that arrive. */
proctype outside()
{
endloop:
    do
    :: atomic { signalled -> signalled = 0; dead = 1 }
    :: atomic { terminated -> terminated = 0; if :: dead = 1 :: skip fi }
    :: atomic { DEADLINE && (now < 3 || now < worker_deadline) -> now++ }
    od
}

inline check_task(s)
{
    atomic { seen = state[s]; generation = life[s] }
    first = deadline[s];
    if
    :: seen == RUNNING && first > looked ->
        if :: first < rest -> rest = first :: else fi
    :: seen == RUNNING && first != 0 && first <= looked ->
#ifdef KILL_STRAIGHT
        if :: !killed -> killed = 1; signalled = 1 :: else fi
#else
        atomic {
            if
            :: state[s] == RUNNING && life[s] == generation ->
                state[s] = KILLING; expired[s] = 1; aimed = 1
            :: else
            fi
        }
#endif
    :: else
    fi;
    if
    :: state[s] == KILLING && !killed ->
        if
        :: SOFT && !expired[s] && !told -> told = 1; terminated = 1; poked = 1
        :: SOFT && !expired[s] && told -> poked = 1 /* not yet */
        :: !(SOFT && !expired[s] && !told) -> killed = 1; signalled = 1
        fi
    :: else
    fi;
    atomic { seen = 0; generation = 0; first = 0 }
}

inline recover(s)
{
#ifndef STALE_DEADLINE
    if :: state[s] == RUNNING || state[s] == KILLING -> deadline[s] = 0 :: else fi;
#endif
    atomic {
        if
        :: state[s] == RUNNING ->
#ifdef KILL_STRAIGHT
            if
            :: HAS_DEADLINE(task[s]) -> state[s] = TIMED_OUT
            :: else -> assert(false)
            fi
#else
            /* R6: nothing but what ran on top of the task */
            assert(s == 1 && on_top && aimed);
            state[s] = LOST
#endif
        :: state[s] == KILLING ->
            if
            :: expired[s] -> assert(HAS_DEADLINE(task[s])); state[s] = TIMED_OUT
            :: else -> assert(KILL && task[s] == 0); state[s] = CANCELLED
            fi
        :: else
        fi
    }
}

proctype supervisor()
{
    byte looked, rest = NEVER, next = NEVER, seen, generation, first, top, at;
    bit killed, told;
endloop:
    do
    :: atomic { (poked || gone || next <= now) -> poked = 0; next = NEVER }
       if
       :: gone ->
           current = 0;
           worker_deadline = 0;
           recover(0);
           recover(1);
           /* signals to a process that was reaped do not come */
           atomic { gone = 0; killed = 0; told = 0; signalled = 0; terminated = 0 }
       :: else
       fi;
       looked = now;
       do
       :: top = current;
          at = top; rest = NEVER;
          do
          :: at == 0 -> break
          :: else ->
              check_task(at - 1);
#ifdef TOP_ONLY
              at = 0
#else
              at = below[at - 1]
#endif
          od;
          if :: current == top -> break :: else fi
       od;
       /* plan */
#ifndef NO_PLAN_FIRST
       next_check = 0;
#endif
       first = worker_deadline;
       atomic {
           next = rest;
           if :: first > looked && first < next -> next = first :: else fi;
           first = 0; top = 0; looked = 0; rest = NEVER
       }
       atomic { if :: next == NEVER -> next_check = 0 :: else -> next_check = next fi }
    od
}

/* posse_kill of task 0, perhaps by another thread */
proctype killer()
{
    do
    :: atomic { state[0] == PENDING && task[0] == 0 -> state[0] = CANCELLED; break }
    :: atomic {
           state[0] == RUNNING && task[0] == 0 -> state[0] = KILLING; aimed = 1
       }
#ifndef NO_POKE
       poked = 1;
#endif
       break
    :: (state[0] >= KILLING || task[0] != 0) -> break
    od
}

init
{
    atomic {
        task[1] = 1;
        state[0] = PENDING;
        state[1] = PENDING;
        run worker();
        run supervisor();
        run outside();
        if :: KILL -> run killer() :: else fi
    }
    atomic {
        (state[0] >= DONE) ->
        assert(state[0] == DONE || (KILL && state[0] == CANCELLED) ||
               (DEADLINE && state[0] == TIMED_OUT))
    }
    atomic { /* freed, FILLING */
        state[0] = FREE; life[0] = 1; task[0] = 2; expired[0] = 0
    }
    state[0] = PENDING;
    atomic {
        (state[0] >= DONE) ->
        assert(state[0] == DONE || (state[0] == TIMED_OUT && HAS_DEADLINE(2)))
    }
    atomic { (state[1] >= DONE) -> assert(state[1] == DONE || (NEST && state[1] == LOST)) }
}

/* custody.pml - the descriptors of a job, from the program through the supervisor to a worker.
 *
 * Mirrors: descriptors.c, serve.c, pi_descriptors_left, pi_call_with_descriptors,
 * fork_with_descriptors, pi_held_sweep, recover_running, recover_killing, reap_worker, sleep_until,
 * keep_descriptors
 *
 * Sequentially consistent; every system call, read of shared memory and change of a word is one
 * step.
 *
 * One slot, in which LIVES tasks follow each other, each with one descriptor and RETRIES retries.
 * The submitter may die before it has published a task; then another one goes on. It may cancel a
 * task. A task that runs may be asked to stop, and still end by itself. There is one worker record.
 * A worker may die between any two steps, and another one takes its place. It asks on a socket that
 * only it reads. The kernel closes what is in that when the worker is dead. With FRESH a worker may
 * find that the process of the task has died, and tries again itself. With BREAK the supervisor may
 * die; then all others end.
 *
 * Abstracted: a full table, a lack of descriptors or memory, a wild task, the ring, and how a dead
 * worker or submitter is recognized.
 *
 * Checked: a worker that runs a task gets the descriptor of this task, in each attempt; no
 * submitter is refused; nobody waits for ever for an answer; in the end nobody has a descriptor.
 *
 * Mutants, which must fail:
 *   NO_ATTEMPT     the supervisor gives away its own to a request of an attempt that is over
 *   BY_SLOT        it holds one for each slot, whatever its life
 *   KEEP_ANY       it holds descriptors for a slot that is not FILLING
 *   RUNNING_ONLY   it gives none to a task that has been asked to stop
 *   TAKE_ALWAYS    it gives its own away though retries are left
 *   COPY_ALWAYS    it gives copies alone, though no retries are left
 *   NO_NOTIFY      the end of a task does not notify the supervisor
 *   NO_SWEEP       a round does not look for tasks that are over
 *   PUBLISH_FIRST  the submitter publishes the task before it has the answer
 *   NO_END         the end of its socket does not wake a caller
 */
#ifndef RETRIES
#define RETRIES 1
#endif
#ifndef LIVES
#define LIVES 2
#endif
#ifndef FRESH
#define FRESH 0
#endif
#ifndef KILLS
#define KILLS 2 /* deaths of workers, */
#endif
#ifndef ENDS
#define ENDS 1 /* of submitters, */
#endif
#ifndef ASKS
#define ASKS 1 /* tasks that are asked to stop */
#endif
#ifndef BREAK
#define BREAK 0 /* and of the supervisor */
#endif

/* states: lib/core/state.h */
#define FREE 0
#define FILLING 1
#define PENDING 2
#define RUNNING 3
#define KILLING 4
#define DONE 5
#define CANCELLED 6
#define LOST 7

#define RUNS (state == RUNNING || state == KILLING)
#define OVER (state == FREE || state >= DONE)

/* the word, changed as one, and the retries of the slot */
byte state, life, retries;

/* What has the descriptor of a task: 1 + life, 0: none. */
byte submitter, held[LIVES], answer, own;
#ifdef BY_SLOT
#define KEY(g) 0
#else
#define KEY(g) g
#endif

/* requests; those of a dead worker or submitter, too */
chan keeps = [2] of { byte, byte };       /* life, who */
chan takes = [4] of { byte, byte, byte }; /* life, retries, who */

/* answers: these are the processes that read them, and that live */
byte asker, worker_number;
bit kept, refused; /* to the submitter */
bit answered;      /* to the worker */

bit poked, submitter_gone, worker_gone, broken, finished;
bit submitter_dead, worker_dead;

/* posse_release, as pi_discard */
inline end_life()
{
    atomic { left = !(state == DONE && retries == 0); state = FREE; life++ }
#ifndef NO_NOTIFY
    if :: left -> poked = 1 :: !left fi;
#endif
    left = 0
}

proctype program()
{
    bit left;
start:
    {
        do
        :: life == LIVES || broken -> break
        :: else ->
            if
            :: atomic { state == FREE -> state = FILLING; retries = RETRIES; submitter = life + 1 }
            :: broken -> break
            fi;
            atomic { keeps!life, asker; kept = 0; refused = 0 }
#ifdef PUBLISH_FIRST
            state = PENDING;
#endif
            if
            :: atomic { kept -> kept = 0 }
            :: refused -> assert(false)
#ifndef NO_END
            :: broken
#endif
            fi;
            if
            :: broken -> submitter = 0; break
            :: !broken && state == FILLING -> state = PENDING
            :: !broken && state != FILLING
            fi;
            submitter = 0;
            if /* perhaps posse_cancel */
            :: atomic { state == PENDING -> state = CANCELLED }
#ifndef NO_NOTIFY
               poked = 1
#endif
            :: true
            fi;
            if
            :: state >= DONE -> end_life()
            :: broken -> break
            fi
        od;
        finished = 1
    } unless {
        atomic { submitter_dead -> submitter_dead = 0; submitter = 0; asker++; submitter_gone = 1 }
    };
    if
    :: finished
    :: atomic { !finished && !submitter_gone -> goto start }
    :: atomic { !finished && broken -> finished = 1 }
    fi
}

proctype worker()
{
    byte g, at;
start:
    skip;
    {
endidle:
        do
        :: atomic { state == PENDING -> state = RUNNING; g = life; at = retries }
           atomic { takes!g, at, worker_number }
           if
           :: atomic { answered -> answered = 0; own = answer; answer = 0 }
#ifndef NO_END
           :: broken -> break
#endif
           fi;
           assert(own == g + 1); /* the task's function has it */
           own = 0;
           if
           :: FRESH && retries > 0 -> /* try_again */
               retries--;
               atomic { assert(state == RUNNING); state = PENDING }
           :: true ->
               atomic { assert(RUNS); state = DONE }
#ifndef NO_NOTIFY
               if :: at > 0 -> poked = 1 :: else fi
#endif
           fi;
           atomic { g = 0; at = 0 }
        :: broken -> break
        od
    } unless {
        atomic {
            worker_dead -> worker_dead = 0; g = 0; at = 0; own = 0; answer = 0; answered = 0;
            worker_number++; worker_gone = 1
        }
    };
    if
    :: atomic { broken -> answer = 0; own = 0 }
    :: atomic { !broken && !worker_gone -> goto start }
    fi
}

inline reply(who)
{
    atomic {
        if
        :: who == worker_number && !worker_gone -> answered = 1; answer = given
        :: else /* the kernel closes it */
        fi;
        given = 0
    }
}

inline sweep()
{
#ifndef NO_SWEEP
    for (at : 0 .. LIVES - 1) {
        atomic {
            if
            :: held[at] != 0 && (OVER || held[at] != life + 1) -> held[at] = 0
            :: else
            fi
        }
    }
    at = 0
#else
    skip
#endif
}

proctype supervisor()
{
    byte g, at, who, given;
    bit ok;
    {
endloop:
        do
        :: keeps?g, who ->
#ifdef KEEP_ANY
            ok = held[KEY(g)] == 0;
#else
            ok = g == life && state == FILLING && held[KEY(g)] == 0;
#endif
            if
            :: ok -> held[KEY(g)] = g + 1
            :: else
            fi;
            atomic {
                if
                :: who == asker && !submitter_gone -> kept = ok; refused = !ok
                :: else
                fi;
                g = 0; who = 0; ok = 0
            }
        :: takes?g, at, who ->
#ifdef RUNNING_ONLY
            ok = g == life && state == RUNNING;
#else
            ok = g == life && RUNS;
#endif
#ifndef NO_ATTEMPT
            ok = ok && at == retries;
#endif
            if
            :: ok ->
#ifdef COPY_ALWAYS
                given = held[KEY(g)]
#else
#ifdef TAKE_ALWAYS
                atomic { given = held[KEY(g)]; held[KEY(g)] = 0 }
#else
                atomic {
                    given = held[KEY(g)];
                    if :: retries == 0 -> held[KEY(g)] = 0 :: else fi
                }
#endif
#endif
            :: else
            fi;
            reply(who);
            atomic { g = 0; at = 0; who = 0; ok = 0 }
        :: atomic { poked -> poked = 0 } sweep()
        :: worker_gone -> /* recover_running, recover_killing */
            if
            :: state == RUNNING && retries > 0 ->
                retries--;
                if :: atomic { state == RUNNING -> state = PENDING } :: else fi
            :: atomic { state == RUNNING && retries == 0 -> state = LOST }
            :: else
            fi;
            if :: atomic { state == KILLING -> state = CANCELLED } :: else fi;
            worker_gone = 0;
            sweep()
        :: submitter_gone ->
            atomic { state == FILLING -> state = FREE; life++ }
            submitter_gone = 0;
            sweep()
        od
    } unless {
        atomic {
            broken -> g = 0; at = 0; who = 0; given = 0; ok = 0;
            for (at : 0 .. LIVES - 1) { held[at] = 0 }
            at = 0
        }
    }
}

/* Deaths. A worker dies with the supervisor. */
proctype outside()
{
    byte kills = KILLS, ends = ENDS, asks = ASKS;
endloop:
    do
    :: atomic { kills > 0 && !worker_gone && !broken -> kills--; worker_dead = 1 }
    :: atomic {
           ends > 0 && state == FILLING && submitter != 0 && !submitter_gone && !broken ->
           ends--; submitter_dead = 1
       }
    :: atomic { asks > 0 && !FRESH && state == RUNNING -> asks--; state = KILLING } /* posse_kill */
    :: atomic { BREAK && !broken -> broken = 1 }
    od
}

init
{
    atomic { run program(); run worker(); run supervisor(); run outside() }
    finished;
    (submitter == 0 && own == 0 && answer == 0);
    (held[0] == 0 && held[LIVES - 1] == 0)
}

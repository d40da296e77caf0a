/* done_list.pml - one who waits for many tasks, and those who end them and may die meanwhile.
 *
 * Mirrors: done_list.h, done_list.c, pi_wake_waiters, ask_for_rescan, pi_wake_all_parkers,
 * pi_dispatch_deliver_locked, gather, pi_parkers_recover
 *
 * Sequentially consistent; every atomic operation is one step, and the worker that dies may do so
 * between any two.
 *
 * The owner waits for a task in each of the slots, and takes each back as soon as it is given:
 * it releases the slot, and submits the next task there with a new generation, SECOND times in all.
 * NF finishers end tasks; one of them may be killed, whereupon the supervisor ends the task that it
 * ran as lost, and wakes all.
 *
 * Abstracted: all else of a slot (pool.pml), names in words (wait.pml; here the owner's is always
 * there, put with the task), and the look that the owner takes every second: here a wake that is
 * lost shows as an owner that sleeps for ever. A tag is a whole generation.
 *
 * Checked: the owner gets all of its tasks, each once. It is never asleep for ever; the chain that
 * it walks never leads it round for ever.
 *
 * Mutants, which must fail:
 *   NO_TAG       links are followed without a look at their tags
 *   NO_RESCAN    the supervisor wakes the owner, but does not ask it to look at all
 *   NO_WAKE      it asks, but does not wake it
 *   NEVER_POST   a finisher does not post
 *   POST_LATER   it posts if the list was not empty
 *   LINK_AFTER   the link is stored after the head has changed
 */
#ifndef NS
#define NS 2 /* slots */
#endif
#ifndef NF
#define NF 2 /* finishers */
#endif
#ifndef SECOND
#define SECOND 2 /* tasks beyond the first of each slot */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define ALL (NS + SECOND)

/* states: lib/core/state.h */
#define FREE 0
#define PENDING 1
#define RUNNING 2 /* RUNNING + f: finisher f runs it */

#define FINAL 9 /* any state that is final */
byte state[NS], generation[NS];

/* a reference is slot + 1 and a generation; a link also carries that of its own slot */
byte link_slot[NS], link_generation[NS], link_tag[NS];
byte head_slot, head_generation;
byte value; /* of the parker's semaphore; as in code, more posts than one do no more */
bit rescan;

bit wanted[NS]; /* the owner's subs: it waits for the task in this slot */
byte wanted_generation[NS];
byte given, submitted;
bit dead, gone; /* finisher 0 */

inline post()
{
    if :: value < 3 -> value++ :: else fi
}

/* Makes a task final that has just been so made: pushes it, posts the owner. */
inline tell(s, g)
{
#ifdef LINK_AFTER
    atomic { seen_slot = head_slot; seen_generation = head_generation;
             head_slot = s + 1; head_generation = g }
    atomic { link_slot[s] = seen_slot; link_generation[s] = seen_generation; link_tag[s] = g }
#else
    atomic { seen_slot = head_slot; seen_generation = head_generation }
    do
    :: atomic { link_slot[s] = seen_slot; link_generation[s] = seen_generation; link_tag[s] = g }
       atomic {
           if
           :: head_slot == seen_slot && head_generation == seen_generation ->
               head_slot = s + 1; head_generation = g; break
           :: else -> seen_slot = head_slot; seen_generation = head_generation
           fi
       }
    od;
#endif
#ifdef POST_LATER
    if :: seen_slot != 0 -> post() :: else fi;
#else
#ifndef NEVER_POST
    if :: seen_slot == 0 -> post() :: else fi;
#endif
#endif
    atomic { seen_slot = 0; seen_generation = 0 }
}

proctype finisher(byte f)
{
    byte s, g, seen_slot, seen_generation;
    {
        do
        :: atomic { given == ALL -> break }
        :: atomic { state[0] == PENDING -> state[0] = RUNNING + f; s = 0; g = generation[0] }
           goto ending
        :: atomic { state[NS - 1] == PENDING -> state[NS - 1] = RUNNING + f; s = NS - 1;
                    g = generation[NS - 1] }
ending:    state[s] = FINAL;
           tell(s, g);
           atomic { s = 0; g = 0 }
        od
    } unless { atomic { f == 0 && dead -> gone = 1 } }
}

proctype supervisor()
{
    byte s, g, seen_slot, seen_generation;
    do
    :: atomic { given == ALL -> break }
    :: atomic { gone && state[0] == RUNNING -> s = 0; g = generation[0]; state[0] = FINAL }
       tell(0, g)
    :: atomic { gone && state[NS - 1] == RUNNING -> s = NS - 1; g = generation[NS - 1];
                state[NS - 1] = FINAL }
       tell(s, g)
    :: atomic { gone && state[0] != RUNNING && state[NS - 1] != RUNNING -> s = 0; g = 0 }
#ifndef NO_RESCAN
       rescan = 1;
#endif
#ifndef NO_WAKE
       post();
#endif
       break
    od
}

/* Gives what the owner waits for in this slot, if it has ended; releases it, and uses the slot
 * again. */
inline gather(s)
{
    if
    :: atomic { wanted[s] && state[s] == FINAL ->
                assert(wanted_generation[s] == generation[s]);
                wanted[s] = 0; given++ }
       atomic { state[s] = FREE; generation[s]++ }
       if
       :: atomic { submitted < ALL ->
                   submitted++; state[s] = PENDING;
                   wanted[s] = 1; wanted_generation[s] = generation[s] }
       :: else
       fi
    :: else
    fi
}

proctype owner()
{
    byte at, at_generation, s, steps;
    bit broken;
    do
    :: given == ALL -> break
    :: else ->
        /* deal */
        atomic { broken = rescan; rescan = 0 }
        atomic { at = head_slot; at_generation = head_generation;
                 head_slot = 0; head_generation = 0; steps = 0 }
        do
        :: at == 0 -> break
        :: at != 0 && steps > ALL -> broken = 1; break /* it goes round */
        :: at != 0 && steps <= ALL ->
            atomic {
                s = at - 1; steps++;
#ifndef NO_TAG
                if :: link_tag[s] != at_generation -> broken = 1; at = 0
                   :: else -> at = link_slot[s]; at_generation = link_generation[s]
                fi
#else
                at = link_slot[s]; at_generation = link_generation[s]
#endif
            }
            if :: at == 0 && broken :: else -> gather(s) fi
        od;
        atomic { at = 0; at_generation = 0; steps = 0; s = 0 }
        if
        :: broken ->
            do
            :: s < NS -> gather(s); s++
            :: else -> break
            od;
            atomic { s = 0; broken = 0 }
        :: else
        fi;
        /* lead */
        if
        :: given == ALL
        :: else -> atomic { value > 0 -> value-- }
        fi
    od
}

init
{
    byte i;
    atomic {
        for (i : 0 .. NS - 1) { state[i] = PENDING; wanted[i] = 1; submitted++ }
        run owner();
        for (i : 0 .. NF - 1) { run finisher(i) }
        run supervisor();
        i = 0
    }
    if
    :: atomic { KILLS > 0 && given < ALL -> dead = 1 }
    :: given == ALL
    fi
}

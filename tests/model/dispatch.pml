/* dispatch.pml - threads of one process that wait for many tasks: one leads, the others follow.
 *
 * Mirrors: dispatch.h, pi_dispatch_link, pi_dispatch_arm, pi_dispatch_deliver, pi_dispatch_slot,
 * hand_out, pi_dispatch_unlink, pi_dispatch_close, pi_cq_next, sleep_until_verify, lead, follow,
 * hand_over
 *
 * Sequentially consistent; what is done while the box's lock is held is one step, as those who do
 * not take it see no part of it but mail and bells, which come one after the other.
 *
 * NT threads wait for a task each, and may give up; a thread for callbacks, to which the program
 * adds one, goes on until the box is closed. A finisher for each slot ends its task; with RELEASE
 * somebody releases the first one meanwhile.
 *
 * Abstracted: the chain of what has ended (done_list.pml: here it is a set, and whoever finds it empty
 * posts), names of several boxes in a word, watches of several executors (they only ever follow),
 * descriptors, tasks that run what they wait for, and the look that a leader takes every second:
 * here a wake that is lost shows as a thread that sleeps for ever.
 *
 * Checked: every thread comes back, the callback is called, once, and the box can be closed.
 *
 * Mutants, which must fail:
 *   NO_HAND_OVER    who leaves does not wake another to lead
 *   LEADERS_ONLY    ... but if it has led itself (the heir may leave instead of leading)
 *   NO_LOOK_AGAIN   a thread leads without a look at its mail under the lock
 *   FOLLOW_LATE     a thread is a follower only after it has given the lock back
 *   NO_BELL         dealing does not ring
 *   NO_TELL         a release does not tell the box (seen with RELEASE, as the next)
 *   NO_LEADER       ... or rings, but does not post the leader, who sleeps on the parker
 *   PUT_ONLY        a new sub's word is not looked at again when it is named
 *   NO_CLOSE_POST   closing does not post the parker
 */
#ifndef NT
#define NT 2 /* at most 3 */
#endif
#ifndef NS
#define NS 2 /* slots, at most 2 */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 1
#endif
#ifndef RELEASE
#define RELEASE 0
#endif
#define NW (NT + 1) /* watches; the last one is for callbacks */
#define SLOT(w) ((w) % NS)
#define FOLLOW 1
#define LEAD 2

bit final[NS], stale[NS], named[NS];
bit list[NS]; /* of the parker */
byte value;   /* of its semaphore; as in code, more posts than one do no more */

bit led, closing;
byte undealt;
bit waiting[NW]; /* the watch's sub is in the box */
bit follows[NW];

bit mail[NW]; /* dealt to the watch */
byte bell[NW];

byte timeouts = TIMEOUTS;
byte back, called;

#define DUE(w) (waiting[w] && (final[SLOT(w)] || stale[SLOT(w)] || closing))

inline post() { if :: value < 2 -> value++ :: else fi }
inline ring(w) { if :: bell[w] < 3 -> bell[w]++ :: else fi }

/* gather and deal_out */
inline deal_if(w, condition)
{
    if
    :: DUE(w) && (condition) ->
        waiting[w] = 0; undealt--; mail[w] = 1;
#ifndef NO_BELL
        ring(w)
#endif
    :: else
    fi
}

inline deal(doubt)
{
    found = (list[0] -> 1 : 0) | (list[NS - 1] -> (1 << (NS - 1)) : 0);
    list[0] = 0;
    list[NS - 1] = 0;
    for (i : 0 .. NT) { deal_if(i, doubt || closing || (found & (1 << SLOT(i)))) }
    i = 0;
    found = 0
}

/* pi_dispatch_link; then the word is looked at, perhaps by the CAS that puts the name there. */
inline subscribe(w)
{
    waiting[w] = 1; undealt++;
    if :: undealt == 1 && led -> post() :: else fi;
    if
#ifdef PUT_ONLY
    :: true -> named[SLOT(w)] = 1
#else
    :: DUE(w) -> deal_if(w, 1)
    :: else -> named[SLOT(w)] = 1
#endif
    fi
}

/* pi_cq_next; got: a sub was taken. */
inline next(w, lasting)
{
    do
    :: atomic { mail[w] -> mail[w] = 0; got = 1; break }
    :: atomic { !mail[w] -> over = closing }
       atomic { deal(0) }
       if
       :: mail[w]
       :: !mail[w] && lasting && over -> break
       :: else ->
           if
           :: late -> break
           :: atomic { !late && !lasting && timeouts > 0 -> timeouts--; break }
           :: !late
           fi;
           atomic { /* rest */
               if
#ifdef FOLLOW_LATE
               :: led -> bed = FOLLOW
#else
               :: led -> bed = FOLLOW; follows[w] = 1
#endif
#ifdef NO_LOOK_AGAIN
               :: else -> bed = LEAD; led = 1
#else
               :: !led && !mail[w] && !(lasting && closing) -> bed = LEAD; led = 1
               :: else -> bed = 0
#endif
               fi
           }
           if
           :: bed == FOLLOW ->
#ifdef FOLLOW_LATE
               follows[w] = 1;
#endif
               if
               :: atomic { bell[w] > 0 -> bell[w]-- }
               :: atomic { !lasting && timeouts > 0 -> timeouts--; late = 1 }
               fi;
               follows[w] = 0
           :: bed == LEAD ->
               leads = 1;
               if
               :: atomic { value > 0 -> value--; woken = 1 }
               :: atomic { !lasting && timeouts > 0 -> timeouts--; late = 1 }
               fi;
               atomic { led = 0; deal(!woken); woken = 0 }
           :: else
           fi;
           atomic { rested = 1; bed = 0 }
       fi
    od;
    atomic { /* hand_over */
        if
#ifdef LEADERS_ONLY
        :: leads && !led ->
#elif defined(NO_HAND_OVER)
        :: false ->
#else
        :: rested && !led ->
#endif
            for (i : 0 .. NT) { if :: follows[i] -> ring(i); break :: else fi }
        :: else
        fi;
        i = 0; rested = 0; leads = 0; over = 0
    }
}

proctype thread(byte me)
{
    byte i, found, bed;
    bit got, over, rested, leads, woken, late;
    atomic { subscribe(me) }
    next(me, 0);
    atomic { /* pi_dispatch_unlink */
        if :: waiting[me] -> waiting[me] = 0; undealt-- :: else fi;
        mail[me] = 0; back++
    }
}

proctype callbacks()
{
    byte i, found, bed;
    bit got, over, rested, leads, woken, late;
    do
    :: next(NT, 1);
       if
       :: atomic { got -> got = 0; called++ }
       :: else -> break
       fi
    od;
    back++
}

proctype finisher(byte s)
{
    bit tell, first;
    atomic { final[s] = 1; tell = named[s] }
    if
    :: tell ->
        atomic { first = !list[0] && !list[NS - 1]; list[s] = 1 }
        if :: first -> post() :: else fi
    :: else
    fi
}

/* posse_release of the first task, and pi_dispatch_slot */
proctype releaser()
{
    byte i;
    bit tell;
    atomic { tell = named[0] && !final[0]; stale[0] = 1 }
#ifndef NO_TELL
    if
    :: atomic {
           tell ->
           for (i : 0 .. NT) { deal_if(i, SLOT(i) == 0) }
#ifndef NO_LEADER
           if :: led -> post() :: else fi
#endif
       }
    :: else
    fi
#endif
}

init
{
    byte i, found;
    atomic {
        for (i : 0 .. NT - 1) { run thread(i) }
        run callbacks();
        for (i : RELEASE .. NS - 1) { run finisher(i) }
        if :: RELEASE -> run releaser() :: else fi;
        i = 0
    }
    atomic { subscribe(NT) }
    (back == NT && called == 1);
    atomic { /* pi_dispatch_close */
        closing = 1;
        deal(1);
#ifndef NO_CLOSE_POST
        post();
#endif
        ring(NT)
    }
    (back == NT + 1);
    assert(called == 1 && undealt == 0)
}

/* dispatch.pml - threads of one process that wait for many tasks: one leads, the others follow.
 *
 * Mirrors: dispatch.h, pi_dispatch_link, pi_dispatch_arm, pi_dispatch_deliver, pi_dispatch_slot,
 * hand_out, pi_dispatch_unlink, pi_dispatch_close, pi_cq_next, sleep_until_verify, lead, follow,
 * hand_over
 *
 * Sequentially consistent. What happens while the dispatcher's lock is held is one step: whoever
 * does not take the lock sees only `delivered` and `wakeup`, which come one after the other.
 *
 * NT threads wait for a task each, and may give up. A thread for callbacks, to which the program
 * adds one, goes on until the dispatcher is closed. A finisher for each slot ends its task. With
 * RELEASE somebody releases the first one meanwhile.
 *
 * Abstracted: the list of what has ended (done_list.pml: here it is a set, and a finisher that
 * finds it empty posts), names of several dispatchers in a word, completion queues of several
 * executors (they only ever follow), descriptors, tasks that run what they wait for, and the look
 * that a leader takes every second: here a lost wake-up shows as a thread that sleeps for ever.
 *
 * Checked: every thread comes back, the callback is called once, and the dispatcher can be closed.
 *
 * Mutants, which must fail:
 *   NO_HAND_OVER    a thread that leaves does not wake another to lead
 *   LEADERS_ONLY    ... unless it has led itself (the one that it woke may leave, too)
 *   NO_LOOK_AGAIN   a thread leads without a look at what was delivered, under the lock
 *   FOLLOW_LATE     a thread is a follower only after it has given the lock back
 *   NO_WAKEUP       delivering does not wake the thread
 *   NO_TELL         a release does not deliver (seen with RELEASE, as the next)
 *   NO_LEADER       ... or does, but does not post the leader, which sleeps on the parker
 *   PUT_ONLY        a new subscription's word is not looked at again when it is named
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
#define NW (NT + 1) /* completion queues; the last one is for callbacks */
#define SLOT(w) ((w) % NS)
#define FOLLOW 1
#define LEAD 2

bit final[NS], stale[NS], named[NS];
bit list[NS]; /* of the parker */
byte value;   /* of its semaphore; as in code, more posts than one do no more */

bit led, closing;
byte pending;
bit waiting[NW]; /* the queue's subscription is in the dispatcher */
bit follows[NW];

bit delivered[NW]; /* to the queue */
byte wakeup[NW];

byte timeouts = TIMEOUTS;
byte back, called;

#define DUE(w) (waiting[w] && (final[SLOT(w)] || stale[SLOT(w)] || closing))

inline post() { if :: value < 2 -> value++ :: else fi }
inline wake(w) { if :: wakeup[w] < 3 -> wakeup[w]++ :: else fi }

/* gather and hand_out */
inline deliver_if(w, condition)
{
    if
    :: DUE(w) && (condition) ->
        waiting[w] = 0; pending--; delivered[w] = 1;
#ifndef NO_WAKEUP
        wake(w)
#endif
    :: else
    fi
}

inline deliver(all)
{
    found = (list[0] -> 1 : 0) | (list[NS - 1] -> (1 << (NS - 1)) : 0);
    list[0] = 0;
    list[NS - 1] = 0;
    for (i : 0 .. NT) { deliver_if(i, all || closing || (found & (1 << SLOT(i)))) }
    i = 0;
    found = 0
}

/* pi_dispatch_link; then the word is looked at, perhaps by the CAS that puts the name there. */
inline subscribe(w)
{
    waiting[w] = 1; pending++;
    if :: pending == 1 && led -> post() :: else fi;
    if
#ifdef PUT_ONLY
    :: true -> named[SLOT(w)] = 1
#else
    :: DUE(w) -> deliver_if(w, 1)
    :: else -> named[SLOT(w)] = 1
#endif
    fi
}

/* pi_cq_next; got: a subscription was taken. */
inline next(w, outlives)
{
    do
    :: atomic { delivered[w] -> delivered[w] = 0; got = 1; break }
    :: atomic { !delivered[w] -> over = closing }
       atomic { deliver(0) }
       if
       :: delivered[w]
       :: !delivered[w] && outlives && over -> break
       :: else ->
           if
           :: late -> break
           :: atomic { !late && !outlives && timeouts > 0 -> timeouts--; break }
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
               :: !led && !delivered[w] && !(outlives && closing) -> bed = LEAD; led = 1
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
               :: atomic { wakeup[w] > 0 -> wakeup[w]-- }
               :: atomic { !outlives && timeouts > 0 -> timeouts--; late = 1 }
               fi;
               follows[w] = 0
           :: bed == LEAD ->
               leads = 1;
               if
               :: atomic { value > 0 -> value--; woken = 1 }
               :: atomic { !outlives && timeouts > 0 -> timeouts--; late = 1 }
               fi;
               atomic { led = 0; deliver(!woken); woken = 0 }
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
            for (i : 0 .. NT) { if :: follows[i] -> wake(i); break :: else fi }
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
        if :: waiting[me] -> waiting[me] = 0; pending-- :: else fi;
        delivered[me] = 0; back++
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
           for (i : 0 .. NT) { deliver_if(i, SLOT(i) == 0) }
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
        deliver(1);
#ifndef NO_CLOSE_POST
        post();
#endif
        wake(NT)
    }
    (back == NT + 1);
    assert(called == 1 && pending == 0)
}

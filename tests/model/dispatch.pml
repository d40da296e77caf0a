/* dispatch.pml - threads of one process that wait for many tasks: one leads, the others follow.
 *
 * Mirrors: dispatch.h, pi_dispatch_link_locked, pi_dispatch_arm_locked, pi_dispatch_deliver_locked,
 * pi_dispatch_slot, pi_dispatch_appoint_locked, deliver_list, pi_dispatch_unlink,
 * pi_dispatch_close, dispatch_wait.c
 *
 * Sequentially consistent. What happens while the dispatcher's lock is held is one step: a thread
 * that does not take the lock sees only `queue` and `wakeup`, which come one after the other.
 *
 * NT threads wait for a task each, and may give up. A thread for callbacks, to which the program
 * adds one, goes on until the dispatcher is closed. A finisher for each slot ends its task. With
 * RELEASE a thread releases the first one meanwhile. With CHAIN the second task ends only after a
 * thread has come back with the first.
 *
 * Abstracted: the list of what has ended (done_list.pml: here it is a set, and a finisher that
 * finds it empty posts), parkers of several dispatchers in a word, completion queues of several
 * executors (they only ever follow), descriptors, tasks that run what they wait for, and the check
 * that a leader makes every second: here a lost wake shows as a thread that sleeps for ever.
 *
 * Checked: every thread comes back, the callback is called once, and the dispatcher can be closed.
 *
 * Mutants, which must fail:
 *   NO_HAND_OVER    a thread that leaves does not wake another to lead
 *   LEADERS_ONLY    ... unless it has led itself (the one that it woke may leave, too)
 *   NO_LOOK_AGAIN   a thread leads without a look at its queue, under the lock (with CHAIN)
 *   FOLLOW_LATE     a follower does not look again whether a thread leads
 *   NO_OVER         ... or whether the dispatcher is closed
 *   NO_WAKEUP       delivering does not post the wakeup
 *   NO_APPOINT      a new subscription does not wake a follower to lead
 *   NO_TELL         a release does not deliver (seen with RELEASE, as the next)
 *   NO_LEADER       ... or does, but does not post the leader, which sleeps on the parker
 *   PUT_ONLY        a new subscription's word is not looked at again when it gets the parker
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
#define SLOT(q) ((q) % NS)

bit final[NS], stale[NS], named[NS];
bit list[NS]; /* of the parker */
byte value;   /* of its semaphore; as in code, more posts than one do no more */

bit led, closing;
byte pending;
bit waiting[NW]; /* the cq's subscription is pending */
bit follows[NW];

bit queue[NW]; /* delivered to the cq */
bit wakeup[NW];

byte timeouts = TIMEOUTS;
byte back, called;

#define DUE(q) (waiting[q] && (final[SLOT(q)] || stale[SLOT(q)] || closing))
#define VACANT (!led && pending > 0)

inline post() { if :: value < 2 -> value++ :: else fi }

/* gather and deliver */
inline deliver_if(q, condition)
{
    if
    :: DUE(q) && (condition) ->
        waiting[q] = 0; pending--; queue[q] = 1;
#ifndef NO_WAKEUP
        wakeup[q] = 1
#endif
    :: else
    fi
}

inline deliver(rescan)
{
    found = (list[0] -> 1 : 0) | (list[NS - 1] -> (1 << (NS - 1)) : 0);
    list[0] = 0;
    list[NS - 1] = 0;
    for (i : 0 .. NT) { deliver_if(i, rescan || closing || (found & (1 << SLOT(i)))) }
    i = 0;
    found = 0
}

/* pi_dispatch_appoint_locked */
inline appoint()
{
    if
    :: VACANT -> for (i : 0 .. NT) { if :: follows[i] -> wakeup[i] = 1; break :: else fi }
    :: else
    fi;
    i = 0
}

/* pi_dispatch_link_locked; then the word is looked at, perhaps by the CAS that puts the parker
 * there. */
inline subscribe(q)
{
    waiting[q] = 1; pending++;
#ifndef NO_APPOINT
    if :: pending == 1 -> appoint() :: else fi;
#endif
    if
#ifdef PUT_ONLY
    :: true -> named[SLOT(q)] = 1
#else
    :: DUE(q) -> deliver(0); deliver_if(q, 1)
    :: else -> named[SLOT(q)] = 1
#endif
    fi
}

/* pi_cq_next; got: a subscription was taken. */
inline next(q, lasting)
{
    do
    :: atomic { queue[q] -> queue[q] = 0; got = 1; break }
    :: atomic { !queue[q] -> over = closing }
       atomic { deliver(0) }
       if
       :: queue[q]
       :: !queue[q] && lasting && over -> break
       :: else ->
           if
           :: late -> break
           :: atomic { !late && !lasting && timeouts > 0 -> timeouts--; break }
           :: !late
           fi;
           atomic { /* lead */
#ifdef NO_LOOK_AGAIN
               leads = VACANT;
#else
               leads = VACANT && !queue[q] && !(lasting && closing);
#endif
               led = led || leads
           }
           if
           :: leads ->
               if
               :: atomic { value > 0 -> value-- }
               :: atomic { !lasting && timeouts > 0 -> timeouts--; late = 1 }
               fi;
               atomic { led = 0; deliver(0); has_led = 1; leads = 0 }
           :: else -> /* follow */
               follows[q] = 1;
               atomic { /* may_sleep */
                   awake = false;
#ifndef FOLLOW_LATE
                   awake = awake || VACANT;
#endif
#ifndef NO_OVER
                   awake = awake || (lasting && closing)
#endif
               }
               if
               :: awake
               :: atomic { !awake && wakeup[q] -> wakeup[q] = 0 }
               :: atomic { !awake && !lasting && timeouts > 0 -> timeouts--; late = 1 }
               fi;
               follows[q] = 0
           fi;
           slept = 1
       fi
    od;
    atomic { /* hand_over */
        if
#ifdef LEADERS_ONLY
        :: has_led -> appoint()
#elif defined(NO_HAND_OVER)
        :: false
#else
        :: slept -> appoint()
#endif
        :: else
        fi;
        slept = 0; has_led = 0; over = 0
    }
}

proctype thread(byte me)
{
    byte i, found;
    bit got, over, slept, leads, has_led, awake, late;
    atomic { subscribe(me) }
    next(me, 0);
    atomic { /* pi_dispatch_unlink */
        if :: waiting[me] -> waiting[me] = 0; pending-- :: else fi;
        queue[me] = 0; back++
    }
}

proctype callbacks()
{
    byte i, found;
    bit got, over, slept, leads, has_led, awake, late;
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
#ifdef CHAIN
    (s == 0 || back > 0);
#endif
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
    byte i, found;
    bit tell;
    atomic { tell = named[0] && !final[0]; stale[0] = 1 }
#ifndef NO_TELL
    if
    :: atomic {
           tell ->
           deliver(0);
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
        post();
        if :: follows[NT] -> wakeup[NT] = 1 :: else fi /* pi_dispatch_wake_all */
    }
    (back == NT + 1);
    assert(called == 1 && pending == 0)
}

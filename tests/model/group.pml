/* group.pml - tasks of a group: at most MAX run at a time, the last of their holders frees each,
 * and a shutdown waits for those that wait.
 *
 * Mirrors: task_group.c, task_member.c, pi_slot_offer, pi_slot_withhold, pi_slot_is_left,
 * pi_discard_if_left, pi_finish, posse_release, unpin, is_awaited
 *
 * Sequentially consistent; every atomic operation is one step. The dispatcher's lock is one, too,
 * but what others do without it comes in between.
 *
 * Abstracted: the time of a group: its end is a cancel of what is PENDING; the ring: a task that is
 * PENDING is in it (pool.pml); the list of ended tasks: the group hears of an end at any time after
 * it (done_list.pml, dispatch.pml); deaths: the recovery does the next step of the dead worker,
 * only later. One worker; the supervisor starts it again if a task is PENDING.
 *
 * Checked: no more than MAX tasks run in turn; nobody frees a slot that the group still reads, or
 * twice; the executor closes with no task left that was accepted; in the end each slot is FREE, and
 * none counts as running or withheld.
 *
 * Mutants, which must fail:
 *   FREE_GROUPED   the finisher frees a task that its group holds
 *   LOOK_FIRST     the finisher looks at GROUPED before it writes the final word
 *   NO_LOOK        posse_release does not look again after DETACHED
 *   GROUP_LEAVES   the group does not look after it has cleared GROUPED
 *   FREE_PINNED    ... or does not look at PINNED
 *   CLOSE_EARLY    the supervisor does not look at `withheld`
 *   PHASE_FIRST    the submitter looks at the phase before it counts
 *   NO_NOTIFY      whoever takes a task off the list does not notify the supervisor
 */
#define T 2
#ifndef MAX
#define MAX 1
#endif
#ifndef KILL
#define KILL 0 /* 1: posse_kill ends a task while its thread runs it */
#endif
#ifndef OBSERVED
#define OBSERVED 1 /* bits: tasks whose future somebody holds */
#endif
#ifndef DROP
#define DROP 0 /* 1: the group is destroyed before its tasks have ended */
#endif
#ifndef HELP
#define HELP 0 /* 1: a task that waits for one claims it out of turn */
#endif
#ifndef CANCEL
#define CANCEL 0 /* 1: a task is cancelled */
#endif

#define OTHERS (HELP || CANCEL || KILL)

#define FREE 0
#define FILLING 1
#define WITHHELD 2
#define PENDING 3
#define RUNNING 4
#define FINAL 5
#define NONE 15

byte state[T];
bit detached[T], grouped[T], pinned[T], accepted[T];
/* The group: a member is linked, waits, counts as running. */
bit linked[T], waits[T], runs[T];
byte running, withheld;
bit lock, draining, closed, notified, alive = 1, submitted;
byte in_turn; /* tasks that run in turn */
byte done;   /* processes that are through */

#define LOCK atomic { !lock -> lock = 1 }
#define UNLOCK lock = 0

inline notify()
{
#ifndef NO_NOTIFY
    notified = 1
#else
    skip
#endif
}

/* As one compare-and-swap from the final word. */
inline discard(t)
{
    atomic {
        if
        :: state[t] == FINAL ->
            assert(!linked[t] && !pinned[t]);
            state[t] = FREE;
            detached[t] = 0
        :: else
        fi
    }
}

/* pi_discard_if_left: the word, then GROUPED. */
inline discard_if_left(t)
{
    if
#ifdef FREE_PINNED
    :: state[t] == FINAL && detached[t] ->
#else
    :: state[t] == FINAL && detached[t] && !pinned[t] ->
#endif
        if
        :: !grouped[t] -> discard(t)
        :: else
        fi
    :: else
    fi
}

/* After the final word. */
inline look_as_finisher(t)
{
#ifdef FREE_GROUPED
    if
    :: detached[t] -> discard(t)
    :: else
    fi
#else
#ifdef LOOK_FIRST
    if
    :: !held && state[t] == FINAL && detached[t] -> discard(t)
    :: else
    fi
#else
    if
    :: state[t] == FINAL && detached[t] ->
        if
        :: !grouped[t] -> discard(t)
        :: else
        fi
    :: else
    fi
#endif
#endif
}

inline let_go()
{
    do
    :: running < MAX && (waits[0] || waits[1]) ->
        n = (waits[0] -> 0 : 1);
        atomic {
            ok = 0;
            if
            :: state[n] == WITHHELD -> state[n] = PENDING; ok = 1
            :: else
            fi
        }
        if
        :: ok -> atomic { runs[n] = 1; running++; notified = 1 } /* a worker is woken or started */
        :: else
        fi;
        atomic { waits[n] = 0; withheld-- }
        notify()
    :: else -> break
    od
}

/* It is in no list. */
inline forget(t)
{
    running = running - runs[t];
    runs[t] = 0;
    let_go()
}

inline leave_list(t)
{
    if
    :: waits[t] -> waits[t] = 0; withheld--; notify()
    :: else
    fi
}

/* The group holds it no more. */
inline release_by_group(t)
{
    atomic { linked[t] = 0; grouped[t] = 0 }
#ifndef GROUP_LEAVES
    discard_if_left(t)
#endif
}

active proctype submitter()
{
    byte t, n;
    bit ok, open;
    for (t : 0 .. T - 1) {
        if
        :: draining -> break
        :: else
        fi;
        atomic {
            state[t] = FILLING;
            grouped[t] = 1;
            detached[t] = 1 - ((OBSERVED >> t) & 1)
        }
        LOCK;
        if
        :: running < MAX ->
            runs[t] = 1;
            running++;
            UNLOCK;
            state[t] = PENDING;
            notified = 1;
            atomic { /* undo_if_closed */
                ok = 1;
                if
                :: draining && state[t] == PENDING ->
                    state[t] = FREE;
                    detached[t] = 0;
                    grouped[t] = 0;
                    ok = 0
                :: else -> accepted[t] = 1
                fi
            }
            LOCK;
            if
            :: ok -> linked[t] = 1
            :: else ->
                forget(t)
            fi
        :: else ->
#ifdef PHASE_FIRST
            open = !draining;
            withheld++;
            state[t] = WITHHELD;
#else
            withheld++;
            state[t] = WITHHELD;
            open = !draining;
#endif
            atomic {
                ok = 1;
                if
                :: !open && state[t] == WITHHELD ->
                    state[t] = FREE;
                    detached[t] = 0;
                    grouped[t] = 0;
                    ok = 0
                :: else -> accepted[t] = 1
                fi
            }
            if
            :: ok -> linked[t] = 1; waits[t] = 1
            :: else -> withheld--; notify()
            fi
        fi;
        atomic { n = 0; ok = 0; open = 0; lock = 0 }
    }
    submitted = 1;
    done++
}

/* Frees each slot whose future it holds, before the end or after it. */
active proctype holder()
{
    byte t;
    bit was_final, was_pinned, held;
    for (t : 0 .. T - 1) {
        if
        :: accepted[t] && ((OBSERVED >> t) & 1) ->
            do
            :: atomic { was_final = (state[t] == FINAL); was_pinned = pinned[t] }
                held = grouped[t];
                if
                :: was_final && !was_pinned && !held -> discard(t); break
                :: else ->
                    atomic {
                        if
                        :: was_final == (state[t] == FINAL) && was_pinned == pinned[t] ->
                            detached[t] = 1;
                            held = 1
                        :: else -> held = 0 /* it has changed: once more */
                        fi
                    }
                    if
                    :: held ->
#ifndef NO_LOOK
                        discard_if_left(t);
#endif
                        break
                    :: else
                    fi
                fi
            od
        :: submitted && !(accepted[t] && ((OBSERVED >> t) & 1))
        fi
    }
    done++
}

/* Ends are delivered. */
active proctype dispatcher()
{
    byte t, n;
    bit ok;
    do
    :: atomic {
            !lock && ((linked[0] && state[0] == FINAL) || (linked[1] && state[1] == FINAL)) ->
            lock = 1;
            if
            :: linked[0] && state[0] == FINAL -> t = 0
            :: linked[1] && state[1] == FINAL -> t = 1
            fi
        }
        leave_list(t);
        release_by_group(t);
        forget(t);
        atomic { t = 0; n = 0; ok = 0; lock = 0 }
    :: submitted && closed && !linked[0] && !linked[1] -> break
    od;
    done++
}

#if DROP
/* The group is destroyed, once no submit is under way. */
active proctype dropper()
{
    byte t;
    bit held;
    submitted;
    LOCK;
    for (t : 0 .. T - 1) {
        if
        :: linked[t] ->
            held = grouped[t];
            atomic {
                if
                :: state[t] == WITHHELD || state[t] == PENDING -> state[t] = FINAL
                :: else
                fi
            }
            leave_list(t);
            release_by_group(t);
            running = running - runs[t];
            runs[t] = 0
        :: else
        fi
    }
    UNLOCK;
    done++
}
#endif

/* The worker. */
active proctype worker()
{
    byte t;
    bit held, turn;
    do
    :: atomic {
            alive && (state[0] == PENDING || state[1] == PENDING) ->
            if
            :: state[0] == PENDING -> t = 0
            :: state[1] == PENDING -> t = 1
            fi;
            state[t] = RUNNING;
            in_turn++;
            assert(in_turn <= MAX)
        }
        held = grouped[t];
        atomic {
            if
            :: state[t] == RUNNING -> state[t] = FINAL; in_turn--; turn = 1
            :: else -> turn = 0 /* it was killed: PINNED */
            fi
        }
        if
        :: !turn -> pinned[t] = 0
        :: else
        fi;
        look_as_finisher(t);
        atomic { t = 0; held = 0; turn = 0 }
    :: atomic {
            alive && draining && state[0] != PENDING && state[1] != PENDING -> alive = 0;
            notified = 1
        }
    :: closed -> break
    od;
    done++
}

#if HELP || CANCEL || KILL
/* Other ends, each of one task. */
active proctype others()
{
    byte t;
    bit held;
#if HELP
    if
    :: atomic {
            state[1] == WITHHELD -> state[1] = RUNNING
        }
        state[1] = FINAL;
        look_as_finisher(1)
    :: submitted
    fi;
#endif
#if CANCEL
    if
    :: atomic { state[1] == WITHHELD || state[1] == PENDING -> held = grouped[1]; state[1] = FINAL }
        look_as_finisher(1)
    :: submitted
    fi;
#endif
#if KILL
    if
    :: atomic {
            state[0] == RUNNING -> state[0] = FINAL;
            pinned[0] = 1;
            in_turn--
        }
    :: submitted
    fi;
#endif
    done++
}
#endif

active proctype shutdown()
{
    draining = 1;
    notified = 1;
    done++
}

active proctype supervisor()
{
    byte t, seen;
    do
    :: notified ->
        notified = 0;
        if
        :: draining && !alive ->
            seen = withheld;
#ifdef CLOSE_EARLY
            seen = 0;
#endif
            atomic {
                if
                :: state[0] == PENDING || state[1] == PENDING -> alive = 1
                :: else ->
                    if
                    :: seen == 0 -> break
                    :: else
                    fi
                fi
            }
        :: else
        fi
    od;
    atomic {
        for (t : 0 .. T - 1) {
            assert(!accepted[t] || (state[t] != WITHHELD && state[t] != PENDING))
        }
        closed = 1
    }
    done++
}

active proctype end()
{
    byte t;
    done == 6 + DROP + OTHERS;
    for (t : 0 .. T - 1) {
        assert(state[t] == FREE)
    }
    assert(running == 0 && withheld == 0)
}

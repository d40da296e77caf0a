/* scale.pml - workers come and go: who starts one, who leaves, who retires, who is told, and how
 * an executor is shut down meanwhile.
 *
 * Mirrors: scale.c, child.c, pi_supervisor_run, check_phase, close_pool, pi_wake_or_grow,
 * pi_wake_for_backlog, work, idle, sleep_idle, leave, undo_if_closed,
 * pi_submit_undo
 *
 * Sequentially consistent; each atomic operation is one step, and a worker may be killed between
 * any two.
 *
 * Abstracted: ring and slots are a number of PENDING tasks (see pool.pml); nobody spins but who was
 * claimed (see idle.pml); a worker may find that it was idle for long, or that it has to retire,
 * whenever there is some left of IDLES or RETIRES; a finalizer lasts until all tasks have ended, so
 * that nothing may rely on its end (with DRAIN: unless it takes the last worker). The tries to
 * start a worker succeed. The supervisor looks again at who is busy after the count, which is
 * against too many workers and is left out, as are STOPPING and the executor's death.
 *
 * Checked: the program ends only when all tasks that were accepted have ended, and nothing else may
 * be the end; one task lasts until all others have ended, so that these need another worker. With
 * DRAIN the pool closes, and what is cancelled then was not accepted.
 *
 * Mutants, which must fail:
 *   NO_SECOND_LOOK  a worker leaves without a look at the ring (a task that came for it is beside
 *                   another worker, which sleeps and counts as free)
 *   NO_POKE         ... or finds one, but nobody to wake, and does not tell the supervisor
 *   NO_RECOUNT      the tasks are not counted when a worker was reaped (seen with KILLS=1)
 *   NO_CALL_OTHERS  a worker does not look at the ring when it has set `current`
 *   GROW_LAST       may_grow is set after the count
 *   NO_REPLACEMENT  one that retires counts as active: nobody is started for it, and it waits
 *   NO_RECHECK      a submitter does not look at the phase again after its push (with DRAIN, as all
 *                   below)
 *   NO_PHASE_WAKE   the supervisor does not wake the workers when the phase has changed
 */
#ifndef MAX
#define MAX 2 /* workers, at most 2; a worker more, as one that leaves has its until it has ended */
#endif
#define NW (MAX + 1)
#define LAST (NW - 1)
#ifndef T
#define T 2 /* tasks */
#endif
#ifndef IDLES
#define IDLES 1
#endif
#ifndef RETIRES
#define RETIRES 0
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef CH
#define CH 0 /* the first so many tasks submit one more */
#endif
#ifndef LONG
#define LONG 1 /* one task lasts until all others have ended */
#endif
#ifndef ONDEMAND
#define ONDEMAND 1 /* 0: MAX workers are started at once */
#endif
#ifndef DRAIN
#define DRAIN 0 /* 1: the executor is shut down, at any moment */
#endif
#ifndef RESIZE
#define RESIZE 0 /* 1: at any moment it is said that there may be one worker only */
#endif
#define NONE 15

#define OPEN 0
#define DRAINING 1
#define CLOSED 2
#define DRAINING_ALONE(seen, n_active) ((seen) == DRAINING && (n_active) == 0)

byte phase;
byte ready, left;
bit mine;      /* one of those PENDING is the program's last, of which it does not know yet if it is
                  accepted */
bit cancelled; /* ... and it was, as nobody is left */
byte children = CH, wanted = MAX;
byte sleeping, spinning; /* bits of workers */
byte value[NW];          /* semaphores */
bit asleep[NW], alive[NW], dead[NW], gone[NW];
bit running[NW];         /* a task is claimed */
bit current[NW];         /* ... and seen by the supervisor to be so */
bit wants[NW], retiring[NW], leaving[NW], leave[NW], is_long[NW];
bit longs = LONG;
bit may_grow, poked = 1;
byte idles = IDLES, retires = RETIRES, kills = KILLS;

inline claim(who)
{
    atomic {
        if
        :: sleeping & 1 -> who = 0
        :: else ->
            if
            :: sleeping & 2 -> who = 1
            :: else -> if :: sleeping & 4 -> who = 2 :: else -> who = NONE fi
            fi
        fi
        if
        :: who != NONE ->
            sleeping = sleeping - (1 << who);
            spinning = spinning | (1 << who)
        :: else
        fi
    }
}

/* pi_wake_worker; true: it has woken somebody, and who is 0 then, else NONE */
inline wake(who, force)
{
    if
    :: !force && spinning != 0 -> who = NONE
    :: else ->
        claim(who);
        if
        :: who != NONE -> atomic { value[who]++; asleep[who] = 0; who = 0 }
        :: else
        fi
    fi
}

inline call_worker(who)
{
    wake(who, 0);
    if
    :: who == NONE && may_grow ->
        if
        :: atomic { (sleeping | spinning) == 0 -> poked = 1 }
        :: else
        fi
    :: else
    fi;
    who = 0
}

inline quit_bits()
{
    atomic {
        sleeping = sleeping & (7 - (1 << me));
        spinning = spinning & (7 - (1 << me))
    }
}

proctype worker(byte me)
{
    byte who, seen;
    bit asked;
endstart:
    atomic { (alive[me] && !gone[me]) -> who = 0; asked = 0 }
    {
        do
        :: leave[me] -> break
        :: else ->
            seen = phase;
            if
            :: retiring[me] ->
endretire:      atomic { (value[me] > 0) -> value[me]-- }
            :: else ->
                atomic { /* any of them: the order of the ring is not modelled */
                    if
                    :: ready > mine -> ready--; running[me] = 1
                    :: mine -> ready--; mine = 0; running[me] = 1
                    :: ready == 0
                    fi
                }
                if
                :: running[me] ->
                    quit_bits();
                    if :: ready > 0 -> wake(who, 0); who = 0 :: else fi;
                    asked = 0; wants[me] = 0;
                    current[me] = 1;
#ifndef NO_CALL_OTHERS
                    if :: may_grow && ready > 0 -> call_worker(who) :: else fi;
#endif
                    if /* the task */
                    :: atomic { children > 0 -> children--; left++; ready++ }
                       call_worker(who)
                    :: children == 0
                    fi;
                    if
                    :: atomic { longs > 0 -> longs = 0; is_long[me] = 1 }
                    :: true
                    fi;
endtask:            atomic {
                        (!is_long[me] || left == 1) ->
                        is_long[me] = 0; running[me] = 0; left--
                    }
                    current[me] = 0;
                    if
                    :: atomic { retires > 0 -> retires--; retiring[me] = 1; poked = 1 }
                    :: true
                    fi
                :: !running[me] && seen >= DRAINING -> break
                :: else -> /* idle */
                    atomic {
                        spinning = spinning & (7 - (1 << me));
                        sleeping = sleeping | (1 << me)
                    }
                    if
                    :: ready > 0
                    :: ready == 0 && phase != seen
                    :: else ->
                        do
                        :: atomic { value[me] > 0 -> value[me]--; break }
                        :: atomic { value[me] == 0 && idles > 0 && !asked ->
                                    idles--; asked = 1; wants[me] = 1; poked = 1 }
                        :: atomic { value[me] == 0 -> asleep[me] = 1 }
endsleep:                   (!asleep[me])
                        od
                    fi
                fi
            fi
        od;
        leaving[me] = 1;
        quit_bits();
#ifndef NO_SECOND_LOOK
        if
        :: ready > 0 ->
            wake(who, 1);
#ifndef NO_POKE
            if :: who == NONE -> poked = 1 :: else fi;
#endif
            who = 0
        :: else -> poked = 1
        fi;
#endif
endfinal: (left == 0 || (DRAIN && alive[0] && alive[1] && alive[LAST]));
        atomic { gone[me] = 1; poked = 1 }
    } unless { atomic { dead[me] -> gone[me] = 1; poked = 1; who = 0; asked = 0; seen = 0 } };
endgone:
    atomic { (!gone[me]) -> goto endstart }
}

proctype killer()
{
    do
    :: atomic { kills > 0 && alive[0] && !gone[0] && !leaving[0] -> dead[0] = 1; kills-- }
    :: atomic { kills > 0 && alive[1] && !gone[1] && !leaving[1] -> dead[1] = 1; kills-- }
    :: atomic { kills > 0 && alive[LAST] && !gone[LAST] && !leaving[LAST] ->
           dead[LAST] = 1; kills-- }
    :: atomic { kills > 0 -> kills = 0 }
    :: kills == 0 -> break
    od
}

#ifdef NO_REPLACEMENT
#define IS_ACTIVE(w) (alive[w] && !leaving[w] && !leave[w])
#else
#define IS_ACTIVE(w) (alive[w] && !leaving[w] && !leave[w] && !retiring[w])
#endif

inline retire(w)
{
    leave[w] = 1;
    atomic { value[w]++; asleep[w] = 0 }
}

inline reap_worker(w)
{
    /* pi_recover, and what it wakes */
    atomic {
        sleeping = sleeping & (7 - (1 << w));
        spinning = spinning & (7 - (1 << w));
        if :: running[w] -> running[w] = 0; is_long[w] = 0; left-- :: else fi;
        current[w] = 0; alive[w] = 0; dead[w] = 0; value[w] = 0; asleep[w] = 0;
        wants[w] = 0; retiring[w] = 0; leaving[w] = 0; leave[w] = 0
    }
    i = 0;
    do
    :: i < NW -> atomic { if :: i != w -> value[i]++; asleep[i] = 0 :: else fi; i++ }
    :: else -> break
    od;
    i = 0
}

/* More than there may be. */
inline shrink(condition)
{
    do
    :: w > 0 ->
        w--;
        if :: n_active > max && IS_ACTIVE(w) && (condition) -> n_active--; retire(w) :: else fi
    :: else -> break
    od
}

proctype supervisor()
{
    byte w, i, n_active, free, target = (ONDEMAND -> 0 : MAX), seen, max = MAX, more;
    bit reaped, grows;
endloop:
    do
    :: atomic { poked -> poked = 0; reaped = 0; n_active = 0; free = 0; w = 0 }
look:  do
       :: w < NW && alive[w] && gone[w] -> reap_worker(w); reaped = 1; w++
       :: w < NW && !(alive[w] && gone[w]) -> w++
       :: w == NW -> w = 0; break
       od;
#ifdef NO_RECOUNT
       if :: reaped -> goto endloop :: else fi;
#endif
       atomic { more = (phase != seen); seen = phase } /* check_phase */
#ifndef NO_PHASE_WAKE
       do
       :: more && w < NW -> atomic { value[w]++; asleep[w] = 0; w++ }
       :: else -> atomic { w = 0; more = 0; break }
       od;
#endif
       do
       :: w < NW -> atomic { n_active = n_active + IS_ACTIVE(w); w++ }
       :: else -> break
       od;
#if RESIZE
       max = wanted;
       shrink(!current[w]);
       w = NW;
       shrink(1);
#else
       w = 0;
#endif
       do /* retire_idle */
       :: IDLES && w < NW ->
           if
           :: seen == OPEN && IS_ACTIVE(w) && wants[w] ->
               if
               :: ready == 0 ->
                   n_active--; retire(w);
                   target = (target < n_active -> target : n_active)
               :: else
               fi
           :: else
           fi;
           w++
       :: else -> w = 0; break
       od;
       /* set_target */
       atomic {
           grows = (ONDEMAND || IDLES || DRAINING_ALONE(seen, n_active)) && n_active < max;
           if :: ONDEMAND -> target = n_active :: else fi
       }
#ifndef GROW_LAST
       may_grow = grows;
#endif
       do /* count_free */
       :: w < NW -> atomic { free = free + (IS_ACTIVE(w) && !current[w]); w++ }
       :: else -> w = 0; break
       od;
       atomic {
           more = (grows && ready > free -> ready - free : 0);
           if :: more > 0 && n_active + more > target -> target = n_active + more :: else fi;
           if
           :: seen == DRAINING && target > n_active && (grows -> more == 0 : ready == 0) ->
               target = n_active
           :: else
           fi;
           if :: target > max -> target = max :: else fi;
           free = 0; more = 0
       }
#ifdef GROW_LAST
       may_grow = grows;
#endif
       do /* start_missing: in a free worker */
       :: n_active < target && !alive[0] ->
           atomic { alive[0] = 1; gone[0] = 0; value[0] = 0; n_active++ }
       :: n_active < target && alive[0] && !alive[1] ->
           atomic { alive[1] = 1; gone[1] = 0; value[1] = 0; n_active++ }
       :: n_active < target && alive[0] && alive[1] && !alive[LAST] ->
           atomic { alive[LAST] = 1; gone[LAST] = 0; value[LAST] = 0; n_active++ }
       :: else -> break
       od;
#ifndef NO_REPLACEMENT
       do /* let_retire: there is no worker for another, or nobody is missing */
       :: RETIRES && w < NW ->
           if :: alive[w] && retiring[w] && !leave[w] -> retire(w) :: else fi;
           w++
       :: else -> w = 0; break
       od;
#endif
       if
       :: phase != seen ->
           atomic { n_active = 0; w = 0; if :: ONDEMAND -> target = 0 :: else fi }
           goto look
       :: phase == seen && seen == DRAINING && !(alive[0] || alive[1] || alive[LAST]) &&
          target <= n_active -> break
       :: else
       fi;
       atomic { n_active = 0; grows = 0; w = 0; if :: ONDEMAND -> target = 0 :: else fi }
    od;
    /* close_pool: what is cancelled here must be a task that was not yet accepted */
    atomic {
        assert(ready == mine);
        if :: mine -> mine = 0; ready = 0; cancelled = 1 :: else fi
    }
    phase = CLOSED
}

proctype closer()
{
    phase = DRAINING;
    poked = 1
}

#if RESIZE
proctype resizer()
{
    wanted = 1;
    poked = 1
}
#endif

/* submit_queued: push, call, and look at the phase again */
inline submit()
{
    if
    :: phase != OPEN -> left--
    :: else ->
        atomic { ready++; mine = 1 }
        call_worker(who);
        if
#ifndef NO_RECHECK
        :: phase != OPEN ->
            atomic { /* undo_if_closed */
                if
                :: cancelled -> cancelled = 0; left--
                :: mine -> mine = 0; ready--; left-- /* taken back */
                :: else                              /* it runs, or has run */
                fi
            }
#endif
        :: else -> atomic { mine = 0; assert(!cancelled) }
        fi
    fi
}

init
{
    byte i, who;
    atomic {
        left = T;
        run supervisor();
        for (i : 0 .. LAST) { run worker(i) }
        i = 0;
        if :: KILLS > 0 -> run killer() :: else fi;
        if :: DRAIN -> run closer() :: else fi;
#if RESIZE
        run resizer()
#endif
    }
    do
    :: i < T -> submit(); i++
    :: else -> break
    od;
    (left == 0 && kills == 0 && (!DRAIN || phase == CLOSED))
}

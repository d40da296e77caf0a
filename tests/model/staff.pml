/* staff.pml - workers on demand: who starts one, who leaves, who retires, who is told.
 *
 * Models lib/worker/staff.c (look_at_demand, let_idle_go, let_retire, start_missing), pi_call_worker
 * and pi_call_others of wake.c, and work, sleep_idle and leave of loop.c, for a pool that has on_demand
 * set and an idle timeout. Sequentially consistent; each atomic operation is one step, and a worker
 * may be killed between any two.
 *
 * Abstracted: ring and slots are a number of READY tasks (see pool.pml); nobody spins but who was
 * claimed (see idle.pml); a worker may find that it was idle for long, or that it has to retire,
 * whenever there is some left of IDLES or RETIRES; a finalizer lasts until all tasks have ended, so
 * that nothing may rely on its end. The tries to start a worker succeed. The supervisor looks again
 * at who is busy after the count, which is against too many workers and is left out.
 *
 * Checked: the program ends only when all tasks have ended, and nothing else may be the end; one task
 * lasts until all others have ended, so that these need another worker.
 *
 * Mutants, which must fail:
 *   NO_SECOND_LOOK  a worker leaves without a look at the ring (a task that came for it waits beside
 *                   another worker, which sleeps and counts as free)
 *   NO_POKE         ... or finds one, but nobody to wake, and does not tell the supervisor
 *   NO_RECOUNT      the tasks are not counted when a worker was buried (seen with KILLS=1)
 *   NO_CALL_OTHERS  a worker does not look at the ring when it has set `current`
 *   GROW_LAST       may_grow is set after the count
 *   NO_REPLACEMENT  one that retires counts as staff: nobody is started for it, and it waits
 */
#define MAX 2 /* workers; a seat more, as one that leaves has its seat until it has ended */
#define NW 3
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
#define NONE 15

byte ready, left;
byte sleeping, spinning; /* bits of seats */
byte value[NW];          /* semaphores */
bit asleep[NW], alive[NW], dead[NW], gone[NW];
bit running[NW];         /* a task is claimed */
bit current[NW];         /* ... and seen by the supervisor to be so */
bit wants[NW], retiring[NW], leaving[NW], leave[NW], is_long[NW];
bit longs = 1;
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
    byte who;
    bit asked;
endstart:
    atomic { (alive[me] && !gone[me]) -> who = 0; asked = 0 }
    {
        do
        :: leave[me] -> break
        :: else ->
            if
            :: retiring[me] ->
endretire:      atomic { (value[me] > 0) -> value[me]-- }
            :: else ->
                atomic { if :: ready > 0 -> ready--; running[me] = 1 :: else fi }
                if
                :: running[me] ->
                    quit_bits();
                    if :: ready > 0 -> wake(who, 0); who = 0 :: else fi;
                    asked = 0; wants[me] = 0;
                    current[me] = 1;
#ifndef NO_CALL_OTHERS
                    if :: may_grow && ready > 0 -> call_worker(who) :: else fi;
#endif
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
                :: else -> /* rest */
                    atomic {
                        spinning = spinning & (7 - (1 << me));
                        sleeping = sleeping | (1 << me)
                    }
                    if
                    :: ready > 0
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
        :: else
        fi;
#endif
endfinal: (left == 0);
        atomic { gone[me] = 1; poked = 1 }
    } unless { atomic { dead[me] -> gone[me] = 1; poked = 1; who = 0; asked = 0 } };
endgone:
    atomic { (!gone[me]) -> goto endstart }
}

proctype killer()
{
    do
    :: atomic { kills > 0 && alive[0] && !gone[0] && !leaving[0] -> dead[0] = 1; kills-- }
    :: atomic { kills > 0 && alive[1] && !gone[1] && !leaving[1] -> dead[1] = 1; kills-- }
    :: atomic { kills > 0 && alive[2] && !gone[2] && !leaving[2] -> dead[2] = 1; kills-- }
    :: atomic { kills > 0 -> kills = 0 }
    :: kills == 0 -> break
    od
}

#ifdef NO_REPLACEMENT
#define COUNTS(w) (alive[w] && !leaving[w] && !leave[w])
#else
#define COUNTS(w) (alive[w] && !leaving[w] && !leave[w] && !retiring[w])
#endif

inline send_away(w)
{
    leave[w] = 1;
    atomic { value[w]++; asleep[w] = 0 }
}

inline bury(w)
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

proctype supervisor()
{
    byte w, i, staff, free, target;
    bit buried;
endloop:
    do
    :: atomic { poked -> poked = 0; buried = 0; staff = 0; free = 0; w = 0 }
       do
       :: w < NW && alive[w] && gone[w] -> bury(w); buried = 1; w++
       :: w < NW && !(alive[w] && gone[w]) -> w++
       :: w == NW -> w = 0; break
       od;
#ifdef NO_RECOUNT
       if :: buried -> goto endloop :: else fi;
#endif
       do
       :: w < NW -> atomic { staff = staff + COUNTS(w); w++ }
       :: else -> w = 0; break
       od;
       do /* let_idle_go */
       :: w < NW ->
           if
           :: COUNTS(w) && wants[w] ->
               if :: ready == 0 -> staff--; send_away(w) :: else fi
           :: else
           fi;
           w++
       :: else -> w = 0; break
       od;
#ifndef GROW_LAST
       may_grow = (staff < MAX);
#endif
       do /* count_free */
       :: w < NW -> atomic { free = free + (COUNTS(w) && !current[w]); w++ }
       :: else -> w = 0; break
       od;
       atomic {
           target = staff + (ready > free -> ready - free : 0);
           if :: target > MAX -> target = MAX :: else fi;
           free = 0
       }
#ifdef GROW_LAST
       may_grow = (staff < MAX);
#endif
       do /* start_missing: in a free seat */
       :: staff < target && !alive[0] ->
           atomic { alive[0] = 1; gone[0] = 0; value[0] = 0; staff++ }
       :: staff < target && alive[0] && !alive[1] ->
           atomic { alive[1] = 1; gone[1] = 0; value[1] = 0; staff++ }
       :: staff < target && alive[0] && alive[1] && !alive[2] ->
           atomic { alive[2] = 1; gone[2] = 0; value[2] = 0; staff++ }
       :: else -> break
       od;
#ifndef NO_REPLACEMENT
       do /* let_retire: there is no seat for another, or nobody is missing */
       :: w < NW ->
           if :: alive[w] && retiring[w] && !leave[w] -> send_away(w) :: else fi;
           w++
       :: else -> w = 0; break
       od;
#endif
       atomic { staff = 0; target = 0 }
    od
}

init
{
    byte i, who;
    atomic {
        left = T;
        run supervisor();
        run worker(0); run worker(1); run worker(2);
        if :: KILLS > 0 -> run killer() :: else fi
    }
    do
    :: i < T -> ready++; call_worker(who); i++
    :: else -> break
    od;
    (left == 0 && kills == 0)
}

/* idle.pml - which workers sleep, which look out, and which are woken.
 *
 * Mirrors: idle.h, idle.c, loop.c, pi_wake_worker, pi_wake_all_workers, pi_recover
 *
 * Sequentially consistent; every atomic operation is one step, and a worker may be killed between
 * any two: sem_post, too, adds first and wakes the sleeper in a second step.
 *
 * Abstracted: ring and slots are a number of PENDING tasks, which a worker takes in one step
 * (pool.pml has the rest); a task of a dead worker ends, lost, with the recovery; a worker spins
 * whenever it likes, for as long as it likes. The look that a blocked caller takes every second is
 * left out on purpose: here a wake that is lost shows as a pool that hangs.
 *
 * Checked: it never happens that a task is in the ring and all living workers sleep for ever: the
 * program ends only when all tasks have ended, and nothing else may be the end.
 *
 * Mutants, which must fail:
 *   NO_WAKE_ALL     nobody is woken after a recovery
 *   WAKE_SLEEPING   after a recovery only workers that are SLEEPING are woken, and not one that the
 *                   dead worker had claimed but not posted, which sleeps with SPINNING set
 *   NO_CLEAR        the bits of a dead worker stay (seen with REPLACE=0)
 *   NO_SECOND_LOOK  a worker does not look at the ring once more before it sleeps
 *   NO_PASS_ON      a spinner that finds work does not pass the look-out on (seen with LONG=1)
 *   POST_FIRST      a sleeper is posted before its bit is claimed
 */
#ifndef NW
#define NW 2 /* at most 3 */
#endif
#ifndef T
#define T 2 /* tasks of the program */
#endif
#ifndef CH
#define CH 1 /* the first so many tasks submit one more */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef LONG
#define LONG 1 /* one of the tasks lasts until all others have ended, so another worker is needed */
#endif
#ifndef REPLACE
#define REPLACE 1 /* 0: no other worker can be started; then LONG must be 0 and KILLS < NW */
#endif
#define NONE 15

byte ready;           /* tasks in the ring */
byte left;            /* tasks that have not ended */
byte children = CH;
byte sleeping, spinning; /* the word: a bit for each worker */
byte value[NW];       /* semaphores */
bit asleep[NW];
bit running[NW];      /* a task is claimed by this worker */
bit dead[NW], gone[NW];
bit is_long[NW];      /* it runs the long task */
bit longs = LONG;
byte kills;

/* The lowest sleeper is claimed; who: its worker, or NONE. Bits of the word change in one step. */
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
#ifndef POST_FIRST
            sleeping = sleeping - (1 << who); spinning = spinning | (1 << who)
#endif
        :: else
        fi
    }
}

inline post(who)
{
    value[who]++;
    asleep[who] = 0
}

/* As pi_wake_worker, not forced. */
inline wake(who)
{
    if
    :: spinning != 0
    :: else ->
        claim(who);
        if
        :: who != NONE ->
            post(who);
#ifdef POST_FIRST
            atomic {
                sleeping = sleeping & (7 - (1 << who)); spinning = spinning | (1 << who)
            }
#endif
        :: else
        fi;
        who = 0
    fi
}

proctype worker(byte me)
{
    byte who;
    bit idle;
start:
    skip;
    {
        do
        :: atomic { /* take */
               if
               :: ready > 0 -> ready--; running[me] = 1
               :: else
               fi
           }
           if
           :: running[me] ->
               if
               :: idle -> /* stop_resting */
                   idle = 0;
                   atomic {
                       sleeping = sleeping & (7 - (1 << me));
                       spinning = spinning & (7 - (1 << me))
                   }
#ifndef NO_PASS_ON
                   if :: ready > 0 -> wake(who) :: else fi
#endif
               :: else
               fi;
               if /* the task */
               :: atomic { children > 0 -> children--; left++; ready++ } wake(who)
               :: else
               fi;
               if
               :: atomic { longs > 0 -> longs = 0; is_long[me] = 1 }
               :: true
               fi;
               atomic {
                   (!is_long[me] || left == 1) -> is_long[me] = 0; running[me] = 0; left--
               }
           :: else -> /* idle */
               idle = 1;
               if
               :: spinning = spinning | (1 << me);
                  if
                  :: ready > 0 -> goto again
                  :: true /* for long enough */
                  fi
               :: true
               fi;
               atomic {
                   spinning = spinning & (7 - (1 << me)); sleeping = sleeping | (1 << me)
               }
#ifndef NO_SECOND_LOOK
               if :: ready > 0 -> goto again :: else fi;
#endif
               do /* sem_wait */
               :: atomic { value[me] > 0 -> value[me]--; break }
               :: atomic { value[me] == 0 -> asleep[me] = 1 }
endsleep:         (!asleep[me])
               od
           fi;
again:     skip
        od
    } unless { atomic { dead[me] -> gone[me] = 1; who = 0; idle = 0 } };
endgone:
    atomic { !gone[me] && REPLACE -> dead[me] = 0; goto start }
}

proctype killer()
{
    do
    :: atomic { kills < KILLS && !dead[0] -> dead[0] = 1; kills++ }
    :: atomic { kills < KILLS && !dead[1 % NW] && NW > 1 -> dead[1 % NW] = 1; kills++ }
    :: atomic { kills < KILLS && !dead[2 % NW] && NW > 2 -> dead[2 % NW] = 1; kills++ }
    :: atomic { kills < KILLS -> kills = KILLS; break }
    :: atomic { kills == KILLS -> break }
    od
}

proctype supervisor()
{
    byte w, i, who;
endloop:
    do
    :: atomic {
           if
           :: gone[0] -> w = 0
           :: NW > 1 && gone[1 % NW] -> w = 1 % NW
           :: NW > 2 && gone[2 % NW] -> w = 2 % NW
           fi
       }
#ifndef NO_CLEAR
       atomic {
           sleeping = sleeping & (7 - (1 << w)); spinning = spinning & (7 - (1 << w))
       }
#endif
       atomic { if :: running[w] -> running[w] = 0; is_long[w] = 0; left-- :: else fi }
#ifndef NO_WAKE_ALL
       i = 0;
       do
       :: i < NW ->
#ifdef WAKE_SLEEPING
           claim(who);
           if :: who != NONE -> post(who) :: else -> break fi;
           i++
#else
           post(i); /* whatever its bits are: the process that was to post it may be dead */
           i++
#endif
       :: else -> break
       od;
#endif
       /* another one, with a new semaphore */
       atomic {
           value[w] = 0; asleep[w] = 0; gone[w] = 0; w = 0; i = 0; who = 0
       }
    od
}

init
{
    byte i, who;
    atomic {
        left = T;
        run supervisor();
        for (i : 0 .. NW - 1) { run worker(i) }
        i = 0;
        if :: KILLS > 0 -> run killer() :: else fi
    }
    do
    :: i < T -> ready++; wake(who); i++
    :: else -> break
    od;
    (left == 0 && kills == KILLS)
}

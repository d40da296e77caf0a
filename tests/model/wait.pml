/* wait.pml - callers who sleep until a task is final, and a worker that may die while ending it.
 *
 * Mirrors: parker.h, parker.c, pi_park_acquire, park, announce, withdraw, pi_await_final,
 * pi_finish, pi_wake_all_parkers, pi_parkers_recover
 *
 * Sequentially consistent; every atomic operation is one step, and the worker may be killed between
 * any two: sem_post, too, adds first and wakes the sleeper in a second step.
 *
 * Two futures, which one worker ends, one after the other. NP callers wait for both, the odd ones
 * in the other order, each time with whatever parker is free; some of the waits time out, and the
 * caller tries again, so parkers change hands and words may name those who have left.
 *
 * Abstracted: all else of the slot (pool.pml), how a parker's semaphore is made, and the look that
 * a blocked caller takes every second: here a wake that is lost shows as a caller that sleeps for
 * ever.
 *
 * Checked: every caller comes back, whatever happens to the worker.
 *
 * Mutants, which must fail:
 *   NO_WAKE_PARKERS  parkers are not woken after a death, but by the task that is then lost
 *   NO_MANY          a second caller writes its number over the first one's
 *   SLEEP_ANYWAY     a caller sleeps even if its number did not get into the word
 *   BLIND_WITHDRAW   a caller that leaves clears whatever number is in the word
 *   POST_FIRST       the waiter is looked up and woken before the final state is set
 */
#ifndef NP
#define NP 2 /* callers, and parkers */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 1
#endif
#ifndef NF
#define NF 2 /* futures, at most 2 */
#endif
#define NONE 15

/* the word of each future, changed as one: state, parker and a flag */
bit final[NF];
byte parker[NF]; /* 1 + the parker that is named, 0: none */
bit many[NF];

bit owned[NP]; /* parkers */
byte value[NP];
bit asleep[NP];

byte timeouts = TIMEOUTS;
bit dead, gone, finished;

inline post(p)
{
    value[p]++;
    asleep[p] = 0
}

inline wake_all_parkers()
{
    i = 0;
    do
    :: i < NP -> if :: owned[i] -> post(i) :: else fi; i++
    :: else -> i = 0; break
    od
}

/* As pi_finish: f becomes final, and whoever its word named just before is woken. */
inline finish(f)
{
#ifdef POST_FIRST
    atomic { named = parker[f]; several = many[f] }
#else
    atomic { named = parker[f]; several = many[f]; final[f] = 1 }
#endif
    if
    :: several -> wake_all_parkers()
    :: !several && named != 0 -> post(named - 1)
    :: else
    fi;
#ifdef POST_FIRST
    final[f] = 1;
#endif
    atomic { named = 0; several = 0 }
}

proctype caller(byte first)
{
    byte f, mine, seen, turn;
    bit flag;
    do
    :: turn == NF -> break
    :: else ->
        f = (first + turn) % NF;
        atomic { /* take_parker */
            if
            :: !owned[0] -> mine = 0
            :: owned[0] && !owned[1 % NP] -> mine = 1 % NP
            :: owned[0] && owned[1 % NP] && !owned[2 % NP] -> mine = 2 % NP
            fi;
            owned[mine] = 1
        }
        value[mine] = 0; /* drained */
        do
        :: atomic { /* look */
               seen = parker[f]; flag = many[f];
               if :: final[f] -> turn++; goto leave :: else fi
           }
           if
           :: atomic { timeouts > 0 -> timeouts--; goto leave }
           :: true
           fi;
           if
           :: seen == mine + 1 || flag
           :: else ->
               atomic { /* announce */
                   if
                   :: parker[f] != seen || many[f] != flag || final[f] -> flag = 0
                   :: else ->
                       flag = 0;
#ifndef NO_MANY
                       if :: seen == 0 -> parker[f] = mine + 1 :: else -> many[f] = 1 fi
#else
                       parker[f] = mine + 1
#endif
                   fi
               }
#ifndef SLEEP_ANYWAY
               goto next
#endif
           fi;
           do /* sem_wait */
           :: atomic { value[mine] > 0 -> value[mine]--; break }
           :: atomic { value[mine] == 0 -> asleep[mine] = 1 }
              if
              :: !asleep[mine]
              :: atomic { timeouts > 0 -> timeouts--; asleep[mine] = 0; goto leave }
              fi
           od;
next:      skip
        od;
leave:
        atomic { /* withdraw */
            if
#ifdef BLIND_WITHDRAW
            :: !final[f] -> parker[f] = 0
#else
            :: !final[f] && !many[f] && parker[f] == mine + 1 -> parker[f] = 0
#endif
            :: else
            fi;
            seen = 0; flag = 0
        }
        atomic { owned[mine] = 0; mine = 0 }
    od
}

proctype worker()
{
    byte i, named;
    bit several;
    {
        finish(0);
        if :: NF > 1 -> finish(NF - 1) :: else fi;
        finished = 1
    } unless { atomic { dead -> gone = 1 } }
}

proctype supervisor()
{
    byte i, named;
    bit several;
    if
    :: finished
    :: gone ->
        if :: !final[0] -> finish(0) :: else fi; /* LOST */
        if :: !final[NF - 1] -> finish(NF - 1) :: else fi;
#ifndef NO_WAKE_PARKERS
        wake_all_parkers()
#endif
    fi
}

init
{
    byte i;
    atomic {
        for (i : 0 .. NP - 1) { run caller(i % NF) }
        i = 0;
        run worker();
        run supervisor()
    }
    if
    :: atomic { KILLS > 0 && !finished -> dead = 1 }
    :: true
    fi
}

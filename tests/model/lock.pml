/* lock.pml - a lock, those who wait for it, and a worker that may die anywhere.
 *
 * Mirrors: robust_lock.h, robust_lock.c, waiters.h, waiters.c, pi_await_condition, pi_sync_lock,
 * pi_sync_unlock, recover_blocks.c
 *
 * Sequentially consistent; every atomic operation is one step. sem_post adds first and wakes the
 * sleeper in a second step.
 *
 * NP callers take the lock ROUNDS times each; the first is a worker that may be killed between any
 * two steps. Some waits time out, and that caller gives up. Readers and writers of a queue wait in
 * the same way, for another condition.
 *
 * Abstracted: the end of objects and their stamps, the trial before the first wait, the order in
 * which bits are claimed (the lowest first), and the look that a blocked caller takes every second:
 * here a wake that is lost shows as a caller that sleeps for ever.
 *
 * Checked: every caller comes back; nobody is inside with another; a death while holding is told
 * once.
 *
 * Mutants, which must fail:
 *   NO_PASS_ON   a caller that gives up does not wake another in its place
 *   LOOK_FIRST   a caller looks at the lock, then adds its bit, then sleeps
 *   NO_WAKE_ALL  the lock of the dead is freed, but nobody is woken
 *   KEEP_BITS    bits of the dead stay, and later wakes go to whoever has that parker then
 *   WAKE_FIRST   a sleeper is claimed and woken before the lock is free
 *   NO_RECOVERY  everybody is woken, but the lock stays the dead one's
 */
#ifndef NP
#define NP 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 1
#endif

byte holder; /* 1 + the caller, 0: free */
bit died;    /* with the lock's word: the next one is told */
byte deaths; /* while holding it */
byte told;
bit waits[NP];
byte value[NP];
bit asleep[NP];

byte timeouts = TIMEOUTS;
bit dead, gone, finished;

inline post(p)
{
    value[p]++;
    asleep[p] = 0
}

inline wake_one()
{
    i = 0;
    do
    :: i < NP ->
        if
        :: atomic { waits[i] -> waits[i] = 0 }
           post(i);
           break
        :: else -> i++
        fi
    :: else -> break
    od;
    i = 0
}

inline body(me)
{
    do
    :: rounds == ROUNDS -> break
    :: else ->
        do
        ::
#ifdef LOOK_FIRST
            if
            :: atomic { holder == 0 -> holder = me + 1; told = told + died; died = 0 }
               break
            :: else
            fi;
            waits[me] = 1;
#else
            waits[me] = 1;
            if
            :: atomic { holder == 0 -> holder = me + 1; told = told + died; died = 0 }
               break
            :: else
            fi;
#endif
            if
            :: atomic { timeouts > 0 -> timeouts--; left = 1 }
               break
            :: true
            fi;
            do /* sem_wait */
            :: atomic { value[me] > 0 -> value[me]--; break }
            :: atomic { value[me] == 0 -> asleep[me] = 1 }
               if
               :: !asleep[me]
               :: atomic { timeouts > 0 -> timeouts--; asleep[me] = 0; left = 1; break }
               fi
            od;
            if :: left -> break :: else fi
        od;
        waits[me] = 0;
        if
        :: left ->
#ifndef NO_PASS_ON
            if :: holder == 0 -> wake_one() :: else fi;
#endif
            break
        :: else
        fi;
        assert(holder == me + 1 && told <= deaths);
#ifdef WAKE_FIRST
        wake_one();
        holder = 0;
#else
        holder = 0;
        wake_one();
#endif
        rounds++
    od
}

proctype caller(byte me)
{
    byte i, rounds;
    bit left;
    body(me)
}

proctype worker()
{
    byte i, rounds;
    bit left;
    {
        body(0);
        finished = 1
    } unless { atomic { dead -> gone = 1 } }
}

proctype supervisor()
{
    byte i;
    if
    :: finished
    :: gone ->
#ifndef NO_RECOVERY
        if
        :: atomic { holder == 1 -> holder = 0; died = 1; deaths++ }
        :: else
        fi;
#endif
#ifndef KEEP_BITS
        waits[0] = 0;
#endif
#ifndef NO_WAKE_ALL
        i = 1;
        do
        :: i < NP -> post(i); i++
        :: else -> break
        od
#endif
    fi
}

init
{
    byte i;
    atomic {
        for (i : 1 .. NP - 1) { run caller(i) }
        i = 0;
        run worker();
        run supervisor()
    }
    if
    :: atomic { KILLS > 0 && !finished -> dead = 1 }
    :: true
    fi
}

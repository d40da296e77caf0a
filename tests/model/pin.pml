/* pin.pml - a thread whose task is ended while it is still inside: PINNED.
 *
 * Mirrors: state.h, end_running, posse_release, expire, unpin, finish, pi_finish, pi_discard,
 * recover_pinned, recover_handle
 *
 * PINNED is used with threads, which cannot be killed. Sequentially consistent; every atomic
 * operation is one step.
 *
 * One slot and one block. The program submits ROUNDS tasks there, each with its argument in the
 * block if that is free; somebody ends one of them while it runs; the program releases each when it
 * is final. The thread of one task may end inside it. A stranger takes the block whenever it is
 * free.
 *
 * Abstracted: ring, waking, results (a block like the argument), who takes the thread's place.
 *
 * Checked: a task finds its argument until it returns; in the end slot and block are free.
 *
 * Mutants, which must fail:
 *   FREE_ARG      whoever ends the task frees its argument, as with one that has ended by itself
 *   FREE_PINNED   whoever releases the task frees its slot, though it is PINNED
 *   NO_LAST       the thread clears PINNED, but does not look whether the slot was released
 *   NO_RECOVERY   the supervisor does not clear PINNED when the thread has ended inside
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif

/* states: lib/core/state.h */
#define FREE 0
#define FILLING 1
#define PENDING 2
#define RUNNING 3
#define DONE 4
#define CANCELLED 5
#define LOST 6

#define STRANGER 9
#define FINAL (state >= DONE)

/* the word, changed as one */
byte state, generation;
bit pinned, detached;
bit has_arg;

byte tag; /* of the block: 1 + generation */
byte content;
bit inside, gone; /* the thread is in a task; it has ended there */
bit exits = 1;
byte strangers = 2;

inline release_block(life) { atomic { if :: tag == 1 + life -> tag = 0 :: else fi } }

/* final -> FREE, and not PINNED, or by whoever has just cleared that */
inline discard(life)
{
    atomic {
        if
        :: FINAL && generation == life -> state = FREE; generation++; detached = 0; ok = 1
        :: else -> ok = 0
        fi
    }
    if :: ok -> release_block(life) :: else fi;
    ok = 0
}

/* By the thread, or for it when it has ended. */
inline unpin(life)
{
    atomic { pinned = 0; ok = detached }
#ifndef NO_LAST
    if :: ok -> discard(life) :: else fi
#endif
}

proctype worker()
{
    byte g;
    bit ok, arg;
endidle:
    do
    :: atomic { state == PENDING -> state = RUNNING; g = generation; arg = has_arg; inside = 1 }
       if
       :: atomic { exits -> exits = 0; inside = 0; gone = 1 } /* and another one begins */
       :: true ->
           assert(!arg || content == g); /* the task's last look at it */
           inside = 0;
           if
           :: atomic { state == RUNNING && generation == g -> state = DONE; ok = detached }
              release_block(g);
              if :: ok -> discard(g) :: else fi
           :: atomic { !(state == RUNNING && generation == g) -> skip } /* too_late */
              if :: generation == g -> release_block(g); unpin(g) :: else fi
           fi
       fi;
       atomic { g = 0; ok = 0; arg = 0 }
    od
}

proctype supervisor()
{
    byte g;
    bit ok;
endloop:
    do
    :: gone ->
        g = generation;
        atomic { if :: state == RUNNING -> state = LOST; ok = 1 :: else -> ok = 0 fi }
        if
        :: ok -> release_block(g); if :: detached -> discard(g) :: else fi
#ifndef NO_RECOVERY
        :: !ok && FINAL && pinned -> unpin(g)
#endif
        :: else
        fi;
        atomic { gone = 0; g = 0; ok = 0 }
    od
}

/* posse_kill, or a deadline */
proctype killer()
{
    byte g;
    if
    :: atomic { state == RUNNING -> state = CANCELLED; pinned = 1; g = generation }
#ifdef FREE_ARG
       release_block(g)
#endif
    :: (generation == ROUNDS)
    fi
}

proctype stranger()
{
    do
    :: atomic { tag == 0 && strangers > 0 -> strangers--; tag = STRANGER; content = STRANGER }
       tag = 0
    :: atomic { strangers > 0 -> strangers = 0 }
    :: strangers == 0 -> break
    od
}

/* posse_release */
inline release(life)
{
    do
    :: generation != life -> break
    :: generation == life ->
#ifdef FREE_PINNED
        if
        :: FINAL -> discard(life); break
#else
        if
        :: atomic { FINAL && !pinned -> ok = 1 } discard(life); break
#endif
        :: atomic { (!FINAL || pinned) && generation == life -> detached = 1 } break
        fi
    od
}

init
{
    byte r;
    bit ok;
    atomic {
        run worker(); run supervisor(); run killer(); run stranger()
    }
    do
    :: r < ROUNDS ->
        atomic { state == FREE -> state = FILLING; pinned = 0 }
        atomic {
            has_arg = 0;
            if :: tag == 0 -> tag = 1 + generation; content = generation; has_arg = 1 :: else fi
        }
        state = PENDING;
        FINAL;
        release(r);
        r++
    :: else -> break
    od;
    (state == FREE && strangers == 0 && !inside && !gone);
    (tag == 0)
}

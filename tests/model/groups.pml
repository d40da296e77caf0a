/* groups.pml - a group of slots that is opened, closed, and given no memory, while others take and
 * free its slots, and a worker that does all of this may be killed.
 *
 * Mirrors: groups.h, groups.c, pi_slots_acquire, pi_bitmap_alloc_noted, pi_slot_free, pi_discard,
 * recover_group
 *
 * Sequentially consistent; every atomic operation is one step, and the worker may be killed between
 * any two. Operations that repeat a compare-and-swap until it succeeds or may not succeed any more
 * are one step.
 *
 * Abstracted: all groups but one; tasks (a slot is FREE, or FILLING by the one which holds it); the
 * ring, and so IN_RING; the upper levels of the map, which say what the lowest does; that the
 * memory is given back only 100 ms after the close (here it may be at once: whoever looks there
 * then finds zero, which is NO_SLOT).
 *
 * Checked: a slot is held by one at a time, in an open group that has memory; no generation comes
 * twice; what a worker holds is in a group with its mark; in the end nothing is held, each bit says
 * so, and whoever needs a slot has got one.
 *
 * Mutants, which must fail:
 *   NO_FLOOR       a group begins where it began the first time
 *   GIVE_FIRST     the bits are cleared before the group is open
 *   NO_OWNER       an open group does not say that its bits are still to be cleared
 *   NO_LEAVE       the recovery leaves a group that the dead worker has claimed
 *   NO_NOTE        a taker does not say which bit it is about to set
 *   NO_TOUCH       a freer does not say which slot it frees
 *   NO_MARK        a worker does not mark the group
 *   NO_BITS        the closer does not take the bits first
 *   NO_UNDO        a close that fails does not give them back
 *   BLIND_CLOSE    the closer does not look what it closes
 */
#ifndef NS
#define NS 2 /* slots of the group */
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* slots that the program takes and frees, one after the other */
#endif
#ifndef WROUNDS
#define WROUNDS 1 /* ... and the worker, before it has done its work or dies */
#endif
#ifndef CLOSES
#define CLOSES 2
#endif
#ifndef KILLS
#define KILLS 1
#endif

#define NOBODY 0
#define PROGRAM 1
#define WORKER 2
#define SUPERVISOR 3
#define NONE 15

/* states: lib/core/state.h */
#define NO_SLOT 0
#define FREE 1
#define FILLING 2

/* The group's word. */
#define CLOSED 0
#define CLAIMED 1
#define OPEN 2
byte kind, owner, mark, bottom; /* bottom: the floor */

byte state[NS], gen[NS], holder[NS]; /* the slots' words */
bit map[NS] = 1; /* taken, as it is before the group is open */
bit memory;
byte touched = NONE; /* the worker's record */
bit noted;

bit dead, over; /* the worker; over: it has done its work */
byte kills;

byte highest[NS]; /* generations that were given out: 1 + the last */

#define ANY_BIT (map[0] == 0 || map[1] == 0)
#define MARKS (me == WORKER)

inline touch(s, n) { if :: MARKS -> touched = s; noted = n :: else fi }

/* CLOSED -> OPEN; nothing if somebody else is faster. */
inline open_group()
{
    atomic {
        if
        :: kind == CLOSED -> kind = CLAIMED; owner = me; mark = 0; ok = 1
        :: else -> ok = 0
        fi
    }
    if
    :: ok ->
        memory = 1;
        i = 0;
        do
        :: i < NS -> atomic { state[i] = FREE; gen[i] = bottom; holder[i] = NOBODY; i++ }
        :: else -> break
        od;
#ifdef GIVE_FIRST
        atomic { map[0] = 0; map[1] = 0 }
        atomic { kind = OPEN; owner = NOBODY }
#else
#ifdef NO_OWNER
        atomic { kind = OPEN; owner = NOBODY }
#else
        kind = OPEN;
#endif
        atomic { map[0] = 0; map[1] = 0 }
        owner = NOBODY;
#endif
        atomic { i = 0; ok = 0 }
    :: else
    fi
}

/* s: the slot that is ours now, NONE: none. */
inline take()
{
    s = NONE;
    do
    :: s != NONE -> break
    :: else ->
        /* the look at the map, then its bit */
        atomic {
            if
            :: map[0] == 0 -> i = 0
            :: map[0] == 1 && map[1] == 0 -> i = 1
            :: else -> i = NONE
            fi
        }
        if
        :: i == NONE -> break
        :: else
        fi;
#ifndef NO_NOTE
        atomic { touch(i, 1) }
#endif
        atomic { ok = !map[i]; map[i] = 1 }
        if
        :: ok ->
            /* pi_group_enter */
            atomic {
                ok = (kind == OPEN);
#ifndef NO_MARK
                if :: ok && MARKS -> mark = WORKER :: else fi
#endif
            }
            if
            :: ok ->
                atomic {
                    if
                    :: state[i] == FREE ->
                        assert(memory && kind == OPEN && holder[i] == NOBODY);
                        assert(gen[i] >= highest[i]);
                        assert(!MARKS || mark == WORKER);
                        state[i] = FILLING; holder[i] = me; highest[i] = gen[i] + 1; s = i
                    :: else
                    fi
                }
                if :: s != NONE -> atomic { touch(s, 0) } :: else fi
            :: else
            fi
        :: else
        fi
    od;
    atomic { i = 0; ok = 0 }
}

inline give()
{
    assert(state[s] == FILLING && holder[s] == me && kind == OPEN && memory);
#ifndef NO_TOUCH
    atomic { touch(s, 1) }
#endif
    atomic { state[s] = FREE; holder[s] = NOBODY; gen[s]++ }
    map[s] = 0;
    atomic { touch(NONE, 0) }
    s = NONE
}

/* One slot: takes it, does something else meanwhile, frees it. */
inline use()
{
    do
    :: take();
       if
       :: s != NONE -> break
       :: else -> (ANY_BIT || kind == CLOSED); open_group()
       fi
    od;
    atomic { touch(NONE, 0) }
    give()
}

active proctype program()
{
    byte s, i, k;
    bit ok;
    byte me = PROGRAM;
    do
    :: k < ROUNDS -> use(); k++
    :: else -> break
    od;
    /* At rest. */
    (over && kills == KILLS && !dead && (kind == CLOSED || kind == OPEN) && owner == NOBODY);
    atomic {
        if
        :: kind == OPEN ->
            assert(state[0] != FILLING && state[1] != FILLING);
            /* whoever is closing it just now has the bits */
            (kind == CLOSED || (map[0] == 0 && map[1] == 0))
        :: else
        fi
    }
}

active proctype worker()
{
    byte s, i, k;
    bit ok;
    byte me = WORKER;
start:
    {
        do
        :: k < WROUNDS -> use(); k++
        :: else -> break
        od;
        over = 1;
endwork:
        (dead)
    } unless {
        atomic { dead -> s = 0; i = 0; ok = 0; k = 0 }
    };
    /* another one takes its place, which has nothing to do */
    over = 1
}

active proctype killer()
{
    if
    :: atomic { kills < KILLS -> kills = KILLS; dead = 1 }
    :: kills = KILLS
    fi
}

/* ---- the supervisor ---- */

inline close()
{
    atomic {
#ifdef NO_BITS
        ok = (kind == OPEN && owner == NOBODY)
#else
        ok = (kind == OPEN && owner == NOBODY && map[0] == 0 && map[1] == 0);
        if :: ok -> map[0] = 1; map[1] = 1 :: else fi
#endif
    }
    if
    :: ok ->
        i = 0;
        do
        :: i < NS && ok ->
            atomic {
                if
#ifdef BLIND_CLOSE
                :: true -> state[i] = NO_SLOT; holder[i] = NOBODY; i++
#else
                :: state[i] == FREE -> state[i] = NO_SLOT; i++
#endif
                :: else -> ok = 0
                fi
            }
        :: else -> break
        od;
        if
        :: ok ->
            atomic {
                kind = CLOSED; mark = 0;
#ifndef NO_FLOOR
                bottom = (gen[0] > gen[1] -> gen[0] : gen[1]) + 1
#endif
            }
            if
            :: atomic { kind == CLOSED -> kind = CLAIMED; owner = SUPERVISOR }
               atomic {
                   memory = 0; state[0] = NO_SLOT; state[1] = NO_SLOT; gen[0] = 0; gen[1] = 0
               }
               atomic { kind = CLOSED; owner = NOBODY }
            :: true /* not now */
            fi
        :: else ->
            do
            :: i > 0 -> i--; state[i] = FREE
            :: else -> break
            od;
#ifndef NO_UNDO
            atomic {
                if :: state[0] == FREE -> map[0] = 0 :: else fi;
                if :: state[1] == FREE -> map[1] = 0 :: else fi
            }
#endif
        fi
    :: else
    fi;
    atomic { i = 0; ok = 0 }
}

inline recover_slot(j)
{
    atomic {
        if
        :: state[j] == FILLING && holder[j] == WORKER ->
            state[j] = FREE; holder[j] = NOBODY; gen[j]++; ok = 1
        :: else -> ok = (touched == j && noted && state[j] == FREE)
        fi
    }
    if :: ok -> map[j] = 0 :: else fi;
    ok = 0
}

inline recover()
{
    if :: touched < NS && kind == OPEN -> i = touched; recover_slot(i) :: else fi;
    if
#ifndef NO_LEAVE
    :: kind == CLAIMED && owner == WORKER -> atomic { kind = CLOSED; owner = NOBODY }
#endif
    :: kind == OPEN && owner == WORKER ->
        atomic {
            if :: state[0] == FREE -> map[0] = 0 :: else fi;
            if :: state[1] == FREE -> map[1] = 0 :: else fi
        }
        owner = NOBODY
    :: else
    fi;
    if
    :: kind == OPEN && mark == WORKER -> recover_slot(0); recover_slot(1)
    :: else
    fi;
    atomic { i = 0; ok = 0; touched = NONE; noted = 0; dead = 0 }
}

active proctype supervisor()
{
    byte i, k;
    bit ok;
end:
    do
    :: atomic { k < CLOSES && kind == OPEN -> k++ }
       close()
    :: dead && over -> recover()
    od
}

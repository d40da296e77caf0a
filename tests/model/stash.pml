/* stash.pml - slots that a thread of the program keeps, beside the map, the trim, and a recovery
 * that looks at all slots.
 *
 * Mirrors: stash.h, stash.c, pi_slots_fill, pi_slots_acquire, pi_group_give, pi_slot_give,
 * pi_bitmap_clear, recover_slot
 *
 * Sequentially consistent; every atomic operation is one step. A thread with a stash and a worker
 * take and free the two slots of one group. The recovery after another worker's death gives each
 * slot its bit that is FREE and has none, as if a dead freer had left it. The trim closes the group
 * if all bits are set, and somebody opens it again.
 *
 * Abstracted: all groups but one, so what is released is flushed when the thread has no other slot;
 * the group opens and closes its slots in one step (groups.pml has these); blocks, rings, tasks: a
 * slot that is taken stands for one with a task.
 *
 * Checked: a slot is taken by one at a time; when nobody is in the midst of a step, a group with a
 * slot that is taken does not look as if all were free: whoever walks over all tasks passes such a
 * group; in the end each slot is in the map or in the stash.
 *
 * Mutants, which must fail:
 *   NO_CLEAR       a taker does not clear a bit that was set meanwhile
 *   NO_LOOK        whoever sets a bit does not look at the slot again
 *   ONE_LOOK       ... clears the bit if the slot is not FREE any more, and looks no more
 *   NO_GROUP       the thread does not look whether the group is open
 */
#ifndef ROUNDS
#define ROUNDS 2 /* slots that each takes and frees */
#endif
#ifndef SWEEPS
#define SWEEPS 1
#endif
#ifndef CLOSES
#define CLOSES 1
#endif

#define NO_SLOT 0
#define FREE 1
#define TAKEN 2
#define NONE 15

byte state[2] = FREE;
bit map[2] = 1;      /* the bit is set */
bit next[2], rel[2]; /* the stash */
bit open = 1;
byte inside;         /* who is in the midst of a step */
byte done;

#define LOOKS_FREE (map[0] && map[1])

/* After the word was won. */
inline clear(s)
{
#ifndef NO_CLEAR
    if
    :: map[s] -> map[s] = 0
    :: else
    fi
#else
    skip
#endif
}

inline win(s)
{
    atomic {
        ok = 0;
        if
        :: state[s] == FREE -> state[s] = TAKEN; ok = 1
        :: else
        fi
    }
}

/* Sets the bit of a slot that is FREE. */
inline give(s)
{
#ifdef NO_LOOK
    map[s] = 1
#else
    do
    :: state[s] == FREE ->
        map[s] = 1;
        if
        :: state[s] == FREE -> break
        :: else -> map[s] = 0
#ifdef ONE_LOOK
            ; break
#endif
        fi
    :: else -> break
    od
#endif
}

inline flush(s)
{
    if
    :: rel[s] -> give(s); rel[s] = 0
    :: else
    fi
}

active proctype thread()
{
    byte k, s = NONE;
    bit ok;
    do
    :: k == ROUNDS -> break
    :: k < ROUNDS ->
        atomic { inside++; s = NONE }
        do
        :: s != NONE -> break
        :: else ->
            if
            :: !next[0] && !next[1] ->
                flush(0);
                flush(1);
                atomic { /* one operation on the word of the map */
                    next[0] = map[0]; next[1] = map[1]; map[0] = 0; map[1] = 0
                }
            :: else
            fi;
            if
            :: atomic { next[0] -> next[0] = 0; s = 0 }
            :: atomic { !next[0] && next[1] -> next[1] = 0; s = 1 }
            :: atomic { !next[0] && !next[1] -> inside-- }
               atomic { LOOKS_FREE || map[0] || map[1] || !open -> inside++ }
               if :: atomic { !open -> open = 1; state[0] = FREE; state[1] = FREE;
                                       map[0] = 1; map[1] = 1 } :: else fi
            fi;
            if
            :: s == NONE
            :: else ->
#ifndef NO_GROUP
                if :: !open -> s = NONE :: else fi
#else
                skip
#endif
            fi;
            if
            :: s == NONE
            :: else ->
#ifdef NO_GROUP
                assert(open);
#endif
                win(s);
                if
                :: ok -> clear(s)
                :: else -> s = NONE
                fi
            fi
        od;
        inside--;
        assert(state[s] == TAKEN);
        atomic { inside++; state[s] = FREE }
        /* beside what it has, or alone */
        if
        :: atomic { next[1 - s] || !rel[1 - s] -> next[s] = 1 }
        :: atomic { !next[1 - s] -> rel[s] = 1 }
        fi;
        atomic { inside--; k++; s = NONE }
    od;
    done++
}

active proctype worker()
{
    byte k, s = NONE;
    bit ok;
    do
    :: k == ROUNDS -> break
    :: k < ROUNDS ->
        if
        :: atomic { map[0] -> map[0] = 0; s = 0; inside++ }
        :: atomic { map[1] -> map[1] = 0; s = 1; inside++ }
        :: k = ROUNDS /* there is none, or it has no work */
        fi;
        if
        :: s != NONE ->
            if
            :: open -> win(s)
            :: else -> ok = 0
            fi;
            if
            :: ok ->
                clear(s);
                inside--;
                assert(state[s] == TAKEN);
                atomic { inside++; state[s] = FREE }
                give(s)
            :: else
            fi;
            atomic { inside--; s = NONE; k++; ok = 0 }
        :: else
        fi
    od;
    done++
}

/* As if a dead freer had left it. */
inline restore(s)
{
    if
    :: atomic { state[s] == FREE && !map[s] -> inside++ }
       give(s);
       inside--
    :: else
    fi
}

active proctype recovery()
{
    byte k;
    do
    :: k < SWEEPS -> restore(0); restore(1); k++
    :: else -> break
    od;
    done++
}

active proctype trim()
{
    byte k;
    bit ok;
    do
    :: k < CLOSES ->
        k++;
        atomic {
            ok = open && LOOKS_FREE;
            if :: ok -> map[0] = 0; map[1] = 0; inside++ :: else fi
        }
        if
        :: ok ->
            atomic {
                if
                :: state[0] == FREE && state[1] == FREE ->
                    state[0] = NO_SLOT; state[1] = NO_SLOT; open = 0
                :: else ->
                    map[0] = (state[0] == FREE); map[1] = (state[1] == FREE)
                fi;
                inside--
            }
        :: else
        fi
    :: break
    od;
    done++
}

active proctype walker()
{
    do
    :: atomic { inside == 0 && open && LOOKS_FREE ->
                assert(state[0] != TAKEN && state[1] != TAKEN) }
    :: atomic { done == 4 ->
                assert(!open || ((map[0] || next[0] || rel[0]) && (map[1] || next[1] || rel[1])));
                break }
    od
}

/* stash.pml - slots that a thread of the program keeps, beside the map, the trim, a worker that may
 * be killed, and a recovery that may look at all slots.
 *
 * Mirrors: stash.h, stash.c, pi_slots_fill, pi_slots_acquire, pi_group_give, pi_group_repair,
 * pi_slot_give, pi_bitmap_clear, pi_discard, recover_slot, recover_group
 *
 * Sequentially consistent; every atomic operation is one step, and the worker may be killed between
 * any two. A thread with a stash and a worker take and free the two slots of one group. The
 * recovery after another worker's death gives each slot its bit that is FREE and has none, as if a
 * dead freer had left it. The trim closes the group if all bits are set, and the thread opens it
 * again.
 *
 * Abstracted: all groups but one, so what is released is flushed when the thread has no other slot;
 * the group opens and closes its slots in one step (groups.pml has these); blocks, rings, tasks: a
 * slot that is taken stands for one with a task.
 *
 * Checked: a slot is taken by one at a time; when nobody is in the midst of a step, a group with a
 * slot that is taken does not look as if all were free: a walk over all tasks passes such a group;
 * in the end each slot is in the map or in the stash.
 *
 * Mutants, which must fail:
 *   NO_CLEAR       a taker does not clear a bit that was set meanwhile
 *   NO_LOOK        the setter of a bit does not look at the slot again
 *   ONE_LOOK       ... clears the bit if the slot is not FREE any more, and looks no more
 *   NO_GROUP       the thread does not look whether the group is open
 *   NO_REPAIR      the recovery leaves a bit that the dead worker has set, though the slot is taken
 *   CLEAR_ONLY     ... clears it, and does not look whether the slot is FREE by then
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
#ifndef KILLS
#define KILLS 1
#endif

#define NO_SLOT 0
#define FREE 1
#define THREADS 2 /* taken by the thread */
#define WORKERS 3
#define NONE 15

byte state[2] = FREE;
bit map[2] = 1;      /* the bit is set */
bit next[2], rel[2]; /* the stash */
bit open = 1;
byte inside;         /* how many are in the midst of a step */
bit worker_inside;
byte touched = NONE; /* the worker's record: the slot that it has noted */
bit dead, over;      /* the worker; over: it does nothing any more */
byte kills, done;

#define LOOKS_FREE (map[0] && map[1])
#define TAKEN(s) (state[s] >= THREADS)

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

inline win(s, me)
{
    atomic {
        ok = 0;
        if
        :: state[s] == FREE -> state[s] = me; ok = 1
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
                win(s, THREADS);
                if
                :: ok -> clear(s)
                :: else -> s = NONE
                fi
            fi
        od;
        inside--;
        assert(state[s] == THREADS);
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

inline enter() { inside++; worker_inside = 1 }
inline leave() { inside = inside - worker_inside; worker_inside = 0 }

active proctype worker()
{
    byte k, s = NONE;
    bit ok;
    {
        do
        :: k == ROUNDS -> break
        :: k < ROUNDS ->
            if
            :: atomic { map[0] -> s = 0 }
            :: atomic { map[1] -> s = 1 }
            :: k = ROUNDS /* there is none, or it has no work */
            fi;
            if
            :: s != NONE ->
                touched = s;
                atomic {
                    ok = map[s];
                    if :: ok -> map[s] = 0; enter() :: else fi
                }
                if
                :: ok && open -> win(s, WORKERS)
                :: else -> ok = 0
                fi;
                if
                :: ok ->
                    clear(s);
                    atomic { touched = NONE; leave() }
                    assert(state[s] == WORKERS);
                    touched = s;
                    atomic { enter(); state[s] = FREE }
                    give(s);
                    touched = NONE
                :: else
                fi;
                atomic { leave(); s = NONE; k++; ok = 0 }
            :: else
            fi
        od
    } unless {
        atomic { dead -> s = NONE; k = 0; ok = 0 }
    };
    atomic { over = 1; done++ }
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

/* pi_discard */
inline free_workers(s)
{
    if
    :: atomic { state[s] == WORKERS -> state[s] = FREE }
       give(s)
    :: else
    fi
}

inline repair(s)
{
#ifdef NO_REPAIR
    if
    :: state[s] == FREE && !map[s] -> give(s)
    :: else
    fi
#else
    if
    :: state[s] != FREE ->
        if
        :: map[s] -> map[s] = 0
        :: else
        fi
#ifdef CLEAR_ONLY
    :: else -> give(s)
    fi
#else
    :: else
    fi;
    give(s)
#endif
#endif
}

inline recover()
{
    free_workers(0);
    free_workers(1);
    if
    :: open && touched != NONE -> repair(touched)
    :: else
    fi;
    atomic { touched = NONE; leave(); inside-- }
}

active proctype recovery()
{
    byte k;
    do
    :: k < SWEEPS -> restore(0); restore(1); k++
    :: atomic { kills < KILLS && !over -> kills++; dead = 1; inside++ }
       recover()
    :: break
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
                assert(!TAKEN(0) && !TAKEN(1)) }
    :: atomic { done == 4 ->
                assert(!open || ((map[0] || next[0] || rel[0]) && (map[1] || next[1] || rel[1])));
                break }
    od
}

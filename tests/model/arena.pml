/* arena.pml - blocks of shared memory: who holds them, and who frees them when somebody dies.
 *
 * Models lib/core/arena.h and arena.c, of lib/worker/memory.c grow_class, free_held, reclaim,
 * back_block, acquire_in, pi_block_release and pi_block_attach, take_block of lib/submit.c, settle
 * of run.c, pi_finish and pi_discard of wake.c, and drop_attached and recover_block of recover.c.
 * Sequentially consistent; every atomic operation is one step, and a worker may be killed between
 * any two.
 *
 * One slot and one class of large blocks. The program submits ROUNDS tasks there, one after the
 * other, each with a block for its argument if there is one; the first and every second one after it
 * is detached, so that the worker which ends it frees the slot, while the program uses it again.
 * The task makes a result in a block, if there is one. A task whose worker died is run again
 * RETRIES times.
 *
 * Abstracted: all else of the slot and its ring (pool.pml), the upper levels of the map, names,
 * blocks that a task holds for itself, objects (tags of another kind, which end in the same way),
 * and tasks that free what is not theirs. Who finds no block
 * does without, as with an argument that is small.
 *
 * Checked: what was written into an argument or result is there when it is read; nobody writes
 * where there is no memory; in the end every block is FREE, and the map says so.
 *
 * Mutants, which must fail:
 *   NO_GENERATION  a tag does not say which life of the slot its block is attached to
 *   NO_HELD        the recovery does not free what the dead worker held
 *   NO_SWEEP       ... nor what is attached to a life that is over
 *   NO_BIT         ... nor gives bits of the map back
 *   NO_DROP        ... nor frees the result that the worker had attached
 *   NO_ARG_CHECK   ... and takes the argument for it (a slot still names its last life's result)
 *   RELEASE_FREES  whoever releases a block makes it FREE at once, and then gives its memory back
 *   DISCARD_FIRST  a block's memory goes back before `backed` is lowered
 *   NO_GIVE        reclaim does not give the bit back
 */
#ifndef NW
#define NW 2 /* workers, at most 2 */
#endif
#ifndef NB
#define NB 2 /* blocks */
#endif
#ifndef ROUNDS
#define ROUNDS 3
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef RETRIES
#define RETRIES 1
#endif
#ifndef WARM
#define WARM 1 /* so many blocks keep their memory when they are freed */
#endif

/* owners, and tags HELD(owner) */
#define PROGRAM 3
#define NOBODY 4
#define FREE 0
#define ATTACHED 8
#ifdef NO_GENERATION
#define TAG(g) ATTACHED
#else
#define TAG(g) (ATTACHED + (g))
#endif
#define NONE 15

/* the slot's word, changed as one; it is FREE, too */
#define FILL 1
#define READY 2
#define RUN 3
#define DONE 4
#define LOST 5
byte state, generation, owner;
bit detached;
/* its fields: blocks, or NONE */
byte arg = NONE, result = NONE;
byte retries;

byte tag[NB];
bit taken[NB]; /* the map */
bit backed[NB];
byte count;

bit memory[NB];   /* what there is really */
byte content[NB]; /* 1 + generation of an argument, 9 + generation of a result */
bit dead[NW], gone[NW], busy[NW];
byte kills;
bit over; /* the program has nothing more to do */

/* ---- blocks. Locals: b, i, seen, ok, tries ---- */

inline give_back(j)
{
#ifdef DISCARD_FIRST
    memory[j] = 0;
    backed[j] = 0
#else
    backed[j] = 0;
    memory[j] = 0
#endif
}

/* HELD -> FREE */
inline free_held(j)
{
    if :: j >= WARM -> give_back(j) :: else fi;
    tag[j] = FREE;
    taken[j] = 0
}

inline release(me, j, from)
{
    if
    :: j != NONE ->
#ifdef RELEASE_FREES
        atomic { if :: tag[j] == from -> tag[j] = FREE; ok = 1 :: else -> ok = 0 fi }
        if :: ok -> give_back(j); taken[j] = 0 :: else fi
#else
        atomic { if :: tag[j] == from -> tag[j] = me; ok = 1 :: else -> ok = 0 fi }
        if :: ok -> free_held(j) :: else fi
#endif
    :: else
    fi;
    ok = 0
}

inline reclaim(me)
{
    i = 0;
    do
    :: i < count ->
        if
        :: backed[i] ->
            atomic { if :: tag[i] == FREE -> tag[i] = me; ok = 1 :: else -> ok = 0 fi }
            if
            :: ok ->
                give_back(i);
                tag[i] = FREE;
#ifndef NO_GIVE
                taken[i] = 0 /* a taker may have failed at the tag meanwhile */
#endif
            :: else
            fi
        :: else
        fi;
        i++
    :: else -> break
    od;
    atomic { i = 0; ok = 0 }
}

/* b: a block HELD(me), or NONE */
inline acquire(me)
{
    do
    :: atomic { /* pi_map_take */
           seen = count;
           if
           :: seen > 0 && !taken[0] -> b = 0
           :: !(seen > 0 && !taken[0]) && seen > 1 && !taken[1 % NB] -> b = 1 % NB
           :: !(seen > 0 && !taken[0]) && !(seen > 1 && !taken[1 % NB]) && seen > 2 &&
              !taken[2 % NB] -> b = 2 % NB
           :: else -> b = NONE
           fi;
           if :: b != NONE -> taken[b] = 1 :: else fi
       }
       if
       :: b != NONE ->
           atomic { if :: tag[b] == FREE -> tag[b] = me; ok = 1 :: else -> ok = 0 fi }
           if
           :: ok ->
               if :: backed[b] :: else -> memory[b] = 1; backed[b] = 1 fi;
               break
           :: else /* the bit was wrong */
           fi
       :: b == NONE && seen < NB ->
           atomic { if :: count == seen -> count = seen + 1 :: else fi }
       :: b == NONE && seen == NB && !tries -> tries = 1; reclaim(me)
       :: b == NONE && seen == NB && tries -> break
       fi
    od;
    atomic { seen = 0; ok = 0; tries = 0 }
}

/* b is written, its reference stored, and it belongs to this life of the slot. */
inline put(where, what, life)
{
    if
    :: b != NONE ->
        assert(memory[b]);
        content[b] = what;
        where = b;
        atomic { if :: tag[b] != FREE && tag[b] < ATTACHED -> tag[b] = TAG(life) :: else fi }
    :: else -> where = NONE
    fi;
    b = NONE
}

/* ---- slots. Locals: x, y (blocks) ---- */

inline discard(by, life)
{
    atomic { x = arg; y = result }
    atomic {
        if
        :: (state == DONE || state == LOST) && generation == life ->
            state = FREE; generation++; detached = 0; ok = 1
        :: else -> ok = 0
        fi
    }
    if
    :: ok -> release(by, x, TAG(life)); release(by, y, TAG(life))
    :: else
    fi;
    atomic { x = NONE; y = NONE; ok = 0 }
}

/* By whoever runs it, or the supervisor in its place. */
inline finish(by, runner, life, end)
{
    x = arg;
    atomic {
        assert(state == RUN && generation == life && owner == runner);
        state = end; ok = detached
    }
    y = ok;
    release(by, x, TAG(life));
    if :: y == 1 -> discard(by, life) :: else fi;
    atomic { x = NONE; y = NONE; ok = 0 }
}

proctype worker(byte me)
{
    byte b = NONE, i, seen, x = NONE, y = NONE, g;
    bit ok, tries;
start:
    skip;
    {
endidle:
        do
        :: atomic { state == READY -> state = RUN; owner = me; g = generation; busy[me - 1] = 1 }
           acquire(me);
           put(result, 9 + g, g);
           x = arg;
           if :: x != NONE -> assert(content[x] == 1 + g) :: else fi;
           x = NONE;
           finish(me, me, g, DONE);
           atomic { busy[me - 1] = 0; g = 0 }
        od
    } unless {
        atomic {
            dead[me - 1] -> gone[me - 1] = 1;
            b = NONE; i = 0; seen = 0; x = NONE; y = NONE; g = 0; ok = 0; tries = 0
        }
    };
    atomic { !gone[me - 1] -> dead[me - 1] = 0; goto start }
}

proctype killer()
{
    do
    :: atomic { kills < KILLS && !dead[0] -> dead[0] = 1; kills++ }
    :: atomic { kills < KILLS && kills > 0 && NW > 1 && !dead[NW - 1] ->
                dead[NW - 1] = 1; kills++ }
    :: atomic { kills < KILLS -> kills = KILLS; break }
    :: atomic { kills == KILLS -> break }
    od
}

inline recover_slot(w)
{
    if
    :: state == RUN && owner == w ->
        g = generation;
        x = result; /* drop_attached */
#ifndef NO_DROP
#ifdef NO_ARG_CHECK
        release(NOBODY, x, TAG(g));
#else
        if :: x != arg -> release(NOBODY, x, TAG(g)) :: else fi;
#endif
#endif
        atomic { result = NONE; x = NONE }
        if
        :: retries > 0 -> atomic { retries--; state = READY }
        :: else -> finish(NOBODY, w, g, LOST)
        fi
    :: else
    fi;
    if
    :: atomic { (state == DONE || state == LOST) && detached -> g = generation }
       discard(NOBODY, g)
    :: else
    fi;
    g = 0
}

inline recover_block(w, j)
{
    seen = tag[j];
#ifndef NO_BIT
    if :: seen == FREE && taken[j] -> taken[j] = 0 :: else fi;
#endif
    if
#ifndef NO_HELD
    :: seen == w -> release(NOBODY, j, seen)
#endif
#ifndef NO_SWEEP
    :: seen >= ATTACHED ->
        if
        :: state == FREE || TAG(generation) != seen -> release(NOBODY, j, seen)
        :: else
        fi
#endif
    :: else
    fi;
    seen = 0
}

proctype supervisor()
{
    byte w, j, seen, x = NONE, y = NONE, g;
    bit ok;
endloop:
    do
    :: atomic { if :: gone[0] -> w = 1 :: NW > 1 && gone[NW - 1] -> w = NW fi }
       recover_slot(w);
       do
       :: j < count -> recover_block(w, j); j++
       :: else -> break
       od;
       atomic { gone[w - 1] = 0; busy[w - 1] = 0; w = 0; j = 0 }
    od
}

#define AT_REST (state == FREE && kills == KILLS && !gone[0] && !gone[NW - 1] && \
                 dead[0] == 0 && dead[NW - 1] == 0 && !busy[0] && !busy[NW - 1])

init
{
    byte b = NONE, i, seen, x = NONE, y = NONE, g, r;
    bit ok, tries;
    atomic {
        run supervisor();
        for (i : 1 .. NW) { run worker(i) }
        i = 0;
        if :: KILLS > 0 -> run killer() :: else fi
    }
    do
    :: r < ROUNDS ->
        atomic { state == FREE -> state = FILL; owner = PROGRAM; retries = RETRIES; g = generation }
        acquire(PROGRAM);
        put(arg, 1 + g, g);
        atomic { detached = (r % 2 == 0); state = READY }
        if
        :: r % 2 == 1 ->
            (state == DONE || state == LOST);
            assert(generation == g);
            if
            :: state == DONE ->
                x = result;
                if :: x != NONE -> assert(content[x] == 9 + g) :: else fi;
                x = NONE
            :: else
            fi;
            discard(PROGRAM, g)
        :: else
        fi;
        atomic { r++; g = 0 }
    :: else -> break
    od;
    (AT_REST);
    for (i : 0 .. NB - 1) { assert(tag[i] == FREE && !taken[i]) }
}

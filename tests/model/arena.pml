/* arena.pml - blocks of shared memory: who holds them, and who frees them when somebody dies.
 *
 * Mirrors: arena.h, arena.c, units.c, span.c, acquire_small, acquire_large, pi_reclaim_blocks,
 * pi_recover_blocks
 *
 * Sequentially consistent; every atomic operation is one step, and a worker may be killed between
 * any two.
 *
 * Two units. A span has two blocks, a large block is both units. The program and the workers take
 * blocks, write there, look whether what they wrote is still there, and free them; a worker gives
 * some to the program, which looks at them and frees them (ATTACHED, as a result); with CROWD the
 * program gives a worker one to free (an argument) and keeps two. Who finds no unit
 * closes empty spans, discards what is free, and then takes from others' spans; who finds nothing
 * then does without.
 *
 * Abstracted: backing, which always succeeds; the trim, which discards as anybody without memory
 * does, but later; the end of the arena; objects; hints, which say where a look begins. What is
 * passed on is passed in one step: a slot's own protocol is in pool.pml.
 *
 * Checked: nobody writes where there is no memory, or over another's bytes; a large block has its
 * length; in the end nothing is held, and a span with a free block says so.
 *
 * Mutants, which must fail:
 *   NO_LIFE        a FREE tag does not say of which life of the span it is
 *   SAME_LIFE      a large block does not begin a life of its unit
 *   PLAIN_INFO     who frees a block stores its unit's value, whatever it is by now
 *   NO_SECOND_LOOK a taker that found nothing says so and does not look again
 *   NO_TELL        the recovery does not say that a block may be free
 *   NO_HELD        ... nor frees what the dead worker held
 *   NO_CLAIMED     ... nor what it had claimed
 *   KEEP_MEMORY    ... and takes what it had claimed for memory
 *   NO_REOPEN      ... nor opens what it was closing
 *   NO_ANYONE      who finds no memory takes from others' spans as they are
 *   HEAD_FIRST     a large block is freed from its head on
 *   BLIND_CLOSE    an empty span is closed at once, without its blocks' tags
 *   BLIND_DISCARD  memory that is free is discarded without a claim
 */
#ifndef NW
#define NW 1 /* workers, at most 2 */
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* of each */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef CROWD
#define CROWD 0 /* 1: at first both units are the program's spans, and it holds a block of each */
#endif
#ifndef LARGES
#define LARGES 1 /* whether there are large blocks */
#endif

#ifndef LENGTH
#define LENGTH 1 /* a large block's value: 1, as a span may have, or 2, as it has units */
#endif

/* owners */
#define PROGRAM 3
#define ANYONE 4

/* kinds of a unit */
#define NONE 0
#define FREE 1
#define CLAIMED 2
#define HELD 3
#define INSIDE 4
#define SPAN 5
#define ATTACHED 6

/* A unit's tag is kind to bare, changed as one; its info is era and value. */
typedef unit {
    byte kind, owner, closer, life;
    bit bare;
    byte era, value;
    bit memory /* what there is really */
}
unit u[2];

/* blocks' tags: 0 is NONE */
#ifdef NO_LIFE
#define FREE_IN(life) 10
#else
#define FREE_IN(life) (10 + (life))
#endif
#define HELD_BY(owner) (100 + (owner))
#define GIVEN 110
byte t[4];
byte content[4]; /* who wrote the block; of a large one both halves of both */

/* what a process has, or has given: a block 0..3, a large one, or nothing */
#define LARGE 4
#define NO 5
byte box = NO;
byte arg = NO; /* a block that the program gave, which the worker frees */

bit dead[NW], gone[NW], done[NW];
byte rounds[NW]; /* that are over */
byte kills;

/* ---- locals: b, i, j, k, life, ok ---- */

/* Takes a block of unit k, whose life was seen. */
inline look_in(me)
{
    i = 2 * k;
    do
    :: i < 2 * k + 2 ->
        atomic {
            if
            :: t[i] == FREE_IN(life) -> t[i] = HELD_BY(me); b = i
            :: else
            fi
        }
        if :: b != NO -> break :: else -> i++ fi
    :: else -> break
    od;
    i = 0
}

inline say(from, to)
{
    atomic {
        if
        :: u[k].era == life && u[k].value == from -> u[k].value = to; ok = 1
        :: else -> ok = 0
        fi
    }
}

inline take_in(me)
{
    atomic {
        life = u[k].life;
        ok = u[k].kind == SPAN && u[k].closer == 0 && (u[k].owner == me || u[k].owner == ANYONE);
#ifdef NO_ANYONE
        if :: any && u[k].kind == SPAN && u[k].closer == 0 -> ok = 1 :: else fi
#endif
    }
    if :: ok -> atomic { ok = !(u[k].era == life && u[k].value == 0) } :: else fi;
    if
    :: ok ->
        look_in(me);
        if
        :: b == NO ->
            say(1, 0);
#ifndef NO_SECOND_LOOK
            if
            :: ok ->
                look_in(me);
                if :: b != NO -> say(0, 1) :: else fi
            :: else
            fi
#endif
        :: else
        fi
    :: else
    fi;
    atomic { ok = 0; life = 0 }
}

inline take_from(me)
{
    k = 0;
    do
    :: k < 2 && b == NO -> take_in(me); k++
    :: else -> break
    od;
    k = 0
}

inline share()
{
    skip;
#ifndef NO_ANYONE
    atomic {
        if
        :: u[k].kind == SPAN && u[k].closer == 0 && u[k].value == 1 -> u[k].owner = ANYONE
        :: else
        fi
    }
#endif
}

inline take_any(me)
{
    k = 0; any = 1;
    do
    :: k < 2 && b == NO -> share(); take_in(me); k++
    :: else -> break
    od;
    atomic { k = 0; any = 0 }
}

inline claim_one(me)
{
    atomic {
        if
        :: u[k].kind == NONE || u[k].kind == FREE ->
            u[k].bare = u[k].kind == NONE; u[k].kind = CLAIMED; u[k].owner = me; ok = 1
        :: else -> ok = 0
        fi
    }
}

inline put_back(n)
{
    atomic { u[n].kind = (u[n].bare -> NONE : FREE); u[n].owner = 0; u[n].bare = 0 }
}

inline back(n)
{
    if :: u[n].bare -> u[n].memory = 1; u[n].bare = 0 :: else fi
}

inline open_span(me)
{
    back(k);
    atomic { life = u[k].era + 1 }
    t[2 * k] = HELD_BY(me);
    t[2 * k + 1] = FREE_IN(life);
    atomic { u[k].era = life; u[k].value = 1 }
    atomic { u[k].kind = SPAN; u[k].life = life; u[k].closer = 0; b = 2 * k; life = 0 }
}

inline open_one(me)
{
    k = 0;
    do
    :: k < 2 ->
        claim_one(me);
        if :: ok -> open_span(me); break :: else -> k++ fi
    :: else -> break
    od;
    atomic { k = 0; ok = 0 }
}

inline reopen(n)
{
    i = 2 * n;
    do
    :: i < 2 * n + 2 ->
        atomic { if :: t[i] == 0 -> t[i] = FREE_IN(u[n].life) :: else fi }
        i++
    :: else -> break
    od;
    atomic { i = 0; u[n].closer = 0; life = u[n].life }
    k = n;
    say(0, 1)
}

/* Unit k, if it is an empty span, becomes FREE. */
inline close_span(me)
{
    atomic {
        life = u[k].life;
        ok = u[k].kind == SPAN && u[k].closer == 0 && t[2 * k] == FREE_IN(life) &&
             t[2 * k + 1] == FREE_IN(life);
#ifndef BLIND_CLOSE
        if :: ok -> u[k].closer = me :: else fi
#endif
    }
    if
    :: ok ->
#ifndef BLIND_CLOSE
        i = 2 * k;
        do
        :: i < 2 * k + 2 ->
            atomic { if :: t[i] == FREE_IN(life) -> t[i] = 0 :: else -> ok = 0 fi }
            if :: ok -> i++ :: else -> break fi
        :: else -> break
        od;
#endif
        i = 0;
        if
        :: ok ->
            atomic { u[k].kind = CLAIMED; u[k].owner = me; u[k].closer = 0; u[k].life = 0 }
            put_back(k)
        :: else -> j = k; reopen(j); j = 0
        fi
    :: else
    fi;
    atomic { ok = 0; life = 0 }
}

inline discard(me)
{
#ifdef BLIND_DISCARD
    if :: u[k].kind == FREE -> u[k].memory = 0; u[k].kind = NONE :: else fi
#else
    if
    :: u[k].kind == FREE ->
        claim_one(me);
        if
        :: ok ->
            u[k].memory = 0;
            atomic { u[k].kind = NONE; u[k].owner = 0; u[k].bare = 0 }
        :: else
        fi
    :: else
    fi;
    ok = 0
#endif
}

inline reclaim(me)
{
    k = 0;
    do
    :: k < 2 -> close_span(me); discard(me); k++
    :: else -> break
    od;
    k = 0
}

inline acquire_large(me)
{
    k = 0;
    claim_one(me);
    if
    :: ok ->
        k = 1;
        claim_one(me);
        if
        :: ok ->
            back(0);
            back(1);
            atomic { u[1].kind = INSIDE; u[1].owner = 0 }
#ifndef SAME_LIFE
            u[0].era++;
#endif
            u[0].value = LENGTH;
            atomic { u[0].kind = HELD; b = LARGE }
        :: else -> put_back(0)
        fi
    :: else
    fi;
    atomic { k = 0; ok = 0 }
}

inline acquire(me, large)
{
    if
    :: large -> acquire_large(me)
    :: else -> take_from(me); if :: b == NO -> open_one(me) :: else fi
    fi;
    if
    :: b != NO
    :: else ->
        reclaim(me);
        if
        :: large -> acquire_large(me)
        :: else ->
            take_from(me);
            if :: b == NO -> open_one(me) :: else fi;
            if :: b == NO -> take_any(me) :: else fi
        fi
    fi
}

inline write(who)
{
    if
    :: b == LARGE ->
        atomic {
            assert(u[0].memory && u[1].memory);
            content[0] = who; content[1] = who; content[2] = who; content[3] = who
        }
    :: b < LARGE -> atomic { assert(u[b / 2].memory); content[b] = who }
    :: else
    fi
}

inline read(who)
{
    if
    :: b == LARGE ->
        atomic {
            assert(u[0].value == LENGTH && u[0].memory && u[1].memory);
            assert(content[0] == who && content[1] == who && content[2] == who &&
                   content[3] == who)
        }
    :: b < LARGE -> atomic { assert(u[b / 2].memory && content[b] == who) }
    :: else
    fi
}

inline release_large(me, from)
{
    atomic {
        if
        :: u[0].kind == from -> u[0].kind = CLAIMED; u[0].owner = me; ok = 1
        :: else -> ok = 0
        fi
    }
    if
    :: ok ->
#ifdef HEAD_FIRST
        u[0].value = 1;
        put_back(0);
        put_back(1)
#else
        put_back(1);
        u[0].value = 1;
        put_back(0)
#endif
    :: else
    fi;
    ok = 0
}

inline tell()
{
#ifdef PLAIN_INFO
    ok = u[k].value == 0 || u[k].value == 1;
    if :: ok -> u[k].value = 1 :: else fi
#else
    if :: u[k].era == life && u[k].value == 0 -> say(0, 1) :: else fi
#endif
}

inline release_small(n, from)
{
    k = n / 2;
    life = u[k].life;
    atomic {
        if
        :: t[n] == from -> t[n] = FREE_IN(life); ok = 1
        :: else -> ok = 0
        fi
    }
    if :: ok -> tell() :: else fi;
    atomic { ok = 0; k = 0; life = 0 }
}

inline release(me)
{
    if
    :: b == LARGE -> release_large(me, HELD)
    :: b < LARGE -> release_small(b, HELD_BY(me))
    :: else
    fi;
    b = NO
}

/* The slot names it: it is the program's to free. */
inline give()
{
    atomic {
        if :: b == LARGE -> u[0].kind = ATTACHED :: else -> t[b] = GIVEN fi;
        box = b; b = NO
    }
}

inline free_given(me)
{
    if
    :: b == LARGE -> release_large(me, ATTACHED)
    :: else -> release_small(b, GIVEN)
    fi;
    b = NO
}

proctype worker(byte me)
{
    byte b = NO, i, j, k, life;
    bit ok, large, any;
start:
    skip;
    {
        do
        :: arg != NO -> release_small(arg, GIVEN); arg = NO
        :: rounds[me - 1] < ROUNDS ->
            if :: large = 0 :: LARGES -> large = 1 fi;
            acquire(me, large);
            write(me);
            if
            :: atomic { b != NO && box == NO -> read(me); give() }
            :: read(me); release(me)
            fi;
            atomic { rounds[me - 1]++; large = 0 }
        :: rounds[me - 1] == ROUNDS && arg == NO -> break
        od;
        done[me - 1] = 1;
endidle:
        (false)
    } unless {
        atomic {
            dead[me - 1] -> gone[me - 1] = 1;
            b = NO; i = 0; j = 0; k = 0; life = 0; ok = 0; large = 0; any = 0
        }
    };
    atomic { !gone[me - 1] -> dead[me - 1] = 0; goto start }
}

proctype killer()
{
    do
    :: atomic { kills < KILLS && !dead[0] && !done[0] -> dead[0] = 1; kills++ }
    :: atomic { kills < KILLS && NW > 1 && !dead[NW - 1] && !done[NW - 1] ->
                dead[NW - 1] = 1; kills++ }
    :: atomic { kills < KILLS -> kills = KILLS }
    :: atomic { kills == KILLS -> break }
    od
}

inline recover_blocks(w, n)
{
    i = 2 * n;
    do
    :: i < 2 * n + 2 ->
        atomic { if :: t[i] == HELD_BY(w) -> t[i] = FREE_IN(u[n].life) :: else fi }
        i++
    :: else -> break
    od;
    i = 0;
    atomic { k = n; life = u[n].life }
    say(0, 1)
}

inline recover_unit(w, n)
{
    if
#ifndef NO_CLAIMED
    :: u[n].kind == CLAIMED && u[n].owner == w ->
        if
        :: n == 0 && u[1].kind == INSIDE ->
#ifdef KEEP_MEMORY
            atomic { u[1].kind = FREE }
#else
            u[1].memory = 0;
            atomic { u[1].kind = NONE }
#endif
        :: else
        fi;
#ifdef KEEP_MEMORY
        atomic { u[n].kind = FREE; u[n].owner = 0; u[n].bare = 0 }
#else
        u[n].memory = 0;
        atomic { u[n].kind = NONE; u[n].owner = 0; u[n].bare = 0 }
#endif
#endif
#ifndef NO_HELD
    :: u[n].kind == HELD && u[n].owner == w -> release_large(5, HELD)
#endif
    :: u[n].kind == SPAN ->
#ifndef NO_TELL
        atomic { k = n; life = u[n].life }
        say(0, 1);
#endif
#ifndef NO_REOPEN
        if :: u[n].kind == SPAN && u[n].closer == w -> reopen(n) :: else fi;
#endif
#ifndef NO_HELD
        if
        :: u[n].kind == SPAN && (u[n].owner == w || u[n].owner == ANYONE) -> recover_blocks(w, n)
        :: else
        fi;
#endif
        atomic { if :: u[n].kind == SPAN && u[n].owner == w -> u[n].owner = PROGRAM :: else fi }
    :: else
    fi;
    atomic { ok = 0; k = 0; life = 0 }
}

proctype supervisor()
{
    byte w, n, i, k, life, b = NO;
    bit ok;
endloop:
    do
    :: atomic { if :: gone[0] -> w = 1 :: NW > 1 && gone[NW - 1] -> w = NW fi }
       do
       :: n < 2 -> recover_unit(w, n); n++
       :: else -> break
       od;
       if :: arg != NO -> release_small(arg, GIVEN); arg = NO :: else fi;
       atomic { gone[w - 1] = 0; w = 0; n = 0 }
    od
}

#define AT_REST (done[0] && done[NW - 1] && !dead[0] && !dead[NW - 1] && kills == KILLS)

init
{
    byte b = NO, i, j, k, life, r, from;
    bit ok, large, any;
    atomic {
        if
        :: CROWD ->
            for (k : 0 .. 1) {
                u[k].kind = SPAN; u[k].owner = PROGRAM; u[k].life = 1; u[k].era = 1;
                u[k].value = k; u[k].memory = 1
            }
            t[0] = GIVEN; arg = 0; t[1] = HELD_BY(PROGRAM);
            t[2] = HELD_BY(PROGRAM); t[3] = FREE_IN(1); k = 0
        :: else
        fi;
        run supervisor();
        for (i : 1 .. NW) { run worker(i) }
        i = 0;
        if :: KILLS > 0 -> run killer() :: else fi
    }
    do
    :: box != NO ->
        atomic { b = box; from = content[b % 4] }
        read(from);
        free_given(PROGRAM);
        box = NO
    :: box == NO && r < ROUNDS ->
        if :: large = 0 :: LARGES -> large = 1 fi;
        acquire(PROGRAM, large);
        write(PROGRAM);
        read(PROGRAM);
        release(PROGRAM);
        atomic { r++; large = 0 }
    :: atomic { box == NO && r == ROUNDS && AT_REST -> break }
    od;
    if
    :: CROWD ->
        assert(t[0] != FREE_IN(1) || u[0].value == 1);
        b = 1; release(PROGRAM);
        b = 2; release(PROGRAM)
    :: else
    fi;
    for (k : 0 .. 1) {
        assert(u[k].kind == NONE || u[k].kind == FREE || u[k].kind == SPAN);
        if
        :: u[k].kind == SPAN ->
            assert(u[k].closer == 0 && t[2 * k] == FREE_IN(u[k].life) &&
                   t[2 * k + 1] == FREE_IN(u[k].life));
            assert(u[k].era == u[k].life && u[k].value == 1)
        :: else
        fi
    }
}

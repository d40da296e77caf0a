/* split.pml - a lost chunk of a map runs again in halves, until the guilty items are alone.
 *
 * Mirrors: map_split.c, pi_map_next_chunk, pi_map_depart, pi_map_land, pi_map_submit, may_split
 *
 * Sequentially consistent; each submission, each item and each look at a future is one step.
 *
 * A map of N items in chunks of SIZE, which NW workers run. Any of the items may be guilty: a
 * worker that comes to it dies. DEATHS more deaths come at any item, and REFUSALS submissions of
 * the map are not accepted. The map is ordered, or not.
 *
 * Abstracted: all else of a task, also its worker's replacement (pool.pml); reading ahead: all
 * chunks are submitted at once; the time limits of a map; a broken executor. A flight is found by
 * its first item, as the order of the list is the order of the items.
 *
 * Checked: the map gives each item once, an ordered one in order. An item is given as lost only if
 * it is guilty, or a death has hit it alone, or its part was just refused. A guilty item is lost.
 * The tasks and the runs of an item are no more than map_split.c says.
 *
 * Mutants, which must fail:
 *   NO_SPLIT       a lost chunk is given as it is
 *   DROP_REST      it is forgotten if its second half is not accepted (seen with REFUSALS=1)
 *   REST_IS_CHUNK  a rest is halved, as a chunk that was lost (the same)
 *   COUNT_TELLS    an item that is left alone in a rest counts as guilty (the same)
 *   ENDLESS        an item that was lost alone runs again
 *   RETRIED        a chunk of several items has retries (seen with RETRIES=1)
 */
#ifndef N
#define N 4 /* 4 or 5 */
#endif
#ifndef SIZE
#define SIZE 4
#endif
#define LOG 2 /* of SIZE, rounded up: it is 3 or 4 */
#ifndef NW
#define NW 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef REFUSALS
#define REFUSALS 0
#endif
#ifndef RETRIES
#define RETRIES 0 /* of the executor */
#endif
#ifndef UNORDERED
#define UNORDERED 0
#endif

/* of the task of a flight */
#define NONE 0
#define PENDING 1
#define RUNNING 2
#define DONE 3
#define LOST 4

/* flights, by their first item; `ran`: the items of the task */
byte state[N], count[N], ran[N], retries[N];
bit is_guilty[N];

byte deaths = DEATHS, refusals = REFUSALS;

/* What is checked. */
byte tasks, runs[N], given, guilty;
bit is_given[N], hit_alone[N], over;

inline submit(f, items)
{
    atomic {
        state[f] = PENDING;
        count[f] = items;
        ran[f] = items;
#ifdef RETRIED
        retries[f] = RETRIES;
#else
        retries[f] = (items > 1 -> 0 : RETRIES);
#endif
        tasks++
    }
}

proctype worker()
{
    byte f, i;
    do
    :: atomic {
           if
           :: state[0] == PENDING -> f = 0
           :: state[1] == PENDING -> f = 1
           :: state[2] == PENDING -> f = 2
           :: state[3] == PENDING -> f = 3
           :: state[N - 1] == PENDING -> f = N - 1
           :: over -> break
           fi;
           state[f] = RUNNING; i = f
       }
       do
       :: i < f + ran[f] ->
           atomic {
               runs[i]++;
               assert(runs[i] <= 1 + LOG + RETRIES);
               if
               :: is_guilty[i] || deaths > 0 -> /* the worker dies */
                   if
                   :: is_guilty[i]
                   :: !is_guilty[i] -> deaths--; hit_alone[i] = hit_alone[i] || ran[f] == 1
                   fi;
                   if
                   :: retries[f] > 0 -> retries[f]--; state[f] = PENDING
                   :: else -> state[f] = LOST
                   fi;
                   break
               :: !is_guilty[i] -> i++
               fi
           }
       :: else -> state[f] = DONE; break
       od;
       atomic { f = 0; i = 0 }
    od
}

/* Puts the first n items of the lost flight f on their way; what is left is the flight behind them.
 * ok: it was accepted. */
inline run_first(first, length)
{
    atomic {
        assert(length > 0);
        if
        :: refusals > 0 -> refusals--; refused = 1; ok = 0
        :: true ->
            left = count[first] - length;
            had = ran[first];
            submit(first, length);
            if
            :: left > 0 ->
                state[first + length] = LOST; count[first + length] = left;
                ran[first + length] = had
            :: left == 0
            fi;
            ok = 1; refused = 0; left = 0; had = 0
        fi
    }
}

#ifdef COUNT_TELLS
#define IS_ALONE(f) (count[f] == 1)
#else
#ifdef ENDLESS
#define IS_ALONE(f) false
#else
#define IS_ALONE(f) (ran[f] == 1)
#endif
#endif
#ifdef REST_IS_CHUNK
#define IS_REST(f) false
#else
#define IS_REST(f) (ran[f] > count[f])
#endif

/* ok: parts of the lost flight f take its place. Else `at` is what is given as lost. */
inline split(lost)
{
    atomic {
        at = lost;
        whole = count[lost];
        n = (IS_REST(lost) || (ran[lost] == 1) -> whole : whole / 2);
        ok = !IS_ALONE(lost);
        refused = 0
    }
#ifdef NO_SPLIT
    ok = 0;
#endif
    if :: ok -> run_first(lost, n) :: !ok fi;
    if
    :: ok && n < whole -> /* run_second */
        at = lost + n;
        n = whole - n;
        run_first(at, n);
        if
        :: !ok && UNORDERED -> (state[lost] >= DONE); run_first(at, n)
        :: !ok && !UNORDERED ->
            ok = 1; /* it comes to the rest again */
#ifdef DROP_REST
            state[at] = NONE; count[at] = 0
#endif
        :: ok
        fi
    :: else
    fi
}

/* The map has released a flight. */
inline give(item)
{
    atomic {
        n = item + count[item];
        do
        :: item < n ->
            assert(!is_given[item] && (UNORDERED || item == given));
            assert(is_lost || !is_guilty[item]);
            assert(!is_lost || is_guilty[item] || hit_alone[item] || refused);
            is_given[item] = 1;
            given++;
            item++
        :: else -> break
        od
    }
}

#define HAS_ENDED(f) (state[f] >= DONE && count[f] > 0 && !is_given[f])

proctype map()
{
    byte f, at, n, whole, left, had, next;
    bit ok, is_lost, refused;
    do
    :: given == N -> break
    :: given < N ->
        atomic { /* pi_map_wait */
            if
            :: !UNORDERED -> HAS_ENDED(given); f = given
            :: UNORDERED && HAS_ENDED(0) -> f = 0
            :: UNORDERED && HAS_ENDED(1) -> f = 1
            :: UNORDERED && HAS_ENDED(2) -> f = 2
            :: UNORDERED && HAS_ENDED(3) -> f = 3
            :: UNORDERED && N > 4 && HAS_ENDED(N - 1) -> f = N - 1
            fi;
            is_lost = state[f] == LOST
        }
        if
        :: is_lost ->
            next = f + count[f];
            split(f);
            if
            :: ok && !UNORDERED -> /* split_more */
                do
                :: next < N ->
                    f = next;
                    next = next + count[next];
                    if
                    :: state[f] == LOST -> split(f)
                    :: else
                    fi
                :: else -> break
                od
            :: ok && UNORDERED
            :: !ok -> give(at)
            fi
        :: !is_lost -> give(f)
        fi;
        atomic { f = 0; at = 0; n = 0; whole = 0; next = 0; ok = 0; is_lost = 0; refused = 0 }
    od;
    assert(tasks <= (N + SIZE - 1) / SIZE + 2 * guilty * LOG + 2 * DEATHS);
    over = 1
}

init
{
    byte i, w;
    atomic {
        for (i : 0 .. N - 1) {
            if :: is_guilty[i] = 1; guilty++ :: skip fi
        }
        i = 0;
        do
        :: i < N -> submit(i, (N - i < SIZE -> N - i : SIZE)); i = i + count[i]
        :: else -> break
        od;
        tasks = (N + SIZE - 1) / SIZE;
        i = 0;
        for (w : 1 .. NW) { run worker() }
        w = 0;
        run map()
    }
}

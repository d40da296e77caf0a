/* ring.pml - the queue goes on in a larger ring and back in the first, whose memory is kept, and
 * the memory of the larger one comes and goes.
 *
 * Mirrors: ring.h, ring.c, pi_push, pi_grow_ring
 *
 * Sequentially consistent; every atomic operation is one step, and so is the search for a ring
 * among the cuts with the load before it.
 *
 * There are two rings, of two and of four cells. The consumer enters FIRST entries itself, consumes
 * until it finds none, enters AGAIN more, and consumes. When it finds none it sleeps until an entry
 * wakes it. A producer enters OTHERS entries and may be killed between any two steps. The
 * supervisor gives memory back ROUNDS times: pi_ring_shrink, pi_ring_leave, the memory,
 * pi_ring_left.
 *
 * Abstracted: slots, the limit, the lag of the tail that is allowed (here every producer moves it),
 * patience, a lack of memory, the number of waits (a producer waits as long as it must), the time
 * that passes between pi_ring_shrink and pi_ring_leave, the push of an entry of the dead.
 *
 * Checked: every entry whose push has returned is seen, those of a producer in its order; no entry
 * that counts is put where there is no memory, or goes with it; nobody sticks.
 *
 * Mutants, which must fail:
 *   NO_HEAD_CHECK   whoever has replaced a zero does not look at the head
 *   NO_SECOND_LOOK  pi_ring_leave does not look for a mark once it has set GIVING
 *   NO_MEMORY_LOOK  a mark is followed without a look at `backed`
 *   NO_GIVING       a mark is put and followed while the memory is given back
 *   NO_VERSION      `backed` has no version
 *   NO_HELP         a mark UP is put while the head has not passed the mark DOWN
 *   ALWAYS_BARE     while it is GIVING nobody follows a mark that others have followed
 *   CUT_BACK        a cut is written though it is larger already
 *   NO_USE_CHECK    an end counts in a ring that was left
 */
/* 1: a process knows its last entry, and tries the cell behind it first (put_behind_last); if that
 * is the end, the tail stays behind. 0: it searches for each entry, as one whose last entry is too
 * old. That no younger entry is replaced is shown by unit/ring_last: here the laps are too few. */
#ifndef LAST
#define LAST 0
#endif
#ifndef FIRST
#define FIRST 2
#endif
#ifndef AGAIN
#define AGAIN 2
#endif
#ifndef OTHERS
#define OTHERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif

/* What is done without a break: the entries of the consumer, its looks at the head, the entries of
 * the producer, the supervisor's mark and its look before GIVING. */
#ifndef QUICK
#define QUICK 0
#endif
#if QUICK & 1
#define CONSUMER_ENTERS atomic
#else
#define CONSUMER_ENTERS
#endif
#if QUICK & 2
#define CONSUMES atomic
#else
#define CONSUMES
#endif
#if QUICK & 4
#define PRODUCER_ENTERS atomic
#else
#define PRODUCER_ENTERS
#endif
#if QUICK & 8
#define SUPERVISES atomic
#else
#define SUPERVISES
#endif

/* ---- shared ---- */

#define UP 15
#define DOWN 14
#define VALUE(p, e) (((p) + 1) * 16 + (e))
#define BELONGS(v, p) ((v) / 16 == (p) + 1)
#define ENTRY(v) ((v) % 16)
#define CELL(r, p) cell[((r) == 0 -> (p) % 2 : 2 + (p) % 4)]
short cell[6];
byte head, tail;
byte cut[2];

/* `backed`: bits 0-1 the rings, 2 GIVING, 3-7 the version */
#define RINGS(b) ((b) & 3)
#ifdef NO_GIVING
#define GIVING(b) 0
#else
#define GIVING(b) (((b) >> 2) & 1)
#endif
byte backed = 1;
bit memory; /* of ring 1 */

/* ---- for the checks ---- */

short pushed, seen; /* a bit for each entry */
byte last[2];       /* entry seen, of each process that enters */
bit ended;          /* the producer has */
bit wake;
bit dead, gone;

#define LED 0
#define BARE 1
#define ASTRAY 2

/* position, k, value, w_head, lead, next, c, b: variables of the process */

inline ring_of(p)
{
    if
    :: cut[1] > 0 && cut[1] <= p && !(cut[0] > cut[1] && cut[0] <= p) -> k = 1
    :: else -> k = 0
    fi
}

/* The variables of a process that are of no use any more: fewer states. */
inline forget()
{
    position = 0;
    k = 0;
    w_head = 0;
    lead = 0;
    next = 0;
    c = 0;
    b = 0;
    t = 0;
    value = 0;
    done = 0;
    goto_on = 0
}

inline pass(p) { atomic { if :: head == p -> head = p + 1 :: else fi } }

/* The mark `e` stands just before `first`. */
inline follow(e, first)
{
    atomic {
        next = (e == UP -> k + 1 : 0);
        assert(next < 2);
        lead = LED;
        c = cut[next]
    };
    if
#ifdef CUT_BACK
    :: c != first ->
#else
    :: c < first ->
#endif
#ifndef NO_MEMORY_LOOK
        atomic {
            if
            :: next > 0 && (RINGS(backed) <= next || GIVING(backed)) -> lead = BARE
            :: else
            fi
        };
#endif
        atomic {
            if
            :: lead == LED && cut[next] == c -> cut[next] = first; c = first
            :: lead == LED && cut[next] != c -> c = cut[next]
            :: else
            fi
        }
#ifdef ALWAYS_BARE
    :: c == first && next > 0 ->
        atomic { if :: GIVING(backed) -> lead = BARE :: else fi }
    :: c > first || (c == first && next == 0)
#else
    :: else
#endif
    fi;
    atomic {
        if
        :: lead == LED && c != first -> lead = ASTRAY
        :: lead == LED && c == first -> k = next
        :: else
        fi;
        next = 0;
        c = 0
    }
}

/* lead: LED, found; BARE, a ring is missing. */
inline find_end()
{
    do
    ::
        atomic {
            value = CELL(k, position);
            lead = LED;
            goto_on = BELONGS(value, position);
            if
            :: goto_on -> position++
            :: else
            fi
        };
        if
        :: goto_on && ENTRY(value) >= DOWN ->
            follow(ENTRY(value), position);
            goto_on = lead == LED
        :: else
        fi;
        if
        :: lead == BARE -> break
        :: goto_on
        :: else ->
            w_head = head;
            if
#ifdef NO_USE_CHECK
            :: lead == LED && w_head <= position -> break
#else
            :: lead == LED && w_head <= position &&
               (k == 0 || (cut[1] <= position && cut[1] > cut[0])) -> break
#endif
            :: else ->
                atomic {
                    position = (tail > w_head -> tail : w_head);
                    ring_of(position);
                    w_head = 0
                }
            fi
        fi
    od
}

/* done: it is in, and counts. */
inline put(e)
{
    atomic {
        done = 0;
        if
        :: CELL(k, position) == value -> CELL(k, position) = VALUE(position, e); done = 1
        :: else
        fi;
        /* one in a cell that was given back is not counted, see below */
        assert(!done || k == 0 || memory || head > position)
    };
#ifndef NO_HEAD_CHECK
    if
    :: done && value == 0 && head > position -> done = 0
    :: else
    fi
#endif
}

inline grow()
{
    b = backed;
    if
    :: GIVING(b) -> GIVING(backed) == 0
    :: !GIVING(b) && RINGS(b) < 2 ->
        memory = 1;
#ifdef NO_VERSION
        atomic { if :: (backed & 7) == (b & 7) -> backed++ :: else fi }
#else
        atomic { if :: backed == b -> backed++ :: else fi }
#endif
    :: else
    fi;
    b = 0
}

inline begin()
{
    atomic {
        forget();
        t = tail;
        position = t;
        ring_of(position)
    }
}

/* From the position on. */
inline append(e)
{
    do
    ::
        find_end();
        atomic { c = cut[k]; c = (w_head > c -> w_head : c) };
        if
        :: lead == BARE -> grow(); begin()
        :: lead == LED && position - c < (k == 0 -> 1 : 3) ->
            put(e);
            if
            :: done -> break
            :: else
            fi
        :: lead == LED && position - c >= (k == 0 -> 1 : 3) ->
            if
            :: k == 1 -> head != w_head /* full, and there is no larger ring */
            :: else ->
                b = backed;
                c = cut[0];
                if
                :: RINGS(b) < 2 || GIVING(b) -> grow(); begin()
#ifndef NO_HELP
                :: RINGS(b) == 2 && !GIVING(b) && w_head < c -> pass(c - 1)
                :: RINGS(b) == 2 && !GIVING(b) && w_head >= c -> put(UP)
#else
                :: RINGS(b) == 2 && !GIVING(b) -> put(UP)
#endif
                fi
            fi;
            b = 0
        fi;
        c = 0
    od
}

/* Another may have moved the tail. */
inline help_tail()
{
    atomic {
        if
        :: tail == t -> tail = position + 1
        :: else
        fi
    }
}

#if LAST
/* Behind the last entry, if that cell is older and there seems to be room; done: it is in. */
inline put_behind_last(e)
{
    atomic {
        forget();
        position = last_at + 1;
        k = last_k;
        w_head = earlier;
        c = (w_head > cut[k] -> w_head : cut[k]);
#ifdef NO_USE_CHECK
        goto_on = last_known;
#else
        goto_on = last_known && (k == 0 || (cut[1] <= position && cut[1] > cut[0]));
#endif
        goto_on = goto_on && c <= position && position - c < (k == 0 -> 1 : 3);
        c = 0
    };
    if
    :: goto_on ->
        atomic { value = CELL(k, position); goto_on = value / 16 <= position };
        if
        :: goto_on -> put(e)
        :: else
        fi
    :: else
    fi
}

inline push(e)
{
    put_behind_last(e);
    if
    :: done
    :: else -> begin(); append(e); earlier = w_head; help_tail()
    fi;
    atomic {
        last_known = 1;
        last_at = position;
        last_k = k;
        forget()
    }
}

#define LAST_VARIABLES                                                                             \
    byte last_at, last_k, earlier;                                                                 \
    bit last_known;
#else
inline push(e)
{
    begin();
    append(e);
    help_tail();
    forget()
}
#define LAST_VARIABLES
#endif

#define VARIABLES                                                                                  \
    LAST_VARIABLES                                                                                 \
    byte position, k, w_head, lead, next, c, b, t, i;                                              \
    short value;                                                                                   \
    bit done, goto_on

#define ENTER(quick, from, to)                                                                     \
    i = from;                                                                                      \
    do                                                                                             \
    :: i < to ->                                                                                   \
        quick { push(i + 1) };                                                                     \
        atomic { pushed = pushed | (1 << i); wake = 1; i++ }                                       \
    :: else -> break                                                                               \
    od

proctype producer()
{
    VARIABLES;
    {
        ENTER(PRODUCER_ENTERS, FIRST + AGAIN, FIRST + AGAIN + OTHERS);
        ended = 1
    } unless { atomic { dead -> gone = 1; ended = 1; wake = 1 } }
}

/* k, value: the first entry; found: there is one. */
inline peek()
{
    do
    ::
        atomic { position = head; ring_of(position) };
        atomic { value = CELL(k, position); found = BELONGS(value, position) };
        if
        :: found && ENTRY(value) < DOWN -> break
        :: found && ENTRY(value) >= DOWN ->
            follow(ENTRY(value), position + 1);
            if
            :: lead == LED -> pass(position)
            :: else
            fi;
            if
            :: lead != LED && head == position -> found = 0; break
            :: else
            fi
        :: else ->
            if
            :: head == position -> break
            :: else
            fi
        fi
    od
}

/* Takes the first entry, if there is one. */
inline consume()
{
    peek();
    if
    :: found ->
        atomic {
            i = ENTRY(value) - 1;
            seen = seen | (1 << i);
            c = (i < FIRST + AGAIN -> 0 : 1);
            assert(i + 1 >= last[c]);
            last[c] = i + 1;
            i = 0
        };
        pass(position)
    :: else
    fi;
    forget()
}

proctype consumer()
{
    VARIABLES;
    bit found;
    ENTER(CONSUMER_ENTERS, 0, FIRST);
    do
    ::
        CONSUMES { consume() };
        if
        :: found
        :: else -> break
        fi
    od;
    ENTER(CONSUMER_ENTERS, FIRST, FIRST + AGAIN);
    i = 0;
    do
    ::
        CONSUMES { consume() };
        if
        :: found
        :: else ->
            if
            :: atomic { wake -> wake = 0 }
            :: atomic { !wake && ended && (pushed & seen) == pushed -> break }
            fi
        fi
    od
}

/* done: as is_in_first says */
inline is_in_first()
{
    begin();
    find_end();
    if
    :: lead == LED && k == 0 ->
        c = cut[0];
        if
        :: w_head < c -> pass(c - 1)
        :: w_head >= c && t < c -> atomic { if :: tail == t -> tail = position :: else fi }
        :: else -> done = 1
        fi
    :: else
    fi
}

inline shrink()
{
    peek();
    if
    :: !found ->
        atomic { w_head = head; position = w_head; ring_of(position) };
        value = CELL(k, position);
        if
        :: k == 1 && !BELONGS(value, position) && head == w_head ->
            put(DOWN);
            if
            :: done ->
                follow(DOWN, position + 1);
                if :: lead == LED -> pass(position) :: else fi;
                t = tail;
                if
                :: t <= position -> atomic { if :: tail == t -> tail = position + 1 :: else fi }
                :: else
                fi
            :: else
            fi
        :: else
        fi
    :: else
    fi
}

proctype supervisor()
{
    VARIABLES;
    bit found;
    byte was;
    i = 0;
    do
    :: i < ROUNDS ->
        SUPERVISES { shrink() };
        atomic { forget(); was = backed; found = 0 };
        if
        :: RINGS(was) == 2 -> SUPERVISES { is_in_first() }
        :: else
        fi;
        if
        :: done ->
            atomic { if :: backed == was -> backed = was | 4 :: else -> done = 0 fi };
            if
            :: done ->
#ifndef NO_SECOND_LOOK
                is_in_first();
#endif
                if
                :: done ->
                    atomic {
                        memory = 0;
                        cell[2] = 0;
                        cell[3] = 0;
                        cell[4] = 0;
                        cell[5] = 0
                    };
#ifdef NO_VERSION
                    backed = 1
#else
                    backed = (was & ~7) + 8 + 1
#endif
                :: else -> backed = was
                fi
            :: else
            fi
        :: else
        fi;
        atomic { forget(); was = 0; i++ }
    :: else -> break
    od
}

init
{
    atomic {
        run consumer();
        run producer();
        run supervisor()
    }
    if
    :: atomic { KILLS > 0 && !ended -> dead = 1 }
    :: true
    fi
}

/* pool.pml - a task's way: slot words, ring, claim, nested tasks, cancel, kill, and the recovery.
 *
 * Mirrors: state.h, slot.h, slot.c, ring.h, ring.c, pi_submit_enqueue, pi_submit_take_back, run.c,
 * end.c, pi_finish, pi_discard, pi_help, try_to_help, cancel, posse_kill, posse_release, recover.c
 *
 * Sequentially consistent; every atomic operation is one step, and a worker may be killed between
 * any two. Operations that repeat a compare-and-swap until it succeeds or may not succeed any more
 * are one step.
 *
 * Abstracted: sleeping and waking (idle.pml, wait.pml: here whoever waits sees at once what it
 * waits for, and an idle worker sees an entry), the map of free slots (the lowest free slot is
 * found; none: the nested task is not submitted, the program waits), arena blocks, growing tables
 * (the ring is large enough, which is asserted; groups.pml), the supervisor's walk along a worker's
 * stack (wait.pml), and that it leads astray, after which all slots are looked at; groups of slots
 * (groups.pml): here each slot has marks of its own.
 *
 * Checked: a task is claimed at most once an attempt, has no more attempts than it may, and ends
 * exactly once; a handle stays valid until it is released; nothing deadlocks; in the end every slot
 * is FREE without IN_RING and the ring is empty, so nothing PENDING is unreachable and no IN_RING
 * lies.
 *
 * SCRIPT is what the program does, see init.
 *
 * Mutants, which must fail:
 *   EARLY          the recovery does not wait until the worker is reaped
 *   PASS_FIRST     the head is moved before the slot is claimed (seen with SCRIPT=3)
 *   NO_REPUSH      the recovery does not push PENDING slots again
 *   KEEP_QUEUED    whoever passes an entry leaves IN_RING as it is
 *   CLAIM_CLEARS   IN_RING is cleared by passing only if the task is claimed
 *   ALWAYS_PUSHED  a submitter that finds IN_RING relies on it without a compare-and-swap
 *   NO_DETACH      orphans are not detached
 *   NO_FILL        FILLING of a dead worker is not freed
 *   NO_STACK       the recovery does not look at the dead worker's stack
 *   NO_TOUCH_FILL  a worker does not say which slot it submits in
 *   NO_TOUCH_CLAIM ... claims from the ring
 *   NO_MARK        ... or does not mark the slots in which it submits
 *   TAKE_BACK_ALL  pi_submit_take_back restores a IN_RING that was seen before the entry was passed
 *   LOOK_ONCE      the recovery looks once whether a slot is RUNNING or KILLING, but a task may be
 *                  killed while its worker, dead already, is recovered (seen with SCRIPT=5)
 *   NO_COUNT       a task that is run again keeps all of its retries (seen with KILLS=2)
 *   RETRY_BLIND    it becomes PENDING without a compare-and-swap, and a release that came meanwhile
 *                  is forgotten (seen with SCRIPT=6)
 *   NO_PAUSE       a worker whose task is KILLING goes on when it has finished
 */
#ifndef SCRIPT
#define SCRIPT 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef NW
#define NW 2 /* workers, at most 3 */
#endif
#ifndef NS
#define NS 3 /* slots, at most 4 */
#endif
#ifndef CH
#define CH 1 /* tasks that task 0 submits and waits for, one after the other; 0: it is plain */
#endif
#ifndef RETRIES
#define RETRIES 0 /* of task 0 */
#endif
#ifndef RN
#define RN 8 /* cells */
#endif
#ifndef LAG
#define LAG 2
#endif
#ifndef NT
#define NT 8 /* tasks with names */
#endif

/* ---- the word: bits 0-3 state, 4-6 flags, 7-9 owner, 10-14 generation ---- */

/* states: lib/core/state.h */
#define FREE 0
#define FILLING 1
#define PENDING 2
#define RUNNING 3
#define KILLING 4
#define DONE 5
#define CANCELLED 6
#define TIMED_OUT 7
#define LOST 8

#define DETACHED 16
#define IN_RING 32
#define EXPIRED 64
#define PROGRAM 6
#define NOBODY 7
#define NONE 15

#define STATE(x) ((x) & 15)
#define FINAL(x) (STATE(x) >= DONE)
#define OWNER(x) (((x) >> 7) & 7)
#define GENERATION(x) ((x) >> 10)
#define IS(x, s, o) (STATE(x) == (s) && OWNER(x) == (o))
#define TO(x, s) (((x) - STATE(x)) + (s))
#define BY(x, o) (((x) - (OWNER(x) << 7)) + ((o) << 7))
#define FREED(x) (((GENERATION(x) + 1) << 10) + ((x) & IN_RING))
#define PLAIN(x) ((x) - ((x) & (DETACHED | IN_RING | EXPIRED)))
#define WITHOUT(x, f) ((x) - ((x) & (f)))

short W[NS];
byte submitter[NS]; /* written in FILLING */
byte marks[NS];     /* workers that have submitted there */
byte task[NS];      /* which task it is: only for the checks, and 0 is the one that nests */

byte tag[RN];  /* 1 + position of the entry; 0: never used */
byte cell[RN]; /* its slot */
byte head, tail;

bit dead[NW]; /* it does no more step */
bit gone[NW]; /* it is dead: waitpid returns it */
#ifdef EARLY
bit dying[NW]; /* it has been sent a signal */
#endif
byte stack[NW]; /* slots of its tasks: there the supervisor looks for KILLING */
byte touched[NW] = NONE; /* the slot that it has changed last, or is about to */
byte kills;
byte retries = RETRIES;

/* What is checked. */
bit claimed[NT], ended[NT];
byte names = 3; /* 0, 1, 2 are the program's */

byte runs; /* of task 0: the slot's `attempt` */

inline note_claim(t)
{
    assert(!claimed[t] && !ended[t]);
    claimed[t] = 1;
    if :: t == 0 -> runs++; assert(runs <= 1 + RETRIES) :: else fi
}
inline note_end(t) { assert(!ended[t]); ended[t] = 1 }

/* ---- what everyone does. Locals: x (word), ok, p, q, v, e ---- */

/* RUNNING, KILLING or PENDING -> an end, from the exact state, owner and generation; the flags may
 * have changed. Then frees it if nobody holds it. */
inline finish(s, from, to)
{
    atomic {
        if
        :: PLAIN(W[s]) == PLAIN(from) ->
            x = W[s]; W[s] = TO(x, to); note_end(task[s]); ok = 1
        :: else -> ok = 0
        fi
    }
    if
    :: ok && (x & DETACHED) -> discard(s, x)
    :: else
    fi
}

/* FILLING or final -> FREE, if it is still the same life. */
inline discard(s, was)
{
    atomic {
        if
        :: GENERATION(W[s]) == GENERATION(was) && (FINAL(W[s]) || STATE(W[s]) == FILLING) ->
            W[s] = FREED(W[s])
        :: else
        fi
    }
}

/* FREE -> FILLING(who), the fields, FILLING -> PENDING, push. s: its slot, NONE if there was none
 * free. x: the word of PENDING. r: 1 accepted, 0 the queue was full and the slot is FILLING
 * again. */
inline submit(s, who, t, flags, limit)
{
    atomic {
        if
        :: STATE(W[0]) == FREE -> s = 0
        :: else ->
            if
            :: STATE(W[1]) == FREE -> s = 1
            :: else ->
                if
                :: STATE(W[2 % NS]) == FREE -> s = 2 % NS
                :: else ->
                    if
                    :: STATE(W[3 % NS]) == FREE -> s = 3 % NS
                    :: else -> s = NONE
                    fi
                fi
            fi
        fi
        if
        :: s != NONE ->
            x = BY(TO(W[s], FILLING), who); W[s] = x; submitter[s] = who; task[s] = t;
            if
            :: who < NW ->
#ifndef NO_TOUCH_FILL
                touched[who] = s;
#endif
#ifndef NO_MARK
                marks[s] = marks[s] | (1 << who)
#endif
            :: else
            fi
        :: else
        fi
    }
    if
    :: s == NONE -> r = 0
    :: else ->
        y = (BY(TO(x, PENDING), NOBODY) | flags) | IN_RING;
        ok = 1; /* to be pushed */
        if
#ifdef ALWAYS_PUSHED
        :: x & IN_RING -> W[s] = y; ok = 0
#else
        :: x & IN_RING ->
            atomic { if :: W[s] == x -> W[s] = y; ok = 0 :: else fi }
            if :: ok -> W[s] = y :: else fi
#endif
        :: else -> W[s] = y
        fi;
        r = 1;
        if
        :: ok ->
            push(s, limit);
            if
            :: r == 0 ->
                atomic { /* pi_submit_take_back */
                    if
                    :: STATE(W[s]) == PENDING && GENERATION(W[s]) == GENERATION(x) ->
#ifdef TAKE_BACK_ALL
                        W[s] = x
#else
                        W[s] = WITHOUT(x, IN_RING)
#endif
                    :: else -> r = 1
                    fi
                }
            :: else
            fi
        :: else
        fi
    fi
}

/* r: 1 pushed, 0 over the limit. */
inline push(s, limit)
{
    atomic { p = tail; e = p; r = 2 }
    do
    :: r != 2 -> break
    :: else ->
        atomic {
            v = tag[p % RN];
            if
            :: v == p + 1 -> p++; q = 0
            :: v > p + 1 -> q = 1
            :: else -> q = 2
            fi
        }
        if
        :: q == 0
        :: q == 1 -> p = tail
        :: q == 2 ->
            atomic {
                q = head;
                if
                :: q > p -> p = q; q = 0
                :: else ->
                    assert(p - q < RN);
                    if :: limit && p - q >= limit -> r = 0; q = 0 :: else -> q = 1 fi
                fi
            }
            if
            :: q == 1 ->
                atomic {
                    if
                    :: tag[p % RN] == v -> tag[p % RN] = p + 1; cell[p % RN] = s; r = 1
                    :: else
                    fi
                }
                if
                :: r == 1 && p + 1 - e >= LAG ->
                    atomic { if :: tail == e -> tail = p + 1 :: else fi }
                :: else
                fi
            :: else
            fi
        fi
    od;
    atomic { p = 0; q = 0; v = 0; e = 0 }
}

/* ---- workers ---- */

#define ENTRY(at) (tag[(at) % RN] == (at) + 1)

inline pass() { atomic { if :: head == h -> head = h + 1 :: else fi; h = 0 } }

/* Passes the entry at h. ok: its task is ours now, c its slot, x its word. */
inline settle()
{
    ok = 0;
#ifndef NO_TOUCH_CLAIM
    touched[me] = c;
#endif
    x = W[c];
    do
    :: !(x & IN_RING) -> break
#ifdef CLAIM_CLEARS
    :: (x & IN_RING) && STATE(x) != PENDING -> break
    :: (x & IN_RING) && STATE(x) == PENDING ->
#else
    :: else ->
#endif
        atomic {
            if
            :: W[c] != x -> x = W[c]
            :: else ->
                if
                :: STATE(x) == PENDING -> 
                    x = BY(TO(x, RUNNING), me); ok = 1; note_claim(task[c])
                :: else
                fi
#ifndef KEEP_QUEUED
                x = WITHOUT(x, IN_RING);
#endif
                W[c] = x; break
            fi
        }
    od
}

/* The end of slot s, which we run; `from` is its word. KILLING: we take nothing more. */
inline end_run(s, from)
{
    touched[me] = s;
    finish(s, from, DONE);
    if
    :: ok
    :: else ->
#ifndef NO_PAUSE
        (false)
#endif
    fi;
    atomic { stack[me] = stack[me] - (1 << s); ok = 0 }
}

/* Task 0: submits a task, waits for it, running it if nobody has begun it, and releases it. */
inline nest()
{
    do
    :: k < CH ->
        atomic { k++; n = names; assert(n < NT); names++ }
        submit(d, me, n, 0, 0);
        n = 0;
        if
        :: d == NONE
        :: else ->
            y = y - STATE(y); /* now for its generation alone */
            if :: touched[me] = NONE :: true fi; /* it may do something else meanwhile */
            do
            :: atomic {
                   (STATE(W[d]) == PENDING || FINAL(W[d])) -> x = W[d];
                   assert(GENERATION(x) == GENERATION(y))
               }
               if
               :: FINAL(x) -> break
               :: else ->
                   atomic {
                       touched[me] = d;
                       if
                       :: W[d] == x ->
                           x = BY(TO(x, RUNNING), me); W[d] = x; ok = 1; note_claim(task[d])
                       :: else -> ok = 0
                       fi
                   }
                   if
                   :: ok -> atomic { stack[me] = stack[me] | (1 << d); y = x } end_run(d, y)
                   :: else
                   fi
               fi
            od;
            discard(d, x)
        fi;
        atomic { d = NONE; x = 0; y = 0; ok = 0; r = 0 }
    :: else -> break
    od;
    k = 0
}

proctype worker(byte me)
{
    byte h, c, d, k, n, p, q, v, e, r;
    short x, y, mine;
    bit ok;
start:
    atomic { c = NONE; d = NONE };
    {
endidle:
        do
        :: atomic { ENTRY(head) -> h = head }; /* sleeps until there is one */
           atomic { if :: ENTRY(h) -> c = cell[h % RN] :: else -> h = 0 fi }
           if
           :: c != NONE ->
#ifdef PASS_FIRST
               pass();
               settle();
#else
               settle();
               pass();
#endif
               if
               :: ok ->
                   atomic { stack[me] = stack[me] | (1 << c); mine = x; x = 0; ok = 0 }
                   if :: CH > 0 && task[c] == 0 -> nest() :: else fi;
                   end_run(c, mine)
               :: else
               fi;
               atomic { c = NONE; x = 0; mine = 0; ok = 0 }
           :: else
           fi
        od
    } unless {
        atomic {
            dead[me] -> gone[me] = 1;
            h = 0; c = 0; d = 0; k = 0; n = 0; p = 0; q = 0; v = 0; e = 0; r = 0;
            x = 0; y = 0; mine = 0; ok = 0
        }
    };
    atomic { !gone[me] -> dead[me] = 0; goto start }
}

proctype killer()
{
    byte w;
    do
    :: atomic {
           kills < KILLS ->
           if
           :: !dead[0] -> w = 0
           :: !dead[1 % NW] && (NW > 1 && kills > 0) -> w = 1 % NW /* the first: all are alike */
           :: !dead[2 % NW] && (NW > 2 && kills > 0) -> w = 2 % NW
           fi;
           kills++;
#ifdef EARLY
           dying[w] = 1
       };
       dead[w] = 1; w = 0
#else
           dead[w] = 1; w = 0
       }
#endif
    :: atomic { kills < KILLS -> kills = KILLS; break }
    :: atomic { kills == KILLS -> break }
    od
}

/* ---- the supervisor ---- */

#define DOOMED(i, w) ((stack[w] & (1 << (i))) && IS(W[(i) % NS], KILLING, w))
#define TO_BE_KILLED(w) \
    (!dead[w] && (DOOMED(0, w) || DOOMED(1, w) || DOOMED(2, w) || DOOMED(3, w)))

inline push_again(s)
{
#ifndef NO_REPUSH
    push(s, 0)
#else
    skip
#endif
}

inline recover_killed(i)
{
    if
    :: x & EXPIRED -> finish(i, x, TIMED_OUT)
    :: else -> finish(i, x, CANCELLED)
    fi
}

inline recover_slot(i)
{
    x = W[i];
    if
#ifndef NO_FILL
    :: IS(x, FILLING, w) -> discard(i, x)
#endif
    :: IS(x, RUNNING, w) ->
        if
        :: task[i] == 0 && retries > 0 ->
            atomic {
#ifndef NO_COUNT
                retries--;
#endif
                if
#ifdef RETRY_BLIND
                :: true ->
                    W[i] = TO(x, PENDING) | IN_RING; claimed[0] = 0; ok = !(x & IN_RING)
#else
                :: PLAIN(W[i]) == PLAIN(x) ->
                    x = W[i]; W[i] = TO(x, PENDING) | IN_RING; claimed[0] = 0; ok = !(x & IN_RING)
#endif
                :: else -> ok = 0
                fi
            }
            if :: ok -> push_again(i) :: else fi
        :: else -> finish(i, x, LOST)
        fi
#ifdef LOOK_ONCE
    :: IS(x, KILLING, w) -> recover_killed(i)
#endif
    :: else
    fi;
    x = W[i];
#ifndef LOOK_ONCE
    if /* it may have become so just now, after the first look */
    :: IS(x, KILLING, w) -> recover_killed(i); x = W[i]
    :: else
    fi;
#endif
    if
#ifndef NO_DETACH
    :: STATE(x) >= PENDING && submitter[i] == w ->
        atomic {
            if
            :: GENERATION(W[i]) != GENERATION(x) || STATE(W[i]) < PENDING || FINAL(W[i])
            :: else -> W[i] = W[i] | DETACHED
            fi;
            x = W[i]
        }
        if :: FINAL(x) -> discard(i, x) :: else fi
#endif
    :: !(STATE(x) >= PENDING && submitter[i] == w) && FINAL(x) && (x & DETACHED) && OWNER(x) == w ->
        discard(i, x)
    :: else
    fi;
    x = W[i];
    if
    :: (x & IN_RING) && touched[w] == i && !(stack[w] & (1 << i)) -> /* may_lack_entry */
        atomic { /* recover_entry */
            if
            :: (W[i] & IN_RING) && STATE(W[i]) != PENDING -> W[i] = WITHOUT(W[i], IN_RING); ok = 0
            :: else -> ok = (STATE(W[i]) == PENDING)
            fi
        }
        if :: ok -> push_again(i) :: else fi
    :: else
    fi;
    atomic { x = 0; ok = 0; r = 0 }
}

#ifdef NO_STACK
#define STACK(w) 0
#else
#define STACK(w) stack[w]
#endif
/* Whether the worker may have left something there. */
#define LEFT(i) (touched[w] == (i) || (STACK(w) & (1 << (i))) || (marks[i] & (1 << w)))

#ifdef EARLY
#define KNOWN_DEAD(w) dying[w]
#else
#define KNOWN_DEAD(w) gone[w]
#endif

proctype supervisor()
{
    byte w, i, p, q, v, e, r;
    short x;
    bit ok;
endloop:
    do
    :: atomic { TO_BE_KILLED(0) -> dead[0] = 1 }
    :: atomic { NW > 1 && TO_BE_KILLED(1 % NW) -> dead[1 % NW] = 1 }
    :: atomic { NW > 2 && TO_BE_KILLED(2 % NW) -> dead[2 % NW] = 1 }
    :: atomic {
           if
           :: KNOWN_DEAD(0) -> w = 0
           :: NW > 1 && KNOWN_DEAD(1 % NW) -> w = 1 % NW
           :: NW > 2 && KNOWN_DEAD(2 % NW) -> w = 2 % NW
           fi
       }
       do
       :: i < NS && LEFT(i) -> recover_slot(i); i++
       :: i < NS && !LEFT(i) -> i++
       :: else -> break
       od;
       atomic {
           gone[w] -> gone[w] = 0;
#ifdef EARLY
           dying[w] = 0;
#endif
           stack[w] = 0; touched[w] = NONE; w = 0; i = 0
       }
    od
}

/* ---- the program ---- */

/* Submits until there is a slot; s its slot, g its word (for the generation). */
inline submit_root(s, g, t, flags, limit)
{
    do
    :: submit(s, PROGRAM, t, flags, limit);
       if
       :: s != NONE -> break
       :: else ->
           (STATE(W[0]) == FREE || STATE(W[1]) == FREE || STATE(W[2 % NS]) == FREE ||
            STATE(W[3 % NS]) == FREE)
       fi
    od;
    atomic { g = x - (x & 1023); x = 0; y = 0; ok = 0 }
}

inline await(s, g, t)
{
    atomic {
        (FINAL(W[s])) -> assert(GENERATION(W[s]) == GENERATION(g) && task[s] == t && ended[t])
    }
}

inline release(s, g)
{
    atomic {
        assert(GENERATION(W[s]) == GENERATION(g) && STATE(W[s]) >= PENDING);
        if
        :: FINAL(W[s]) -> W[s] = FREED(W[s])
        :: else -> W[s] = W[s] | DETACHED
        fi;
        s = 0; g = 0
    }
}

/* Cancels it if it has not begun. */
inline cancel(s, g)
{
    x = W[s];
    if :: STATE(x) == PENDING -> finish(s, x, CANCELLED) :: else fi;
    atomic { x = 0; ok = 0 }
}

/* Ends it, even if it runs: as posse_kill, or because of its deadline. */
inline kill(s, g, flag)
{
    do
    :: x = W[s];
       if
       :: FINAL(x) || STATE(x) == KILLING -> break
       :: STATE(x) == PENDING -> finish(s, x, CANCELLED); if :: ok -> break :: else fi
       :: STATE(x) == RUNNING ->
           atomic {
               if
               :: PLAIN(W[s]) == PLAIN(x) -> W[s] = TO(W[s], KILLING) | flag; break
               :: else
               fi
           }
       fi
    od;
    atomic { x = 0; ok = 0 }
}

#define CLEAN(i) ((W[(i) % NS] & (15 | IN_RING)) == 0)

init
{
    byte p, q, v, e, r, a, b;
    short x, y, ga, gb;
    bit ok;
    atomic {
        for (p : 0 .. NS - 1) { submitter[p] = NOBODY }
        p = 0;
        run supervisor();
        for (p : 0 .. NW - 1) { run worker(p) }
        p = 0;
        if :: KILLS > 0 -> run killer() :: else fi
    }
#if SCRIPT == 1
    /* One task, perhaps nesting. */
    submit_root(a, ga, 0, 0, 0);
    await(a, ga, 0);
    release(a, ga);
#elif SCRIPT == 2
    /* Another one at the same time, that nobody holds. */
    submit_root(a, ga, 0, 0, 0);
    submit_root(b, gb, 1, DETACHED, 0);
    await(a, ga, 0);
    release(a, ga);
#elif SCRIPT == 3
    /* A task is cancelled if it has not begun, released, and its slot used again. */
    submit_root(a, ga, 1, 0, 0);
    cancel(a, ga);
    release(a, ga);
    submit_root(a, ga, 0, 0, 0);
    await(a, ga, 0);
    release(a, ga);
#elif SCRIPT == 4
    /* ... and the second time the queue takes one entry, and the program does not wait for room;
     * if there is none it gives the slot back, and tries once more without a limit. */
    submit_root(a, ga, 1, 0, 0);
    submit_root(b, gb, 2, DETACHED, 0);
    cancel(a, ga);
    release(a, ga);
    submit_root(a, ga, 0, 0, 1);
    if
    :: r
    :: else -> discard(a, W[a]); submit_root(a, ga, 0, 0, 0)
    fi;
    await(a, ga, 0);
    release(a, ga);
#elif SCRIPT == 5
    /* Task 0 is killed, whatever it is doing; another one waits. */
    submit_root(a, ga, 0, 0, 0);
    submit_root(b, gb, 1, 0, 0);
    kill(a, ga, EXPIRED);
    await(a, ga, 0);
    release(a, ga);
    await(b, gb, 1);
    assert(STATE(W[b]) == DONE || KILLS > 0);
    release(b, gb);
#elif SCRIPT == 6
    /* A task is released while it is under way. */
    submit_root(a, ga, 0, 0, 0);
    release(a, ga);
#endif
    /* At rest: whatever is left comes to its end by itself. */
    (CLEAN(0) && CLEAN(1) && CLEAN(2) && CLEAN(3) && !ENTRY(head) && kills == KILLS);
    assert(retries <= RETRIES)
}

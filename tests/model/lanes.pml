/* lanes.pml - a ring for each priority: no task is left behind in one, none is in two.
 *
 * Mirrors: lanes.h, lanes.c, pi_slot_publish, claim_head, pi_slots_claim_next, pi_lanes_push,
 * pi_push, pi_submit_enqueue, queue_has_task, recover_entry
 *
 * Sequentially consistent; every atomic operation is one step. Two submitters share NS slots, each
 * submits tasks of any lane; another process ends some out of turn. One of the submitters is a
 * worker that may die between any two steps; then the supervisor recovers the slot that it touched
 * last.
 *
 * Abstracted: two lanes stand for three, and for the rings of one lane, as the ring of a slot never
 * changes; a ring takes an entry in one step and never lacks memory (ring.pml has the rest); which
 * lane comes first, as any order is allowed; a worker does not spin (idle.pml), and ends a task in
 * one step (pool.pml).
 *
 * Checked: the program ends only when each accepted task was run or cancelled, and nothing else may
 * be the end; a task is claimed in its own lane alone; a lane has no more entries than there are
 * slots, workers that are about to pass one, and deaths.
 *
 * Mutants, which must fail:
 *   ONE_FLAG       an entry in any lane serves the next life of its slot
 *   ANY_LANE       whoever passes an entry claims the task in whatever lane it waits
 *   ALWAYS_PUSHED  an entry of an earlier life does not serve the next one
 *   PLAIN          a publisher without an entry in its lane stores the word, and looks no more
 *   LATE_MORE      `more` is raised after the push and the wake
 *   EARLY_LOOK     a worker uses what `more` was before it set its idle bit
 *   KEEP_FLAGS     the recovery leaves the flags of lanes that are not the task's
 */
#ifndef NS
#define NS 1
#endif
#ifndef NW
#define NW 1 /* workers that claim; at most 2 */
#endif
#ifndef A
#define A 2 /* tasks of the program */
#endif
#ifndef B
#define B 1 /* tasks of the worker that may die */
#endif
#ifndef C
#define C 2 /* tasks that are ended out of turn, at most */
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define LEN 10
#define NONE 15

/* A word: state, a flag for each lane, the generation. */
#define FREE 0
#define FILLING 1 /* by the program */
#define PENDING 2
#define RUNNING 3
#define MINE 4 /* FILLING by the worker that may die */
#define STATE(x) ((x) & 7)
#define FLAG(lane) (8 << (lane))
#define FLAGS 24
#define NEXT(x) (((x) & FLAGS) + (((x) >> 5) + 1 << 5)) /* FREE */
#define TO(x, state) ((x) - STATE(x) + (state))

int W[NS];
bit L[NS]; /* the lane of the slot's task */
byte q[2 * LEN], head[2], tail[2];
bit more;
byte left;     /* accepted tasks that have not ended */
bit finished[2]; /* submitters */
bit dead, gone, recovered;
byte touched = NONE;
bit idle[NW], posted[NW];

inline push(lane, slot)
{
    atomic {
        assert(tail[lane] < LEN);
        q[(lane) * LEN + tail[lane]] = slot;
        tail[lane]++;
        assert(tail[lane] - head[lane] <= NS + NW + dead)
    }
}

inline wake()
{
    atomic {
        if
        :: idle[0] -> idle[0] = 0; posted[0] = 1
        :: !idle[0] && idle[NW - 1] -> idle[NW - 1] = 0; posted[NW - 1] = 1
        :: else
        fi
    }
}

proctype submitter(byte tasks; byte filling)
{
    byte s, n;
    bit lane, pushes;
    int x;
    {
        do
        :: n < tasks ->
            atomic { /* pi_slots_acquire */
                if
                :: STATE(W[0]) == FREE -> s = 0
                :: NS > 1 && STATE(W[NS - 1]) == FREE -> s = NS - 1
                fi;
                W[s] = TO(W[s], filling);
                x = W[s];
                if :: filling == MINE -> touched = s :: else fi
            }
            atomic { if :: lane = 0 :: lane = 1 fi; L[s] = lane }
            do /* pi_slot_publish */
            :: x & FLAGS ->
                atomic {
#ifdef PLAIN
                    if :: !(x & FLAG(lane)) -> W[s] = x :: else fi;
#endif
                    if
                    :: W[s] == x ->
                        pushes = !(x & FLAG(lane));
#ifdef ONE_FLAG
                        pushes = 0;
#endif
#ifdef ALWAYS_PUSHED
                        pushes = 1;
#endif
                        W[s] = TO(x, PENDING) | FLAG(lane);
                        left++;
                        break
                    :: else -> x = W[s]
                    fi
                }
            :: !(x & FLAGS) ->
                atomic { W[s] = TO(x, PENDING) | FLAG(lane); left++; pushes = 1; break }
            od;
            x = 0;
#ifndef LATE_MORE
            if :: pushes && lane && !more -> more = 1 :: else fi;
#endif
            if :: pushes -> push(lane, s) :: else fi;
            wake();
#ifdef LATE_MORE
            if :: lane -> more = 1 :: else fi;
#endif
            n++
        :: else -> break
        od;
        atomic { finished[filling == MINE] = 1; x = 0; n = 0; s = 0; lane = 0; pushes = 0 }
    } unless {
        atomic {
            filling == MINE && dead && !gone ->
                gone = 1; x = 0; n = 0; s = 0; lane = 0; pushes = 0
        }
    }
}

/* The first task of a lane, or nothing. */
inline claim_next(lane)
{
    do
    :: atomic {
           p = head[lane];
           if :: p < tail[lane] -> s = q[(lane) * LEN + p] :: else -> break fi
       }
       x = W[s];
       do /* claim_head */
       :: x & FLAG(lane) ->
#ifdef ANY_LANE
           pending = STATE(x) == PENDING;
#else
           pending = STATE(x) == PENDING && L[s] == lane;
#endif
           atomic {
               if
               :: W[s] == x ->
                   W[s] = x - FLAG(lane);
                   if
                   :: pending -> W[s] = TO(W[s], RUNNING); claimed = 1; assert(L[s] == lane)
                   :: else
                   fi;
                   break
               :: else -> x = W[s]
               fi
           }
       :: else -> break
       od;
       atomic { if :: head[lane] == p -> head[lane]++ :: else fi }
       if :: claimed -> break :: else fi
    od
}

/* Ends tasks out of turn: posse_cancel, or a caller that runs what it waits for. */
proctype canceller()
{
    byte n;
endall:
    do
    :: atomic { n < C && STATE(W[0]) == PENDING -> W[0] = NEXT(W[0]); left--; n++ }
    :: atomic { n < C && STATE(W[NS - 1]) == PENDING -> W[NS - 1] = NEXT(W[NS - 1]); left--; n++ }
    od
}

proctype worker(byte me)
{
    byte p, s;
    int x;
    bit seen, pending, claimed;
    do
    :: seen = more;
       if :: seen -> claim_next(1) :: else fi;
       if :: !claimed -> claim_next(0) :: else fi;
       if
       :: claimed -> /* the task, its end, and its release */
           atomic { W[s] = NEXT(W[s]); claimed = 0; left--; x = 0; p = 0; s = 0 }
       :: else ->
           idle[me] = 1;
#ifndef EARLY_LOOK
           seen = more;
#endif
           atomic {
               x = 0; p = 0; s = 0; pending = 0;
               if :: head[0] != tail[0] -> idle[me] = 0 :: else fi
           }
           if :: idle[me] && seen && head[1] != tail[1] -> idle[me] = 0 :: else fi;
           if
           :: idle[me] || posted[me] ->
endsleep:      atomic { posted[me] -> posted[me] = 0; idle[me] = 0 }
           :: else
           fi
       fi
    od
}

/* Kills the submitter at any step, and recovers what it touched. */
proctype supervisor()
{
    int x, y;
    byte s;
    bit lane;
    if
    :: atomic { KILLS -> dead = 1 }
       (gone || finished[1]);
       s = touched;
       if
       :: s != NONE ->
           if :: atomic { STATE(W[s]) == MINE -> W[s] = NEXT(W[s]) } :: else fi;
           x = W[s];
           do
           :: !(x & FLAGS) -> break
           :: else ->
               lane = L[s];
               atomic {
                   y = x - (x & FLAGS) +
                       (STATE(x) == PENDING -> x & FLAG(lane) : 0);
#ifdef KEEP_FLAGS
                   y = (STATE(x) == PENDING -> x : y);
#endif
                   if
                   :: y == x || W[s] == x -> W[s] = (y == x -> W[s] : y)
                   :: else -> x = W[s]; y = 0 - 1
                   fi
               }
               if
               :: y == 0 - 1
               :: y != 0 - 1 && STATE(y) == PENDING ->
                   if :: lane && !more -> more = 1 :: else fi;
                   push(lane, s);
                   break
               :: else -> break
               fi
           od
       :: else
       fi;
       atomic {
           posted[0] = 1; posted[NW - 1] = 1;
           recovered = 1; finished[1] = 1
       }
    :: finished[1] || !KILLS
    fi
}

init
{
    atomic {
        run supervisor();
        run worker(0);
        run canceller();
        if :: NW > 1 -> run worker(1) :: else fi;
        run submitter(A, FILLING);
        run submitter(B, MINE)
    }
    (finished[0] && finished[1] && left == 0 && (!dead || recovered))
}

/* feed.pml - messages of a task to the holders of its future: which sleep, and which are woken.
 *
 * Mirrors: feed.h, message.c, pi_messages_put, pi_messages_peek, pi_messages_take,
 * pi_messages_await_room, pi_messages_claim_writer, pi_wake_readers, look, announce, withdraw
 *
 * Sequentially consistent; every atomic operation is one step. The task, or a reader, may be killed
 * between any two; then the recovery ends the task, or only wakes all.
 *
 * Abstracted: the words of a message, which its place in the ring stands for; the stamp; the feed
 * is there or not; the end of all reading (pi_messages_close), which wakes the task as the taking
 * of a message does; a parker in the word, or BROADCAST, is a bit for each reader. The look that a
 * sleeper takes every second is left out on purpose: here a wake that is lost shows as a process
 * that sleeps for ever.
 *
 * Checked: each message comes out once, in order; a reader that is told the end has left none; the
 * task and the readers come to their ends.
 *
 * Mutants, which must fail:
 *   FIRST_ASLEEP   the first message wakes nobody, though a reader may have come before
 *   LOOK_FIRST     a reader looks for a message, then sets `awaited`
 *   WAKE_FIRST     the task looks at `awaited` before the message is in
 *   CLEAR_LAST     the task clears `awaited` after it has looked which readers wait
 *   FULL_FIRST     the task does not try again once it is named as one that waits for room
 *   ROOM_FIRST     a reader looks at `writer` before the message is out
 *   END_LAST       a reader looks for the end after it has found no message
 *   NO_WAKE_ALL    nobody is woken when a reader was killed
 */
#ifndef N
#define N 2 /* messages */
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define CAPACITY 1

bit made;             /* the feed is there */
byte head, tail;
bit awaited, writer;
bit final;
bit named[READERS];   /* in the word */
bit woken[READERS], room; /* semaphores: a post too many is none */
byte got[N];
bit killed[READERS + 1]; /* the last one is the task */

inline wake_named()
{
    d_step {
        i = 0;
        do
        :: i < READERS -> if :: named[i] -> woken[i] = 1 :: else fi; i++
        :: else -> break
        od;
        i = 0
    }
}

inline wake_all()
{
    d_step {
        i = 0;
        do
        :: i < READERS -> woken[i] = 1; i++
        :: else -> break
        od;
        i = 0;
        room = 1
    }
}

inline tell_readers()
{
    if
    :: awaited ->
#ifndef CLEAR_LAST
        awaited = 0;
        wake_named()
#else
        wake_named();
        awaited = 0
#endif
    :: else
    fi
}

/* sent: whether there was room */
inline put(sent)
{
    if
    :: tail - head < CAPACITY ->
#ifdef WAKE_FIRST
        tell_readers();
        tail++;
#else
        tail++;
        tell_readers();
#endif
        sent = 1
    :: else
    fi
}

proctype task()
{
    byte n, i;
    bit sent;
    {
#ifndef FIRST_ASLEEP
        awaited = 1;
#endif
        made = 1;
        do
        :: n < N ->
            sent = 0;
            put(sent);
            do
            :: !sent ->
                writer = 1;
#ifndef FULL_FIRST
                put(sent);
#endif
                if
                :: !sent -> atomic { room -> room = 0 }
                :: else
                fi
#ifdef FULL_FIRST
                ; put(sent)
#endif
            :: else -> break
            od;
            n++
        :: else -> break
        od
    }
    unless
    {
        killed[READERS] -> skip /* and the recovery */
    };
    final = 1;
    wake_named();
    wake_all()
}

/* Whether a reader need not sleep. */
inline look(ready)
{
#ifdef LOOK_FIRST
    ready = final || head != tail;
#endif
    if
    :: made -> if :: !awaited -> awaited = 1 :: else fi
    :: else
    fi;
#ifndef LOOK_FIRST
    ready = final || head != tail;
#endif
}

inline make_room()
{
    if
    :: writer -> writer = 0; room = 1
    :: else
    fi
}

proctype reader(byte me)
{
    byte at, i;
    bit over, ready, mine, dead;
    {
        do
        ::
#ifndef END_LAST
            over = final;
#endif
            at = head;
            if
            :: tail != at ->
#ifdef ROOM_FIRST
                make_room();
#endif
                atomic {
                    mine = head == at;
                    if
                    :: mine -> head++; got[at]++; assert(got[at] == 1)
                    :: else
                    fi
                };
#ifndef ROOM_FIRST
                if
                :: mine -> make_room()
                :: else
                fi;
#endif
                mine = 0
            :: else ->
#ifdef END_LAST
                over = final;
#endif
                if
                :: over -> assert(head == tail); break
                :: else
                fi;
                ready = 0;
                do
                :: !ready ->
                    look(ready);
                    if
                    :: !ready && !named[me] -> named[me] = 1
                    :: !ready && named[me] -> atomic { woken[me] -> woken[me] = 0 }
                    :: else
                    fi
                :: else -> break
                od;
                named[me] = 0;
                ready = 0
            fi;
            at = 0
        od
    }
    unless
    {
        killed[me] -> dead = 1
    };
#ifndef NO_WAKE_ALL
    if
    :: dead -> wake_all() /* the recovery */
    :: else
    fi
#endif
}

/* Somebody dies now, or nobody does. */
proctype killer()
{
    if
    :: KILLS && READERS > 1 -> killed[0] = 1 /* else nobody would read */
    :: KILLS -> killed[READERS] = 1
    :: skip
    fi
}

init {
    atomic {
        run task();
        run reader(0);
#if READERS > 1
        run reader(1);
#endif
        run killer()
    }
}

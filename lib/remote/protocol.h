/* protocol.h - what proxies and agents say to each other.
 *
 * Runs in: worker (the proxy), agent.
 *
 * A proxy is a worker of the program's pool that stands for one place (posse_runner.h). An agent is
 * a process on a node, with a local pool; it has a connection for each of its places.
 *
 *   message    from   head                                     tail           when
 *   JOIN       agent  version, token, pid, name of the node,   none           first
 *                     whether it has a pool
 *   HELLO      proxy  version                                  modules, then  after a right token
 *                                                              what the pool
 *                                                              is (setup.h)
 *   PREPARING  agent  version                                  none           the initializer runs
 *   WELCOME    agent  version                                  none           the modules are the
 *                                                                             same here
 *   REFUSE     agent  version                                  why, in words  they are not, or the
 *                                                                             agent has no pool
 *   FAILED     agent  version                                  why, in words  the initializer has
 *                                                                             broken the pool
 *   SUBMIT     proxy  number, function, time left, limits,     the argument   the place is idle
 *                     where pointers to functions stand,
 *                     runs before, and what they have
 *                     left of messages
 *   CANCEL     proxy  number                                   none           the task is asked to
 *                                                                             stop
 *   MESSAGE    agent  number                                   the message    the task has sent it
 *   PROGRESS   agent  number, done, total                      none           at most each 50 ms
 *   TAKEN      proxy  number, bytes                            none           messages were read
 *                     number, UINT64_MAX                       none           nobody will read any
 *   RESULT     agent  number, how it ended, progress           result, text   the task has ended,
 *                                                                             or the agent ends
 *
 * A kill has no message: the end of the connection is the kill.
 *
 * An agent makes its pool when it hears the first HELLO, and connects anew after that. Until then
 * it has one connection. HELLO has no tail for an agent that has a pool.
 *
 *   a proxy     (proxy.h, proxy.c)               leaves by
 *   NONE        waits for a connection           accept: JOINING
 *   JOINING     waits for JOIN                   JOIN with the token: HELLO sent: GREETED
 *                                                another version, a wrong token, 5 s are over, or
 *                                                a part of JOIN has come, 0.25 s are over and
 *                                                another connection waits: NONE
 *   GREETED     waits for WELCOME, for 5 s;      WELCOME: IDLE
 *               after PREPARING for any time     REFUSE, FAILED, or the time is over: NONE
 *   IDLE        takes tasks                      SUBMIT sent: BUSY
 *               (PLACE in the code, as is BUSY)  something has come, or the connection has ended,
 *                                                when there is a task: the task goes back to the
 *                                                queue: NONE
 *   BUSY        waits for RESULT                 RESULT: IDLE
 *                                                RESULT: NOT_BEGUN: the task goes back to the
 *                                                queue: NONE
 *   any         has a connection                 it ends, or brings what it may not: NONE
 *
 * A proxy that leaves for NONE hangs up. After FAILED the executor breaks.
 *
 *   a place     (agent.h, spot.c)                leaves by
 *   CLOSED      has no connection                begins to connect: CONNECTING
 *   CONNECTING  to one address of the program    connected: JOIN sent: JOINING
 *                                                an error, or 2 s are over: the next address; after
 *                                                the last one: CLOSED
 *   JOINING     waits for HELLO                  the first HELLO: makes the pool: CLOSED
 *                                                another build, or no pool: REFUSE; the agent ends
 *                                                HELLO: WELCOME: IDLE, or PREPARING: GREETED
 *   GREETED     its worker starts                a worker has started: WELCOME: IDLE
 *                                                the initializer has broken the pool: FAILED; the
 *                                                agent ends
 *   IDLE        waits                            SUBMIT: BUSY; the task cannot run: ANSWERING
 *   BUSY        runs the task                    the task has ended: ANSWERING
 *   ANSWERING   RESULT is on its way             it is sent: IDLE
 *   any         has a connection                 it ends, or brings what it may not: kills the
 *                                                task: CLOSED
 *
 * Messages. The feed of the agent's task holds M bytes, as much as the program asked for; that of
 * the program's task 2 M. The agent takes messages out of its feed, in order, while at most M bytes
 * are with the program: sent to it, or there at SUBMIT, and not TAKEN. When the task has ended, it
 * sends the rest, which is M at most, and then RESULT. So all that the task has sent has room in
 * the program, a full feed is full for the task, and neither side keeps more than one message in
 * its own memory. Only a run before may have left more: then the task fails, with words. A message
 * is whole in the program's feed, or not at all, as an agent sends it whole and a proxy puts it
 * whole. If the future is released the proxy says so by TAKEN: the task goes on as one whose future
 * was released, and the proxy drops what still comes.
 *
 * Memory. If an agent has no memory for an argument, it reads the rest of SUBMIT, keeps nothing of
 * it, and answers RESULT with words: the task has failed. So does an agent without memory for a
 * message of its task; it kills the task first. A proxy without memory for a message or a result
 * reads it all the same, and then fails the task. The connection goes on each time. For HELLO, the
 * agent ends the connection. An argument or a result over PI_REMOTE_BYTES is never sent: its task
 * fails, with words.
 *
 *   what fails                    the program finds
 *   a task                        RESULT: LOST with pid, signal and node, or another attempt
 *   an agent, idle                the end of the connection before SUBMIT: nothing is lost, the
 *                                 task goes back to the queue
 *   an agent's pool, before it    RESULT: NOT_BEGUN, with the number of the task; or 0 from a place
 *   begins the task               that is idle, because SUBMIT may be on its way. The proxy ends
 *                                 the connection; the task goes back to the queue. (If the network
 *                                 loses that 0, the task is lost: the agent is not there any more)
 *   an initializer, three times   FAILED: BROKEN, with the words of the agent's pool, and the node
 *   in a row in one agent
 *   an agent of another build     REFUSE; the agent ends. Its words break the executor if no other
 *                                 agent joins, and all launchers have ended
 *   an agent or node, busy        the end of the connection: LOST, or another attempt; messages
 *                                 that have arrived are there
 *   a node, silently              the same, after the time of silence (TCP_USER_TIMEOUT)
 *   an agent breaks the rules     its proxy hangs up. A task that runs there is LOST, or has
 *                                 another attempt
 *   a program breaks the rules    the agent hangs up, and kills the task of that place
 *   a proxy                       as with any worker; the agent kills the task
 *   the program or its supervisor all proxies end; each agent finds no one to connect to, and ends
 *   all launchers, none joined    BROKEN, with a line of stderr: of the last command that has said
 *                                 a line with a letter, the first such line. If none has, the words
 *                                 of the last REFUSE
 *
 * An agent runs a task only when the whole SUBMIT is there. So while one byte of SUBMIT is unsent,
 * the task has not begun.
 */
#pragma once

#include "remote/wire.h"

enum pi_message {
    PI_NO_MESSAGE,
    PI_JOIN,
    PI_HELLO,
    PI_WELCOME,
    PI_REFUSE,
    PI_SUBMIT,
    PI_CANCEL_TASK,
    PI_RESULT,
    PI_PREPARING,
    PI_POOL_FAILED,
    PI_MESSAGE,
    PI_PROGRESS,
    PI_TAKEN,
    PI_MESSAGES
};
#define PI_ACCEPT(message) (1u << (message))

#define PI_REMOTE_VERSION 2u
#define PI_TOKEN_SIZE ((size_t)16)
#define PI_NODE_SIZE ((size_t)64)
#define PI_TEXT_SIZE ((size_t)256)
#define PI_MAX_MODULES ((size_t)1024)
#define PI_MAX_POINTERS 2u

/* A message that is ready to be sent: frame and head. */
struct pi_envelope {
    unsigned char bytes[PI_FRAME_SIZE + PI_MAX_HEAD];
    size_t size;
};
/* Begins one; then its owner puts the head, and ends it. */
struct pi_pack pi_envelope_begin(struct pi_envelope *envelope);
void pi_envelope_end(struct pi_envelope *envelope, const struct pi_pack *head,
                     const struct pi_frame *frame);

struct pi_join {
    uint32_t version;
    unsigned char token[PI_TOKEN_SIZE];
    int64_t pid;
    char node[PI_NODE_SIZE];
    bool has_pool;
};
void pi_join_write(struct pi_envelope *envelope, const struct pi_join *join);
bool pi_join_read(struct pi_pack *head, struct pi_join *join);

/* A place in a module: 1 + its number (0: NULL), and how far behind its beginning. */
struct pi_place_in {
    uint32_t module;
    uint64_t offset;
};

struct pi_submit {
    uint64_t number;
    struct pi_place_in fn;
    uint32_t n_pointers;
    struct {
        uint64_t at; /* in the argument */
        struct pi_place_in value;
    } pointers[PI_MAX_POINTERS];
    int64_t time_left_ms; /* -1: no limit */
    uint64_t max_memory;
    int64_t max_cpu_ms;
    uint32_t runs;   /* before this one */
    uint64_t unread; /* bytes of messages of these that nobody has read */
};
void pi_submit_write(struct pi_envelope *envelope, const struct pi_submit *submit, uint64_t size);
bool pi_submit_read(struct pi_pack *head, struct pi_submit *submit);

enum pi_outcome {
    PI_RETURNED,
    PI_FAILED, /* by posse_task_fail: the tail is its message */
    PI_LOST,
    PI_LATE,
    PI_OVER_MEMORY,
    PI_OVER_CPU,
    PI_NOT_BEGUN, /* most often the agent ends then */
    PI_OUTCOMES
};
struct pi_result {
    uint64_t number;
    uint32_t outcome;
    int32_t code, signal, exit_code;
    int64_t pid;
    uint64_t peak_memory, cpu_ns;
    uint64_t done, total; /* its progress; both 0: it has said nothing */
};
void pi_result_write(struct pi_envelope *envelope, const struct pi_result *result, uint64_t size);
bool pi_result_read(struct pi_pack *head, struct pi_result *result);

/* What a task tells; `numbers` are the progress or, the first of them, the bytes of TAKEN. */
struct pi_told {
    uint64_t number;
    uint64_t numbers[2];
};
/* PROGRESS, and TAKEN. */
void pi_told_write(struct pi_envelope *envelope, unsigned kind, const struct pi_told *told);
bool pi_told_read(struct pi_pack *head, unsigned kind, struct pi_told *told);
/* What a message takes of a feed: see posse_task_emit. */
static inline uint64_t pi_message_room(uint64_t size) { return (size + 15) / 8 * 8; }

/* HELLO, PREPARING, WELCOME, REFUSE, FAILED: an empty head but for the version, which all have. */
void pi_plain_write(struct pi_envelope *envelope, unsigned kind, uint64_t tail);
/* CANCEL and MESSAGE, with the number of the task. */
void pi_number_write(struct pi_envelope *envelope, unsigned kind, uint64_t number, uint64_t tail);
/* The number of these, or the version of the others. False: the head has another size. */
bool pi_number_read(struct pi_pack *head, uint64_t *number);

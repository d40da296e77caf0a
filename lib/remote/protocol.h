/* protocol.h - what proxies and agents say to each other.
 *
 * Runs in: worker (the proxy), agent.
 *
 * A proxy is a worker of the program's pool that stands for one place (posse_runner.h). An agent is
 * a process on a node, with a local pool; it has a connection for each of its places.
 *
 *   message   from    head                                     tail           when
 *   JOIN      agent   version, token, pid, name of the node    none           first
 *   HELLO     proxy   version                                  modules        after a right token
 *   WELCOME   agent   nothing                                  none           the modules are the
 *                                                                             same here
 *   REFUSE    agent   nothing                                  why, in words  they are not
 *   SUBMIT    proxy   number, function, time left, limits,     the argument   the place is idle
 *                     where pointers to functions stand
 *   CANCEL    proxy   number                                   none           the task is asked to
 *                                                                             stop
 *   RESULT    agent   number, how it ended                     result, text   the task has ended
 *
 * A kill has no message: the end of the connection is the kill.
 *
 * An agent makes its pool when it hears the first HELLO, and connects anew after that.
 *
 *   a place    proxy                                     agent                    ends by
 *   WAITING    accepts, checks JOIN, sends HELLO         connects, sends JOIN     WELCOME: IDLE
 *   IDLE       takes tasks                               waits                    SUBMIT: BUSY
 *   BUSY       waits for RESULT                          runs the task            RESULT: IDLE
 *   any        the connection has ended: WAITING         kills the task, connects again
 *
 *   what dies                     the program finds
 *   a task                        RESULT: LOST with pid, signal and node, or another attempt
 *   an agent, idle                the end of the connection before SUBMIT: nothing is lost, the
 *                                 task goes back to the queue
 *   an agent or node, busy        the end of the connection: LOST, or another attempt
 *   a node, silently              the same, after the time of silence (TCP_USER_TIMEOUT)
 *   a proxy                       as with any worker; the agent kills the task
 *   the program or its supervisor all proxies end; each agent finds no one to connect to, and ends
 *   all launchers, none joined    BROKEN, with the last words of the launcher
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
    PI_MESSAGES
};
#define PI_ACCEPT(message) (1u << (message))

#define PI_REMOTE_VERSION 1u
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
    PI_NOT_BEGUN,
    PI_OUTCOMES
};
struct pi_result {
    uint64_t number;
    uint32_t outcome;
    int32_t code, signal, exit_code;
    int64_t pid;
    uint64_t peak_memory, cpu_ns;
};
void pi_result_write(struct pi_envelope *envelope, const struct pi_result *result, uint64_t size);
bool pi_result_read(struct pi_pack *head, struct pi_result *result);

/* HELLO, WELCOME, REFUSE: an empty head but for the version, which all have. */
void pi_plain_write(struct pi_envelope *envelope, unsigned kind, uint64_t tail);
void pi_cancel_write(struct pi_envelope *envelope, uint64_t number);
/* The number that CANCEL has, or the version of the others. False: the head has another size. */
bool pi_number_read(struct pi_pack *head, uint64_t *number);

/* remote.h - pools of agents on this machine. */
#pragma once

#include "support/support.h"

#include <posse_remote.h>
#include <sys/types.h>

/* "a:2,b:1": as posse_remote_options.nodes. Asserts. */
#define REMOTE(nodes) make_remote(nodes, (posse_options){.struct_size = sizeof(posse_options)})
#define REMOTE_WITH(nodes, ...)                                                                    \
    make_remote(nodes, (posse_options){.struct_size = sizeof(posse_options), __VA_ARGS__})
posse_executor *make_remote(const char *nodes, posse_options options);
/* By TCP on loopback. */
posse_executor *make_remote_tcp(const char *nodes);

/* Asserts that all tasks have ended, and destroys it. */
void end_remote(posse_executor *pool);

/* Submits square_task of 0 to n - 1, and asserts their results. */
void assert_square_tasks(posse_executor *pool, long n);
/* Takes tasks square_task of 0 to n - 1, of which some may be lost with their workers. How many. */
long count_lost_squares(const posse_future *futures, long n);

/* ---- agents by hand (hand.c) ---- */

/* A pool whose agents the test starts: the token is in a file. */
struct hand {
    posse_executor *pool;
    posse_remote_options options;
    char directory[32];
    char token[64];
};

struct hand make_by_hand(long places, posse_options options);                        /* asserts */
struct hand make_by_hand_at(const char *listen, long places, posse_options options); /* the same */
void end_hand(struct hand *hand);                                                    /* asserts */
posse_options plain(void);
/* Starts an agent; by a command that runs it in its place; of another program. */
pid_t start_agent(const struct hand *hand, long places);
pid_t start_agent_by(const struct hand *hand, long places, const char *command);
pid_t start_agent_of(const struct hand *hand, long places, const char *program);
/* Copies a program or a library; as another build: with one bit of its build-id changed. Assert. */
void copy_file(const char *from, const char *to);
void copy_changed(const char *from, const char *to);
/* Waits for its end. Returns it as waitpid does. Asserts. */
int end_of(pid_t agent);
void kill_agent(pid_t agent);

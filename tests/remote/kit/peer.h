/* peer.h - a test that is one end of the protocol itself: an agent, or the program of agents. */
#pragma once

#include "remote/kit/remote.h"

#include "remote/protocol.h"

/* The token of a pool by hand. Asserts. */
void peer_token(const struct hand *hand, unsigned char token[PI_TOKEN_SIZE]);

/* Sends a message. The other end may have hung up. */
void peer_say(int fd, const struct pi_envelope *envelope, const void *tail, size_t size);
void peer_say_plain(int fd, unsigned kind);
/* Reads until a whole message of that kind has come, and nothing else; of SUBMIT the number, of
 * JOIN whether the agent has a pool, of RESULT the outcome. Asserts. */
uint64_t peer_await(int fd, unsigned kind);
/* The same; -1: the connection has ended, or brought something else. */
int64_t peer_try(int fd, unsigned kind);

/* An agent: connects to the pool and sends JOIN. Asserts. */
int peer_join(const struct hand *hand);
/* The same, up to a place that is IDLE; that has a task, whose number it sets. Asserts. */
int peer_idle(const struct hand *hand);
int peer_busy(const struct hand *hand, uint64_t *number);

/* A program: listens, and agents of `hand` connect there from now on. Asserts. */
int peer_listen(struct hand *hand);
/* The next connection of an agent, whose JOIN was read: *has_pool. Asserts. */
int peer_accept(int listener, bool *has_pool);
/* The tail of HELLO of an honest program without options. Allocates. Asserts. */
unsigned char *peer_hello(size_t *size);
/* Accepts an agent without a pool, up to the connection of a place that is IDLE. Asserts. */
int peer_welcomed(int listener);
/* SUBMIT of `fn`, without its argument of that size. */
void peer_submit(int fd, uint64_t number, posse_fn *fn, uint64_t size);

/* Whether a process, by its name in /proc, runs this program: the test, the pool, agents and theirs
 * do. */
bool peer_is_this_program(const char *pid);
/* The most bytes of private writable memory, touched or not, that such a process has. Asserts. */
size_t peer_most_memory(void);

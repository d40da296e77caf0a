/* proxy.h - a worker of the program's pool that stands for one place of an agent.
 *
 * Runs in: worker; made in the program.
 */
#pragma once

#include "posse_runner.h"
#include "remote/modules.h"

#include <stdatomic.h>

/* What all proxies and the launcher share. Each word is written by one step, so a death leaves it
 * whole; the text may be cut. */
struct pi_shared {
    _Atomic unsigned joined;  /* places that were ever there */
    _Atomic unsigned ended;   /* 1: all that was launched has ended */
    char words[PI_TEXT_SIZE]; /* why, written before `ended`, or by a proxy that was refused */
    _Atomic unsigned failed;  /* 1: the initializer has broken the pool of an agent */
    char why[PI_TEXT_SIZE];   /* in words, written before `failed` */
};

/* What the workers and the supervisor know from the program. */
struct pi_remote {
    int listener;
    int launcher; /* its other end is the launcher's; -1: nothing was launched */
    int keeper;   /* its other end is the keeper's; -1: there is no token_file */
    int silence_ms;
    unsigned char token[PI_TOKEN_SIZE];
    struct pi_modules modules;
    uint64_t message_memory; /* of a task in an agent */
    uint64_t max_result;     /* of a task that is none of a map; 0: any */
    unsigned char *hello;    /* the tail of HELLO */
    size_t hello_size;
    struct pi_shared *shared;
};

enum pi_proxy_state {
    PI_PROXY_NONE,    /* no connection */
    PI_PROXY_JOINING, /* accepted */
    PI_PROXY_GREETED, /* HELLO was sent */
    PI_PROXY_PLACE
};

/* The one of this process. */
extern struct pi_proxy {
    enum pi_proxy_state state;
    int fd;
    bool longer;   /* see pi_net_allow */
    int64_t until; /* of the greeting, in ms */
    uint64_t number;
    int64_t pid;
    char node[PI_NODE_SIZE];
    struct pi_inbox inbox;
} pi_proxy;

void pi_proxy_hang_up(void);
/* The head of FAILED is there: the executor breaks when it is asked next whether it is ready. */
void pi_proxy_note_failure(const struct pi_remote *remote);

/* `ready` and `run` of a posse_runner, with a struct pi_remote. */
posse_status pi_proxy_ready(void *remote, posse_place *place);
void pi_proxy_run(void *remote, posse_run *run);

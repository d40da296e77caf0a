/* launcher.h - starts agents. Runs in: program; the launcher, a process of its own. */
#pragma once

#include "posse_remote.h"
#include "remote/proxy.h"

struct pi_launch {
    const posse_remote_options *options;
    const char *nodes;
    long places;
    const char *address; /* that agents are told */
    const char *target;  /* HOST:PORT of the listener, for ssh; NULL: it is a unix socket */
    char token[2 * PI_TOKEN_SIZE + 1];
    struct pi_shared *shared;
    int others[3]; /* that the launcher closes: they are of the program and its pool; -1: none */
    int socket;    /* the launcher's end: the pool is gone when the other end is */
};

/* Forks the launcher, which is no child of the program. When a byte comes it starts the agents, and
 * ends them when the pool is gone. 0 or an errno. */
int pi_launch_agents(struct pi_launch *launch);
/* The agent's command line, each word quoted for a shell. As snprintf. */
size_t pi_launch_line(const char *address, long places, char *buffer, size_t capacity);

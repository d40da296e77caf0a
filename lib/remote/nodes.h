/* nodes.h - the list of hosts and places: "a:8,b:8,c". Runs in: program. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define PI_HOST_SIZE ((size_t)128)

struct pi_node {
    char host[PI_HOST_SIZE];
    long places;
};

/* Whether it may stand in commands: letters, digits and "._-@", and it is no option. */
bool pi_node_is_host(const char *host);
/* The entry at *at, and goes on to the next; false: there is none. An entry that is not valid has 0
 * places. */
bool pi_nodes_next(const char **at, long places, struct pi_node *node);
/* The places of all; 0: an entry is not valid; -1: one has more than POSSE_MAX_WORKERS. */
long pi_nodes_places(const char *nodes, long places);

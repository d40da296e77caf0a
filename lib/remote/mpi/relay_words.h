/* relay_words.h - the command line of posse-relay. Runs in: posse-relay. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* posse-relay NODES PROGRAM --posse-agent ADDRESS PLACES [WORD...] */
struct pi_relay_words {
    const char *nodes, *address;
    size_t n_nodes;
    long places;  /* of a node without a number */
    char **agent; /* from PROGRAM on */
};

bool pi_relay_words_read(int argc, char **argv, struct pi_relay_words *words);

/* Connections between rank 0 and that rank, at most: its places twice, as an old connection may
 * still be ending when the next one begins. places: gets the places. 0: there is no such node. */
uint32_t pi_relay_connections(const struct pi_relay_words *words, size_t rank, long *places);

#include "remote/mpi/relay_words.h"
#include "remote/nodes.h"

#include <stdlib.h>
#include <string.h>

static size_t count_nodes(const struct pi_relay_words *words)
{
    struct pi_node node;
    size_t n = 0;
    for (const char *at = words->nodes; pi_nodes_next(&at, words->places, &node);)
        n++;
    return n;
}

bool pi_relay_words_read(int argc, char **argv, struct pi_relay_words *words)
{
    char *end = NULL;
    if (argc < 6 || strcmp(argv[3], "--posse-agent") != 0)
        return false;
    *words = (struct pi_relay_words){.nodes = argv[1],
                                     .agent = argv + 2,
                                     .address = argv[4],
                                     .places = strtol(argv[5], &end, 10)};
    words->n_nodes = count_nodes(words);
    return *end == '\0' && words->places > 0 && pi_nodes_places(words->nodes, words->places) > 0;
}

uint32_t pi_relay_connections(const struct pi_relay_words *words, size_t rank, long *places)
{
    struct pi_node node = {.places = 0};
    const char *at = words->nodes;
    for (size_t i = 0; i < rank; i++)
        if (!pi_nodes_next(&at, words->places, &node))
            return 0;
    *places = node.places;
    return (uint32_t)(2 * node.places);
}

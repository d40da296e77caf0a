#include "remote/nodes.h"
#include "posse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool pi_node_is_host(const char *host)
{
    if (host[0] == '\0' || host[0] == '-')
        return false;
    for (; *host; host++)
        if (!isalnum((unsigned char)*host) && !strchr("._-@", *host))
            return false;
    return true;
}

/* One more than POSSE_MAX_WORKERS stands for all that are too many. */
static long read_places(const char *text, size_t length)
{
    char *end;
    long places = strtol(text, &end, 10);
    if (end != text + length || length == 0 || places < 1)
        return 0;
    return places > POSSE_MAX_WORKERS ? POSSE_MAX_WORKERS + 1 : places;
}

bool pi_nodes_next(const char **at, long places, struct pi_node *node)
{
    const char *entry = *at;
    size_t length = strcspn(entry, ",");
    const char *colon = memchr(entry, ':', length);
    size_t host = colon ? (size_t)(colon - entry) : length;
    *node = (struct pi_node){.places = places};
    if (*entry == '\0')
        return false;
    *at = entry + length + (entry[length] == ',');
    if (colon)
        node->places = read_places(colon + 1, length - host - 1);
    if (host < sizeof node->host)
        memcpy(node->host, entry, host);
    if (!pi_node_is_host(node->host))
        node->places = 0;
    return true;
}

long pi_nodes_places(const char *nodes, long places)
{
    struct pi_node node;
    long all = 0;
    while (pi_nodes_next(&nodes, places, &node)) {
        if (node.places < 1 || node.places > POSSE_MAX_WORKERS)
            return node.places < 1 ? 0 : -1;
        all += node.places;
    }
    return all;
}

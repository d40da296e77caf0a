#include "posse_remote.h"
#include "base/tuning.h"
#include "remote/hosts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As options.nodes has it. */
static int write_list(const struct pi_hosts *hosts, char **list)
{
    size_t size = hosts->n * (PI_HOST_SIZE + 8) + 1, used = 0;
    *list = hosts->n ? malloc(size) : NULL;
    if (!*list)
        return hosts->n ? ENOMEM : EINVAL;
    for (size_t i = 0; i < hosts->n; i++) {
        const struct pi_host *host = &hosts->at[i];
        if (host->places > POSSE_MAX_WORKERS)
            return E2BIG;
        used += (size_t)snprintf(*list + used, size - used, "%s%s:%ld", i ? "," : "", host->name,
                                 host->places);
    }
    return 0;
}

static int copy_list(const char *nodes, char **list)
{
    struct pi_node node;
    const char *at = nodes;
    size_t n = 0;
    while (n <= PI_MAX_NODES && pi_nodes_next(&at, 1, &node))
        n++;
    *list = n > PI_MAX_NODES ? NULL : strdup(nodes);
    return *list ? 0 : n > PI_MAX_NODES ? E2BIG : ENOMEM;
}

int pi_hosts_list(const char *nodes, long places, char **list)
{
    struct pi_hosts hosts = {.n = 0};
    *list = NULL;
    if (nodes[0] != '@')
        return copy_list(nodes, list);
    int error = strcmp(nodes, POSSE_NODES_BATCH) == 0
                    ? pi_hosts_read_batch(&hosts)
                    : pi_hosts_read_file(&hosts, nodes + 1, places);
    if (!error)
        error = write_list(&hosts, list);
    free(hosts.at);
    if (error) {
        free(*list);
        *list = NULL;
    }
    return error;
}

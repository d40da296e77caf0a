#include "remote/hosts.h"
#include "base/tuning.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pi_hosts_add(struct pi_hosts *hosts, const char *name, size_t length)
{
    if (length >= PI_HOST_SIZE)
        return EINVAL;
    if (hosts->n == PI_MAX_NODES)
        return E2BIG;
    if ((hosts->n & (hosts->n - 1)) == 0) { /* full: its room is a power of two */
        struct pi_host *more = realloc(hosts->at, 2 * (hosts->n + 1) * sizeof *more);
        if (!more)
            return ENOMEM;
        hosts->at = more;
    }
    struct pi_host *host = &hosts->at[hosts->n];
    *host = (struct pi_host){.places = 0};
    memcpy(host->name, name, length);
    if (!pi_node_is_host(host->name))
        return EINVAL;
    hosts->n++;
    return 0;
}

static bool has_name(const struct pi_host *host, const char *name, size_t length)
{
    return strncmp(host->name, name, length) == 0 && host->name[length] == '\0';
}

/* Lines of one host most often follow each other: it looks at the last first. */
int pi_hosts_find(struct pi_hosts *hosts, const char *name, size_t length, struct pi_host **host)
{
    if (length >= PI_HOST_SIZE)
        return EINVAL;
    for (size_t i = hosts->n; i-- > 0;)
        if (has_name(&hosts->at[i], name, length)) {
            *host = &hosts->at[i];
            return 0;
        }
    int error = pi_hosts_add(hosts, name, length);
    *host = error ? NULL : &hosts->at[hosts->n - 1];
    return error;
}

long pi_hosts_number(const char **at, long most)
{
    long number = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        if (number <= most)
            number = 10 * number + (**at - '0');
    return number > most ? most + 1 : number;
}

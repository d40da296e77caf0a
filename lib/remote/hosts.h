/* hosts.h - where the list of nodes comes from: options.nodes itself, a file of hosts, or a batch
 * system. Runs in: program. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "remote/nodes.h"

struct pi_host {
    char name[PI_HOST_SIZE];
    long places;
    long lines;    /* of a file */
    bool numbered; /* by one of them */
};

/* At most PI_MAX_NODES. */
struct pi_hosts {
    struct pi_host *at; /* freed by the owner */
    size_t n;
};

/* ---- host_file.c, batch.c ---- */

/* Each adds to an empty list. 0 or an errno. */
int pi_hosts_read_file(struct pi_hosts *hosts, const char *path, long places);
/* As the variables of the environment say that the batch system has set. */
int pi_hosts_read_batch(struct pi_hosts *hosts);

/* ---- hosts.c ---- */

/* Adds one. 0, EINVAL, E2BIG, ENOMEM. */
int pi_hosts_add(struct pi_hosts *hosts, const char *name, size_t length);
/* The one of that name, which it adds if there is none. */
int pi_hosts_find(struct pi_hosts *hosts, const char *name, size_t length, struct pi_host **host);
/* A whole number from 1 to `most`; one more: it is larger; 0: there is none. Goes on behind its
 * digits. */
long pi_hosts_number(const char **at, long most);

/* ---- node_list.c ---- */

/* The list that options.nodes means, as "a:8,b:8"; the caller frees it. 0 or an errno: EINVAL, it
 * is not valid; E2BIG, it is too long; ENOMEM; or why the file cannot be read. */
int pi_hosts_list(const char *nodes, long places, char **list);

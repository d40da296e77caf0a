/* making.h - a pool that posse_remote_create makes. Runs in: program. */
#pragma once

#include "remote/launcher.h"
#include "remote/token_file.h"

struct pi_making {
    posse_options options;
    posse_remote_options remote;
    char *nodes;
    struct pi_launch launch;
    struct pi_token_file file;
    struct pi_remote shared;
};

/* A smaller struct of an older program counts as zeros. False: it has no size, or says more than is
 * known here. */
bool pi_making_read_sized(void *to, const void *from, size_t known);
/* Checks and reads what the program asks for, but for what posse_create checks. */
posse_status pi_making_read(struct pi_making *making, const posse_options *options,
                            const posse_remote_options *remote);

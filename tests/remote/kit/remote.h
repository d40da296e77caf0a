/* remote.h - pools of agents on this machine. */
#pragma once

#include "support/support.h"

#include <posse_remote.h>

/* "a:2,b:1": as posse_remote_options.nodes. Asserts. */
#define REMOTE(nodes) make_remote(nodes, (posse_options){.struct_size = sizeof(posse_options)})
#define REMOTE_WITH(nodes, ...)                                                                    \
    make_remote(nodes, (posse_options){.struct_size = sizeof(posse_options), __VA_ARGS__})
posse_executor *make_remote(const char *nodes, posse_options options);
/* By TCP on loopback. */
posse_executor *make_remote_tcp(const char *nodes);

/* Asserts that all tasks have ended, and destroys it. */
void end_remote(posse_executor *pool);

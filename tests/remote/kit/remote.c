#include "remote/kit/remote.h"

static posse_executor *make(const char *nodes, const char *listen, posse_options options)
{
    posse_executor *pool = NULL;
    posse_remote_options remote = {.struct_size = sizeof remote, .nodes = nodes, .listen = listen};
    assert_ok(posse_remote_create(&options, &remote, &pool));
    return pool;
}

posse_executor *make_remote(const char *nodes, posse_options options)
{
    return make(nodes, NULL, options);
}

posse_executor *make_remote_tcp(const char *nodes)
{
    posse_options options = {.struct_size = sizeof options};
    return make(nodes, "127.0.0.1:0", options);
}

void end_remote(posse_executor *pool) { end_pool(pool); }

/* no_main.c - a program that is started as an agent, and does not call posse_remote_main. It would
 * start agents in turn, and each of them more. */
#include <posse_remote.h>

#include <stdio.h>

int main(void)
{
    posse_remote_options remote = {.struct_size = sizeof remote, .nodes = "here:1"};
    posse_executor *pool;
    posse_status status = posse_remote_create(NULL, &remote, &pool);
    printf("%s\n", posse_status_name(status));
    return status == POSSE_INVALID && !pool ? 0 : 1;
}

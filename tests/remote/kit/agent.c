/* agent.c - a program of tests that is started as an agent is one, and runs no tests. The C library
 * gives the arguments of main to constructors. */
#include <posse_remote.h>

__attribute__((constructor)) static void become_agent(int argc, char **argv)
{
    posse_remote_main(argc, argv);
}

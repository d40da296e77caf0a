/* example.c - ten futures that are not released, and posse_destroy. */
#include "program.h"

int main(int argc, char **argv)
{
    posse_executor *pool = open_program_pool(argc, argv);
    return pool == NULL || cubes(pool) != 0 || posse_destroy(pool) != POSSE_OK;
}

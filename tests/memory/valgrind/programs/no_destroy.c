/* no_destroy.c - a program that exits and leaves its pool to the system. */
#include "program.h"

int main(int argc, char **argv)
{
    static posse_executor *pool;
    pool = open_program_pool(argc, argv);
    return pool == NULL || cubes(pool) != 0;
}

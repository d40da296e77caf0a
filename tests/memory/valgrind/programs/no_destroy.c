/* no_destroy.c - a program that exits and leaves its pool to the system. */
#include "program.h"

extern posse_executor *volatile pool;
posse_executor *volatile pool; /* still there at the end, for all to see */

int main(int argc, char **argv)
{
    pool = open_program_pool(argc, argv);
    return pool == NULL || cubes(pool) != 0;
}

/* function.h - the name of a function of another process, for people who look at its tasks.
 *
 * Runs in: posse-top. From the symbols of the file that the process has mapped there. The file may
 * hold anything, so each offset is checked. A name that was found is kept.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#define PI_TOP_FUNCTION 96

/* Writes "name", else "file+0x12ab" (for addr2line), else "0x7f00012ab". */
void pi_top_function(pid_t pid, uint64_t address, char name[PI_TOP_FUNCTION]);

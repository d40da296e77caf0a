/* smaps.h - what the kernel tells of this process's mappings (smaps.c). */
#ifndef SMAPS_H
#define SMAPS_H

#include <stdbool.h>

/* Whether the mapping at an address has a flag of VmFlags: two letters, see proc(5). Also for
 * forked children; false if there is no mapping. */
bool has_flag(const void *address, const char *flag);

#endif

/* smaps.c - see smaps.h. */
#include "smaps.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

bool has_flag(const void *address, const char *flag)
{
    char line[4096];
    bool here = false;
    bool found = false;
    FILE *smaps = fopen("/proc/self/smaps", "re");
    while (smaps != NULL && fgets(line, sizeof line, smaps) != NULL) {
        unsigned long begin;
        unsigned long end;
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2) {
            here = begin <= (uintptr_t)address && (uintptr_t)address < end;
        } else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            char wanted[8];
            snprintf(wanted, sizeof wanted, " %.2s ", flag);
            found = strstr(line, wanted) != NULL;
        }
    }
    if (smaps != NULL)
        fclose(smaps);
    return found;
}

/* measure.c - reads /proc. */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The number after `name` in a file of lines like "VmSize:  123 kB"; 0: there is none. */
static size_t figure(const char *path, const char *name)
{
    char line[256];
    unsigned long kb = 0;
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kb = strtoul(line + strlen(name), NULL, 10);
            break;
        }
    }
    if (file != NULL)
        fclose(file);
    return (size_t)kb * 1024;
}

size_t address_space(long pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/status", pid);
    return figure(path, "VmSize:");
}

size_t committed(long pid)
{
    char path[64], line[512];
    unsigned long kb = 0, sum = 0;
    snprintf(path, sizeof path, "/proc/%ld/smaps", pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        (void)sscanf(line, "Size: %lu kB", &kb);
        if (strncmp(line, "VmFlags:", strlen("VmFlags:")) == 0 && strstr(line, " ac") != NULL)
            sum += kb;
    }
    if (file != NULL)
        fclose(file);
    return (size_t)sum * 1024;
}

size_t machine_memory(void) { return figure("/proc/meminfo", "MemTotal:"); }

size_t available_memory(void) { return figure("/proc/meminfo", "MemAvailable:"); }

/* Blocks of what is mapped at from..to, also if it has no name any more. */
static bool mapped_bytes(unsigned long from, unsigned long to, size_t *bytes)
{
    char path[96];
    struct stat status;
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", from, to);
    if (stat(path, &status) != 0)
        return false;
    *bytes = (size_t)status.st_blocks * 512;
    return true;
}

/* Each file counts once, also if it is mapped in pieces. False: the system does not tell. */
static bool shared_bytes(size_t *sum)
{
    enum { MAX_FILES = 64 };
    unsigned long seen[MAX_FILES], from, to, inode;
    int files = 0;
    bool told = true;
    char line[4608], shared;
    FILE *maps = fopen("/proc/self/maps", "re");
    *sum = 0;
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL && files < MAX_FILES) {
        bool known = sscanf(line, "%lx-%lx %*3c%c %*x %*s %lu", &from, &to, &shared, &inode) != 4 ||
                     shared != 's';
        for (int i = 0; i < files && !known; i++)
            known = seen[i] == inode;
        size_t bytes = 0;
        if (!known) {
            told &= mapped_bytes(from, to, &bytes);
            seen[files++] = inode;
            *sum += bytes;
        }
    }
    if (maps != NULL)
        fclose(maps);
    return told && maps != NULL;
}

size_t held(void)
{
    size_t sum = 0;
    if (backend() != POSSE_PROCESS)
        return figure("/proc/self/status", "RssAnon:");
    (void)shared_bytes(&sum);
    return sum;
}

bool tells_held(void)
{
    size_t sum;
    return backend() == POSSE_PROCESS ? shared_bytes(&sum)
                                      : figure("/proc/self/status", "RssAnon:") > 0;
}

bool comes_down_to(size_t most)
{
    for (long end = now_ms() + PATIENCE_MS; held() > most; pause_ms(10))
        if (now_ms() > end)
            return false;
    return true;
}

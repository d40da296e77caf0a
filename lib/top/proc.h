/* proc.h - what /proc tells of other processes.
 *
 * Runs in: posse-top. Only reads. The kernel decides which users may: the maps and descriptors of
 * a process are for its owner and root. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pi_top_process {
    pid_t pid, parent;
    uint64_t start; /* ticks since the boot */
    uint64_t cpu;   /* nanoseconds of processor time that it has used */
    uint64_t rss;   /* bytes */
    char state;     /* as in ps; X: it has ended */
    char name[16];
};

/* All processes that can be seen, as they are now. */
struct pi_top_processes {
    struct pi_top_process *at;
    size_t count, size;
};

/* The whole of a file of /proc, which the caller frees; at most a bound that no process reaches.
 * NULL: errno tells why not. */
char *pi_top_read_file(const char *path);

/* False: there is no such process, or it cannot be seen. */
bool pi_top_process_read(pid_t pid, struct pi_top_process *process);
/* False: errno tells why not. */
bool pi_top_processes_read(struct pi_top_processes *processes);
const struct pi_top_process *pi_top_process_find(const struct pi_top_processes *processes,
                                                 pid_t pid);
/* Whose it is. False: there is no such process. */
bool pi_top_process_owner(pid_t pid, uid_t *owner);
/* The pid that the process itself knows: another one if it is in a container. */
pid_t pi_top_process_inner(pid_t pid);

/* A line of /proc/PID/maps. */
struct pi_top_mapping {
    uint64_t begin, end, offset;
    uint64_t inode;
    bool shared, readable;
    const char *path; /* "" if it has none; ends with the line */
};
/* Calls `each` for all mappings of a process, until it returns false. False: errno tells why the
 * kernel does not show them. */
typedef bool pi_top_mapping_fn(void *context, const struct pi_top_mapping *mapping);
bool pi_top_each_mapping(pid_t pid, pi_top_mapping_fn *each, void *context);

/* Runs in: posse-top. */
#include "top/proc.h"
#include "base/tuning.h"
#include "os/fd.h"
#include "os/shm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SIZE ((size_t)16 << 10)

/* Reads to the end of the file into *text, which has `size` bytes. 0 or an errno. */
static int read_all(int fd, char **text, size_t size)
{
    size_t length = 0;
    for (;;) {
        ssize_t n = pi_os_fd_read_some(fd, *text + length, size - length - 1);
        if (n < 0)
            return errno;
        length += (size_t)n;
        (*text)[length] = '\0';
        if (n == 0 || length >= PI_TOP_MAX_FILE)
            return 0;
        if (length + 1 < size)
            continue;
        char *more = realloc(*text, size *= 2);
        if (!more)
            return ENOMEM;
        *text = more;
    }
}

char *pi_top_read_file(const char *path)
{
    int fd = pi_os_fd_open(path, O_RDONLY);
    if (fd < 0)
        return NULL;
    char *text = malloc(FIRST_SIZE);
    int error = text ? read_all(fd, &text, FIRST_SIZE) : ENOMEM;
    pi_os_close(fd);
    if (error) {
        free(text);
        errno = error;
        return NULL;
    }
    return text;
}

/* ---- processes ---- */

/* "pid (name) state parent ...": the name may hold anything, so its end is the last bracket. */
static bool parse(char *text, struct pi_top_process *process)
{
    char *name = strchr(text, '('), *end = strrchr(text, ')');
    int parent;
    unsigned long user, system;
    uint64_t start, pages;
    if (!name || !end || end < name ||
        sscanf(end + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d "
               "%" SCNu64 " %*u %" SCNu64,
               &process->state, &parent, &user, &system, &start, &pages) != 6)
        return false;
    *end = '\0';
    snprintf(process->name, sizeof process->name, "%s", name + 1);
    process->parent = parent;
    process->cpu = (uint64_t)(user + system) * (PI_SECOND / (uint64_t)sysconf(_SC_CLK_TCK));
    process->start = start;
    process->rss = pages * pi_os_page_size();
    return true;
}

bool pi_top_process_read(pid_t pid, struct pi_top_process *process)
{
    char path[32], text[1024];
    *process = (struct pi_top_process){.pid = pid, .state = 'X'};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    return pi_os_fd_read(path, text, sizeof text) > 0 && parse(text, process);
}

static bool make_room(struct pi_top_processes *processes)
{
    if (processes->count < processes->size)
        return true;
    size_t size = processes->size ? 2 * processes->size : 256;
    struct pi_top_process *at = realloc(processes->at, size * sizeof *at);
    if (!at)
        return false;
    processes->at = at;
    processes->size = size;
    return true;
}

bool pi_top_processes_read(struct pi_top_processes *processes)
{
    DIR *directory = opendir("/proc");
    bool good = directory != NULL;
    processes->count = 0;
    for (struct dirent *entry; good && (entry = readdir(directory));) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (pid <= 0 || *end)
            continue;
        good = make_room(processes);
        if (good && pi_top_process_read((pid_t)pid, &processes->at[processes->count]))
            processes->count++;
    }
    if (directory)
        closedir(directory);
    return good;
}

const struct pi_top_process *pi_top_process_find(const struct pi_top_processes *processes,
                                                 pid_t pid)
{
    for (size_t i = 0; i < processes->count; i++)
        if (processes->at[i].pid == pid)
            return &processes->at[i];
    return NULL;
}

/* What follows a name at the start of a line of /proc/PID/status; "": there is no such line. */
static void read_status(pid_t pid, const char *name, char value[64])
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    char *text = pi_top_read_file(path), *line = text ? strstr(text, name) : NULL;
    snprintf(value, 64, "%.*s", line ? (int)strcspn(line + strlen(name), "\n") : 0,
             line ? line + strlen(name) : "");
    free(text);
}

bool pi_top_process_owner(pid_t pid, uid_t *owner)
{
    char value[64];
    unsigned user;
    read_status(pid, "\nUid:", value);
    bool found = sscanf(value, "%u", &user) == 1;
    if (found)
        *owner = (uid_t)user;
    return found;
}

pid_t pi_top_process_inner(pid_t pid)
{
    char value[64];
    read_status(pid, "\nNSpid:", value);
    const char *last = strrchr(value, '\t');
    long inner = last ? strtol(last, NULL, 10) : 0;
    return inner > 0 ? (pid_t)inner : pid;
}

/* ---- mappings ---- */

static bool parse_mapping(char *line, struct pi_top_mapping *mapping)
{
    char rights[5];
    int path = 0;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64 " %n", &mapping->begin,
               &mapping->end, rights, &mapping->offset, &mapping->inode, &path) != 5)
        return false;
    mapping->shared = rights[3] == 's';
    mapping->readable = rights[0] == 'r';
    mapping->path = path > 0 ? line + path : "";
    return true;
}

bool pi_top_each_mapping(pid_t pid, pi_top_mapping_fn *each, void *context)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    char *text = pi_top_read_file(path), *rest = text;
    if (!text)
        return false;
    for (char *line; (line = strtok_r(NULL, "\n", &rest));) {
        struct pi_top_mapping mapping;
        if (parse_mapping(line, &mapping) && !each(context, &mapping))
            break;
    }
    free(text);
    return true;
}

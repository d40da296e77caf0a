/* census.c - counts what a test may leave behind.
 *
 * Workers and their supervisor are not children of the runner, and the tests do not know all of
 * their pids. So the runner maps a memory file with a name of its own. A process forked from it
 * inherits the mapping, notes its pid there, and shows the name in /proc/<pid>/maps until it dies.
 * Later the pid may belong to another process. A zombie has no mappings.
 *
 * The names of posse in /dev/shm tell the pid of the program that made them. Those of programs that
 * were not forked from the runner are not counted, so that tests may run side by side.
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char
    mark[64]; /* as in maps, with what follows the name so that no pid is the start of another */

#define MAX_PIDS (1 << 22) /* the most that Linux has */

static _Atomic uint64_t *forked; /* a bit for each pid; shared with what is forked */

static struct {
    int descriptors;
    int threads;
    int processes;
    struct dirent **names; /* in /dev/shm, sorted */
    int n_names;
} first;

static void *say_who(void *who)
{
    *(long *)who = identity();
    return NULL;
}

/* ThreadSanitizer starts a thread of its own with the program's first one, so that one is made
 * before anything is counted. It may be seen for an instant after it was joined. */
static void start_first_thread(void)
{
    pthread_t thread;
    long who = 0;
    char path[64];
    if (pthread_create(&thread, NULL, say_who, &who) != 0)
        return;
    pthread_join(thread, NULL);
    snprintf(path, sizeof path, "/proc/self/task/%ld", who);
    for (long end = now_ms() + PATIENCE_MS; access(path, F_OK) == 0 && now_ms() < end;
         pause_ms(1)) {
    }
}

static void note_fork(void)
{
    pid_t pid = getpid();
    atomic_fetch_or(&forked[pid / 64], (uint64_t)1 << pid % 64);
}

static bool was_forked(const char *pid)
{
    long number = atol(pid);
    return number > 0 && number < MAX_PIDS &&
           (atomic_load(&forked[number / 64]) >> number % 64 & 1);
}

void census_mark(void)
{
    start_first_thread();
    char name[32];
    snprintf(name, sizeof name, "posse-test-%ld", (long)getpid());
    snprintf(mark, sizeof mark, "%s ", name);
    int fd = memfd_create(name, MFD_CLOEXEC);
    void *pids = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, MAX_PIDS / 8) == 0)
        pids = mmap(NULL, MAX_PIDS / 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (pids == MAP_FAILED || pthread_atfork(NULL, NULL, note_fork) != 0) {
        perror("cannot mark the runner");
        exit(2);
    }
    close(fd);
    forked = pids;
    note_fork();
}

static int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    int entries = 0;
    while (directory != NULL && readdir(directory) != NULL)
        entries++;
    if (directory != NULL)
        closedir(directory);
    return entries - 2; /* . and .. */
}

int count_descriptors(void) { return count_entries("/proc/self/fd") - 1; /* the one that looks */ }

int count_threads(void) { return count_entries("/proc/self/task"); }

static bool carries_mark(const char *pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%.20s/maps", pid);
    FILE *maps = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    while (maps != NULL && !found && getline(&line, &capacity, maps) >= 0)
        found = strstr(line, mark) != NULL;
    free(line);
    if (maps != NULL)
        fclose(maps);
    return found;
}

int count_processes(void)
{
    DIR *processes = opendir("/proc");
    int found = 0;
    for (struct dirent *entry; processes != NULL && (entry = readdir(processes)) != NULL;) {
        const char *pid = entry->d_name;
        found += was_forked(pid) && atol(pid) != getpid() && carries_mark(pid);
    }
    if (processes != NULL)
        closedir(processes);
    return found;
}

char process_state(pid_t pid)
{
    char path[64];
    char state = 'X';
    /* Not /proc/<pid>/stat: of that qemu makes up what it says of its own process. */
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/stat", (long)pid, (long)pid);
    FILE *stat = fopen(path, "re");
    if (stat != NULL) {
        if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
            state = 'X';
        fclose(stat);
    }
    return state;
}

bool process_lives(pid_t pid)
{
    char state = process_state(pid);
    return state != 'X' && state != 'Z';
}

static void free_names(struct dirent **names, int n)
{
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

static int is_of_posse(const struct dirent *entry)
{
    return strncmp(entry->d_name, "posse", strlen("posse")) == 0;
}

static bool is_old_name(const char *name)
{
    for (int i = 0; i < first.n_names; i++)
        if (strcmp(first.names[i]->d_name, name) == 0)
            return true;
    return false;
}

/* Whether the program that made the name was not forked from this runner. */
static bool is_of_others(const char *name)
{
    char pid[24];
    return sscanf(name, "posse-%20[0-9]-", pid) == 1 && !was_forked(pid);
}

int count_new_names(void)
{
    struct dirent **names = NULL;
    int n = scandir("/dev/shm", &names, is_of_posse, alphasort);
    int fresh = 0;
    for (int i = 0; i < n; i++)
        fresh += !is_old_name(names[i]->d_name) && !is_of_others(names[i]->d_name);
    free_names(names, n);
    return fresh;
}

void census_begin(void)
{
    free_names(first.names, first.n_names);
    first.names = NULL;
    first.n_names = scandir("/dev/shm", &first.names, is_of_posse, alphasort);
    first.descriptors = count_descriptors();
    first.threads = count_threads();
    first.processes = count_processes();
}

/* A joined thread and a killed process may be seen for an instant longer, and so may a name of
 * another program that has just died. */
static bool comes_to(int (*count)(void), int least, int most, long end)
{
    int n;
    while (((n = count()) < least || n > most) && now_ms() < end)
        pause_ms(2);
    return n >= least && n <= most;
}

static bool nothing_left(const char *what, int (*count)(void), int before, long end)
{
    if (comes_to(count, before, before, end))
        return true;
    print_error("after the test: %d %s, %d before it\n", count(), what, before);
    return false;
}

/* They may be fewer: the launcher of agents is a process that may begin after posse_destroy, and so
 * after the test before, and then end at once. */
static bool no_process_left(long end)
{
    if (comes_to(count_processes, 0, first.processes, end))
        return true;
    print_error("after the test: %d processes, %d before it\n", count_processes(), first.processes);
    return false;
}

static bool no_child(void)
{
    if (waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD)
        return true;
    print_error("after the test: a child process is left\n");
    return false;
}

bool census_end(void)
{
    bool clean = no_child();
    long end = now_ms() + PATIENCE_MS;
    clean &= nothing_left("descriptors", count_descriptors, first.descriptors, end);
    clean &= nothing_left("threads", count_threads, first.threads, end);
    clean &= no_process_left(end);
    clean &= nothing_left("new names of posse in /dev/shm", count_new_names, 0, end);
    return clean;
}

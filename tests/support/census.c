/* census.c - counts what a test may leave behind.
 *
 * Workers and their supervisor are not children of the runner, and the tests do not know all of
 * their pids. So the runner maps a page of a memory file with a name of its own: whatever is
 * forked from it inherits the mapping, and shows it in /proc/<pid>/maps until it dies. A zombie
 * has no mappings. The page lies before all others, so that the first line of each process tells:
 * other tests' processes have thousands of lines.
 *
 * The names of posse in /dev/shm tell the pid of the program that made them. Those of a program
 * that lives without the mark are not counted, so that tests may run side by side. Whose program
 * is dead is not known: its names count. Another test whose programs are killed removes theirs at
 * once, and nothing_left looks for longer than that takes.
 */
#include "support.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_PAGE ((void *)0x10000) /* the lowest that every system lets a program map */

static char
    mark[64]; /* as in maps, with what follows the name so that no pid is the start of another */

static bool mark_is_first; /* of all mappings */

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

void census_mark(void)
{
    start_first_thread();
    char name[32];
    snprintf(name, sizeof name, "posse-test-%ld", (long)getpid());
    snprintf(mark, sizeof mark, "%s ", name);
    int fd = memfd_create(name, MFD_CLOEXEC);
    void *page = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, 4096) == 0)
        page = mmap(FIRST_PAGE, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        perror("cannot mark the runner");
        exit(2);
    }
    mark_is_first = page == FIRST_PAGE;
    close(fd);
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
    bool more = maps != NULL;
    while (more && getline(&line, &capacity, maps) >= 0) {
        found = strstr(line, mark) != NULL;
        more = !found && !mark_is_first;
    }
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
        bool other = isdigit((unsigned char)entry->d_name[0]) && atol(entry->d_name) != getpid();
        found += other && carries_mark(entry->d_name);
    }
    if (processes != NULL)
        closedir(processes);
    return found;
}

char process_state(pid_t pid)
{
    char path[64];
    char state = 'X';
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
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

/* Whether the program that made the name lives and is not of this runner. */
static bool is_of_others(const char *name)
{
    char pid[24];
    return sscanf(name, "posse-%20[0-9]-", pid) == 1 && process_lives((pid_t)atol(pid)) &&
           !carries_mark(pid);
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
static bool comes_to(int (*count)(void), int expected, long end)
{
    for (; now_ms() < end; pause_ms(2))
        if (count() == expected)
            return true;
    return count() == expected;
}

static bool nothing_left(const char *what, int (*count)(void), int expected, long end)
{
    if (comes_to(count, expected, end))
        return true;
    print_error("after the test: %d %s, %d before it\n", count(), what, expected);
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
    clean &= nothing_left("processes", count_processes, first.processes, end);
    clean &= nothing_left("new names of posse in /dev/shm", count_new_names, 0, end);
    return clean;
}

/* Runs in: posse-top. */
#include "top/choose.h"

#include <stdlib.h>
#include <unistd.h>

/* What a file says whose it is, 0: nothing. */
static pid_t owner_of(const struct pi_top_files *files, const struct pi_top_file *file)
{
    struct pi_top_reader reader;
    bool readable = pi_top_reader_open(&reader, pi_top_open(files, file), files->program,
                                       file->base) == PI_TOP_READABLE;
    pi_top_reader_close(&reader);
    return readable ? (pid_t)reader.origin.program : 0;
}

/* How many executors a process has made. */
static unsigned count_own(struct pi_top_files *files, pid_t pid)
{
    unsigned count = 0;
    files->program = pid;
    if (pi_top_attach(files) != PI_TOP_FOUND)
        return 0;
    pid_t inner = pi_top_process_inner(pid);
    for (unsigned i = 0; i < files->count; i++)
        count += owner_of(files, &files->at[i]) == inner;
    return count;
}

static bool is_mine(pid_t pid)
{
    uid_t owner;
    return pi_top_process_owner(pid, &owner) && (owner == geteuid() || geteuid() == 0);
}

unsigned pi_top_list(struct pi_top_files *files, struct pi_top_choice *choices, unsigned size)
{
    struct pi_top_processes all = {.at = NULL};
    unsigned found = 0;
    (void)pi_top_processes_read(&all);
    for (size_t i = 0; i < all.count; i++) {
        unsigned own = is_mine(all.at[i].pid) ? count_own(files, all.at[i].pid) : 0;
        if (own > 0 && found < size)
            choices[found] = (struct pi_top_choice){all.at[i], own};
        found += own > 0;
    }
    free(all.at);
    return found;
}

/* The program of a process that has made no executor; 0: it has made one, or there is none. */
static pid_t other_owner(struct pi_top_files *files)
{
    pid_t other = 0;
    if (pi_top_attach(files) != PI_TOP_FOUND)
        return 0;
    for (unsigned i = 0; i < files->count; i++) {
        pid_t owner = owner_of(files, &files->at[i]);
        if (owner == pi_top_process_inner(files->program))
            return 0;
        if (owner > 0 && pi_top_has_mapped(owner, files->at[i].inode))
            other = owner;
    }
    return other;
}

void pi_top_follow(struct pi_top_files *files)
{
    pid_t other = other_owner(files);
    if (other > 0)
        files->program = other;
}

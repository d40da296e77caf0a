/* Runs in: posse-top. */
#include "top/attach.h"
#include "os/fd.h"
#include "top/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* An object of os/shm_object.c has such a name. The directory is another one for a process of
 * another container. */
static bool is_of_posse(const struct pi_top_mapping *mapping)
{
    const char *base = strrchr(mapping->path, '/');
    bool named =
        base && (strncmp(base, "/posse-", 7) == 0 || strncmp(base, "/memfd:posse ", 13) == 0);
    return mapping->shared && named && strstr(base, " (deleted)");
}

static struct pi_top_file *find(struct pi_top_files *files, uint64_t inode)
{
    for (unsigned i = files->count; i-- > 0;) /* one executor has several mappings in a row */
        if (files->at[i].inode == inode)
            return &files->at[i];
    return NULL;
}

/* Whether an executor without a file begins there. */
static bool begins_segment(const struct pi_top_files *files, const struct pi_top_mapping *mapping)
{
    return !mapping->shared && mapping->readable && mapping->inode == 0 && !*mapping->path &&
           files->pagemap >= 0 &&
           pi_top_has_segment(files->pagemap, files->program, mapping->begin);
}

static bool add(void *context, const struct pi_top_mapping *mapping)
{
    struct pi_top_files *files = context;
    struct pi_top_file file = {mapping->inode, -1, 0};
    if (begins_segment(files, mapping))
        file.inode = file.base = mapping->begin;
    else if (!is_of_posse(mapping) || find(files, mapping->inode))
        return true;
    files->more = files->count == PI_TOP_MAX_EXECUTORS;
    if (!files->more)
        files->at[files->count++] = file;
    return !files->more;
}

/* ---- descriptors ---- */

/* The descriptor's path, if it is of a regular file without a name, and its inode. Nothing else is
 * ever opened: that might have an effect. */
static bool stat_descriptor(pid_t pid, int number, char path[48], struct stat *status)
{
    snprintf(path, 48, "/proc/%d/fd/%d", (int)pid, number);
    return stat(path, status) == 0 && S_ISREG(status->st_mode) && status->st_nlink == 0;
}

static void find_descriptors(struct pi_top_files *files)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)files->program);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        struct stat status;
        int number = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || !stat_descriptor(files->program, number, path, &status))
            continue;
        struct pi_top_file *file = find(files, status.st_ino);
        if (file)
            file->descriptor = number;
    }
    if (directory)
        closedir(directory);
}

static bool has_descriptor(const struct pi_top_files *files, const struct pi_top_file *file)
{
    char path[48];
    struct stat status;
    return file->descriptor >= 0 &&
           stat_descriptor(files->program, file->descriptor, path, &status) &&
           status.st_ino == file->inode;
}

/* Takes over what was found before, as far as it still holds. False: something is missing. */
static bool remember(struct pi_top_files *files, struct pi_top_files *before)
{
    bool all = true;
    for (unsigned i = 0; i < files->count; i++) {
        struct pi_top_file *file = &files->at[i], *old = find(before, file->inode);
        if (old && has_descriptor(before, old))
            file->descriptor = old->descriptor;
        all &= file->base || file->descriptor >= 0;
    }
    return all;
}

/* -1: the kernel does not let this user look. */
static int open_pagemap(pid_t pid)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/pagemap", (int)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* ---- what the rest sees ---- */

enum pi_top_found pi_top_attach(struct pi_top_files *files)
{
    static struct pi_top_files before; /* too large for a stack */
    before = *files;
    files->count = 0;
    files->more = false;
    files->pagemap = open_pagemap(files->program);
    bool read = pi_top_each_mapping(files->program, add, files);
    int error = errno;
    pi_os_close(files->pagemap);
    errno = error;
    if (!read) {
        bool none = errno == ENOENT || errno == ESRCH;
        bool refused = errno == EACCES || errno == EPERM;
        return none ? PI_TOP_NO_ONE : refused ? PI_TOP_REFUSED : PI_TOP_ERROR;
    }
    if (files->count == 0)
        return PI_TOP_NONE;
    if (!remember(files, &before))
        find_descriptors(files);
    return PI_TOP_FOUND;
}

int pi_top_open(const struct pi_top_files *files, const struct pi_top_file *file)
{
    char path[48];
    struct stat status;
    if (file->base)
        return open_pagemap(files->program);
    if (!has_descriptor(files, file))
        return -1;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)files->program, file->descriptor);
    int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd = open(path, flags | O_NOATIME); /* even the time of the last look stays */
    if (fd < 0 && errno == EPERM)
        fd = open(path, flags);
    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_ino == file->inode)
        return fd;
    pi_os_close(fd);
    return -1;
}

struct wanted {
    uint64_t inode;
    bool found;
};

static bool is_wanted(void *context, const struct pi_top_mapping *mapping)
{
    struct wanted *wanted = context;
    wanted->found |= is_of_posse(mapping) && mapping->inode == wanted->inode;
    return !wanted->found;
}

bool pi_top_has_mapped(pid_t pid, uint64_t inode)
{
    struct wanted wanted = {inode, false};
    return pi_top_each_mapping(pid, is_wanted, &wanted) && wanted.found;
}

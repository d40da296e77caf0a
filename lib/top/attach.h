/* attach.h - finds the shared memory of a program's executors, without the program's help.
 *
 * Runs in: posse-top. The memory has no name, but the program's map of memory shows it, and the
 * program keeps a descriptor of it. /proc/PID/fd opens that again, for reading alone. It is opened
 * for each look and closed after it, so posse-top keeps no memory of a program that has ended.
 *
 * The memory of an executor with threads or inline is the program's own. It begins a mapping
 * without a file, and there stands its origin (core/segment.h).
 */
#pragma once

#include "base/tuning.h"
#include "top/proc.h"

struct pi_top_file {
    uint64_t inode;
    int descriptor; /* of the program, where it was found last; -1: nowhere */
    uint64_t base;  /* 0, or there is no file: where it lies; then that is the inode, too */
};

struct pi_top_files {
    pid_t program;
    unsigned count;
    bool more;   /* than these */
    int pagemap; /* of the program, during pi_top_attach */
    struct pi_top_file at[PI_TOP_MAX_EXECUTORS];
};

enum pi_top_found {
    PI_TOP_FOUND,   /* one or more */
    PI_TOP_NONE,    /* no memory of posse can be seen there */
    PI_TOP_NO_ONE,  /* there is no such process, or it has ended */
    PI_TOP_REFUSED, /* the kernel does not let this user look */
    PI_TOP_ERROR    /* errno tells why */
};

/* What the program has mapped now. Goes on from what `files` has found before. */
enum pi_top_found pi_top_attach(struct pi_top_files *files);

/* Opens one of them, for reading: the file or, without one, the page map. -1: the program has no
 * descriptor of it. */
int pi_top_open(const struct pi_top_files *files, const struct pi_top_file *file);

/* Whether a process has mapped it. */
bool pi_top_has_mapped(pid_t pid, uint64_t inode);

/* reader.h - reads the shared memory of one executor.
 *
 * Runs in: posse-top. Of a file by pread, never by a mapping: pread of memory that was never used,
 * or given back, allocates none, and beyond the end of the file it is no SIGBUS. Whatever is read
 * may have been overwritten by a task, and may change meanwhile. So every place is checked against
 * the length of the file, and all that is read is a copy.
 *
 * An executor with threads or inline has no file: its memory is the program's own. There the reader
 * copies from the program, page by page, those that have memory (/proc/PID/pagemap): to read
 * another page would give the program one. The kernel lets root do so, and a user that may trace
 * the program.
 */
#pragma once

#include "core/segment.h"

#include <sys/types.h>

enum pi_top_problem {
    PI_TOP_READABLE,
    PI_TOP_NO_DESCRIPTOR, /* the program has closed it */
    PI_TOP_NO_ORIGIN,     /* overwritten, or of a version before there was one */
    PI_TOP_OTHER_VERSION,
    PI_TOP_DAMAGED /* the origin contradicts itself, or the file */
};

struct pi_top_reader {
    int fd;          /* of the file, or the page map */
    pid_t program;   /* 0: there is a file */
    uint64_t base;   /* where the memory lies in the program */
    uint64_t length; /* of the file or memory */
    struct pi_origin origin;
    struct pi_segment segment; /* its pointers are places for pi_top_read, no memory */
    bool cut;                  /* something could not be read, and counts as zero */
};

/* A value in a copy of shared memory. relaxed: the copy is private. */
#define PI_TOP_VALUE(field) pi_load_relaxed(&(field)) /* as said */

/* Takes the descriptor, which pi_top_reader_close closes: of the file, with base 0; else of the
 * program's page map. */
enum pi_top_problem pi_top_reader_open(struct pi_top_reader *reader, int fd, pid_t program,
                                       uint64_t base);
void pi_top_reader_close(struct pi_top_reader *reader);

/* Copies `size` bytes from a place of the segment. Zeros where there is nothing. */
void pi_top_read(struct pi_top_reader *reader, const volatile void *place, void *to, size_t size);

/* Whether a program has a segment of posse at that place in memory of its own. `fd` is of its page
 * map. */
bool pi_top_has_segment(int fd, pid_t program, uint64_t base);

/* What a word of monotonic.h says; 0 if it is none, or over max. */
uint32_t pi_top_count(uint64_t word, uint32_t max);

/* kept_output.h - what a process writes to descriptor 2, kept until another process has read it.
 *
 * Runs in: program (pi_os_output_denied), supervisor, worker.
 *
 * Descriptor 2 of a worker is a file in memory that has no name and cannot grow. The file's offset
 * says how much is in it. All processes that inherit the descriptor share the offset, the
 * supervisor too. A write never waits; it fails when the file is full.
 *
 *   step                              by          a death right after it
 *   1  makes the file                 supervisor  all workers end
 *   2  it is descriptor 2             w           nothing is in it
 *   3  writes                         a task      w's: 6
 *   4  copies it to where descriptor  w, when a   w's: 6 copies it again
 *      2 led before                   task ends
 *   5  the offset is 0                w           w's: nothing is in it
 *   6  w reaped: keeps the end of it  supervisor  all workers end
 *      and copies it as 4 does, but
 *      without waiting
 *
 * Linux only: elsewhere each function says that it cannot.
 */
#pragma once

#include "os/fd.h"

/* 0, or the errno of what keeps this system from it. */
int pi_os_output_denied(void);

/* Makes a file. -1: it cannot be made. */
int pi_os_output_create(void);
/* How many of the last bytes are in `tail`, at most size. */
size_t pi_os_output_tail(int file, char *tail, size_t size);
/* Copies what is in the file to descriptor 2 of this process, as far as that takes it at once. */
void pi_os_output_show_rest(int file);

/* In a worker. `before` is where descriptor 2 led. */
struct pi_os_output {
    struct pi_os_fd file, before; /* number -1: there is none */
};

/* Takes the file, whose number is closed, as descriptor 2. */
void pi_os_output_begin(struct pi_os_output *output, int file);
/* Copies what is in the file to `before`, and makes it empty. Waits as long as `before` does. */
void pi_os_output_show(const struct pi_os_output *output);

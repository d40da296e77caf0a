/* choose.h - which program is looked at.
 *
 * Runs in: posse-top.
 */
#pragma once

#include "top/sample.h"

/* A program that has executors. */
struct pi_top_choice {
    struct pi_top_process program;
    unsigned executors;
};

/* The programs of this user, or for root of all users, that have executors. Returns how many; the
 * first `size` are in `choices`. */
unsigned pi_top_list(struct pi_top_files *files, struct pi_top_choice *choices, unsigned size);

/* If files->program is a worker, a supervisor or another fork of a program, makes it that program.
 */
void pi_top_follow(struct pi_top_files *files);

/* commands.h - what the launcher runs. Runs in: program, before the fork of the launcher. */
#pragma once

#include "remote/launcher.h"

#include <sys/types.h>

#define PI_COMMAND_VARIABLES 8

/* One command, for one node or for several. */
struct pi_command {
    const char *text;                            /* for sh -c */
    char *environment[PI_COMMAND_VARIABLES + 1]; /* NAME=VALUE; freed with it */

    /* In the launcher. */
    pid_t pid; /* 0: it has ended */
    int errors;
    char line[PI_TEXT_SIZE]; /* of stderr */
    size_t length;
    bool has_letter, whole;
};

struct pi_commands {
    const struct pi_launch *launch;
    struct pi_command *at;
    size_t n;
    char **environment; /* room for that of one command: what the program has, and its own */
    size_t room;
};

/* All memory that the launcher needs. False: there is too little. */
bool pi_commands_prepare(struct pi_commands *all, const struct pi_launch *launch);
void pi_commands_free(struct pi_commands *all);

/* modules.h - how a function travels: the program and the libraries that a process has loaded, each
 * by its build-id, and functions as a module and an offset in it.
 *
 * Runs in: program, worker (the proxy), agent.
 *
 * Two processes have the same functions at the same offsets if they have loaded the same builds. So
 * an agent compares the build-id of each module of the program with its own, and refuses another
 * one. A library that the agent has not loaded it opens by the program's path for it.
 */
#pragma once

#include "posse.h"
#include "remote/protocol.h"

#define PI_BUILD_ID_SIZE 32

struct pi_module {
    char *path;
    unsigned char id[PI_BUILD_ID_SIZE];
    size_t id_size;       /* never 0 */
    uintptr_t base;       /* where it is loaded */
    uintptr_t begin, end; /* of what may be executed */
};

struct pi_modules {
    size_t n;
    struct pi_module *at; /* the program itself is the first */
};

/* All that are loaded now and have a build-id, at most PI_MAX_MODULES. POSSE_NOT_SUPPORTED: the
 * program has none, or there is no /proc. POSSE_NO_MEMORY. */
posse_status pi_modules_read(struct pi_modules *modules);
void pi_modules_free(struct pi_modules *modules);

/* NULL is module 0. False: no module has it. */
bool pi_modules_find(const struct pi_modules *modules, uintptr_t function,
                     struct pi_place_in *place);

/* The list as the tail of HELLO. Returns its size; writes it if there is room. */
size_t pi_modules_write(const struct pi_modules *modules, unsigned char *tail, size_t room);
/* In an agent: finds the modules of a HELLO among its own, *theirs: in the program's order. What
 * follows them is left. False: it refuses, and `why` says so. */
bool pi_modules_match(struct pi_pack *tail, struct pi_modules *theirs, char why[PI_TEXT_SIZE]);
/* The function at a place; false: it lies in no code of these modules. */
bool pi_modules_resolve(const struct pi_modules *modules, const struct pi_place_in *place,
                        uintptr_t *function);

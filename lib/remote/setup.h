/* setup.h - what the options of a program say to the pools of its agents, behind the modules of
 * HELLO.
 *
 * Runs in: program, agent.
 *
 * Tasks run in the workers of the agents, so what an option says of workers is done there.
 */
#pragma once

#include "posse.h"
#include "remote/modules.h"

struct pi_setup {
    struct pi_setup_hook {
        struct pi_place_in fn; /* module 0: there is none */
        const void *arg;
        uint64_t size;
    } initializer, finalizer;
    uint64_t max_memory, max_tasks, max_rss, max_result;
    uint64_t message_memory;
    uint64_t silence_ms; /* of the program, after which an agent gives it up */
    bool wipe, named;
    char prefix[16]; /* of the names of workers, if they are named */
};

/* Takes out of the options what agents do, so that proxies do not.
 * POSSE_INVALID, POSSE_TOO_LARGE: as posse_create, which does not see it then.
 * POSSE_NOT_SUPPORTED: a function lies in no module. */
posse_status pi_setup_take(struct pi_setup *setup, posse_options *options,
                           const struct pi_modules *modules);
/* Returns its size; writes it if there is room. */
size_t pi_setup_write(const struct pi_setup *setup, unsigned char *at, size_t room);
/* The arguments stay where they were read. False: it is damaged. */
bool pi_setup_read(struct pi_pack *pack, struct pi_setup *setup);
/* Puts it into the options of an agent's pool. False: a function is not here. */
bool pi_setup_apply(const struct pi_setup *setup, const struct pi_modules *modules,
                    posse_options *options);

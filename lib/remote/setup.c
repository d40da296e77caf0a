#include "remote/setup.h"
#include "base/tuning.h"
#include "posse_runner.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- in the program ---- */

static posse_status take_hook(struct pi_setup_hook *hook, posse_fn *fn,
                              const struct pi_modules *modules)
{
    if ((!fn && (hook->arg || hook->size)) || (hook->size && !hook->arg))
        return posse_refuse(POSSE_INVALID, "the argument of options.initializer or "
                                           "options.finalizer is without a function, or NULL");
    if (!pi_modules_find(modules, (uintptr_t)fn, &hook->fn))
        return posse_refuse(POSSE_NOT_SUPPORTED, "options.initializer or options.finalizer is in "
                                                 "no library that has a build-id");
    return POSSE_OK;
}

/* A power of two, as posse_create rounds it: both sides count with the same. */
static posse_status take_messages(struct pi_setup *setup, posse_options *o)
{
    uint64_t size = 64, asked = o->message_memory ? o->message_memory : PI_MESSAGE_MEMORY;
    if (asked > PI_REMOTE_MESSAGES)
        return posse_refuse(POSSE_TOO_LARGE, "options.message_memory is over 512 MiB");
    while (size < asked)
        size *= 2;
    setup->message_memory = size;
    o->message_memory = 2 * size;
    return POSSE_OK;
}

posse_status pi_setup_take(struct pi_setup *setup, posse_options *o,
                           const struct pi_modules *modules)
{
    *setup =
        (struct pi_setup){.initializer = {.arg = o->initializer_arg, .size = o->initializer_size},
                          .finalizer = {.arg = o->finalizer_arg, .size = o->finalizer_size},
                          .max_memory = o->max_memory,
                          .max_rss = o->max_rss_per_worker,
                          .max_result = o->max_result,
                          .wipe = o->wipe,
                          .named = o->worker_name_prefix};
    posse_status status = take_hook(&setup->initializer, o->initializer, modules);
    if (status == POSSE_OK)
        status = take_hook(&setup->finalizer, o->finalizer, modules);
    if (status == POSSE_OK && o->max_tasks_per_worker < 0)
        status = posse_refuse(POSSE_INVALID, "options.max_tasks_per_worker is under 0");
    if (status == POSSE_OK)
        status = take_messages(setup, o);
    size_t most = PI_REMOTE_SETUP / 2;
    if (status == POSSE_OK && (o->initializer_size > most || o->finalizer_size > most ||
                               o->initializer_size + o->finalizer_size > most))
        status = posse_refuse(POSSE_TOO_LARGE, "the arguments of options.initializer and "
                                               "options.finalizer are over 32 MiB");
    setup->max_tasks = (uint64_t)o->max_tasks_per_worker;
    if (o->worker_name_prefix)
        snprintf(setup->prefix, sizeof setup->prefix, "%s", o->worker_name_prefix);
    o->initializer = o->finalizer = NULL;
    o->initializer_arg = o->finalizer_arg = NULL;
    o->initializer_size = o->finalizer_size = 0;
    o->max_tasks_per_worker = 0;
    o->max_rss_per_worker = 0;
    return status;
}

/* ---- on the wire ---- */

static void put_hook(struct pi_pack *pack, const struct pi_setup_hook *hook)
{
    pi_put(pack, hook->fn.module, 4);
    pi_put(pack, hook->fn.offset, 8);
    pi_put(pack, hook->size, 8);
    pi_put_bytes(pack, hook->arg, (size_t)hook->size);
}

/* Two hooks without their arguments, six numbers, two flags, and the length of the prefix. */
#define PI_SETUP_FIXED ((size_t)2 * 20 + (size_t)6 * 8 + 2 + 2)

size_t pi_setup_write(const struct pi_setup *setup, unsigned char *at, size_t room)
{
    struct pi_pack pack = {.at = at, .size = room};
    size_t size = (size_t)(setup->initializer.size + setup->finalizer.size) +
                  strlen(setup->prefix) + PI_SETUP_FIXED;
    if (size > room)
        return size;
    put_hook(&pack, &setup->initializer);
    put_hook(&pack, &setup->finalizer);
    pi_put(&pack, setup->max_memory, 8);
    pi_put(&pack, setup->max_tasks, 8);
    pi_put(&pack, setup->max_rss, 8);
    pi_put(&pack, setup->max_result, 8);
    pi_put(&pack, setup->message_memory, 8);
    pi_put(&pack, setup->silence_ms, 8);
    pi_put(&pack, setup->wipe, 1);
    pi_put(&pack, setup->named, 1);
    pi_put_text(&pack, setup->prefix, sizeof setup->prefix - 1);
    return size;
}

static void get_hook(struct pi_pack *pack, struct pi_setup_hook *hook)
{
    hook->fn.module = (uint32_t)pi_get(pack, 4);
    hook->fn.offset = pi_get(pack, 8);
    hook->size = pi_get(pack, 8);
    hook->arg = hook->size <= PI_REMOTE_SETUP ? pi_get_bytes(pack, (size_t)hook->size) : NULL;
    pack->wrong |= !hook->arg || (hook->fn.module == 0 && hook->size > 0);
}

bool pi_setup_read(struct pi_pack *pack, struct pi_setup *setup)
{
    *setup = (struct pi_setup){.wipe = false};
    get_hook(pack, &setup->initializer);
    get_hook(pack, &setup->finalizer);
    setup->max_memory = pi_get(pack, 8);
    setup->max_tasks = pi_get(pack, 8);
    setup->max_rss = pi_get(pack, 8);
    setup->max_result = pi_get(pack, 8);
    setup->message_memory = pi_get(pack, 8);
    setup->silence_ms = pi_get(pack, 8);
    setup->wipe = pi_get(pack, 1);
    setup->named = pi_get(pack, 1);
    pi_get_text(pack, setup->prefix, sizeof setup->prefix);
    bool power = setup->message_memory >= 64 && setup->message_memory <= PI_REMOTE_MESSAGES &&
                 (setup->message_memory & (setup->message_memory - 1)) == 0;
    return !pack->wrong && power && setup->max_tasks <= LONG_MAX && setup->silence_ms <= INT_MAX;
}

/* ---- in the agent ---- */

static bool find(const struct pi_modules *modules, const struct pi_setup_hook *hook, posse_fn **fn)
{
    uintptr_t at;
    if (!pi_modules_resolve(modules, &hook->fn, &at))
        return false;
    *fn = (posse_fn *)at;
    return true;
}

bool pi_setup_apply(const struct pi_setup *setup, const struct pi_modules *modules,
                    posse_options *o)
{
    o->initializer_size = (size_t)setup->initializer.size;
    o->initializer_arg = o->initializer_size ? setup->initializer.arg : NULL;
    o->finalizer_size = (size_t)setup->finalizer.size;
    o->finalizer_arg = o->finalizer_size ? setup->finalizer.arg : NULL;
    o->max_memory = (size_t)setup->max_memory;
    o->max_tasks_per_worker = (long)setup->max_tasks;
    o->max_rss_per_worker = (size_t)setup->max_rss;
    o->max_result = (size_t)setup->max_result;
    o->message_memory = (size_t)setup->message_memory;
    o->wipe = setup->wipe;
    if (setup->named)
        o->worker_name_prefix = setup->prefix;
    return find(modules, &setup->initializer, &o->initializer) &&
           find(modules, &setup->finalizer, &o->finalizer);
}

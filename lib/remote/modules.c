#include "remote/modules.h"
#include "base/tuning.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PATH 4096

/* ---- what is loaded ---- */

struct reading {
    struct pi_modules *modules;
    posse_status status;
};

static bool read_notes(struct pi_module *m, const unsigned char *at, size_t size)
{
    ElfW(Nhdr) note;
    while (size >= sizeof note) {
        memcpy(&note, at, sizeof note);
        size_t name = (note.n_namesz + 3u) & ~(size_t)3, id = (note.n_descsz + 3u) & ~(size_t)3;
        if (name > size || id > size || sizeof note + name + id > size)
            return false;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz > 0 &&
            note.n_descsz <= PI_BUILD_ID_SIZE && memcmp(at + sizeof note, "GNU", 4) == 0) {
            m->id_size = note.n_descsz;
            memcpy(m->id, at + sizeof note + name, note.n_descsz);
            return true;
        }
        at += sizeof note + name + id;
        size -= sizeof note + name + id;
    }
    return false;
}

static void read_headers(struct pi_module *m, const struct dl_phdr_info *info)
{
    m->base = info->dlpi_addr;
    m->begin = UINTPTR_MAX;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t at = info->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_NOTE && m->id_size == 0)
            (void)read_notes(m, (const unsigned char *)at, part->p_memsz);
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        m->begin = at < m->begin ? at : m->begin;
        m->end = at + part->p_memsz > m->end ? at + part->p_memsz : m->end;
    }
}

/* NULL: it has none. The program's own path is read from /proc into `own`. The program may have
 * loaded a library by a relative path, but agents have other directories. */
static const char *path_of(const struct dl_phdr_info *info, bool first, char own[MAX_PATH])
{
    const char *path = info->dlpi_name;
    if (!first && strchr(path, '/'))
        return path[0] != '/' && realpath(path, own) ? own : path;
    if (!first)
        return NULL;
    ssize_t length = readlink("/proc/self/exe", own, MAX_PATH - 1);
    if (length <= 0)
        return NULL;
    own[length] = '\0';
    return own;
}

/* False: no memory. */
static bool add(struct pi_modules *all, struct pi_module *m, const char *path)
{
    struct pi_module *more = realloc(all->at, (all->n + 1) * sizeof *more);
    if (!more)
        return false;
    all->at = more;
    m->path = strdup(path);
    if (!m->path)
        return false;
    all->at[all->n++] = *m;
    return true;
}

/* What the kernel puts into each process has no path, and is left out. */
static int add_module(struct dl_phdr_info *info, size_t size, void *context)
{
    struct reading *reading = context;
    struct pi_module m = {.id_size = 0};
    char own[MAX_PATH];
    size_t n = reading->modules->n;
    (void)size;
    read_headers(&m, info);
    const char *path = m.id_size > 0 && n < PI_MAX_MODULES ? path_of(info, n == 0, own) : NULL;
    if (path && !add(reading->modules, &m, path))
        reading->status = POSSE_NO_MEMORY;
    else if (!path && n == 0)
        reading->status = POSSE_NOT_SUPPORTED;
    return reading->status != POSSE_OK;
}

posse_status pi_modules_read(struct pi_modules *modules)
{
    struct reading reading = {.modules = modules, .status = POSSE_OK};
    *modules = (struct pi_modules){.n = 0};
    (void)dl_iterate_phdr(add_module, &reading);
    if (reading.status != POSSE_OK)
        pi_modules_free(modules);
    return reading.status == POSSE_OK && modules->n == 0 ? POSSE_NOT_SUPPORTED : reading.status;
}

void pi_modules_free(struct pi_modules *modules)
{
    for (size_t i = 0; i < modules->n; i++)
        free(modules->at[i].path);
    free(modules->at);
    *modules = (struct pi_modules){.n = 0};
}

/* ---- functions ---- */

bool pi_modules_find(const struct pi_modules *modules, uintptr_t function,
                     struct pi_place_in *place)
{
    *place = (struct pi_place_in){.module = 0};
    for (size_t i = 0; function && i < modules->n; i++) {
        const struct pi_module *m = &modules->at[i];
        if (function < m->begin || function >= m->end)
            continue;
        *place = (struct pi_place_in){(uint32_t)i + 1, function - m->base};
        return true;
    }
    return function == 0;
}

bool pi_modules_resolve(const struct pi_modules *modules, const struct pi_place_in *place,
                        uintptr_t *function)
{
    *function = 0;
    if (place->module == 0)
        return place->offset == 0;
    if (place->module > modules->n)
        return false;
    const struct pi_module *m = &modules->at[place->module - 1];
    *function = m->base + (uintptr_t)place->offset;
    return place->offset <= m->end - m->base && *function >= m->begin && *function < m->end;
}

/* ---- HELLO ---- */

size_t pi_modules_write(const struct pi_modules *modules, unsigned char *tail, size_t room)
{
    size_t size = 4;
    for (size_t i = 0; i < modules->n; i++)
        size += 2 + modules->at[i].id_size + 2 + strlen(modules->at[i].path);
    struct pi_pack pack = {.at = tail, .size = room};
    if (size > room)
        return size;
    pi_put(&pack, modules->n, 4);
    for (size_t i = 0; i < modules->n; i++) {
        const struct pi_module *m = &modules->at[i];
        pi_put(&pack, m->id_size, 2);
        pi_put_bytes(&pack, m->id, m->id_size);
        pi_put_text(&pack, m->path, MAX_PATH - 1);
    }
    return size;
}

struct wanted {
    unsigned char id[PI_BUILD_ID_SIZE];
    size_t id_size;
    char path[MAX_PATH];
};

static bool get_wanted(struct pi_pack *tail, struct wanted *wanted)
{
    wanted->id_size = (size_t)pi_get(tail, 2);
    if (wanted->id_size == 0 || wanted->id_size > sizeof wanted->id)
        return false;
    const unsigned char *id = pi_get_bytes(tail, wanted->id_size);
    if (id)
        memcpy(wanted->id, id, wanted->id_size);
    pi_get_text(tail, wanted->path, sizeof wanted->path);
    return !tail->wrong;
}

static struct pi_module *same_build(const struct pi_modules *own, const struct wanted *wanted)
{
    for (size_t i = 0; i < own->n; i++)
        if (own->at[i].id_size == wanted->id_size &&
            memcmp(own->at[i].id, wanted->id, wanted->id_size) == 0)
            return &own->at[i];
    return NULL;
}

static bool has_path(const struct pi_modules *own, const char *path)
{
    for (size_t i = 0; i < own->n; i++)
        if (strcmp(own->at[i].path, path) == 0)
            return true;
    return false;
}

/* Loads a library that this process does not have. It stays loaded. */
static bool load(struct pi_modules *own, const char *path)
{
    /* cppcheck-suppress leakReturnValNotUsed */
    if (has_path(own, path) || !dlopen(path, RTLD_NOW | RTLD_LOCAL))
        return false;
    pi_modules_free(own);
    return pi_modules_read(own) == POSSE_OK;
}

static bool match_one(struct pi_modules *own, const struct wanted *wanted, bool is_library,
                      struct pi_module *found)
{
    if (!same_build(own, wanted) && !(is_library && load(own, wanted->path)))
        return false;
    const struct pi_module *m = same_build(own, wanted);
    if (!m)
        return false;
    *found = *m;
    found->path = strdup(wanted->path);
    return found->path;
}

static bool match_all(struct pi_pack *tail, struct pi_modules *own, struct pi_modules *theirs,
                      char why[PI_TEXT_SIZE])
{
    static struct wanted wanted; /* an agent has one thread */
    size_t n = (size_t)pi_get(tail, 4);
    snprintf(why, PI_TEXT_SIZE, "the list of modules is damaged");
    if (tail->wrong || n == 0 || n > PI_MAX_MODULES)
        return false;
    theirs->at = calloc(n, sizeof *theirs->at);
    for (size_t i = 0; theirs->at && i < n; i++) {
        if (!get_wanted(tail, &wanted))
            return false;
        bool is_library = i > 0; /* not every C library refuses to load a program */
        if (!match_one(own, &wanted, is_library, &theirs->at[i])) {
            snprintf(why, PI_TEXT_SIZE, "another build of %.180s, or none",
                     i == 0 ? "the program" : wanted.path);
            return false;
        }
        theirs->n++;
    }
    return theirs->at;
}

bool pi_modules_match(struct pi_pack *tail, struct pi_modules *theirs, char why[PI_TEXT_SIZE])
{
    struct pi_modules own;
    *theirs = (struct pi_modules){.n = 0};
    posse_status status = pi_modules_read(&own);
    if (status != POSSE_OK) {
        snprintf(why, PI_TEXT_SIZE, "%s",
                 status == POSSE_NO_MEMORY ? "no memory for the list of modules"
                                           : "this program has no build-id");
        return false;
    }
    bool same = match_all(tail, &own, theirs, why);
    pi_modules_free(&own);
    if (!same)
        pi_modules_free(theirs);
    return same;
}

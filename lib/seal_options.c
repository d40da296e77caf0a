/* Runs in: program.
 *
 * options.seal of posse_create: checked, and copied into one block of memory.
 */
#include "internal.h"
#include "os/fd.h"
#include "os/seal.h"
#include "posse_seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALL_FLAGS ((uint64_t)0x1ff)
#define MAX_LISTED 1000

_Static_assert(POSSE_ALLOW_FILES == (int)PI_OS_ALLOW_FILES &&
                   POSSE_ALLOW_NETWORK == (int)PI_OS_ALLOW_NETWORK &&
                   POSSE_ALLOW_PROGRAMS == (int)PI_OS_ALLOW_PROGRAMS &&
                   POSSE_ALLOW_PROCESSES == (int)PI_OS_ALLOW_PROCESSES &&
                   POSSE_ALLOW_SIGNALS == (int)PI_OS_ALLOW_SIGNALS &&
                   POSSE_ALLOW_TRACING == (int)PI_OS_ALLOW_TRACING &&
                   POSSE_ALLOW_DESCRIPTORS == (int)PI_OS_ALLOW_DESCRIPTORS &&
                   POSSE_ALLOW_ENVIRONMENT == (int)PI_OS_ALLOW_ENVIRONMENT &&
                   POSSE_ALLOW_DUMPS == (int)PI_OS_ALLOW_DUMPS,
               "lib/os has the same flags");

/* ---- checks ---- */

static bool has_null(const char *const *names, size_t n)
{
    for (size_t i = 0; names && i < n; i++)
        if (!names[i])
            return true;
    return false;
}

static bool has_closed(const posse_seal *seal)
{
    for (size_t i = 0; seal->descriptors && i < seal->n_descriptors; i++)
        if (!pi_os_fd_is_open(seal->descriptors[i]))
            return true;
    return false;
}

static posse_status check_seal(const posse_seal *s)
{
    bool ports = s->n_connectable > 0 || s->n_bindable > 0;
    bool too_many = s->n_readable > MAX_LISTED || s->n_writable > MAX_LISTED ||
                    s->n_descriptors > MAX_LISTED || s->n_connectable > MAX_LISTED ||
                    s->n_bindable > MAX_LISTED;
    bool lacks_list = (s->n_readable && !s->readable) || (s->n_writable && !s->writable) ||
                      (s->n_descriptors && !s->descriptors) ||
                      (s->n_connectable && !s->connectable) || (s->n_bindable && !s->bindable);
    if (too_many)
        return pi_refuse(POSSE_TOO_LARGE,
                         "options.seal lists over 1000 paths, descriptors or ports");
    const struct pi_mistake mistakes[] = {
        {s->allow & ~ALL_FLAGS, POSSE_INVALID, "options.seal.allow has an unknown bit"},
        {lacks_list, POSSE_INVALID, "options.seal has a number without its list"},
        {(s->allow & POSSE_ALLOW_FILES) && s->n_readable + s->n_writable > 0, POSSE_INVALID,
         "options.seal allows all files and lists paths"},
        {(s->allow & POSSE_ALLOW_NETWORK) && ports, POSSE_INVALID,
         "options.seal allows all of the network and lists ports"},
        {has_null(s->readable, s->n_readable) || has_null(s->writable, s->n_writable),
         POSSE_INVALID, "options.seal lists a path that is NULL"},
        {has_closed(s), POSSE_INVALID, "options.seal.descriptors has one that is not open"},
    };
    return PI_REFUSE_FIRST(mistakes);
}

/* What the system says: that it can seal workers, and that the paths are there. */
static posse_status check_system(const struct pi_os_seal *seal)
{
    int error = pi_os_seal_denied(seal);
    if (error) {
        errno = error;
        return pi_refuse(POSSE_NOT_SUPPORTED,
                         pi_os_seal_lacks_ports(seal)
                             ? "options.seal lists ports, which Linux can limit from 6.7 on"
                             : "options.seal: this system cannot seal workers so");
    }
    for (size_t i = 0; i < seal->n_paths && error == 0; i++)
        error = pi_os_path_denied(seal->paths[i].name);
    return pi_refuse_errno(error, "options.seal: a path cannot be opened");
}

/* ---- the copy ---- */

static size_t letters_of(const char *const *names, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += strlen(names[i]) + 1;
    return size;
}

/* Returns where the next letters go. */
static char *copy_names(struct pi_os_seal *seal, const char *const *names, size_t n, char *letters)
{
    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(names[i]) + 1;
        seal->paths[seal->n_paths++] = (struct pi_os_path){.name = memcpy(letters, names[i], size)};
        letters += size;
    }
    return letters;
}

/* Returns where the next ports go. */
static uint16_t *copy_ports(struct pi_os_ports *ports, const uint16_t *from, size_t n, uint16_t *to)
{
    *ports = (struct pi_os_ports){to, n};
    if (n)
        memcpy(to, from, n * sizeof *to);
    return to + n;
}

/* One block: the seal, its paths, descriptors and ports, and the letters of the paths. */
static struct pi_os_seal *copy_seal(const posse_seal *given)
{
    size_t paths = given->n_readable + given->n_writable;
    size_t ports = given->n_connectable + given->n_bindable;
    size_t letters = letters_of(given->readable, given->n_readable) +
                     letters_of(given->writable, given->n_writable);
    struct pi_os_seal *seal =
        malloc(sizeof *seal + paths * sizeof *seal->paths + given->n_descriptors * sizeof(int) +
               ports * sizeof(uint16_t) + letters);
    if (!seal)
        return NULL;
    *seal = (struct pi_os_seal){.allow = (unsigned)given->allow,
                                .paths = (struct pi_os_path *)(seal + 1),
                                .n_descriptors = given->n_descriptors};
    seal->descriptors = (int *)(seal->paths + paths);
    if (given->n_descriptors)
        memcpy(seal->descriptors, given->descriptors, given->n_descriptors * sizeof(int));
    uint16_t *port = (uint16_t *)(seal->descriptors + given->n_descriptors);
    port = copy_ports(&seal->connectable, given->connectable, given->n_connectable, port);
    char *at = (char *)copy_ports(&seal->bindable, given->bindable, given->n_bindable, port);
    at = copy_names(seal, given->readable, given->n_readable, at);
    (void)copy_names(seal, given->writable, given->n_writable, at);
    for (size_t i = given->n_readable; i < seal->n_paths; i++)
        seal->paths[i].writable = true;
    return seal;
}

/* Each of these lets a task reach others: it could end them, read them, or write into the memory of
 * another executor, which the program has open. */
static posse_status check_fresh(const posse_seal *s)
{
    const uint64_t others = POSSE_ALLOW_SIGNALS | POSSE_ALLOW_TRACING | POSSE_ALLOW_DESCRIPTORS;
    if (s->allow & others)
        return pi_refuse(POSSE_INVALID, "options.seal allows what POSSE_FRESH rules out");
    return POSSE_OK;
}

posse_status pi_seal_read(posse_executor *e, const posse_seal *given)
{
    const posse_seal nothing = {.struct_size = sizeof nothing};
    posse_seal copy;
    const posse_seal *known = given ? pi_sized_read(given, &copy, sizeof copy) : &nothing;
    if (!known)
        return POSSE_INVALID;
    posse_status status = check_seal(known);
    if (status == POSSE_OK && e->fresh)
        status = check_fresh(known);
    if (status != POSSE_OK)
        return status;
    e->seal = copy_seal(known);
    return e->seal ? check_system(e->seal) : pi_refuse_errno(ENOMEM, PI_NO_HEAP);
}

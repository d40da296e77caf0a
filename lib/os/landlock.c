/* Runs in: worker; pi_os_landlock_denied in the program.
 *
 * What a filter of system calls cannot tell apart: which path is opened, and whose memory is read
 * through /proc. A process that Landlock limits cannot trace a process that is not limited so, nor
 * read its memory. So Landlock is needed if the seal lists paths or ports, or if it allows files
 * but not tracing. Else it only adds to what the filter of calls forbids, as far as the kernel has
 * it.
 */
#include "os/seal.h"

#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>

#ifdef __linux__
#include <sys/stat.h>
#include <unistd.h>

/* As in linux/landlock.h, which not every system comes with; the numbers of calls are the same on
 * all processors. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define GET_VERSION 1u
#define PATH_BENEATH 1
#define NET_PORT 2

enum access {
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIRECTORY = 1 << 3,
    REMOVE_DIRECTORY = 1 << 4,
    REMOVE_FILE = 1 << 5,
    MAKE_DIRECTORY = 1 << 7,
    MAKE_REGULAR = 1 << 8,
    MAKE_SOCKET = 1 << 9,
    MAKE_FIFO = 1 << 10,
    MAKE_SYMLINK = 1 << 12,
    MOVE = 1 << 13,
    TRUNCATE = 1 << 14
};
#define READING (READ_FILE | READ_DIRECTORY)
#define CHANGING                                                                                   \
    (WRITE_FILE | REMOVE_DIRECTORY | REMOVE_FILE | MAKE_DIRECTORY | MAKE_REGULAR | MAKE_SOCKET |   \
     MAKE_FIFO | MAKE_SYMLINK | MOVE | TRUNCATE)
#define OF_FILES (EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE)
#define BIND_TCP 1u
#define CONNECT_TCP 2u
#define ABSTRACT_SOCKETS 1u /* of processes outside */

/* Version 3 is the first that limits truncate: with an older one, files could be emptied that the
 * seal does not list. It is of Linux 6.2. */
#define VERSION_OF_PATHS 3
#define VERSION_OF_PORTS 4
#define VERSION_OF_SOCKETS 6

struct ruleset {
    uint64_t paths, ports, scopes; /* what it forbids but for its rules */
};

struct __attribute__((packed)) path_rule {
    uint64_t access;
    int32_t parent;
};

struct port_rule {
    uint64_t access, port;
};

/* 0: the kernel has none. */
static int version(void)
{
    long version = syscall(CREATE_RULESET, NULL, (size_t)0, GET_VERSION);
    return version < 0 ? 0 : (int)version;
}

/* The first versions of this bit set have 13, 14, 15 and then 16 rights. */
static uint64_t rights_of(int version)
{
    return ((uint64_t)1 << (version < 3 ? 12 + version : version < 5 ? 15 : 16)) - 1;
}

static bool lists_ports(const struct pi_os_seal *seal)
{
    return seal->connectable.n > 0 || seal->bindable.n > 0;
}

static bool is_needed(const struct pi_os_seal *seal)
{
    return seal->n_paths > 0 || lists_ports(seal) ||
           ((seal->allow & PI_OS_ALLOW_FILES) && !(seal->allow & PI_OS_ALLOW_TRACING));
}

static bool lacks(const struct pi_os_seal *seal, int has)
{
    int needed = !is_needed(seal)    ? 0
                 : lists_ports(seal) ? VERSION_OF_PORTS
                 : seal->n_paths > 0 ? VERSION_OF_PATHS
                                     : 1;
    return has < needed;
}

bool pi_os_seal_lacks_ports(const struct pi_os_seal *seal)
{
    return lists_ports(seal) && version() < VERSION_OF_PORTS;
}

int pi_os_landlock_denied(const struct pi_os_seal *seal)
{
    return lacks(seal, version()) ? ENOSYS : 0;
}

/* What may be done below a path. */
static uint64_t access_of(const struct pi_os_seal *seal, const struct pi_os_path *path)
{
    uint64_t programs = seal->allow & PI_OS_ALLOW_PROGRAMS ? EXECUTE : 0;
    return programs | (path->writable ? READING | CHANGING : READING);
}

static int add_rule(int ruleset, const char *name, uint64_t access)
{
    struct stat status;
    struct path_rule rule = {access, pi_os_fd_open(name, O_PATH)};
    if (rule.parent < 0)
        return errno;
    if (fstat(rule.parent, &status) == 0 && !S_ISDIR(status.st_mode))
        rule.access &= OF_FILES;
    int error = syscall(ADD_RULE, ruleset, PATH_BENEATH, &rule, 0) == 0 ? 0 : errno;
    pi_os_close(rule.parent);
    return error;
}

static int add_rules(int ruleset, const struct pi_os_seal *seal, uint64_t rights)
{
    int error = 0;
    if (seal->allow & PI_OS_ALLOW_FILES)
        return add_rule(ruleset, "/", rights);
    for (size_t i = 0; i < seal->n_paths && error == 0; i++)
        error = add_rule(ruleset, seal->paths[i].name, access_of(seal, &seal->paths[i]) & rights);
    return error;
}

static int add_ports(int ruleset, const struct pi_os_ports *ports, uint64_t access)
{
    int error = 0;
    for (size_t i = 0; i < ports->n && error == 0; i++) {
        struct port_rule rule = {access, ports->at[i]};
        error = syscall(ADD_RULE, ruleset, NET_PORT, &rule, 0) == 0 ? 0 : errno;
    }
    return error;
}

int pi_os_landlock_open(const struct pi_os_seal *seal, int *ruleset)
{
    int has = version();
    *ruleset = -1;
    if (lacks(seal, has))
        return ENOSYS;
    if (has == 0 || ((seal->allow & PI_OS_ALLOW_TRACING) && !is_needed(seal)))
        return 0;
    bool network = seal->allow & PI_OS_ALLOW_NETWORK;
    struct ruleset wanted = {
        .paths = rights_of(has),
        .ports = has >= VERSION_OF_PORTS && !network ? BIND_TCP | CONNECT_TCP : 0,
        .scopes = has >= VERSION_OF_SOCKETS && !network ? ABSTRACT_SOCKETS : 0};
    long made = syscall(CREATE_RULESET, &wanted, sizeof wanted, 0);
    if (made < 0)
        return errno;
    int error = add_rules((int)made, seal, wanted.paths);
    if (error == 0)
        error = add_ports((int)made, &seal->connectable, CONNECT_TCP);
    if (error == 0)
        error = add_ports((int)made, &seal->bindable, BIND_TCP);
    if (error)
        pi_os_close((int)made);
    else
        *ruleset = (int)made;
    return error;
}

int pi_os_landlock_apply(int ruleset)
{
    return ruleset < 0 || syscall(RESTRICT_SELF, ruleset, 0) == 0 ? 0 : errno;
}

#else

int pi_os_landlock_open(const struct pi_os_seal *seal, int *ruleset)
{
    (void)seal;
    *ruleset = -1;
    return ENOSYS;
}

int pi_os_landlock_apply(int ruleset)
{
    (void)ruleset;
    return ENOSYS;
}

bool pi_os_seal_lacks_ports(const struct pi_os_seal *seal)
{
    return seal->connectable.n > 0 || seal->bindable.n > 0;
}

int pi_os_landlock_denied(const struct pi_os_seal *seal)
{
    (void)seal;
    return ENOSYS;
}

#endif

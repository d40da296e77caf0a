#include "os/cgroup.h"

#include "base/tuning.h"
#include "os/fd.h"

#include <stdio.h>
#include <string.h>

#define GROUPS "/sys/fs/cgroup"

bool pi_os_cgroup_read(const char *directory, const char *name, char *text, size_t size)
{
    char path[PI_MAX_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return pi_os_fd_read(path, text, size) > 0;
}

/* The least of a group and those above it. A container may see its own group as the topmost one:
 * then those between are not there. `top`: the length of the topmost group's directory. */
static uint64_t least(const struct pi_os_cgroup *kind, char *directory, size_t top)
{
    uint64_t result = PI_OS_NO_LIMIT;
    for (;;) {
        uint64_t allowed = kind->allowed(directory);
        if (allowed < result)
            result = allowed;
        char *slash = strrchr(directory + top, '/');
        if (!slash)
            return result;
        *slash = '\0';
    }
}

/* Whether a list that is separated by commas has the name. */
static bool has_name(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length) {
        bool begins = at == list || at[-1] == ',';
        if (begins && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

/* A line of /proc/self/cgroup is "id:controllers:/group"; version 2 has no controllers. */
static uint64_t allowed_by(const struct pi_os_cgroup *kind, const char *root, char *line)
{
    char directory[PI_MAX_PATH], *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return PI_OS_NO_LIMIT;
    *group++ = '\0';
    controllers++;
    bool second = *controllers == '\0';
    if (!second && !has_name(controllers, kind->controller))
        return PI_OS_NO_LIMIT;
    int top = snprintf(directory, sizeof directory, "%s" GROUPS "%s%s", root, second ? "" : "/",
                       second ? "" : kind->controller);
    if (top < 0 || (size_t)top + strlen(group) >= sizeof directory)
        return PI_OS_NO_LIMIT;
    strcpy(directory + top, group);
    return least(kind, directory, (size_t)top);
}

uint64_t pi_os_cgroup_allowed(const struct pi_os_cgroup *kind, const char *root)
{
    char path[PI_MAX_PATH], text[4096], *rest = text;
    uint64_t result = PI_OS_NO_LIMIT;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    if (pi_os_fd_read(path, text, sizeof text) <= 0)
        return result;
    for (char *line; (line = strtok_r(rest, "\n", &rest));) {
        uint64_t allowed = allowed_by(kind, root, line);
        if (allowed < result)
            result = allowed;
    }
    return result;
}

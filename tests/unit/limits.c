/* limits.c - how much memory there may be: of the machine, of control groups, of address space. */
#include "support/support.h"
#include "support/tree.h"

#include "os/limits.h"
#include "os/rss.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define GROUPS "/sys/fs/cgroup"

/* ---- control groups ---- */

struct file {
    const char *path, *text;
};

/* What the limits of the groups come to, where these files are all that there is. */
static uint64_t limit_with(const struct file *files, size_t count)
{
    char *root = make_tree();
    for (size_t i = 0; i < count; i++)
        put_file(root, files[i].path, files[i].text);
    uint64_t limit = pi_os_memory_of_groups(root);
    free_tree(root);
    return limit;
}

#define LIMIT_WITH(...)                                                                            \
    limit_with((const struct file[]){__VA_ARGS__},                                                 \
               sizeof((const struct file[]){__VA_ARGS__}) / sizeof(struct file))

static const struct file second = {"/proc/self/cgroup", "0::/outer/inner\n"};
static const struct file first = {"/proc/self/cgroup",
                                  "3:cpu,cpuacct:/\n2:memory:/outer/inner\n1:name=systemd:/\n"};

TEST(nothing_is_told, ALL)
{
    assert_true(LIMIT_WITH({"/proc/other", ""}) == PI_OS_NO_LIMIT);
    assert_true(LIMIT_WITH({"/proc/self/cgroup", ""}) == PI_OS_NO_LIMIT);
    assert_true(LIMIT_WITH(second) == PI_OS_NO_LIMIT);
    assert_true(LIMIT_WITH(first) == PI_OS_NO_LIMIT);
}

TEST(version_2, ALL)
{
    assert_int_equal(LIMIT_WITH(second, {GROUPS "/outer/inner/memory.max", "123456\n"}), 123456);
    assert_true(LIMIT_WITH(second, {GROUPS "/outer/inner/memory.max", "max\n"}) == PI_OS_NO_LIMIT);
}

TEST(groups_above_limit_too, ALL)
{
    assert_int_equal(LIMIT_WITH(second, {GROUPS "/outer/inner/memory.max", "max\n"},
                                {GROUPS "/outer/memory.max", "5000\n"},
                                {GROUPS "/memory.max", "6000\n"}),
                     5000);
    assert_int_equal(LIMIT_WITH(second, {GROUPS "/outer/inner/memory.max", "7000\n"},
                                {GROUPS "/memory.max", "6000\n"}),
                     6000);
}

TEST(other_groups_do_not, ALL)
{
    assert_true(LIMIT_WITH(second, {GROUPS "/outer/inner2/memory.max", "1\n"},
                           {GROUPS "/outer/inner/deep/memory.max", "2\n"},
                           {GROUPS "/inner/memory.max", "3\n"}) == PI_OS_NO_LIMIT);
}

TEST(version_1, ALL)
{
    const struct file inner = {GROUPS "/memory/outer/inner/memory.limit_in_bytes", "123456\n"};
    const struct file outer = {GROUPS "/memory/outer/memory.limit_in_bytes", "1000\n"};
    const struct file any = {GROUPS "/memory/memory.limit_in_bytes", "9223372036854771712\n"};
    assert_int_equal(LIMIT_WITH(first, inner, any), 123456);
    assert_int_equal(LIMIT_WITH(first, inner, outer, any), 1000);
    assert_true(LIMIT_WITH(first, any) >= (uint64_t)1 << 62);
}

/* Its own group is the topmost that it sees, but its path is the whole one. */
TEST(container_of_version_1, ALL)
{
    assert_int_equal(LIMIT_WITH(first, {GROUPS "/memory/memory.limit_in_bytes", "4096\n"}), 4096);
}

TEST(another_controller_in_version_1, ALL)
{
    assert_true(LIMIT_WITH({"/proc/self/cgroup", "2:memory2,xmemory:/a\n"},
                           {GROUPS "/memory/a/memory.limit_in_bytes", "1\n"}) == PI_OS_NO_LIMIT);
    assert_int_equal(LIMIT_WITH({"/proc/self/cgroup", "2:memory2,memory:/a\n"},
                                {GROUPS "/memory/a/memory.limit_in_bytes", "1\n"}),
                     1);
}

TEST(garbage_limits_nothing, ALL)
{
    static const char *const texts[] = {"", " ", "\n", "0\n", "-1\n", "max", "x5", "+"};
    static const char *const lines[] = {"\n", "0\n", "0:\n", ":\n", "0:/a\n", "0::a"};
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_true(LIMIT_WITH(second, {GROUPS "/outer/memory.max", texts[i]}) == PI_OS_NO_LIMIT);
    for (size_t i = 0; i < COUNT(lines); i++) {
        assert_true(LIMIT_WITH({"/proc/self/cgroup", lines[i]}, {GROUPS "/a/memory.max", "5\n"}) ==
                    PI_OS_NO_LIMIT);
    }
    assert_true(LIMIT_WITH(second, {GROUPS "/memory.max", "99999999999999999999999\n"}) >=
                UINT32_MAX);
}

TEST(path_that_is_too_long, ALL)
{
    char line[3000] = "0::/";
    memset(line + 4, 'a', sizeof line - 5);
    assert_true(LIMIT_WITH({"/proc/self/cgroup", line}, {GROUPS "/memory.max", "5\n"}) ==
                PI_OS_NO_LIMIT);
}

/* ---- this machine ---- */

TEST(limit_of_this_machine, ALL)
{
    uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t limit = pi_os_memory_of_machine();
    assert_in_range(limit, 1 << 20, all);
    assert_true(limit <= pi_os_memory_of_groups(""));
}

/* ---- address space ---- */

#ifndef SANITIZED /* which reserve more than any limit */
#define ROOM ((size_t)64 << 20)

static int under_a_limit(void *context)
{
    uint64_t used = pi_os_address_space();
    REQUIRE(used > 0);
    const struct rlimit limit = {used + ROOM, used + ROOM};
    REQUIRE(pi_os_address_space_left() == PI_OS_NO_LIMIT);
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    REQUIRE(pi_os_address_space_left() <= ROOM && pi_os_address_space_left() > ROOM / 2);
    void *taken = mmap(NULL, ROOM / 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(taken != MAP_FAILED);
    REQUIRE(pi_os_address_space_left() <= ROOM / 2);
    const struct rlimit less = {used / 2, used + ROOM};
    REQUIRE(setrlimit(RLIMIT_AS, &less) == 0);
    REQUIRE(pi_os_address_space_left() == 0);
    return 0;
}

TEST(address_space, ALL)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    if (limit.rlim_cur != RLIM_INFINITY)
        skip();
    assert_child(under_a_limit, NULL);
}
#endif

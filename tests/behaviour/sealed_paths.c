/* sealed_paths.c - sealed workers that may open some files, or all. */
#include "support/sealed.h"
#include "support/support.h"
#include "support/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int memory_task(posse_task *task, const void *arg, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/mem", (long)getppid());
    int fd = open(path, O_RDWR | O_CLOEXEC);
    return return_long(task, fd < 0 ? errno : close(fd));
}

TEST(memory_through_proc, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = POSSE_ALLOW_FILES});
    assert_int_equal(take_long(submitted(pool, memory_task, NULL, 0)), EACCES);
    end_pool(pool);
}

/* mode, then the path. */
static int open_task(posse_task *task, const void *arg, size_t size)
{
    const char *text = arg;
    int fd = open(text + 1, (text[0] == 'w' ? O_WRONLY | O_CREAT : O_RDONLY) | O_CLOEXEC, 0600);
    return return_long(task, fd < 0 ? errno : close(fd));
}

/* 0, or the errno of a task that opens root/path for that: 'r' or 'w'. */
static long opened(posse_executor *pool, char mode, const char *root, const char *path)
{
    char text[200];
    snprintf(text, sizeof text, "%c%s%s", mode, root, path);
    return take_long(submitted(pool, open_task, text, strlen(text) + 1));
}

static int remove_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, unlink(arg) == 0 ? 0 : errno);
}

static int mode_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, chmod("/tmp/posse-there-is-none", 0600) == 0 ? 0 : errno);
}

TEST(lists_of_paths, SEALABLE)
{
    char *root = make_tree(), in[100], out[100], one[100];
    put_file(root, "/in/deep/file", "in");
    put_file(root, "/in/one", "one");
    put_file(root, "/out/file", "out");
    put_file(root, "/other/file", "other");
    snprintf(in, sizeof in, "%s/in/deep", root);
    snprintf(one, sizeof one, "%s/in/one", root);
    snprintf(out, sizeof out, "%s/out", root);
    const char *const readable[] = {in, one}, *const writable[] = {out};
    posse_executor *pool = sealed_pool(
        2,
        (posse_seal){.readable = readable, .n_readable = 2, .writable = writable, .n_writable = 1});
    assert_int_equal(opened(pool, 'r', root, "/in/deep/file"), 0);
    assert_int_equal(opened(pool, 'r', root, "/in/one"), 0);
    assert_int_equal(opened(pool, 'w', root, "/in/deep/file"), EACCES);
    assert_int_equal(opened(pool, 'w', root, "/in/deep/new"), EACCES);
    assert_int_equal(opened(pool, 'r', root, "/out/file"), 0);
    assert_int_equal(opened(pool, 'w', root, "/out/new"), 0);
    assert_int_equal(opened(pool, 'r', root, "/other/file"), EACCES);
    assert_int_equal(opened(pool, 'r', root, "/in"), EACCES);
    assert_int_equal(opened(pool, 'r', "", "/etc/passwd"), EACCES);
    char path[120];
    snprintf(path, sizeof path, "%s/new", out);
    assert_int_equal(take_long(submitted(pool, remove_task, path, strlen(path) + 1)), 0);
    snprintf(path, sizeof path, "%s/file", in);
    assert_int_equal(take_long(submitted(pool, remove_task, path, strlen(path) + 1)), EACCES);
    take_error(submitted(pool, socket_task, NULL, 0), POSSE_FORBIDDEN);
    take_error(submitted(pool, mode_task, NULL, 0), POSSE_FORBIDDEN);
    assert_int_equal(opened(pool, 'r', root, "/in/deep/file"), 0); /* another worker */
    end_pool(pool);
    pool = sealed_pool(1, (posse_seal){.readable = readable, .n_readable = 2});
    assert_int_equal(opened(pool, 'w', root, "/in/one"), EACCES);
    take_error(submitted(pool, remove_task, in, strlen(in) + 1), POSSE_FORBIDDEN);
    end_pool(pool);
    free_tree(root);
}

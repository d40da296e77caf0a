/* modules.c - the list of what the program has loaded: it is whole, or posse_remote_create fails.
 *
 * The linker leads strdup and dl_iterate_phdr here, so memory is short, or paths are long.
 */
#include "remote/kit/remote.h"

#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONG_PATHS 300
#define PATH_LENGTH 4000

typedef int found_fn(struct dl_phdr_info *, size_t, void *);

static int fails_at; /* that many calls of strdup of this process from now on; 0: none fails */
static pid_t of_test;
static bool has_long_paths;

char *__real_strdup(const char *);
char *__wrap_strdup(const char *);
int __real_dl_iterate_phdr(found_fn *, void *);
int __wrap_dl_iterate_phdr(found_fn *, void *);

char *__wrap_strdup(const char *text)
{
    if (getpid() == of_test && fails_at > 0 && --fails_at == 0)
        return NULL;
    return __real_strdup(text);
}

static int keep_first(struct dl_phdr_info *info, size_t size, void *first)
{
    (void)size;
    *(struct dl_phdr_info *)first = *info;
    return 1;
}

int __wrap_dl_iterate_phdr(found_fn *found, void *context)
{
    static char path[PATH_LENGTH + 1];
    struct dl_phdr_info info;
    int result = __real_dl_iterate_phdr(found, context);
    (void)__real_dl_iterate_phdr(keep_first, &info);
    memset(path, '/', PATH_LENGTH);
    info.dlpi_name = path;
    for (int i = 0; has_long_paths && result == 0 && i < LONG_PATHS; i++)
        result = found(&info, sizeof info, context);
    return result;
}

/* No library is left out. */
TEST(no_memory_for_a_path, PROCESSES)
{
    posse_remote_options remote = {.struct_size = sizeof remote, .nodes = "localhost:1"};
    posse_executor *pool;
    posse_status status;
    int failures = 0;
    of_test = getpid();
    for (;; failures++) {
        fails_at = failures + 1;
        status = posse_remote_create(NULL, &remote, &pool);
        if (status == POSSE_OK)
            break;
        assert_status(status, POSSE_NO_MEMORY);
    }
    fails_at = 0;
    assert_true(failures >= 2); /* the nodes, and this program */
    end_remote(pool);
}

TEST(the_list_is_over_its_limit, PROCESSES)
{
    posse_remote_options remote = {.struct_size = sizeof remote, .nodes = "localhost:1"};
    posse_executor *pool;
    has_long_paths = true;
    posse_status status = posse_remote_create(NULL, &remote, &pool);
    has_long_paths = false;
    assert_status(status, POSSE_TOO_LARGE);
}

/* Runs in: program.
 *
 * posse_replay: a saved argument, in an inline executor of its own.
 */
#include "internal.h"
#include "os/fd.h"
#include "os/saved_file.h"
#include "posse_autopsy.h"
#include "saved_arg.h"

#include <errno.h>
#include <stdlib.h>

#define NOT_SAVED "the file is not of posse_autopsy_save"

static posse_status run(posse_fn *fn, const void *arg, size_t size)
{
    posse_executor *e;
    posse_future future;
    posse_options options = {.struct_size = sizeof options, .backend = POSSE_INLINE};
    posse_status status = posse_create(&options, &e);
    if (status != POSSE_OK)
        return status;
    status = posse_submit(e, fn, arg, size, &future);
    if (status == POSSE_OK)
        status = posse_result(future, -1, NULL, NULL);
    (void)posse_destroy(e);
    return status;
}

/* The whole rest of the file. */
static posse_status read_arg(int fd, size_t size, void **arg)
{
    char more;
    *arg = malloc(size ? size : 1);
    if (!*arg)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    if (pi_os_file_read(fd, *arg, size) && pi_os_fd_read_some(fd, &more, 1) == 0)
        return POSSE_OK;
    return pi_refuse(POSSE_INVALID, NOT_SAVED);
}

posse_status posse_replay(const char *path, posse_fn *fn)
{
    struct pi_saved_arg head;
    void *arg = NULL;
    if (!path || !fn)
        return pi_refuse(POSSE_INVALID, path ? "fn is NULL" : "path is NULL");
    int fd = pi_os_file_open(path);
    if (fd < 0 && errno == EINVAL)
        return pi_refuse(POSSE_INVALID, NOT_SAVED);
    if (fd < 0)
        return pi_failure("the file cannot be opened");
    bool ok = pi_os_file_read(fd, &head, sizeof head) && head.magic == PI_SAVED_ARG &&
              head.size <= pi_os_file_size(fd);
    posse_status status =
        ok ? read_arg(fd, (size_t)head.size, &arg) : pi_refuse(POSSE_INVALID, NOT_SAVED);
    pi_os_close(fd);
    if (status == POSSE_OK)
        status = run(fn, head.size ? arg : NULL, (size_t)head.size);
    free(arg);
    return status;
}

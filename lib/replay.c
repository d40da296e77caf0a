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

/* The file has the head and the argument, and nothing else. 0 or an errno; EINVAL: it does not. */
static int read_saved(int fd, uint64_t size, struct pi_saved_arg *head, void **arg)
{
    int error = pi_os_file_read(fd, head, sizeof *head);
    if (error)
        return error;
    if (head->magic != PI_SAVED_ARG || size < sizeof *head || head->size != size - sizeof *head)
        return EINVAL;
    *arg = malloc(head->size ? (size_t)head->size : 1);
    return *arg ? pi_os_file_read(fd, *arg, (size_t)head->size) : ENOMEM;
}

static int load(const char *path, struct pi_saved_arg *head, void **arg)
{
    int fd;
    uint64_t size;
    int error = pi_os_file_open(path, &fd, &size);
    if (error)
        return error;
    error = read_saved(fd, size, head, arg);
    pi_os_close(fd);
    return error;
}

posse_status posse_replay(const char *path, posse_fn *fn)
{
    struct pi_saved_arg head;
    void *arg = NULL;
    if (!path || !fn)
        return pi_refuse(POSSE_INVALID, path ? "fn is NULL" : "path is NULL");
    int error = load(path, &head, &arg);
    posse_status status = error == EINVAL ? pi_refuse(POSSE_INVALID, NOT_SAVED)
                          : error         ? pi_refuse_errno(error, "the file cannot be read")
                                          : run(fn, head.size ? arg : NULL, (size_t)head.size);
    free(arg);
    return status;
}

/* The state of a future in words. */
#include "api.h"

#include <stdio.h>

static size_t describe_end(posse_future future, const posse_error *error, char *to, size_t capacity)
{
    size_t size = 0;
    int length = 0;
    switch (error->status) {
    case POSSE_OK:
        (void)posse_result(future, 0, NULL, &size);
        length = snprintf(to, capacity, "finished: returned %zu bytes", size);
        break;
    case POSSE_CANCELLED: length = snprintf(to, capacity, "cancelled"); break;
    case POSSE_TASK_FAILED:
        length = snprintf(to, capacity, "finished: failed with code %d: %s", error->code,
                          error->message);
        break;
    default: length = snprintf(to, capacity, "finished: %s", error->message); break;
    }
    return length < 0 ? 0 : (size_t)length;
}

size_t posse_describe(posse_future future, char *buffer, size_t capacity)
{
    posse_error error = {.struct_size = sizeof error};
    posse_status status = posse_exception(future, 0, &error);
    const char *text;
    if (status == POSSE_OK)
        return describe_end(future, &error, buffer, capacity);
    if (status == POSSE_TIMEOUT || status == POSSE_DEADLOCK)
        text = posse_running(future) ? "running" : "pending";
    else if (status == POSSE_INVALID)
        text = "stale";
    else
        text = posse_status_message(status); /* it will never end */
    int length = snprintf(buffer, capacity, "%s", text);
    return length < 0 ? 0 : (size_t)length;
}

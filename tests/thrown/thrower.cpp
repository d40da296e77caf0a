// thrower.cpp - what of a test is in C++: tasks and others that throw, and who catches.
#include "thrower.h"

#include <stdexcept>

int throw_task(posse_task *task, const void *, size_t)
{
    const char bytes[5000] = "lost with it";
    (void)posse_task_return(task, bytes, sizeof bytes);
    throw std::runtime_error("thrown by a task");
}

int throw_item(posse_task *, const void *const *, void *)
{
    throw std::runtime_error("by an item");
}

posse_status throw_source(void *, void *const *) { throw std::runtime_error("by a source"); }

int throw_call(posse_future, void *) { throw std::runtime_error("by a callback"); }

void throw_log(void *, const struct posse_log_record *) { throw std::runtime_error("by a log"); }

bool throws(void (*call)(void *), void *context)
{
    try {
        call(context);
    } catch (const std::runtime_error &) {
        return true;
    }
    return false;
}

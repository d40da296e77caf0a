// main_cpp.cpp - the same in C++: the header must be fine there, and a task may be a lambda.
#include <posse.h>

#include <cstdio>
#include <cstring>

int main()
{
    posse_options options = {};
    options.struct_size = sizeof options;
    options.backend = POSSE_THREAD;
    posse_executor *pool = nullptr;
    posse_fn *twice = [](posse_task *task, const void *arg, size_t) {
        int number = 2 * *static_cast<const int *>(arg);
        return posse_task_return(task, &number, sizeof number) == POSSE_OK ? 0 : 1;
    };
    posse_future future = {};
    int number = 21;
    posse_status status = posse_create(&options, &pool);
    if (status == POSSE_OK)
        status = posse_submit(pool, twice, &number, sizeof number, &future);
    if (status == POSSE_OK)
        status = posse_result_into(future, -1, &number, sizeof number, nullptr);
    posse_status end = posse_destroy(pool);
    if (status == POSSE_OK)
        status = end;
    std::printf("%s %s: %d\n", posse_version(), posse_status_name(status), number);
    return status != POSSE_OK || number != 42 || std::strcmp(posse_version(), POSSE_VERSION) != 0;
}

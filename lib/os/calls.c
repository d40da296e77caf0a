#include "os/calls.h"

#include <stddef.h>

static const struct {
    int number;
    const char *name;
} calls[] = {
#define CALL(name, x86, arm) {PI_OS_CALL_##name, #name},
    PI_OS_CALL_LIST(CALL)
#undef CALL
};

const char *pi_os_call_name(long number)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].number == number && number >= 0)
            return calls[i].name;
    return "unknown";
}

/* Runs in: anywhere. Statuses in words, from the list in posse.h, and the version. */
#include "pool/error.h"

const char *posse_status_name(posse_status status)
{
    switch (status) {
#define NAME(constant, value, message)                                                             \
    case constant: return #constant;
        POSSE_STATUS_LIST(NAME)
#undef NAME
    }
    return "POSSE_UNKNOWN";
}

const char *posse_status_message(posse_status status)
{
    switch (status) {
#define MESSAGE(constant, value, message)                                                          \
    case constant: return message;
        POSSE_STATUS_LIST(MESSAGE)
#undef MESSAGE
    }
    return "not a status of posse";
}

const char *posse_last_error(void) { return pi_refusal(); }

const char *posse_version(void) { return POSSE_VERSION; }

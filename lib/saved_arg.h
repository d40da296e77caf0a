/* saved_arg.h - the file of posse_autopsy_save: this, and then the bytes of the argument. */
#pragma once

#include <stdint.h>

#define PI_SAVED_ARG 0x3167726165737370u

struct pi_saved_arg {
    uint64_t magic; /* PI_SAVED_ARG: in this order of bytes */
    uint64_t size;
};

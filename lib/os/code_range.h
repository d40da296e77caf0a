/* code_range.h - which functions a process has: the memory that it can execute at one moment.
 * Runs in: program, when it makes an executor and when it submits. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pi_os_code_range {
    uintptr_t begin, end;
};

struct pi_os_code {
    struct pi_os_code_range *ranges; /* in order; none touches the next one */
    size_t count; /* 0: the system does not tell, so every function counts as there */
};

/* Reads /proc/self/maps, in pieces. A mapping that does not change during the call is never left
 * out. Takes no lock that a fork could meet. 0, also if the system does not tell: no /proc, or no
 * right to read it. Else an errno: too few descriptors, or too little memory. */
int pi_os_code_init(struct pi_os_code *code);
void pi_os_code_fini(struct pi_os_code *code);
bool pi_os_code_has(const struct pi_os_code *code, uintptr_t address);

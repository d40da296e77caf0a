/* symbol.h - what is at an address of code in this process: its module, and the function's name.
 *
 * Runs in: program.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pi_os_symbol {
    char module[256];     /* the path of the program or library; "": none has the address */
    uint64_t in_module;   /* the address as in that file, for addr2line */
    char name[256];       /* of the function; "": the file does not say */
    uint64_t in_function; /* bytes from its begin */
};

/* Reads the symbols of the module's file, those for debuggers too if it has them. Takes no memory.
 * False: no module of this process has the address. */
bool pi_os_symbol_find(uintptr_t address, struct pi_os_symbol *symbol);

#include "os/symbol.h"

#include <stddef.h>

#ifdef __linux__
#include "os/cancel.h"
#include "os/fd.h"

#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 128 /* symbols for each read, on the stack: 3 KiB */

/* ---- the module ---- */

struct search {
    uintptr_t address;
    struct pi_os_symbol *symbol;
    unsigned modules; /* looked at so far; the first is the program */
};

static bool is_in(const struct dl_phdr_info *module, uintptr_t address)
{
    for (size_t i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &module->dlpi_phdr[i];
        uintptr_t begin = module->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && address >= begin && address - begin < part->p_memsz)
            return true;
    }
    return false;
}

static void name_program(struct pi_os_symbol *symbol)
{
    PI_OS_NO_CANCEL;
    ssize_t length = readlink("/proc/self/exe", symbol->module, sizeof symbol->module - 1);
    symbol->module[length > 0 ? length : 0] = '\0';
}

/* Of dl_iterate_phdr: not 0 ends it. */
static int look(struct dl_phdr_info *module, size_t size, void *context)
{
    struct search *search = context;
    struct pi_os_symbol *symbol = search->symbol;
    (void)size;
    search->modules++;
    if (!is_in(module, search->address))
        return 0;
    symbol->in_module = search->address - module->dlpi_addr;
    if (search->modules == 1)
        name_program(symbol);
    else
        snprintf(symbol->module, sizeof symbol->module, "%s", module->dlpi_name);
    return 1;
}

/* ---- its file: nothing there is believed but that it is bytes ---- */

static bool read_at(int fd, uint64_t offset, void *bytes, size_t size)
{
    PI_OS_NO_CANCEL;
    return offset <= INT64_MAX && pread(fd, bytes, size, (off_t)offset) == (ssize_t)size;
}

static bool read_header(int fd, ElfW(Ehdr) * header)
{
    const unsigned char class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    return read_at(fd, 0, header, sizeof *header) &&
           memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 && header->e_ident[EI_CLASS] == class &&
           header->e_shentsize == sizeof(ElfW(Shdr));
}

static bool read_section(int fd, const ElfW(Ehdr) * header, uint32_t index, ElfW(Shdr) * section)
{
    return index < header->e_shnum &&
           read_at(fd, header->e_shoff + (uint64_t)index * sizeof *section, section,
                   sizeof *section);
}

/* The symbols for debuggers are all; a file without them has those for the loader. */
static bool find_symbols(int fd, const ElfW(Ehdr) * header, ElfW(Shdr) * symbols,
                         ElfW(Shdr) * names)
{
    static const uint32_t types[] = {SHT_SYMTAB, SHT_DYNSYM};
    for (int t = 0; t < 2; t++)
        for (uint32_t i = 0; read_section(fd, header, i, symbols); i++)
            if (symbols->sh_type == types[t] && symbols->sh_entsize == sizeof(ElfW(Sym)))
                return read_section(fd, header, symbols->sh_link, names);
    return false;
}

static bool is_function_at(const ElfW(Sym) * symbol, uint64_t address)
{
    return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
           address >= symbol->st_value && address - symbol->st_value < symbol->st_size;
}

static bool find_function(int fd, const ElfW(Shdr) * symbols, uint64_t address, ElfW(Sym) * found)
{
    ElfW(Sym) piece[AT_ONCE];
    uint64_t left = symbols->sh_size / sizeof *piece, offset = symbols->sh_offset;
    while (left > 0) {
        size_t n = left < AT_ONCE ? (size_t)left : AT_ONCE;
        if (!read_at(fd, offset, piece, n * sizeof *piece))
            return false;
        for (size_t i = 0; i < n; i++)
            if (is_function_at(&piece[i], address)) {
                *found = piece[i];
                return true;
            }
        left -= n;
        offset += n * sizeof *piece;
    }
    return false;
}

static void read_name(int fd, struct pi_os_symbol *symbol)
{
    PI_OS_NO_CANCEL;
    ElfW(Ehdr) header;
    ElfW(Shdr) symbols, names;
    ElfW(Sym) found;
    if (!read_header(fd, &header) || !find_symbols(fd, &header, &symbols, &names) ||
        !find_function(fd, &symbols, symbol->in_module, &found) || found.st_name >= names.sh_size)
        return;
    ssize_t length =
        pread(fd, symbol->name, sizeof symbol->name - 1, (off_t)(names.sh_offset + found.st_name));
    symbol->name[length > 0 ? length : 0] = '\0'; /* the name ends before that */
    symbol->in_function = symbol->in_module - found.st_value;
}

bool pi_os_symbol_find(uintptr_t address, struct pi_os_symbol *symbol)
{
    struct search search = {.address = address, .symbol = symbol};
    *symbol = (struct pi_os_symbol){.in_module = 0};
    if (dl_iterate_phdr(look, &search) == 0)
        return false;
    int fd = pi_os_fd_open(symbol->module, O_RDONLY | O_NONBLOCK);
    if (fd >= 0)
        read_name(fd, symbol);
    pi_os_close(fd);
    return true;
}
#else
bool pi_os_symbol_find(uintptr_t address, struct pi_os_symbol *symbol)
{
    (void)address;
    *symbol = (struct pi_os_symbol){.in_module = 0};
    return false;
}
#endif

/* Runs in: posse-top. */
#include "top/function.h"
#include "base/tuning.h"
#include "base/utf8.h"
#include "os/fd.h"
#include "top/proc.h"
#include "top/text.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT 64
#define SYMBOLS_AT_ONCE 512u

/* ---- the file ---- */

struct module {
    uint64_t address, offset; /* in memory; in the file */
    uint64_t inode;
    char path[4096];
};

static bool is_there(void *context, const struct pi_top_mapping *mapping)
{
    struct module *module = context;
    if (module->address < mapping->begin || module->address >= mapping->end)
        return true;
    module->offset = module->address - mapping->begin + mapping->offset;
    module->inode = mapping->inode;
    snprintf(module->path, sizeof module->path, "%s", mapping->path);
    return false;
}

/* Only a regular file is opened, and only the one that is mapped. -1: it is another one. */
static int open_as(const char *path, const struct module *module)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || status.st_ino != module->inode)
        return -1;
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* As the process sees the path, or as its program, which may have been deleted. */
static int open_module(pid_t pid, const struct module *module)
{
    char path[sizeof module->path + 32];
    snprintf(path, sizeof path, "/proc/%d/root%s", (int)pid, module->path);
    int fd = open_as(path, module);
    if (fd >= 0)
        return fd;
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    return open_as(path, module);
}

static bool read_exact(int fd, void *to, size_t size, uint64_t offset)
{
    return offset <= (uint64_t)INT64_MAX - size &&
           pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

/* ---- ELF ---- */

static bool read_header(int fd, Elf64_Ehdr *elf)
{
    return read_exact(fd, elf, sizeof *elf, 0) && memcmp(elf->e_ident, ELFMAG, SELFMAG) == 0 &&
           elf->e_ident[EI_CLASS] == ELFCLASS64 && elf->e_phentsize == sizeof(Elf64_Phdr) &&
           elf->e_shentsize == sizeof(Elf64_Shdr);
}

/* The address that symbols have for an offset in the file. */
static bool find_value(int fd, const Elf64_Ehdr *elf, uint64_t offset, uint64_t *value)
{
    for (unsigned i = 0; i < elf->e_phnum; i++) {
        Elf64_Phdr part;
        if (!read_exact(fd, &part, sizeof part, elf->e_phoff + i * sizeof part))
            return false;
        if (part.p_type != PT_LOAD || offset < part.p_offset ||
            offset - part.p_offset >= part.p_filesz)
            continue;
        *value = offset - part.p_offset + part.p_vaddr;
        return true;
    }
    return false;
}

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

static bool holds(const Elf64_Sym *symbol, uint64_t value)
{
    return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
           (value == symbol->st_value ||
            (value > symbol->st_value && value - symbol->st_value < symbol->st_size));
}

/* Searches a table of symbols. Writes the name's place in the table of strings. */
static bool find_symbol(int fd, const Elf64_Shdr *table, uint64_t value, uint32_t *name)
{
    static Elf64_Sym symbols[SYMBOLS_AT_ONCE];
    uint64_t count = smaller(table->sh_size / sizeof *symbols, PI_TOP_MAX_SYMBOLS);
    for (uint64_t first = 0; first < count; first += SYMBOLS_AT_ONCE) {
        uint64_t n = smaller(count - first, SYMBOLS_AT_ONCE);
        if (!read_exact(fd, symbols, n * sizeof *symbols,
                        table->sh_offset + first * sizeof *symbols))
            return false;
        for (uint64_t i = 0; i < n; i++) {
            *name = symbols[i].st_name;
            if (holds(&symbols[i], value))
                return true;
        }
    }
    return false;
}

static bool read_name(int fd, const Elf64_Ehdr *elf, const Elf64_Shdr *table, uint32_t name,
                      char to[PI_TOP_FUNCTION])
{
    Elf64_Shdr strings;
    char text[PI_TOP_FUNCTION];
    if (table->sh_link >= elf->e_shnum ||
        !read_exact(fd, &strings, sizeof strings, elf->e_shoff + table->sh_link * sizeof strings) ||
        name >= strings.sh_size || strings.sh_offset > (uint64_t)INT64_MAX - name)
        return false;
    ssize_t n = pread(fd, text, sizeof text, (off_t)(strings.sh_offset + name));
    pi_utf8_clean(to, PI_TOP_FUNCTION, text, n > 0 ? (size_t)n : 0);
    return to[0] != '\0';
}

/* The table that has all names, if it was not stripped; else the one that the loader needs. */
static bool search(int fd, const Elf64_Ehdr *elf, uint64_t value, char to[PI_TOP_FUNCTION])
{
    const uint32_t types[] = {SHT_SYMTAB, SHT_DYNSYM};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (unsigned i = 0; i < elf->e_shnum; i++) {
            Elf64_Shdr table;
            uint32_t name;
            if (read_exact(fd, &table, sizeof table, elf->e_shoff + i * sizeof table) &&
                table.sh_type == types[t] && find_symbol(fd, &table, value, &name) &&
                read_name(fd, elf, &table, name, to))
                return true;
        }
    return false;
}

/* ---- all ---- */

static void resolve(pid_t pid, uint64_t address, char to[PI_TOP_FUNCTION])
{
    static struct module module;
    Elf64_Ehdr elf;
    uint64_t value = 0;
    module = (struct module){.address = address};
    snprintf(to, PI_TOP_FUNCTION, "0x%" PRIx64, address);
    if (!pi_top_each_mapping(pid, is_there, &module) || module.path[0] != '/')
        return;
    int fd = open_module(pid, &module);
    bool known = fd >= 0 && read_header(fd, &elf) && find_value(fd, &elf, module.offset, &value);
    if (!known || !search(fd, &elf, value, to)) {
        char file[64];
        const char *base = strrchr(module.path, '/') + 1;
        pi_utf8_clean(file, sizeof file, base, strlen(base));
        snprintf(to, PI_TOP_FUNCTION, "%s+0x%" PRIx64, file, known ? value : module.offset);
    }
    pi_os_close(fd);
}

void pi_top_function(pid_t pid, uint64_t address, char name[PI_TOP_FUNCTION])
{
    static struct kept {
        pid_t pid;
        uint64_t address;
        char name[PI_TOP_FUNCTION];
    } kept[KEPT];
    static unsigned next;
    for (unsigned i = 0; i < KEPT; i++)
        if (kept[i].pid == pid && kept[i].address == address) {
            memcpy(name, kept[i].name, PI_TOP_FUNCTION);
            return;
        }
    struct kept *place = &kept[next++ % KEPT];
    place->pid = pid;
    place->address = address;
    memset(place->name, 0, sizeof place->name);
    resolve(pid, address, place->name);
    memcpy(name, place->name, PI_TOP_FUNCTION);
}

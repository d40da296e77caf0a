/* Runs in: posse-top. */
#include "top/reader.h"
#include "os/fd.h"
#include "os/shm.h"
#include "posse.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NOWHERE ((char *)((size_t)1 << 20)) /* no memory is there */

/* How many bytes could be read. */
static size_t read_at(int fd, char *to, size_t size, uint64_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = pread(fd, to + done, size - done, (off_t)(offset + done));
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    return done;
}

#define PRESENT ((uint64_t)3 << 62) /* in an entry of a page map: in memory, or in swap */

/* The same of a program's own memory. */
static size_t copy_from(const struct pi_top_reader *reader, char *to, size_t size, uint64_t offset)
{
    size_t done = 0, page = pi_os_page_size();
    while (done < size) {
        uint64_t at = reader->base + offset + done, entry;
        size_t n = page - at % page < size - done ? page - at % page : size - done;
        struct iovec here = {to + done, n}, there = {(void *)(uintptr_t)at, n};
        if (read_at(reader->fd, (char *)&entry, sizeof entry, at / page * sizeof entry) <
            sizeof entry)
            break;
        if (!(entry & PRESENT))
            memset(to + done, 0, n);
        else if (process_vm_readv(reader->program, &here, 1, &there, 1, 0) != (ssize_t)n)
            break;
        done += n;
    }
    return done;
}

void pi_top_read(struct pi_top_reader *reader, const volatile void *place, void *to, size_t size)
{
    uint64_t offset = (uintptr_t)place - (uintptr_t)NOWHERE;
    size_t done = 0;
    if (offset <= reader->length && size <= reader->length - offset)
        done = reader->program ? copy_from(reader, to, size, offset)
                               : read_at(reader->fd, to, size, offset);
    memset((char *)to + done, 0, size - done);
    reader->cut |= done < size;
}

uint32_t pi_top_count(uint64_t word, uint32_t max)
{
    return pi_monotonic_is_valid(word) && (uint32_t)word <= max ? (uint32_t)word : 0;
}

static enum pi_top_problem check(struct pi_top_reader *reader)
{
    const struct pi_origin *origin = &reader->origin;
    struct pi_segment_options options;
    if (memcmp(origin->magic, PI_MAGIC, sizeof origin->magic) != 0)
        return PI_TOP_NO_ORIGIN;
    if (strncmp(origin->version, POSSE_VERSION, sizeof origin->version) != 0 ||
        origin->layout != pi_segment_format())
        return PI_TOP_OTHER_VERSION;
    bool whole = pi_segment_options_of(origin, &options);
    if (whole && reader->program)
        reader->length = pi_segment_size(&options);
    if (!whole || pi_segment_size(&options) != reader->length)
        return PI_TOP_DAMAGED;
    pi_segment_layout(&reader->segment, NOWHERE, &options);
    return PI_TOP_READABLE;
}

bool pi_top_has_segment(int fd, pid_t program, uint64_t base)
{
    const struct pi_top_reader reader = {.fd = fd, .program = program, .base = base};
    char magic[sizeof PI_MAGIC - 1];
    return copy_from(&reader, magic, sizeof magic, 0) == sizeof magic &&
           memcmp(magic, PI_MAGIC, sizeof magic) == 0;
}

enum pi_top_problem pi_top_reader_open(struct pi_top_reader *reader, int fd, pid_t program,
                                       uint64_t base)
{
    struct stat status;
    *reader = (struct pi_top_reader){.fd = fd, .program = base ? program : 0, .base = base};
    if (fd < 0 || fstat(fd, &status) != 0)
        return PI_TOP_NO_DESCRIPTOR;
    reader->length = base ? sizeof reader->origin : (uint64_t)status.st_size;
    pi_top_read(reader, NOWHERE, &reader->origin, sizeof reader->origin);
    return check(reader);
}

void pi_top_reader_close(struct pi_top_reader *reader)
{
    pi_os_close(reader->fd);
    reader->fd = -1;
}

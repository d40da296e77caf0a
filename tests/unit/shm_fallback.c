/* shm_fallback.c - shared memory where there is no /dev/shm, or no file in memory at all.
 *
 * The linker leads shm_open and memfd_create here, and a test may have them refused.
 */
#include "support/smaps.h"
#include "support/support.h"

#include "os/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))
#define SIZE ((size_t)64 << 20)
#define SEALED 8u /* MFD_NOEXEC_SEAL */

static int no_shm; /* an errno; 0: as it is */
static int no_file;
static int no_plain_file; /* as where the kernel wants to know whether it may be executed */
static int no_sealed_file;

static int refuse(int error)
{
    errno = error;
    return -1;
}

int __real_shm_open(const char *, int, mode_t);
int __wrap_shm_open(const char *, int, mode_t);
int __wrap_shm_open(const char *name, int flags, mode_t mode)
{
    return no_shm ? refuse(no_shm) : __real_shm_open(name, flags, mode);
}

int __real_memfd_create(const char *, unsigned);
int __wrap_memfd_create(const char *, unsigned);
int __wrap_memfd_create(const char *name, unsigned flags)
{
    int error = no_file ? no_file : (flags & SEALED) != 0 ? no_sealed_file : no_plain_file;
    return error ? refuse(error) : __real_memfd_create(name, flags);
}

static int write_x(void *context)
{
    struct pi_os_shm *memory = context;
    REQUIRE(pi_os_shm_open(memory, PAGE, 2 * PAGE, true) == 0);
    REQUIRE(pi_os_shm_back(memory, PAGE, 2 * PAGE) == 0);
    memset(memory->base + PAGE, 'x', 2 * PAGE);
    return 0;
}

static void assert_shared(struct pi_os_shm *memory)
{
    assert_child(write_x, memory);
    assert_int_equal(pi_os_shm_open(memory, 0, 4 * PAGE, true), 0);
    assert_int_equal(memory->base[PAGE], 'x');
    assert_int_equal(memory->base[3 * PAGE - 1], 'x');
    assert_true(pi_os_shm_discard(memory, PAGE, PAGE));
    assert_int_equal(memory->base[PAGE], 0);
    assert_int_equal(memory->base[2 * PAGE], 'x');
    pi_os_shm_clear(memory);
    assert_int_equal(memory->base[2 * PAGE], 0);
}

static void assert_memory_file(void)
{
    struct pi_os_shm memory;
    char path[64];
    char name[64] = "";
    assert_int_equal(pi_os_shm_create(&memory, SIZE, true), 0);
    assert_true(memory.fd.number > STDERR_FILENO);
    assert_true(fcntl(memory.fd.number, F_GETFD) & FD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory.fd.number);
    assert_true(readlink(path, name, sizeof name - 1) > 0);
    assert_non_null(strstr(name, "memfd:posse"));
    assert_false(has_flag(memory.base, "ac"));
    assert_shared(&memory);
    assert_int_equal(pi_os_shm_give_up(&memory, SIZE / 2, SIZE / 2), 0);
    assert_int_equal(pi_os_shm_open(&memory, SIZE / 2, PAGE, true), 0);
    pi_os_shm_destroy(&memory);
}

TEST(a_file_in_memory_takes_its_place, ALL)
{
    static const int errors[] = {ENOENT, EACCES, EMFILE, ENOSYS};
    for (size_t i = 0; i < COUNT(errors); i++) {
        no_shm = errors[i];
        assert_memory_file();
    }
    no_shm = 0;
}

TEST(the_kernel_does_not_know_the_seal, ALL)
{
    no_shm = ENOENT;
    no_sealed_file = EINVAL;
    assert_memory_file();
    no_shm = no_sealed_file = 0;
}

TEST(the_kernel_wants_the_seal, ALL)
{
    no_shm = ENOENT;
    no_plain_file = EACCES;
    assert_memory_file();
    no_shm = no_plain_file = 0;
}

TEST(neither_is_there, ALL)
{
    static const int errors[] = {ENOSYS, EPERM, EINVAL, EMFILE};
    struct pi_os_shm memory;
    no_shm = ENOENT;
    for (size_t i = 0; i < COUNT(errors); i++) {
        no_file = errors[i];
        assert_int_equal(pi_os_shm_create(&memory, SIZE, true), 0);
        assert_int_equal(memory.fd.number, -1);
        assert_shared(&memory);
        assert_int_equal(pi_os_shm_give_up(&memory, SIZE / 2, SIZE / 2), ENOTSUP);
        pi_os_shm_destroy(&memory);
    }
    no_shm = no_file = 0;
}

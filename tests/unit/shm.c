/* shm.c - the shared mapping: backed piece by piece, no signal, no other file is touched. */
#include "support/support.h"

#include "os/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))
#define SIZE ((size_t)64 << 20)

static struct pi_os_shm make_memory(bool shared)
{
    struct pi_os_shm memory;
    assert_int_equal(pi_os_shm_create(&memory, SIZE, shared), 0);
    assert_int_equal(pi_os_shm_open(&memory, 0, SIZE, true), 0);
    assert_non_null(memory.base);
    assert_int_equal(memory.size, SIZE);
    return memory;
}

static bool is_all(const char *bytes, size_t size, char value)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

static size_t backed_bytes(const struct pi_os_shm *memory)
{
    struct stat status;
    assert_int_equal(fstat(memory->fd.number, &status), 0);
    return (size_t)status.st_blocks * 512;
}

TEST(backs_what_is_asked_for, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    assert_int_equal(backed_bytes(&memory), 0);
    assert_int_equal(pi_os_shm_back(&memory, 10 * PAGE, 3 * PAGE), 0);
    assert_true(backed_bytes(&memory) >= 3 * PAGE);
    assert_true(backed_bytes(&memory) < SIZE / 2);
    assert_true(is_all(memory.base + 10 * PAGE, 3 * PAGE, 0));
    memset(memory.base + 10 * PAGE, 'x', 3 * PAGE);
    assert_int_equal(pi_os_shm_back(&memory, 10 * PAGE, 3 * PAGE), 0);
    assert_true(is_all(memory.base + 10 * PAGE, 3 * PAGE, 'x'));
    pi_os_shm_destroy(&memory);
}

TEST(backs_the_pages_of_any_bytes, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    assert_int_equal(pi_os_shm_back(&memory, 5 * PAGE - 1, 2), 0);
    assert_true(backed_bytes(&memory) >= 2 * PAGE);
    assert_int_equal(pi_os_shm_back(&memory, SIZE - 1, 1), 0);
    assert_true(backed_bytes(&memory) >= 3 * PAGE);
    memory.base[SIZE - 1] = 'x';
    pi_os_shm_destroy(&memory);
}

TEST(private_memory, ALL)
{
    struct pi_os_shm memory = make_memory(false);
    assert_int_equal(memory.fd.number, -1);
    assert_int_equal(pi_os_shm_back(&memory, 0, 2 * PAGE), 0);
    memset(memory.base, 'x', 2 * PAGE);
    pi_os_shm_discard(&memory, 0, PAGE);
    assert_true(is_all(memory.base, PAGE, 0));
    assert_true(is_all(memory.base + PAGE, PAGE, 'x'));
    pi_os_shm_destroy(&memory);
}

TEST(descriptor_is_out_of_the_way, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    assert_true(memory.fd.number > STDERR_FILENO);
    assert_true(fcntl(memory.fd.number, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(count_new_names(), 0);
    pi_os_shm_destroy(&memory);
    assert_int_equal(memory.fd.number, -1);
    pi_os_shm_destroy(&memory); /* and again, as after a constructor that failed */
}

static int write_x(void *context)
{
    struct pi_os_shm *memory = context;
    REQUIRE(pi_os_shm_back(memory, PAGE, PAGE) == 0);
    memset(memory->base, 'x', 2 * PAGE);
    return 0;
}

TEST(shared_with_a_forked_child, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    assert_int_equal(pi_os_shm_back(&memory, 0, PAGE), 0);
    assert_child(write_x, &memory);
    assert_true(is_all(memory.base, 2 * PAGE, 'x'));
    pi_os_shm_destroy(&memory);
}

TEST(discards_whole_pages, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    assert_int_equal(pi_os_shm_back(&memory, 0, 8 << 20), 0);
    memset(memory.base, 'x', 8 << 20);
    size_t before = backed_bytes(&memory);
    pi_os_shm_discard(&memory, 10, (8 << 20) - 20);
    assert_true(backed_bytes(&memory) <= before - (4 << 20));
    assert_true(is_all(memory.base, PAGE, 'x')); /* not wholly in the range */
    assert_true(is_all(memory.base + (8 << 20) - PAGE, PAGE, 'x'));
    assert_int_equal(pi_os_shm_back(&memory, PAGE, PAGE), 0);
    assert_true(is_all(memory.base + PAGE, PAGE, 0));
    pi_os_shm_discard(&memory, 10, PAGE); /* no whole page */
    assert_true(is_all(memory.base, PAGE, 'x'));
    pi_os_shm_destroy(&memory);
}

TEST(too_little_room_is_an_error, ALL)
{
    struct statvfs room;
    struct pi_os_shm memory;
    assert_int_equal(statvfs("/dev/shm", &room), 0);
    size_t all = (size_t)room.f_blocks * room.f_frsize;
    if (all == 0)
        skip(); /* no limit there */
    assert_int_equal(pi_os_shm_create(&memory, all + SIZE, true), 0);
    assert_int_equal(pi_os_shm_open(&memory, 0, PAGE, true), 0);
    assert_int_equal(pi_os_shm_back(&memory, 0, all + SIZE), ENOSPC);
    assert_int_equal(pi_os_shm_back(&memory, 0, PAGE), 0);
    memory.base[0] = 'x';
    pi_os_shm_destroy(&memory);
}

static int under_a_file_limit(void *context)
{
    struct pi_os_shm memory;
    const struct rlimit limit = {.rlim_cur = SIZE - 1, .rlim_max = SIZE - 1};
    signal(SIGXFSZ, SIG_DFL);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    REQUIRE(pi_os_shm_create(&memory, SIZE, true) == 0);
    REQUIRE(pi_os_shm_open(&memory, 0, SIZE, true) == 0);
    REQUIRE(memory.fd.number == -1);
    REQUIRE(pi_os_shm_back(&memory, 0, 3 * PAGE) == 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        memset(memory.base, 'x', 3 * PAGE);
        _exit(0);
    }
    REQUIRE(waitpid(child, NULL, 0) == child);
    REQUIRE(is_all(memory.base, 3 * PAGE, 'x'));
    pi_os_shm_discard(&memory, PAGE, PAGE);
    REQUIRE(is_all(memory.base + PAGE, PAGE, 0));
    pi_os_shm_destroy(&memory);
    return 0;
}

TEST(file_limit_gives_anonymous_memory, ALL) { assert_child(under_a_file_limit, NULL); }

/* A task, or the program, closed the descriptor. */
TEST(closed_descriptor, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    assert_int_equal(close(memory.fd.number), 0);
    assert_int_equal(pi_os_shm_back(&memory, 0, 3 * PAGE), 0);
    memset(memory.base, 'x', 3 * PAGE);
    pi_os_shm_discard(&memory, 0, PAGE);
    assert_true(is_all(memory.base, PAGE, 0));
    pi_os_shm_destroy(&memory);
}

/* The program closed all descriptors, and opened a file of its own, which got our number. */
static int replace_descriptor(const struct pi_os_shm *memory)
{
    int file = memfd_create("of the program", MFD_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(dup2(file, memory->fd.number), memory->fd.number);
    return file;
}

TEST(replaced_descriptor, ALL)
{
    struct stat status;
    struct pi_os_shm memory = make_memory(true);
    int file = replace_descriptor(&memory), number = memory.fd.number;
    assert_int_equal(pi_os_shm_back(&memory, 0, 3 * PAGE), 0);
    memset(memory.base, 'x', 3 * PAGE);
    pi_os_shm_discard(&memory, 0, PAGE);
    assert_int_equal(fstat(file, &status), 0);
    assert_int_equal(status.st_size, 0);
    assert_int_equal(status.st_blocks, 0);
    pi_os_shm_destroy(&memory);
    close(number);
    close(file);
}

TEST(destroy_closes_no_file_of_the_program, ALL)
{
    struct pi_os_shm memory = make_memory(true);
    int file = replace_descriptor(&memory), number = memory.fd.number;
    pi_os_shm_destroy(&memory);
    bool still_open = fcntl(number, F_GETFD) >= 0;
    close(number);
    close(file);
    assert_true(still_open);
}

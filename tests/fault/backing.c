/* backing.c - memory that is backed stays, whatever becomes of others' wish for more.
 *
 * When a fallocate fails half-way, the kernel takes back the pages of its range that nobody
 * has written to. It must spare those of earlier calls: ranges overlap wherever two processes grow
 * a table at once, and at the page that two growths share. In a /dev/shm of 1 MB such a call fails,
 * then the memory is filled up, and only then what was backed first is written.
 */
#include "fault/kit/fault.h"
#include "support/shm.h"

#include "os/shm.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))
#define ROOM ((size_t)1 << 20)

/* Takes all that is left. */
static int take_the_rest(struct pi_os_shm *memory)
{
    size_t offset = 0;
    while (offset < memory->size && pi_os_shm_back(memory, offset, PAGE) == 0)
        offset += PAGE;
    REQUIRE(offset < memory->size);
    return 0;
}

static int outlives_a_failure(size_t pages)
{
    struct pi_os_shm first, others;
    REQUIRE(pi_os_shm_create(&first, 4 * ROOM, true) == 0);
    REQUIRE(pi_os_shm_open(&first, 0, 4 * ROOM, true) == 0);
    REQUIRE(pi_os_shm_create(&others, 4 * ROOM, true) == 0);
    REQUIRE(pi_os_shm_open(&others, 0, 4 * ROOM, true) == 0);
    REQUIRE(pi_os_shm_back(&others, 0, ROOM / 2) == 0);
    REQUIRE(pi_os_shm_back(&first, 0, pages * PAGE) == 0);
    REQUIRE(pi_os_shm_back(&first, 0, ROOM * 3 / 4) == ENOSPC); /* what another process asks for */
    REQUIRE(take_the_rest(&others) == 0);
    memset(first.base, 'x', pages * PAGE); /* or SIGBUS */
    pi_os_shm_destroy(&first);
    pi_os_shm_destroy(&others);
    return 0;
}

static int one_page(void) { return outlives_a_failure(1); }
static int many_pages(void) { return outlives_a_failure(16); }

TEST(one_page_stays, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", "size=1m", 0, one_page});
}

TEST(many_pages_stay, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", "size=1m", 0, many_pages});
}

/* A kernel before 5.14 does not know MADV_POPULATE_WRITE. */
TEST(pages_stay_with_an_old_kernel, PROCESSES)
{
    fault_state = make_shared(sizeof *fault_state);
    fault_arm(&(struct fault_plan){
        .classes = PROGRAM, .mode = ITS_KIND, .choice = 1, .at = 1, .only = 1 + CALL_madvise});
    assert_with_shm((struct shm){"/dev/shm", "size=1m", 0, many_pages});
    assert_int_equal(atomic_load(&fault_state->error), EINVAL);
    free_shared(fault_state, sizeof *fault_state);
    fault_state = NULL;
}

/* result_released.c - a future is released while its result is copied.
 *
 * The copy goes to memory that cannot be written at first: the handler of that fault releases the
 * future, as another thread might, and lets the copy go on.
 */
#include "support/support.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static posse_future future;
static char *room;

static void release_now(int signal)
{
    (void)posse_release(future);
    (void)mprotect(room, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE);
}

POOL_TEST(released_while_it_is_copied, ALL, 1)
{
    struct sigaction before, action = {.sa_handler = release_now};
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 1;
    room = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(room != MAP_FAILED);
    future = submitted_long(pool, square_task, 3);
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
    posse_status status = posse_result_into(future, -1, room, page, &size);
    assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
    assert_status(status, POSSE_INVALID);
    assert_int_equal(size, 0);
    assert_int_equal(munmap(room, page), 0);
}

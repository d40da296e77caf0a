/* stdio.c - what the standard streams hold is written, and nobody waits for their locks. */
#include "support/support.h"

#include "os/stdio.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* In a child: makes stdout a pipe. Its reading end. */
static int redirect_stdout(void)
{
    int ends[2];
    static char buffer[256];
    if (pipe(ends) != 0 || dup2(ends[1], STDOUT_FILENO) < 0)
        return -1;
    close(ends[1]);
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    return ends[0];
}

static bool comes_out(int fd, const char *text)
{
    char bytes[64] = "";
    return read(fd, bytes, sizeof bytes - 1) == (ssize_t)strlen(text) && strcmp(bytes, text) == 0;
}

static int writes_what_is_there(void *unused)
{
    fflush(NULL);
    int fd = redirect_stdout();
    REQUIRE(fd >= 0);
    pi_os_stdio_flush(); /* nothing there */
    fputs("buffered", stdout);
    pi_os_stdio_flush();
    REQUIRE(comes_out(fd, "buffered"));
    fputs("again", stdout);
    pi_os_stdio_flush();
    REQUIRE(comes_out(fd, "again"));
    return 0;
}

TEST(writes_what_is_buffered, ALL) { assert_child(writes_what_is_there, NULL); }

static pthread_barrier_t barrier;

static void *hold_stdout(void *unused)
{
    flockfile(stdout);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    funlockfile(stdout);
    return unused;
}

/* A thread is in the middle of its output, for as long as it likes. */
static int leaves_a_held_stream(void *unused)
{
    pthread_t thread;
    fflush(NULL);
    int fd = redirect_stdout();
    REQUIRE(fd >= 0);
    fputs("mine", stdout);
    REQUIRE(pthread_barrier_init(&barrier, NULL, 2) == 0);
    REQUIRE(pthread_create(&thread, NULL, hold_stdout, NULL) == 0);
    pthread_barrier_wait(&barrier);
    pi_os_stdio_flush(); /* comes back */
    pthread_barrier_wait(&barrier);
    REQUIRE(pthread_join(thread, NULL) == 0);
    pi_os_stdio_flush();
    REQUIRE(comes_out(fd, "mine"));
    return 0;
}

TEST(a_held_stream_is_left_alone, ALL) { assert_child(leaves_a_held_stream, NULL); }

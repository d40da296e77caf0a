/* silence.c - after what time a peer that is silent is given up, if the program does not say it.
 *
 * The linker leads setsockopt to the test. The program and its agents note there what they say to
 * the system of each connection.
 */
#include "remote/kit/remote.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_MS 10000         /* as posse_remote.h says of silence_ms */
#define NOTES "POSSE_TEST_NOTES" /* the variable that names the file of notes */

int __real_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size);

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    const char *path = getenv(NOTES);
    if (path && level == IPPROTO_TCP && option == TCP_USER_TIMEOUT) {
        FILE *notes = fopen(path, "ae");
        if (notes) {
            fprintf(notes, "%d %d\n", getenv(POSSE_AGENT) != NULL, *(const int *)value);
            (void)fclose(notes);
        }
    }
    return __real_setsockopt(fd, level, option, value, size);
}

static FILE *open_notes(char path[32])
{
    strcpy(path, "/tmp/posse-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *notes = fdopen(fd, "r");
    assert_non_null(notes);
    return notes;
}

/* How many connections the program and the agent have had. Asserts what they said of each. */
static void read_notes(FILE *notes, int n[2])
{
    int by_agent, ms;
    while (fscanf(notes, "%d %d", &by_agent, &ms) == 2) {
        assert_int_equal(ms, DEFAULT_MS);
        n[by_agent]++;
    }
}

/* An agent of two places connects, hears of the time, and connects anew. */
TEST(of_each_connection, PROCESSES)
{
    char path[32];
    int n[2] = {0, 0};
    FILE *notes = open_notes(path);
    assert_int_equal(setenv(NOTES, path, 1), 0);
    posse_executor *pool = make_remote_tcp("a:2");
    assert_eventually(stats_of(pool).workers_idle == 2);
    assert_square_tasks(pool, 10);
    assert_int_equal(unsetenv(NOTES), 0);
    end_remote(pool);
    read_notes(notes, n);
    assert_true(n[false] >= 3 && n[true] >= 3);
    assert_int_equal(fclose(notes), 0);
    assert_int_equal(unlink(path), 0);
}

/* ssh asks after each $POSSE_ALIVE seconds, and gives up after three answers that did not come. */
TEST(of_ssh, PROCESSES)
{
    char path[32], command[100];
    int seconds = 0;
    posse_executor *pool;
    FILE *notes = open_notes(path);
    snprintf(command, sizeof command, "sh -c 'echo \"$POSSE_ALIVE\" >%s' sh", path);
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = POSSE_LAUNCH_SSH,
                                   .nodes = "n1:1",
                                   .command = command};
    assert_ok(posse_remote_create(NULL, &remote, &pool));
    assert_eventually(fseek(notes, 0, SEEK_SET) == 0 && fscanf(notes, "%d\n", &seconds) == 1);
    assert_int_equal(seconds, (DEFAULT_MS + 2999) / 3000);
    assert_ok(posse_destroy(pool));
    assert_int_equal(fclose(notes), 0);
    assert_int_equal(unlink(path), 0);
}

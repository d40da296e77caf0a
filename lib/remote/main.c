/* Runs in: agent.
 *
 * posse_remote_main: from the command line to the agent.
 *
 *   program --posse-agent ADDRESS PLACES [--token-stdin] [--node NAME] [--unlink]
 *
 * The token comes by stdin, or by POSSE_REMOTE_TOKEN or POSSE_REMOTE_TOKEN_FILE. They are taken out
 * of the environment before the first task runs. --unlink: the agent removes the socket of ADDRESS,
 * which ssh has made on this node and leaves behind.
 */
#include "posse_remote.h"
#include "remote/agent.h"
#include "remote/token.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTION "--posse-agent"

static _Noreturn void fail(const char *why)
{
    fprintf(stderr, "posse agent: %s\n", why);
    exit(1);
}

static bool read_token(const char *path, unsigned char token[PI_TOKEN_SIZE])
{
    char text[2 * PI_TOKEN_SIZE + 1] = "";
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    bool read = file && fgets(text, sizeof text, file) && pi_token_read(text, token);
    if (file && file != stdin)
        (void)fclose(file);
    return read;
}

static void find_token(struct pi_agent *a, bool in_stdin)
{
    const char *text = getenv("POSSE_REMOTE_TOKEN"), *path = getenv("POSSE_REMOTE_TOKEN_FILE");
    bool found = in_stdin && read_token("-", a->join.token);
    if (!found) /* an agent before may have read stdin */
        found = text ? pi_token_read(text, a->join.token) : path && read_token(path, a->join.token);
    if (!found)
        fail("no token: neither POSSE_REMOTE_TOKEN nor POSSE_REMOTE_TOKEN_FILE has one");
    (void)unsetenv("POSSE_REMOTE_TOKEN");
    (void)unsetenv("POSSE_REMOTE_TOKEN_FILE");
}

static void read_line(struct pi_agent *a, int argc, char **argv)
{
    bool in_stdin = false;
    char *end = NULL;
    a->address = argv[2];
    a->n = strtoul(argv[3], &end, 10);
    if (*end || a->n < 1 || a->n > POSSE_MAX_WORKERS)
        fail("PLACES is no number from 1 to 1000");
    if (!pi_net_is_address(a->address))
        fail("ADDRESS is none: unix:PATH, HOST:PORT or [ADDRESS]:PORT");
    if (gethostname(a->join.node, sizeof a->join.node) != 0)
        a->join.node[0] = '\0';
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "--token-stdin") == 0)
            in_stdin = true;
        else if (strcmp(argv[i], "--node") == 0 && i + 1 < argc)
            snprintf(a->join.node, sizeof a->join.node, "%s", argv[++i]);
        else if (strcmp(argv[i], "--unlink") == 0)
            a->unlinks = true;
        else
            fail("an unknown word on the command line");
    }
    a->join.node[sizeof a->join.node - 1] = '\0';
    find_token(a, in_stdin);
}

static bool called; /* posse_remote_main */

bool pi_main_is_missing(void)
{
    char line[8192], *second;
    int fd = called ? -1 : open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        close(fd);
    n = n > 0 ? n : 0;
    line[n] = '\0';
    second = line + strlen(line) + 1;
    return second < line + n && strcmp(second, OPTION) == 0;
}

void posse_remote_main(int argc, char **argv)
{
    struct pi_agent agent = {.join = {.version = PI_REMOTE_VERSION, .pid = getpid()}};
    called = true;
    if (argc < 2 || strcmp(argv[1], OPTION) != 0)
        return;
    if (argc < 4)
        fail("usage: PROGRAM --posse-agent ADDRESS PLACES");
    read_line(&agent, argc, argv);
    (void)signal(SIGINT, SIG_IGN); /* of the terminal: it is the program's to end */
    int code = pi_agent_run(&agent);
    if (agent.unlinks && strncmp(agent.address, "unix:/", 6) == 0)
        (void)unlink(agent.address + 5);
    if (code)
        fprintf(stderr, "posse agent on %s: %s\n", agent.join.node, agent.why);
    exit(code);
}

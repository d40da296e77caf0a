#include "remote/mpi/relay_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 65536L

static bool is_of_mpi(const char *variable)
{
    static const char *const prefixes[] = {"PMI", "OMPI_", "MPI_LOCAL", "HYDI_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* The agent may start programs of MPI, which must not take themselves for this rank. */
static void leave_mpi(void)
{
    char **kept = environ;
    for (char **e = environ; e && *e; e++)
        if (!is_of_mpi(*e))
            *kept++ = *e;
    if (kept)
        *kept = NULL;
}

static _Noreturn void run(char **words, int input)
{
    long most = sysconf(_SC_OPEN_MAX);
    if (dup2(input, 0) != 0)
        _exit(127);
    for (int fd = 3; fd < (most > 0 && most < MAX_DESCRIPTORS ? most : MAX_DESCRIPTORS); fd++)
        close(fd);
    leave_mpi();
    (void)execv(words[0], words);
    fprintf(stderr, "posse-relay: cannot start %s: %s\n", words[0], strerror(errno));
    _exit(127);
}

pid_t pi_relay_start(char **words, const char *token)
{
    int input[2];
    if (pipe2(input, O_CLOEXEC) != 0)
        return -1;
    (void)(write(input[1], token, strlen(token)) == 0 || write(input[1], "\n", 1) == 0);
    pid_t agent = fork();
    if (agent == 0)
        run(words, input[0]);
    int error = errno;
    close(input[0]);
    close(input[1]);
    errno = error;
    return agent;
}

bool pi_relay_has_ended(pid_t agent) { return waitpid(agent, NULL, WNOHANG) == agent; }

/* Runs in: program, the launcher.
 *
 * The launcher runs the commands of commands.h, and hands the stdin of each the token. It passes on
 * what the commands write to stderr, and keeps the first line of each that has a letter. When the
 * pool has ended, agents end by themselves. After 3 s the launcher sends SIGTERM to the process
 * groups of the commands that are left, and 3 s later SIGKILL. To an ssh it sends SIGTERM at once.
 *
 *   the launcher dies     its end of the socket closes, which counts as `ended`; agents go on, and
 *                         end with the program
 *   the pool ends         the supervisor shuts the socket down; the launcher ends the commands
 *   the program dies      the same, because the pool ends
 *   all commands end      `ended`; if no agent ever came, a proxy breaks the executor
 *
 * Between fork and exec, and in the launcher, only calls that are safe after a fork from threads.
 */
#include "remote/launcher.h"
#include "base/tuning.h"
#include "remote/apart.h"
#include "remote/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- in the launcher ---- */

/* Whether the command has another value for this variable, or may not see it. */
static bool is_replaced(const struct pi_command *c, const char *variable)
{
    bool found = strncmp(variable, "POSSE_REMOTE_", 13) == 0;
    for (size_t i = 0; !found && c->environment[i]; i++)
        found = strncmp(variable, c->environment[i], strcspn(c->environment[i], "=") + 1) == 0;
    return found;
}

/* Whether the program has such a stream, as ours are close-on-exec. */
static bool is_given(int stream)
{
    int flags = fcntl(stream, F_GETFD);
    return flags >= 0 && !(flags & FD_CLOEXEC);
}

/* What the command has as stdin, stdout and stderr, also if the program has closed its own: then
 * other descriptors of ours may have their numbers. */
static bool set_streams(int input, int errors)
{
    int from = fcntl(input, F_DUPFD_CLOEXEC, 3), to = fcntl(errors, F_DUPFD_CLOEXEC, 3);
    bool has_output = is_given(1);
    if (dup2(from, 0) != 0 || dup2(to, 2) != 2)
        return false;
    if (has_output)
        return true;
    int null = fcntl(open("/dev/null", O_WRONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, 3);
    return dup2(null, 1) == 1;
}

/* Another thread may have added to it since the program made room: that is left out. */
static char **environment_of(const struct pi_commands *all, const struct pi_command *c)
{
    size_t n = 0;
    for (char **e = environ; e && *e && n < all->room; e++)
        if (!is_replaced(c, *e))
            all->environment[n++] = *e;
    for (size_t i = 0; c->environment[i]; i++)
        all->environment[n++] = c->environment[i];
    all->environment[n] = NULL;
    return all->environment;
}

static const char no_process[] = "the launcher has no process or descriptor for a command\n";
static const char no_shell[] = "the launcher cannot run sh: its command may be too long\n";

static _Noreturn void run(const struct pi_commands *all, const struct pi_command *c, int input,
                          int errors)
{
    sigset_t none;
    char shell[] = "sh", option[] = "-c";
    char *const words[] = {shell, option, (char *)(uintptr_t)c->text, NULL};
    (void)setpgid(0, 0);
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        (void)sigaction(signal, &action, NULL);
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (set_streams(input, errors)) {
        (void)execve("/bin/sh", words, environment_of(all, c));
        (void)(write(2, no_shell, sizeof no_shell - 1) == 0);
    }
    _exit(127);
}

/* The first line that has a letter: what comes later is most often advice. */
static void keep(struct pi_command *c, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && !c->whole; i++) {
        char byte = bytes[i];
        if (byte == '\n') {
            c->whole = c->has_letter;
            c->length = c->whole ? c->length : 0;
            continue;
        }
        c->has_letter |= (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
        if (c->length < sizeof c->line - 1)
            c->line[c->length++] = (char)(byte >= ' ' ? byte : '?');
        c->line[c->length] = '\0'; /* a line without a letter may have been longer */
    }
}

/* A pipe holds the token until the agent reads it. */
static void start(const struct pi_commands *all, struct pi_command *c)
{
    const char *token = all->launch->token;
    int input[2] = {-1, -1}, errors[2] = {-1, -1};
    pid_t pid = -1;
    if (pipe2(input, O_CLOEXEC) == 0 && pipe2(errors, O_CLOEXEC) == 0) {
        (void)(write(input[1], token, 2 * PI_TOKEN_SIZE) == 0 || write(input[1], "\n", 1) == 0);
        pid = fork();
    }
    if (pid == 0)
        run(all, c, input[0], errors[1]);
    (void)close(input[0]); /* EBADF does no harm, here and below */
    (void)close(input[1]);
    (void)close(errors[1]);
    c->pid = pid > 0 ? pid : 0;
    c->errors = errors[0];
    if (pid > 0)
        (void)setpgid(pid, pid);
    else
        keep(c, no_process, sizeof no_process - 1);
}

/* Whether the program's stderr takes what fits into a pipe at once. It may be full: then the end of
 * the pool comes first. */
static bool takes_words(int pool)
{
    struct pollfd fds[2] = {{.fd = pool, .events = POLLIN}, {.fd = 2, .events = POLLOUT}};
    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return false;
    return fds[0].revents == 0;
}

static void pass_on(struct pi_command *c, int pool)
{
    char bytes[1024];
    ssize_t n = read(c->errors, bytes, sizeof bytes);
    if (n > 0) {
        keep(c, bytes, (size_t)n);
        (void)(is_given(2) && takes_words(pool) && write(2, bytes, (size_t)n) == n);
    } else if (n == 0 || errno != EINTR) {
        close(c->errors);
        c->errors = -1;
    }
}

static void reap(struct pi_command *c)
{
    pid_t ended = c->pid ? waitpid(c->pid, NULL, WNOHANG) : 0;
    if (ended == c->pid || (ended < 0 && errno == ECHILD))
        c->pid = 0;
}

/* It may have closed its stderr long before its end. */
static bool has_ended(struct pi_command *c)
{
    if (c->errors < 0)
        reap(c);
    return c->pid == 0;
}

static void signal_all(const struct pi_commands *all, int signal)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->at[i].pid)
            (void)kill(-all->at[i].pid, signal);
}

/* Whether all commands have ended within that time. */
static bool await_all(struct pi_commands *all, int ms)
{
    const struct timespec rest = {.tv_nsec = (long)PI_LAUNCHER_LOOK_MS * 1000000};
    for (int waited = 0; waited < ms; waited += PI_LAUNCHER_LOOK_MS) {
        size_t left = 0;
        for (size_t i = 0; i < all->n; i++) {
            reap(&all->at[i]);
            left += all->at[i].pid != 0;
        }
        if (left == 0)
            return true;
        (void)nanosleep(&rest, NULL);
    }
    return false;
}

/* Agents end by themselves: they see that nobody is there. An ssh must end first, as it stands
 * between. What the commands say now is not passed on. */
static _Noreturn void end(struct pi_commands *all)
{
    bool ssh = all->launch->options->launcher == POSSE_LAUNCH_SSH;
    if (!ssh && await_all(all, PI_LAUNCHER_GRACE_MS))
        _exit(0);
    signal_all(all, SIGTERM);
    if (await_all(all, PI_LAUNCHER_GRACE_MS))
        _exit(0);
    signal_all(all, SIGKILL);
    _exit(0);
}

static void say_why(const struct pi_commands *all)
{
    struct pi_shared *shared = all->launch->shared;
    for (size_t i = 0; i < all->n; i++) {
        const struct pi_command *c = &all->at[i];
        if (c->length)
            memcpy(shared->words, c->line, c->length + 1);
    }
    shared->ended = 1;
}

/* Sleeps until the pool is gone, a command writes or ends: SIGCHLD tells the end of one that has
 * closed its stderr. False: the pool is gone. */
static bool look(struct pi_commands *all)
{
    static struct pollfd fds[PI_MAX_NODES + 1];
    static struct pi_command *of[PI_MAX_NODES + 1];
    const struct timespec rest = {.tv_nsec = (long)PI_LAUNCHER_LOOK_MS * 1000000};
    sigset_t but_child;
    nfds_t n = 1; /* only what is open: poll takes no more than RLIMIT_NOFILE */
    fds[0] = (struct pollfd){.fd = all->launch->socket, .events = POLLIN};
    for (size_t i = 0; i < all->n; i++) {
        if (all->at[i].errors < 0)
            continue;
        fds[n] = (struct pollfd){.fd = all->at[i].errors, .events = POLLIN};
        of[n++] = &all->at[i];
    }
    sigfillset(&but_child);
    sigdelset(&but_child, SIGCHLD);
    if (ppoll(fds, n, NULL, &but_child) < 0) {
        if (errno != EINTR)
            (void)nanosleep(&rest, NULL); /* the system has no memory now */
        return true;
    }
    bool gone = fds[0].revents != 0; /* an ssh then tells of each agent that tries to connect */
    for (nfds_t i = 1; i < n && !gone; i++)
        if (fds[i].revents)
            pass_on(of[i], all->launch->socket);
    return !gone;
}

static void wake(int signal) { (void)signal; }

/* False: there is no pool. */
static bool await_begin(int socket)
{
    char byte;
    ssize_t n;
    while ((n = read(socket, &byte, 1)) < 0 && errno == EINTR)
        ;
    return n == 1;
}

static _Noreturn void launcher_main(void *commands)
{
    struct pi_commands *all = commands;
    const struct sigaction action = {.sa_handler = wake}; /* the program may ignore it */
    for (size_t i = 0; i < sizeof all->launch->others / sizeof *all->launch->others; i++)
        (void)close(all->launch->others[i]); /* EBADF does no harm */
    if (!await_begin(all->launch->socket))
        _exit(0);
    (void)sigaction(SIGCHLD, &action, NULL); /* it is blocked, but in look */
    for (size_t i = 0; i < all->n; i++)
        start(all, &all->at[i]);
    size_t left;
    do {
        left = all->n;
        for (size_t i = 0; i < all->n; i++)
            left -= has_ended(&all->at[i]);
    } while (left > 0 && look(all));
    if (left > 0)
        end(all);
    say_why(all);
    (void)shutdown(all->launch->socket, SHUT_RDWR); /* all copies: it wakes the proxies */
    _exit(0);
}

/* ---- in the program ---- */

int pi_launch_agents(struct pi_launch *launch)
{
    struct pi_commands all;
    int error = pi_commands_prepare(&all, launch) ? pi_fork_apart(launcher_main, &all) : ENOMEM;
    pi_commands_free(&all);
    return error;
}

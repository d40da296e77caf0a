/* Runs in: program, the launcher.
 *
 * The launcher runs one command of a shell for each node, or one for all, and hands its stdin the
 * token. It passes on what the commands write to stderr, and keeps a line of it. When the
 * pool has ended it sends SIGTERM to their process groups, and later SIGKILL.
 *
 *   the launcher dies     its end of the socket closes; agents go on, and end with the program
 *   the program dies      the supervisor and the workers end, and with them the other end
 *   all commands end      `ended`; if no agent ever came, a proxy breaks the executor
 *
 * Between fork and exec, and in the launcher, only calls that are safe after a fork from threads.
 */
#include "remote/launcher.h"
#include "base/tuning.h"
#include "remote/nodes.h"

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

#define MAX_COMMANDS 1000
#define LINE_SIZE ((size_t)8192)
#ifndef POSSE_RELAY_PATH /* where it is installed */
#define POSSE_RELAY_PATH "posse-relay"
#endif

/* ---- what is run ---- */

static const char *const commands[] = {
    [POSSE_LAUNCH_LOCAL] = "eval \"exec $POSSE_AGENT\"",
    [POSSE_LAUNCH_SSH] = "exec ssh -o BatchMode=yes -o ExitOnForwardFailure=yes "
                         "-o StreamLocalBindMask=0177 -o ServerAliveInterval=5 "
                         "-R \"$POSSE_TUNNEL\" \"$POSSE_NODE\" \"$POSSE_AGENT\"",
    [POSSE_LAUNCH_MPIRUN] = "eval \"exec mpirun -n $POSSE_NODES_COUNT --host $POSSE_NODES "
                            "-x POSSE_REMOTE_TOKEN $POSSE_AGENT\"",
    [POSSE_LAUNCH_SRUN] = "eval \"exec srun ${POSSE_NODES:+--nodelist=$POSSE_NODES} "
                          "--ntasks-per-node=1 --kill-on-bad-exit=0 $POSSE_AGENT\"",
    [POSSE_LAUNCH_COMMAND] = NULL,
    [POSSE_LAUNCH_MPI_RELAY] = "eval \"exec mpirun -n $((POSSE_NODES_COUNT + 1)) --bind-to none "
                               "--host localhost,$POSSE_NODES $POSSE_RELAY $POSSE_AGENT\"",
};

static size_t append(char *line, size_t used, size_t capacity, const char *text)
{
    for (; *text; text++, used++)
        if (used + 1 < capacity)
            line[used] = *text;
    return used;
}

static size_t append_quoted(char *line, size_t used, size_t capacity, const char *word)
{
    used = append(line, used, capacity, "'");
    for (; *word; word++) {
        const char one[2] = {*word, '\0'};
        used = append(line, used, capacity, *word == '\'' ? "'\\''" : one);
    }
    return append(line, used, capacity, "'");
}

size_t pi_launch_line(const char *address, long places, char *buffer, size_t capacity)
{
    char program[4096], number[24];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    snprintf(number, sizeof number, " %ld", places);
    size_t used = append_quoted(buffer, 0, capacity, program);
    used = append(buffer, used, capacity, " --posse-agent ");
    used = append_quoted(buffer, used, capacity, address);
    used = append(buffer, used, capacity, number);
    if (capacity)
        buffer[used < capacity ? used : capacity - 1] = '\0';
    return used;
}

/* ---- the commands ---- */

struct command {
    pid_t pid; /* 0: it has ended */
    int errors;
    char *environment[8]; /* NAME=VALUE; freed with the launcher */
    const char *text;
    char line[PI_TEXT_SIZE]; /* of stderr */
    size_t length;
    bool has_letter, whole;
};

struct launcher {
    struct pi_launch *launch;
    struct command *commands;
    size_t n;
};

static bool set(struct command *c, const char *name, const char *value)
{
    size_t i = 0;
    while (c->environment[i])
        i++;
    size_t size = strlen(name) + strlen(value) + 2;
    c->environment[i] = malloc(size);
    if (c->environment[i])
        snprintf(c->environment[i], size, "%s=%s", name, value);
    return c->environment[i];
}

static bool is_one_for_all(long launcher)
{
    return launcher == POSSE_LAUNCH_MPIRUN || launcher == POSSE_LAUNCH_SRUN ||
           launcher == POSSE_LAUNCH_MPI_RELAY;
}

/* In the environment. All get it by stdin. */
static bool gets_token(long launcher)
{
    return launcher == POSSE_LAUNCH_MPIRUN || launcher == POSSE_LAUNCH_SRUN ||
           launcher == POSSE_LAUNCH_COMMAND;
}

/* For ssh: the agent connects to a socket on its node, which ssh carries to our listener. */
static bool set_tunnel(struct command *c, const struct pi_launch *l, char address[128])
{
    char tunnel[512];
    static unsigned number;
    snprintf(address, 128, "unix:/tmp/posse-%.8s-%ld-%u", l->token + 24, (long)getpid(), number++);
    snprintf(tunnel, sizeof tunnel, "%s:%s", address + 5, l->target);
    return set(c, "POSSE_TUNNEL", tunnel);
}

static bool prepare(struct command *c, const struct pi_launch *l, const struct pi_node *node)
{
    char line[LINE_SIZE], tunnel[128];
    const char *address = l->address;
    bool ssh = l->options->launcher == POSSE_LAUNCH_SSH;
    if (ssh && !set_tunnel(c, l, tunnel))
        return false;
    if (ssh)
        address = tunnel;
    size_t used = pi_launch_line(address, node->places, line, sizeof line);
    if (ssh || l->options->launcher == POSSE_LAUNCH_COMMAND ||
        l->options->launcher == POSSE_LAUNCH_LOCAL)
        used = append(line, used, sizeof line, " --token-stdin");
    if (l->options->launcher != POSSE_LAUNCH_COMMAND && !is_one_for_all(l->options->launcher)) {
        used = append(line, used, sizeof line, " --node ");
        used = append_quoted(line, used, sizeof line, node->host);
    }
    if (ssh)
        used = append(line, used, sizeof line, " --unlink");
    if (used >= sizeof line)
        return false;
    line[used] = '\0';
    c->text = l->options->launcher == POSSE_LAUNCH_COMMAND ? l->options->command
                                                           : commands[l->options->launcher];
    return set(c, "POSSE_AGENT", line) && set(c, "POSSE_NODE", node->host) &&
           (gets_token(l->options->launcher) ? set(c, "POSSE_REMOTE_TOKEN", l->token) : true);
}

/* posse-relay starts the agents: it knows the places of each node. */
static bool set_relay(struct command *c, struct pi_node *node, const struct pi_launch *l)
{
    char line[LINE_SIZE];
    size_t used = append_quoted(line, 0, sizeof line,
                                l->options->relay ? l->options->relay : POSSE_RELAY_PATH);
    used = append(line, used, sizeof line, " ");
    used = append_quoted(line, used, sizeof line, l->nodes);
    line[used < sizeof line ? used : 0] = '\0';
    node->places = l->places;
    return used < sizeof line && set(c, "POSSE_RELAY", line);
}

/* mpirun and srun start one agent on each host; all have the same number of places. */
static bool prepare_one(struct launcher *all, struct pi_node *node)
{
    struct pi_launch *l = all->launch;
    char hosts[LINE_SIZE] = "", count[24];
    const char *at = l->nodes;
    size_t used = 0, n = 0;
    for (struct pi_node next; pi_nodes_next(&at, l->places, &next); n++) {
        used = append(hosts, used, sizeof hosts, n ? "," : "");
        used = append(hosts, used, sizeof hosts, next.host);
        node->places = next.places;
    }
    if (used >= sizeof hosts)
        return false;
    hosts[used] = '\0';
    snprintf(count, sizeof count, "%zu", n);
    all->n = 1;
    bool relay = l->options->launcher == POSSE_LAUNCH_MPI_RELAY;
    return (!relay || set_relay(all->commands, node, l)) && prepare(all->commands, l, node) &&
           set(all->commands, "POSSE_NODES_COUNT", count) &&
           set(all->commands, "POSSE_NODES", l->options->nodes || relay ? hosts : "");
}

/* In the program, before the fork: all memory that the launcher needs. */
static bool prepare_all(struct launcher *all)
{
    struct pi_launch *l = all->launch;
    const char *at = l->nodes;
    struct pi_node node = {.places = l->places};
    all->commands = calloc(MAX_COMMANDS, sizeof *all->commands);
    if (!all->commands)
        return false;
    if (is_one_for_all(l->options->launcher))
        return prepare_one(all, &node);
    while (pi_nodes_next(&at, l->places, &node))
        if (all->n == MAX_COMMANDS || !prepare(&all->commands[all->n++], l, &node))
            return false;
    return true;
}

static void free_all(struct launcher *all)
{
    for (size_t i = 0; i < all->n; i++)
        for (size_t k = 0; all->commands[i].environment[k]; k++)
            free(all->commands[i].environment[k]);
    free(all->commands);
}

/* ---- in the launcher ---- */

static _Noreturn void run(const struct command *c, int input, int errors)
{
    static char *environment[4096];
    size_t n = 0;
    sigset_t none;
    for (char **e = environ; e && *e && n < 4000; e++)
        if (strncmp(*e, "POSSE_REMOTE_", 13) != 0)
            environment[n++] = *e;
    for (size_t i = 0; c->environment[i]; i++)
        environment[n++] = c->environment[i];
    char shell[] = "sh", option[] = "-c";
    char *const words[] = {shell, option, (char *)(uintptr_t)c->text, NULL};
    (void)setpgid(0, 0);
    for (int signal = 1; signal < NSIG; signal++) {
        struct sigaction action = {.sa_handler = SIG_DFL};
        (void)sigaction(signal, &action, NULL);
    }
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(input, 0) == 0 && dup2(errors, 2) == 2)
        (void)execve("/bin/sh", words, environment);
    _exit(127);
}

/* A pipe holds the token until the agent reads it. */
static void start(struct command *c, const char *token)
{
    int input[2], errors[2];
    if (pipe2(input, O_CLOEXEC) != 0)
        return;
    if (pipe2(errors, O_CLOEXEC) != 0) {
        close(input[0]);
        close(input[1]);
        return;
    }
    (void)(write(input[1], token, 2 * PI_TOKEN_SIZE) == 0 || write(input[1], "\n", 1) == 0);
    pid_t pid = fork();
    if (pid == 0)
        run(c, input[0], errors[1]);
    close(input[0]);
    close(input[1]);
    close(errors[1]);
    c->pid = pid > 0 ? pid : 0;
    c->errors = errors[0];
    (void)setpgid(pid, pid);
}

/* The first line that has a letter: what comes later is most often advice. */
static void keep(struct command *c, const char *bytes, size_t size)
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
    }
}

static void pass_on(struct command *c)
{
    char bytes[1024];
    ssize_t n = read(c->errors, bytes, sizeof bytes);
    if (n > 0) {
        keep(c, bytes, (size_t)n);
        (void)(write(2, bytes, (size_t)n) == n); /* to the program's stderr, if it has one */
    } else if (n == 0 || errno != EINTR) {
        close(c->errors);
        c->errors = -1;
    }
}

/* Whether the command has ended. */
static bool has_ended(struct command *c)
{
    if (c->pid && c->errors < 0 && waitpid(c->pid, NULL, 0) == c->pid)
        c->pid = 0;
    return c->pid == 0;
}

static void signal_all(const struct launcher *all, int signal)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->commands[i].pid)
            (void)kill(-all->commands[i].pid, signal);
}

/* Whether all commands have ended within that time. */
static bool await_all(struct launcher *all, int ms)
{
    const struct timespec rest = {.tv_nsec = (long)PI_LAUNCHER_LOOK_MS * 1000000};
    for (int waited = 0; waited < ms; waited += PI_LAUNCHER_LOOK_MS) {
        size_t left = 0;
        for (size_t i = 0; i < all->n; i++) {
            struct command *c = &all->commands[i];
            if (c->pid && waitpid(c->pid, NULL, WNOHANG) == c->pid)
                c->pid = 0;
            left += c->pid != 0;
        }
        if (left == 0)
            return true;
        (void)nanosleep(&rest, NULL);
    }
    return false;
}

/* Agents end by themselves: they see that nobody is there. An ssh must end first, as it stands
 * between. What the commands say now is not passed on. */
static _Noreturn void end(struct launcher *all)
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

static void say_why(const struct launcher *all)
{
    struct pi_shared *shared = all->launch->shared;
    for (size_t i = 0; i < all->n; i++) {
        const struct command *c = &all->commands[i];
        if (c->length)
            memcpy(shared->words, c->line, c->length + 1);
    }
    shared->ended = 1;
}

/* Sleeps until the pool is gone, a command writes or ends. False: the pool is gone. */
static bool look(struct launcher *all)
{
    static struct pollfd fds[MAX_COMMANDS + 1];
    for (size_t i = 0; i < all->n; i++)
        fds[i] = (struct pollfd){.fd = all->commands[i].errors, .events = POLLIN};
    fds[all->n] = (struct pollfd){.fd = all->launch->socket, .events = POLLIN};
    if (poll(fds, (nfds_t)all->n + 1, -1) < 0)
        return true;
    for (size_t i = 0; i < all->n; i++)
        if (fds[i].revents)
            pass_on(&all->commands[i]);
    return !fds[all->n].revents;
}

static _Noreturn void launcher_main(struct launcher *all)
{
    for (size_t i = 0; i < all->n; i++)
        start(&all->commands[i], all->launch->token);
    while (look(all)) {
        size_t left = all->n;
        for (size_t i = 0; i < all->n; i++)
            left -= has_ended(&all->commands[i]);
        if (left == 0) {
            say_why(all);
            _exit(0); /* the end of the socket wakes the proxies */
        }
    }
    end(all);
}

/* ---- in the program ---- */

/* The process between is this program's child for a moment. No SIGCHLD of it stays. */
static int fork_launcher(struct launcher *all)
{
    sigset_t blocked, before, pending;
    sigfillset(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    sigpending(&pending);
    pid_t between = fork();
    int error = between < 0 ? errno : 0;
    if (between == 0) {
        pid_t launcher = fork();
        if (launcher == 0) {
            (void)setsid();
            close(all->launch->listener);
            close(all->launch->other);
            launcher_main(all);
        }
        _exit(launcher < 0 ? 1 : 0);
    }
    int how = 0;
    while (between > 0 && waitpid(between, &how, 0) < 0 && errno == EINTR)
        ;
    if (between > 0 && !sigismember(&pending, SIGCHLD)) {
        const struct timespec now = {.tv_sec = 0};
        sigset_t child;
        sigemptyset(&child);
        sigaddset(&child, SIGCHLD);
        (void)sigtimedwait(&child, NULL, &now);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? error : WIFEXITED(how) && WEXITSTATUS(how) ? EAGAIN : 0;
}

int pi_launch_agents(struct pi_launch *launch)
{
    struct launcher all = {.launch = launch};
    int error = prepare_all(&all) ? fork_launcher(&all) : ENOMEM;
    free_all(&all);
    return error;
}

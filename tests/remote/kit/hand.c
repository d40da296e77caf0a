#include "remote/kit/remote.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct hand make_by_hand(long places, posse_options options)
{
    return make_by_hand_at("127.0.0.1:0", places, options);
}

struct hand make_by_hand_at(const char *listen, long places, posse_options options)
{
    struct hand hand = {.directory = "/tmp/posse-test-XXXXXX"};
    assert_non_null(mkdtemp(hand.directory));
    snprintf(hand.token, sizeof hand.token, "%s/token", hand.directory);
    hand.options = (posse_remote_options){.struct_size = sizeof hand.options,
                                          .launcher = POSSE_LAUNCH_NONE,
                                          .listen = listen,
                                          .silence_ms = PATIENCE_MS, /* the machine may be busy */
                                          .token_file = hand.token};
    options.max_workers = places;
    assert_ok(posse_remote_create(&options, &hand.options, &hand.pool));
    hand.options.token_file = NULL; /* hand.token is another one in each copy */
    return hand;
}

void end_hand(struct hand *hand)
{
    assert_ok(posse_destroy(hand->pool));
    assert_eventually(access(hand->token, F_OK) != 0);
    assert_int_equal(rmdir(hand->directory), 0);
}

posse_options plain(void) { return (posse_options){.struct_size = sizeof(posse_options)}; }

/* The words, as a command of a shell. */
static pid_t start(const struct hand *hand, const char *words)
{
    pid_t agent = fork();
    assert_true(agent >= 0);
    if (agent == 0) {
        (void)setenv("POSSE_REMOTE_TOKEN_FILE", hand->token, 1);
        (void)execl("/bin/sh", "sh", "-c", words, (char *)NULL);
        _exit(127);
    }
    return agent;
}

static void write_line(const struct hand *hand, long places, char line[8192])
{
    assert_true(posse_remote_line(&hand->options, places, line, 8192) < 8192);
}

pid_t start_agent_by(const struct hand *hand, long places, const char *command)
{
    char line[8192], words[8400];
    write_line(hand, places, line);
    snprintf(words, sizeof words, "exec %s %s", command, line);
    return start(hand, words);
}

pid_t start_agent_of(const struct hand *hand, long places, const char *program)
{
    char line[8192], words[8400];
    write_line(hand, places, line);
    snprintf(words, sizeof words, "exec %s%s", program, strchr(line + 1, '\'') + 1);
    return start(hand, words);
}

pid_t start_agent(const struct hand *hand, long places) { return start_agent_by(hand, places, ""); }

int end_of(pid_t agent)
{
    int how;
    assert_int_equal(waitpid(agent, &how, 0), agent);
    return how;
}

void kill_agent(pid_t agent)
{
    assert_int_equal(kill(agent, SIGKILL), 0);
    (void)end_of(agent);
}

/* ---- files ---- */

static unsigned char *read_file(const char *path, size_t *size)
{
    struct stat file;
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    assert_int_equal(fstat(fileno(in), &file), 0);
    *size = (size_t)file.st_size;
    unsigned char *bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, in), *size);
    (void)fclose(in);
    return bytes;
}

static void write_program(const char *path, const unsigned char *bytes, size_t size)
{
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, size, out), size);
    assert_int_equal(fchmod(fileno(out), 0700), 0);
    assert_int_equal(fclose(out), 0);
}

void copy_file(const char *from, const char *to)
{
    size_t size;
    unsigned char *bytes = read_file(from, &size);
    write_program(to, bytes, size);
    free(bytes);
}

void copy_changed(const char *from, const char *to)
{
    size_t size;
    unsigned char *bytes = read_file(from, &size);
    for (size_t i = 12; i + 8 < size; i++)
        if (memcmp(bytes + i, "GNU", 4) == 0 && memcmp(bytes + i - 4, "\3\0\0\0", 4) == 0)
            bytes[i + 4] ^= 1;
    write_program(to, bytes, size);
    free(bytes);
}

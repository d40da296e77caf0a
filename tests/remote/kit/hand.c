#include "remote/kit/remote.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct hand make_by_hand(long places, posse_options options)
{
    struct hand hand = {.directory = "/tmp/posse-test-XXXXXX"};
    assert_non_null(mkdtemp(hand.directory));
    snprintf(hand.token, sizeof hand.token, "%s/token", hand.directory);
    hand.options = (posse_remote_options){.struct_size = sizeof hand.options,
                                          .launcher = POSSE_LAUNCH_NONE,
                                          .listen = "127.0.0.1:0",
                                          .token_file = hand.token};
    options.max_workers = places;
    assert_ok(posse_remote_create(&options, &hand.options, &hand.pool));
    return hand;
}

void end_hand(struct hand *hand)
{
    assert_ok(posse_destroy(hand->pool));
    assert_int_equal(unlink(hand->token), 0);
    assert_int_equal(rmdir(hand->directory), 0);
}

posse_options plain(void) { return (posse_options){.struct_size = sizeof(posse_options)}; }

pid_t start_agent_of(const struct hand *hand, long places, const char *program)
{
    char line[8192], words[8300];
    assert_true(posse_remote_line(&hand->options, places, line, sizeof line) < sizeof line);
    snprintf(words, sizeof words, "exec %s%s", program,
             program[0] ? strchr(line + 1, '\'') + 1 : line);
    pid_t agent = fork();
    assert_true(agent >= 0);
    if (agent == 0) {
        (void)setenv("POSSE_REMOTE_TOKEN_FILE", hand->token, 1);
        (void)execl("/bin/sh", "sh", "-c", words, (char *)NULL);
        _exit(127);
    }
    return agent;
}

pid_t start_agent(const struct hand *hand, long places) { return start_agent_of(hand, places, ""); }

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

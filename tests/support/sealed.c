/* sealed.c - pools whose workers are sealed. */
#include "sealed.h"

#include <posse_autopsy.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

posse_executor *sealed_pool_with(posse_options options, posse_seal seal)
{
    posse_executor *pool = NULL;
    seal.struct_size = sizeof seal;
    options.seal = &seal;
    posse_status status = posse_create(&options, &pool);
    if (status == POSSE_NOT_SUPPORTED) {
        print_message("skipped: %s (errno %d)\n", posse_last_error(), errno);
        skip();
    }
    assert_ok(status);
    return pool;
}

posse_executor *sealed_pool(long workers, posse_seal seal)
{
    posse_options options = OPTIONS(workers);
    return sealed_pool_with(options, seal);
}

posse_executor *fresh_pool_with(posse_options options, posse_seal seal)
{
    options.isolation = POSSE_FRESH;
    return sealed_pool_with(options, seal);
}

posse_executor *fresh_pool(long workers, posse_seal seal)
{
    posse_options options = OPTIONS(workers);
    return fresh_pool_with(options, seal);
}

bool can_seal(void)
{
    posse_executor *pool = NULL;
    posse_options options = OPTIONS(1, .isolation = POSSE_FRESH);
    bool can = SEALABLE != 0 && posse_create(&options, &pool) == POSSE_OK;
    return can && posse_destroy(pool) == POSSE_OK;
}

bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)) != NULL; at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

int socket_task(posse_task *task, const void *arg, size_t size)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return return_long(task, fd < 0 ? errno : close(fd));
}

int noted_socket_task(posse_task *task, const void *arg, size_t size)
{
    posse_task_note(task, "about to ask");
    return socket_task(task, arg, size);
}

void assert_forty_of_two_thousand(posse_executor *pool)
{
    posse_future *futures = calloc(2000, sizeof *futures);
    assert_non_null(futures);
    for (long i = 0; i < 2000; i++)
        futures[i] = submitted_long(pool, i % 50 == 7 ? socket_task : square_task, i);
    for (long i = 0; i < 2000; i++) {
        scene_is("task %ld", i);
        if (i % 50 == 7)
            assert_string_equal(take_error(futures[i], POSSE_FORBIDDEN).call_name, "socket");
        else
            assert_int_equal(take_long(futures[i]), i * i);
    }
    assert_int_equal(stats_of(pool).lost, 40);
    assert_int_equal(stats_of(pool).done, 1960);
    free(futures);
}

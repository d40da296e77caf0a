/* common.c - see common.h. */
#include "common.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void demo_set_backend(struct demo *demo, const char *name, unsigned takes)
{
    static const char *const names[] = {
        [POSSE_PROCESS] = "process", [POSSE_THREAD] = "thread", [POSSE_INLINE] = "inline"};
    size_t count = takes & DEMO_TAKES_INLINE ? POSSE_INLINE + 1 : POSSE_INLINE;
    for (size_t k = 0; k < count; k++) {
        if (strcmp(name, names[k]) == 0) {
            demo->backend = (posse_backend)k;
            demo->backend_name = names[k];
            return;
        }
    }
    errx(2, "--backend takes %s, not '%s'",
         takes & DEMO_TAKES_INLINE ? "process, thread or inline" : "process or thread", name);
}

long demo_number(const char *flag, const char *text, long least, long most)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (strspn(text, "0123456789") != strlen(text) || end == text || errno != 0 || number < least ||
        number > most)
        errx(2, "--%s takes a number from %ld to %ld, not '%s'", flag, least, most, text);
    return number;
}

struct demo demo_parse(int argc, char **argv, const char *help, unsigned takes)
{
    static const struct option flags[] = {
        {"workers", required_argument, NULL, 'w'}, /* must be first: it is left out for some */
        {"backend", required_argument, NULL, 'b'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct demo demo = DEMO_PROCESS;
    demo.workers = 4;
    const struct option *known = takes & DEMO_TAKES_WORKERS ? flags : flags + 1;
    for (int flag; (flag = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (flag) {
        case 'b': demo_set_backend(&demo, optarg, takes); break;
        case 'w': demo.workers = demo_number("workers", optarg, 1, POSSE_MAX_WORKERS); break;
        case 'h': exit(fputs(help, stdout) < 0 || fflush(stdout) != 0);
        default: exit(2);
        }
    }
    if (optind < argc)
        errx(2, "'%s' is not an option", argv[optind]);
    return demo;
}

void demo_check(posse_status status, const char *what)
{
    if (status == POSSE_SYSTEM)
        err(1, "%s", what);
    if (status != POSSE_OK)
        errx(1, "%s: %s", what, posse_status_message(status));
}

posse_executor *demo_create(const struct demo *demo)
{
    posse_options options = {
        .struct_size = sizeof options, .backend = demo->backend, .max_workers = demo->workers};
    posse_executor *pool = NULL;
    demo_check(posse_create(&options, &pool), "cannot make a pool");
    return pool;
}

int demo_end(posse_executor *pool)
{
    demo_check(posse_destroy(pool), "cannot end the pool");
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write");
    return 0;
}

void demo_sleep(long milliseconds)
{
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

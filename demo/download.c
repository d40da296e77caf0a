/* download.c - downloads pages over HTTP, several at a time, and saves them as they arrive.
 *
 * Each URL is a task, which fetches it (http.c) into its result. The program saves one after
 * another, so no two of them want the same name at the same time.
 */
#include "common.h"
#include "http.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_URL 2000
#define MAX_NAME 100

/* Only a search for an address takes longer than the timeout; then the pool ends the task. */
#define GRACE 1000

struct settings {
    struct demo demo;
    long timeout; /* milliseconds */
    int directory;
    char **urls;
    size_t count;
};

/* ---- the task ------------------------------------------------------------------------------- */

struct order {
    long timeout;
    char url[MAX_URL];
};

static int fetch(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    const struct order *order = arg;
    struct http_page page;
    int code = 0;
    if (!http_get(order->url, order->timeout, &page))
        code = posse_task_fail(task, 1, "%s", page.error);
    else if (posse_task_return(task, page.body, page.size) != POSSE_OK)
        code = posse_task_fail(task, 2, "no memory for %zu bytes", page.size);
    free(page.body);
    return code;
}

static posse_future submit(posse_executor *pool, const struct settings *set, const char *url)
{
    struct order order = {.timeout = set->timeout};
    posse_job job = {.struct_size = sizeof job,
                     .fn = fetch,
                     .arg = &order,
                     .size = sizeof order,
                     .timeout_ms = set->timeout + GRACE};
    posse_future future;
    snprintf(order.url, sizeof order.url, "%s", url);
    demo_check(posse_submit_with(pool, &job, &future), "cannot submit");
    return future;
}

/* ---- saving --------------------------------------------------------------------------------- */

/* The last part of the URL's path, in which only letters, digits and a few signs are left, and
 * never a dot in front: so it cannot lead out of the directory, or hide in it. */
static void choose_name(const char *url, char *name)
{
    const char *path = strchr(url + strlen("http://"), '/');
    size_t length = path ? strcspn(path, "?#") : 0, first = length;
    while (first > 0 && path[first - 1] != '/')
        first--;
    length = length - first < MAX_NAME ? length - first : MAX_NAME;
    snprintf(name, MAX_NAME + 1, "%.*s", (int)length, length > 0 ? path + first : "");
    for (char *at = name; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", *at))
            *at = '_';
    if (*name == '.' || *name == '-')
        *name = '_';
    if (!*name)
        strcpy(name, "index.html");
}

/* Nothing that is there already is written over: the second one is called name.1. */
static int create_file(int directory, const char *url, char *name, size_t size)
{
    char wanted[MAX_NAME + 1];
    choose_name(url, wanted);
    snprintf(name, size, "%s", wanted);
    for (int k = 1; k < 10000; k++) {
        int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
        snprintf(name, size, "%s.%d", wanted, k);
    }
    return -1;
}

static bool write_all(int fd, const char *data, size_t size)
{
    for (ssize_t written; size > 0; data += written, size -= (size_t)written) {
        written = write(fd, data, size);
        if (written < 0 && errno != EINTR)
            return false;
        written = written < 0 ? 0 : written;
    }
    return true;
}

/* What is not whole does not stay. */
static bool save(const struct settings *set, const char *url, posse_future future)
{
    const void *data;
    size_t size;
    char name[MAX_NAME + 13]; /* with a dot and a number */
    demo_check(posse_result(future, 0, &data, &size), "no result");
    int fd = create_file(set->directory, url, name, sizeof name);
    bool written = fd >= 0 && write_all(fd, data, size);
    if (fd >= 0 && close(fd) != 0)
        written = false;
    if (written)
        printf("%s: %zu bytes in %s\n", url, size, name);
    else
        printf("%s: FAILED, cannot save %s: %s\n", url, name, strerror(errno));
    if (fd >= 0 && !written)
        unlinkat(set->directory, name, 0);
    return written;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static bool finish(const struct settings *set, const char *url, posse_future future)
{
    posse_error error = {.struct_size = sizeof error};
    demo_check(posse_exception(future, 0, &error), "cannot wait");
    bool saved = error.status == POSSE_OK && save(set, url, future);
    if (error.status == POSSE_DEADLINE)
        printf("%s: FAILED, timed out\n", url);
    else if (error.status != POSSE_OK)
        printf("%s: FAILED, %s\n", url, error.message);
    demo_check(posse_release(future), "cannot release");
    if (fflush(stdout) != 0)
        err(1, "cannot write");
    return saved;
}

/* Gives how many came. */
static size_t download(posse_executor *pool, const struct settings *set, posse_future *futures)
{
    for (size_t k = 0; k < set->count; k++)
        futures[k] = submit(pool, set, set->urls[k]);
    posse_completion_iter *completed;
    demo_check(posse_as_completed(futures, set->count, -1, &completed), "cannot wait");
    size_t saved = 0, index;
    posse_future future;
    for (size_t done = 1; done <= set->count; done++) {
        demo_check(posse_completion_iter_next(completed, &future, &index), "cannot wait");
        printf("%zu of %zu  ", done, set->count);
        saved += finish(set, set->urls[index], future);
    }
    posse_completion_iter_close(completed);
    return saved;
}

static const char help[] =
    "usage: download [option...] URL...\n"
    "Saves what is at the http:// URLs. The exit status is 0 if all came, and 1 if not.\n"
    "\n"
    "  --backend NAME     process, thread or inline (process)\n"
    "  --workers N        how many are fetched at the same time (8)\n"
    "  --timeout SECONDS  how long one may take (30)\n"
    "  --into DIR         where to save, made if it is not there (.)\n"
    "  --help             show this\n";

static int open_directory(const char *name)
{
    if (mkdir(name, 0777) != 0 && errno != EEXIST)
        err(1, "cannot make %s", name);
    int directory = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        err(1, "cannot save into %s", name);
    return directory;
}

/* No URL is printed that could do something to a terminal. */
static void check_urls(char **urls)
{
    for (; *urls; urls++) {
        if (strlen(*urls) >= MAX_URL)
            errx(2, "a URL is longer than %d bytes", MAX_URL - 1);
        for (const char *at = *urls; *at; at++)
            if (*at <= ' ' || *at > '~')
                errx(2, "a URL holds a character that no URL may have");
    }
}

static struct settings parse(int argc, char **argv)
{
    static const struct option flags[] = {
        {"backend", required_argument, NULL, 'b'}, {"workers", required_argument, NULL, 'w'},
        {"timeout", required_argument, NULL, 't'}, {"into", required_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    struct settings set = {.demo = DEMO_PROCESS, .timeout = 30000};
    const char *into = ".";
    set.demo.workers = 8;
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'b': demo_set_backend(&set.demo, optarg, DEMO_TAKES_INLINE); break;
        case 'w': set.demo.workers = demo_number("workers", optarg, 1, POSSE_MAX_WORKERS); break;
        case 't': set.timeout = 1000 * demo_number("timeout", optarg, 1, 3600); break;
        case 'i': into = optarg; break;
        case 'h': exit(fputs(help, stdout) < 0 || fflush(stdout) != 0);
        default: exit(2);
        }
    }
    if (optind == argc)
        errx(2, "no URL is given, see --help");
    check_urls(argv + optind);
    set.directory = open_directory(into);
    set.urls = argv + optind;
    set.count = (size_t)(argc - optind);
    return set;
}

int main(int argc, char **argv)
{
    struct settings set = parse(argc, argv);
    posse_future *futures = calloc(set.count, sizeof *futures);
    if (!futures)
        err(1, "%zu URLs", set.count);
    posse_executor *pool = demo_create(&set.demo);
    size_t saved = download(pool, &set, futures);
    printf("%zu of %zu came\n", saved, set.count);
    free(futures);
    close(set.directory);
    return demo_end(pool) != 0 || saved < set.count;
}

/* decode_untrusted.c - decodes images of strangers: a bad one costs nothing but itself.
 *
 * Each file is a task: the program reads it, a worker decodes it (decode_untrusted/), and the
 * program prints a line. The decoder is careful, or with --faulty as bad as real ones have been.
 * decode_untrusted/make_corpus.sh makes files that show all ends.
 */
#include "common.h"
#include "decode_untrusted/files.h"
#include "decode_untrusted/image.h"

#include <err.h>
#include <getopt.h>
#include <posse_autopsy.h>
#include <posse_seal.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How many files have been read whose line has not been printed: it bounds memory. */
#define WINDOW 64

#define MAX_RESULT 33554432 /* bytes */

/* Time on the clock that a worker has for each second of the processor's that it may use. */
#define WALL_TIME 20

struct settings {
    struct demo demo;
    bool sealed, fresh;
    long milliseconds; /* of the processor, for one file */
    long megabytes;    /* for one file */
    long rounds;       /* 0: one, and a line for each file */
    struct file_list files;
};

/* Workers are forked, so they find it set. */
static bool faulty;

/* ---- the task -------------------------------------------------------------------------------- */

struct picture {
    size_t width, height;
    unsigned char pixels[];
};

/* The decoder writes to memory of its own, not to the result: that lies beside those of others. */
static int decode(posse_task *task, const void *arg, size_t size)
{
    struct image image;
    const char *wrong = image_decode(arg, size, faulty, &image);
    if (wrong)
        return posse_task_fail(task, 1, "%s", wrong);
    size_t bytes = image.width * image.height * 3;
    struct picture *picture = posse_task_reserve(task, sizeof *picture + bytes);
    if (picture) {
        picture->width = image.width;
        picture->height = image.height;
        memcpy(picture->pixels, image.pixels, bytes);
    }
    free(image.pixels);
    return picture ? 0 : posse_task_fail(task, 2, "no room for its pixels");
}

/* ---- one file -------------------------------------------------------------------------------- */

struct work {
    const char *unread; /* why the file could not be read; NULL: there is a future */
    posse_future future;
};

static struct work submit(posse_executor *pool, const struct settings *set, const char *path)
{
    struct work work = {0};
    struct file file;
    work.unread = file_read(path, &file);
    if (work.unread)
        return work;
    posse_job job = {.struct_size = sizeof job,
                     .fn = decode,
                     .arg = file.data,
                     .size = file.size,
                     .timeout_ms = set->milliseconds * WALL_TIME};
    if (set->demo.backend == POSSE_PROCESS) {
        job.max_cpu_ms = set->milliseconds;
        job.max_memory = (size_t)set->megabytes << 20;
    }
    demo_check(posse_submit_with(pool, &job, &work.future), "cannot submit");
    free(file.data);
    return work;
}

static void print_failure(const char *why)
{
    fputs("failed (", stdout);
    print_plainly(why);
    puts(")");
}

/* A worker may have been taken over, so its result is not believed, and read once: the worker may
 * still be writing there. */
static void print_picture(posse_future future)
{
    const void *data;
    size_t size;
    demo_check(posse_result(future, 0, &data, &size), "no result");
    struct picture head = {0};
    if (size >= sizeof head)
        memcpy(&head, data, sizeof head);
    size_t bytes = size - sizeof head;
    if (head.width == 0 || bytes % head.width != 0 || bytes / head.width % 3 != 0 ||
        bytes / head.width / 3 != head.height) {
        print_failure("the result is no picture");
        return;
    }
    const unsigned char *pixels = (const unsigned char *)data + sizeof head;
    uint32_t sum = 2166136261; /* FNV-1a */
    for (size_t k = 0; k < bytes; k++)
        sum = (sum ^ pixels[k]) * 16777619;
    printf("ok, %zu x %zu, checksum %08x\n", head.width, head.height, (unsigned)sum);
}

/* Prints the innermost function of the program: abort, for example, is in a library. */
static void print_function(posse_future future)
{
    posse_frame frame = {.struct_size = sizeof frame};
    for (size_t k = 0; posse_autopsy_frame(future, k, &frame) == POSSE_OK; k++)
        if (*frame.function && !strstr(frame.module, ".so")) {
            /* What follows a dot names the part that a compiler has made of it. */
            printf(" in %.*s", (int)strcspn(frame.function, "."), frame.function);
            break;
        }
}

static void print_crash(posse_future future, const posse_error *error)
{
    static const struct {
        int number;
        const char *name;
    } signals[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGABRT, "SIGABRT"},
                   {SIGFPE, "SIGFPE"},   {SIGILL, "SIGILL"}, {SIGKILL, "SIGKILL"}};
    const char *name = "another signal";
    for (size_t k = 0; k < sizeof signals / sizeof *signals; k++)
        if (signals[k].number == error->signal)
            name = signals[k].name;
    if (error->signal == 0) {
        printf("crashed (exit code %d)\n", error->exit_code);
        return;
    }
    printf("crashed (%s", name);
    print_function(future);
    puts(")");
}

static void print_end(posse_future future)
{
    posse_error error = {.struct_size = sizeof error};
    demo_check(posse_exception(future, -1, &error), "cannot wait");
    switch (error.status) {
    case POSSE_OK: print_picture(future); break;
    case POSSE_TASK_FAILED: print_failure(error.message); break;
    case POSSE_WORKER_LOST: print_crash(future, &error); break;
    case POSSE_OVER_MEMORY: puts("over memory"); break;
    case POSSE_FORBIDDEN: printf("forbidden (%s)\n", error.call_name); break;
    case POSSE_OVER_CPU:
    case POSSE_DEADLINE: puts("too slow"); break;
    default: errx(1, "%s", error.message);
    }
}

static void finish(const struct work *work, const char *path)
{
    print_plainly(path);
    fputs(": ", stdout);
    if (work->unread) {
        print_failure(work->unread);
        return;
    }
    print_end(work->future);
    demo_check(posse_release(work->future), "cannot release");
}

/* ---- all of them ----------------------------------------------------------------------------- */

static posse_executor *create(const struct settings *set)
{
    bool processes = set->demo.backend == POSSE_PROCESS;
    posse_seal seal = {.struct_size = sizeof seal}; /* allows nothing: images come as arguments */
    posse_options options = {.struct_size = sizeof options,
                             .backend = set->demo.backend,
                             .max_workers = set->demo.workers,
                             .max_result = MAX_RESULT,
                             .autopsy = processes,
                             .seal = set->sealed ? &seal : NULL,
                             .isolation = set->fresh ? POSSE_FRESH : POSSE_SHARED};
    posse_executor *pool = NULL;
    demo_check(posse_create(&options, &pool), "cannot make a pool");
    return pool;
}

static void drop(const struct work *work)
{
    posse_error error = {.struct_size = sizeof error};
    if (work->unread)
        return;
    demo_check(posse_exception(work->future, -1, &error), "cannot wait");
    demo_check(posse_release(work->future), "cannot release");
}

/* Prints the lines in the order of the files. */
static void decode_all(posse_executor *pool, const struct settings *set)
{
    struct work works[WINDOW];
    size_t files = set->files.count, count = files * (size_t)(set->rounds ? set->rounds : 1);
    for (size_t k = 0; k < count + WINDOW; k++) {
        struct work *work = &works[k % WINDOW];
        if (k >= WINDOW && set->rounds)
            drop(work);
        else if (k >= WINDOW)
            finish(work, set->files.paths[k - WINDOW]);
        if (k < count)
            *work = submit(pool, set, set->files.paths[k % files]);
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static const char help[] =
    "usage: decode_untrusted [option...] FILE...\n"
    "Decodes images (PNM, BMP, and JPEG and PNG if their libraries were there when it was\n"
    "built), and all in directories. Prints how each ended.\n"
    "\n"
    "  --backend NAME  process, thread or inline (process)\n"
    "  --sealed        processes that may only compute; the system must be able to do so\n"
    "  --fresh         the same, and each file has a process of its own\n"
    "  --workers N     how many work at the same time (4)\n"
    "  --time MS       processor time for one file (1000)\n"
    "  --memory MB     memory for one file, with processes (128)\n"
    "  --rounds N      decode all N times, and print only how many files a second\n"
    "  --faulty        use a decoder with faults; only processes survive them\n"
    "  --help          show this\n";

static struct settings parse(int argc, char **argv)
{
    static const struct option flags[] = {
        {"backend", required_argument, NULL, 'b'}, {"workers", required_argument, NULL, 'w'},
        {"time", required_argument, NULL, 't'},    {"memory", required_argument, NULL, 'm'},
        {"rounds", required_argument, NULL, 'r'},  {"faulty", no_argument, NULL, 'f'},
        {"sealed", no_argument, NULL, 's'},        {"fresh", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    struct settings set = {.demo = DEMO_PROCESS, .milliseconds = 1000, .megabytes = 128};
    set.demo.workers = 4;
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'b': demo_set_backend(&set.demo, optarg, DEMO_TAKES_INLINE); break;
        case 'w': set.demo.workers = demo_number("workers", optarg, 1, POSSE_MAX_WORKERS); break;
        case 't': set.milliseconds = demo_number("time", optarg, 1, 3600000); break;
        case 'm': set.megabytes = demo_number("memory", optarg, 1, 1000000); break;
        case 'r': set.rounds = demo_number("rounds", optarg, 1, 1000000); break;
        case 'f': faulty = true; break;
        case 's': set.sealed = true; break;
        case 'n': set.sealed = set.fresh = true; break;
        case 'h': exit(fputs(help, stdout) < 0 || fflush(stdout) != 0);
        default: exit(2);
        }
    }
    if (set.sealed && set.demo.backend != POSSE_PROCESS)
        errx(2, "--sealed and --fresh are for processes");
    if (optind == argc)
        errx(2, "no file is given, see --help");
    for (char **path = argv + optind; *path; path++)
        file_list_add(&set.files, *path);
    return set;
}

int main(int argc, char **argv)
{
    struct settings set = parse(argc, argv);
    posse_executor *pool = create(&set);
    double began = seconds();
    decode_all(pool, &set);
    if (set.rounds)
        printf("%.0f files a second\n",
               (double)set.rounds * (double)set.files.count / (seconds() - began));
    file_list_free(&set.files);
    return demo_end(pool);
}

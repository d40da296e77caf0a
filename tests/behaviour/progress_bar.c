/* progress_bar.c - the bar on a terminal and elsewhere: what is written, how often, how wide, and
 * beside lines that tasks write.
 *
 * The linker leads the clock to the test, which stops it and sets it.
 */
#include "support/screen.h"

#include <fcntl.h>
#include <posse_progress.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define MS ((uint64_t)1000000)

static _Thread_local uint64_t stopped_at; /* 0: it goes */

uint64_t __real_pi_os_now(void);
uint64_t __wrap_pi_os_now(void);
uint64_t __wrap_pi_os_now(void) { return stopped_at ? stopped_at : __real_pi_os_now(); }

static _Atomic int rests; /* in which a thread of this process sleeps to look again */

void __real_pi_os_sleep(uint64_t ns);
void __wrap_pi_os_sleep(uint64_t ns);
void __wrap_pi_os_sleep(uint64_t ns)
{
    atomic_fetch_add(&rests, 1);
    __real_pi_os_sleep(ns);
}

static posse_progress_bar *opened(int fd, const char *label)
{
    posse_progress_bar *bar;
    posse_progress_bar_options options = {.struct_size = sizeof options, .label = label, .fd = fd};
    assert_ok(posse_progress_bar_open(&options, &bar));
    return bar;
}

static struct screen *terminal(unsigned short columns)
{
    assert_int_equal(setenv("TERM", "xterm", 1), 0);
    return screen_open(columns);
}

static size_t count_in(const struct screen *screen, const char *text)
{
    size_t n = 0, length = strlen(text);
    for (size_t i = 0; i + length <= screen->size; i++)
        n += memcmp(screen->bytes + i, text, length) == 0;
    return n;
}

/* ---- a pipe or a file ---- */

static void read_pipe(int fd, char *text, size_t size)
{
    ssize_t n = read(fd, text, size - 1);
    assert_true(n >= 0);
    text[n] = '\0';
}

/* The last line, in a pipe, after the bar was used. */
static void end_piped(posse_progress_bar *bar, const int pipes[2], char text[1000])
{
    posse_progress_bar_close(bar);
    close(pipes[1]);
    read_pipe(pipes[0], text, 1000);
    close(pipes[0]);
    stopped_at = 0;
}

TEST(last_line_alone, INLINE)
{
    int pipes[2];
    char text[1000];
    assert_int_equal(pipe(pipes), 0);
    stopped_at = 1000 * MS;
    posse_progress_bar *bar = opened(pipes[1], "thumbnails");
    for (uint64_t i = 0; i <= 42; i++, stopped_at += 1000 * MS)
        posse_progress_draw(bar, i, 100);
    stopped_at = 4021 * MS;
    end_piped(bar, pipes, text);
    assert_string_equal(text, "thumbnails:  42%|#############                  | 42/100 "
                              "[00:03<00:04, 13.9it/s]\n");
    assert_int_equal(strlen(text), 80 + 1);
}

TEST(total_unknown, INLINE)
{
    int pipes[2];
    char text[1000];
    assert_int_equal(pipe(pipes), 0);
    stopped_at = 1000 * MS;
    posse_progress_bar_options options = {
        .struct_size = sizeof options, .unit = "page", .fd = pipes[1]};
    posse_progress_bar *bar;
    assert_ok(posse_progress_bar_open(&options, &bar));
    posse_progress_draw(bar, 30, 0);
    stopped_at += 3725 * 1000 * MS;
    end_piped(bar, pipes, text);
    assert_string_equal(text, "30page [1:02:05, 124s/page]\n");
}

static void assert_dumb(void)
{
    struct screen *screen = screen_open(60);
    posse_progress_bar *bar = opened(screen->fd, "dumb");
    for (uint64_t i = 0; i < 5; i++)
        posse_progress_draw(bar, i, 5);
    posse_progress_bar_close(bar);
    screen_read(screen, 60);
    assert_int_equal(count_in(screen, "\033"), 0);
    assert_int_equal(count_in(screen, "\n"), 1);
    screen_close(screen);
}

TEST(dumb_terminal, INLINE)
{
    assert_int_equal(setenv("TERM", "dumb", 1), 0);
    assert_dumb();
    assert_int_equal(unsetenv("TERM"), 0);
    assert_dumb();
}

/* ---- a terminal ---- */

TEST(ten_times_a_second, INLINE)
{
    struct screen *screen = terminal(60);
    stopped_at = 1000 * MS;
    posse_progress_bar *bar = opened(screen->fd, NULL);
    for (int i = 0; i < 5000; i++, stopped_at += i % 1000 == 0 ? MS : 0)
        posse_progress_draw(bar, (uint64_t)i, 5000); /* once, in 5 ms */
    stopped_at = 1099 * MS;
    posse_progress_draw(bar, 1, 2);
    stopped_at = 1100 * MS;
    posse_progress_draw(bar, 1, 2); /* again */
    posse_progress_draw(bar, 1, 2);
    posse_progress_bar_close(bar); /* and the last time */
    stopped_at = 0;
    screen_read(screen, 60);
    assert_int_equal(count_in(screen, "\r\033[K"), 3);
    screen_close(screen);
}

/* It fills the terminal's width of that moment, 80 if that is unknown; its last line ends there. */
TEST(as_wide_as_the_terminal, INLINE)
{
    static const unsigned short widths[] = {60, 30, 8, 0, 150};
    struct screen *screen = terminal(60);
    stopped_at = 1000 * MS;
    posse_progress_bar *bar = opened(screen->fd, "größer");
    for (size_t i = 0; i < COUNT(widths); i++, stopped_at += 100 * MS) {
        screen_resize(screen, widths[i]);
        posse_progress_draw(bar, 7, 10);
    }
    posse_progress_bar_close(bar);
    stopped_at = 0;
    atomic_store(&screen->closed, true);
    pthread_join(screen->thread, NULL);
    const char *at = screen->bytes, *end = at + screen->size;
    for (size_t i = 0; i < COUNT(widths); i++) {
        size_t bytes = 0, columns = 0;
        for (at += strlen("\r\033[K"); at + bytes < end && at[bytes] != '\r'; bytes++)
            columns += ((unsigned char)at[bytes] & 0xc0) != 0x80;
        assert_int_equal(columns, widths[i] ? widths[i] : 80);
        at += bytes;
    }
    assert_int_equal(end[-1], '\n');
    screen_close(screen);
}

/* Nothing is coloured, with NO_COLOR or without. */
TEST(no_colours, INLINE)
{
    struct screen *screen = terminal(60);
    assert_int_equal(setenv("NO_COLOR", "1", 1), 0);
    posse_progress_bar *bar = opened(screen->fd, "\033[31mred\xc2\x9b\n");
    posse_progress_draw(bar, 1, 2);
    posse_progress_bar_close(bar);
    assert_int_equal(unsetenv("NO_COLOR"), 0);
    screen_read(screen, 60); /* asserts it */
    assert_memory_equal(screen->lines[0], "?[31mred???:  50%|", 18);
    screen_close(screen);
}

/* The user has stopped it: no call waits for it. */
TEST(stopped_terminal, INLINE)
{
    struct screen *screen = terminal(60);
    posse_executor *pool = POOL(1);
    posse_progress_bar *bar = opened(screen->fd, NULL);
    assert_int_equal(tcflow(screen->fd, TCOOFF), 0);
    posse_future future = submitted_long(pool, square_task, 3);
    assert_ok(posse_progress_wait(bar, &future, 1, -1));
    assert_int_equal(tcflow(screen->fd, TCOON), 0);
    posse_progress_bar_close(bar);
    assert_int_equal(take_long(future), 9);
    end_pool(pool);
    screen_close(screen);
}

/* ---- beside tasks that write ---- */

struct note {
    int fd;
    int number;
};

static int writing_task(posse_task *task, const void *arg, size_t size)
{
    char line[100];
    struct note note;
    memcpy(&note, arg, sizeof note);
    for (int i = 0; i < 3; i++) {
        int length = snprintf(line, sizeof line, "task %d says %d\n", note.number, i);
        if (write(note.fd, line, (size_t)length) != length)
            return WRONG_ARG;
        pause_ms(note.number % 7 == 0 ? 5 : 0);
    }
    return 0;
}

static size_t find_line(const struct screen *screen, const char *text)
{
    size_t n = 0;
    for (size_t i = 0; i < SCREEN_LINES; i++)
        n += strcmp(screen->lines[i], text) == 0;
    return n;
}

/* A line that is shorter than the terminal. */
TEST(lines_below_a_short_bar, INLINE)
{
    struct screen *screen = terminal(70);
    stopped_at = 1000 * MS;
    posse_progress_bar *bar = opened(screen->fd, "short");
    posse_progress_draw(bar, 5, 0);
    assert_int_equal(write(screen->fd, "hello\n", 6), 6);
    assert_int_equal(write(screen->fd, "world\n", 6), 6);
    stopped_at += 100 * MS;
    posse_progress_draw(bar, 6, 0);
    posse_progress_bar_close(bar);
    stopped_at = 0;
    screen_read(screen, 70);
    assert_memory_equal(screen->lines[0], "short: 5it [00:00, ?it/s] ", 26);
    assert_string_equal(screen->lines[1], "hello");
    assert_string_equal(screen->lines[2], "world");
    assert_string_equal(screen->lines[3], "short: 6it [00:00, 60.0it/s]");
    screen_close(screen);
}

#define WRITERS 60

/* Each of their lines is a line of the screen; so is each of the bar that stays above one. */
TEST(lines_of_tasks_are_whole, PARALLEL)
{
    struct screen *screen = terminal(70);
    posse_executor *pool = POOL(2);
    posse_future futures[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        struct note note = {screen->fd, i};
        futures[i] = SUBMIT_VALUE(pool, writing_task, note);
    }
    posse_progress_bar *bar = opened(screen->fd, "written");
    assert_ok(posse_progress_wait(bar, futures, WRITERS, -1));
    posse_progress_bar_close(bar);
    screen_read(screen, 70);
    size_t of_tasks = 0, of_bar = 0;
    for (int i = 0; i < WRITERS; i++)
        for (int k = 0; k < 3; k++) {
            char line[100];
            snprintf(line, sizeof line, "task %d says %d", i, k);
            assert_int_equal(find_line(screen, line), 1);
            of_tasks++;
        }
    for (size_t i = 0; i < SCREEN_LINES; i++) {
        const char *line = screen->lines[i];
        of_bar += strncmp(line, "written: ", 9) == 0 && strchr(line, ']') && !strstr(line, "task");
        of_tasks -= strncmp(line, "task", 4) == 0;
    }
    assert_int_equal(of_tasks, 0);
    assert_true(of_bar >= 1);
    for (int i = 0; i < WRITERS; i++)
        take_error(futures[i], POSSE_OK);
    end_pool(pool);
    screen_close(screen);
}

/* ---- what it counts ---- */

static void assert_shown(posse_progress_bar *bar, const int pipes[2], const char *counts)
{
    char text[1000];
    end_piped(bar, pipes, text);
    if (!strstr(text, counts))
        fail_msg("%s is not in %s", counts, text);
}

POOL_TEST(futures, PARALLEL, 2)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    struct gate *gate = make_gate(pool);
    posse_future futures[4];
    for (long i = 0; i < 3; i++)
        futures[i] = i == 2 ? submitted_hold(pool, gate) : submitted_long(pool, square_task, i);
    futures[3] = futures[0];
    posse_progress_bar *bar = opened(pipes[1], "futures");
    for (long i = 0; i < 2; i++)
        assert_int_equal(error_of(futures[i]).status, POSSE_OK);
    assert_status(posse_progress_wait(bar, futures, 4, 0), POSSE_TIMEOUT);
    assert_status(posse_progress_wait(bar, futures, 4, 1), POSSE_TIMEOUT);
    assert_shown(bar, pipes, " 66%|");
    assert_int_equal(pipe(pipes), 0);
    bar = opened(pipes[1], "futures");
    open_gate(gate);
    assert_ok(posse_progress_wait(bar, futures, 4, -1));
    assert_ok(posse_progress_wait(bar, NULL, 0, -1));
    assert_ok(posse_progress_wait(bar, futures, 4, -1));
    for (long i = 0; i < 3; i++)
        assert_ok(posse_release(futures[i]));
    assert_status(posse_progress_wait(bar, futures, 4, -1), POSSE_INVALID);
    assert_shown(bar, pipes, "100%|");
    free_gate(pool, gate);
}

static int half_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    posse_task_progress(task, 500, 1000);
    return pass_gate(gate) ? 0 : GAVE_UP;
}

/* A terminal shows what running tasks say of themselves. */
POOL_TEST(tasks_that_say_how_far_they_are, PARALLEL, 2)
{
    struct screen *screen = terminal(70);
    struct gate *gate = make_gate(pool);
    posse_future futures[2] = {SUBMIT_VALUE(pool, half_task, gate),
                               SUBMIT_VALUE(pool, half_task, gate)};
    await_entered(gate, 2);
    posse_progress_bar *bar = opened(screen->fd, "two");
    assert_status(posse_progress_wait(bar, futures, 2, 0), POSSE_TIMEOUT);
    posse_progress_bar_close(bar);
    bar = opened(screen->fd, "one");
    assert_status(posse_progress_wait(bar, futures, 1, 0), POSSE_TIMEOUT);
    posse_progress_bar_close(bar);
    open_gate(gate);
    screen_read(screen, 70);
    assert_memory_equal(screen->lines[0], "two:  50%|", 10);
    assert_non_null(strstr(screen->lines[0], " 0/2 ["));
    assert_memory_equal(screen->lines[1], "one:  50%|", 10);
    assert_non_null(strstr(screen->lines[1], " 500/1000 ["));
    take_error(futures[0], POSSE_OK);
    take_error(futures[1], POSSE_OK);
    free_gate(pool, gate);
    screen_close(screen);
}

static int slow_item(posse_task *task, const void *const *items, void *result)
{
    long number;
    memcpy(&number, items[0], sizeof number);
    pause_ms(number == 9 ? 250 : 0);
    memcpy(result, &number, sizeof number);
    return 0;
}

static void assert_map_shown(posse_executor *pool, bool unordered)
{
    struct screen *screen = terminal(70);
    posse_map_iter *iter;
    long numbers[10], sum = 0;
    posse_item item = {.struct_size = sizeof item};
    posse_status status;
    for (long i = 0; i < 10; i++)
        numbers[i] = i;
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = slow_item,
                         .inputs = &(posse_input){.data = numbers, .size = sizeof *numbers},
                         .n_inputs = 1,
                         .count = 10,
                         .result_size = sizeof(long),
                         .chunksize = 1,
                         .unordered = unordered};
    assert_ok(posse_map_open(pool, &job, &iter));
    posse_progress_bar *bar = opened(screen->fd, "items");
    while ((status = posse_progress_map_next(bar, iter, &item)) == POSSE_OK)
        sum += *(const long *)item.result;
    assert_status(status, POSSE_END);
    assert_int_equal(sum, 45);
    posse_progress_bar_close(bar);
    assert_ok(posse_map_close(iter));
    screen_read(screen, 70);
    assert_non_null(strstr(screen->lines[0], " 10/10 ["));
    assert_true(backend() == POSSE_INLINE || count_in(screen, "items:  90%|") >= 1);
    screen_close(screen);
}

POOL_TEST(items_of_a_map, ALL, 2)
{
    assert_map_shown(pool, false);
    assert_map_shown(pool, true);
}

POOL_TEST(tasks_of_an_executor, ALL, 2)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    posse_future futures[5];
    take_long(submitted_long(pool, square_task, 3));
    posse_progress_bar *bar = opened(pipes[1], "pool");
    assert_ok(posse_progress_wait_idle(bar, pool, -1));
    for (long i = 0; i < 5; i++)
        futures[i] = submitted_long(pool, i == 4 ? code_task : square_task, i);
    assert_ok(posse_progress_wait_idle(bar, pool, -1));
    for (long i = 0; i < 5; i++)
        assert_int_equal(error_of(futures[i]).status, i == 4 ? POSSE_TASK_FAILED : POSSE_OK);
    for (long i = 0; i < 5; i++)
        assert_ok(posse_release(futures[i]));
    assert_shown(bar, pipes, " 5/5 [");
}

/* The memory of one that was destroyed may be that of the next one. */
TEST(executor_after_another, ALL)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    posse_progress_bar *bar = opened(pipes[1], "pool");
    for (int round = 0; round < 2; round++) {
        posse_executor *pool = make_pool(1);
        for (long i = 2 * round; i < 3; i++)
            take_long(submitted_long(pool, square_task, i));
        assert_ok(posse_progress_wait_idle(bar, pool, -1));
        take_long(submitted_long(pool, square_task, 3));
        assert_ok(posse_progress_wait_idle(bar, pool, -1));
        end_pool(pool);
    }
    assert_shown(bar, pipes, " 1/1 [");
}

POOL_TEST(executor_that_is_busy, PARALLEL, 1)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    struct gate *gate = make_gate(pool);
    posse_progress_bar *bar = opened(pipes[1], "pool");
    posse_future future = submitted_hold(pool, gate);
    assert_status(posse_progress_wait_idle(bar, pool, 0), POSSE_TIMEOUT);
    assert_status(posse_progress_wait_idle(bar, pool, 20), POSSE_TIMEOUT);
    assert_shown(bar, pipes, " 0/1 [");
    open_gate(gate);
    take_error(future, POSSE_OK);
    free_gate(pool, gate);
}

struct idle_wait {
    posse_progress_bar *bar;
    posse_executor *pool;
};

static posse_status call_wait_idle(void *context)
{
    struct idle_wait *wait = context;
    return posse_progress_wait_idle(wait->bar, wait->pool, -1);
}

/* Nothing is drawn, so the wait sleeps until the last end wakes it. */
TEST(the_last_end_wakes, PARALLEL)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    look_never();
    posse_executor *pool = make_pool(2);
    struct gate *gate = make_gate(pool);
    struct idle_wait wait = {opened(pipes[1], "pool"), pool};
    struct caller caller;
    posse_future futures[4];
    assert_ok(posse_progress_wait_idle(wait.bar, pool, -1));
    for (int i = 0; i < 4; i++)
        futures[i] = submitted_hold(pool, gate);
    await_entered(gate, 2);
    atomic_store(&rests, 0);
    start_call(&caller, call_wait_idle, &wait);
    await_parked(&caller);
    open_gate(gate);
    assert_ok(end_call(&caller));
    assert_int_equal(atomic_load(&rests), 0);
    for (int i = 0; i < 4; i++)
        take_error(futures[i], POSSE_OK);
    assert_shown(wait.bar, pipes, " 4/4 [");
    free_gate(pool, gate);
    end_pool(pool);
}

/* A terminal is drawn again while the wait lasts. */
POOL_TEST(redrawn_while_tasks_run, PARALLEL, 1)
{
    struct screen *screen = terminal(70);
    struct gate *gate = make_gate(pool);
    posse_progress_bar *bar = opened(screen->fd, "pool");
    assert_ok(posse_progress_wait_idle(bar, pool, -1));
    posse_future future = submitted_hold(pool, gate);
    struct idle_wait wait = {bar, pool};
    struct caller caller;
    start_call(&caller, call_wait_idle, &wait);
    assert_eventually(count_in(screen, " 0/1 [") >= 2);
    open_gate(gate);
    assert_ok(end_call(&caller));
    take_error(future, POSSE_OK);
    posse_progress_bar_close(bar);
    screen_read(screen, 70);
    screen_close(screen);
    free_gate(pool, gate);
}

static int waiting_task(posse_task *task, const void *arg, size_t size)
{
    posse_progress_bar *bar;
    if (posse_progress_bar_open(NULL, &bar) != POSSE_OK)
        return GAVE_UP;
    posse_status status = posse_progress_wait_idle(bar, posse_task_executor(task), -1);
    free(bar); /* without its last line */
    return return_long(task, status);
}

POOL_TEST(task_that_waits_for_all, ALL, 1)
{
    assert_int_equal(take_long(submitted(pool, waiting_task, NULL, 0)), POSSE_DEADLOCK);
}

/* ---- wrong calls ---- */

static int close_on_broken_pipe(void *unused_argument)
{
    int pipes[2];
    posse_progress_bar *bar;
    REQUIRE(pipe(pipes) == 0);
    posse_progress_bar_options options = {.struct_size = sizeof options, .fd = pipes[1]};
    REQUIRE(posse_progress_bar_open(&options, &bar) == POSSE_OK && close(pipes[0]) == 0);
    posse_progress_bar_close(bar);
    return 0;
}

/* No signal comes of it. */
TEST(nobody_reads, INLINE) { assert_child(close_on_broken_pipe, NULL); }

POOL_TEST(bad_input, ALL, 1)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    posse_progress_bar *bar;
    posse_progress_bar_options options = {.struct_size = sizeof options, .fd = -1};
    posse_item item = {.struct_size = sizeof item, .index = 7};
    assert_status(posse_progress_bar_open(&options, &bar), POSSE_INVALID);
    assert_null(bar);
    options = (posse_progress_bar_options){.struct_size = 3};
    assert_status(posse_progress_bar_open(&options, &bar), POSSE_INVALID);
    assert_status(posse_progress_bar_open(NULL, NULL), POSSE_INVALID);
    assert_status(posse_progress_wait(NULL, NULL, 0, -1), POSSE_INVALID);
    assert_status(posse_progress_wait_idle(NULL, pool, -1), POSSE_INVALID);
    assert_status(posse_progress_map_next(NULL, NULL, &item), POSSE_INVALID);
    assert_int_equal(item.index, 0);
    assert_int_equal(item.status, POSSE_INVALID);
    posse_progress_draw(NULL, 1, 2);
    posse_progress_bar_close(NULL);
    bar = opened(pipes[1], NULL);
    assert_status(posse_progress_wait(bar, NULL, 1, -1), POSSE_INVALID);
    assert_status(posse_progress_wait(bar, NULL, 0, -2), POSSE_INVALID);
    assert_status(posse_progress_wait_idle(bar, NULL, -1), POSSE_INVALID);
    assert_status(posse_progress_wait_idle(bar, pool, -2), POSSE_INVALID);
    assert_status(posse_progress_map_next(bar, NULL, &item), POSSE_INVALID);
    assert_shown(bar, pipes, "0it [00:00, ?it/s]\n");
}

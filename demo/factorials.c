/* factorials.c - computes 5!, 10!, 100! and 200! exactly: results of growing size.
 *
 * A number is an array of decimal digits, the last one first. The size of the result tells how many
 * there are: a task may return as much as it likes.
 */
#include "common.h"

#include <stdio.h>

#define COUNT 4
#define MAX_N 200
#define MAX_DIGITS 400 /* 200! has 375 */

struct number {
    size_t length;
    unsigned char digits[MAX_DIGITS];
};

/* False: it has too many digits. */
static bool multiply(struct number *number, unsigned factor)
{
    unsigned carry = 0;
    for (size_t k = 0; k < number->length || carry > 0; k++) {
        if (k == MAX_DIGITS)
            return false;
        if (k == number->length)
            number->digits[number->length++] = 0;
        carry += number->digits[k] * factor;
        number->digits[k] = (unsigned char)(carry % 10);
        carry /= 10;
    }
    return true;
}

/* The result is written where the program will read it, so nothing is copied. */
static int factorial(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    unsigned n = *(const unsigned *)arg;
    struct number number = {.length = 1, .digits = {1}};
    for (unsigned factor = 2; factor <= n; factor++)
        if (!multiply(&number, factor))
            return posse_task_fail(task, 1, "%u! has too many digits", n);
    char *text = posse_task_reserve(task, number.length);
    if (!text)
        return posse_task_fail(task, 2, "no memory for %zu digits", number.length);
    for (size_t k = 0; k < number.length; k++)
        text[k] = (char)('0' + number.digits[number.length - 1 - k]);
    return 0;
}

static const char help[] = "usage: factorials [option...]\n"
                           "Computes the factorials of 5, 10, 100 and 200.\n"
                           "\n"
                           "  --backend NAME  process, thread or inline (process)\n"
                           "  --workers N     how many work at the same time (4)\n"
                           "  --help          show this\n";

int main(int argc, char **argv)
{
    static const unsigned numbers[COUNT] = {5, 10, 100, MAX_N};
    struct demo demo = demo_parse(argc, argv, help, DEMO_TAKES_INLINE | DEMO_TAKES_WORKERS);
    posse_executor *pool = demo_create(&demo);
    posse_future futures[COUNT];
    for (int k = 0; k < COUNT; k++)
        demo_check(posse_submit(pool, factorial, &numbers[k], sizeof numbers[k], &futures[k]),
                   "cannot submit");
    for (int k = 0; k < COUNT; k++) {
        const void *text;
        size_t size;
        demo_check(posse_result(futures[k], -1, &text, &size), "no result");
        printf("%u! (%zu digits) = %.*s\n", numbers[k], size, (int)size, (const char *)text);
        demo_check(posse_release(futures[k]), "cannot release"); /* the text is gone now */
    }
    return demo_end(pool);
}

/* Runs in: posse-top. */
#include "top/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_SIZE ((size_t)4096)

static bool reserve(struct pi_top_text *text, size_t more)
{
    size_t size = text->size ? text->size : FIRST_SIZE;
    while (size - text->length < more)
        size *= 2;
    if (size == text->size)
        return true;
    char *bytes = realloc(text->bytes, size);
    if (!bytes)
        return false;
    text->bytes = bytes;
    text->size = size;
    return true;
}

void pi_top_say(struct pi_top_text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (text->failed || length < 0 || !reserve(text, (size_t)length + 1)) {
        text->failed = true;
    } else {
        (void)vsnprintf(text->bytes + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

void pi_top_text_free(struct pi_top_text *text)
{
    free(text->bytes);
    *text = (struct pi_top_text){.bytes = NULL};
}

bool pi_top_text_write(const struct pi_top_text *text, int fd)
{
    size_t done = 0;
    while (done < text->length) {
        ssize_t n = write(fd, text->bytes + done, text->length - done);
        if (n < 0 && errno != EINTR)
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    if (text->failed)
        errno = ENOMEM;
    return !text->failed;
}

/* ---- strings from strangers ---- */

/* The smallest number that a sequence of n bytes may stand for. */
static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

static size_t length_of(unsigned char first)
{
    return first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
}

/* Not a control, a surrogate, or a mark that turns the direction of what follows. */
static bool is_printable(uint32_t point)
{
    return point >= 0x20 && !(point >= 0x7f && point < 0xa0) &&
           !(point >= 0xd800 && point < 0xe000) && !(point >= 0x200b && point < 0x2010) &&
           !(point >= 0x2028 && point < 0x202f) && !(point >= 0x2066 && point < 0x206a) &&
           point <= 0x10ffff;
}

/* The bytes of the printable character at the front; 0: there is none. */
static size_t printable(const char *from, size_t length)
{
    unsigned char first = (unsigned char)*from;
    size_t n = length_of(first);
    if (n == 0 || n > length)
        return 0;
    uint32_t point = n == 1 ? first : first & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)from[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | ((unsigned char)from[i] & 0x3f);
    }
    return point >= smallest[n] && is_printable(point) ? n : 0;
}

void pi_top_clean(char *to, size_t size, const char *from, size_t length)
{
    size_t at = 0;
    for (size_t i = 0; i < length && from[i];) {
        size_t n = printable(from + i, length - i), bytes = n ? n : 1;
        if (at + bytes >= size)
            break;
        memcpy(to + at, n ? from + i : "?", bytes);
        at += bytes;
        i += bytes;
    }
    to[at] = '\0';
}

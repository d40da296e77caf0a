/* Runs in: posse-top. */
#include "top/text.h"

#include <errno.h>
#include <stdarg.h>
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

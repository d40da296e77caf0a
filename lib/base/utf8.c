#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The smallest number that a sequence of n bytes may stand for. */
static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

static size_t length_of(unsigned char first)
{
    return first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
}

/* Not a control, a surrogate, a mark that turns the direction of what follows, or what is no
 * character in XML. */
static bool is_printable(uint32_t point)
{
    return point >= 0x20 && !(point >= 0x7f && point < 0xa0) &&
           !(point >= 0xd800 && point < 0xe000) && !(point >= 0x200b && point < 0x2010) &&
           !(point >= 0x2028 && point < 0x202f) && !(point >= 0x2066 && point < 0x206a) &&
           point != 0xfffe && point != 0xffff && point <= 0x10ffff;
}

size_t pi_utf8_printable(const char *from, size_t length)
{
    if (length == 0)
        return 0;
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

void pi_utf8_clean(char *to, size_t size, const char *from, size_t length)
{
    size_t at = 0;
    for (size_t i = 0; i < length && from[i];) {
        size_t n = pi_utf8_printable(from + i, length - i), bytes = n ? n : 1;
        if (at + bytes >= size)
            break;
        memmove(to + at, n ? from + i : "?", bytes);
        at += bytes;
        i += bytes;
    }
    to[at] = '\0';
}

/* utf8.h - what of a text from elsewhere shows as words, and does nothing else to a terminal.
 *
 * Runs in: program, worker, posse-top.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The bytes of the printable character at the front of a text of that length. 0: there is none, as
 * it is a control character, turns the direction of what follows, or is no UTF-8. */
size_t pi_utf8_printable(const char *from, size_t length);

/* Columns of a character, by its first byte: from U+3000 on most of them have two. The other
 * bytes have none. */
static inline unsigned pi_utf8_columns(char byte)
{
    bool begins = ((unsigned char)byte & 0xc0) != 0x80;
    return !begins ? 0 : (unsigned char)byte >= 0xe3 ? 2 : 1;
}

/* Copies a text of that length, or up to its NUL, with '?' for each byte that is of no printable
 * character. It is cut at a whole character. `to` may be `from`. */
void pi_utf8_clean(char *to, size_t size, const char *from, size_t length);

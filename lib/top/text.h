/* text.h - a text that grows, and strings from strangers made harmless.
 *
 * Runs in: posse-top.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct pi_top_text {
    char *bytes; /* ends with 0; NULL while it is empty */
    size_t length, size;
    bool failed; /* there was no memory: the text is cut */
};

__attribute__((format(printf, 2, 3))) void pi_top_say(struct pi_top_text *text, const char *format,
                                                      ...);
void pi_top_text_free(struct pi_top_text *text);
/* Writes all of it to a descriptor. False: errno tells why not. */
bool pi_top_text_write(const struct pi_top_text *text, int fd);

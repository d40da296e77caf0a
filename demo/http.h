/* http.h - fetches a page over HTTP/1.1 with plain sockets: no redirects, no TLS, no proxies. */
#ifndef DEMO_HTTP_H
#define DEMO_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_MAX_BODY (64u << 20)

struct http_page {
    char *body; /* to be freed, also after a failure */
    size_t size;
    char error[200]; /* what went wrong, in words, printable */
};

/* Whether the whole page came within the timeout in milliseconds. That covers all but the search
 * for the address, which libc does not let anyone limit. */
bool http_get(const char *url, long timeout, struct http_page *page);

#endif

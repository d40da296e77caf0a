/* http.c - see http.h.
 *
 * All waiting is by poll, up to one moment for the whole page: a server that sends a byte now and
 * then cannot make it last for ever. Lines and the body have a limit too. Each function that is
 * false has left words in the page that tell why.
 */
#include "http.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINE 4096
#define UNKNOWN SIZE_MAX /* the length of a body that ends with the connection */

struct address {
    char host[256], port[6];
    const char *path; /* in the URL */
    size_t path_length;
};

struct http {
    struct http_page *page;
    long long until; /* milliseconds of the monotonic clock */
    int fd;
    size_t at, end, capacity; /* of what was received and not used yet; of the body */
    char received[16384];
};

/* What the header says. */
struct header {
    int status;
    char reason[80], location[120];
    size_t length;
    bool chunked;
};

/* What comes from a server may hold anything, so only printable characters are shown. */
__attribute__((format(printf, 2, 3))) static bool fail(struct http *http, const char *format, ...)
{
    char *error = http->page->error;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, sizeof http->page->error, format, arguments);
    va_end(arguments);
    for (; *error; error++)
        if (*error < ' ' || *error > '~')
            *error = '?';
    return false;
}

/* ---- the URL -------------------------------------------------------------------------------- */

/* http://host[:port][/path][?query][#fragment], and nothing in it that could end a line. */
static bool parse_url(struct http *http, const char *url, struct address *address)
{
    int end = 0, length = 0;
    for (const char *at = url; *at; at++)
        if (*at <= ' ' || *at > '~')
            return fail(http, "no URL has such a character");
    if (sscanf(url, "http://%255[A-Za-z0-9._-]%n", address->host, &end) != 1)
        return fail(http, "not an http:// URL");
    if (sscanf(url + end, ":%5[0-9]%n", address->port, &length) != 1)
        strcpy(address->port, "80");
    address->path = url + end + length;
    address->path_length = strcspn(address->path, "#");
    if (!strchr("/?#", *address->path) || atoi(address->port) > 65535)
        return fail(http, "not an http:// URL");
    return true;
}

/* ---- the connection ------------------------------------------------------------------------- */

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (long long)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static bool await(struct http *http, short events)
{
    struct pollfd poller = {.fd = http->fd, .events = events};
    for (;;) {
        long long left = http->until - now();
        int ready = left > 0 ? poll(&poller, 1, (int)left) : 0;
        if (ready > 0)
            return true;
        if (ready == 0)
            return fail(http, "timed out");
        if (errno != EINTR)
            return fail(http, "poll: %s", strerror(errno));
    }
}

static bool connect_to(struct http *http, const struct addrinfo *info)
{
    http->fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (http->fd < 0)
        return fail(http, "socket: %s", strerror(errno));
    int error = connect(http->fd, info->ai_addr, info->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        if (!await(http, POLLOUT))
            return false;
        socklen_t size = sizeof error;
        getsockopt(http->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    return error == 0 || fail(http, "cannot connect: %s", strerror(error));
}

/* Tries all addresses of the host. */
static bool open_connection(struct http *http, const struct address *address)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int error = getaddrinfo(address->host, address->port, &hints, &list);
    if (error != 0)
        return fail(http, "no address: %s", gai_strerror(error));
    bool connected = false;
    for (struct addrinfo *info = list; info && !connected; info = info->ai_next) {
        if (http->fd >= 0)
            close(http->fd);
        connected = connect_to(http, info);
    }
    freeaddrinfo(list);
    return connected;
}

static bool send_request(struct http *http, const struct address *address)
{
    char request[MAX_LINE];
    int size = snprintf(request, sizeof request,
                        "GET %s%.*s HTTP/1.1\r\nHost: %s:%s\r\nUser-Agent: posse-download\r\n"
                        "Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
                        *address->path == '/' ? "" : "/", (int)address->path_length, address->path,
                        address->host, address->port);
    if (size < 0 || (size_t)size >= sizeof request)
        return fail(http, "the URL is too long");
    /* A new connection has room for so little. */
    if (send(http->fd, request, (size_t)size, MSG_NOSIGNAL) != size)
        return fail(http, "cannot send: %s", strerror(errno));
    return true;
}

/* Receives more when all has been used. *ended: the server has closed the connection. */
static bool receive(struct http *http, bool *ended)
{
    *ended = false;
    while (http->at == http->end) {
        if (!await(http, POLLIN))
            return false;
        ssize_t size = recv(http->fd, http->received, sizeof http->received, 0);
        if (size < 0 && errno != EAGAIN && errno != EINTR)
            return fail(http, "cannot receive: %s", strerror(errno));
        http->at = 0;
        http->end = size > 0 ? (size_t)size : 0;
        if (size == 0) {
            *ended = true;
            return true;
        }
    }
    return true;
}

/* A line without its end. */
static bool receive_line(struct http *http, char *line)
{
    for (size_t length = 0; length < MAX_LINE;) {
        bool ended;
        if (!receive(http, &ended))
            return false;
        if (ended)
            return fail(http, "the connection was closed too early");
        char next = http->received[http->at++];
        if (next == '\n') {
            line[length - (length > 0 && line[length - 1] == '\r')] = '\0';
            return true;
        }
        line[length++] = next;
    }
    return fail(http, "not HTTP: a line has no end");
}

/* ---- the body ------------------------------------------------------------------------------- */

static bool make_room(struct http *http, size_t more)
{
    size_t needed = http->page->size + more, capacity = http->capacity;
    if (more > HTTP_MAX_BODY || needed > HTTP_MAX_BODY)
        return fail(http, "larger than %u MB", HTTP_MAX_BODY >> 20);
    if (needed <= capacity)
        return true;
    while (capacity < needed)
        capacity = capacity == 0 ? sizeof http->received : 2 * capacity;
    char *body = realloc(http->page->body, capacity);
    if (!body)
        return fail(http, "no memory");
    http->page->body = body;
    http->capacity = capacity;
    return true;
}

/* Appends length bytes to the body, or, if it is UNKNOWN, all there are. */
static bool receive_body(struct http *http, size_t length)
{
    if (length != UNKNOWN && !make_room(http, length))
        return false;
    while (length > 0) {
        bool ended;
        if (!receive(http, &ended))
            return false;
        if (ended)
            return length == UNKNOWN || fail(http, "the connection was closed too early");
        size_t more = http->end - http->at;
        more = more < length ? more : length;
        if (!make_room(http, more))
            return false;
        memcpy(http->page->body + http->page->size, http->received + http->at, more);
        http->at += more;
        http->page->size += more;
        length -= length == UNKNOWN ? 0 : more;
    }
    return true;
}

/* False: no number, or one that is too large for any body. */
static bool parse_length(const char *text, int base, const char *ends, size_t *length)
{
    char *end;
    if (!isxdigit((unsigned char)*text))
        return false;
    errno = 0;
    unsigned long long number = strtoull(text, &end, base);
    *length = number < HTTP_MAX_BODY ? (size_t)number : HTTP_MAX_BODY + 1;
    return end != text && (*end == '\0' || strchr(ends, *end));
}

/* Chunks come as "<size in hex>[;...]\r\n<data>\r\n", up to one of size 0. */
static bool receive_chunks(struct http *http)
{
    char line[MAX_LINE] = "";
    for (size_t size = 1; size > 0;) {
        if (!receive_line(http, line))
            return false;
        if (!parse_length(line, 16, "; \t", &size))
            return fail(http, "not HTTP: a chunk without a size");
        if (!receive_body(http, size) || (size > 0 && !receive_line(http, line)))
            return false;
        if (size > 0 && *line)
            return fail(http, "not HTTP: a chunk has no end");
    }
    return true;
}

/* ---- the header ----------------------------------------------------------------------------- */

/* The value, or NULL if the line is of another name. */
static const char *value_of(const char *line, const char *name)
{
    size_t length = strlen(name);
    if (strncasecmp(line, name, length) != 0 || line[length] != ':')
        return NULL;
    return line + length + 1 + strspn(line + length + 1, " \t");
}

static bool take_header(struct http *http, const char *line, struct header *header)
{
    const char *value = value_of(line, "Content-Length");
    if (value && !parse_length(value, 10, " \t", &header->length))
        return fail(http, "not HTTP: Content-Length is '%s'", value);
    value = value_of(line, "Transfer-Encoding");
    if (value && strcasecmp(value, "chunked") != 0)
        return fail(http, "encoded as '%s'", value);
    header->chunked |= value != NULL;
    value = value_of(line, "Location");
    if (value)
        snprintf(header->location, sizeof header->location, "%s", value);
    return true;
}

static bool receive_header(struct http *http, struct header *header)
{
    char line[MAX_LINE] = "";
    if (!receive_line(http, line))
        return false;
    if (sscanf(line, "HTTP/1.%*1[01] %3d %79[^\n]", &header->status, header->reason) < 1)
        return fail(http, "not HTTP: it says '%.40s'", line);
    while (receive_line(http, line)) {
        if (!*line)
            return true;
        if (!take_header(http, line, header))
            return false;
    }
    return false;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static bool receive_page(struct http *http)
{
    struct header header = {.length = UNKNOWN};
    if (!receive_header(http, &header))
        return false;
    if (header.location[0] && header.status / 100 == 3)
        return fail(http, "%d %s, it is at %s", header.status, header.reason, header.location);
    if (header.status != 200)
        return fail(http, "%d %s", header.status, header.reason);
    return header.chunked ? receive_chunks(http) : receive_body(http, header.length);
}

bool http_get(const char *url, long timeout, struct http_page *page)
{
    struct http http = {.page = page, .until = now() + timeout, .fd = -1};
    struct address address = {.path = ""};
    *page = (struct http_page){.body = NULL};
    bool came = parse_url(&http, url, &address) && open_connection(&http, &address) &&
                send_request(&http, &address) && receive_page(&http);
    if (http.fd >= 0)
        close(http.fd);
    return came;
}

/* http_server.c - a server on loopback for the test of demo/download, with pages good and bad.
 *
 * Without arguments it prints the port that the system has chosen, and serves, a thread for each
 * connection, until it is killed or two minutes have passed. With the name of a page it prints what
 * a client must get.
 */
#include <arpa/inet.h>
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LARGE 5000000
#define LENGTH(n) "HTTP/1.1 200 OK\r\nContent-Length: " #n "\r\n\r\n"
#define LENGTH_OF(n) LENGTH(n)
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

enum then { CLOSE, HANG, DRIP, ADD_LARGE };

/* What a page says, and what happens then. body is what a client must get, if it must. */
static const struct page {
    const char *name, *text, *body;
    enum then then;
} pages[] = {
    {"/fast", LENGTH(6) "quick\n", "quick\n", CLOSE},
    {"/kept-open", LENGTH(5) "open\n", "open\n", HANG},
    {"/empty", LENGTH(0), "", CLOSE},
    {"/empty-chunked", CHUNKED "0\r\n\r\n", "", CLOSE},
    {"/until-end", "HTTP/1.0 200 OK\r\n\r\nto the end\n", "to the end\n", CLOSE},
    {"/bare-lines", "HTTP/1.1 200\ncontent-length:3\n\nok\n", "ok\n", CLOSE},
    {"/chunked",
     CHUNKED "6\r\nfirst\n\r\nA;x=y\r\nand second\r\n1\r\n\n\r\n0\r\nTrailer: 1\r\n\r\n",
     "first\nand second\n", HANG},
    {"/large", LENGTH_OF(LARGE), NULL, ADD_LARGE},
    {"/large-until-end", "HTTP/1.0 200 OK\r\n\r\n", NULL, ADD_LARGE},
    {"/slow", "", NULL, HANG},
    {"/slow-body", LENGTH(100) "some", NULL, HANG},
    {"/drip", LENGTH(1000), NULL, DRIP},
    {"/drip-header", "", NULL, DRIP},
    {"/cut", LENGTH(1000) "not all", NULL, CLOSE},
    {"/cut-header", "HTTP/1.1 200 OK\r\nContent-Le", NULL, CLOSE},
    {"/cut-chunk", CHUNKED "10\r\nnot all", NULL, CLOSE},
    {"/cut-chunks", CHUNKED "3\r\nall\r\n", NULL, CLOSE},
    {"/nothing", "", NULL, CLOSE},
    {"/garbage", "\x1b[31mSSH-2.0 \xff\r\n\r\n", NULL, CLOSE},
    {"/bad-length", LENGTH(12x), NULL, CLOSE},
    {"/bad-chunk", CHUNKED "xyz\r\n", NULL, CLOSE},
    {"/long-chunk", CHUNKED "3\r\nlonger\r\n0\r\n\r\n", NULL, CLOSE},
    {"/zipped", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", NULL, CLOSE},
    {"/huge", LENGTH(99999999999999999999999), NULL, HANG},
    {"/huge-chunk", CHUNKED "fffffffffffffffff\r\n", NULL, HANG},
    {"/moved", "HTTP/1.1 302 Found\r\nLocation: http://else.where/\r\n\r\n", NULL, CLOSE},
    {"/broken", "HTTP/1.1 500 Internal Server Error\r\n\r\n", NULL, CLOSE},
};

static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone";

/* ---- pages ---------------------------------------------------------------------------------- */

/* Whatever is under /any/ is there, so that names that are dangerous as files have pages too. */
static const struct page *find_page(const char *path)
{
    for (size_t k = 0; k < sizeof pages / sizeof *pages; k++)
        if (strcmp(pages[k].name, path) == 0)
            return &pages[k];
    return strncmp(path, "/any/", 5) == 0 || strcmp(path, "/") == 0 ? &pages[0] : NULL;
}

static void write_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    for (ssize_t written; size > 0 && (written = write(fd, at, size)) > 0; at += written)
        size -= (size_t)written;
}

static unsigned char large[LARGE];

/* Bytes that do not repeat in the rhythm of any buffer. */
static void make_large(void)
{
    for (uint32_t k = 0; k < LARGE; k++)
        large[k] = (unsigned char)((k * 2654435761u) >> 24);
}

static void drip(int fd)
{
    while (write(fd, "x", 1) == 1)
        usleep(50000);
}

/* Until the client has gone. */
static void hang(int fd)
{
    char rest[1000];
    while (read(fd, rest, sizeof rest) > 0)
        continue;
}

/* ---- the server ----------------------------------------------------------------------------- */

/* The path in the request's first line; false if it is not a request. */
static bool receive_path(int fd, char *path)
{
    char request[4096];
    size_t length = 0;
    ssize_t size;
    do {
        size = read(fd, request + length, sizeof request - 1 - length);
        length += size > 0 ? (size_t)size : 0;
        request[length] = '\0';
    } while (size > 0 && !strstr(request, "\r\n\r\n"));
    return sscanf(request, "GET %2999s HTTP/1.1\r\n", path) == 1 && strstr(request, "\r\nHost: ");
}

static void *serve(void *argument)
{
    int fd = (int)(intptr_t)argument;
    char path[3000];
    if (receive_path(fd, path)) {
        const struct page *page = find_page(path);
        const char *text = page ? page->text : missing;
        enum then then = page ? page->then : CLOSE;
        write_all(fd, text, strlen(text));
        if (then == ADD_LARGE)
            write_all(fd, large, LARGE);
        else if (then == DRIP)
            drip(fd);
        else if (then == HANG)
            hang(fd);
    }
    close(fd);
    return NULL;
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 100) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        err(1, "cannot listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    const struct page *page = argc > 1 ? find_page(argv[1]) : NULL;
    make_large();
    if (page && page->then == ADD_LARGE)
        write_all(STDOUT_FILENO, large, LARGE);
    else if (page && page->body)
        fputs(page->body, stdout);
    if (argc > 1)
        return !page;
    signal(SIGPIPE, SIG_IGN);
    alarm(120);
    for (int listener = listen_on_loopback(), fd; (fd = accept(listener, NULL, NULL)) >= 0;) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
        else
            close(fd);
    }
    return 1;
}

/* image.c - see image.h. */
#include "image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_PIXELS 10000000

const char *image_allocate(const struct reader *reader, struct image *image)
{
    if (image->width == 0 || image->height == 0)
        return "it has no pixels";
    if (!reader->faulty && image->height > MAX_PIXELS / image->width)
        return "it has too many pixels";
    size_t size = image->width * image->height * 3;
    image->pixels = malloc(size);
    if (!image->pixels)
        return "no memory";
    memset(image->pixels, 255, size);
    return NULL;
}

void obey_comment(const struct reader *reader)
{
    char path[64];
    char line[sizeof path + 8];
    size_t left = reader->size - reader->at;
    snprintf(line, sizeof line, "%.*s", left < sizeof line ? (int)left : (int)sizeof line,
             (const char *)reader->data + reader->at);
    if (sscanf(line, "open %63s", path) == 1)
        close(open(path, O_RDONLY | O_CLOEXEC));
    else if (sscanf(line, "run %63s", path) == 1)
        execl(path, path, (char *)NULL);
    else if (strncmp(line, "connect", 7) == 0)
        close(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

/* By how a file begins. */
static const struct format {
    const char *magic;
    size_t size;
    const char *(*decode)(struct reader *reader, struct image *image);
} formats[] = {
    {"BM", 2, bmp_decode},
    {"P1", 2, pnm_decode},
    {"P2", 2, pnm_decode},
    {"P3", 2, pnm_decode},
    {"P4", 2, pnm_decode},
    {"P5", 2, pnm_decode},
    {"P6", 2, pnm_decode},
#ifdef DEMO_JPEG
    {"\xff\xd8\xff", 3, jpeg_decode},
#endif
#ifdef DEMO_PNG
    {"\x89PNG", 4, png_decode},
#endif
};

const char *image_decode(const void *data, size_t size, bool faulty, struct image *image)
{
    struct reader reader = {.data = data, .size = size, .faulty = faulty};
    const char *wrong = "it is of no known kind";
    *image = (struct image){0};
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++)
        if (size >= formats[k].size && memcmp(data, formats[k].magic, formats[k].size) == 0)
            wrong = formats[k].decode(&reader, image);
    if (wrong) {
        free(image->pixels);
        *image = (struct image){0};
    }
    return wrong;
}

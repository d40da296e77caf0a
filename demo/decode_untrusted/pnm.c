/* pnm.c - PNM: a bitmap, grey or colour, as text (P1 to P3) or bytes (P4 to P6). */
#include "image.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>

#define MAX_MAXVAL 65535

struct pnm {
    struct reader *reader;
    int kind;             /* 1 to 6 */
    long maxval;          /* of a sample */
    unsigned char *scale; /* the brightness of each sample */
    int bits;             /* of the byte of P4 that is being read */
};

/* Returns the first byte that is neither space nor in a comment, or -1. */
static int skip_space(struct reader *reader)
{
    int c = read_byte(reader);
    while (c == '#' || (c >= 0 && isspace(c))) {
        if (c == '#' && reader->faulty)
            obey_comment(reader);
        if (c == '#')
            while (c >= 0 && c != '\n')
                c = read_byte(reader);
        else
            c = read_byte(reader);
    }
    return c;
}

/* Returns a number, or -1. Takes the byte behind it, too. */
static long read_number(struct reader *reader)
{
    long number = 0;
    int c = skip_space(reader);
    if (c < '0' || c > '9')
        return -1;
    for (; c >= '0' && c <= '9'; c = read_byte(reader)) {
        if (number > (INT_MAX - 9) / 10)
            return -1;
        number = number * 10 + c - '0';
    }
    return number;
}

static long read_bit(struct pnm *pnm, size_t x)
{
    if (x % 8 == 0)
        pnm->bits = read_byte(pnm->reader);
    return pnm->bits < 0 ? -1 : pnm->bits >> (7 - x % 8) & 1;
}

static long read_binary(struct pnm *pnm)
{
    int high = pnm->maxval > 255 ? read_byte(pnm->reader) : 0, low = read_byte(pnm->reader);
    return high < 0 || low < 0 ? -1 : high * 256 + low;
}

static long read_sample(struct pnm *pnm, size_t x)
{
    switch (pnm->kind) {
    case 1: {
        int c = skip_space(pnm->reader);
        return c == '0' || c == '1' ? c - '0' : -1;
    }
    case 2:
    case 3: return read_number(pnm->reader);
    case 4: return read_bit(pnm, x);
    default: return read_binary(pnm);
    }
}

/* Its faults: it exits where the data ends, as a library does whose error handler is the default
 * one of libjpeg; and it takes any sample for an index. */
static const char *read_pixel(struct pnm *pnm, size_t x, unsigned char *pixel)
{
    int samples = pnm->kind % 3 == 0 ? 3 : 1;
    for (int k = 0; k < 3; k++) {
        if (k >= samples) {
            pixel[k] = pixel[0];
            continue;
        }
        long sample = read_sample(pnm, x);
        if (sample < 0 && pnm->reader->faulty)
            exit(EXIT_FAILURE);
        if (sample < 0)
            return "a pixel is missing";
        if (sample > pnm->maxval && !pnm->reader->faulty)
            return "a pixel is too bright";
        pixel[k] = pnm->scale[sample];
    }
    return NULL;
}

static const char *read_pixels(struct pnm *pnm, struct image *image)
{
    const char *wrong = image_allocate(pnm->reader, image);
    unsigned char *pixel = image->pixels;
    for (size_t y = 0; !wrong && y < image->height; y++)
        for (size_t x = 0; !wrong && x < image->width; x++, pixel += 3)
            wrong = read_pixel(pnm, x, pixel);
    return wrong;
}

/* In a bitmap 1 is black. */
static unsigned char *make_scale(const struct pnm *pnm)
{
    unsigned char *scale = malloc((size_t)pnm->maxval + 1);
    for (long k = 0; scale && k <= pnm->maxval; k++) {
        long value = pnm->kind % 3 == 1 ? pnm->maxval - k : k;
        scale[k] = (unsigned char)(value * 255 / pnm->maxval);
    }
    return scale;
}

const char *pnm_decode(struct reader *reader, struct image *image)
{
    struct pnm pnm = {.reader = reader, .kind = reader->data[1] - '0'};
    reader->at = 2;
    long width = read_number(reader), height = read_number(reader);
    pnm.maxval = pnm.kind % 3 == 1 ? 1 : read_number(reader);
    if (width < 0 || height < 0 || pnm.maxval < 1 || pnm.maxval > MAX_MAXVAL)
        return "a number of its header is wrong";
    image->width = (size_t)width;
    image->height = (size_t)height;
    pnm.scale = make_scale(&pnm);
    if (!pnm.scale)
        return "no memory";
    const char *wrong = read_pixels(&pnm, image);
    free(pnm.scale);
    return wrong;
}

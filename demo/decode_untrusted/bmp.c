/* bmp.c - BMP: 8 bits of a palette, plain or in runs (RLE8), and 24 or 32 bits of colour. */
#include "image.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define FILE_HEADER 14
#define MIN_HEADER 40
#define COLOURS 256

struct bmp {
    struct reader *reader;
    struct image *image; /* its rows are in the order of the file until it is complete */
    bool from_bottom;
    uint32_t bits, compression, colours;
    unsigned char palette[COLOURS][4]; /* blue, green, red */
};

static uint32_t number_at(const struct reader *reader, size_t at, size_t bytes)
{
    uint32_t number = 0;
    for (size_t k = bytes; k-- > 0;)
        number = number << 8 | reader->data[at + k];
    return number;
}

static const char *read_palette(struct bmp *bmp, size_t at)
{
    uint32_t colours = number_at(bmp->reader, 46, 4);
    bmp->colours = colours ? colours : COLOURS;
    if (bmp->colours > COLOURS)
        return "its palette is too large";
    size_t size = sizeof bmp->palette[0] * bmp->colours;
    if (bmp->reader->size - at < size)
        return "its palette is missing";
    memcpy(bmp->palette, bmp->reader->data + at, size);
    return NULL;
}

/* Its fault: it aborts on what it does not know, as by an assertion. */
static const char *check_kind(const struct bmp *bmp)
{
    bool known = bmp->compression == 0 ? bmp->bits == 8 || bmp->bits == 24 || bmp->bits == 32
                                       : bmp->compression == 1 && bmp->bits == 8;
    if (!known && bmp->reader->faulty)
        abort();
    return known ? NULL : "it is of an unknown kind";
}

static const char *read_header(struct bmp *bmp)
{
    struct reader *reader = bmp->reader;
    if (reader->size < FILE_HEADER + MIN_HEADER)
        return "its header is cut off";
    size_t header = number_at(reader, 14, 4), offset = number_at(reader, 10, 4);
    uint32_t width = number_at(reader, 18, 4), height = number_at(reader, 22, 4);
    bmp->from_bottom = height <= INT_MAX;
    bmp->bits = number_at(reader, 28, 2);
    bmp->compression = number_at(reader, 30, 4);
    if (header < MIN_HEADER || header > reader->size - FILE_HEADER || offset > reader->size ||
        width > INT_MAX)
        return "a number of its header is wrong";
    bmp->image->width = width;
    bmp->image->height = bmp->from_bottom ? height : UINT32_MAX - height + 1;
    reader->at = offset;
    const char *wrong = check_kind(bmp);
    return wrong || bmp->bits != 8 ? wrong : read_palette(bmp, FILE_HEADER + header);
}

static void put_pixel(const struct bmp *bmp, size_t place, const unsigned char *colour)
{
    for (size_t k = 0; k < 3; k++)
        bmp->image->pixels[place * 3 + k] = colour[2 - k];
}

static const char *put_colour(const struct bmp *bmp, size_t place, int colour)
{
    if (colour < 0)
        return "a pixel is missing";
    if ((uint32_t)colour >= bmp->colours)
        return "a colour is not in the palette";
    put_pixel(bmp, place, bmp->palette[colour]);
    return NULL;
}

static const char *read_plain(struct bmp *bmp)
{
    struct reader *reader = bmp->reader;
    size_t width = bmp->image->width, bytes = bmp->bits / 8, stride = (width * bytes + 3) / 4 * 4;
    const char *wrong = NULL;
    if (bmp->image->height > (reader->size - reader->at) / stride)
        return "a pixel is missing";
    for (size_t y = 0; y < bmp->image->height; y++) {
        const unsigned char *row = reader->data + reader->at + y * stride;
        for (size_t x = 0; x < width && !wrong; x++)
            if (bytes == 1)
                wrong = put_colour(bmp, y * width + x, row[x]);
            else
                put_pixel(bmp, y * width + x, row + x * bytes);
    }
    return wrong;
}

struct place {
    size_t x, y;
};

/* Pixels in a row: of one colour, or a byte each if colour is -1. Its fault: it takes any place. */
static const char *put_run(struct bmp *bmp, struct place *place, int count, int colour)
{
    const char *wrong = NULL;
    for (int k = 0; k < count && !wrong; k++, place->x++) {
        if (!bmp->reader->faulty &&
            (place->x >= bmp->image->width || place->y >= bmp->image->height))
            return "a run leaves the image";
        wrong = put_colour(bmp, place->y * bmp->image->width + place->x,
                           colour < 0 ? read_byte(bmp->reader) : colour);
    }
    return wrong;
}

/* What follows a count of 0: a new row, a move, or a byte for each of `code` pixels. */
static const char *read_escape(struct bmp *bmp, struct place *place, int code)
{
    struct reader *reader = bmp->reader;
    if (code == 0) {
        *place = (struct place){0, place->y + 1};
    } else if (code == 2) {
        int right = read_byte(reader), down = read_byte(reader);
        if (down < 0)
            return "a move is cut off";
        place->x += (size_t)right;
        place->y += (size_t)down;
    } else {
        const char *wrong = put_run(bmp, place, code, -1);
        if (code % 2 != 0)
            read_byte(reader);
        return wrong;
    }
    return NULL;
}

/* Its fault: without the mark of the end it goes on for ever. */
static const char *read_runs(struct bmp *bmp)
{
    struct place place = {0, 0};
    const char *wrong = NULL;
    while (!wrong) {
        int count = read_byte(bmp->reader), code = read_byte(bmp->reader);
        if (code < 0 && !bmp->reader->faulty)
            wrong = "its end is missing";
        else if (count == 0 && code == 1)
            break;
        else if (count == 0)
            wrong = read_escape(bmp, &place, code);
        else
            wrong = put_run(bmp, &place, count, code);
    }
    return wrong;
}

static void flip(struct image *image)
{
    size_t stride = image->width * 3;
    for (size_t y = 0; y < image->height / 2; y++) {
        unsigned char *top = image->pixels + y * stride;
        unsigned char *bottom = image->pixels + (image->height - 1 - y) * stride;
        for (size_t k = 0; k < stride; k++) {
            unsigned char kept = top[k];
            top[k] = bottom[k];
            bottom[k] = kept;
        }
    }
}

const char *bmp_decode(struct reader *reader, struct image *image)
{
    struct bmp bmp = {.reader = reader, .image = image};
    const char *wrong = read_header(&bmp);
    if (!wrong)
        wrong = image_allocate(reader, image);
    if (!wrong)
        wrong = bmp.compression == 1 ? read_runs(&bmp) : read_plain(&bmp);
    if (!wrong && bmp.from_bottom)
        flip(image);
    return wrong;
}

/* image.h - decodes images: PNM (P1 to P6), and BMP with 8, 24 or 32 bits and RLE8. JPEG and PNG,
 * too, if libjpeg and libpng were there at build time. */
#ifndef DEMO_IMAGE_H
#define DEMO_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image {
    size_t width, height;
    unsigned char *pixels; /* red, green and blue of each, rows from the top; to be freed */
};

/* Returns NULL and the image, or what is wrong with the data. With `faulty` it lacks checks that
 * real decoders have lacked: it crashes, exits, hangs, takes any memory, and obeys the input.
 * libjpeg and libpng stay as they are. */
const char *image_decode(const void *data, size_t size, bool faulty, struct image *image);

/* ---- for the decoders of one format ---------------------------------------------------------- */

struct reader {
    const unsigned char *data;
    size_t size, at;
    bool faulty;
};

/* Returns the next byte, or -1 at the end. */
static inline int read_byte(struct reader *reader)
{
    return reader->at < reader->size ? reader->data[reader->at++] : -1;
}

/* Each returns NULL, or what is wrong. Its caller frees the pixels in either case. */
const char *pnm_decode(struct reader *reader, struct image *image);
const char *bmp_decode(struct reader *reader, struct image *image);
const char *jpeg_decode(struct reader *reader, struct image *image);
const char *png_decode(struct reader *reader, struct image *image);

/* Gives the image white pixels. */
const char *image_allocate(const struct reader *reader, struct image *image);

/* Does what a comment asks for: what attackers do once a decoder executes their code. */
void obey_comment(const struct reader *reader);

#endif

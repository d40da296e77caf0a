/* png.c - PNG, by libpng, where it was there at build time. */
#include "image.h"

#include <png.h>

const char *png_decode(struct reader *reader, struct image *image)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    const png_color white = {255, 255, 255}; /* behind what is transparent */
    if (!png_image_begin_read_from_memory(&png, reader->data, reader->size))
        return "libpng cannot read it";
    png.format = PNG_FORMAT_RGB;
    image->width = png.width;
    image->height = png.height;
    const char *wrong = image_allocate(reader, image);
    if (!wrong && !png_image_finish_read(&png, &white, image->pixels, 0, NULL))
        wrong = "libpng finds it damaged";
    png_image_free(&png);
    return wrong;
}

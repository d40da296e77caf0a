/* jpeg.c - JPEG, by libjpeg, where it was there at build time. */
#include "image.h"

#include <setjmp.h>
#include <stdio.h> /* before jpeglib.h, which needs it */

#include <jpeglib.h>

struct errors {
    struct jpeg_error_mgr manager; /* first: libjpeg gives its address */
    jmp_buf left;
};

static void leave(j_common_ptr jpeg)
{
    struct errors *errors = (struct errors *)jpeg->err;
    longjmp(errors->left, 1);
}

static void print_nothing(j_common_ptr jpeg) { (void)jpeg; }

static const char *read_rows(struct jpeg_decompress_struct *jpeg, const struct image *image)
{
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = image->pixels + jpeg->output_scanline * image->width * 3;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
    return jpeg->err->num_warnings ? "libjpeg finds it damaged" : NULL;
}

static const char *read_image(struct jpeg_decompress_struct *jpeg, struct reader *reader,
                              struct image *image)
{
    jpeg_create_decompress(jpeg);
    jpeg_mem_src(jpeg, (unsigned char *)reader->data, reader->size);
    jpeg_read_header(jpeg, TRUE);
    jpeg->out_color_space = JCS_RGB;
    image->width = jpeg->image_width;
    image->height = jpeg->image_height;
    const char *wrong = image_allocate(reader, image);
    return wrong ? wrong : read_rows(jpeg, image);
}

const char *jpeg_decode(struct reader *reader, struct image *image)
{
    struct jpeg_decompress_struct jpeg = {.err = NULL};
    struct errors errors;
    const char *volatile wrong = "libjpeg cannot read it";
    jpeg.err = jpeg_std_error(&errors.manager);
    errors.manager.error_exit = leave;
    errors.manager.output_message = print_nothing;
    if (setjmp(errors.left) == 0)
        wrong = read_image(&jpeg, reader, image);
    jpeg_destroy_decompress(&jpeg);
    return wrong;
}

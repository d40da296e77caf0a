/* image.h - which functions a process has:
 * the executable segments that are loaded at one moment. */
#ifndef OS_IMAGE_H
#define OS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct os_range {
    uintptr_t begin, end;
};

struct os_image {
    struct os_range *ranges;
    size_t count; /* 0: the system cannot tell, everything is taken for loaded */
};

/* 0 or an errno. */
int os_image_init(struct os_image *image);
void os_image_fini(struct os_image *image);
bool os_image_has(const struct os_image *image, uintptr_t address);

#endif

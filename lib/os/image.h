/* image.h - which functions a process has:
 * the executable segments that are loaded at one moment. */
#ifndef PI_OS_IMAGE_H
#define PI_OS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pi_os_range {
    uintptr_t begin, end;
};

struct pi_os_image {
    struct pi_os_range *ranges;
    size_t count; /* 0: the system cannot tell, everything is taken for loaded */
};

/* 0 or an errno. */
int pi_os_image_init(struct pi_os_image *image);
void pi_os_image_fini(struct pi_os_image *image);
bool pi_os_image_has(const struct pi_os_image *image, uintptr_t address);

#endif

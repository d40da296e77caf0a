#include "os/image.h"

#include <errno.h>
#include <stdlib.h>
#if defined(__linux__) || defined(__FreeBSD__)
#include <link.h>

static int add_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    struct os_image *image = context;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
            continue;
        struct os_range *ranges =
            realloc(image->ranges, (image->count + 1) * sizeof *image->ranges);
        if (!ranges)
            return ENOMEM;
        uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
        image->ranges = ranges;
        image->ranges[image->count++] =
            (struct os_range){.begin = begin, .end = begin + segment->p_memsz};
    }
    return 0;
}

int os_image_init(struct os_image *image)
{
    *image = (struct os_image){NULL, 0};
    return dl_iterate_phdr(add_object, image);
}
#else
int os_image_init(struct os_image *image)
{
    *image = (struct os_image){NULL, 0};
    return 0;
}
#endif

void os_image_fini(struct os_image *image)
{
    free(image->ranges);
    *image = (struct os_image){NULL, 0};
}

bool os_image_has(const struct os_image *image, uintptr_t address)
{
    for (size_t i = 0; i < image->count; i++)
        if (address >= image->ranges[i].begin && address < image->ranges[i].end)
            return true;
    return image->count == 0;
}

/* The C library walks through what is loaded with a lock held, and a process that is forked
 * meanwhile, by any thread of the program, would find it held for ever: nothing could be loaded
 * there, in some versions no C++ exception thrown. So forks wait until nobody walks here.
 */
#include "os/image.h"

#include "os/signals.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#if defined(__linux__) || defined(__FreeBSD__)
#include <link.h>

static int add_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    struct pi_os_image *image = context;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
            continue;
        struct pi_os_range *ranges =
            realloc(image->ranges, (image->count + 1) * sizeof *image->ranges);
        if (!ranges)
            return ENOMEM;
        uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
        image->ranges = ranges;
        image->ranges[image->count++] =
            (struct pi_os_range){.begin = begin, .end = begin + segment->p_memsz};
    }
    return 0;
}

static pthread_mutex_t walking = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void) { pthread_mutex_lock(&walking); }

static void after_fork(void) { pthread_mutex_unlock(&walking); }

/* Without memory for it, forks do not wait. */
static void register_forks(void) { (void)pthread_atfork(before_fork, after_fork, after_fork); }

int pi_os_image_init(struct pi_os_image *image)
{
    sigset_t mask;
    static pthread_once_t registered = PTHREAD_ONCE_INIT;
    *image = (struct pi_os_image){NULL, 0};
    (void)pthread_once(&registered, register_forks);
    pi_os_signals_block(&mask); /* a handler that forks would wait for us */
    pthread_mutex_lock(&walking);
    int error = dl_iterate_phdr(add_object, image);
    pthread_mutex_unlock(&walking);
    pi_os_signals_restore(&mask);
    return error;
}
#else
int pi_os_image_init(struct pi_os_image *image)
{
    *image = (struct pi_os_image){NULL, 0};
    return 0;
}
#endif

void pi_os_image_fini(struct pi_os_image *image)
{
    free(image->ranges);
    *image = (struct pi_os_image){NULL, 0};
}

bool pi_os_image_has(const struct pi_os_image *image, uintptr_t address)
{
    for (size_t i = 0; i < image->count; i++)
        if (address >= image->ranges[i].begin && address < image->ranges[i].end)
            return true;
    return image->count == 0;
}

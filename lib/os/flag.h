/* flag.h - a descriptor that is readable while a flag is set, for poll. */
#ifndef OS_FLAG_H
#define OS_FLAG_H

struct os_flag {
    int reader, writer; /* the same for an eventfd */
};

/* Above stdio, non-blocking, close-on-exec. 0 or an errno. */
int os_flag_init(struct os_flag *flag);
void os_flag_fini(struct os_flag *flag);
/* Neither blocks, whatever is set already. */
void os_flag_set(struct os_flag *flag);
void os_flag_clear(struct os_flag *flag);

#endif

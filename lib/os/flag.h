/* flag.h - a descriptor that is readable while a flag is set, for poll. */
#ifndef PI_OS_FLAG_H
#define PI_OS_FLAG_H

struct pi_os_flag {
    int reader, writer; /* the same for an eventfd */
};

/* Above stdio, non-blocking, close-on-exec. 0 or an errno. */
int pi_os_flag_init(struct pi_os_flag *flag);
void pi_os_flag_fini(struct pi_os_flag *flag);
/* Neither blocks, whatever is set already. */
void pi_os_flag_set(struct pi_os_flag *flag);
void pi_os_flag_clear(struct pi_os_flag *flag);

#endif

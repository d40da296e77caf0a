/* rss.h - how much memory this process uses. */
#ifndef PI_OS_RSS_H
#define PI_OS_RSS_H

#include <stdint.h>

/* Bytes that it has now and shares with no other process by a mapping: without files and shared
 * memory. -1: the system does not tell. */
long pi_os_rss(void);

/* Bytes of address space that it has mapped. 0: the system does not tell. */
uint64_t pi_os_address_space(void);

#endif

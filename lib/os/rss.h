/* rss.h - how much memory this process uses. Runs in: program, worker. */
#pragma once

#include <stdint.h>

/* Bytes of its private memory: without files and shared memory. -1: the system does not tell. */
long pi_os_rss(void);

/* Opens what tells, for a process that is about to lose the right to open it: then pi_os_rss reads
 * what is open. 0 or an errno. */
int pi_os_rss_keep(void);

/* Bytes of address space that it has mapped. 0: the system does not tell. */
uint64_t pi_os_address_space(void);

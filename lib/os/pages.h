/* pages.h - private memory from the system alone: it takes no lock that a fork could meet.
 *
 * Runs in: program, supervisor.
 */
#pragma once

#include <stddef.h>

/* Cleared; a page has memory from its first use on. NULL: there is none. */
void *pi_os_pages_get(size_t size);
void pi_os_pages_free(void *pages, size_t size);

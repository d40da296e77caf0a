/* resident.h - how much memory this process has of its own. */
#ifndef PI_OS_RESIDENT_H
#define PI_OS_RESIDENT_H

/* Bytes that it has now and shares with no other process by a mapping: without files and shared
 * memory. -1: the system does not tell. */
long pi_os_resident(void);

#endif

/* header.h - the calls that posse.h declares, so that a test of all calls forgets none. */
#ifndef HEADER_H
#define HEADER_H

#include <stdbool.h>

/* Whether the list, which ends with NULL, has it. */
bool is_listed(const char *name, const char *const *list);
/* Asserts that each call of posse.h is in one of the lists (which end with NULL, as the list of
 * lists does), or begins with a prefix that is told there: "posse_task_*". */
void assert_all_listed(const char *const *const *lists);

#endif

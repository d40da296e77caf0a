/* sealed.h - what the tests of sealed workers share (sealed.c). */
#ifndef SEALED_H
#define SEALED_H

#include "support.h"

#include <posse_seal.h>

/* Where workers can be sealed: a sanitizer, valgrind and what counts lines make calls of their
 * own. */
#ifdef POSSE_TEST_COVERAGE
#define SEALABLE 0
#else
#define SEALABLE UNSANITIZED(PROCESSES)
#endif

/* Whether this is such a place, and the system can do it; to be asked in the program. */
bool can_seal(void);

/* A pool whose workers are sealed so; the seal's size is set. Asserts, and skips the test where the
 * system cannot do that. */
posse_executor *sealed_pool(long workers, posse_seal seal);
posse_executor *sealed_pool_with(posse_options options, posse_seal seal);

/* The same, and each task has a process of its own. */
posse_executor *fresh_pool(long workers, posse_seal seal);
posse_executor *fresh_pool_with(posse_options options, posse_seal seal);

/* Whether a list of words, with blanks between them, has that one. */
bool has_word(const char *words, const char *word);

posse_fn socket_task;       /* makes a socket, which is forbidden; gives its errno */
posse_fn noted_socket_task; /* the same, with the note "about to ask" */

/* Of 2,000 tasks 40 make a forbidden call, and only these are lost. */
void assert_forty_of_two_thousand(posse_executor *pool);

#endif

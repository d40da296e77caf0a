/* assert.h - private invariants, checked where tests run and nowhere else.
 *
 * Runs in: program, worker, supervisor. POSSE_TEST_CHECKS is set for the library posse_crash. In
 * all others PI_ASSERT is nothing: an installed library never aborts, and in tests/scribble a task
 * overwrites what is asserted.
 */
#pragma once

#ifdef POSSE_TEST_CHECKS
#undef NDEBUG
#include <assert.h>
#define PI_ASSERT(condition) assert(condition)
#else
#define PI_ASSERT(condition) ((void)sizeof(condition)) /* its names count as used */
#endif

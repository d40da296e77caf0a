/* trim.h - asking for memory to be given back. */
#ifndef PI_TRIM_H
#define PI_TRIM_H

#include "pool/pool.h"

/* So many bytes were freed, or this worker goes to sleep (0): asks for a trim if there is more
 * memory than what an idle executor keeps. */
void pi_note_freed(posse_executor *executor, size_t bytes);
/* Asks for a trim, as memory was refused: what is counted may be wrong, or be of slots and rings
 * that nobody uses. Keeps errno. */
void pi_ask_for_trim(posse_executor *executor);

#endif

/* note.h - what a task notes for the case that its worker dies. */
#pragma once

#include "pool/self.h"

/* Keeps a copy of the text, cut to what a record has room for. Nothing happens if the worker has no
 * record. */
void pi_note(const struct posse_task *task, const char *text);
/* The same of `size` bytes, less than PI_NOTE_SIZE. */
void pi_note_bytes(const struct posse_task *task, const char *text, size_t size);

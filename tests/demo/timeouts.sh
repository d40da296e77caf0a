#!/bin/sh
# timeouts.sh PROGRAM BACKEND - checks what each call said, and how each task ended.
# shellcheck disable=SC2119 # some calls have no options
set -eu
# shellcheck source=tests/demo/lib.sh
. "$(dirname "$0")/lib.sh"

expect_output <<'END'
                                THE CALL SAYS   THE TASK ENDS AS
wait 50 ms for a task of 500 ms POSSE_TIMEOUT   POSSE_OK
allow 50 ms to a task of 500 ms POSSE_DEADLINE  POSSE_DEADLINE: the task ran longer than 50 ms
cancel a queued task            POSSE_OK        POSSE_CANCELLED: the task was cancelled
cancel a running task           POSSE_TOO_LATE  POSSE_TASK_FAILED: told to stop
kill a running task             POSSE_OK        POSSE_CANCELLED: the task was cancelled
cancel a finished task          POSSE_TOO_LATE  POSSE_OK
END
expect_manners
expect_misuse --workers 4
expect_misuse word
expect_no_inline

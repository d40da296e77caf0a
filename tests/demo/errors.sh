#!/bin/sh
# errors.sh PROGRAM BACKEND - checks what is told of each error.
# shellcheck disable=SC2119 # some calls have no options
set -eu
# shellcheck source=tests/demo/lib.sh
. "$(dirname "$0")/lib.sh"

lost='by a lost worker: cannot be shown here, as the program would die with it'
if [ "$backend" = process ]; then
    lost='by a lost worker: POSSE_WORKER_LOST, worker [1-9][0-9]* was killed by signal 9 (Killed)'
fi

check() {
    expect_success "$@"
    expect_lines 'inside the task: 0' \
        'by its result: POSSE_TASK_FAILED, the task reported an error of its own' \
        'by posse_exception: POSSE_TASK_FAILED, code 33, 7 cannot be divided by 0' \
        "$lost" 'and the pool goes on: 42'
}

check
check --workers 1
expect_manners
expect_misuse --workers 0
expect_misuse word

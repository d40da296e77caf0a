#!/bin/sh
# shared_counter.sh PROGRAM BACKEND - not one increment may be lost.
# shellcheck disable=SC2119 # some calls have no options
set -eu
# shellcheck source=tests/demo/lib.sh
. "$(dirname "$0")/lib.sh"

for workers in 1 2 4 10; do
    expect_output --workers "$workers" <<'END'
10 tasks added 1 to the same counter 10000 times each: 100000
END
done
expect_manners
expect_misuse --workers 0
expect_misuse word

#!/bin/sh
# doubled_batches.sh PROGRAM BACKEND - checks each batch, also the last one, which is shorter.
# shellcheck disable=SC2119 # some calls have no options
set -eu
# shellcheck source=tests/demo/lib.sh
. "$(dirname "$0")/lib.sh"

for workers in 1 4; do
    expect_output --workers "$workers" <<'END'
batch 1: 2 4 6 8 10
batch 2: 12 14 16 18 20
batch 3: 22 24 26 28 30
batch 4: 32 34 36
END
done
expect_manners
expect_misuse --workers 0
expect_misuse word

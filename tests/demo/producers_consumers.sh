#!/bin/sh
# producers_consumers.sh PROGRAM BACKEND - each item is taken once, those of a producer in order.
# shellcheck disable=SC2119 # some calls have no options
set -eu
# shellcheck source=tests/demo/lib.sh
. "$(dirname "$0")/lib.sh"

expect_success
items='\( [0-9]*\)* *[a-z]*'
expect_lines "consumer 1 took$items" "consumer 2 took$items" 'each of 24 items was taken once'
sed -n 's/^consumer . took//p' "$scratch/out" | tr ' ' '\n' | grep '[0-9]' |
    sort -n >"$scratch/took"
seq 24 | diff - "$scratch/took" || fail "items are missing or there twice"
for consumer in 1 2; do
    sed -n "s/^consumer $consumer took//p" "$scratch/out" | tr ' ' '\n' | grep '[0-9]' \
        >"$scratch/took" || continue
    awk '{ from = $1 <= 12; if ($1 < last[from]) exit 1; last[from] = $1 }' "$scratch/took" ||
        fail "consumer $consumer took items of one producer out of order"
done
expect_manners
expect_misuse --workers 4
expect_misuse word
expect_no_inline

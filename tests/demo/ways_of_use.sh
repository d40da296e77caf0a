#!/bin/sh
# ways_of_use.sh PROGRAM BACKEND - the results of each way, in an order only where there is one.
# shellcheck disable=SC2119 # some calls have no options
set -eu
# shellcheck source=tests/demo/lib.sh
. "$(dirname "$0")/lib.sh"

check() {
    expect_success "$@"
    in_order=' *1 4 9 16'
    # The same four, in whatever order.
    any='1\|4\|9\|16'
    any=" *\\($any\\) \\($any\\) \\($any\\) \\($any\\)"
    one='\(1\|4\|9\|16\|stopped\|cancelled\)'
    expect_lines "map and wait$in_order" "use as completed$any" "use in order$in_order" \
        "use in a callback$any" "wait for all$in_order" "wait for first *$one $one $one $one"
    for way in 'use as completed' 'use in a callback'; do
        sorted=$(sed -n "s/^$way *//p" "$scratch/out" | tr ' ' '\n' | sort -n | tr '\n' ' ')
        [ "$sorted" = "1 4 9 16 " ] || fail "$way does not give each once: $(cat "$scratch/out")"
    done
    tail -n 1 "$scratch/out" | grep -q '[0-9]' || fail "none was the first"
}

check
check --workers 1
check --workers 3
expect_manners
expect_misuse --workers 0
expect_misuse word

#!/bin/sh
# Counts the memory orderings that say why they suffice, or with what they pair.
#
#   orderings.sh [<file or directory>...]     lib/base and lib/core if there is none
#
# An operation is explained if a comment stands on a line of its statement or on the line above it,
# or if the comment at its function or its section ("---- name. order: why ----") has the word
# "order:", and so speaks for all. At the head of a file that word speaks for all but the relaxed
# ones. A seq operation is also explained if the field that it names is declared in some header of
# lib/ under a comment with "order:".
#
# Prints file and line of each operation that is not explained, then how many are. Exit: 0 if all.
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- lib/base lib/core
# shellcheck disable=SC2046 # no file has a space in its name
awk -f tests/lint/orderings.awk $(find lib -name '*.h') -- \
    $(find "$@" -name '*.[ch]' ! -name atomic.h)

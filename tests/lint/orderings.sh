#!/bin/sh
# Counts the memory orderings that say why they suffice, or with what they pair.
#
#   orderings.sh [<file or directory>...]     lib/base and lib/core if there is none
#
# An operation is explained if a comment stands on a line of its statement or on the line above it,
# or if the comment at its function, at its section ("---- name: why ----") or at the head of its
# file has the word "order:" and says so for all. A seq operation is also explained if the field
# that it names is declared under a comment with "order:" in some header of lib/.
#
# Prints file and line of each operation that is not explained, then how many are. Exit: 0 if all.
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || set -- lib/base lib/core
# shellcheck disable=SC2046 # no file has a space in its name
awk -f tests/lint/orderings.awk $(find lib -name '*.h') -- $(find "$@" -name '*.[ch]' ! -name atomic.h)

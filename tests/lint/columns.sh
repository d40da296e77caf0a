#!/bin/sh
# usage: tests/lint/columns.sh
#
# Prints the lines of more than 100 columns.
set -eu
# shellcheck source=tests/lint/kit.sh
. "$(dirname "$0")/kit.sh"
{ texts; find lib tests demo CMakeLists.txt -name CMakeLists.txt; find tests/lint -type f; } |
    grep -vE '\.md$|tests/demo/factorials.sh' | # whose numbers are longer
    LC_ALL=C.UTF-8 xargs grep -nE '^.{101}' >"$findings" || true
report

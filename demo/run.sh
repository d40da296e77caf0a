#!/bin/sh
# Builds the demo in build/ and runs it, for example: demo/run.sh --backend thread --workers 4
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=demo/build.sh
. "$top/demo/build.sh"

need "gcc libc6-dev" compiles "${CC:-cc}"
need cmake command -v cmake
need make has_build_tool
install_missing

# Who has built the tests here keeps them; nobody needs their libraries for the demo.
set_tests=
if [ ! -f "$top/build/build.ninja" ] && [ ! -f "$top/build/Makefile" ]; then
    set_tests="-DPOSSE_TESTS=OFF -DPOSSE_BENCH=OFF"
fi
# shellcheck disable=SC2086 # two words or none
build "$top/build" sum_of_squares -DPOSSE_DEMOS=ON $set_tests

rm -rf "$scratch"
exec "$top/build/demo/sum_of_squares" "$@"

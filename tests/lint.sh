#!/bin/sh
# Reads the code without running it. See usage below.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=demo/build.sh
. "$top/demo/build.sh"

usage() {
    cat <<END
usage: tests/lint.sh [--rules | --install-only | --help]

Reads, with the tools of Debian bookworm (others find other things):

  the rules of this repository, by the scripts in tests/lint: calls go downward, no circles, system
  calls in lib/os alone, names, words, orderings, columns (only these with --rules)
  each header alone, as C11, C17, C++11 and C++17, by gcc and clang, every warning an error
  all scripts, by shellcheck
  lib/, include/ and demo/, by cppcheck and clang-tidy (see .clang-tidy)

Prints a line for each that is clean. Exit: 0 if all are. Installs what is missing first, and only
that with --install-only.
END
}

case ${1-} in
'' | --rules | --install-only) ;;
--help) usage && exit ;;
*) usage >&2 && exit 2 ;;
esac

need "gcc libc6-dev" compiles gcc
if [ "${1:-}" != --rules ]; then
    need "g++" command -v g++
    need "clang libc6-dev" compiles clang
    need cmake command -v cmake
    need make has_build_tool
    need pkg-config command -v pkg-config
    need shellcheck command -v shellcheck
    need cppcheck command -v cppcheck
    need clang-tidy command -v clang-tidy
fi
install_missing
[ "${1:-}" != --install-only ] || exit 0
cd "$top"

found=0

# check <what> <command> <word>...
check() {
    what=$1
    shift
    if quietly "$@"; then
        echo "clean: $what"
    else
        echo "NOT CLEAN: $what"
        found=1
    fi
}

# rule <script of tests/lint> <what is clean> [word...]
rule() {
    script=$1
    said=$2
    shift 2
    [ ! -f "tests/lint/$script.sh" ] || check "$said" sh "tests/lint/$script.sh" "$@"
}

graph=$scratch/graph
sh tests/lint/graph.sh "$graph"
rule layers "calls and includes go downward" "$graph"
rule circles "no circles between files" "$graph"
rule system_calls "system calls in lib/os alone" "$graph"
rule names "no base name twice in lib, no missing file in its README"
rule booleans "no bool parameters in lib/core and lib/pool"
rule orderings "every ordering names its partner" lib
rule states "the models name the states of lib/core/state.h"
rule tuning "times and limits stand in lib/base/tuning.h"
rule words "words"
rule columns "at most 100 columns"
sh tests/lint/sizes.sh
[ "${1:-}" != --rules ] || exit $found

# header <compiler> <language> <standard>
header() {
    for file in include/*.h; do
        check "$file as $3, $1" "$1" -x "$2" -std="$3" -Wall -Wextra -Wpedantic -Wconversion \
            -Wshadow -Wundef -Werror -Iinclude -fsyntax-only "$file"
    done
}

for standard in c11 c17; do
    header gcc c "$standard"
    header clang c "$standard"
done
for standard in c++11 c++17; do
    header g++ c++ "$standard"
    header clang++ c++ "$standard"
done

scripts=$(find .ci tests demo -name '*.sh' -o -path .ci/run)
# shellcheck disable=SC2086 # a list of words
check "shellcheck" shellcheck -x $scripts

# What it says of these is not so, or is taste:
#   badBitmaskCheck, clarifyCalculation, shadowFunction, redundantContinue   taste
#   constParameter        wants a pointer to a function const
#   invalidFunctionArg    knows no mmap of no file
#   readdirCalled         readdir is safe while each thread has a directory of its own
#   unusedStructMember    does not know that the kernel reads structs
#   knownConditionTrueFalse:demo/download.c   compares a size_t as if it had a sign
check "cppcheck" cppcheck --quiet -j "$(nproc)" --std=c11 --error-exitcode=1 --inline-suppr \
    --enable=warning,performance,portability,style --library=posix \
    --suppress=missingIncludeSystem --suppress=badBitmaskCheck --suppress=clarifyCalculation \
    --suppress=shadowFunction --suppress=redundantContinue --suppress=constParameter \
    --suppress=invalidFunctionArg --suppress=readdirCalled --suppress=unusedStructMember \
    --suppress=knownConditionTrueFalse:demo/download.c \
    -D__linux__ -D_GNU_SOURCE -D__GLIBC__=2 -D__GLIBC_MINOR__=36 -Ilib -Iinclude lib demo include

# Without the file that needs MPI.
# shellcheck disable=SC2317 # it is called by check
tidy() {
    cmake -S . -B build-lint -DCMAKE_C_COMPILER=clang -DPOSSE_DEMOS=ON -DPOSSE_TESTS=OFF \
        -DPOSSE_BENCH=OFF -DCMAKE_EXPORT_COMPILE_COMMANDS=ON &&
        find "$top/lib" "$top/demo" -name '*.c' ! -path '*/mpi/ranks.c' -print0 |
        xargs -0 -n 6 -P "$(nproc)" clang-tidy --quiet -p build-lint
}
check "clang-tidy" tidy
exit $found

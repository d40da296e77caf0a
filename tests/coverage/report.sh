#!/bin/sh
# report.sh BUILD_DIR - prints how much of lib/ a build for coverage has come to, by lines and
# branches, and the lines it has not.
#
# Why there are some, beside what is marked with GCOV_EXCL and a reason:
#   a process that is killed writes no counts, so what only the killed do last is not seen;
#   what follows a failing system call is the business of the tests of faults;
#   what repairs a death between two instructions is the business of the tests of crashes, which
#   run a library of their own.
# Branches include those of compilers and of atomic operations that fail by chance.
set -eu
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
gcov_files() {
    gcovr --root "$top" --object-directory "$build" --filter 'lib/' \
        --gcov-ignore-parse-errors "$@" "$build/lib"
}
gcov_files
printf '\nBranches\n\n'
gcov_files --branches | sed -n 's/^TOTAL/lib, branches:/p'

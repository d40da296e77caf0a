#!/bin/sh
# Builds everything and runs the tests. See usage below.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=demo/build.sh
. "$top/demo/build.sh"

usage() {
    cat <<END
usage: tests/run.sh [option...] [option of ctest...]

  --compiler gcc|clang   the compiler (the system's)
  --sanitize LIST        address,undefined or thread
  --long                 sets POSSE_TEST_LONG=1 for the tests, and gives each two hours
  --build DIR            where to build (build, or build-COMPILER-SANITIZERS)
  --help                 show this

For example: tests/run.sh --sanitize thread -L 'unit|thread' --repeat until-fail:3
END
}

compiler=
sanitize=
long=
directory=

# Options that are not ours go to the end of "$@", for ctest.
left=$#
while [ "$left" -gt 0 ]; do
    option=$1
    shift
    left=$((left - 1))
    case $option in
    --compiler | --sanitize | --build)
        [ "$left" -gt 0 ] || fail "$option needs a value"
        value=$1
        shift
        left=$((left - 1))
        ;;
    esac
    case $option in
    --compiler) compiler=$value ;;
    --sanitize) sanitize=$value ;;
    --build) directory=$value ;;
    --long) long=1 ;;
    --help) usage && exit ;;
    *) set -- "$@" "$option" ;;
    esac
done

cc=${compiler:-${CC:-cc}}
case $cc in
*clang*) need "clang libc6-dev" compiles "$cc" ;;
*) need "gcc libc6-dev" compiles "$cc" ;;
esac
if [ -n "$sanitize" ]; then
    need "$(case $cc in *clang*) echo libclang-rt-dev ;; *) echo gcc ;; esac)" \
        compiles "$cc" "-fsanitize=$sanitize"
fi
need g++ command -v c++
need cmake command -v cmake
need make has_build_tool
need pkg-config command -v pkg-config
need libcmocka-dev pkg-config --exists cmocka
need spin command -v spin
install_missing

if [ -z "$directory" ]; then
    directory=$top/build${compiler:+-$compiler}${sanitize:+-$(echo "$sanitize" | tr , -)}
fi
timeout=120
[ -z "$sanitize" ] || timeout=300
[ -z "$long" ] || timeout=7200
build "$directory" all -DCMAKE_C_COMPILER="$cc" -DPOSSE_TESTS=ON -DPOSSE_DEMOS=ON \
    -DPOSSE_BENCH=ON -DPOSSE_WERROR=ON -DPOSSE_SANITIZE="$sanitize" \
    -DPOSSE_TEST_TIMEOUT="$timeout"

# The thread sanitizer of gcc cannot live with as much address randomisation as some kernels do.
fixed=
case $sanitize in
*thread*) ! quietly setarch -R true || fixed="setarch -R" ;;
esac

[ -z "$long" ] || export POSSE_TEST_LONG=1
rm -rf "$scratch"
cd "$directory"
exec $fixed ctest --output-on-failure --no-tests=error "$@"

#!/bin/sh
# Builds everything and runs the tests. See usage below.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=demo/build.sh
. "$top/demo/build.sh"

usage() {
    cat <<END
usage: tests/run.sh [option...]

Installs what is missing, builds everything, and runs the tests with ctest.

  --compiler gcc|clang   the compiler (the system's)
                         musl-gcc: with the libc musl; its tests use tests/cmocka
                         aarch64-linux-gnu-gcc: for another processor, the tests of units and
                         behaviour under qemu, but what qemu cannot (see tests/CMakeLists.txt)
  --sanitize LIST        address,undefined or thread
  --valgrind             the tests of units, behaviour and crashes run under valgrind's memcheck
  --groups GROUP,...     builds and runs the tests of these groups alone, without demos
  --coverage             prints what of lib/ the tests have not come to
  --remote               libposse-remote, too, with ssh, Open MPI, MPICH and Slurm
  --long                 everything at length: sets POSSE_TEST_LONG=1 for the tests, and gives each
                         two hours
  --install-only         installs what is missing for this, and no more
  --build DIR            where to build (build, or build-COMPILER-SANITIZERS...)
  --help                 show this
  -L, -LE, -R, -E, -I, --repeat VALUE; -jN, -N, -V, -VV, --rerun-failed, --stop-on-failure
                         go to ctest

Tests run side by side, two for each processor, as many of them mostly wait; -j1 keeps them apart.
For example: tests/run.sh --sanitize thread -L 'unit|thread' --repeat until-fail:3
END
}

compiler=
sanitize=
valgrind=
coverage=
remote=
groups=
long=
install_only=
directory=

# Options of ctest go to the end of "$@". ctest itself ignores an option that it does not know.
left=$#
while [ "$left" -gt 0 ]; do
    option=$1
    shift
    left=$((left - 1))
    case $option in
    --compiler | --sanitize | --groups | --build | -L | -LE | -R | -E | -I | --repeat)
        [ "$left" -gt 0 ] || fail "$option needs a value"
        value=$1
        shift
        left=$((left - 1))
        ;;
    esac
    case $option in
    --compiler) compiler=$value ;;
    --sanitize) sanitize=$value ;;
    --groups) groups=$(echo "$value" | tr , ';') ;;
    --build) directory=$value ;;
    --valgrind) valgrind=valgrind ;;
    --coverage) coverage=coverage ;;
    --remote) remote=remote ;;
    --long) long=1 ;;
    --install-only) install_only=1 ;;
    --help) usage && exit ;;
    -L | -LE | -R | -E | -I | --repeat) set -- "$@" "$option" "$value" ;;
    -j[0-9]* | -N | -V | -VV | --rerun-failed | --stop-on-failure) set -- "$@" "$option" ;;
    *)
        echo "$0: unknown: $option" >&2
        usage >&2
        exit 2
        ;;
    esac
done

# shellcheck disable=SC2317 # it is called by need
has_emulator() {
    command -v qemu-aarch64 || command -v qemu-aarch64-static
}

# shellcheck disable=SC2317 # it is called by need
has_probes() {
    echo '#include <sys/sdt.h>' | "$cc" -E -
}

cc=${compiler:-${CC:-cc}}
own_cmocka=OFF
toolchain=
case $cc in
*clang*) need "clang libc6-dev" compiles "$cc" ;;
*musl*)
    need "gcc libc6-dev musl-tools" compiles "$cc"
    own_cmocka=ON
    ;;
*aarch64-linux-gnu-gcc)
    need "gcc-aarch64-linux-gnu libc6-dev-arm64-cross" compiles "$cc"
    need qemu-user has_emulator
    own_cmocka=ON
    toolchain=$top/tests/aarch64.cmake
    ;;
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
need libjpeg-dev pkg-config --exists libjpeg
need libpng-dev pkg-config --exists libpng
need spin command -v spin
need mandoc command -v mandoc
# Tests of pictures, 400 MB, and of traces.
[ -z "$long" ] || need chromium command -v chromium
[ -z "$long" ] || need npm command -v npm
[ $own_cmocka = ON ] || need systemtap-sdt-dev has_probes
need python3 command -v python3
[ -z "$valgrind" ] || need valgrind command -v valgrind
[ -z "$coverage" ] || need gcovr command -v gcovr
if [ -n "$remote" ]; then
    need openssh-client command -v ssh
    need openssh-server env "PATH=$PATH:/usr/sbin" sh -c 'command -v sshd'
    need "openmpi-bin libopenmpi-dev" command -v mpicc.openmpi
    need "mpich libmpich-dev" command -v mpicc.mpich
    need slurm-wlm env "PATH=$PATH:/usr/sbin" sh -c 'command -v slurmctld && command -v slurmd'
    need munge env "PATH=$PATH:/usr/sbin" sh -c 'command -v munged'
    need iproute2 env "PATH=$PATH:/usr/sbin" sh -c 'command -v ip'
fi
install_missing
# A viewer of traces, which Debian does not have. Without it a test is skipped.
if [ -n "$long" ] && [ ! -d "$(npm root --global)/speedscope" ]; then
    quietly $as_root npm install --global speedscope@1.25.0 ||
        echo "$0: cannot install speedscope" >&2
fi
[ -z "$install_only" ] || exit 0

if [ -z "$directory" ]; then
    directory=$top/build${compiler:+-$compiler}${sanitize:+-$(echo "$sanitize" | tr , -)}
    directory=$directory${valgrind:+-$valgrind}${coverage:+-$coverage}${remote:+-$remote}
fi
timeout=300
[ -z "$sanitize$valgrind$coverage$toolchain" ] || timeout=600
[ -z "$long" ] || timeout=7200

# What looks on is slow enough without an optimizer that takes minutes to build.
build_type=Release
flags=
rest=ON
[ -z "$groups" ] || rest=OFF
if [ -n "$sanitize$valgrind$coverage" ]; then
    build_type=None
    flags=-O1
fi
build "$directory" all -DCMAKE_TOOLCHAIN_FILE="$toolchain" -DCMAKE_C_COMPILER="$cc" \
    -DCMAKE_BUILD_TYPE=$build_type \
    -DCMAKE_C_FLAGS="$flags" -DPOSSE_TESTS=ON -DPOSSE_TEST_GROUPS="$groups" \
    -DPOSSE_DEMOS=$rest -DPOSSE_BENCH=$rest \
    -DPOSSE_WERROR=ON -DPOSSE_SANITIZE="$sanitize" -DPOSSE_TEST_TIMEOUT="$timeout" \
    -DPOSSE_TEST_OWN_CMOCKA=$own_cmocka -DPOSSE_TEST_VALGRIND=${valgrind:+ON} \
    -DPOSSE_COVERAGE=${coverage:+ON} -DPOSSE_REMOTE=${remote:+ON} -DPOSSE_MPI=${remote:+ON}

# The thread sanitizer of gcc cannot live with as much address randomisation as some kernels do.
fixed=
case $sanitize in
*thread*) ! quietly setarch -R true || fixed="setarch -R" ;;
esac

[ -z "$long" ] || export POSSE_TEST_LONG=1
[ -z "$coverage" ] || find "$directory" -name '*.gcda' -delete
rm -rf "$scratch"
cd "$directory"
CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-$((2 * $(nproc)))}
export CTEST_PARALLEL_LEVEL
[ -n "$coverage" ] || exec $fixed ctest --output-on-failure --no-tests=error "$@"

status=0
ctest --output-on-failure --no-tests=error "$@" || status=$?
sh "$top/tests/coverage/report.sh" "$directory" || status=$?
exit "$status"

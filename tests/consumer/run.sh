#!/bin/sh
# run.sh BUILD_DIR - installs posse from there into a place of its own and uses it as a stranger
# would: through pkg-config, find_package and add_subdirectory, from C and from C++.
set -eu
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix
export CC="${CC:-cc}" CXX="${CXX:-c++}"
strict="-Wall -Wextra -Wpedantic -Werror"

fail() {
    printf 'FAILED: %s\n' "$1" >&2
    exit 1
}

# Shows the output only if the command fails.
quietly() {
    "$@" >"$scratch/log" 2>&1 && return
    cat "$scratch/log" >&2
    fail "$*"
}

# Installed, and then moved: nothing may remember the first place.
quietly cmake --install "$build" --prefix "$scratch/first"
mv "$scratch/first" "$prefix"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name posse.pc)")
library=$(dirname "$PKG_CONFIG_PATH")
export PKG_CONFIG_PATH LD_LIBRARY_PATH="$library"

has_cxx=ON
if ! command -v "$CXX" >"$scratch/log"; then
    has_cxx=OFF
    echo "no C++ compiler: the programs in C++ are left out"
fi

check_exports() {
    sed -n 's/^POSSE_API.*[ *]\(posse_[a-z_]*\)(.*/\1/p' "$prefix/include/posse.h" |
        sort >"$scratch/declared"
    nm -D --defined-only "$library/libposse.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
        sort >"$scratch/exported"
    [ -s "$scratch/declared" ] || fail "no declarations found in posse.h"
    diff "$scratch/declared" "$scratch/exported" ||
        fail "posse.h (<) and libposse.so (>) have different functions"
}

check_soname() {
    soname=$(readelf -d "$library/libposse.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
    [ "$soname" = libposse.so.0 ] || fail "SONAME is $soname"
    [ -e "$library/$soname" ] || fail "$soname is not installed"
}

# run <program> <what it is>
run() {
    printf '%s: ' "$2"
    "$1" || fail "$2"
}

# Both libraries by pkg-config; -l:libposse.a in the place of -lposse takes the static one.
use_pkg_config() {
    flags=$(pkg-config --cflags --libs posse)
    static_flags=$(pkg-config --cflags --libs --static posse | sed 's/-lposse/-l:libposse.a/')
    # shellcheck disable=SC2086 # lists of words
    {
        quietly $CC -std=c11 $strict "$here/main.c" $flags -o "$scratch/c"
        quietly $CC -std=c11 $strict "$here/main.c" $static_flags -o "$scratch/c_static"
        [ "$has_cxx" = OFF ] ||
            quietly $CXX -std=c++11 $strict "$here/main_cpp.cpp" $flags -o "$scratch/cpp"
    }
    run "$scratch/c" "pkg-config, C"
    run "$scratch/c_static" "pkg-config --static, C"
    [ "$has_cxx" = OFF ] || run "$scratch/cpp" "pkg-config, C++"
}

# use_cmake <name> <option of cmake>...
use_cmake() {
    name=$1
    shift
    quietly cmake -S "$here" -B "$scratch/$name" -DCONSUMER_CXX=$has_cxx \
        -DCMAKE_C_FLAGS="$strict" -DCMAKE_CXX_FLAGS="$strict" "$@"
    quietly cmake --build "$scratch/$name"
    for program in c_posse c_posse_static cpp_posse cpp_posse_static; do
        [ "$has_cxx" = OFF ] && [ "${program#cpp}" != "$program" ] && continue
        run "$scratch/$name/$program" "$name, $program"
    done
}

check_exports
check_soname
use_pkg_config
use_cmake find_package -DCMAKE_PREFIX_PATH="$prefix"
use_cmake add_subdirectory -DPOSSE_SOURCE="$top"
! find "$scratch/add_subdirectory" -name 'sum_of_squares*' -o -name 'test_*' | grep -q . ||
    fail "add_subdirectory builds demos or tests"

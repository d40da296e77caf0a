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
export CC="${CC:-cc}" CXX="${CXX:-c++}" LC_ALL=C
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

# symbols <library>: the global names that it defines.
symbols() {
    nm -P "$@" | awk '$2 ~ /^[A-Z]$/ && $2 != "U" && $2 != "A" { sub(/@.*/, "", $1); print $1 }' |
        sort
}

# differ <first> <what it is> <second> <what it is>
differ() {
    [ -s "$1" ] || fail "no names found in $2"
    diff "$1" "$3" || fail "$2 (<) and $4 (>) have different functions"
}

# The headers, the linker's script and what is exported are the same list.
check_exports() {
    find "$prefix/include" -name 'posse*.h' ! -name posse_remote.h -exec \
        sed -n 's/^POSSE_API.*[ *]\(posse_[a-z_]*\)(.*/\1/p' {} + | sort >"$scratch/declared"
    sed -n 's/^ *\(posse_[a-z_]*\);$/\1/p' "$top/lib/posse.map" >"$scratch/listed"
    symbols -D "$library/libposse.so" >"$scratch/exported"
    differ "$scratch/declared" "the headers" "$scratch/exported" libposse.so
    differ "$scratch/declared" "the headers" "$scratch/listed" "lib/posse.map, which is sorted,"
}

# A program may call its own functions what it likes, but for posse_ and pi_. The compiler names its
# references to the runtime of exceptions DW.ref.*, and sys/sdt.h the base of its probes
# _.stapsdt.base, which no C name can be.
check_names() {
    symbols -g "$library/libposse.a" >"$scratch/names"
    grep -q '^posse_create$' "$scratch/names" || fail "no names found in libposse.a"
    ! grep -v -e '^posse_' -e '^pi_' -e '^DW\.ref\.' -e '^_\.stapsdt\.' "$scratch/names" ||
        fail "libposse.a defines these names"
}

# own_names: a file of C that defines the names of the library's lowest layer without the prefix,
# as programs with a layer of their own for systems do.
own_names() {
    echo 'int os_own(void);'
    sed -n 's/^pi_\(os_.*\)/int \1(void); int \1(void) { return 1; }/p' "$scratch/names"
}

check_soname() {
    version=$("$scratch/c" | sed 's/ .*//')
    expected=${version%%.*}
    [ "$expected" != 0 ] || expected=${version%.*}
    soname=$(readelf -d "$library/libposse.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
    [ "$soname" = "libposse.so.$expected" ] || fail "SONAME is $soname, the version $version"
    [ -e "$library/$soname" ] || fail "$soname is not installed"
    readelf -d "$scratch/c" | grep -q "NEEDED.*\[$soname\]" ||
        fail "programs do not ask for $soname"
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
        quietly $CC -std=c11 $strict "$here/main.c" "$scratch/own.c" $static_flags \
            -o "$scratch/c_own_names"
        [ "$has_cxx" = OFF ] ||
            quietly $CXX -std=c++11 $strict "$here/main_cpp.cpp" $flags -o "$scratch/cpp"
    }
    run "$scratch/c" "pkg-config, C"
    run "$scratch/c_static" "pkg-config --static, C"
    run "$scratch/c_own_names" "pkg-config --static, C, with names of its own"
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

# refuses <command> <word>...
refuses() {
    if "$@" >"$scratch/log" 2>&1 || ! grep -q 'posse needs a 64-bit system' "$scratch/log"; then
        fail "$* does not say that it needs 64 bits"
    fi
}

# Where the compiler makes programs of 32 bits, the library says that it is not for these.
check_32_bits() {
    echo '#include <stdint.h>' >"$scratch/small.c"
    small="$CC -m32 -ffreestanding"
    if ! $small -c "$scratch/small.c" -o "$scratch/small.o" >"$scratch/log" 2>&1; then
        echo "no compiler for 32 bits: the refusal is left out"
        return
    fi
    refuses cmake -S "$top" -B "$scratch/small" -DCMAKE_C_FLAGS=-m32 \
        -DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY
    # shellcheck disable=SC2086 # a list of words
    refuses $small -fsyntax-only -I"$top/lib" "$top/lib/base/atomic.h"
}

check_exports
check_names
own_names >"$scratch/own.c"
use_pkg_config
check_soname
check_32_bits
use_cmake find_package -DCMAKE_PREFIX_PATH="$prefix"
use_cmake add_subdirectory -DPOSSE_SOURCE="$top"
! find "$scratch/add_subdirectory" -name 'sum_of_squares*' -o -name 'test_*' | grep -q . ||
    fail "add_subdirectory builds demos or tests"

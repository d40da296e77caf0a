# build.sh - what demo/run.sh and tests/run.sh share: installing what is missing, and a quiet build.
# shellcheck shell=sh
# shellcheck disable=SC2154 # top, the top of the repository, is set by the script that reads this

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
missing=
as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo

fail() {
    printf '%s: %s\n' "$0" "$1" >&2
    exit 1
}

# quietly <command> <word>...: shows the output only if the command fails.
quietly() {
    "$@" >"$scratch/log" 2>&1 && return
    cat "$scratch/log" >&2
    return 1
}

# need <packages> <command> <word>...: without the packages the command fails.
need() {
    packages=$1
    shift
    "$@" >"$scratch/log" 2>&1 || missing="$missing $packages"
}

# compiles <compiler> <flag>...: whether it can make a program.
compiles() {
    printf '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n' >"$scratch/try.c"
    "$@" "$scratch/try.c" -o "$scratch/try"
}

has_build_tool() {
    command -v ninja || command -v make
}

install_missing() {
    [ -n "$missing" ] || return 0
    command -v apt-get >"$scratch/log" ||
        fail "please install what these packages of Debian have:$missing"
    [ -z "$as_root" ] || command -v sudo >"$scratch/log" ||
        fail "please install, as root:$missing"
    printf '%s: installing%s\n' "$0" "$missing" >&2
    # Without package lists, or with old ones, the first try fails.
    install_packages >"$scratch/log" 2>&1 ||
        { quietly apt_get update && quietly install_packages; } ||
        fail "cannot install$missing"
}

apt_get() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@"
}

install_packages() {
    # shellcheck disable=SC2086 # a list of words
    apt_get install --no-install-recommends $missing
}

# build <directory> <target> <option of cmake>...
build() {
    directory=$1
    target=$2
    shift 2
    if [ ! -f "$directory/CMakeCache.txt" ] && command -v ninja >"$scratch/log"; then
        set -- -G Ninja "$@"
    fi
    printf '%s: building in %s\n' "$0" "$directory" >&2
    quietly cmake -S "$top" -B "$directory" "$@" || fail "cannot configure $directory"
    quietly cmake --build "$directory" --target "$target" --parallel "$(nproc)" ||
        fail "cannot build $target"
}

#!/bin/sh
# Builds a demo in build/ and runs it. See usage below.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)

usage() {
    cat <<END
usage: demo/run.sh [NAME] [option...]

  demo/run.sh [option...]         runs sum_of_squares, for example with --backend thread
  demo/run.sh NAME [option...]    runs another demo
  demo/run.sh NAME --help         the options of a demo
  demo/run.sh --list              which demos there are
  demo/run.sh --help              this, and the options of sum_of_squares

Installs what is missing and builds in build/ first, but for --list and --help.
END
}

# Of each program: the name, and what it is, from the first line of its source.
list() {
    for source in "$top"/demo/*.c; do
        ! grep -q '^int main' "$source" ||
            sed -n '1s/^\/\* \([a-z_]*\)\.c - \(.*\)/\1 \2/p' "$source"
    done | while read -r name words; do
        printf '%-20s %s\n' "$name" "$words"
    done
}

# The help of a program, as it stands in its source.
show_help() {
    sed -n '/^static const char help\[\] =/,/;$/s/^[^"]*"\(.*\)\\n";*$/\1/p' "$top/demo/$1.c"
}

name=sum_of_squares
case ${1-} in
--list)
    list
    exit
    ;;
--help) usage && echo && show_help "$name" && exit ;;
-* | '') ;;
*)
    name=$1
    shift
    ;;
esac
if ! list | cut -d ' ' -f 1 | grep -qxF -e "$name"; then
    printf "%s: there is no demo '%s', see --list\n" "$0" "$name" >&2
    exit 2
fi
for option; do
    [ "$option" != --help ] || { show_help "$name" && exit; }
done

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
# --backend remote needs libposse-remote.
case " $* " in
*' remote '*) set_remote=-DPOSSE_REMOTE=ON ;;
*) set_remote= ;;
esac
# shellcheck disable=SC2086 # some words or none
build "$top/build" "$name" -DPOSSE_DEMOS=ON $set_tests $set_remote

rm -rf "$scratch"
exec "$top/build/demo/$name" "$@"

#!/bin/sh
# usage: tests/lint/graph.sh FILE
#
# Writes the graph of lib/ to FILE, one line for each edge:
#
#   include FROM TO        the file FROM includes TO
#   call FROM TO SYMBOL    the object file of FROM uses a function or a table of TO
#   system FROM SYMBOL     it uses a function that lib/ does not define
#
# Files are named as "pool/wake.c"; those of the public functions as "./wait.c".
set -eu
cd "$(dirname "$0")/../../lib"
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT

# Unoptimized: what the compiler would inline or remove stays visible. The file that needs MPI is
# left out.
compile() {
    # shellcheck disable=SC2016 # the inner shell expands it
    find . -name '*.c' ! -path ./remote/mpi/ranks.c | sed 's|^\./||' |
        xargs -n 8 -P "$(nproc)" sh -ec '
        objects=$1
        shift
        for file; do
            mkdir -p "$objects/$(dirname "$file")"
            "${CC:-cc}" -std=c11 -w -O0 -D_GNU_SOURCE -I. -I../include -c "$file" \
                -o "$objects/$file"
        done' sh "$objects"
}

# Objects lie under their source's name, so nm -A prints "pool/wake.c: U pi_os_now".
symbols() {
    (cd "$objects" && find . -name '*.c' | sed 's|^\./||' | xargs nm -A) |
        sed 's/^\([^:]*\):[0-9a-f ]*/\1 /'
}

includes() {
    grep -rE --include='*.[ch]' '^ *# *include "' . |
        sed 's|^\./||; s/^\([^:]*\):[^"]*"\([^"]*\)".*/\1 \2/'
}

compile
includes | awk '
    function file(name) { return name ~ /\// ? name : "./" name }
    { print "include", file($1), file($2) }' >"$1"
symbols | awk '
    function file(name) { return name ~ /\// ? name : "./" name }
    $2 == "U" { uses[++n] = $1 " " $3 }
    $2 ~ /^[TDBRVW]$/ { home[$3] = file($1) }
    END {
        for (i = 1; i <= n; i++) {
            split(uses[i], use, " ")
            if (use[2] in home)
                print "call", file(use[1]), home[use[2]], use[2]
            else
                print "system", file(use[1]), use[2]
        }
    }' >>"$1"

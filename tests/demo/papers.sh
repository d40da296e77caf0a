#!/bin/sh
# papers.sh LIBRARY [PAPER...] - the programs that stand in README.md and demo/README.md, or in the
# papers given, compile against the library and print what stands below them.
#
# The words behind the three ticks of a block of code say what it is:
#
#   c             a whole program
#   c preamble    what stands before every recipe of this paper
#   c recipe      a program without the preamble
#   c remote      a recipe for posse_remote.h; left out unless REMOTE is libposse-remote
#   c openmp      a whole program for -fopenmp; left out where the compiler has no OpenMP
#   c thpool      a whole program for C-Thread-Pool; left out unless THPOOL is a directory with
#                 thpool.h and thpool.c
#   python        a whole program; left out where there is no python3
#   text WORD...  what the program above prints, run with these words; if it fails, its exit
#                 status follows, as "(exit status 134)"
#
# A heading that ends with "NN lines" tells how many lines the program below it has that are not
# empty. Other blocks are not looked at.
#
# Environment: CC, CFLAGS, THPOOL, REMOTE. Exit: 0 if all is so, 1 if not.
set -eu
library=$1
shift
top=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -gt 0 ] || set -- README.md demo/README.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
CC=${CC:-cc}
CFLAGS=${CFLAGS:-}
where=

fail() {
    printf 'FAILED: %s: %s\n' "$where" "$1" >&2
    exit 1
}

# compile <option>...: makes $scratch/program of $scratch/program.c
compile() {
    # shellcheck disable=SC2086 # lists of words
    $CC -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -Wno-unused-function $CFLAGS \
        -I"$top/include" "$@" "$scratch/program.c" -o "$scratch/program" "$library" \
        -Wl,-rpath,"$(dirname "$library")" -pthread >"$scratch/log" 2>&1
}

has_openmp() {
    cat >"$scratch/program.c" <<'END'
int main(void)
{
    int threads = 0;
#pragma omp parallel for reduction(+ : threads)
    for (int i = 0; i < 4; i++)
        threads++;
    return threads != 4;
}
END
    compile -fopenmp && "$scratch/program"
}

# make_program <block> <language> <word>: then program is how to run it; empty: it is left out
make_program() {
    program=$scratch/program
    case $2-$3 in
    c-)
        cp "$1" "$scratch/program.c"
        compile || fail "does not compile: $(cat "$scratch/log")"
        ;;
    c-recipe)
        cat "$scratch/preamble" "$1" >"$scratch/program.c"
        compile || fail "does not compile: $(cat "$scratch/log")"
        ;;
    c-remote)
        [ -n "${REMOTE:-}" ] || { leave_out "no libposse-remote" && return; }
        cat "$scratch/preamble" "$1" >"$scratch/program.c"
        compile -Wl,--no-as-needed "$REMOTE" -Wl,-rpath,"$(dirname "$REMOTE")" ||
            fail "does not compile: $(cat "$scratch/log")"
        ;;
    c-openmp)
        has_openmp || { leave_out "no OpenMP" && return; }
        cp "$1" "$scratch/program.c"
        compile -fopenmp || fail "does not compile: $(cat "$scratch/log")"
        ;;
    c-thpool)
        [ -n "${THPOOL:-}" ] || { leave_out "no C-Thread-Pool" && return; }
        cp "$1" "$scratch/program.c"
        compile -w -I"$THPOOL" "$THPOOL/thpool.c" || fail "does not compile: $(cat "$scratch/log")"
        ;;
    python-)
        command -v python3 >"$scratch/log" || { leave_out "no python3" && return; }
        cp "$1" "$scratch/program.py"
        program="python3 $scratch/program.py"
        ;;
    *) fail "unknown kind of block" ;;
    esac
}

leave_out() {
    printf '%s: left out: %s\n' "$where" "$1"
    program=
}

# expect_output <block> <word>...: the program, run with the words, prints the block.
expect_output() {
    expected=$1
    shift
    [ -n "$program" ] || return 0
    status=0
    # A shell of its own reports a signal into the log.
    (cd "$scratch" && { $program "$@" >out 2>err || exit $?; }) 2>"$scratch/log" || status=$?
    [ "$status" -eq 0 ] || printf '(exit status %d)\n' "$status" >>"$scratch/out"
    diff "$expected" "$scratch/out" || fail "prints the second: $(cat "$scratch/err")"
    printf '%s: ok\n' "$where"
}

# Puts each block that is looked at into a file of its own; a line for each: the file, the line of
# the paper, how many lines were promised or 0, and the words.
split_paper() {
    rm -f "$scratch"/block*
    awk -v prefix="$scratch/block" '
        /^#/ && !inside { promised = match($0, /[0-9]+ lines$/) ? substr($0, RSTART) + 0 : 0 }
        /^```/ && inside { inside = 0; if (wanted) close(file); next }
        /^```/ {
            inside = 1
            words = substr($0, 4)
            wanted = words ~ /^(c|python|text)( |$)/
            if (wanted) {
                file = prefix NR
                printf "" >file
                print file, NR, promised, words
                if (words !~ /^text/)
                    promised = 0
            }
            next
        }
        inside && wanted { print >file }' "$1"
}

# check_block <paper> <file> <line> <promised> <language> <word>...
check_block() {
    where=$1:$3
    block=$2
    promised=$4
    language=$5
    shift 5
    lines=$(grep -c . "$block")
    [ "$promised" -eq 0 ] || [ "$promised" -eq "$lines" ] || fail "has $lines lines, not $promised"
    case "$language ${1-}" in
    text*) expect_output "$block" "$@" ;;
    'c preamble') cp "$block" "$scratch/preamble" ;;
    *) make_program "$block" "$language" "${1-}" ;;
    esac
}

for paper; do
    split_paper "$top/$paper" >"$scratch/list"
    [ -s "$scratch/list" ] || fail "no programs in $paper"
    while read -r file line promised words; do
        # shellcheck disable=SC2086 # a list of words
        check_block "$paper" "$file" "$line" "$promised" $words </dev/null
    done <"$scratch/list"
done

#!/bin/sh
# run.sh BUILD_DIR - installs posse from there into a place of its own and checks its manual pages:
# against mandoc's rules, against what the headers declare and say, and that what cannot be
# understood in posse.h is refused.
# shellcheck disable=SC2086 # $headers is a list of words
set -eu
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export CC="${CC:-cc}" LC_ALL=C
command -v mandoc >"$scratch/log" || { echo "there is no mandoc" && exit 77; }

fail() {
    printf 'FAILED: %s\n' "$1" >&2
    exit 1
}

if ! cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/log" 2>&1; then
    cat "$scratch/log"
    fail "cannot install"
fi
header=$scratch/prefix/include/posse.h
headers=$(find "$scratch/prefix/include" -name '*.h')
man=$(find "$scratch/prefix" -name posse.7)
man=${man%/man7/posse.7}
[ -n "$man" ] || fail "there is no page posse(7)"

# as_text <page>: without the signs that print bold and underlined.
as_text() {
    mandoc -T ascii "$1" | sed "s/.$(printf '\b')//g"
}

# Nothing, not even of style. Pages that lie in no index of mandoc's are found all the same.
check_lint() {
    find "$man" -type f | while read -r page; do
        mandoc -M "$man" -T lint -W style "$page" 2>&1 | grep -v 'outdated mandoc.db' || :
    done >"$scratch/found"
    cat "$scratch/found"
    [ ! -s "$scratch/found" ] || fail "mandoc -T lint"
}

functions() {
    sed -n 's/^POSSE_API.*[ *]\(posse_[a-z_]*\)(.*/\1/p' $headers
}

# names_in <text of a page>: the names before the dash, each on a line.
names_in() {
    sed -n '/^NAME/,/^[A-Z]*$/p' "$1" | sed -e 1d -e '/ - /q' | sed 's/ - .*//' | tr -s ' ,' '\n'
}

# Each function has a page of its name, whose NAME section lists it.
check_names() {
    [ "$(functions | wc -l)" -eq "$(cat $headers | grep -c '^POSSE_API')" ] ||
        fail "this test does not find all functions of the headers"
    for name in $(functions); do
        [ -e "$man/man3/$name.3" ] || fail "no page $name(3)"
        as_text "$man/man3/$name.3" >"$scratch/page"
        names_in "$scratch/page" | grep -qx "$name" || fail "$name(3) is not in its NAME section"
        printf '%s %s\n' "$name" "$(tr -d ' \n' <"$scratch/page" | sed 's/([37])//g')"
    done >"$scratch/pages"
}

types() {
    sed -n -e 's/^typedef [^(]*[ *]\(posse_[a-z_]*\)[(;].*/\1/p' \
        -e 's/^} \(posse_[a-z_]*\);/\1/p' $headers
}

# Each type has one that speaks of it.
check_types() {
    [ "$(types | wc -l)" -eq "$(cat $headers | grep -c '^typedef')" ] ||
        fail "this test does not find all types of the headers"
    for name in $(types); do
        [ -e "$man/man3/$name.3" ] || fail "no page $name(3)"
        as_text "$man/man3/$name.3" | grep -qw "$name" || fail "$name(3) does not name it"
    done
}

# Each page has the prototypes and all that the comments above them say.
check_contracts() {
    awk -f "$here/contract.awk" "$scratch/pages" $headers >"$scratch/lacks"
    cat "$scratch/lacks"
    [ ! -s "$scratch/lacks" ] || fail "pages that lack something"
}

check_statuses() {
    as_text "$man/man3/posse_status.3" >"$scratch/page"
    sed -n 's/^ *X(\(POSSE_[A-Z_]*\),.*/\1/p' "$header" >"$scratch/statuses"
    grep -qx POSSE_OK "$scratch/statuses" || fail "no statuses found in posse.h"
    while read -r status; do
        grep -qw "$status" "$scratch/page" || fail "$status is not in posse_status(3)"
    done <"$scratch/statuses"
}

check_example() {
    sed -n '/^\.Bd -literal/,/^\.Ed/p' "$man/man7/posse.7" |
        sed -e '/^\./d' -e 's/\\e/\\/g' >"$scratch/example.c"
    grep -q main "$scratch/example.c" || fail "no example found in posse(7)"
    "$CC" -std=c11 -Wall -Wextra -Werror -I"$(dirname "$header")" -fsyntax-only \
        "$scratch/example.c" || fail "the example of posse(7)"
}

# refuses <what it is> <script of sed that makes it of posse.h>
refuses() {
    mkdir -p "$scratch/others"
    cp $headers "$scratch/others"
    sed "$2" "$header" >"$scratch/others/posse.h"
    ! cmp -s "$header" "$scratch/others/posse.h" || fail "cannot make, of posse.h: $1"
    ! sh "$top/lib/man/make.sh" "$scratch/others/posse.h" "$scratch/other" >"$scratch/log" 2>&1 ||
        fail "pages are made, and should not be: $1"
    grep -q '^posse.h:[0-9]*: ' "$scratch/log" && return
    cat "$scratch/log"
    fail "no place is named: $1"
}

check_refusals() {
    version='^POSSE_API const char \*posse_version(void);'
    refuses "a function that returns a function" \
        "s/$version/POSSE_API int (*posse_version(void))(int);/"
    refuses "a variable" "s/$version/POSSE_API const char *posse_version;/"
    refuses "a declaration without its end" "\$s/.*/POSSE_API int posse_other(void)/"
    refuses "a comment without its end" "\$s/.*/\/* The rest./"
    refuses "a function without a comment" "s/$version/\\
&/"
    refuses "a function that is not posse's" "\$s/.*/extern int posse_other(void);/"
    refuses "a section without a page" "\$s/.*/\/* ---- other ---- *\//"
    refuses "a struct in a struct" 's/^    uint32_t slot;/    struct { uint32_t slot; } slot;/'
    refuses "a status without a number" 's/X(POSSE_FULL, 8/X(POSSE_FULL, EIGHT/'
    refuses "a comment about a status that there is not" \
        's/^ \* POSSE_TIMEOUT:/ * POSSE_OTHER:/'
    refuses "a comment about a call that there is not" 's/^ \* .*posse_release/& posse_other/'
}

# Each constant and member of posse_seal.h is in posse_seal(7), as is each call that a seal allows,
# and what is otherwise for the process of a task.
check_seal() {
    as_text "$man/man7/posse_seal.7" >"$scratch/page"
    {
        sed -n -e 's/^#define \(POSSE_ALLOW_[A-Z]*\) .*/\1/p' \
            -e 's/^    [a-z_0-9 *]*[ *]\([a-z_]*\);.*/\1/p' "${header%.h}_seal.h"
        grep -v '^ \*' "$top/lib/os/seal_rules.h" | grep -o 'RULE([a-z0-9_]*' | sed 's/RULE(//'
    } >"$scratch/named"
    for name in POSSE_ALLOW_FILES n_readable futex; do
        grep -qx "$name" "$scratch/named" || fail "this test does not find $name"
    done
    while read -r name; do
        grep -qw "$name" "$scratch/page" || fail "$name is not in posse_seal(7)"
    done <"$scratch/named"
    sed -n '/with POSSE_FRESH, only so/,/not with POSSE_FRESH/p' "$scratch/page" >"$scratch/tasks"
    sed -n '/^#define PI_OS_TASK_CALLS/,/[^\\]$/p' "$top/lib/os/seal_rules.h" |
        grep -o 'CALL([a-z][a-z0-9_]*' | sed 's/CALL(//' >"$scratch/named"
    grep -qx mremap "$scratch/named" || fail "this test does not find the calls of tasks"
    while read -r name; do
        grep -qw "$name" "$scratch/tasks" || fail "$name of tasks is not in posse_seal(7)"
    done <"$scratch/named"
}

# Each option of posse-top is on its page, and the other way round.
check_top() {
    top_page=$man/man1/posse-top.1
    [ -e "$top_page" ] || return 0 # not built
    sed -n 's/^\.It Fl -\([a-z]*\).*/--\1/p' "$top_page" | sort >"$scratch/named"
    "$scratch/prefix/bin/posse-top" --help | grep -o -e '--[a-z][a-z]*' | sort -u |
        diff - "$scratch/named" || fail "the options of posse-top"
}

# The words that posse-relay asks for are those of its page. Without them it needs no mpirun.
check_relay() {
    relay=$(find "$scratch/prefix" -name posse-relay -type f)
    [ -n "$relay" ] || return 0 # not built
    [ -e "$man/man1/posse-relay.1" ] || fail "no page posse-relay(1)"
    as_text "$man/man1/posse-relay.1" | tr -s ' \n' ' ' >"$scratch/page"
    "$relay" 2>&1 | sed 's/.*posse-relay //' | tr '[:upper:]' '[:lower:]' >"$scratch/usage"
    grep -qF "posse-relay $(cat "$scratch/usage")" "$scratch/page" ||
        fail "the arguments of posse-relay"
}

check_lint
check_top
check_relay
check_names
check_seal
check_types
check_contracts
check_statuses
check_example
check_refusals
echo "$(functions | wc -l) functions and $(types | wc -l) types on $(find "$man" -type f |
    wc -l) pages"

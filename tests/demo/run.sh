#!/bin/sh
# run.sh DEMO_RUN NAME... - checks the parts of demo/run.sh that build nothing: it lists the demos
# of these names, each with what it is, and knows no others.
set -eu
run=$1
shift
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    printf 'FAILED: %s\n' "$1" >&2
    exit 1
}

sh "$run" --list >"$scratch/list"
grep -c '^[a-z_][a-z_]*  *[^ ].*\.$' "$scratch/list" | grep -qx $# || fail "--list: not $# demos"
for name; do
    grep -q "^$name  *[^ ]" "$scratch/list" || fail "--list does not have $name"
done

for name in http common none .. 'sum_of' '.*' 'download.c'; do
    status=0
    sh "$run" "$name" >"$scratch/out" 2>"$scratch/err" || status=$?
    [ "$status" -eq 2 ] || fail "exit status $status for $name"
    [ "$(wc -l <"$scratch/err")" -eq 1 ] || fail "not one line on stderr for $name"
    [ ! -s "$scratch/out" ] || fail "output for $name"
done

#!/bin/sh
# run.sh DEMO_RUN DIRECTORY NAME... - checks the parts of demo/run.sh that build nothing: it lists
# the demos of these names, each with what it is, and knows no others. It says of each what the
# program in the directory says of itself.
set -eu
run=$1
programs=$2
shift 2
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

# Without any tool to build with.
mkdir "$scratch/bin"
for tool in sed grep cut cat dirname sh; do
    ln -s "$(command -v $tool)" "$scratch/bin/$tool"
done
for name; do
    "$programs/$name" --help >"$scratch/said"
    PATH=$scratch/bin sh "$run" "$name" --workers 3 --help >"$scratch/help" ||
        fail "exit status of $name --help"
    diff "$scratch/said" "$scratch/help" || fail "$name --help (<) and $run $name --help (>)"
done
PATH=$scratch/bin sh "$run" --help >"$scratch/help" || fail "exit status of --help"
for option in --list --backend; do
    grep -q -- "$option" "$scratch/help" || fail "--help does not tell of $option"
done

for name in http common none .. 'sum_of' '.*' 'download.c'; do
    status=0
    sh "$run" "$name" >"$scratch/out" 2>"$scratch/err" || status=$?
    [ "$status" -eq 2 ] || fail "exit status $status for $name"
    [ "$(wc -l <"$scratch/err")" -eq 1 ] || fail "not one line on stderr for $name"
    [ ! -s "$scratch/out" ] || fail "output for $name"
done

#!/bin/sh
# sum_of_squares.sh PROGRAM BACKEND - checks what the demo prints, and how it ends.
set -eu
program=$1
backend=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    printf 'FAILED: %s\n' "$1" >&2
    exit 1
}

run() {
    status=0
    "$program" --backend "$backend" "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
}

# expect_sums <option>...: the sums on stdin, then three lines of times, and nothing on stderr.
expect_sums() {
    run "$@"
    [ "$status" -eq 0 ] || fail "exit status $status with $*: $(cat "$scratch/err")"
    [ ! -s "$scratch/err" ] || fail "stderr with $*: $(cat "$scratch/err")"
    cat - >"$scratch/sums"
    head -n -3 "$scratch/out" | diff "$scratch/sums" - || fail "sums with $*"
    tail -n 3 "$scratch/out" | tr -d '0-9' | tr '\n' ';' >"$scratch/times"
    [ "$(cat "$scratch/times")" = "serial: . s;$backend: . s;speed-up: .;" ] ||
        fail "times with $*: $(cat "$scratch/out")"
}

# expect_misuse <option>...: exit status 2 and one line on stderr.
expect_misuse() {
    run "$@"
    [ "$status" -eq 2 ] || fail "exit status $status with $*"
    [ ! -s "$scratch/out" ] || fail "output with $*"
    [ "$(wc -l <"$scratch/err")" -eq 1 ] || fail "not one line on stderr with $*"
}

expect_sums --from 0 --count 6 <<'END'
0 0
1 0
2 1
3 5
4 14
5 30
END

# Past 64 bits, and one worker.
expect_sums --from 5000000 --count 2 --workers 1 <<'END'
5000000 41666654166667500000
5000001 41666679166667500000
END

expect_sums --from 1000 --count 1 --workers 3 <<'END'
1000 332833500
END

expect_misuse --workers 0
expect_misuse --workers 1001
expect_misuse --workers -1
expect_misuse --count 0
expect_misuse --count ''
expect_misuse --count 3x
expect_misuse --count ' 3'
expect_misuse --from 99999999999999999999
expect_misuse --from
expect_misuse --backend fibre
expect_misuse --unknown
expect_misuse word

run --help
[ "$status" -eq 0 ] || fail "exit status $status with --help"
grep -q -- --backend "$scratch/out" || fail "--help shows no flags"

# In a pipe whole lines, up to all of them, for both ways.
run --from 10 --count 25 --progress
[ "$status" -eq 0 ] || fail "--progress"
[ "$(wc -l <"$scratch/err")" -eq 20 ] || fail "--progress: not a line for every tenth"
[ "$(grep -c '25 of 25$' "$scratch/err")" -eq 2 ] || fail "--progress does not reach the end"

# On a terminal one line each.
if command -v script >"$scratch/out"; then
    script -qec "$program --backend $backend --from 10 --count 3 --progress" "$scratch/tty" \
        >"$scratch/out" </dev/null
    tr '\r' '\n' <"$scratch/out" >"$scratch/lines"
    grep -q '^serial: 1 of 3$' "$scratch/lines" || fail "--progress on a terminal"
    [ "$(grep -c 'of 3' "$scratch/out")" -eq 2 ] || fail "--progress takes more than a line"
fi

# What cannot be written is an error.
if [ -c /dev/full ]; then
    status=0
    "$program" --backend "$backend" --from 1 >/dev/full 2>"$scratch/err" || status=$?
    [ "$status" -eq 1 ] || fail "exit status $status on a full disk"
    [ "$(wc -l <"$scratch/err")" -eq 1 ] || fail "not one line on stderr on a full disk"
fi

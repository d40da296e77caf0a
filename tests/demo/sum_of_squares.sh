#!/bin/sh
# sum_of_squares.sh PROGRAM BACKEND - checks what the demo prints, and how it ends.
set -eu
# shellcheck source=tests/demo/lib.sh
. "$(dirname "$0")/lib.sh"

# expect_sums <option>...: the sums on stdin once, then three lines of times; nothing on stderr.
expect_sums() {
    expect_success --seconds 0 "$@"
    cat - >"$scratch/sums"
    head -n -3 "$scratch/out" | diff "$scratch/sums" - || fail "sums with $*"
    tail -n 3 "$scratch/out" | tr -d '0-9' | tr '\n' ';' >"$scratch/times"
    [ "$(cat "$scratch/times")" = "serial: . s;$backend: . s;speed-up: ., the median of ;" ] ||
        fail "times with $*: $(cat "$scratch/out")"
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

# Again and again, as without --seconds.
expect_success --from 100 --count 1
tail -n 1 "$scratch/out" | grep -q ', the median of [1-9][0-9]*$' || fail "no rounds"

# A trace has a run for each sum, and a picture shows each.
for format in json svg; do
    run --from 10 --count 7 --seconds 0 --trace "$scratch/trace.$format"
    [ "$status" -eq 0 ] || fail "--trace"
done
[ "$(grep -c '"cat":"task".*"outcome":"done"' "$scratch/trace.json")" -eq 7 ] || fail "the trace"
[ "$(grep -c '<rect class="run done"' "$scratch/trace.svg")" -eq 7 ] || fail "the picture"
run --from 10 --count 7 --seconds 0 --trace "$scratch/nowhere/trace.svg"
[ "$status" -eq 1 ] || fail "--trace to a file that cannot be"
grep -q 'nowhere/trace.svg: ' "$scratch/err" || fail "--trace does not name the file"

# Agents on this machine, where the demo is built with them.
if "$program" --backend remote --from 1 --count 1 --seconds 0 >"$scratch/out" 2>"$scratch/err"; then
    run_backend=$backend
    backend=remote
    expect_sums --from 1000 --count 3 --workers 2 <<'END'
1000 332833500
1001 333833500
1002 334835501
END
    backend=$run_backend
fi
run --nodes a --seconds 0
[ "$status" -eq 2 ] || fail "--nodes without --backend remote"

expect_manners --from 1 --seconds 0
expect_misuse --seconds -1
expect_misuse --seconds 0.5
expect_misuse --workers 0
expect_misuse --workers 1001
expect_misuse --workers -1
expect_misuse --count 0
expect_misuse --count ''
expect_misuse --count 3x
expect_misuse --count ' 3'
expect_misuse --from 99999999999999999999
expect_misuse --from
expect_misuse word

# In a pipe whole lines, up to all of them, for both ways.
run --from 10 --count 25 --seconds 0 --progress
[ "$status" -eq 0 ] || fail "--progress"
[ "$(wc -l <"$scratch/err")" -eq 20 ] || fail "--progress: not a line for every tenth"
[ "$(grep -c '25 of 25$' "$scratch/err")" -eq 2 ] || fail "--progress does not reach the end"

# On a terminal one line each.
if command -v script >"$scratch/out"; then
    script -qec "$program --backend $backend --from 10 --count 3 --seconds 0 --progress" \
        "$scratch/tty" >"$scratch/out" </dev/null
    tr '\r' '\n' <"$scratch/out" >"$scratch/lines"
    grep -q '^serial: 1 of 3$' "$scratch/lines" || fail "--progress on a terminal"
    [ "$(grep -c 'of 3' "$scratch/out")" -eq 2 ] || fail "--progress takes more than a line"
fi

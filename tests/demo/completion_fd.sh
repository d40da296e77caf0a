#!/bin/sh
# completion_fd.sh PROGRAM BACKEND - numbers go in, at once and one by one, and results come out.
# shellcheck disable=SC2119 # some calls have no options
set -eu
# shellcheck source=tests/demo/lib.sh
. "$(dirname "$0")/lib.sh"

# feed <option>...: what is on stdin goes in; the results come in an order of their own.
feed() {
    expect_success "$@"
    sort "$scratch/out" >"$scratch/sorted"
}

printf '1000\n10\n\nabc\n-1\n10000001\n0\n100' | {
    feed
    sort <<'END' | diff - "$scratch/sorted" || fail "the results"
168 primes below 1000
4 primes below 10
'' is not a number from 0 to 10000000
'abc' is not a number from 0 to 10000000
'-1' is not a number from 0 to 10000000
'10000001' is not a number from 0 to 10000000
0 primes below 0
25 primes below 100
END
}

# A result is printed while stdin is still open: the next number is only given after it.
mkfifo "$scratch/in"
"$program" --backend "$backend" <"$scratch/in" >"$scratch/out" &
pid=$!
trap 'kill "$pid" 2>"$scratch/err" || :; rm -rf "$scratch"' EXIT
exec 3>"$scratch/in"
for n in 10 100; do
    echo "$n" >&3
    tries=0
    until grep -q "primes below $n\$" "$scratch/out"; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "no result for $n while stdin is open"
        sleep 0.1
    done
done
exec 3>&-
wait "$pid" || fail "exit status $? at the end of stdin"
trap 'rm -rf "$scratch"' EXIT

# Many, by few workers, and none.
seq 500 | feed --workers 2
[ "$(wc -l <"$scratch/sorted")" -eq 500 ] || fail "not a result for each of 500"
[ "$(uniq "$scratch/sorted" | wc -l)" -eq 500 ] || fail "a result was given twice"
expect_output </dev/null

echo 10 >"$scratch/ten"
status=0
if [ -c /dev/full ]; then
    "$program" --backend "$backend" <"$scratch/ten" >/dev/full 2>"$scratch/err" || status=$?
    [ "$status" -eq 1 ] || fail "exit status $status on a full disk"
fi
expect_misuse --backend fibre
expect_misuse --workers 0
expect_misuse word
run --help
[ "$status" -eq 0 ] || fail "exit status $status with --help"

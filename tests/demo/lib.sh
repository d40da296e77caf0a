# lib.sh PROGRAM BACKEND - what the tests of the demos share; read by each.
# shellcheck shell=sh
program=$1
backend=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    printf 'FAILED: %s\n' "$1" >&2
    exit 1
}

# run <option>...: its exit status is in $status, what it printed in $scratch/out and $scratch/err.
run() {
    status=0
    "$program" --backend "$backend" "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
}

# expect_success <option>...: exit status 0, and nothing on stderr.
expect_success() {
    run "$@"
    [ "$status" -eq 0 ] || fail "exit status $status with $*: $(cat "$scratch/err")"
    [ ! -s "$scratch/err" ] || fail "stderr with $*: $(cat "$scratch/err")"
}

# expect_output <option>...: it prints what is on stdin.
expect_output() {
    expect_success "$@"
    cat - >"$scratch/expected"
    diff "$scratch/expected" "$scratch/out" || fail "output with $*"
}

# expect_lines <basic regular expression>...: each describes a whole line, and there are no others.
expect_lines() {
    [ "$(wc -l <"$scratch/out")" -eq $# ] || fail "not $# lines: $(cat "$scratch/out")"
    line=0
    for pattern; do
        line=$((line + 1))
        sed -n "${line}p" "$scratch/out" | grep -qx -- "$pattern" ||
            fail "line $line is not '$pattern': $(cat "$scratch/out")"
    done
}

# expect_misuse <option>...: exit status 2 and one line on stderr.
expect_misuse() {
    run "$@"
    [ "$status" -eq 2 ] || fail "exit status $status with $*"
    [ ! -s "$scratch/out" ] || fail "output with $*"
    [ "$(wc -l <"$scratch/err")" -eq 1 ] || fail "not one line on stderr with $*"
}

# What every demo does, with the options that make it do little.
expect_manners() {
    expect_misuse --backend fibre
    expect_misuse --backend
    expect_misuse --unknown
    run --help
    [ "$status" -eq 0 ] || fail "exit status $status with --help"
    grep -q -- --backend "$scratch/out" || fail "--help shows no flags"
    if [ -c /dev/full ]; then
        status=0
        "$program" --backend "$backend" "$@" >/dev/full 2>"$scratch/err" </dev/null || status=$?
        [ "$status" -eq 1 ] || fail "exit status $status on a full disk"
        [ "$(wc -l <"$scratch/err")" -eq 1 ] || fail "not one line on stderr on a full disk"
    fi
}

# For those that cannot run inline.
expect_no_inline() {
    backend=inline
    expect_misuse
}

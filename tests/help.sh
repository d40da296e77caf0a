#!/bin/sh
# help.sh - every command of the repository tells its use, where nothing is installed that builds,
# and tests/run.sh refuses an option that neither it nor ctest has.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
for tool in bash cat cut dirname grep mktemp rm sed sh; do
    ln -s "$(command -v $tool)" "$bin/$tool"
done

for command in .ci/run demo/run.sh tests/run.sh tests/lint.sh tests/fresh.sh \
    tests/bench/compare.sh tests/bench/growth.sh tests/bench/scaling.sh \
    demo/decode_untrusted/make_corpus.sh demo/decode_untrusted/bench.sh; do
    shell='sh'
    [ "$command" != .ci/run ] || shell='bash'
    PATH=$bin $shell "$top/$command" --help >"$bin/said" 2>"$bin/errors" || {
        cat "$bin/errors"
        echo "FAILED: $command --help"
        exit 1
    }
    grep -qi 'usage: ' "$bin/said" || { echo "FAILED: $command --help tells no usage" && exit 1; }
done

status=0
PATH=$bin sh "$top/tests/run.sh" --nonsense >"$bin/said" 2>&1 || status=$?
[ "$status" -eq 2 ] || { echo "FAILED: tests/run.sh --nonsense ends with $status" && exit 1; }
grep -q 'usage: ' "$bin/said" || { echo "FAILED: it tells no usage" && exit 1; }

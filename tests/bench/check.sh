#!/bin/sh
# usage: tests/bench/check.sh DIRECTORY
#
# Checks growth.sh, compare.sh and posse_openmp on tiny counts or made-up figures; no time is
# looked at. Their programs are in DIRECTORY.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

failed() {
    echo "FAILED: $1"
    exit 1
}

"$here/growth.sh" -b "$bin/posse_bench" -n 2 -o "$scratch/growth" --smoke >"$scratch/points"
for chart in tasks-time tasks-memory tasks-given-back workers-create workers-time workers-memory \
    arguments; do
    grep -q '<polyline' "$scratch/growth/$chart.svg" || failed "growth.sh draws $chart"
done
[ "$(grep -c '^posse thread  *3 ' "$scratch/points")" = 3 ] ||
    failed "one point for both rounds: time, memory and start of 3 workers"

if [ -x "$bin/posse_openmp" ]; then
    "$bin/posse_openmp" --smoke | grep -q '"scenario":"map"' || failed "posse_openmp has a figure"
fi
command -v python3 >/dev/null || exit 0 # compare.sh needs it

# A machine on which every figure of posse is 6, of the limits 2, and nobody has oneTBB.
mkdir "$scratch/peers" "$scratch/bin"
cat >"$scratch/peers/run.sh" <<'END'
[ "$1" = limits ] || exit 1
for scenario in submit roundtrip-hot roundtrip-parked; do
    echo "{\"who\":\"limit\",\"scenario\":\"$scenario\",\"value\":2,\"unit\":\"us\"}"
done
END
cat >"$scratch/bin/posse_bench" <<'END'
#!/bin/sh
backend=$2
shift 2
for scenario in "$@"; do
    case $scenario in
    submit) all='submit submit-many' ;;
    roundtrip) all='roundtrip-hot roundtrip-parked' ;;
    *) all=$scenario ;;
    esac
    for name in $all; do
        echo "{\"who\":\"posse $backend\",\"scenario\":\"$name\",\"value\":6,\"unit\":\"us\"}"
    done
done
END
printf '#!/bin/sh\n' >"$scratch/bin/sleep"
chmod +x "$scratch/bin/posse_bench" "$scratch/bin/sleep"

# compare <rounds>
compare() {
    PATH=$scratch/bin:$PATH "$here/compare.sh" -n "$1" -b "$scratch/bin/posse_bench" \
        "$scratch/peers" >"$scratch/table" 2>"$scratch/log" || failed "$(cat "$scratch/log")"
}

# row <cells>
row() {
    grep -qF "| $1 |" "$scratch/table" || {
        cat "$scratch/table"
        failed "compare.sh prints: $1"
    }
}

compare 5
row 'submit | posse process | limit | 3.00 | 3.00 to 3.00 | 5 | ≤ 3 | yes'
row 'submit-many | posse thread | limit | 3.00 | 3.00 to 3.00 | 5 | ≤ 2.5 | no'
row 'roundtrip-parked | posse process | limit | 3.00 | 3.00 to 3.00 | 5 | ≤ 1.25 | no'
row 'memory | posse thread | (us) | 6 | 6 to 6 | 5 | ≤ 200 | yes'
row 'submit | posse process | oneTBB task_group | no figure of oneTBB task_group |  | 0 | ≤ 0.35 | '
compare 4
row 'submit | posse process | limit | 3.00 | 3.00 to 3.00 | 4 | ≤ 3 | fewer than 5 rounds'

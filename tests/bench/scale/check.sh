#!/bin/sh
# usage: tests/bench/scale/check.sh DIRECTORY
#
# Checks posse_simulate, posse_curves and scaling.sh by what holds for any protocol and on any
# machine. Their programs are in DIRECTORY.
# shellcheck disable=SC2016 # the conditions are of awk
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bin=$1
simulate=$bin/posse_simulate
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

failed() {
    echo "FAILED: $1"
    exit 1
}

# all <what must hold> <condition of awk on each row> <option>...: runs the simulation
all() {
    what=$1
    condition=$2
    shift 2
    "$simulate" --tasks 2000 --detail "$@" >"$scratch/rows"
    awk "NR > 1 { n++ } NR > 1 && !($condition) { print; bad = 1 } END { exit bad || !n }" \
        "$scratch/rows" || failed "$what"
}

# value <column> <option>...: of the only row
value() {
    column=$1
    shift
    "$simulate" --tasks 2000 --detail "$@" | awk -v column="$column" 'NR == 2 { print $column }'
}

# less <a> <b> <what>
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }' || failed "$3: $1 and $2"; }

set -- today batches one-ring take:8,wakes:4 rings:4 direct:1,spin:8 many:8,stash:1

"$simulate" --tasks 2000 --workers 1,3,16 --submitters 2 "$@" >"$scratch/first"
"$simulate" --tasks 2000 --workers 1,3,16 --submitters 2 "$@" >"$scratch/second"
cmp "$scratch/first" "$scratch/second" || failed "two runs are the same"

# Rows that mirror posse name its functions: "claim_head: word". Others begin with "(".
sed -n 's/.*{"\([a-z][^"]*\)", .*/\1/p' "$here/rows.c" | sed 's/:.*//' | tr -d ' ' | tr ',' '\n' |
    sort -u >"$scratch/names"
while read -r name; do
    grep -rqw "$name" "$here/../../../lib" || failed "a row names $name, which is not in lib"
done <"$scratch/names"
[ "$(wc -l <"$scratch/names")" -gt 20 ] || failed "the rows have names"

# Columns: 3 workers, 4 length, 6 ns a task, 7 % of the ideal, 8 transfers.
all "one cache: no line moves, but for its first use" '$8 < 1.5' --one-cache --workers 1,8 "$@"
all "two processors: lines move" '$8 > 1' --workers 1 today
all "nobody is faster than the ideal" '$4 == 0 || $7 <= 101' --workers 1,2,8,16 "$@"
all "few workers and long tasks: near the ideal" '$7 > 90' --workers 1,2,4 --lengths 100 "$@"
all "if nothing costs anything, all are near the ideal" '$7 > 90' --workers 1,4,16 --lengths 100 \
    --transfer 0 --far 0 --shared 0 --invalidate 0 --occupied 0 --locked 0 --post 0 --wake 0 "$@"
less "$(value 6 --workers 4 --lengths 10)" "$(value 6 --workers 2 --lengths 10)" \
    "four workers are faster than two at long tasks"
less "$(value 6 --workers 1 --lengths 0)" "$(value 6 --workers 1 --lengths 0 --transfer 100)" \
    "dear transfers cost more"

set -- --workers 4 --lengths 0 --submitters 2
less "$(value 8 "$@" stash:1)" "$(value 8 "$@" stash:0)" "with stashes fewer lines move"
[ "$(value 8 "$@" stash:0)" = "$(value 8 "$@" today)" ] || failed "four workers: no stash"
set -- --workers 16 --lengths 0 --submitters 2
[ "$(value 8 "$@" stash:1)" = "$(value 8 "$@" today)" ] || failed "16 workers: stashes"
less "$(value 8 "$@" stash:1)" "$(value 8 "$@" stash:0)" "stashes can be left out"

"$simulate" --tasks 2000 --workers 1,2,4 --lengths 2 --svg "$scratch/chart.svg" >/dev/null
grep -q '</svg>' "$scratch/chart.svg" || failed "the simulation draws"
for figure in 10:ns:20 10:ns:12 10:ns:40 100:ns:7 1000:GB/s:5 1000:GB/s:9; do
    size=${figure%%:*} rest=${figure#*:}
    echo "{\"who\":\"a\",\"scenario\":\"it-$size\",\"value\":${rest#*:},\"unit\":\"${rest%:*}\"}"
done | "$bin/posse_curves" it Title x y "$scratch/curve.svg" >"$scratch/points"
grep -q '<polyline' "$scratch/curve.svg" || failed "curves are drawn"
best=$(awk 'NR > 1 && NF { printf "%s:%s ", $2, $3 }' "$scratch/points")
[ "$best" = "10:12 100:7 1000:9 " ] ||
    failed "the best figure of each size is drawn"

"$here/../scaling.sh" -b "$bin/posse_bench" -w '1 2' --smoke >"$scratch/measured"
[ "$(wc -l <"$scratch/measured")" = 21 ] || failed "scaling.sh prints all rows"
[ "$(head -n 1 "$scratch/first")" = "$(head -n 1 "$scratch/measured")" ] ||
    failed "both tables have the same columns"

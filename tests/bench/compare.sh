#!/bin/sh
# compare.sh - posse beside what the machine allows and what a user would pick instead.
#
# Usage: compare.sh [-n ROUNDS] [-b POSSE_BENCH] [-o FILE] [PEERS]
#
#   PEERS           directory of the peers, with their run.sh; or the variable PEERS
#   -n ROUNDS       how often everything is run; 5 without it
#   -b POSSE_BENCH  the program; or the variable POSSE_BENCH; without both that of build/
#   -o FILE         keeps every figure there, one JSON object a line
#
# The machine is shared and noisy, and its mood lasts for seconds to minutes. So limits, peers and
# posse run by turns, scenario by scenario, and a ratio is made of two figures of the same round;
# what is printed is the median of the rounds. Output: two tables in Markdown, and how busy others
# kept the processors just before each round. Over a few percent no ratio can be trusted: where
# they must be shared, whoever has more threads gets more of them, and posse has one more than
# oneTBB. A metg50 of 1,000,000 means "not found" and counts as no figure.
# PEERS_BUILD is where the peers' run.sh builds. Exit status: 0, 1 if a program failed, 2 for a
# wrong command line.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
rounds=5
bench=${POSSE_BENCH:-$here/../../build/tests/bench/posse_bench}
keep=

wrong() {
    echo "compare.sh: $1" >&2
    exit 2
}

# The comment above is the help.
case ${1-} in
--help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit ;;
esac
while getopts n:b:o: option; do
    case $option in
    n) rounds=$OPTARG ;;
    b) bench=$OPTARG ;;
    o) keep=$OPTARG ;;
    *) exit 2 ;; # getopts has said why
    esac
done
shift $((OPTIND - 1))
[ $# -le 1 ] || wrong "one directory, not $#"
peers=${1:-${PEERS:-}}
[ -n "$peers" ] || wrong "where are the peers? Give their directory, or set PEERS"
[ -f "$peers/run.sh" ] || wrong "no run.sh in '$peers'"
[ -x "$bench" ] || wrong "no program '$bench'; -b gives it"
case $rounds in
'' | *[!0-9]* | 0*) wrong "'$rounds' is not a number of rounds" ;;
esac

log=$(mktemp)
part=$(mktemp)
trap 'rm -f "$log" "$part"' EXIT
trap 'exit 1' HUP INT TERM

# Runs a command and puts its lines into the log, each with the round before it.
run() {
    echo "round $round of $rounds: $*" >&2
    timeout 1800 "$@" >"$part" || {
        echo "compare.sh: failed: $*" >&2
        exit 1
    }
    sed "s/^/$round /" "$part" >>"$log"
}

# Ticks that the processors have worked, and all of their ticks.
ticks() {
    awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8 + $9, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9 }' \
        /proc/stat 2>/dev/null || true
}

# Percent of the processors that others use while we sleep; nothing where there is no /proc/stat.
busy() {
    before=$(ticks)
    sleep 2
    echo "$before $(ticks)" |
        awk 'NF == 4 && $4 > $2 { printf "%.0f ", ($3 - $1) / ($4 - $2) * 100 }'
}

posse() {
    for backend in process thread; do
        run "$bench" --backend "$backend" "$@"
    done
}

others=
for round in $(seq "$rounds"); do
    others=$others$(busy)
    for scenario in submit roundtrip metg50 map; do
        run env SCENARIOS="$scenario" sh "$peers/run.sh" native
        [ $scenario != roundtrip ] || run sh "$peers/run.sh" limits # right before what it limits
        posse $scenario
    done
    posse as-completed payload memcpy lifecycle idle memory sum
    run "$bench" --backend process recover
done

[ -z "$keep" ] || sed 's/^[0-9]* //' "$log" >"$keep"

python3 - "$log" "$others" <<'PROGRAM'
import json
import statistics
import sys

figures = {}  # scenario -> who -> round -> value
units = {}
for line in open(sys.argv[1]):
    number, text = line.split(" ", 1)
    figure = json.loads(text)
    scenario = figure["scenario"]
    if figure["who"] == "limit" and scenario == "payload":
        scenario = "memcpy"  # that is what it measures
    if scenario == "metg50" and figure["value"] >= 1e6:
        continue  # not found
    units[scenario] = figure["unit"]
    figures.setdefault(scenario, {}).setdefault(figure["who"], {})[int(number)] = figure["value"]


def short(value):
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(head, rows):
    for cells in [head, ["---"] * len(head)] + rows:
        print("| " + " | ".join(cells) + " |")


whos = []
for by_who in figures.values():
    whos += [who for who in by_who if who not in whos]
whos.sort(key=lambda who: (who != "limit", not who.startswith("posse")))  # stable
order = ["submit", "submit-many", "roundtrip-hot", "roundtrip-parked", "metg50", "sum", "map",
         "map-plain",
         "map-shared", "map-plain-items", "map-shared-items", "as-completed-1000",
         "as-completed-100000", "as-completed-1000000", "payload",
         "payload-reserve", "payload-copy", "memcpy", "lifecycle", "recover", "recover-busy",
         "idle", "idle-switches", "memory"]
medians = []
for scenario in [s for s in order if s in figures] + [s for s in figures if s not in order]:
    by_who = figures[scenario]
    cells = [short(statistics.median(by_who[w].values())) if w in by_who else "" for w in whos]
    medians.append([f"{scenario}, {units[scenario]}"] + cells)
table(["median"] + whos, medians)

same = "the same"
wanted = [
    ("submit", "oneTBB task_group", "submit"),
    ("submit-many", "limit", "submit"),
    ("roundtrip-hot", "limit", "roundtrip-hot"),
    ("roundtrip-parked", "limit", "roundtrip-parked"),
    ("metg50", "oneTBB task_group", "metg50"),
    ("map-plain", "OpenMP for guided", "map"),
    ("map-shared", "OpenMP for guided", "map"),
    ("map-plain-items", "OpenMP for guided", "map"),
    ("map-shared-items", "OpenMP for guided", "map"),
    ("payload-copy", same, "memcpy"),
]
rows = []
for scenario, other, yardstick in wanted:
    for who in ("posse process", "posse thread"):
        ours = figures.get(scenario, {}).get(who, {})
        theirs = figures.get(yardstick, {}).get(who if other is same else other, {})
        ratios = [ours[r] / theirs[r] for r in ours if theirs.get(r)]
        if ratios:
            against = yardstick if other is same else other
            rows.append([scenario, who, against, f"{statistics.median(ratios):.2f}",
                         f"{min(ratios):.2f} to {max(ratios):.2f}", str(len(ratios))])
print()
table(["scenario", "who", "divided by", "ratio", "from, to", "rounds"], rows)
if sys.argv[2]:
    print(f"\nOthers kept the processors busy, percent before each round: {sys.argv[2]}")
PROGRAM

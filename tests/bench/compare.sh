#!/bin/sh
# compare.sh - posse beside what the machine allows and what a user would pick instead.
#
# Usage: compare.sh [-n ROUNDS] [-b POSSE_BENCH] [-o FILE] [PEERS]
#
#   PEERS           directory of the peers, with their run.sh; or the variable PEERS
#   -n ROUNDS       how often everything is run; 5 without it. A verdict needs 5 at least
#   -b POSSE_BENCH  the program; or the variable POSSE_BENCH; without both that of build/
#   -o FILE         keeps every figure there, one JSON object a line
#
# The machine is shared, and its speed changes within seconds to minutes. So limits, peers and
# posse run by turns, scenario by scenario, and a ratio is made of two figures of the same turn;
# what is printed is the median of the rounds. Output: two tables in Markdown. The second has the
# goals, and tells of each whether the median meets it. Then follows how busy others kept the
# processors just before each round: over a few percent no ratio can be trusted. Where processors
# must be shared, whoever has more threads gets more of them, and posse has one more than oneTBB. A
# metg50 of 1,000,000 means "not found" and counts as no figure.
#
# A peer that is not installed has no figures, and its rows say so: without PEERS, or where its
# run.sh fails, all limits and other pools. posse_openmp is built with posse_bench if the compiler
# has OpenMP. PEERS_BUILD is where the peers' run.sh builds. Exit status: 0, 1 if posse failed, 2
# for a wrong command line.
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
[ -z "$peers" ] || [ -f "$peers/run.sh" ] || wrong "no run.sh in '$peers'"
[ -x "$bench" ] || wrong "no program '$bench'; -b gives it"
case $rounds in
'' | *[!0-9]* | 0*) wrong "'$rounds' is not a number of rounds" ;;
esac

log=$(mktemp)
part=$(mktemp)
trap 'rm -f "$log" "$part"' EXIT
trap 'exit 1' HUP INT TERM

# Runs a command and puts its lines into the log, each with the round and the turn before it.
run() {
    echo "round $round of $rounds, $turn: $*" >&2
    timeout 1800 "$@" >"$part" || {
        echo "compare.sh: failed: $*" >&2
        return 1
    }
    sed "s/^/$round-$turn /" "$part" >>"$log"
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

# Without the peers we go on.
peer() { [ -z "$peers" ] || run env SCENARIOS="$turn" sh "$peers/run.sh" "$1" || :; }

openmp=$(dirname "$bench")/posse_openmp
others=
for round in $(seq "$rounds"); do
    others=$others$(busy)
    for turn in submit roundtrip metg50 map; do
        peer native
        case $turn in
        submit | roundtrip) peer limits ;; # right before what it limits
        map) [ ! -x "$openmp" ] || run "$openmp" || : ;;
        esac
        posse $turn
    done
    turn=others
    posse as-completed payload memcpy lifecycle idle memory sum
    run "$bench" --backend process recover
done

[ -z "$keep" ] || sed 's/^[^ ]* //' "$log" >"$keep"

python3 - "$log" "$others" <<'PROGRAM'
import json
import statistics
import sys

figures = {}  # scenario -> who -> round and turn -> value
units = {}
for line in open(sys.argv[1]):
    turn, text = line.split(" ", 1)
    figure = json.loads(text)
    scenario = figure["scenario"]
    if figure["who"] == "limit" and scenario == "payload":
        scenario = "memcpy"  # that is what it measures
    if scenario == "metg50" and figure["value"] >= 1e6:
        continue  # not found
    units[scenario] = figure["unit"]
    figures.setdefault(scenario, {}).setdefault(figure["who"], {})[turn] = figure["value"]


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

MIN_ROUNDS = 5  # for a verdict
same = "the same"
tbb, loop, calls = "oneTBB task_group", "OpenMP for guided", "OpenMP for, called"
# A scenario, the figure that divides it (of whom, and its scenario), the goals of both backends.
goals = [
    ("submit", tbb, "submit", 0.35, 0.7),
    ("submit", "limit", "submit", 3, 4),
    ("submit-many", "limit", "submit", 2, 2.5),
    ("metg50", tbb, "metg50", 1, 1),
    ("roundtrip-hot", "limit", "roundtrip-hot", 2.5, 2.5),
    ("roundtrip-parked", "limit", "roundtrip-parked", 1.25, 1.2),
    ("map-shared-items", calls, "map", 1.2, 1.2),
    ("map-plain", loop, "map", 2, 1.1),
    ("memory", None, None, 200, 200),
    ("map-plain-items", calls, "map", None, None),
    ("map-shared", loop, "map", None, None),
    ("payload-copy", same, "memcpy", None, None),
]


def ratios(scenario, who, other, yardstick):
    """Of the turns that have both figures; or what is missing."""
    ours = figures.get(scenario, {}).get(who, {})
    if other is None or not ours:
        return list(ours.values()), f"no figure of {who}"
    theirs = figures.get(yardstick, {}).get(who if other is same else other, {})
    return [ours[t] / theirs[t] for t in ours if theirs.get(t)], f"no figure of {other}"


def verdict(values, goal):
    if goal is None or not values:
        return ""
    if len(values) < MIN_ROUNDS:
        return f"fewer than {MIN_ROUNDS} rounds"
    return "yes" if statistics.median(values) <= goal else "no"


def row(who, goal, scenario, other, yardstick):
    values, missing = ratios(scenario, who, other, yardstick)
    digits = 0 if other is None else 2
    shown = [missing, ""]
    if values:
        shown = [f"{statistics.median(values):.{digits}f}",
                 f"{min(values):.{digits}f} to {max(values):.{digits}f}"]
    divisor = f"({units.get(scenario, '')})" if other is None else \
        yardstick if other is same else other
    return [scenario, who, divisor, *shown, str(len(values)),
            "" if goal is None else f"≤ {goal}", verdict(values, goal)]


print()
table(["scenario", "who", "divided by", "median", "from, to", "rounds", "goal", "met"],
      [row(who, goal, *what) for *what, process, thread in goals
       for who, goal in (("posse process", process), ("posse thread", thread))])
if sys.argv[2]:
    print(f"\nOthers kept the processors busy, percent before each round: {sys.argv[2]}")
PROGRAM

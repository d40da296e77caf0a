#!/bin/sh
# Measures how cost grows, and draws the curves. See usage below.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bench=${POSSE_BENCH:-$here/../../build/tests/bench/posse_bench}

usage() {
    cat <<END
usage: tests/bench/growth.sh [-b PROGRAM] [-n ROUNDS] [-k FILE] [-o DIRECTORY] [--smoke]

Measures posse with 100 to 10,000,000 tasks at once, with 1 to 1,000 workers, and with arguments of
8 bytes to 64 MiB, with processes and with threads. Draws one SVG for each kind of cost, and prints
the points of its curves: each is the best of the rounds, for other programs can only slow posse
down. A round takes about 40 seconds, and 3 GB of memory.

  -b PROGRAM      posse_bench; else that of build/, or \$POSSE_BENCH; posse_curves is beside it
  -n ROUNDS       how often everything is run (5)
  -k FILE         keeps the figures there; those that it has count too: rounds of another hour
  -o DIRECTORY    where the SVGs go (tests/bench/growth)
  --smoke         tiny counts: the figures mean nothing
END
}

wrong() {
    echo "growth.sh: $1" >&2
    exit 2
}

rounds=5
out=$here/growth
keep=
smoke=
while [ $# -gt 0 ]; do
    case $1 in
    --help) usage && exit ;;
    --smoke) smoke=--smoke ;;
    -b | -k | -n | -o)
        [ $# -gt 1 ] || wrong "a value is missing after $1"
        case $1 in
        -b) bench=$2 ;;
        -k) keep=$2 ;;
        -n) rounds=$2 ;;
        -o) out=$2 ;;
        esac
        shift
        ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
case $rounds in
'' | *[!0-9]* | 0*) wrong "'$rounds' is not a number of rounds" ;;
esac
curves=$(dirname "$bench")/posse_curves
[ -x "$bench" ] || wrong "no program '$bench'; -b gives it"
[ -x "$curves" ] || wrong "no program '$curves'"
mkdir -p "$out"

scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
figures=${keep:-$scratch}
trap 'exit 1' HUP INT TERM
for round in $(seq "$rounds"); do
    for backend in process thread; do
        echo "round $round of $rounds: $backend" >&2
        # shellcheck disable=SC2086 # no word if it is empty
        "$bench" --backend "$backend" $smoke growth >>"$figures"
    done
done

# draw <file> <scenario> <title> <x> <y>
draw() { "$curves" "$2" "$3" "$4" "$5" "$out/$1.svg" <"$figures"; }

tasks='tasks outstanding at the same time'
draw tasks-time growth-tasks-first,growth-tasks-again 'Time of a task, with 2 workers' \
    "$tasks" 'ns a task'
draw tasks-memory growth-tasks-bytes 'Memory of a task' "$tasks" 'bytes a task'
draw tasks-given-back growth-tasks-used,growth-tasks-kept \
    'Memory used by all tasks, and kept after their end' "$tasks" MB
draw workers-create growth-workers-create 'Time until all workers are ready, for each worker' \
    workers 'µs a worker'
draw workers-time growth-workers-ns 'Time of a task, with more and more workers' \
    workers 'ns a task'
draw workers-memory growth-workers-bytes 'Memory of the workers, for each worker' \
    workers 'bytes a worker'
draw arguments growth-bytes 'Speed at which arguments reach a task' 'bytes of an argument' GB/s

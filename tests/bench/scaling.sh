#!/bin/sh
# Runs posse for 1 to all processors' workers. See usage below.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bench=${POSSE_BENCH:-$here/../../build/tests/bench/posse_bench}

usage() {
    cat <<END
usage: tests/bench/scaling.sh [-b PROGRAM] [-s SUBMITTERS] [-w "1 2 4"] [--smoke] [--help]

Measures tasks of 0, 1, 2, 10 and 100 us with 1, 2, 4, ... workers, up to the number of processors,
and prints one row for each, in the form of posse_simulate: so a prediction can be compared. One
processor is needed for each worker, and one for each thread that submits.

  -b PROGRAM      posse_bench; else that of build/, or \$POSSE_BENCH
  -s SUBMITTERS   threads that submit and read results (1)
  -w WORKERS      the numbers of workers
  --smoke         tiny counts: the figures mean nothing
END
}

wrong() {
    echo "scaling.sh: $1" >&2
    exit 2
}

submitters=1
smoke=
workers=
while [ $# -gt 0 ]; do
    case $1 in
    --help) usage && exit ;;
    --smoke) smoke=--smoke ;;
    -b | -s | -w)
        [ $# -gt 1 ] || wrong "a value is missing after $1"
        case $1 in
        -b) bench=$2 ;;
        -s) submitters=$2 ;;
        -w) workers=$2 ;;
        esac
        shift
        ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
[ -x "$bench" ] || wrong "no program '$bench'; -b gives it"

processors=$(getconf _NPROCESSORS_ONLN)
if [ -z "$workers" ]; then
    n=1
    while [ "$n" -lt "$processors" ]; do
        workers="$workers $n"
        n=$((2 * n))
    done
    workers="$workers $processors"
fi

# rows <backend> <workers>
rows() {
    # shellcheck disable=SC2086 # no word if it is empty
    "$bench" --backend "$1" --workers "$2" --submitters "$submitters" $smoke scaling >"$lines"
    sed 's/.*scaling-\([0-9]*\)us","value":\([0-9.e+]*\).*/\1 \2/' "$lines" |
        awk -v who="posse $1" -v s="$submitters" -v w="$2" '{
            ideal = $1 ? sprintf("%.1f", 100 * $1 * 1000 / w / $2) : "-"
            printf "%-28s %10d %7d %7g %12.0f %9.1f %6s\n", who, s, w, $1, 1e9 / $2, $2, ideal
        }'
}

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
printf '%-28s %10s %7s %7s %12s %9s %6s\n' \
    protocol submitters workers task_us tasks/s ns/task %ideal
for backend in process thread; do
    for n in $workers; do
        rows "$backend" "$n"
    done
done

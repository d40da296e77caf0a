#!/bin/sh
# decode_bench.sh PROGRAM BACKEND BENCH - checks the lines of the benchmark of PROGRAM, and no time.
# It runs PROGRAM on each backend.
set -eu
# shellcheck source=tests/demo/lib.sh
. "$(dirname "$0")/lib.sh"
bench=$3

case $(date +%N) in
*[!0-9]* | '') echo "skipped: date knows no nanoseconds" && exit 77 ;;
esac
printf 'P1 1 1 1\n' >"$scratch/image"
if ! "$program" --fresh "$scratch/image" >"$scratch/out" 2>&1; then
    grep -q 'not possible' "$scratch/out" || fail "$(cat "$scratch/out")"
    echo "skipped: $(cat "$scratch/out")"
    exit 77
fi

sh "$bench" --help | grep -q usage || fail "it has no help"
! sh "$bench" --unknown 2>"$scratch/err" || fail "it knows --unknown"
# Where bwrap is installed it need not work.
mkdir "$scratch/bin"
cat >"$scratch/bin/bwrap" <<'END'
#!/bin/sh
while [ "$1" != --die-with-parent ]; do
    shift
done
shift
exec "$@"
END
chmod +x "$scratch/bin/bwrap"
PATH=$scratch/bin:$PATH
sh "$bench" --once "$program" >"$scratch/out" 2>"$scratch/err" || fail "$(cat "$scratch/err")"
[ ! -s "$scratch/err" ] || fail "stderr: $(cat "$scratch/err")"
for name in inline thread process sealed fresh fork+exec bwrap; do
    printf '%s\n' "$name"
done >"$scratch/expected"
sed -n 's/^\([a-z+]*\)  *[0-9][0-9]* files a second$/\1/p' "$scratch/out" >"$scratch/names"
diff "$scratch/expected" "$scratch/names" || fail "its lines: $(cat "$scratch/out")"
[ "$(wc -l <"$scratch/out")" -eq "$(wc -l <"$scratch/expected")" ] || fail "more lines"

#!/bin/sh
# How many files a second are decoded. See usage below.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

usage() {
    cat <<END
usage: demo/decode_untrusted/bench.sh [--once] [PROGRAM]

Decodes the small good files of the corpus on each backend of decode_untrusted (build/demo), then
each by a program of its own, and by one in bwrap where it is installed. Four at a time.

--once    each file once, to see that all of it runs: the figures say nothing
END
}

once=
case ${1-} in
--help) usage && exit ;;
--once) once=1 && shift ;;
-*) usage >&2 && exit 2 ;;
esac
program=${1:-$here/../../build/demo/decode_untrusted}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
sh "$here/make_corpus.sh" "$scratch"
rm "$scratch/good_large.pgm"

# launch <name> <rounds> <command> <word>...: the command gets one file.
launch() {
    name=$1
    rounds=${once:-$2}
    shift 2
    while [ "$rounds" -gt 0 ]; do
        printf '%s\n' "$scratch"/good_*
        rounds=$((rounds - 1))
    done >"$scratch/files"
    began=$(date +%s%N)
    xargs -P 4 -n 1 "$@" <"$scratch/files" >"$scratch/lines"
    nanoseconds=$(($(date +%s%N) - began))
    printf '%-12s%s files a second\n' "$name" \
        $(($(wc -l <"$scratch/files") * 1000000 / (nanoseconds / 1000)))
}

for backend in inline thread process; do
    printf '%-12s' $backend
    "$program" --backend $backend --rounds ${once:-2000} "$scratch"/good_*
done
printf '%-12s' sealed
"$program" --sealed --rounds ${once:-2000} "$scratch"/good_*
printf '%-12s' fresh
"$program" --fresh --rounds ${once:-200} "$scratch"/good_*
launch fork+exec 100 "$program" --backend inline
! command -v bwrap >"$scratch/lines" ||
    launch bwrap 20 bwrap --ro-bind / / --unshare-all --die-with-parent "$program" --backend inline

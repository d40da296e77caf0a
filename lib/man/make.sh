#!/bin/sh
# make.sh HEADER DIRECTORY - makes the manual pages: man3 from posse.h and the headers posse_*.h
# beside it, one for each line of the file pages, and man7, with the calls of lib/os/seal_rules.h. A
# page has a link for each of its functions and types. posse_seal.h, posse_log.h and posse_runner.h
# have their pages in man7.
#
# It goes by the form of posse.h: lines of sections, comments above declarations, statuses at the
# beginning of sentences. What it does not understand is an error.
set -eu
header=$1
out=$2
here=$(cd "$(dirname "$0")" && pwd)
LC_ALL=C
export LC_ALL

rm -rf "$out/man3" "$out/man7"
mkdir -p "$out/man3" "$out/man7"
date=$(sed -n 's/^\.Dd //p' "$here/posse.7")
others=$(find "$(dirname "$header")" -name 'posse_*.h' | sort)
# posse_remote.h may not be installed.
[ -e "$(dirname "$header")/posse_remote.h" ] && left_out='^$' || left_out='^posse_remote_'
grep -v "$left_out" "$here/pages" >"$out/pages"
# shellcheck disable=SC2086 # a list of words
awk -v out="$out" -v date="$date" -v overview="$here/posse.7" -f "$here/header.awk" \
    -f "$here/names.awk" -f "$here/comment.awk" -f "$here/text.awk" -f "$here/members.awk" \
    -f "$here/describe.awk" -f "$here/page.awk" "$out/pages" "$header" $others \
    >"$out/links"
while read -r name page; do
    ln -s "$page.3" "$out/man3/$name.3"
done <"$out/links"
rm "$out/links" "$out/pages"
cp "$here/posse_fork.7" "$here/posse_log.7" "$here/posse_runner.7" "$out/man7/"
for name in run run_end run_unread close_messages refuse place runner; do
    ln -sf ../man7/posse_runner.7 "$out/man3/posse_$name.3"
done
for name in level event record; do
    ln -sf ../man7/posse_log.7 "$out/man3/posse_log_$name.3"
done
awk -f "$here/seal.awk" "$here/../os/seal_rules.h" "$here/posse_seal.7" >"$out/man7/posse_seal.7"
ln -s ../man7/posse_seal.7 "$out/man3/posse_seal.3"
ln -s ../man7/posse_seal.7 "$out/man3/posse_memory.3"

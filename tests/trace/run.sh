#!/bin/sh
# usage: tests/trace/run.sh SCENE BACKEND json|svg
#
# Makes a trace with SCENE and checks it: JSON by a reader that knows the format (check_json.py),
# SVG by a reader of XML, and in a browser without a window (check_svg.html). Exit: 77 if there is
# no python3, or no Chromium (tests/run.sh --long installs it).
set -eu
scene=$1
backend=$2
format=$3
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

skip() {
    echo "skipped: there is no $1"
    exit 77
}

"$scene" "$backend" "$scratch/trace.$format" >"$scratch/expected"
if [ "$format" = json ]; then
    command -v python3 >"$scratch/log" || skip python3
    python3 "$here/check_json.py" "$scratch/trace.json" "$scratch/expected"
    exit
fi

# A browser takes what is no XML for HTML.
! command -v python3 >"$scratch/log" ||
    python3 -c 'import sys, xml.dom.minidom as dom; dom.parse(sys.argv[1])' "$scratch/trace.svg"

browser=
for name in chromium chromium-browser google-chrome; do
    [ -n "$browser" ] || ! command -v "$name" >"$scratch/log" || browser=$name
done
[ -n "$browser" ] || skip Chromium
{ echo '<!doctype html><meta charset="utf-8"><body>' && cat "$scratch/trace.svg" \
    "$here/check_svg.html"; } >"$scratch/page.html"
HOME=$scratch timeout 120 "$browser" --headless --no-sandbox --disable-gpu --dump-dom \
    --user-data-dir="$scratch/profile" "file://$scratch/page.html" \
    >"$scratch/dom" 2>"$scratch/log" || { cat "$scratch/log" && exit 1; }
sed -n 's/.*<pre>//; /^[a-zA-Z][a-zA-Z, ]* [0-9]*$/p; /^WRONG/p' "$scratch/dom" |
    sort >"$scratch/found"
cat "$scratch/found"
sort "$scratch/expected" | diff - "$scratch/found"

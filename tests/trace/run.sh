#!/bin/sh
# usage: tests/trace/run.sh SCENE BACKEND json|speedscope|svg
#
# Makes a trace with SCENE and checks it: JSON by what the format says (check_json.py), and by
# speedscope, a viewer of such files, which is an HTML page (check_speedscope.html); SVG by a reader
# of XML, and as a picture (check_svg.html). A browser without a window opens the pages. Exit: 77 if
# there is no python3, speedscope or Chromium (tests/run.sh --long installs them).
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

# in_browser <address> <switch of the browser>...: the lines in the page's <pre> are those expected.
in_browser() {
    address=$1
    shift
    browser=
    for name in chromium chromium-browser google-chrome; do
        [ -n "$browser" ] || ! command -v "$name" >"$scratch/log" || browser=$name
    done
    [ -n "$browser" ] || skip Chromium
    HOME=$scratch timeout 120 "$browser" --headless --no-sandbox --disable-gpu --dump-dom \
        --user-data-dir="$scratch/profile" "$@" "file://$address" \
        >"$scratch/dom" 2>"$scratch/log" || { cat "$scratch/log" && exit 1; }
    sed -n 's/.*<pre>//; /^[a-zA-Z][a-zA-Z, ]* [0-9]*$/p; /^WRONG/p' "$scratch/dom" |
        sort >"$scratch/found"
    cat "$scratch/found"
    sort "$scratch/expected" | diff - "$scratch/found"
}

file=$scratch/trace.json
[ "$format" != svg ] || file=$scratch/trace.svg
"$scene" "$backend" "$file" >"$scratch/expected"
case $format in
json)
    command -v python3 >"$scratch/log" || skip python3
    python3 "$here/check_json.py" "$file" "$scratch/expected"
    ;;
speedscope)
    command -v npm >"$scratch/log" || skip npm
    viewer=$(npm root --global)/speedscope/dist/release
    [ -f "$viewer/index.html" ] || skip speedscope
    cp -R "$viewer" "$scratch/viewer"
    { sed '/<script/,$d' "$viewer/index.html" && cat "$here/check_speedscope.html" &&
        sed -n '/<script/,$p' "$viewer/index.html"; } >"$scratch/viewer/page.html"
    # How it takes a file from its command line.
    printf 'speedscope.loadFileFromBase64("trace.json", "%s")\n' "$(base64 <"$file" | tr -d '\n')" \
        >"$scratch/viewer/trace.js"
    # The time of the page goes on as soon as nothing is left to do in it.
    in_browser "$scratch/viewer/page.html#localProfilePath=${scratch#/}/viewer/trace.js" \
        --enable-unsafe-swiftshader --virtual-time-budget=60000
    ;;
svg)
    # A browser takes what is no XML for HTML.
    ! command -v python3 >"$scratch/log" ||
        python3 -c 'import sys, xml.dom.minidom as dom; dom.parse(sys.argv[1])' "$file"
    { echo '<!doctype html><meta charset="utf-8"><body>' && cat "$file" "$here/check_svg.html"; } \
        >"$scratch/page.html"
    in_browser "$scratch/page.html"
    ;;
esac

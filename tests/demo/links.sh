#!/bin/sh
# links.sh - what the papers point to is there: files, headings, and the tests that tests/README.md
# names for each promise.
#
# Exit: 0 if all is there; else 1, after a line for each thing that is missing.
set -eu
cd "$(dirname "$0")/../.."
missing=$(mktemp)
trap 'rm -f "$missing"' EXIT

# headings <paper>: the anchors that a browser makes of its headings
headings() {
    sed -n 's/^##* //p' "$1" | tr '[:upper:] ' '[:lower:]-' | tr -cd 'a-z0-9_\n-'
}

# check_link <paper> <target>
check_link() {
    path=${2%%#*}
    file=$1
    [ -z "$path" ] || file=$(dirname "$1")/$path
    if [ ! -e "$file" ]; then
        echo "$1: no file $path"
    elif [ "$path" != "$2" ] && ! headings "$file" | grep -qxF -e "${2#*#}"; then
        echo "$1: no heading $2"
    fi
}

papers='README.md demo/README.md tests/README.md tests/bench/README.md lib/*.md .github/*.md'
for paper in $papers; do
    grep -o '](\([^)]*\))' "$paper" | sed 's/^](//; s/)$//' | grep -v '^https:' |
        while read -r target; do
            check_link "$paper" "$target"
        done
done >"$missing"

# A name of the table is that of a file of tests, or of a directory; a star stands for the rest.
groups='unit|behaviour|memory|crash|chaos|fault|scribble|deny|thrown|demo'
sed -n '/^## .*promised/,/^## .*not shown/p' tests/README.md | grep -oE "\`($groups)/[a-z_]*\*?\`" |
    tr -d '`' | while read -r name; do
    find tests -path "tests/$name.*" -o -path "tests/$name" | grep -q . ||
        echo "tests/README.md: no test $name"
done >>"$missing"

cat "$missing"
[ ! -s "$missing" ]

# kit.sh - what the scripts of tests/lint share.
# shellcheck shell=sh
# shellcheck disable=SC2034 # the scripts that read this use what is set here
top=$(cd "$(dirname "$0")/../.." && pwd)
lint=$top/tests/lint
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
findings=$here/findings
cd "$top" || exit 1

# with_graph [FILE]: $graph is that file, or a new one.
with_graph() {
    graph=${1:-$here/graph}
    [ $# -gt 0 ] || sh "$lint/graph.sh" "$graph"
}

# Prints the findings; there must be none.
report() {
    cat "$findings"
    [ ! -s "$findings" ]
}

# All text that people write here, but what comes from elsewhere.
texts() {
    find lib include demo tests README.md .ci -type f \( -name '*.[ch]' -o -name '*.sh' \
        -o -name '*.awk' -o -name '*.pml' -o -name '*.def' -o -name '*.md' -o -name '*.py' \
        -o -name '*.txt' -o -name '*.[1-9]' -o -path .ci/run \) \
        ! -path 'tests/lint/*' ! -path 'tests/cmocka/*'
}

#!/bin/sh
# listed.sh NAME... - each test of behaviour is one of these, which are run with agents, or stands
# in the table of README.md that says why not; none does both, and no line there is of no test.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
run=" $* "
# The patterns of that table: in its first column, each between backquotes.
patterns=$(sed -n '/^| files | because |/,/^$/p' "$here/README.md" |
    sed -e 1,2d -e 's/^| \(.*\) | .*/\1/' | tr -d '`,' | tr '\n' ' ')
[ -n "$patterns" ] || { echo "no table of tests that are left out" && exit 1; }
wrong=0
set -f # patterns are no files

# complain <what> <name>
complain() {
    echo "$2: $1"
    wrong=1
}

names=$(find "$here/../behaviour" -name '*.c' | sed -e 's|.*/||' -e 's/[.]c$//' | sort)
for name in $names; do
    excused=no
    for pattern in $patterns; do
        # shellcheck disable=SC2254 # it is a pattern
        case $name in $pattern) excused=yes ;; esac
    done
    case $run in *" $name "*) is_run=yes ;; *) is_run=no ;; esac
    [ "$excused$is_run" != nono ] || complain "neither run with agents nor left out" "$name"
    [ "$excused$is_run" != yesyes ] || complain "left out, and yet run with agents" "$name"
done
for pattern in $patterns; do
    found=no
    for name in $names; do
        # shellcheck disable=SC2254 # it is a pattern
        case $name in $pattern) found=yes ;; esac
    done
    [ "$found" = yes ] || complain "left out, but there is no such test" "$pattern"
done
exit "$wrong"

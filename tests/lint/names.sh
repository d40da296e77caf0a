#!/bin/sh
# usage: tests/lint/names.sh
#
# Prints the names that two files of lib/ share: debuggers and coverage show only the base name. (A
# header has the name of its source file, in the same folder.) And the files that lib/README.md
# names though there are none, and the heads of files, "/* file.c - ...", that have another name.
set -eu
# shellcheck source=tests/lint/kit.sh
. "$(dirname "$0")/kit.sh"
find lib -name '*.[ch]' | sed 's/\.[ch]$//' | sort -u | awk -F / '
    { if ($NF in place) print place[$NF] " and " $0; place[$NF] = $0 }' >"$findings"
# shellcheck disable=SC2016 # the quotes of Markdown
grep -oE '`[a-z_/]+\.[ch]`' lib/README.md | tr -d '`' | sort -u | while read -r file; do
    [ -f "lib/$file" ] || [ -f "$file" ] || echo "lib/README.md: there is no $file"
done >>"$findings"
find lib include demo tests -name '*.[ch]' -exec awk '
    FNR == 1 && match($0, /^\/\* [a-z_0-9]+\.[ch] - /) {
        file = FILENAME
        sub(/.*\//, "", file)
        if (substr($0, 4, RLENGTH - 6) != file)
            print FILENAME ": its head says " substr($0, 4, RLENGTH - 6)
    }' {} + >>"$findings"
report

#!/bin/sh
# usage: tests/lint/sizes.sh
#
# Prints the lines of each folder of lib/, and the files of more than 300. For information alone.
set -eu
# shellcheck source=tests/lint/kit.sh
. "$(dirname "$0")/kit.sh"
find lib include -name '*.[ch]' -exec wc -l {} + | awk '
    $2 != "total" {
        room = $2
        sub(/\/[^\/]*$/, "", room)
        lines[room] += $1
        if (room ~ /^lib/) all += $1
        if ($1 > 300 && room != "include") large = large sprintf("%6d %s\n", $1, $2)
    }
    END {
        for (room in lines)
            printf "%6d %s\n", lines[room], room | "sort -k 2"
        close("sort -k 2")
        printf "%6d lib in all\nfiles of more than 300 lines:\n%s", all, large
    }'

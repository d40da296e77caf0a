#!/bin/sh
# usage: tests/lint/booleans.sh
#
# Prints the bool parameters in lib/core and lib/pool: two functions, or an enum, say more than
# "true".
set -eu
# shellcheck source=tests/lint/kit.sh
. "$(dirname "$0")/kit.sh"
find lib/core lib/pool -name '*.[ch]' -exec awk '
    {
        line = $0
        sub(/\/\*.*/, "", line)
        if ($0 ~ /^ *(\/\*|\* )/ || line ~ /^ \*/)
            next
        if (line ~ /[(,] *(const )?bool [a-z_]+ *[,)]/ ||
            line ~ /^ +(const )?bool [a-z_]+[,)]/ && line !~ /=/)
            print FILENAME ":" FNR ": " $0
    }' {} + >"$findings"
report

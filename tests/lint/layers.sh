#!/bin/sh
# usage: tests/lint/layers.sh [GRAPH of graph.sh]
#
# Prints each include and each call that goes upward. Calls go downward only:
#
#   remote -> public functions (lib/*.c) -> supervisor -> worker -> pool -> core -> os -> base
#
# top/ is a program of its own, above all of them.
# The supervisor starts workers, so it stands above them. The way up is a pointer to a function.
# lib/remote is a library of its own: of libposse it uses the public functions alone, and base.
# lib/remote/mpi is a program of its own, above it.
set -eu
# shellcheck source=tests/lint/kit.sh
. "$(dirname "$0")/kit.sh"
with_graph "$@"
awk '
    BEGIN { split("base os core pool worker supervisor . remote remote/mpi top", rooms, " ")
            for (i in rooms) level[rooms[i]] = i + 0 }
    function room(file) { sub(/\/[^\/]*$/, "", file); return file }
    $1 != "system" && $3 != "./posse.h" && $3 != "./posse_runner.h" {
        from = room($2); to = room($3)
        if (!(from in level) || !(to in level))
            print $2 ": in a folder that has no level, or includes one: " $3
        else if (level[from] < level[to] ||
                 (from ~ /^remote/ && to !~ /^remote/ && to != "base" && $4 !~ /^posse_/ &&
                  $3 !~ /posse_/))
            print $2 ": " ($1 == "call" ? "calls " $4 " of " : "includes ") $3
    }' "$graph" | sort -u >"$findings"
report

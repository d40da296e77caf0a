#!/bin/sh
# usage: tests/lint/circles.sh [GRAPH of graph.sh]
#
# Prints the circles of calls between files: for each call that lies on one, the shortest.
set -eu
# shellcheck source=tests/lint/kit.sh
. "$(dirname "$0")/kit.sh"
with_graph "$@"
awk '
    $1 == "call" && $2 != $3 {
        if (!(($2, $3) in symbol)) {
            next_of[$2] = next_of[$2] " " $3
            edges[++n] = $2 SUBSEP $3
        }
        symbol[$2, $3] = $4
    }
    # The shortest way from one file to another, as "a b c"; "" if there is none.
    function way(from, to,    queue, head, tail, before, names, count, i, at, path) {
        queue[tail = 1] = from
        before[from] = from
        for (head = 1; head <= tail && !(to in before); head++) {
            count = split(next_of[queue[head]], names, " ")
            for (i = 1; i <= count; i++) {
                if (!(names[i] in before)) {
                    before[names[i]] = queue[head]
                    queue[++tail] = names[i]
                }
            }
        }
        if (!(to in before))
            return ""
        for (at = path = to; at != from; path = at " " path)
            at = before[at]
        return path
    }
    # The circle, beginning with the first of its names.
    function show(path,    names, count, i, first, text) {
        count = split(path, names, " ")
        for (first = i = 1; i <= count; i++)
            if (names[i] < names[first])
                first = i
        for (i = 0; i < count; i++) {
            from = names[(first - 1 + i) % count + 1]
            to = names[(first + i) % count + 1]
            text = text from " -(" symbol[from, to] ")-> "
        }
        return text names[first]
    }
    END {
        for (i = 1; i <= n; i++) {
            split(edges[i], edge, SUBSEP)
            path = way(edge[2], edge[1])
            if (path != "")
                print show(path)
        }
    }' "$graph" | sort -u >"$findings"
report

#!/bin/sh
# The models name the states of a task as lib/core/state.h does, and in its order.
#
# A model's states are the lines "#define NAME number" under the comment "states: lib/core/state.h".
# Prints file, line and name of each that is not in the list there, or not in its order. Exit: 0 if
# there is none.
set -eu
cd "$(dirname "$0")/../.."
awk '
    FILENAME == "lib/core/state.h" && match($0, /^    STATE\([A-Z_]+,/) {
        place[substr($0, 11, RLENGTH - 11)] = ++states
    }
    /states: lib\/core\/state.h/ { inside = 1; last = 0; blocks++; next }
    $1 != "#define" { inside = 0 }
    inside && place[$2] <= last { print FILENAME ":" FNR ": " $2; found = 1 }
    inside { last = place[$2] }
    END {
        if (states < 2 || blocks < 2) {
            print "tests/lint/states.sh: no list, or no model"
            found = 1
        }
        exit found
    }' lib/core/state.h tests/model/*.pml

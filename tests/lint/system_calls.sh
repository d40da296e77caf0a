#!/bin/sh
# usage: tests/lint/system_calls.sh [GRAPH of graph.sh]
#
# Prints what files outside lib/os use of the system, except the functions below, which make no
# system call that could fail or block, or which every C program has. Only lib/os knows the system.
# lib/top is no part of the library but a program of its own, lib/remote a library of its own.
set -eu
# shellcheck source=tests/lint/kit.sh
. "$(dirname "$0")/kit.sh"
with_graph "$@"
awk '
    BEGIN {
        count = split("malloc calloc realloc free memcpy memmove memset memcmp strlen strcmp " \
                      "strncpy snprintf vsnprintf qsort atexit " \
                      "pthread_self pthread_setcancelstate " \
                      "pthread_mutex_init pthread_mutex_destroy pthread_mutex_lock " \
                      "pthread_mutex_trylock pthread_mutex_unlock", names, " ")
        for (i = 1; i <= count; i++)
            allowed[names[i]]
    }
    # Names that begin with __ or with _ and a capital are of the compiler and of errno.
    $1 == "system" && $2 !~ /^(os|top|remote)\// && !($3 in allowed) && $3 !~ /^_[_A-Z]/ {
        print $2 ": uses " $3
    }' "$graph" | sort -u >"$findings"
report

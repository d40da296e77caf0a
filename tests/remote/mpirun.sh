#!/bin/sh
# mpirun.sh PROGRAM - runs kit/launched.c on agents that mpirun of Open MPI and that of MPICH start
# on this machine. An agent may use all processors, and its death ends no other.
set -eu
program=$1
scratch=$(mktemp -d /tmp/posse-mpirun-XXXXXX)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

fail() {
    printf 'FAILED: %s\n' "$1" >&2
    cat "$scratch/out" "$scratch/err" >&2
    exit 1
}

# check NAME COMMAND: what the mpirun that COMMAND runs starts.
check() {
    timeout 120 "$program" mpirun localhost:2,127.0.0.1:1,localhost:2 3 "$2" >"$scratch/out" \
        2>"$scratch/err" || fail "$2"
    sort "$scratch/out" | diff - /dev/fd/3 3<<END >&2 || fail "$2: what runs where"
$1: places 1, processors all
$1: places 2, processors all
$1: places 2, processors all
killed: POSSE_WORKER_LOST, signal 1
places 5
the others go on
END
    if grep -v '^Killed$' "$scratch/err"; then # a shell's word on the agent
        fail "$2: stderr"
    fi
}

found=
for name in openmpi mpich; do
    command -v "mpirun.$name" >/dev/null || continue
    found=1
    [ "$name" = openmpi ] && title="Open MPI" || title=MPICH
    # Two mpirun of Open MPI that make or remove the same directory at a time fail. The shell that
    # runs the command gives each its own.
    mpirun="env TMPDIR=\$(mktemp -d '$scratch/XXXXXX') mpirun.$name"
    check "$title" "$mpirun"
    check "$title" "env 'A=b c' $mpirun"
done
if [ -z "$found" ]; then
    echo "no mpirun.openmpi and no mpirun.mpich: skipped"
    exit 77
fi

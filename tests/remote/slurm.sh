#!/bin/sh
# slurm.sh PROGRAM - runs kit/launched.c on agents that srun of Slurm starts, in allocations of all
# kinds. The Slurm is its own: munged, slurmctld and two slurmd for two nodes, which are both this
# machine. All that it writes lies in a directory of its own, and it listens on loopback.
set -eu
program=$1
PATH=$PATH:/usr/sbin:/sbin
export PATH
for tool in munged slurmctld slurmd srun salloc sbatch sinfo squeue; do
    command -v "$tool" >/dev/null || {
        echo "no $tool: skipped"
        exit 77
    }
done
scratch=$(mktemp -d /tmp/posse-slurm-XXXXXX)
chmod 755 "$scratch" # munged asks that others may read the way to its socket
unset SLURM_JOB_ID SLURM_JOBID SLURM_JOB_NODELIST || true
export SLURM_CONF="$scratch/slurm.conf"
daemons=

# eventually N COMMAND...: within N tenths of a second the command succeeds.
eventually() {
    left=$1
    shift
    while ! "$@"; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1))
        sleep 0.1
    done
}

nothing_runs() {
    [ -z "$(timeout 20 squeue -h -s 2>>"$scratch/squeue")" ] &&
        [ -z "$(timeout 20 squeue -h 2>>"$scratch/squeue")" ]
}

has_ended() {
    ! kill -0 "$1" 2>>"$scratch/kill"
}

# Steps end while slurmctld, whom they tell, is there.
stop() {
    [ -z "$daemons" ] || timeout 20 scancel -u "$(id -un)" 2>>"$scratch/kill" || true
    [ -z "$daemons" ] || eventually 100 nothing_runs || true
    for daemon in $daemons; do
        kill "$daemon" 2>>"$scratch/kill" || true
        eventually 50 has_ended "$daemon" || kill -9 "$daemon" || true
        wait "$daemon" || true
    done
    daemons=
}
finish() {
    stop
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    printf 'FAILED: %s\n' "$1" >&2
    tail -n 30 "$scratch"/out* "$scratch"/err* "$scratch"/*.log >&2 || true
    exit 1
}

# ---- Slurm ----

settings() {
    user=$(id -un)
    cat <<END2
ClusterName=posse
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$1
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$scratch/munge.socket
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool-%n
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
KillWait=2
NodeName=n1 NodeHostname=$(uname -n) NodeAddr=127.0.0.1 Port=$(($1 + 1)) CPUs=2
NodeName=n2 NodeHostname=$(uname -n) NodeAddr=127.0.0.1 Port=$(($1 + 2)) CPUs=2
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=10 State=UP
END2
}

# start NAME COMMAND...
start() {
    log=$scratch/$1.log
    shift
    "$@" >>"$log" 2>&1 </dev/null &
    daemons="$! $daemons"
}

nodes_are_idle() {
    [ "$(timeout 20 sinfo -h -o '%T %D' 2>>"$scratch/sinfo")" = "idle 2" ]
}

start_slurm() {
    mkdir -p "$scratch/state" "$scratch/spool-n1" "$scratch/spool-n2"
    settings "$1" >"$SLURM_CONF"
    start slurmctld slurmctld -D -c -f "$SLURM_CONF"
    start slurmd-n1 slurmd -D -N n1 -f "$SLURM_CONF"
    start slurmd-n2 slurmd -D -N n2 -f "$SLURM_CONF"
    eventually 200 nodes_are_idle
}

dd if=/dev/urandom of="$scratch/munge.key" bs=1024 count=1 2>>"$scratch/dd"
chmod 400 "$scratch/munge.key"
munge() {
    start munged munged -F --force --key-file="$scratch/munge.key" \
        --socket="$scratch/munge.socket" --pid-file="$scratch/munge.pid" \
        --log-file="$scratch/munged-own.log" --seed-file="$scratch/munge.seed"
    eventually 100 test -S "$scratch/munge.socket"
}
munge || fail "munged"
port=$((20000 + $$ % 20000))
tries=0
until start_slurm "$port"; do
    tries=$((tries + 1))
    port=$((port + 3))
    if [ "$tries" -ge 3 ]; then
        tail -n 5 "$scratch"/*.log
        echo "Slurm cannot be started here: skipped"
        exit 77
    fi
    stop
    munge
done

# ---- agents ----

# expect WHAT: what launched prints. Agents have names and numbers of places.
expect() {
    diff - "$scratch/out" >&2 || fail "$1"
    if grep -v -e '^salloc: ' -e '^srun: error: n[12]: task [01]: Killed$' \
        -e '^srun: Force Terminated StepId=' -e '^Killed$' "$scratch/err"; then
        fail "$1: stderr"
    fi
}

run() {
    timeout 120 "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || fail "$*"
}

both() {
    printf 'places %s\nn1: places %s, processors all\nn2: places %s, processors all\n' "$@"
    printf 'killed: POSSE_WORKER_LOST, signal 1\nthe others go on\n'
}

run salloc -N2 -n3 "$program" srun - 2
both 3 2 1 | expect "in an allocation, as many places as tasks"

run salloc -N2 -n4 srun -N1 -n1 "$program" srun - 2
both 4 2 2 | expect "in a step that has one of the nodes"

run sbatch --wait -N2 -n4 -o "$scratch/out-of-job" -e "$scratch/err-of-job" \
    --wrap "'$program' srun @batch 2"
cp "$scratch/out-of-job" "$scratch/out"
cp "$scratch/err-of-job" "$scratch/err"
both 4 2 2 | expect "in a batch job"

run "$program" srun n1:2,n2:1 2
both 3 2 1 | expect "without an allocation"

run salloc -N2 -n4 "$program" srun n2:2 1
expect "one node of an allocation" <<'END'
places 2
n2: places 2, processors all
END

if timeout 60 "$program" srun - 2 >"$scratch/out" 2>"$scratch/err"; then
    fail "neither nodes nor an allocation"
fi
grep -q 'posse_remote_create: POSSE_INVALID' "$scratch/err" || fail "no nodes: its status"

if timeout 60 "$program" srun n9:1 1 >"$scratch/out" 2>"$scratch/err"; then
    fail "a node that is none"
fi
grep -q 'POSSE_BROKEN' "$scratch/err" || fail "a node that is none: its status"
grep -q 'no agent has joined: .*Invalid node name' "$scratch/err" || fail "the words of srun"

# ---- the program dies ----

eventually 300 nothing_runs || fail "what runs after all have ended"
"$program" srun n1:1,n2:1 3 >"$scratch/out" 2>"$scratch/err" &
killed=$!
steps_run() {
    timeout 20 squeue -h -s 2>>"$scratch/squeue" | grep -q .
}
eventually 200 steps_run || fail "no step runs"
kill -9 "$killed"
wait "$killed" 2>>"$scratch/kill" || true
eventually 300 nothing_runs || fail "after the death of the program something runs"

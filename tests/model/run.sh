#!/bin/sh
# Checks the models, and that their mutants are found out.
#
#   run.sh [--long]     --long: larger configurations too, ten minutes in all
#
# A model must be searched to its end without an error; a mutant must show one. One line each: what
# it was, the number of states, the seconds of the search. Exit: 0 all as it should be, 1 not so,
# 77 spin or a C compiler is missing. A search takes no more than 4000 MB.

long=
case $1 in
'') ;;
--long) long=yes ;;
*) echo "usage: $0 [--long]" >&2; exit 2 ;;
esac

cc=${CC:-cc}
for tool in spin "$cc"; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "skipped: there is no $tool"
        exit 77
    fi
done

here=$(cd "$(dirname "$0")" && pwd) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work" || exit 1

runs=0
surprises=0

surprise()
{
    echo "SURPRISE: $*"
    surprises=$((surprises + 1))
}

# search <C flags> <model> <-D...>...: makes and runs the search; its output is in ./out
search()
{
    flags=$1 model=$2
    shift 2
    rm -f pan* ./*.trail out
    spin -a "$@" "$here/$model.pml" >out 2>&1 || return 1
    # shellcheck disable=SC2086
    "$cc" $flags -w -DSAFETY -DCOLLAPSE -DVECTORSZ=512 -DMEMLIM=4000 -o pan pan.c >>out 2>&1 ||
        return 1
    ./pan -m100000 -w22 >>out 2>&1
    grep -q 'errors: [0-9]' out
}

# line <what> <model> <-D...>...: what there is to say about the last search
line()
{
    states=$(sed -n 's/^ *\([0-9][0-9.e+]*\) states, stored.*/\1/p' out)
    seconds=$(sed -n 's/^pan: elapsed time \([0-9.e+-]*\) seconds.*/\1/p' out)
    what=$1
    shift
    printf '%-22s %10s states %7s s  %s\n' "$what" "$states" "${seconds:-0}" "$*"
}

searched()
{
    grep -q 'errors: 0' out &&
        ! grep -q -e 'max search depth too small' -e 'Search not completed' -e 'out of memory' \
            -e 'MEMLIM' -e 'truncated' out
}

# holds <C flags> <model> <-D...>...
holds()
{
    runs=$((runs + 1))
    if search "$@" && searched; then
        shift
        line 'holds' "$@"
    else
        shift
        surprise "$* does not hold, or was not searched to its end:"
        cat out
    fi
}

# fails <model> <-D...>...: a mutant. The reverse order comes upon most errors much sooner.
fails()
{
    runs=$((runs + 1))
    if search '-O0 -DREVERSE' "$@" && grep -q 'errors: [1-9]' out; then
        reason='fails'
        grep -q 'invalid end state' out && reason='fails (sticks)'
        grep -q 'assertion violated' out && reason='fails (assertion)'
        line "$reason" "$@"
    else
        surprise "the mutant $* does not fail:"
        cat out
    fi
}

# ---- pool.pml ----
holds -O1 pool -DSCRIPT=1 -DCH=2
holds -O1 pool -DSCRIPT=2 -DCH=0 -DNS=2
holds -O1 pool -DSCRIPT=3 -DCH=0 -DNS=2 -DRETRIES=1
holds -O0 pool -DSCRIPT=4 -DCH=0 -DNS=2 -DKILLS=0
holds -O1 pool -DSCRIPT=5 -DCH=0 -DNS=2
fails pool -DEARLY -DSCRIPT=2 -DCH=0 -DNS=2
fails pool -DPASS_FIRST -DSCRIPT=3 -DCH=0 -DNS=2
# A task that was accepted does not need the push after a death, as it is claimed before its entry
# is passed; one whose entry is passed first does.
holds -O0 pool -DNO_REPUSH -DSCRIPT=1 -DCH=0
fails pool -DNO_REPUSH -DPASS_FIRST -DSCRIPT=1 -DCH=0
fails pool -DNO_REPUSH -DSCRIPT=1 -DCH=1
fails pool -DKEEP_QUEUED -DSCRIPT=3 -DCH=0 -DNS=2 -DKILLS=0
fails pool -DCLAIM_CLEARS -DSCRIPT=3 -DCH=0 -DNS=2 -DKILLS=0
fails pool -DALWAYS_PUSHED -DSCRIPT=3 -DCH=0 -DNS=2 -DKILLS=0
fails pool -DNO_DETACH -DSCRIPT=1 -DCH=1
fails pool -DNO_FILL -DSCRIPT=1 -DCH=1
fails pool -DMARK_HEAD -DSCRIPT=1 -DCH=2
fails pool -DTAKE_BACK_ALL -DSCRIPT=4 -DCH=0 -DNS=2 -DKILLS=0
fails pool -DLOOK_ONCE -DSCRIPT=5 -DCH=0 -DNS=2
fails pool -DNO_PAUSE -DSCRIPT=5 -DCH=0 -DNS=2 -DKILLS=0

# ---- idle.pml ----
holds -O1 idle -DCH=0
holds -O1 idle -DLONG=0 -DREPLACE=0
fails idle -DNO_WAKE_ALL
fails idle -DWAKE_SLEEPING
fails idle -DWAKE_SLEEPING -DLONG=0
fails idle -DNO_CLEAR -DLONG=0 -DREPLACE=0
fails idle -DNO_SECOND_LOOK -DKILLS=0
fails idle -DNO_PASS_ON -DKILLS=0
fails idle -DPOST_FIRST -DKILLS=0

# ---- wait.pml ----
holds -O1 wait
fails wait -DNO_WAKE_PARKERS
fails wait -DNO_MANY -DKILLS=0
fails wait -DSLEEP_ANYWAY -DKILLS=0
fails wait -DBLIND_WITHDRAW -DKILLS=0
fails wait -DPOST_FIRST -DKILLS=0

# ---- lock.pml ----
holds -O1 lock
holds -O1 lock -DROUNDS=2 -DNP=2 -DTIMEOUTS=2
fails lock -DNO_PASS_ON -DKILLS=0
fails lock -DLOOK_FIRST -DKILLS=0
fails lock -DWAKE_FIRST -DKILLS=0
fails lock -DNO_WAKE_ALL
fails lock -DKEEP_BITS
fails lock -DNO_RECOVERY

# ---- ready.pml ----
holds -O1 ready
holds -O1 ready -DSECOND=3 -DKILLS=0
fails ready -DNO_TAG
fails ready -DNO_RESCAN
fails ready -DNO_WAKE
fails ready -DNEVER_POST -DKILLS=0
fails ready -DPOST_LATER -DKILLS=0
fails ready -DLINK_AFTER -DKILLS=0

# ---- kill.pml ----
holds -O0 kill -DENDLESS=1
holds -O0 kill -DNEST=1 -DENDLESS=1
holds -O0 kill -DDEADLINE=1 -DKILL=0 -DENDLESS=1
holds -O0 kill -DDEADLINE=1 -DNEST=1
holds -O0 kill -DDEADLINE=2 -DKILL=0 -DENDLESS=2
holds -O0 kill -DDEADLINE=2
fails kill -DKILL_STRAIGHT -DDEADLINE=1 -DKILL=0
fails kill -DNO_PAUSE
fails kill -DNO_CHECK -DENDLESS=1
fails kill -DSTALE_DEADLINE -DDEADLINE=1 -DKILL=0
fails kill -DNO_PLAN_FIRST -DDEADLINE=2 -DKILL=0 -DENDLESS=2
fails kill -DNO_POKE
fails kill -DTOP_ONLY -DNEST=1

# ---- staff.pml ----
holds -O1 staff
holds -O1 staff -DT=1 -DIDLES=0 -DRETIRES=1 -DKILLS=1
fails staff -DNO_SECOND_LOOK
fails staff -DNO_POKE
fails staff -DNO_CALL_OTHERS -DIDLES=0
fails staff -DGROW_LAST -DIDLES=0
fails staff -DNO_REPLACEMENT -DIDLES=0 -DRETIRES=1
fails staff -DNO_RECOUNT -DT=1 -DIDLES=0 -DKILLS=1

if [ "$long" ]; then
    holds -O2 staff -DIDLES=0 -DRETIRES=1
    holds -O2 staff -DIDLES=0 -DKILLS=1
    holds -O2 staff -DT=1 -DIDLES=1 -DRETIRES=1 -DKILLS=1
    holds -O2 pool -DSCRIPT=1 -DCH=1 -DRETRIES=1
    holds -O2 pool -DSCRIPT=5 -DCH=1 -DKILLS=0
    holds -O2 pool -DSCRIPT=5 -DCH=0 -DNS=2 -DRETRIES=1
    holds -O2 pool -DSCRIPT=2 -DCH=0 -DNS=2 -DKILLS=2
    holds -O2 idle
    holds -O2 idle -DKILLS=2 -DCH=0
    holds -O2 idle -DNW=3 -DKILLS=0 -DCH=0 -DLONG=0
    holds -O2 wait -DTIMEOUTS=2
    holds -O2 wait -DNP=3 -DNF=1 -DTIMEOUTS=0
fi

if [ $surprises -gt 0 ]; then
    echo "$surprises of $runs searches of models were a surprise"
    exit 1
fi
echo "all $runs searches of models went as they should"

#!/bin/sh
# Checks the models, and that their mutants are found out.
#
#   run.sh              the models that have changed since they were recorded, or whose code has
#   run.sh --record     the same; then records those that were as they should be
#   run.sh --long       all, in larger configurations too: ten minutes (POSSE_TEST_LONG=1 too)
#
# The head of a model names what it mirrors, after "Mirrors:": functions of lib/, and whole files.
# The file `checked` has a hash of each model for which all searches went well: of the model, its
# searches below, and the code that it mirrors, without comments and white space. A model whose hash
# is not there is searched.
#
# A model must be searched to its end without an error; a mutant must show one. One line each, in
# the order in which they end: what it was, the number of states, the seconds of the search; and a
# line with the sums. Two searches run at a time, each in no more than 4000 MB. Exit: 0 all as it
# should be, 1 not so, 77 spin or a C compiler is missing.
#
# What is not shown here: spin runs the steps of all processes in one order that everybody sees,
# and so knows no weak memory. Where the library uses less than the seq operations of
# lib/base/atomic.h, each order is named in the code with its partner, and the thread sanitizer
# looks at it with the thread backend, which shares all of that code (tests/run.sh --sanitize
# thread); it reports data that is read without an acquire of its release, but not a store that
# must come before a load: these are all seq. Nor do models show that they are the code: the head
# of each names the functions that it mirrors.

here=$(cd "$(dirname "$0")" && pwd) || exit 1
cc=${CC:-cc}

# search <C flags> <model> <-D...>...: makes and runs the search; its output is in ./out
search()
{
    flags=$1 model=$2
    shift 2
    spin -a "$@" "$here/$model.pml" >out 2>&1 || return 1
    # shellcheck disable=SC2086
    "$cc" $flags -w -DSAFETY -DCOLLAPSE -DVECTORSZ=512 -DMEMLIM=4000 -o pan pan.c >>out 2>&1 ||
        return 1
    ./pan -m100000 -w22 >>out 2>&1
    grep -q 'errors: [0-9]' out
}

# Whether the last search came to its end without an error.
held()
{
    grep -q 'errors: 0' out &&
        ! grep -q -e 'max search depth too small' -e 'Search not completed' -e 'out of memory' \
            -e 'MEMLIM' -e 'truncated' out
}

# How the last search failed; nothing: it did not.
failure()
{
    grep -q 'errors: [1-9]' out || return
    if grep -q '^pan:.*invalid end state' out; then
        echo 'fails (sticks)'
    elif grep -q '^pan:.*assertion violated' out; then
        echo 'fails (assertion)'
    fi
}

# line <what> <model> <-D...>...: what there is to say about the last search
line()
{
    states=$(sed -n 's/^ *\([0-9][0-9.e+]*\) states, stored.*/\1/p' out)
    seconds=$(sed -n 's/^pan: elapsed time \([0-9.e+-]*\) seconds.*/\1/p' out)
    what=$1
    shift
    printf '%-18s %10s states %7s s  %s\n' "$what" "$states" "${seconds:-0}" "$*" |
        tee -a "$POSSE_MODEL_WORK/lines"
}

# surprise <words>...: they and all that the search has said
surprise()
{
    {
        echo "SURPRISE: $*"
        cat out
    } | tee -a "$POSSE_MODEL_WORK/surprises"
}

# one holds|fails <C flags> <model> <-D...>...: a search, in a directory of its own
one()
{
    expected=$1 flags=$2
    shift 2
    directory=$(mktemp -d "$POSSE_MODEL_WORK/XXXXXX") && cd "$directory" || exit 1
    if ! search "$flags" "$@"; then
        surprise "$* cannot be searched:"
    elif [ "$expected" = holds ] && held; then
        line holds "$@"
    elif [ "$expected" = fails ] && [ "$(failure)" ]; then
        line "$(failure)" "$@"
    else
        surprise "$* was not found to be what it should be (it $expected):"
    fi
    cd / && rm -rf "$directory"
}

long=$POSSE_TEST_LONG
record=
case $1 in
'') ;;
--long) long=1 ;;
--record) record=1 ;;
--one) # run.sh itself, by xargs
    shift
    one "$@"
    exit 0
    ;;
*)
    echo "usage: $0 [--long | --record]" >&2
    exit 2
    ;;
esac

POSSE_MODEL_WORK=$(mktemp -d) || exit 1
export POSSE_MODEL_WORK
trap 'rm -rf "$POSSE_MODEL_WORK"' EXIT
trap 'exit 1' HUP INT TERM
list=$POSSE_MODEL_WORK/list

# Each line of the list: the model, and the words of `one`.

# holds <C flags> <model> <-D...>...: to be searched below
holds() { echo "$2 holds $*" >>"$list"; }

# fails <model> <-D...>...: a mutant. Optimised code would take longer to compile than most of them
# to search, and the reverse order comes upon most errors much sooner.
fails() { echo "$1 fails '-O0 -DREVERSE' $*" >>"$list"; }

# ---- pool.pml ----
holds -O1 pool -DSCRIPT=1 -DCH=1
holds -O1 pool -DSCRIPT=2 -DCH=0 -DNS=2
holds -O1 pool -DSCRIPT=3 -DCH=0 -DNS=2 -DRETRIES=1
holds -O0 pool -DSCRIPT=4 -DCH=0 -DNS=2 -DKILLS=0
holds -O1 pool -DSCRIPT=5 -DCH=0 -DNS=2
holds -O0 pool -DSCRIPT=6 -DCH=0 -DNS=2 -DRETRIES=1
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
fails pool -DNO_STACK -DSCRIPT=1 -DCH=1
fails pool -DNO_TOUCH_FILL -DSCRIPT=1 -DCH=1
fails pool -DNO_TOUCH_CLAIM -DSCRIPT=1 -DCH=0
fails pool -DNO_MARK -DSCRIPT=1 -DCH=1
fails pool -DTAKE_BACK_ALL -DSCRIPT=4 -DCH=0 -DNS=2 -DKILLS=0
fails pool -DLOOK_ONCE -DSCRIPT=5 -DCH=0 -DNS=2
fails pool -DNO_REPUSH -DSCRIPT=6 -DCH=0 -DNS=2 -DRETRIES=1
fails pool -DRETRY_BLIND -DSCRIPT=6 -DCH=0 -DNS=2 -DRETRIES=1
fails pool -DNO_COUNT -DSCRIPT=6 -DCH=0 -DNS=2 -DRETRIES=1 -DKILLS=2
fails pool -DNO_PAUSE -DSCRIPT=5 -DCH=0 -DNS=2 -DKILLS=0

# ---- groups.pml ----
holds -O1 groups
holds -O1 groups -DKILLS=0 -DWROUNDS=2 -DROUNDS=1
fails groups -DNO_FLOOR
fails groups -DGIVE_FIRST
fails groups -DNO_OWNER
fails groups -DNO_LEAVE
fails groups -DNO_NOTE
fails groups -DNO_TOUCH
fails groups -DNO_MARK
fails groups -DNO_BITS
fails groups -DNO_UNDO
fails groups -DBLIND_CLOSE

# ---- stash.pml ----
holds -O1 stash
holds -O1 stash -DSWEEPS=2 -DKILLS=0
fails stash -DNO_CLEAR
fails stash -DNO_LOOK
fails stash -DONE_LOOK
fails stash -DNO_GROUP
fails stash -DNO_REPAIR
fails stash -DCLEAR_ONLY

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

# ---- feed.pml ----
holds -O1 feed -DKILLS=0
holds -O1 feed -DREADERS=1 -DN=3
fails feed -DFIRST_ASLEEP -DKILLS=0 -DREADERS=1 -DN=3
fails feed -DLOOK_FIRST -DKILLS=0 -DREADERS=1 -DN=3
fails feed -DWAKE_FIRST -DKILLS=0 -DREADERS=1 -DN=3
fails feed -DCLEAR_LAST -DKILLS=0 -DREADERS=1 -DN=3
fails feed -DFULL_FIRST -DKILLS=0 -DREADERS=1 -DN=3
fails feed -DROOM_FIRST -DKILLS=0 -DREADERS=1 -DN=3
fails feed -DEND_LAST -DKILLS=0 -DREADERS=1 -DN=3
fails feed -DNO_WAKE_ALL

# ---- done_list.pml ----
holds -O1 done_list
holds -O1 done_list -DSECOND=3 -DKILLS=0
fails done_list -DNO_TAG
fails done_list -DNO_RESCAN
fails done_list -DNO_WAKE
fails done_list -DNEVER_POST -DKILLS=0
fails done_list -DPOST_LATER -DKILLS=0
fails done_list -DLINK_AFTER -DKILLS=0

# ---- kill.pml ----
holds -O0 kill -DENDLESS=1
holds -O0 kill -DNEST=1 -DENDLESS=1
holds -O0 kill -DDEADLINE=1 -DKILL=0 -DENDLESS=1
holds -O0 kill -DDEADLINE=1 -DNEST=1
holds -O0 kill -DDEADLINE=2 -DKILL=0 -DENDLESS=2
holds -O0 kill -DDEADLINE=2
holds -O0 kill -DSOFT=1
holds -O0 kill -DSOFT=1 -DENDLESS=1
holds -O0 kill -DSOFT=1 -DNEST=1
holds -O0 kill -DSOFT=1 -DDEADLINE=1
fails kill -DNO_EXIT -DSOFT=1
fails kill -DKILL_STRAIGHT -DDEADLINE=1 -DKILL=0
fails kill -DNO_PAUSE
fails kill -DNO_CHECK -DENDLESS=1
fails kill -DSTALE_DEADLINE -DDEADLINE=1 -DKILL=0
fails kill -DNO_PLAN_FIRST -DDEADLINE=2 -DKILL=0 -DENDLESS=2
fails kill -DNO_POKE
fails kill -DTOP_ONLY -DNEST=1

# ---- arena.pml ----
holds -O1 arena -DROUNDS=1
holds -O1 arena -DKILLS=0
holds -O1 arena -DLARGES=0
holds -O1 arena -DROUNDS=1 -DCROWD=1
fails arena -DNO_LIFE
fails arena -DSAME_LIFE
fails arena -DPLAIN_INFO -DLENGTH=2
fails arena -DNO_SECOND_LOOK
fails arena -DNO_TELL -DROUNDS=1 -DCROWD=1
fails arena -DNO_HELD
fails arena -DNO_CLAIMED
fails arena -DKEEP_MEMORY -DROUNDS=1
fails arena -DNO_REOPEN -DROUNDS=1
fails arena -DNO_ANYONE -DROUNDS=1 -DCROWD=1
fails arena -DHEAD_FIRST -DROUNDS=1
fails arena -DBLIND_CLOSE -DROUNDS=1
fails arena -DBLIND_DISCARD -DROUNDS=1

# ---- pin.pml ----
holds -O0 pin
fails pin -DFREE_ARG
fails pin -DFREE_PINNED
fails pin -DNO_LAST
fails pin -DNO_RECOVERY

# ---- dispatch.pml ----
holds -O1 dispatch -DNT=1
holds -O1 dispatch -DNT=1 -DRELEASE=1
holds -O1 dispatch -DNS=1
holds -O1 dispatch -DCHAIN -DNT=1
fails dispatch -DNO_HAND_OVER -DTIMEOUTS=0 -DNT=1
fails dispatch -DLEADERS_ONLY
fails dispatch -DNO_LOOK_AGAIN -DCHAIN -DTIMEOUTS=0 -DNT=1
fails dispatch -DFOLLOW_LATE -DTIMEOUTS=0 -DNT=1
fails dispatch -DNO_OVER -DTIMEOUTS=0 -DNT=1
fails dispatch -DNO_WAKEUP -DTIMEOUTS=0 -DNT=1
fails dispatch -DNO_APPOINT -DTIMEOUTS=0 -DNT=1
fails dispatch -DNO_TELL -DRELEASE=1 -DTIMEOUTS=0 -DNT=1
fails dispatch -DNO_LEADER -DRELEASE=1 -DTIMEOUTS=0 -DNT=1
fails dispatch -DPUT_ONLY -DTIMEOUTS=0 -DNT=1

# ---- group.pml ----
holds -O1 group
holds -O1 group -DOBSERVED=2
holds -O1 group -DKILL=1 -DOBSERVED=0
holds -O1 group -DDROP=1 -DOBSERVED=0
holds -O1 group -DHELP=1 -DOBSERVED=0
holds -O1 group -DCANCEL=1 -DOBSERVED=2
fails group -DFREE_GROUPED -DOBSERVED=0
fails group -DLOOK_FIRST -DDROP=1 -DOBSERVED=0
fails group -DNO_LOOK
fails group -DGROUP_LEAVES -DOBSERVED=0
fails group -DFREE_PINNED -DKILL=1 -DOBSERVED=0
fails group -DCLOSE_EARLY
fails group -DPHASE_FIRST
fails group -DNO_NOTIFY -DCANCEL=1 -DOBSERVED=2

# ---- ring.pml ----
holds -O1 ring -DQUICK=11 -DAGAIN=0 -DKILLS=1
holds -O1 ring -DQUICK=5
holds -O1 ring -DQUICK=6
holds -O1 ring -DQUICK=7 -DROUNDS=2 -DAGAIN=3 -DOTHERS=0
holds -O1 ring -DLAST=1 -DQUICK=11 -DAGAIN=0 -DKILLS=1
holds -O1 ring -DLAST=1 -DQUICK=5 -DAGAIN=1 -DOTHERS=2
holds -O1 ring -DLAST=1 -DQUICK=7 -DROUNDS=2 -DAGAIN=3 -DOTHERS=0
fails ring -DLAST=1 -DNO_HEAD_CHECK -DQUICK=11
fails ring -DNO_HEAD_CHECK -DQUICK=11
fails ring -DNO_SECOND_LOOK -DQUICK=5
fails ring -DNO_MEMORY_LOOK -DQUICK=11
fails ring -DNO_GIVING -DQUICK=5
fails ring -DNO_VERSION -DQUICK=11
fails ring -DNO_HELP -DQUICK=5 -DAGAIN=3
fails ring -DALWAYS_BARE -DQUICK=5
fails ring -DCUT_BACK -DQUICK=11
fails ring -DNO_USE_CHECK -DQUICK=11

# ---- lanes.pml ----
holds -O1 lanes -DA=1
holds -O1 lanes -DKILLS=0
fails lanes -DONE_FLAG
fails lanes -DANY_LANE
fails lanes -DALWAYS_PUSHED
fails lanes -DPLAIN
fails lanes -DLATE_MORE
fails lanes -DEARLY_LOOK
fails lanes -DKEEP_FLAGS -DC=1

# ---- scale.pml ----
holds -O1 scale -DIDLES=0
holds -O1 scale -DT=1 -DIDLES=0 -DRETIRES=1 -DKILLS=1
holds -O1 scale -DMAX=1 -DDRAIN=1 -DT=1 -DIDLES=0 -DLONG=0
holds -O1 scale -DMAX=1 -DDRAIN=1 -DT=1 -DIDLES=0 -DLONG=0 -DONDEMAND=0
holds -O1 scale -DMAX=1 -DDRAIN=1 -DT=1 -DIDLES=1 -DLONG=0
holds -O1 scale -DMAX=1 -DDRAIN=1 -DT=1 -DIDLES=0 -DLONG=0 -DCH=1
holds -O1 scale -DMAX=2 -DDRAIN=1 -DT=1 -DIDLES=0 -DLONG=0
fails scale -DNO_RECHECK -DMAX=1 -DDRAIN=1 -DT=1 -DIDLES=0 -DLONG=0
fails scale -DNO_PHASE_WAKE -DMAX=1 -DDRAIN=1 -DT=1 -DIDLES=0 -DLONG=0 -DONDEMAND=0
fails scale -DNO_SECOND_LOOK
fails scale -DNO_POKE
fails scale -DNO_CALL_OTHERS -DIDLES=0
fails scale -DGROW_LAST -DIDLES=0
fails scale -DNO_REPLACEMENT -DIDLES=0 -DRETIRES=1
fails scale -DNO_RECOUNT -DT=1 -DIDLES=0 -DKILLS=1

# ---- fresh.pml ----
holds -O1 fresh -DDEATHS=0
holds -O0 fresh -DKILLS=0 -DDEATHS=2
holds -O0 fresh -DHOSTILE=1 -DKILLS=0 -DDEATHS=0
holds -O0 fresh -DHOSTILE=1 -DBLOCKS=1 -DNT=1
holds -O0 fresh -DHOSTILE=1 -DLIMITED=1 -DKILLS=0 -DNT=1
holds -O0 fresh -DRETRIES=1 -DNT=1
holds -O0 fresh -DKILL=1 -DKILLS=0 -DNT=1
fails fresh -DBEGUN_LATE -DNT=1
fails fresh -DSPARE_COUNTS -DNT=1
fails fresh -DTWICE -DHOSTILE=1 -DNT=1
fails fresh -DNO_CHECK -DHOSTILE=1 -DNT=1
fails fresh -DNO_DEATH -DNT=1
fails fresh -DNO_KILL -DHOSTILE=1 -DKILLS=0 -DDEATHS=0
fails fresh -DNO_REAP -DKILLS=0 -DDEATHS=0
fails fresh -DSAME_PROCESS -DKILLS=0 -DDEATHS=0
fails fresh -DNOT_DEAD -DBLOCKS=1 -DNT=1
fails fresh -DNO_NAME -DRETRIES=1 -DNT=1
fails fresh -DNAME_LATE -DRETRIES=1 -DNT=1
fails fresh -DNO_KEEP -DKILLS=0 -DDEATHS=0
fails fresh -DNO_ARM -DNT=1
fails fresh -DNO_PARENT -DNT=1
fails fresh -DNO_ORPHANS -DNT=1

# ---- custody.pml ----
holds -O0 custody
holds -O0 custody -DRETRIES=0
holds -O0 custody -DFRESH=1 -DKILLS=1
holds -O0 custody -DBREAK=1 -DKILLS=1
fails custody -DNO_ATTEMPT
fails custody -DBY_SLOT
fails custody -DKEEP_ANY
fails custody -DRUNNING_ONLY
fails custody -DTAKE_ALWAYS
fails custody -DCOPY_ALWAYS
fails custody -DNO_NOTIFY
fails custody -DNO_SWEEP
fails custody -DPUBLISH_FIRST
fails custody -DNO_END -DBREAK=1

# ---- split.pml ----
holds -O0 split -DDEATHS=1
holds -O0 split -DUNORDERED=1 -DREFUSALS=1
holds -O0 split -DREFUSALS=1 -DRETRIES=1
holds -O0 split -DN=5 -DSIZE=3
fails split -DNO_SPLIT
fails split -DDROP_REST -DREFUSALS=1
fails split -DREST_IS_CHUNK -DREFUSALS=1
fails split -DCOUNT_TELLS -DREFUSALS=1
fails split -DENDLESS
fails split -DRETRIED -DRETRIES=1

# ---- which of them are searched ----

# The names in a model's head.
mirrored()
{
    sed -n '/^ \* Mirrors:/,/^ \*$/p' "$here/$1.pml" | sed 's/^ \*\( Mirrors:\)*//' |
        tr -s ', ' '\n'
}

# What a model's hash is of.
hashed()
{
    for name in $(mirrored "$1"); do
        awk -F'\t' -v name="$name" '$1 == name { found = 1; print } END { exit !found }' "$code" ||
            echo "SURPRISE: the head of $1.pml names $name, which is not in lib/" |
            tee -a "$POSSE_MODEL_WORK/surprises" >&2
    done
    awk -f "$here/code.awk" "$here/$1.pml" | tail -n 1
    grep "^$1 " "$list"
}

code=$POSSE_MODEL_WORK/code
find "$here/../../lib" -name '*.[ch]' | LC_ALL=C sort | xargs awk -f "$here/code.awk" >"$code"
for model in $(cut -d' ' -f1 "$list" | uniq); do
    printf '%s  %s\n' "$(hashed "$model" | sha256sum | cut -d' ' -f1)" "$model"
done >"$POSSE_MODEL_WORK/hashes"

if [ "$long" ]; then
    holds -O2 ring -DQUICK=11 -DAGAIN=1 -DKILLS=1
    holds -O2 dispatch
    holds -O2 dispatch -DRELEASE=1
    holds -O2 arena -DLARGES=0 -DCROWD=1
    holds -O2 arena -DROUNDS=1 -DKILLS=2
    holds -O2 pool -DSCRIPT=1 -DCH=2
    holds -O2 scale
    holds -O2 scale -DIDLES=0 -DRETIRES=1
    holds -O2 scale -DIDLES=0 -DKILLS=1
    holds -O2 scale -DT=1 -DIDLES=1 -DRETIRES=1 -DKILLS=1
    holds -O2 pool -DSCRIPT=1 -DCH=1 -DRETRIES=1
    holds -O2 pool -DSCRIPT=5 -DCH=1 -DKILLS=0
    holds -O2 pool -DSCRIPT=5 -DCH=0 -DNS=2 -DRETRIES=1
    holds -O2 pool -DSCRIPT=2 -DCH=0 -DNS=2 -DKILLS=2
    holds -O2 stash -DSWEEPS=2
    holds -O2 feed
    holds -O2 lanes
    holds -O2 lanes -DNS=2 -DA=1 -DC=1
    holds -O2 idle
    holds -O2 idle -DKILLS=2 -DCH=0
    holds -O2 idle -DNW=3 -DKILLS=0 -DCH=0 -DLONG=0
    holds -O2 wait -DTIMEOUTS=2
    holds -O2 wait -DNP=3 -DNF=1 -DTIMEOUTS=0
    holds -O2 custody -DRETRIES=2 -DLIVES=3 -DKILLS=3 -DENDS=2
    holds -O2 split -DN=5 -DSIZE=3 -DREFUSALS=1
    holds -O2 split -DDEATHS=1 -DREFUSALS=1
    holds -O2 split -DREFUSALS=2 -DUNORDERED=1
    holds -O2 fresh
    holds -O2 fresh -DHOSTILE=1 -DKILL=1 -DKILLS=0 -DNT=1
    holds -O2 fresh -DHOSTILE=1 -DLIMITED=1 -DRETRIES=1 -DNT=1
else
    # Those that are not recorded with the hash that they have now.
    changed=$(grep -vxFf "$here/checked" "$POSSE_MODEL_WORK/hashes" | sed 's/.* //')
    for model in $changed; do
        grep "^$model " "$list"
    done >"$list.changed"
    mv "$list.changed" "$list"
    # shellcheck disable=SC2086 # words
    echo "changed since they were recorded:" ${changed:-none}
fi

if [ -s "$list" ]; then
    for tool in spin "$cc"; do
        if ! command -v "$tool" >/dev/null 2>&1; then
            echo "skipped: there is no $tool"
            exit 77
        fi
    done
fi

: >"$POSSE_MODEL_WORK/lines"
cut -d' ' -f2- "$list" | xargs -r -P 2 -L 1 sh "$here/run.sh" --one

# sum <pattern>: how many such searches, and their states
sum()
{
    grep "$1" "$POSSE_MODEL_WORK/lines" | sed 's/.* \([0-9.e+]*\) states .*/\1/' |
        awk '{ sum += $1 } END { printf "%d, %.1f million states", NR, sum / 1e6 }'
}

echo "models that hold: $(sum '^holds'); mutants that fail: $(sum '^fails')"
runs=$(grep -c . "$list")
if [ -s "$POSSE_MODEL_WORK/surprises" ] ||
    [ "$(grep -c . "$POSSE_MODEL_WORK/lines")" != "$runs" ]; then
    grep '^SURPRISE' "$POSSE_MODEL_WORK/surprises"
    echo "not all $runs searches of models went as they should"
    exit 1
fi
echo "all $runs searches of models went as they should"
[ -z "$record" ] || cp "$POSSE_MODEL_WORK/hashes" "$here/checked"

#!/bin/sh
# Runs both commands of the README on a system with nothing installed. See usage below.
#
# The system lives in memory, on a mount that only the processes of this run see, and dies with
# them: nothing is left, however this ends.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)

usage() {
    cat <<END
usage: tests/fresh.sh SUITE [COMMAND [ARGUMENT...]]

Makes a minimal Debian of that suite (bookworm, trixie, sid, ...) by debootstrap, from where this
machine gets its own packages, copies the tracked files of the working tree to /posse there, and
runs demo/run.sh and tests/run.sh as root, or the command. Nothing of it is left afterwards.

Needs root, 4 GB of memory, and debootstrap, which is installed if it is missing. Prints what the
commands print, then whether each passed, with the closing lines of ctest. Exit: 0 if both passed,
or that of the command.
END
}

place=/mnt # where the memory is mounted

case ${1-} in
--help) usage && exit ;;
--inside)
    mount -t tmpfs -o mode=755,size=80% posse-fresh $place
    export TMPDIR=$place
    ;;
'' | -*) usage >&2 && exit 2 ;;
esac

# shellcheck source=demo/build.sh
. "$top/demo/build.sh"

# ---- outside ------------------------------------------------------------------------------------

# run_inside <word>...: this script again, as process 1 of what ends with it; its signals are reset,
# as a shell lets what runs in the background ignore some.
run_inside() {
    env --default-signal setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child \
        --propagation private sh "$0" --inside "$@" <&3 &
    child=$!
    trap 'kill -KILL $child; exit 143' INT TERM HUP
    status=0
    wait "$child" || status=$?
    exit "$status"
}

if [ "$1" != --inside ]; then
    [ "$(id -u)" -eq 0 ] || fail "must be run by root"
    [ "${top#"$place/"}" = "$top" ] || fail "the tree must not lie in $place, which will be hidden"
    need debootstrap command -v debootstrap
    need git command -v git
    install_missing
    rm -rf "$scratch"
    run_inside "$@" 3<&0
fi

# ---- inside -------------------------------------------------------------------------------------

shift
suite=$1
shift
root=$place/system

# Of the machine's sources the first that debootstrap has a script for: address and suite.
# shellcheck disable=SC2016 # apt-get fills them in
mirror() {
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
        while read -r address release; do
            [ ! -e "/usr/share/debootstrap/scripts/$release" ] || echo "$address"
        done | head -n 1
}

# How the machine's apt gets what it gets.
apt_settings() {
    apt-config dump | grep -E '^Acquire::(http|https|ftp|Check|Retries|ForceIPv)'
}

make_system() {
    mirror=$(mirror)
    [ -n "$mirror" ] || fail "no source of Debian's packages in /etc/apt"
    eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
    export http_proxy https_proxy
    printf '%s: making a minimal %s\n' "$0" "$suite" >&2
    quietly debootstrap --variant=minbase "$suite" $root "$mirror" ||
        fail "debootstrap cannot make $suite; an old debian-archive-keyring may not know its keys"
    apt_settings >$root/etc/apt/apt.conf.d/50machine || true
    cp /etc/resolv.conf /etc/hosts $root/etc/
}

# Its / is a mount, as tests mount over parts of it in namespaces of their own.
mount_in_system() {
    mount --bind $root $root
    mount -t proc proc $root/proc
    mount --rbind /sys $root/sys
    mkdir -p $root/dev/pts $root/dev/shm
    mount -t tmpfs -o mode=1777 shm $root/dev/shm
    mount -t devpts -o newinstance,ptmxmode=666 devpts $root/dev/pts
}

copy_tree() {
    mkdir $root/posse
    git -C "$top" -c safe.directory="$top" ls-files -z >"$scratch/files"
    tar -C "$top" -c --null --ignore-failed-read -T "$scratch/files" | tar -C $root/posse -x
}

# in_system <command> <word>...
in_system() {
    chroot $root env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 sh -c 'cd /posse && exec "$@"' sh "$@"
}

# try <command>: shows its output, keeps it in $scratch/<its directory>, and how it ended.
try() {
    log=$scratch/$(dirname "$1")
    { in_system "$1" </dev/null 2>&1 && echo passed >"$log.end"; } | tee "$log"
    [ -e "$log.end" ] || echo FAILED >"$log.end"
}

report() {
    for name in demo tests; do
        printf '%s: %s/run.sh %s\n' "$suite" $name "$(cat "$scratch/$name.end")"
    done
    sed -n '/tests passed/,$p' "$scratch/tests"
}

make_system
mount_in_system
copy_tree
if [ $# -gt 0 ]; then
    status=0
    in_system "$@" || status=$?
    exit "$status"
fi
try demo/run.sh
try tests/run.sh
report
! cat "$scratch/demo.end" "$scratch/tests.end" | grep -q FAILED

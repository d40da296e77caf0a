#!/bin/sh
# ssh.sh PROGRAM - runs the demo sum_of_squares on agents that ssh starts on this machine. The sshd
# is its own, on a port of loopback; keys and settings lie in a directory of its own.
set -eu
program=$1
sshd=$(PATH=$PATH:/usr/sbin command -v sshd) || {
    echo "no sshd: skipped"
    exit 77
}
scratch=$(mktemp -d /tmp/posse-ssh-XXXXXX)
chmod 700 "$scratch"
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>"$scratch/kill" || true
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    printf 'FAILED: %s\n' "$1" >&2
    cat "$scratch/sshd.log" "$scratch/err" >&2 || true
    exit 1
}

ssh-keygen -q -t ed25519 -N '' -f "$scratch/host"
ssh-keygen -q -t ed25519 -N '' -f "$scratch/user"
cp "$scratch/user.pub" "$scratch/authorized"
[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd # a directory that sshd asks for

# A port that is free: sshd says if it is not.
port=$((20000 + $$ % 20000))
tries=0
while :; do
    cat >"$scratch/sshd_config" <<END
Port $port
ListenAddress 127.0.0.1
HostKey $scratch/host
AuthorizedKeysFile $scratch/authorized
PidFile none
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
UsePAM no
END
    "$sshd" -D -e -f "$scratch/sshd_config" 2>"$scratch/sshd.log" &
    server=$!
    waited=0
    until grep -q 'Server listening' "$scratch/sshd.log" || [ "$waited" -ge 100 ]; do
        kill -0 "$server" 2>"$scratch/kill" || break
        sleep 0.05
        waited=$((waited + 1))
    done
    grep -q 'Server listening' "$scratch/sshd.log" && break
    tries=$((tries + 1))
    [ "$tries" -lt 5 ] || fail "no sshd"
    port=$((port + 1))
done

# The ssh that the launcher finds first.
mkdir "$scratch/bin"
ssh=$(command -v ssh)
cat >"$scratch/bin/ssh" <<END
#!/bin/sh
exec $ssh -F none -p $port -i $scratch/user -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=$scratch/known -o LogLevel=ERROR "\$@"
END
chmod +x "$scratch/bin/ssh"

PATH=$scratch/bin:$PATH "$program" --backend remote --nodes 127.0.0.1:2,localhost:1 --seconds 0 \
    --from 1000 --count 5 >"$scratch/out" 2>"$scratch/err" || fail "sum_of_squares by ssh"
head -n 5 "$scratch/out" | diff - /dev/fd/3 3<<'END' || fail "the sums"
1000 332833500
1001 333833500
1002 334835501
1003 335839505
1004 336845514
END
[ ! -s "$scratch/err" ] || fail "stderr"

# A host that nobody can reach.
kill "$server"
wait "$server" || true
server=
if PATH=$scratch/bin:$PATH "$program" --backend remote --nodes 127.0.0.1:2 --seconds 0 --from 10 \
    --count 1 >"$scratch/out" 2>"$scratch/err"; then
    fail "without sshd it succeeded"
fi
grep -q 'Connection refused' "$scratch/err" || fail "the words of ssh are not told"

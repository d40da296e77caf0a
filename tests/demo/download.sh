#!/bin/sh
# download.sh PROGRAM BACKEND SERVER - downloads from a server of its own what is good and bad.
set -eu
# shellcheck source=tests/demo/lib.sh
. "$(dirname "$0")/lib.sh"
server=$3

mkfifo "$scratch/port"
"$server" >"$scratch/port" &
server_pid=$!
trap 'kill "$server_pid" || :; rm -rf "$scratch"' EXIT
read -r port <"$scratch/port"
site=http://127.0.0.1:$port
into=$scratch/into

# download <page or URL>...: into an empty directory, with the options in $options.
options=
download() {
    rm -rf "$into"
    for page; do
        shift
        case $page in
        http*) set -- "$@" "$page" ;;
        *) set -- "$@" "$site$page" ;;
        esac
    done
    # shellcheck disable=SC2086 # words
    run --timeout 20 --workers 4 --into "$into" $options "$@"
    [ ! -s "$scratch/err" ] || fail "stderr with $*: $(cat "$scratch/err")"
}

# expect_line <text>: one line of the output ends so.
expect_line() {
    grep -F -- "$1" "$scratch/out" >"$scratch/found" || fail "no '$1': $(cat "$scratch/out")"
    [ "$(wc -l <"$scratch/found")" -eq 1 ] || fail "'$1' is there twice"
}

# expect_page <page> <file>: it was saved there, and told of.
expect_page() {
    "$server" "$1" >"$scratch/expected"
    cmp "$scratch/expected" "$into/$2" || fail "$1 is not as it was sent"
    expect_line "$site$1: $(wc -c <"$scratch/expected") bytes in $2"
}

# expect_failure <page or URL> <message>: and nothing else.
expect_failure() {
    download "$1"
    [ "$status" -eq 1 ] || fail "exit status $status for $1"
    expect_lines "1 of 1  .*: FAILED, .*" '0 of 1 came'
    expect_line "$1: FAILED, $2"
    [ -z "$(ls -A "$into")" ] || fail "something was saved of $1"
}

# Good pages.
set -- /fast /kept-open /empty /empty-chunked /until-end /bare-lines /chunked /large \
    /large-until-end
download "$@"
[ "$status" -eq 0 ] || fail "exit status $status for good pages: $(cat "$scratch/out")"
for page; do
    expect_page "$page" "${page#/}"
done
[ "$(wc -l <"$scratch/out")" -eq 10 ] || fail "not a line for each page"
for k in 1 2 3 4 5 6 7 8 9; do
    sed -n "${k}p" "$scratch/out" | grep -q "^$k of 9  " || fail "line $k of the progress"
done
expect_line '9 of 9 came'

# Bad ones. What they say is shown without what a terminal would obey.
expect_failure /missing '404 Not Found'
expect_failure /broken '500 Internal Server Error'
expect_failure /moved '302 Found, it is at http://else.where/'
expect_failure /cut 'the connection was closed too early'
expect_failure /cut-header 'the connection was closed too early'
expect_failure /cut-chunk 'the connection was closed too early'
expect_failure /cut-chunks 'the connection was closed too early'
expect_failure /nothing 'the connection was closed too early'
expect_failure /garbage "not HTTP: it says '?[31mSSH-2.0 ?'"
expect_failure /bad-length "not HTTP: Content-Length is '12x'"
expect_failure /bad-chunk 'not HTTP: a chunk without a size'
expect_failure /long-chunk 'not HTTP: a chunk has no end'
expect_failure /zipped "encoded as 'gzip'"
expect_failure /huge 'larger than 64 MB'
expect_failure /huge-chunk 'larger than 64 MB'
expect_failure https://127.0.0.1/ 'not an http:// URL'
expect_failure http:///fast 'not an http:// URL'
expect_failure http://127.0.0.1:99999/ 'not an http:// URL'
expect_failure http://user@127.0.0.1/ 'not an http:// URL'
expect_failure http://127.0.0.1:1/ 'cannot connect: Connection refused'

# Slow ones end on time, beside each other, and the quick ones among them come first.
options='--timeout 2 --workers 6'
[ "$backend" != inline ] || options='--timeout 1'
set -- /slow /slow-body /drip /drip-header /fast /missing
download "$@"
[ "$status" -eq 1 ] || fail "exit status $status with slow pages"
for page in /slow /slow-body /drip /drip-header; do
    expect_line "$site$page: FAILED, timed out"
done
expect_page /fast fast
expect_line '1 of 6 came'
if [ "$backend" != inline ]; then
    ! head -n 2 "$scratch/out" | grep -q 'slow\|drip' || fail "the quick ones waited for the slow"
fi
[ "$(ls -A "$into")" = fast ] || fail "part of a page was saved"
options=

# Names: never out of the directory, hidden, or one for two.
# shellcheck disable=SC2016 # these are names, not expansions
download /any/../../../../tmp/evil /any/.. /any/.hidden /any/-rf '/any/a%2f..%2fb' / \
    '/any/q?x=/../y' '/any/x#/../y' /any/ "$site" '/any/a&b;c$d'
[ "$status" -eq 0 ] || fail "exit status $status for odd names: $(cat "$scratch/out")"
names() {
    find "$into" -type f | sed 's|.*/||' | LC_ALL=C sort | tr '\n' ' '
}
expected='_. _hidden _rf a_2f.._2fb a_b_c_d evil index.html index.html.1 index.html.2 q x '
[ "$(names)" = "$expected" ] || fail "odd names were saved as $(names)"
long=$(printf '%0200d' 0)
download "/any/$long"
[ "$(names)" = "$(printf '%0100d' 0) " ] || fail "a long name was saved as $(names)"

# Nothing is written over, or through a link.
rm -rf "$into"
mkdir "$into"
echo mine >"$into/fast"
ln -s "$scratch/elsewhere" "$into/fast.1"
expect_success --into "$into" "$site/fast"
expect_line "$site/fast: 6 bytes in fast.2"
[ "$(cat "$into/fast")" = mine ] || fail "a file was written over"
[ ! -e "$scratch/elsewhere" ] || fail "it was written through a link"

# expect_no_directory <name>: it cannot be saved there.
expect_no_directory() {
    run --into "$1" "$site/fast"
    [ "$status" -eq 1 ] || fail "exit status $status for --into $1"
    [ "$(wc -l <"$scratch/err")" -eq 1 ] || fail "not one line on stderr for --into $1"
}
expect_no_directory "$into/not/there"
expect_no_directory "$into/fast"

expect_manners --into "$into" "$site/fast"
expect_misuse
expect_misuse --into "$into"
expect_misuse --timeout 0 "$site/fast"
expect_misuse --timeout 1.5 "$site/fast"
expect_misuse --workers 0 "$site/fast"
expect_misuse "$site/with space"
expect_misuse "$site/$(printf '%02000d' 0)"

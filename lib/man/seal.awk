# seal.awk - usage: awk -f seal.awk seal_rules.h posse_seal.7
#
# Prints the page with the list of system calls in the place of a comment that says so. The last two
# items are of tasks with a process of their own: PI_OS_TASK_CALLS, and rules with one of
# PI_OS_CHECKS_OF_WORKER.

function fail(message)
{
    print FILENAME ":" FNR ": " message >"/dev/stderr"
    failed = 1
    exit 1
}

BEGIN {
    heads = "ALWAYS PATHS CHANGES FILES NETWORK PORTS CONNECTS BINDS PROGRAMS PROCESSES SIGNALS " \
        "TRACING TASK WORKER"
    title["ALWAYS"] = "Always"
    title["PATHS"] = "With .Dv POSSE_ALLOW_FILES or lists of paths"
    title["CHANGES"] = "With .Dv POSSE_ALLOW_FILES or a list of writable paths"
    title["FILES"] = "With .Dv POSSE_ALLOW_FILES"
    title["NETWORK"] = "With .Dv POSSE_ALLOW_NETWORK"
    title["PORTS"] = "With lists of ports"
    title["CONNECTS"] = "With a list of ports to connect to"
    title["BINDS"] = "With a list of ports to bind"
    title["PROGRAMS"] = "With .Dv POSSE_ALLOW_PROGRAMS"
    title["PROCESSES"] = "With .Dv POSSE_ALLOW_PROCESSES"
    title["SIGNALS"] = "With .Dv POSSE_ALLOW_SIGNALS"
    title["TRACING"] = "With .Dv POSSE_ALLOW_TRACING"
    title["TASK"] = "Of these, with .Dv POSSE_FRESH , only so"
    title["WORKER"] = "Of these, not with .Dv POSSE_FRESH"
    limit["ANY"] = ""
    limit["NO_CALL"] = "fails with ENOSYS"
    limit["ADVICE"] = "not MADV_HWPOISON and MADV_SOFT_OFFLINE"
    limit["TASK_ADVICE"] = "not MADV_REMOVE, MADV_HWPOISON and MADV_SOFT_OFFLINE"
    limit["COPIES"] = "without MSG_ZEROCOPY"
    limit["MESSAGE_COPIES"] = limit["COPIES"]
    limit["SELF"] = "to itself"
    limit["NOTIFY"] = "SIGCHLD to its parent"
    limit["NOTIFY_OTHER"] = "SIGCONT to its parent"
    limit["THREAD"] = "a thread"
    limit["NO_SPACES"] = "without new namespaces"
    limit["READ_OWN"] = "to read its own"
    limit["OWN_DATA"] = "its own RLIMIT_DATA"
    limit["NAMES"] = "names of threads, PR_GET_DUMPABLE"
    limit["OPEN_STAT"] = "with AT_EMPTY_PATH"
    limit["OPEN_STATX"] = limit["OPEN_STAT"]
    limit["OWN_FLAGS"] = "not F_SETOWN, F_SETSIG and O_ASYNC"
    limit["HARMLESS"] = "TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX"
    limit["CONNECTED"] = "without an address"
    limit["NO_FASTOPEN"] = "without MSG_FASTOPEN"
    limit["TCP"] = "of TCP, IPv4 or IPv6"
    limit["OPTIONS"] = "SOL_SOCKET, IPV6_V6ONLY, and of TCP those up to 15 and TCP_USER_TIMEOUT"
}

function add(when, call, check)
{
    if (!(when in title) || !(check in limit))
        fail("a rule that this script does not know: " call ", " when ", " check)
    calls[when] = calls[when] ", " call (limit[check] == "" ? "" : " (" limit[check] ")")
}

# text: what stands in the parentheses of an item of a list.
function note(list, text,    part)
{
    split(text, part, ", ")
    if (list == "PI_OS_SEAL_RULES") {
        add(part[2], part[1], part[3])
        call_of[part[3]] = part[1]
        n_rules++
    } else if (list == "PI_OS_TASK_CALLS") {
        add("TASK", part[1], part[2])
    } else if (list == "PI_OS_CHECKS_OF_WORKER") {
        add("WORKER", call_of[part[1]], part[1])
    }
}

# Lines of at most 76 characters.
function put_words(text,    words, n, i, line)
{
    n = split(text, words, " ")
    for (i = 1; i <= n; i++) {
        if (line != "" && length(line " " words[i]) > 76) {
            print line
            line = ""
        }
        line = line (line == "" ? "" : " ") words[i]
    }
    print line
}

function put_lists(    n, i, head, words)
{
    if (n_rules == 0 || calls["TASK"] == "" || calls["WORKER"] == "")
        fail("a list has no rule")
    n = split(heads, head, " ")
    print ".Bl -tag -width Ds"
    for (i = 1; i <= n; i++) {
        words = title[head[i]]
        sub(/ \.Dv/, " Dv", words)
        gsub(/ or lists| or a list/, " No&", words)
        sub(/ , only/, " , No only", words)
        print ".It " words
        put_words(substr(calls[head[i]], 3) ".")
    }
    print ".El"
}

NR == FNR && /^#define/ {
    list = $2
    sub(/\(.*/, "", list)
    next
}

NR == FNR {
    rest = $0 ~ /^( \*|\/\*)/ ? "" : $0
    while (match(rest, /[A-Z]+\([^)]*\)/)) {
        item = substr(rest, RSTART, RLENGTH - 1)
        sub(/^[A-Z]+\(/, "", item)
        note(list, item)
        rest = substr(rest, RSTART + RLENGTH)
    }
    next
}

$0 == ".\\\" CALLS" {
    put_lists()
    next
}

{
    print
}

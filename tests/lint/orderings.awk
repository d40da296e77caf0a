# Finds memory orderings without a reason: see orderings.sh. Headers come first, up to "--": of them
# the fields whose comment has the word "order:" are learnt. Then the files are read.
BEGIN {
    operation = "(pi_(load|store)_(relaxed|acquire|release|seq|again)|pi_cas|pi_cas_seq|" \
                "pi_(or|and|exchange)_seq|pi_add_relaxed|" \
                "atomic_(load|store|exchange|fetch_[a-z]+|compare_exchange_(strong|weak))" \
                "(_explicit)?)\\("
    for (i = 1; i < ARGC && ARGV[i] != "--"; i++)
        learn(ARGV[i])
    for (i++; i < ARGC; i++)
        check(ARGV[i])
    printf "%d of %d orderings explained (%d %%)\n", explained, all,
           all ? 100 * explained / all : 100
    exit explained < all
}

# The fields of a header whose declaration, or the comment above it, says "order:".
function learn(file,    line, text, open)
{
    while ((getline line < file) > 0) {
        if (line ~ /\/\*/) {
            text = ""
            open = 1
        }
        if (open)
            text = text " " line
        if (line ~ /\*\//)
            open = 0
        if (!open && text ~ /order:/ && match(line, /[a-z_]+(\[[^\]]*\])?;/))
            ordered[substr(line, RSTART, RLENGTH - 1)] = 1
        if (!open && line !~ /\*\/$/)
            text = ""
    }
    close(file)
}

function says(text) { return text ~ /\/\*/ }

# Whether a seq operation names a field that was learnt.
function is_ordered(text,    field)
{
    if (text !~ /_seq\(/)
        return 0
    for (field in ordered)
        if (text ~ "(->|\\.)" field "[^a-z_]")
            return 1
    return 0
}

# Each statement begins behind a line that ends with ; { } or a comment.
function check(file,    line, n, above, statement, from, comment, head, section, whole, first,
               count, ops)
{
    n = 0
    above = statement = comment = ""
    head = section = whole = first = 0
    while ((getline line < file) > 0) {
        n++
        if (comment != "" || (line ~ /^[ \t]*\/\*/ && line !~ /^[ \t]*\/\*.*\*\/[ \t]*[^ \t]/)) {
            comment = comment line # a comment of its own
            if (line ~ /\*\//) {
                if (comment ~ /^\/\*.*order:/)
                    whole = 1
                if (comment ~ /^\/\*.*order:/ && first == 0)
                    head = 1
                if (comment ~ /^\/\* ----/)
                    section = comment ~ /order:/
                first = 1
                above = comment
                comment = ""
            }
            continue
        }
        if (statement == "")
            from = n
        statement = statement "\n" line
        if (line ~ /^}/)
            whole = 0
        if (line ~ /[;{}:)][ \t]*(\/\*.*\*\/)?[ \t]*$/ && line !~ /^[ \t]*(&&|\|\|)/ ||
            line ~ /^#/ || line == "") {
            ops = statement
            sub(/\/\*.*\*\//, "", ops)
            for (count = 0; match(ops, operation); count++)
                ops = substr(ops, RSTART + RLENGTH)
            all += count
            if (says(statement) || says(above) || whole || section || is_ordered(statement) ||
                (head && statement !~ /_relaxed/))
                explained += count
            else if (count > 0)
                print file ":" from ": " trim(statement)
            statement = ""
            above = line ~ /\*\// ? line : ""
        }
    }
    close(file)
}

function trim(text)
{
    gsub(/[ \t\n]+/, " ", text)
    return substr(text, 1, 100)
}

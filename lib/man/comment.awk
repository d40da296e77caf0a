# comment.awk - the parts of a comment: paragraphs, examples, rows of a table; and of a function's
# contract, what it returns.
#
# part_kind[], part_text[], part_term[]: 1 to n_parts. A line begins a paragraph if the one before
# it ends a sentence and has room for its first word.
# return_heads[] ("POSSE_A, POSSE_B", or "" for a paragraph), return_text[]: 1 to n_returns.

function content_of(line)
{
    sub(/^ *\/?\* ?/, "", line)
    sub(/ *\*\/ *$/, "", line)
    return line
}

function add_part(kind, term, text)
{
    n_parts++
    part_kind[n_parts] = kind
    part_term[n_parts] = term
    part_text[n_parts] = text
}

# kind_of(<content of a line>, <line before>, <kind of the part under way>): "" for an empty line,
# "+" if the line goes on with that part.
function kind_of(text, before, kind,    first)
{
    if (text ~ /^ *$/)
        return ""
    if (text ~ /^ ? ?[a-z]+  +[^ ]/)
        return "row"
    if (text ~ /^    /)
        return kind == "row" || kind == "example" ? "+" : "example"
    first = text
    sub(/ .*/, "", first)
    if (kind != "text" || (before ~ /[.:]$/ && length(before) + 1 + length(first) <= 100))
        return "text"
    return "+"
}

function add_line(text, kind,    term)
{
    if (kind == "+") {
        if (part_kind[n_parts] != "example")
            sub(/^ +/, "", text)
        part_text[n_parts] = part_text[n_parts] (part_kind[n_parts] == "example" ? "\n" : " ") text
    } else if (kind == "row") {
        sub(/^ +/, "", text)
        term = text
        sub(/ .*/, "", term)
        sub(/^[a-z]+ +/, "", text)
        add_part(kind, term, text)
    } else {
        add_part(kind, "", text)
    }
}

function take_apart(comment,    lines, n, i, kind, now)
{
    n_parts = 0
    n = split(comment, lines, "\n")
    for (i = 1; i <= n; i++) {
        kind = kind_of(content_of(lines[i]), lines[i - 1], now)
        if (kind != "")
            add_line(content_of(lines[i]), kind)
        if (kind != "+")
            now = kind
    }
}

function add_return(heads, text)
{
    n_returns++
    return_heads[n_returns] = heads
    return_text[n_returns] = text
}

# statuses_of(<sentence>): the length of the list that it begins with, and of the sign behind that;
# 0 if it begins with no status, nor with a value of a function that gives none.
function statuses_of(sentence,    item)
{
    item = "POSSE_[A-Z_]+( \\([^)]*\\))?"
    if (match(sentence, "^" item "(, " item ")*[.:;]") || \
        (!gives_status && match(sentence, /^(NULL|-?[0-9]+):/)))
        return RLENGTH
    return 0
}

# A list of statuses with nothing else: each has the meaning that it always has.
function add_bare(list,    items, n, i, name, more)
{
    n = split(list, items, ", ")
    for (i = 1; i <= n; i++) {
        name = items[i]
        more = sub(/ .*/, "", name) ? substr(items[i], length(name) + 3) : ""
        sub(/\)$/, "", more)
        add_return(name, (name in status_text ? status_text[name] : "") \
                         (more == "" ? "" : " (" more ")") ".")
    }
}

function add_description(sentence, begins)
{
    if (begins || n_parts == 0)
        add_part("text", "", sentence)
    else
        part_text[n_parts] = part_text[n_parts] " " sentence
}

# add_sentence(<sentence>, <whether it begins a paragraph>): all that follows a status is of these.
function add_sentence(sentence, begins,    n)
{
    n = statuses_of(sentence)
    if (n > 0 || sentence ~ /^(Statuses|Others|Otherwise) as /)
        in_statuses = 1
    if (n == length(sentence) && sentence ~ /\.$/)
        add_bare(substr(sentence, 1, n - 1))
    else if (n > 0)
        add_return(substr(sentence, 1, n - 1), substr(sentence, n + 2))
    else if (sentence ~ /^Returns (POSSE_|NULL|true|false|-?[0-9]|the |its |their |how )/)
        add_return("", sentence)
    else if (!in_statuses)
        add_description(sentence, begins)
    else if (begins || n_returns == 0)
        add_return("", sentence)
    else
        return_text[n_returns] = return_text[n_returns] " " sentence
}

# The last sentence of the description introduces what is returned if it ends with a colon.
function introduce(    text, at, rest)
{
    text = part_text[n_parts]
    if (in_statuses || n_parts == 0 || part_kind[n_parts] != "text" || text !~ /:$/)
        return
    for (rest = text; (at = match(rest, /\. /)) > 0;)
        rest = substr(rest, at + 2)
    add_return("", rest)
    part_text[n_parts] = substr(text, 1, length(text) - length(rest))
    sub(/ +$/, "", part_text[n_parts])
    if (part_text[n_parts] == "")
        n_parts--
}

function add_sentences(text,    at, begins, sentence)
{
    begins = 1
    while (text != "") {
        at = match(text, /[.!?][)"]* /) ? RSTART + RLENGTH - 1 : length(text) + 1
        sentence = substr(text, 1, at - 1)
        if (statuses_of(sentence) > 0)
            introduce()
        add_sentence(sentence, begins)
        text = substr(text, at + 1)
        begins = 0
    }
}

# take_contract_apart(<comment>, <type that the function returns>): what is returned goes to
# return_heads and return_text.
function take_contract_apart(comment, type,    n, i, kind, term, text)
{
    take_apart(comment)
    n = n_parts
    for (i = 1; i <= n; i++) {
        kind[i] = part_kind[i]
        term[i] = part_term[i]
        text[i] = part_text[i]
    }
    n_parts = n_returns = in_statuses = 0
    gives_status = type ~ /posse_status$/
    for (i = 1; i <= n; i++) {
        if (kind[i] == "text")
            add_sentences(text[i])
        else
            add_part(kind[i], term[i], text[i])
    }
}

# members.awk - the members of a struct or an enum, each with the comment behind it, or else with
# the one above it and its neighbours.
#
# member[], member_text[] (what is behind), member_above[] (what is above): 1 to n_members.

function add_member(text)
{
    gsub(/[ \n]+/, " ", text)
    sub(/ \(?= .*/, "", text)
    sub(/ = .*/, "", text)
    member[++n_members] = text
    member_text[n_members] = ""
    member_above[n_members] = lead
}

# take_comment(<text that begins with one>, <whether it stands behind a member>): the rest.
function take_comment(text, behind,    at)
{
    at = index(text, "*/")
    if (behind)
        member_text[n_members] = substr(text, 1, at + 1)
    else
        lead = substr(text, 1, at + 1)
    return substr(text, at + 2)
}

# take_member(<text that begins with one>, <the sign that ends one>): the rest.
function take_member(text, sign,    at, comment)
{
    at = index(text, sign)
    comment = index(text, "/*")
    if (at == 0 || (comment > 0 && comment < at))
        at = comment > 0 ? comment : length(text) + 1
    add_member(substr(text, 1, at - 1))
    return substr(text, substr(text, at, 1) == sign ? at + 1 : at)
}

function read_members(code, sign,    text, gap)
{
    n_members = 0
    lead = ""
    text = code
    sub(/^[^{]*[{]/, "", text)
    sub(/[}][^}]*$/, "", text)
    while (text !~ /^[ \n]*$/) {
        match(text, /^[ \n]*/)
        gap = substr(text, 1, RLENGTH)
        text = substr(text, RLENGTH + 1)
        if (gap ~ /\n *\n/)
            lead = ""
        if (text ~ /^#/)
            sub(/^[^\n]*/, "", text)
        else if (text ~ /^\/\*/)
            text = take_comment(text, gap !~ /\n/)
        else
            text = take_member(text, sign)
    }
}

# The comment above members is written under the last of those in a row that have none behind.
function shares_with_next(i)
{
    return i < n_members && member_text[i] == "" && member_text[i + 1] == "" && \
        member_above[i] == member_above[i + 1]
}

function write_member_text(i)
{
    at_begin = 1
    if (member_text[i] != "") {
        take_apart(member_text[i])
        write_parts()
    }
    if (member_above[i] != written_above) {
        take_apart(member_above[i])
        write_parts()
    }
    written_above = member_above[i]
}

# write_members(<macro>, <code>, <sign behind each>): a list; no empty line between those that have
# a few words behind them.
function write_members(macro, code, sign,    i)
{
    read_members(code, sign)
    written_above = ""
    open_list()
    for (i = 1; i <= n_members; i++) {
        put(".It " macro " \"" member[i] "\"")
        if (shares_with_next(i))
            continue
        write_member_text(i)
        if (i < n_members && (member_above[i] != member_above[i + 1] || \
                              (member_text[i] == "" && member_above[i] != "")))
            put(".Pp")
    }
    put(".El")
    at_begin = 0
}

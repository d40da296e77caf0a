# describe.awk - writes the parts of a comment, and what a page says of a declaration.

function write_parts(    i)
{
    for (i = 1; i <= n_parts; i++) {
        if (part_kind[i] == "row") {
            write_row(i)
        } else if (part_kind[i] == "example") {
            write_example(part_text[i])
        } else {
            put_paragraph()
            write_text(part_text[i])
        }
    }
}

# A paragraph follows, unless one begins anyway.
function put_paragraph()
{
    if (!at_begin)
        put(".Pp")
    at_begin = 0
}

function put_heading(macro, text)
{
    put("." macro " " text)
    at_begin = 1
}

function write_row(i)
{
    if (i == 1 || part_kind[i - 1] != "row")
        put(".Bl -tag -width Ds")
    put(".It " part_term[i])
    write_text(part_text[i])
    if (i == n_parts || part_kind[i + 1] != "row")
        put(".El")
    at_begin = 0
}

function write_example(text)
{
    gsub(/\\/, "\\e", text)
    sub(/^    /, "", text)
    gsub(/\n    /, "\n", text)
    put(".Bd -literal -offset indent")
    put(text)
    put(".Ed")
    at_begin = 0
}

# ---- what is returned ----------------------------------------------------------------------------

function put_heads(heads,    items, n, i, line)
{
    n = split(heads, items, ", ")
    for (i = 1; i <= n; i++) {
        if (items[i] ~ /^POSSE_/ && !(items[i] in status_text))
            fail(items[i] " is no status")
        sub(/^-/, "\\-", items[i])
        line = line (i == 1 ? ".It " : " , ") "Dv " items[i]
    }
    put(line)
}

function open_list()
{
    put_paragraph()
    put(".Bl -tag -width Ds -compact")
    at_begin = 0
}

function write_returns(    i, in_list)
{
    for (i = 1; i <= n_returns; i++) {
        if ((return_heads[i] != "") != in_list) {
            if (in_list)
                put(".El")
            else
                open_list()
            in_list = !in_list
        }
        if (in_list)
            put_heads(return_heads[i])
        else
            put_paragraph()
        write_text(return_text[i])
    }
    if (in_list)
        put(".El")
}

# ---- declarations --------------------------------------------------------------------------------

function on_page(i)
{
    at_line = item_line[i]
    at_file = section_file[item_section[i]]
    return section_page[item_section[i]] == page
}

# The names of the items that share the comment of one.
function names_of(i,    k, names)
{
    for (k = i; k <= n_items && item_first[k] == i; k++)
        names = names (k > i ? ", " : "") item_name[k]
    return names
}

# A list of these, each with its words behind it.
function write_behind(i, macro,    k)
{
    if (item_behind[i] == "")
        return
    open_list()
    for (k = i; k <= n_items && item_first[k] == i; k++) {
        put(".It " macro " " item_name[k])
        write_text(item_behind[k])
    }
    put(".El")
}

function describe_function(i)
{
    take_contract_apart(item_comment[i], item_type[i])
    if (n_parts == 0)
        return
    put_heading("Ss", names_of(i))
    write_parts()
    write_behind(i, "Fn")
}

# Of constants without words the synopsis says all.
function describe_constants(i)
{
    if (item_comment[i] item_behind[i] == "")
        return
    put_heading("Ss", names_of(i))
    take_apart(item_comment[i])
    write_parts()
    write_behind(i, "Dv")
}

function describe_type(i)
{
    if (item_comment[i] == "" && (item_kind[i] == "opaque" || item_code[i] ~ /POSSE_STATUS_LIST/))
        return
    put_heading("Ss", item_name[i])
    take_contract_apart(item_comment[i], item_type[i])
    write_parts()
    write_returns()
    if (item_kind[i] == "struct")
        write_members("Va", item_code[i], ";")
    else if (item_kind[i] == "enum")
        write_members("Dv", item_code[i], ",")
}

function describe_statuses(i,    k)
{
    put_heading("Ss", "posse_status")
    take_apart(item_comment[i])
    write_parts()
    open_list()
    for (k = 1; k <= n_statuses; k++) {
        put(".It Dv " status_name[k] " Pq " status_value[k])
        write_text(status_text[status_name[k]])
    }
    put(".El")
}

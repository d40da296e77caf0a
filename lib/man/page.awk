# page.awk - writes the pages: usage in make.sh.

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

# ---- one call, one type --------------------------------------------------------------------------

# The names that an item declares, and what their declarations say: their number.
function read_functions(i,    parts, n, k)
{
    n = split_code(item_code[i], parts)
    for (k = 1; k <= n; k++) {
        read_prototype(plain(parts[k]))
        name_of[k] = declared_name
        type_of[k] = returned_type
        arguments_of[k] = arguments
        behind_of[k] = match(parts[k], /\/\*.*\*\//) ? substr(parts[k], RSTART, RLENGTH) : ""
    }
    return n
}

function put_prototype(type, name, text,    words, n, i)
{
    put(".Ft " type)
    put(".Fo " name)
    n = split(text, words, ", ")
    for (i = 1; i <= n; i++)
        put(".Fa \"" words[i] "\"")
    put(".Fc")
}

function names_of(n,    i, names)
{
    for (i = 1; i <= n; i++)
        names = names (i > 1 ? ", " : "") name_of[i]
    return names
}

# Functions that share a comment, each with its own words behind it.
function describe_function(i,    n, k)
{
    n = read_functions(i)
    take_contract_apart(item_comment[i])
    if (n_parts == 0)
        return
    put_heading("Ss", names_of(n))
    write_parts()
    if (behind_of[1] == "")
        return
    open_list()
    for (k = 1; k <= n; k++) {
        put(".It Fn " name_of[k])
        write_text(content_of(behind_of[k]))
    }
    put(".El")
}

function describe_type(i)
{
    if (item_comment[i] == "" && (item_shape[i] == "opaque" || item_code[i] ~ /POSSE_STATUS_LIST/))
        return
    put_heading("Ss", item_name[i])
    take_contract_apart(item_comment[i])
    write_parts()
    write_returns()
    if (item_shape[i] == "struct" || item_shape[i] == "enum") {
        read_members(item_code[i], item_shape[i] == "struct" ? ";" : ",")
        write_members(item_shape[i] == "struct" ? "Va" : "Dv")
    }
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

# Constants with words behind them; of others the synopsis says all.
function describe_constants(i,    parts, n, k, words, names)
{
    if (item_code[i] !~ /\/\*/)
        return
    n = split_code(item_code[i], parts)
    for (k = 1; k <= n; k++) {
        split(parts[k], words, " ")
        names = names (k > 1 ? ", " : "") words[2]
    }
    put_heading("Ss", names)
    take_apart(item_comment[i])
    write_parts()
    open_list()
    for (k = 1; k <= n; k++) {
        split(parts[k], words, " ")
        put(".It Dv " words[2])
        if (match(parts[k], /\/\*.*\*\//))
            write_text(content_of(substr(parts[k], RSTART, RLENGTH)))
    }
    put(".El")
}

# ---- one page ------------------------------------------------------------------------------------

function put_head(section, name)
{
    file = out "/man" section "/" name "." section
    put(".\\\" Made from posse.h by lib/man/make.sh.")
    put(".Dd " date)
    put(".Dt " toupper(name) " " section)
    put(".Os")
}

function write_names(    i, last)
{
    put_heading("Sh", "NAME")
    last = page
    for (i = 1; i <= n_functions; i++)
        if (page_of[functions[i]] == page && functions[i] != page) {
            put(".Nm " last " ,")
            last = functions[i]
        }
    put(".Nm " last)
    put(".Nd " about[page])
    put_heading("Sh", "LIBRARY")
    put("posse " version " (libposse, \\-lposse)")
}

function put_constants(i,    parts, n, k)
{
    n = split_code(item_code[i], parts)
    for (k = 1; k <= n; k++)
        put(".Fd " plain(parts[k]))
}

function write_synopsis(    i, k, n)
{
    put_heading("Sh", "SYNOPSIS")
    put(".In posse.h")
    for (i = 1; i <= n_items; i++) {
        if (section_page[item_section[i]] != page)
            continue
        if (item_kind[i] == "define") {
            put_constants(i)
        } else if (item_kind[i] == "type" && item_shape[i] == "function") {
            shape_of(plain(item_code[i]))
            put_prototype("typedef " returned_type, declared_name, arguments)
        } else if (item_kind[i] == "function") {
            n = read_functions(i)
            for (k = 1; k <= n; k++)
                put_prototype(type_of[k], name_of[k], arguments_of[k])
        }
    }
}

# What is said of all calls of the page comes first.
function write_description(    i)
{
    put_heading("Sh", "DESCRIPTION")
    for (i = 1; i <= n_items; i++)
        if (item_kind[i] == "text" && section_page[item_section[i]] == page) {
            take_apart(item_comment[i])
            write_parts()
        }
    put_paragraph()
    put("What holds for all calls, of threads, fork, time and outputs, is in")
    put(".Xr posse 7 .")
    for (i = 1; i <= n_items; i++) {
        at_line = item_line[i]
        if (item_kind[i] == "function" && section_page[item_section[i]] == page)
            describe_function(i)
    }
}

function write_types(    i, begun)
{
    for (i = 1; i <= n_items; i++) {
        if (section_page[item_section[i]] != page || item_kind[i] ~ /^(text|function)$/)
            continue
        at_line = item_line[i]
        if (!begun)
            put_heading("Sh", "TYPES AND CONSTANTS")
        begun = 1
        if (item_kind[i] == "type")
            describe_type(i)
        else if (item_kind[i] == "statuses")
            describe_statuses(i)
        else
            describe_constants(i)
    }
}

# A call that says what it returns otherwise returns POSSE_OK as well.
function add_success(type,    i)
{
    for (i = 1; i <= n_returns; i++)
        if (return_heads[i] ~ /POSSE_OK/ || return_text[i] ~ /^POSSE_OK/)
            return
    if (type != "posse_status")
        return
    for (i = ++n_returns; i > 1; i--) {
        return_heads[i] = return_heads[i - 1]
        return_text[i] = return_text[i - 1]
    }
    return_heads[1] = "POSSE_OK"
    return_text[1] = status_text["POSSE_OK"] "."
}

function write_return_values(    i, begun)
{
    for (i = 1; i <= n_items; i++) {
        if (item_kind[i] != "function" || section_page[item_section[i]] != page)
            continue
        at_line = item_line[i]
        take_contract_apart(item_comment[i])
        if (n_returns == 0)
            continue
        if (!begun)
            put_heading("Sh", "RETURN VALUES")
        begun = 1
        put_heading("Ss", names_of(read_functions(i)))
        add_success(type_of[1])
        write_returns()
    }
}

# The other pages in the order of their names, then those of section 7.
function write_see_also(    i, k, n, names, name)
{
    put_heading("Sh", "SEE ALSO")
    for (name in about)
        names[++n] = name
    for (i = 2; i <= n; i++)
        for (k = i; k > 1 && names[k] < names[k - 1]; k--) {
            name = names[k]
            names[k] = names[k - 1]
            names[k - 1] = name
        }
    for (i = 1; i <= n; i++)
        if (names[i] != page)
            put(".Xr " names[i] " 3 ,")
    if (page != "posse")
        put(".Xr posse 7 ,")
    put(".Xr posse_fork 7")
}

function write_page()
{
    put_head(3, page)
    write_names()
    write_synopsis()
    write_description()
    write_types()
    write_return_values()
    write_see_also()
    close(file)
}

# ---- posse.7 -------------------------------------------------------------------------------------

# The rules of the head comment of posse.h, in the place of a comment of the page that says so.
function write_overview(source,    line)
{
    page = "posse"
    file = out "/man7/posse.7"
    at_line = 1
    while ((getline line <source) > 0) {
        if (line == ".\\\" RULES")
            write_rules()
        else if (line == ".\\\" PAGES")
            write_pages()
        else
            put(line)
    }
    close(file)
}

function write_rules(    i)
{
    take_apart(head)
    at_begin = 1
    for (i = 1; i <= n_parts; i++)
        if (part_kind[i] == "row")
            write_row(i)
    if (at_begin)
        fail("the head comment has no rules")
}

function write_pages(    i, name, longest)
{
    for (i = 1; i <= n_sections; i++)
        if (length(section_page[i]) > length(longest))
            longest = section_page[i]
    put(".Bl -tag -compact -width \"" longest "(3)\"")
    for (i = 1; i <= n_sections; i++) {
        name = section_page[i]
        put(".It Xr " name " 3")
        put(about[name])
    }
    put(".El")
}

# ---- all -----------------------------------------------------------------------------------------

# For each function and type that is not the name of its page: "name page".
function write_links(    name)
{
    for (name in page_of)
        if (name != page_of[name])
            print name, page_of[name]
}

FILENAME == "pages" || FILENAME ~ /\/pages$/ {
    if ($0 !~ /^#/) {
        name = $1
        sub(/^[^ ]+ +/, "")
        about[name] = $0
    }
    next
}

{
    at_line = FNR
    read_line($0)
}

END {
    if (!failed && (in_comment || code != ""))
        fail("the file ends within a comment or a declaration")
    if (!failed)
        note_names()
    if (failed)
        exit 1
    gsub(/.* "|"$/, "", version)
    for (page in about)
        write_page()
    write_overview(overview)
    write_links()
}

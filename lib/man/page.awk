# page.awk - writes the pages: usage in make.sh.

function header_of_page(    i)
{
    for (i = 1; i < n_sections && section_page[i] != page;)
        i++
    return section_file[i]
}

function write_head()
{
    file = out "/man3/" page ".3"
    put(".\\\" Made from " header_of_page() " by lib/man/make.sh.")
    put(".Dd " date)
    put(".Dt " toupper(page) " 3")
    put(".Os")
}

function write_names(    i, last)
{
    put_heading("Sh", "NAME")
    last = page
    for (i = 1; i <= n_items; i++)
        if (item_kind[i] == "function" && on_page(i) && item_name[i] != page) {
            put(".Nm " last " ,")
            last = item_name[i]
        }
    put(".Nm " last)
    put(".Nd " about[page])
    put_heading("Sh", "LIBRARY")
    put("posse " version " (libposse, \\-lposse)")
}

function put_prototype(i,    words, n, k)
{
    put(".Ft " item_type[i])
    put(".Fo " item_name[i])
    n = split(item_arguments[i], words, ", ")
    for (k = 1; k <= n; k++)
        put(".Fa \"" words[k] "\"")
    put(".Fc")
}

function write_synopsis(    i)
{
    put_heading("Sh", "SYNOPSIS")
    put(".In " header_of_page())
    for (i = 1; i <= n_items; i++) {
        if (!on_page(i))
            continue
        if (item_kind[i] == "define")
            put(".Fd " plain(item_code[i]))
        else if (item_kind[i] == "prototype" || item_kind[i] == "function")
            put_prototype(i)
    }
}

# What is said of all calls of the page comes first.
function write_description(    i)
{
    put_heading("Sh", "DESCRIPTION")
    for (i = 1; i <= n_items; i++)
        if (item_kind[i] == "text" && on_page(i)) {
            take_apart(item_comment[i])
            write_parts()
        }
    put_paragraph()
    put("The rules for all calls, about threads, fork, time, errors and outputs, are in")
    put(".Xr posse 7 .")
    for (i = 1; i <= n_items; i++)
        if (item_kind[i] == "function" && item_first[i] == i && on_page(i))
            describe_function(i)
}

function write_types(    i, begun)
{
    for (i = 1; i <= n_items; i++) {
        if (!on_page(i) || item_first[i] != i || item_kind[i] ~ /^(text|function)$/)
            continue
        if (!begun)
            put_heading("Sh", "TYPES AND CONSTANTS")
        begun = 1
        if (item_kind[i] == "statuses")
            describe_statuses(i)
        else if (item_kind[i] == "define")
            describe_constants(i)
        else
            describe_type(i)
    }
}

# A call that says what it returns otherwise returns POSSE_OK as well.
function add_success(    i)
{
    for (i = 1; i <= n_returns; i++)
        if (return_heads[i] ~ /POSSE_OK/ || return_text[i] ~ /^(Returns )?POSSE_OK/)
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
        if (item_kind[i] != "function" || item_first[i] != i || !on_page(i))
            continue
        take_contract_apart(item_comment[i], item_type[i])
        if (n_returns == 0)
            continue
        if (!begun)
            put_heading("Sh", "RETURN VALUES")
        begun = 1
        put_heading("Ss", names_of(i))
        if (item_type[i] == "posse_status")
            add_success()
        write_returns()
    }
}

# The other pages in the order of their names, then those of section 7.
function write_see_also(    i, k, n, names, name)
{
    put_heading("Sh", "SEE ALSO")
    for (name in about)
        if (name != page) {
            for (k = ++n; k > 1 && name < names[k - 1]; k--)
                names[k] = names[k - 1]
            names[k] = name
        }
    for (i = 1; i <= n; i++)
        put(".Xr " names[i] " 3 ,")
    put(".Xr posse 7 ,")
    put(".Xr posse_fork 7 ,")
    put(".Xr posse_seal 7")
}

function write_page()
{
    write_head()
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
    if (FNR == 1)
        begin_file(FILENAME)
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

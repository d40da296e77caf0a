# names.awk - what the declarations of posse.h declare.
#
# page_of[] of a function or type; is_type[]; is_constant[]; status_text[] of a status.
# section_page[] of a section: the function in the list of pages that the section declares.

# On one line, with single spaces, without comments and attributes.
function plain(code)
{
    code = without_comments(code)
    gsub(/[ \n]+/, " ", code)
    sub(/^POSSE_API (POSSE_CHECK )?/, "", code)
    sub(/ POSSE_PRINTF\([0-9]+, [0-9]+\);/, ";", code)
    sub(/ $/, "", code)
    return code
}

# split_code(<code of an item>, <array for its declarations>): their number.
function split_code(code, parts,    lines, n, i, n_parts_found, part)
{
    n = split(code, lines, "\n")
    for (i = 1; i <= n; i++) {
        part = part (part == "" ? "" : "\n") lines[i]
        if (!is_complete(part))
            continue
        parts[++n_parts_found] = part
        part = ""
    }
    return n_parts_found
}

# Takes "type name(arguments);" apart, to returned_type, declared_name and arguments.
function read_prototype(text)
{
    if (text !~ /^[a-z][a-z0-9_ *]*[ *]posse_[a-z0-9_]+\([^()]+\);$/)
        fail("not a prototype that is understood: " text)
    arguments = text
    sub(/^[^(]*\(/, "", arguments)
    sub(/\);$/, "", arguments)
    sub(/\(.*/, "", text)
    match(text, /posse_[a-z0-9_]+$/)
    declared_name = substr(text, RSTART)
    returned_type = substr(text, 1, RSTART - 1)
    sub(/ $/, "", returned_type)
}

# shape_of(<a plain typedef>): "opaque", "struct", "enum" or "function"; declared_name is its name.
function shape_of(text,    words, n)
{
    n = split(text, words, " ")
    declared_name = words[3]
    if (words[n] == declared_name ";") {
        if (text ~ /^typedef struct posse_[a-z_]+ posse_[a-z_]+;$/)
            return "opaque"
        if (text ~ /^typedef (struct|enum) posse_[a-z_]+ [{][^{}]*[}] posse_[a-z_]+;$/)
            return words[2]
    }
    sub(/^typedef /, "", text)
    read_prototype(text)
    return "function"
}

function note_statuses(text,    row, parts)
{
    gsub(/\\\n/, " ", text)
    gsub(/[ \n]+/, " ", text)
    sub(/^#define POSSE_STATUS_LIST\(X\) /, "", text)
    while (match(text, /^ ?X\(POSSE_[A-Z_]+, [0-9]+, ?"[^"]*"\)/)) {
        row = substr(text, 1, RLENGTH)
        text = substr(text, RLENGTH + 1)
        split(row, parts, /[(,"]/)
        status_name[++n_statuses] = parts[2]
        status_value[n_statuses] = parts[3] + 0
        match(row, /"[^"]*"/)
        status_text[parts[2]] = substr(row, RSTART + 1, RLENGTH - 2)
        is_constant[parts[2]] = 1
    }
    if (text !~ /^ *$/)
        fail("not a status that is understood: " text)
}

function note_constants(text)
{
    text = without_comments(text)
    while (match(text, /POSSE_[A-Z_]+/)) {
        is_constant[substr(text, RSTART, RLENGTH)] = 1
        text = substr(text, RSTART + RLENGTH)
    }
}

function note_function(section)
{
    functions[++n_functions] = declared_name
    function_section[n_functions] = section
    if (!(declared_name in about))
        return
    if (section in section_page)
        fail("two pages for \"" section_name[section] "\"")
    section_page[section] = declared_name
}

function note_item(i,    parts, n, k)
{
    at_line = item_line[i]
    if (item_kind[i] == "function" && item_comment[i] == "")
        fail("no comment above " item_code[i])
    n = split_code(item_code[i], parts)
    for (k = 1; k <= n; k++) {
        if (item_kind[i] == "function") {
            read_prototype(plain(parts[k]))
            note_function(item_section[i])
        } else if (item_kind[i] == "type") {
            item_shape[i] = shape_of(plain(parts[k]))
            item_name[i] = declared_name
            is_type[declared_name] = 1
            note_constants(parts[k])
        } else if (parts[k] ~ /^#define POSSE_STATUS_LIST\(/) {
            note_statuses(parts[k])
            item_kind[i] = "statuses"
        } else {
            note_constants(parts[k])
        }
    }
}

function note_names(    i)
{
    for (i = 1; i <= n_items; i++)
        note_item(i)
    for (i = 1; i <= n_sections; i++)
        if (!(i in section_page))
            fail("lib/man/pages has no page for \"" section_name[i] "\"")
    for (i = 1; i <= n_items; i++)
        if (item_kind[i] == "type")
            page_of[item_name[i]] = section_page[item_section[i]]
    for (i = 1; i <= n_functions; i++)
        page_of[functions[i]] = section_page[function_section[i]]
    for (i in about)
        if (!(i in page_of))
            fail("lib/man/pages names " i ", which is not declared")
}

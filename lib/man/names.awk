# names.awk - what the declarations of posse.h declare.
#
# item_name[]       of a function, a type or a constant
# item_type[], item_arguments[]   of a function or the type of one
# item_behind[]     the comment behind a declaration, or ""
# item_kind[]       of a type becomes "opaque", "struct", "enum" or "prototype"; that of the list of
#                   all statuses "statuses"
# page_of[]         by the name of a function or type; is_type[], is_constant[], status_text[]
# section_page[]    the function in the list of pages that the section declares

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

# note_prototype(<item>, "type name(arguments);")
function note_prototype(i, text)
{
    if (text !~ /^[a-z][a-z0-9_ *]*[ *]posse_[a-z0-9_]+\([^()]+\);$/)
        fail("not a prototype that is understood: " text)
    item_arguments[i] = text
    sub(/^[^(]*\(/, "", item_arguments[i])
    sub(/\);$/, "", item_arguments[i])
    sub(/\(.*/, "", text)
    match(text, /posse_[a-z0-9_]+$/)
    item_name[i] = substr(text, RSTART)
    item_type[i] = substr(text, 1, RSTART - 1)
    sub(/ $/, "", item_type[i])
}

function note_type(i, text,    words, n)
{
    n = split(text, words, " ")
    item_name[i] = words[3]
    if (text ~ /^typedef struct posse_[a-z_]+ posse_[a-z_]+;$/ && words[4] == words[3] ";") {
        item_kind[i] = "opaque"
    } else if (text ~ /^typedef (struct|enum) posse_[a-z_]+ [{][^{}]*[}] posse_[a-z_]+;$/ && \
               words[n] == words[3] ";") {
        item_kind[i] = words[2]
        note_constants(text)
    } else {
        sub(/^typedef /, "", text)
        note_prototype(i, text)
        item_type[i] = "typedef " item_type[i]
        item_kind[i] = "prototype"
    }
    is_type[item_name[i]] = 1
}

function note_statuses(text,    row, parts)
{
    gsub(/\\/, " ", text)
    gsub(/ +/, " ", text)
    sub(/^#define POSSE_STATUS_LIST\(X\) /, "", text)
    while (match(text, /^ ?X\(POSSE_[A-Z_]+, [0-9]+, "[^"]*"\)/)) {
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
    while (match(text, /POSSE_[A-Z_]+/)) {
        is_constant[substr(text, RSTART, RLENGTH)] = 1
        text = substr(text, RSTART + RLENGTH)
    }
}

function note_function(i, text)
{
    note_prototype(i, text)
    if (item_comment[item_first[i]] == "")
        fail("no comment above " item_name[i])
    if (!(item_name[i] in about))
        return
    if (item_section[i] in section_page)
        fail("two pages for \"" section_name[item_section[i]] "\"")
    section_page[item_section[i]] = item_name[i]
}

function note_define(i, text,    words)
{
    split(text, words, " ")
    item_name[i] = words[2]
    if (words[2] == "POSSE_STATUS_LIST(X)") {
        item_kind[i] = "statuses"
        note_statuses(text)
    } else {
        note_constants(text)
    }
}

function note_item(i,    text)
{
    at_line = item_line[i]
    at_file = section_file[item_section[i]]
    text = plain(item_code[i])
    if (item_kind[i] == "function")
        note_function(i, text)
    else if (item_kind[i] == "type")
        note_type(i, text)
    else if (item_kind[i] == "define")
        note_define(i, text)
    if (match(item_code[i], /\/\*.*\*\/ *$/))
        item_behind[i] = content_of(substr(item_code[i], RSTART, RLENGTH))
}

function note_names(    i, name)
{
    for (i = 1; i <= n_items; i++)
        note_item(i)
    for (i = 1; i <= n_sections; i++) {
        at_file = section_file[i]
        if (!(i in section_page))
            fail("lib/man/pages has no page for \"" section_name[i] "\"")
    }
    for (i = 1; i <= n_items; i++)
        if (item_kind[i] == "function" || item_name[i] in is_type)
            page_of[item_name[i]] = section_page[item_section[i]]
    for (name in about)
        if (!(name in page_of))
            fail("lib/man/pages names " name ", which is not declared")
}

# header.awk - reads posse.h and the headers beside it into items, one for each declaration: 1 to
# n_items, in their order.
#
# item_kind[]     "text" (a comment of its own), "function", "type" or "define"
# item_comment[]  the lines of the comment above, or ""
# item_code[]     the lines of the declaration
# item_first[]    the item itself; or the one that it follows without an empty line or a comment of
#                 its own, and shares that one's
# item_section[]  the number of its section; item_line[] that of its first line
# section_file[]  the header that a section stands in
#
# head is the comment before everything, version the line that defines POSSE_VERSION.
#
# It understands what stands in posse.h, and refuses everything else.

function begin_file(path)
{
    if (in_comment || code != "")
        fail("the file ends within a comment or a declaration")
    at_file = path
    sub(/.*\//, "", at_file)
    in_section = joined = 0
    n_files++
}

function fail(message)
{
    if (!failed)
        print at_file ":" at_line ": " message >"/dev/stderr"
    failed = 1
    exit 1
}

function add_item(kind, code,    shares)
{
    shares = joined && above == "" && kind != "type" && kind == item_kind[n_items]
    n_items++
    item_kind[n_items] = kind
    item_code[n_items] = code
    item_comment[n_items] = above
    item_section[n_items] = n_sections
    item_line[n_items] = code_line
    item_first[n_items] = shares ? item_first[n_items - 1] : n_items
    above = ""
    joined = 1
}

function end_of_paragraph()
{
    code_line = at_line
    if (above != "" && in_section)
        add_item("text", "")
    else if (above != "" && n_files == 1)
        head = above
    above = ""
    joined = 0
}

# A comment without its end stays.
function without_comments(code,    at, rest)
{
    while ((at = index(code, "/*")) > 0) {
        rest = substr(code, at + 2)
        if (index(rest, "*/") == 0)
            return code
        code = substr(code, 1, at - 1) substr(rest, index(rest, "*/") + 2)
    }
    return code
}

# Whether a declaration has all of its lines.
function is_complete(code,    bare)
{
    if (code ~ /^#/)
        return code !~ /\\$/
    bare = without_comments(code)
    if (index(bare, "/*") > 0)
        return 0
    return gsub(/[{]/, "{", bare) == gsub(/[}]/, "}", bare) && bare ~ /; *$/
}

function kind_of_code(code)
{
    if (code ~ /^POSSE_API /)
        return "function"
    if (code ~ /^typedef /)
        return "type"
    if (code ~ /^#define POSSE_[A-Z_]+[ (]/)
        return "define"
    fail("neither a function, a type nor a constant: " code)
}

function read_comment(line)
{
    above = above (above == "" ? "" : "\n") line
    in_comment = line !~ /\*\/ *$/
}

function read_code(line)
{
    if (code == "")
        code_line = at_line
    code = code (code == "" ? "" : "\n") line
    if (!is_complete(code))
        return
    if (in_section)
        add_item(kind_of_code(code), code)
    else
        note_constants(code)
    if (code ~ /^#define POSSE_VERSION "/)
        version = code
    code = ""
}

function read_section(line)
{
    end_of_paragraph()
    in_section = 1
    section_file[++n_sections] = at_file
    sub(/^\/\* ---- /, "", line)
    sub(/ -*[ -]*\*\/$/, "", line)
    section_name[n_sections] = line
}

# What is for C++ alone is left out, and what is before the first section but for the head comment.
function read_line(line)
{
    if (in_comment)
        read_comment(line)
    else if (code != "")
        read_code(line)
    else if (line ~ /^#ifdef __cplusplus/)
        left_out = 1
    else if (left_out)
        left_out = line !~ /^#endif/
    else if (line ~ /^\/\* ---- .*\*\/$/)
        read_section(line)
    else if (line ~ /^\/\*/)
        read_comment(line)
    else if (line ~ /^ *$/ || (!in_section && line !~ /^#define/) || line ~ /^#endif/)
        end_of_paragraph()
    else
        read_code(line)
}

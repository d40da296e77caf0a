# text.awk - running text, as mdoc: names become macros, a sentence begins on a line of its own.

function put(line)
{
    print line >file
}

# The line of text under way is complete.
function end_line()
{
    if (line_now != "")
        put((line_now ~ /^[.']/ ? "\\&" : "") line_now)
    line_now = ""
}

function add_word(word)
{
    gsub(/\\/, "\\e", word)
    if (word ~ /^-[0-9]/)
        word = "\\" word
    if (line_now != "" && length(line_now) + length(word) > 75)
        end_line()
    line_now = line_now (line_now == "" ? "" : " ") word
    if (word ~ /(e\.g|i\.e|\.\.)\.$/)
        line_now = line_now "\\&"
    else if (word ~ /[.!?][)"]*$/)
        end_line()
}

# The macro that sets a name, or "" for a word that is none. A name that begins as those of posse.h
# do must be there.
function macro_of(name)
{
    if (name in is_type)
        return "Vt"
    if (name in page_of)
        return page_of[name] == page ? "Fn" : "Xr"
    if (name ~ /^posse_[a-z_]*[a-z]$/ || (name ~ /^POSSE_[A-Z_]*[A-Z]$/ && !(name in is_constant)))
        fail("a comment names " name ", which is not declared")
    if (name ~ /^E[A-Z][A-Z]+$/)
        return "Er"
    if (name == "NULL" || name ~ /^SIG[A-Z]+$/ || name ~ /^[A-Z][A-Z0-9]*_[A-Z0-9_]+$/)
        return "Dv"
    if (name ~ /^\/(dev|proc|sys)(\/[a-z]+)*$/ || name ~ /^[a-z_]+\.h$/)
        return "Pa"
    if (name ~ /^pthread_[a-z_]+$/)
        return "Fn"
    if (name == "errno" || name ~ /^\*[a-z_]+$/ || name ~ /^\*?[a-z]+([._]|->)[a-z_.]*[a-z]$/)
        return name ~ /^[a-z]\.[a-z]$/ ? "" : "Va"
    return ""
}

# spaced(<signs>): each an argument of its own.
function spaced(signs,    i, result)
{
    for (i = 1; i <= length(signs); i++)
        result = result " " substr(signs, i, 1)
    return result
}

# add_word for a word of a text that may be a name, with signs around it.
function write_word(word,    before, name, behind, possessive, macro)
{
    match(word, /^[("]*/)
    before = substr(word, 1, RLENGTH)
    name = substr(word, RLENGTH + 1)
    match(name, /[]).,:;?!"]*$/)
    behind = substr(name, RSTART)
    name = substr(name, 1, RSTART - 1)
    possessive = sub(/'s$/, "", name)
    sub(/\($/, "", name)
    macro = before behind ~ /"/ ? "" : macro_of(name)
    if (macro == "") {
        add_word(word)
        return
    }
    end_line()
    put("." macro spaced(before) " " name (macro == "Xr" ? " 3" : "") \
        (possessive ? " Ns 's" : "") spaced(behind))
}

# Code within a text; behind it may come signs, which are taken off the rest of the text.
function write_code(code, rest,    behind)
{
    match(rest, /^[]).,:;?!]*/)
    behind = substr(rest, 1, RLENGTH)
    gsub(/\\/, "\\e", code)
    gsub(/"/, "\"\"", code)
    if (code ~ /[.,:;?!)]$/)
        code = code "\\&"
    end_line()
    put((code ~ /^[a-z_]+$/ ? ".Fa " : ".Ql ") "\"" code "\"" spaced(behind))
    return substr(rest, RLENGTH + 1)
}

function write_words(text,    words, n, i)
{
    n = split(text, words, " ")
    for (i = 1; i <= n; i++)
        write_word(words[i])
}

# A text with code between backquotes.
function write_text(text,    at, code)
{
    while ((at = index(text, "`")) > 0) {
        write_words(substr(text, 1, at - 1))
        text = substr(text, at + 1)
        at = index(text, "`")
        if (at == 0)
            fail("a ` without its end")
        text = write_code(substr(text, 1, at - 1), substr(text, at + 1))
    }
    write_words(text)
    end_line()
}

# contract.awk - usage: awk -f contract.awk PAGES posse.h
#
# PAGES has a line for each function: its name, and its page without any space. Prints what of the
# declarations and the comments above them is not there.

function letters(text)
{
    gsub(/[^A-Za-z0-9_]/, "", text)
    return text
}

# Piece by piece, as what is returned stands elsewhere on the page, and in a list.
function check_comment(name, text,    pieces, n, i)
{
    gsub(/\([37]\)/, "", text)
    n = split(text, pieces, /[.:;,]+ |[()]/)
    for (i = 1; i <= n; i++)
        if (index(words_of[name], letters(pieces[i])) == 0)
            print name ": " pieces[i]
}

function check_declaration(text,    name)
{
    sub(/^POSSE_API /, "", text)
    sub(/POSSE_CHECK /, "", text)
    sub(/ POSSE_PRINTF.*/, ";", text)
    sub(/;.*/, ";", text)
    name = text
    sub(/\(.*/, "", name)
    sub(/.*[ *]/, "", name)
    gsub(/ /, "", text)
    if (!(name in page_of))
        print name ": no page"
    else if (index(page_of[name], text) == 0)
        print name ": " text
    check_comment(name, comment)
}

NR == FNR {
    page_of[$1] = $2
    words_of[$1] = letters($2)
    next
}

/^\/\*/ {
    comment = ""
    in_comment = 1
}

in_comment {
    in_comment = !/\*\//
    sub(/^[\/ ]\* ?/, "")
    sub(/ *\*\/.*/, "")
    comment = comment " " $0
    next
}

/^POSSE_API/ || declaration != "" {
    sub(/^ +/, " ")
    declaration = declaration $0
    if (/;/) {
        check_declaration(declaration)
        declaration = ""
    }
}

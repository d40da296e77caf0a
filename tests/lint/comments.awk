# comments.awk - the comments of C files, one a line, as "FILE:LINE:", a tab, and its words. An
# empty line within a comment begins a new one.
FNR == 1 { finish(); inside = 0 }

function finish()
{
    gsub(/[ \t]+/, " ", text)
    if (text != "" && text != " ")
        print place ":\t" text
    text = ""
}

function add(piece)
{
    sub(/^ *\*+ ?/, " ", piece)
    if (text == "")
        place = FILENAME ":" FNR
    text = text " " piece
}

{
    line = $0
    while (line != "") {
        if (inside) {
            end = index(line, "*/")
            add(end ? substr(line, 1, end - 1) : line)
            line = end ? substr(line, end + 2) : ""
            if (end) {
                inside = 0
                finish()
            } else if ($0 ~ /^ \*$/) { # an empty line ends a paragraph
                finish()
            }
        } else {
            begin = index(line, "/*")
            if (!begin)
                break
            line = substr(line, begin + 2)
            inside = 1
        }
    }
}
END { finish() }

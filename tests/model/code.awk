# code.awk - the files of C that are its arguments, as lines: a name, a tab, a text without comments
# and white space. One line for each function, under its name, and one for each file, under the last
# part of its path.

function squeezed(text)
{
    gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "", text)
    gsub(/[ \t\n]/, "", text)
    return text
}

# The function that a head is of: what stands before its parameters.
function name_of(head)
{
    gsub(/__attribute__ *\(\([^)]*\)\)/, "", head)
    sub(/\(.*/, "", head)
    sub(/.*[ *]/, "", head)
    return head
}

function end_of_function()
{
    print name_of(head) "\t" squeezed(body)
    head = ""
    inside = 0
}

function end_of_file()
{
    sub(/.*\//, "", path)
    print path "\t" squeezed(file)
    file = head = ""
    inside = 0
}

FNR == 1 && NR > 1 { end_of_file() }
{
    path = FILENAME
    file = file $0 "\n"
}
inside {
    body = body $0 "\n"
    if (/^}/) {
        end_of_function()
    }
    next
}
# A head begins in the first column, with the type of the result, and may go on.
/^[a-z_]/ { head = "" }
/^[a-z_].*\(/ || head { head = head $0 "\n" }
/^(struct|enum|union|typedef)[^(]*$/ || /;$/ { head = "" }
head && /\{/ {
    body = head
    inside = 1
    if (/\}$/) {
        end_of_function()
    }
}
END { end_of_file() }

#!/bin/sh
# usage: tests/lint/words.sh
#
# Prints what breaks the rules of English that can be searched for (words.txt), in comments and in
# papers, and names and words that are gone (gone.txt, gone_parts.txt), in all text but the list of
# changes. Tells how many sentences are long.
set -eu
# shellcheck source=tests/lint/kit.sh
. "$(dirname "$0")/kit.sh"
texts >"$here/files"

of_kind() {
    grep -E "$1" "$here/files"
}

# A paragraph a line: "FILE:LINE:", a tab, and its words.
{
    of_kind '\.[ch]$' | xargs awk -f "$lint/comments.awk"
    # shellcheck disable=SC2016 # those are fields of awk
    of_kind '\.(md|[1-9])$|(\.sh|/run)$' | xargs awk '
        function finish() { if (text != "") print place "\t" text; text = "" }
        FNR == 1 { finish(); script = FILENAME !~ /\.(md|[1-9])$/ }
        script && !/^ *# / || !script && /^[ |`-]*$/ { finish(); next }
        /^\|/ { finish() }
        { if (text == "") place = FILENAME ":" FNR ":"
          sub(/^ *# /, ""); text = text " " $0 }
        END { finish() }'
} >"$here/prose"
cut -f 1 "$here/prose" >"$here/places"
cut -f 2- "$here/prose" >"$here/words"

# "LINE:words" of the prose becomes "FILE:LINE: words".
place() {
    awk -F : 'NR == FNR { place[NR] = $0; next }
        { number = $1; sub(/^[0-9]*:/, ""); print place[number] " ..." $0 "..." }' "$here/places" -
}

grep -v '^#' "$lint/words.txt" | while IFS='	' read -r pattern better; do
    grep -nioE ".{0,30}($pattern).{0,30}" "$here/words" | place | sed "s/\$/ -> $better/" || true
done >"$findings"

# anywhere <file of patterns> <option of grep> <before and behind each> <what is wrong>
anywhere() {
    sed "/^#/d; s/.*/$3/" "$lint/$1" >"$here/patterns"
    grep -v /CHANGES.md "$here/files" | xargs grep "$2" -f "$here/patterns" |
        sed "s/\$/ -> $4/" || true
}
anywhere gone.txt -HnE '\\b(&)\\b' 'a name that is gone' >>"$findings"
anywhere gone_parts.txt -HniE '(^|[^a-zA-Z])(&)([^a-zA-Z]|$)' 'a word that is gone' >>"$findings"

awk '{ count = split($0, sentences, /[.;:?!]( |$)/)
       for (i = 1; i <= count; i++) if (split(sentences[i], w, " ") > 30) long++ }
     END { printf "%d sentences of more than 30 words\n", long }' "$here/words" >&2
sort -u -o "$findings" "$findings"
report

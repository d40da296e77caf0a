#!/bin/sh
# Makes files for decode_untrusted. See usage below.
set -eu

usage() {
    cat <<END
usage: demo/decode_untrusted/make_corpus.sh DIRECTORY

Makes the directory and writes images into it, always the same ones: good ones, cut off ones,
corrupt ones, enormous ones, and hostile ones. None does harm to a careful decoder. One with faults
opens a file, runs /bin/true or makes a socket if an image asks for it.
END
}

case ${1---help} in
--help) usage && exit ;;
-*) usage >&2 && exit 2 ;;
esac
mkdir -p "$1"
cd "$1"

# bytes <number>...
bytes() {
    for byte; do
        # shellcheck disable=SC2059 # it is an octal escape
        printf "\\$(printf %03o "$byte")"
    done
}

# words <number>...: four bytes each, the lowest first
words() {
    for word; do
        bytes $((word & 255)) $((word >> 8 & 255)) $((word >> 16 & 255)) $((word >> 24 & 255))
    done
}

# bmp_header <width> <height> <bits> <compression> <colours>
bmp_header() {
    printf BM
    words 0 0 $((54 + 4 * $5)) 40 "$1" "$2"
    bytes 1 0 "$3" 0
    words "$4" 0 0 0 "$5" 0
}

# Blue, green, red and a byte that is not used; of the colours of the picture below.
palette() {
    bytes 0 0 255 0 0 255 0 0 255 0 0 0 255 255 255 0 0 0 0 0 128 128 128 0
}

# ---- good: red, green, blue and white, black, grey ----------------------------------------------

picture='255 0 0  0 255 0  0 0 255  255 255 255  0 0 0  128 128 128'
# shellcheck disable=SC2086 # a list of words
set -- $picture

printf 'P1\n3 2\n1 0 1\n010\n' >good_p1.pbm
printf 'P2\n3 2\n255\n0 128 255\n255 128 0\n' >good_p2.pgm
printf 'P3\n# a comment\n3 2 255\n%s\n' "$picture" >good_p3.ppm
{ printf 'P4\n3 2\n' && bytes 160 64; } >good_p4.pbm
{ printf 'P5\n3 2\n255\n' && bytes 0 128 255 255 128 0; } >good_p5.pgm
{ printf 'P5\n3 1\n65535\n' && bytes 0 0 128 0 255 255; } >good_p5_wide.pgm
{ printf 'P6\n3 2\n255\n' && bytes "$@"; } >good_p6.ppm
{
    bmp_header 3 2 24 0 0
    bytes 255 255 255 0 0 0 128 128 128 0 0 0
    bytes 0 0 255 0 255 0 255 0 0 0 0 0
} >good_24.bmp
{ bmp_header 3 -2 32 0 0 && palette; } >good_32_from_top.bmp
{ bmp_header 3 2 8 0 6 && palette && bytes 3 4 5 0 0 1 2 0; } >good_8.bmp
# Three runs; a new row; three colours and a byte that is not used; the end.
{ bmp_header 3 2 8 1 6 && palette && bytes 1 3 1 4 1 5 0 0 0 3 0 1 2 0 0 1; } >good_runs.bmp
# A move by one to the right and one up, as its rows are from the bottom.
{ bmp_header 3 2 8 1 6 && palette && bytes 0 2 1 1 1 2 0 1; } >good_move.bmp
{ printf 'P5\n2000 1500\n255\n' && head -c 3000000 /dev/zero; } >good_large.pgm
# Grey; by libjpeg, and by libpng.
{
    bytes 255 216 255 219 0 67 0 3 2 2 3 2 2 3 3 3 3 4 3 3 4 5 8 5 5 4 4 5 10 7 7 6 8 12 10 12 12
    bytes 11 10 11 11 13 14 18 16 13 14 17 14 11 11 16 22 16 17 19 20 21 21 21 12 15 23 24 22 20
    bytes 24 18 20 21 20 255 192 0 11 8 0 2 0 3 1 1 17 0 255 196 0 20 0 1 0 0 0 0 0 0 0 0 0 0 0 0
    bytes 0 0 0 0 255 196 0 20 16 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 255 218 0 8 1 1 0 0 63 0 63
    bytes 255 217
} >good_jpeg.jpg
{
    bytes 137 80 78 71 13 10 26 10 0 0 0 13 73 72 68 82 0 0 0 3 0 0 0 2 8 2 0 0 0 18 22 241 77 0 0
    bytes 0 1 115 82 71 66 0 174 206 28 233 0 0 0 26 73 68 65 84 8 153 5 193 129 1 0 32 8 192 32
    bytes 236 114 189 124 129 16 122 202 216 189 15 62 242 6 128 163 147 177 209 0 0 0 0 73 69 78
    bytes 68 174 66 96 130
} >good_png.png

# ---- cut off and corrupt ------------------------------------------------------------------------

: >cut_empty.ppm
printf 'P6\n3 ' >cut_header.ppm
head -c 30 good_24.bmp >cut_header.bmp
{ bmp_header 3 2 8 0 0 && bytes 0 0 0 0 255 255 255 0; } >cut_palette.bmp
head -c 70 good_24.bmp >cut_pixels.bmp
head -c 20 good_p6.ppm >cut_pixels.ppm
printf 'P3\n3 2 255\n255 0 0 0 255' >cut_pixels_text.ppm
head -c 100 good_jpeg.jpg >cut_tables.jpg
head -c 70 good_png.png >cut_pixels.png
printf 'These are words.\n' >corrupt_kind.ppm
printf 'P5\n3 2\n0\n......' >corrupt_maximum.pgm
printf 'P5\n-3 2\n255\n......' >corrupt_negative.pgm
printf 'P5\n99999999999 2\n255\n......' >corrupt_number.pgm
printf 'P5\n0 2\n255\n' >corrupt_no_pixels.pgm
{ bmp_header 3 2 8 0 6 && palette && bytes 3 4 5 0 0 6 2 0; } >corrupt_colour.bmp
{ bmp_header 3 2 24 0 70000 && palette; } >corrupt_offset.bmp
mkdir -p directory.ppm
[ -p pipe.ppm ] || mkfifo pipe.ppm

# ---- enormous -----------------------------------------------------------------------------------

# 400 MB, of which the last byte takes room on the disk.
printf 'P5\n20000 20000\n255\n' >enormous_file.pgm
printf 0 | dd of=enormous_file.pgm bs=1 seek=400000015 conv=notrunc 2>dd.log
rm dd.log
# 1 GB of memory
printf 'P6\n20000 18000\n255\n......' >enormous_pixels.ppm
{ bmp_header 2147483647 2147483647 24 0 0 && bytes 0 0 0 0; } >enormous_sides.bmp

# ---- hostile ------------------------------------------------------------------------------------

# Reads 2 GB behind a table of 256 bytes.
printf 'P2\n1 1\n255\n2000000000\n' >hostile_read.pgm
# Moves 76,500 rows down, 7 GB behind its one row, and writes there.
{
    bmp_header 30000 1 8 1 1
    words 0
    moves=0
    while [ "$moves" -lt 300 ]; do
        bytes 0 2 0 255
        moves=$((moves + 1))
    done
    bytes 1 0 0 1
} >hostile_write.bmp
# Never comes to its end.
{ bmp_header 3 2 8 1 6 && palette && bytes 0 0; } >hostile_endless.bmp
# Makes the decoder give up.
{ bmp_header 3 2 16 3 0 && palette; } >hostile_abort.bmp
# Take the decoder over.
printf 'P3\n#open /etc/passwd\n1 1 255 1 2 3\n' >hostile_open.ppm
printf 'P3\n#run /bin/true\n1 1 255 1 2 3\n' >hostile_run.ppm
printf 'P3\n#connect\n1 1 255 1 2 3\n' >hostile_connect.ppm

#!/bin/sh
# decode_untrusted.sh PROGRAM BACKEND CORPUS_SCRIPT DECODER LIBRARIES - checks the line of each file
# of the corpus. DECODER is careful, or faulty: then also that with faults nothing else is lost.
# LIBRARIES are those of jpg and png that it was built with.
set -eu
# shellcheck source=tests/demo/lib.sh
. "$(dirname "$0")/lib.sh"
script=$3
decoder=$4
libraries=$5
corpus=$scratch/corpus

sh "$script" "$corpus"
[ "$(sh "$script" --help | grep -c usage)" -eq 1 ] || fail "the script has no help"

# decode <option>...: the lines without the path of the corpus are in $scratch/lines.
decode() {
    expect_success --time 60000 "$@" "$corpus"
    sed "s|^$corpus/||" "$scratch/out" >"$scratch/lines"
}

# expect <file>: these are the lines.
expect() {
    diff "$1" "$scratch/lines" || fail "the lines are not as expected"
}

cat >"$scratch/careful" <<'END'
corrupt_colour.bmp: failed (a colour is not in the palette)
corrupt_kind.ppm: failed (it is of no known kind)
corrupt_maximum.pgm: failed (a number of its header is wrong)
corrupt_negative.pgm: failed (a number of its header is wrong)
corrupt_no_pixels.pgm: failed (it has no pixels)
corrupt_number.pgm: failed (a number of its header is wrong)
corrupt_offset.bmp: failed (a number of its header is wrong)
cut_empty.ppm: failed (it is of no known kind)
cut_header.bmp: failed (its header is cut off)
cut_header.ppm: failed (a number of its header is wrong)
cut_palette.bmp: failed (its palette is missing)
cut_pixels.bmp: failed (a pixel is missing)
cut_pixels.png: failed (libpng finds it damaged)
cut_pixels.ppm: failed (a pixel is missing)
cut_pixels_text.ppm: failed (a pixel is missing)
cut_tables.jpg: failed (libjpeg cannot read it)
directory.ppm: failed (it is no file)
enormous_file.pgm: failed (it is larger than 64 MB)
enormous_pixels.ppm: failed (it has too many pixels)
enormous_sides.bmp: failed (it has too many pixels)
good_24.bmp: ok, 3 x 2, checksum 8f2b8ed9
good_32_from_top.bmp: ok, 3 x 2, checksum 8f2b8ed9
good_8.bmp: ok, 3 x 2, checksum 8f2b8ed9
good_jpeg.jpg: ok, 3 x 2, checksum 6e20d30d
good_large.pgm: ok, 2000 x 1500, checksum 07577ac5
good_move.bmp: ok, 3 x 2, checksum 5443e795
good_p1.pbm: ok, 3 x 2, checksum ba0f7fe6
good_p2.pgm: ok, 3 x 2, checksum 83ef754f
good_p3.ppm: ok, 3 x 2, checksum 8f2b8ed9
good_p4.pbm: ok, 3 x 2, checksum ba0f7fe6
good_p5.pgm: ok, 3 x 2, checksum 83ef754f
good_p5_wide.pgm: ok, 3 x 1, checksum 2f54b351
good_p6.ppm: ok, 3 x 2, checksum 8f2b8ed9
good_png.png: ok, 3 x 2, checksum 8f2b8ed9
good_runs.bmp: ok, 3 x 2, checksum 8f2b8ed9
hostile_abort.bmp: failed (it is of an unknown kind)
hostile_connect.ppm: ok, 1 x 1, checksum 56cf37ab
hostile_endless.bmp: failed (its end is missing)
hostile_open.ppm: ok, 1 x 1, checksum 56cf37ab
hostile_read.pgm: failed (a pixel is too bright)
hostile_run.ppm: ok, 1 x 1, checksum 56cf37ab
hostile_write.bmp: failed (a run leaves the image)
pipe.ppm: failed (it is no file)
END
for kind in jpg png; do
    case $libraries in
    *$kind*) ;;
    *) sed -i "s/\(\.$kind\): .*/\1: failed (it is of no known kind)/" "$scratch/careful" ;;
    esac
done
decode
expect "$scratch/careful"

# Files by name, in any order; no name does something to a terminal.
cp "$corpus/good_p6.ppm" "$scratch/$(printf 'a\033b')"
run "$scratch/$(printf 'a\033b')" "$scratch/none" "$corpus/good_8.bmp"
[ "$status" -eq 0 ] || fail "exit status $status with files"
expect_lines '.*/a?b: ok, 3 x 2, checksum 8f2b8ed9' '.*/none: failed (No such file or directory)' \
    '.*/good_8.bmp: ok, 3 x 2, checksum 8f2b8ed9'

expect_success --rounds 3 "$corpus"
expect_lines '[0-9][0-9]* files a second'

expect_manners "$corpus/good_p6.ppm"
expect_misuse
expect_misuse --time 0 "$corpus"
expect_misuse --memory 0 "$corpus"
expect_misuse --workers 0 "$corpus"
expect_misuse --rounds 0 "$corpus"
[ "$backend" = process ] || expect_misuse --sealed "$corpus"
[ "$backend" = process ] || expect_misuse --fresh "$corpus"
[ "$decoder" = faulty ] || exit 0

# The faults do nothing to harmless files on any backend.
expect_success --faulty "$corpus"/good_*
sed "s|^$corpus/||" "$scratch/out" >"$scratch/lines"
grep good_ "$scratch/careful" >"$scratch/good"
expect "$scratch/good"
[ "$backend" = process ] || exit 0

sed 's/^\(cut_pixels\(_text\)*\.ppm\): .*/\1: crashed (exit code 1)/
     s/^\(hostile_abort\.bmp\): .*/\1: crashed (SIGABRT in a decoder)/
     s/^\(hostile_endless\.bmp\): .*/\1: too slow/
     s/^\(hostile_\(read\.pgm\|write\.bmp\)\): .*/\1: crashed (SIGSEGV in a decoder)/
     s/^\(hostile_run\.ppm\): .*/\1: crashed (exit code 0)/
     s/^\(enormous_\(pixels\.ppm\|sides\.bmp\)\): .*/\1: over memory/' \
    "$scratch/careful" >"$scratch/faulty"

# Which of its functions is the innermost one depends on the compiler. Not every C library shows the
# caller of abort, or opens files by openat.
decode_faulty() {
    decode --faulty --time 500 --memory 100 "$@"
    sed -i 's/ in \([a-z_]*decode\|check_kind\|put_[a-z]*\|read_[a-z]*\))$/ in a decoder)/
            s/(SIGABRT)$/(SIGABRT in a decoder)/
            s/(open)$/(openat)/' "$scratch/lines"
}
for workers in 1 4; do
    decode_faulty --workers $workers
    expect "$scratch/faulty"
done

run --sealed "$corpus/good_8.bmp"
if grep -q 'not possible' "$scratch/err"; then
    echo "the part of sealed workers is left out: $(cat "$scratch/err")"
    exit 0
fi
decode --sealed
expect "$scratch/careful"
decode --fresh
expect "$scratch/careful"
sed 's/^\(hostile_run\.ppm\): .*/\1: forbidden (execve)/
     s/^\(hostile_open\.ppm\): .*/\1: forbidden (openat)/
     s/^\(hostile_connect\.ppm\): .*/\1: forbidden (socket)/' "$scratch/faulty" >"$scratch/sealed"
for notch in sealed fresh; do
    decode_faulty --$notch
    expect "$scratch/sealed"
done

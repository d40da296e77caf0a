#!/bin/sh
# run.sh POSSE_TOP SUBJECT [PART...] - what posse-top shows of the program SUBJECT: see check.py.
set -eu
command -v python3 >/dev/null || { echo "there is no python3" && exit 77; }
exec python3 "$(dirname "$0")/check.py" "$@"

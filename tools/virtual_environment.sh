#!/usr/bin/env bash
# Make the virtual environment named by $1 with the first Python that is new enough; keep one that works.
set -euo pipefail

venv=$1
is_new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

if "$venv/bin/python" -c "$is_new_enough" 2>/dev/null && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

for candidate in python3.11 python3; do
    # Some version managers put names on PATH that do not run, so each is tried.
    if "$candidate" -c "$is_new_enough" 2>/dev/null; then
        exec "$candidate" -m venv --clear "$venv"
    fi
done

echo "antrean needs Python 3.11 or newer: neither python3.11 nor python3 on PATH is one." >&2
echo "On Debian or Ubuntu: apt-get install python3 python3-venv" >&2
exit 1

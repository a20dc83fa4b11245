#!/bin/sh
# Fails when a file is not as the pinned clang-format would have it; --fix changes the files.
set -eu
cd "$(dirname "$0")/.."
tool=$(command -v clang-format-14 || true)
[ -n "$tool" ] || { echo "format: clang-format-14 is missing (scripts/bootstrap installs it)" >&2; exit 1; }
files=$(find main.c packages loader sync tests \( -name '*.c' -o -name '*.h' \) 2>/dev/null | sort)
if [ "${1:-}" = --fix ]; then
    printf '%s\n' "$files" | xargs "$tool" -i
    exit 0
fi
wrong=$(printf '%s\n' "$files" | while read -r f; do "$tool" "$f" | cmp -s - "$f" || echo "$f"; done)
if [ -n "$wrong" ]; then
    echo "format: these files are not formatted (make format does it):"
    printf '%s\n' "$wrong"
    exit 1
fi
echo "format: fine"

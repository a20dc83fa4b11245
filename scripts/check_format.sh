#!/bin/sh
# Fails when a file is not as the pinned clang-format would have it; --fix changes the files. Looks at those only that changed since
# they were last found right (build/format has an empty file for each).
set -eu
cd "$(dirname "$0")/.."
tool=$(command -v clang-format-14 || true)
[ -n "$tool" ] || { echo "format: clang-format-14 is missing (scripts/bootstrap installs it)" >&2; exit 1; }
seen=build/format
mkdir -p "$seen"
[ ! .clang-format -nt "$seen/all" ] && [ "$seen/all" -nt scripts/check_format.sh ] || rm -rf "$seen"
files=$(find main.c packages loader sync tests \( -name '*.c' -o -name '*.h' \) | sort | while read -r f; do
    [ "$seen/$f" -nt "$f" ] || echo "$f"
done)
if [ "${1:-}" = --fix ]; then
    printf '%s\n' "$files" | xargs -r "$tool" -i
fi
printf '%s\n' "$files" | sed 's|/[^/]*$||' | sort -u | while read -r d; do mkdir -p "$seen/$d"; done
wrong=$(printf '%s\n' "$files" | while read -r f; do
    [ -n "$f" ] || continue
    touch "$seen/now"
    if "$tool" "$f" | cmp -s - "$f"; then touch -r "$seen/now" "$seen/$f"; else echo "$f"; fi
done)
touch "$seen/all"
if [ -n "$wrong" ]; then
    echo "format: these files are not formatted (make format does it):"
    printf '%s\n' "$wrong"
    exit 1
fi
echo "format: fine"

#!/bin/sh
# Fails when a folder includes upward. A file may include its own folder and lower levels; folders on one level do not know
# each other. sync/ may use of loader/ what is in loader/public/; tests may include everything, the emulator only base/.
set -eu
cd "$(dirname "$0")/.."
files=$(find packages loader sync main.c tests/emulator \( -name '*.c' -o -name '*.h' \) 2>/dev/null | sort)
# shellcheck disable=SC2086
awk '
BEGIN {
    split("base 0 data 1 store 2 net 2 dmf 3 map 3 erp 4 dv 4 cli 4 loader 5 sync 6 main 7", w, " ")
    for (i = 1; i in w; i += 2) level[w[i]] = w[i + 1]
    # Folders that know less than their level allows.
    only["cli"] = " base data store cli "
    only["dmf"] = " base data dmf "
    only["map"] = " base data map "
    only["emulator"] = " base emulator "
}
function folder(path,   p) {
    if (path ~ /^packages\//) { split(path, p, "/"); return p[2] }
    if (path ~ /^tests\/emulator\//) return "emulator"
    if (path ~ /^main\.c/) return "main"
    split(path, p, "/"); return p[1]
}
function bad(why) { printf "%s:%d: %s includes \"%s\": %s\n", FILENAME, FNR, from, inc, why; errors++ }
FNR == 1 { from = folder(FILENAME) }
/^[ \t]*#[ \t]*include[ \t]*"/ {
    inc = $0; sub(/^[^"]*"/, "", inc); sub(/".*/, "", inc)
    if (inc ~ /\.\./) { bad("a path with .. goes around the layers"); next }
    to = inc; if (to ~ /\//) sub(/\/.*/, "", to); else to = from
    if (to == "packages" || to == "tests") { bad("name the folder itself"); next }
    if (to == from) next
    if (from == "emulator") { if (index(only[from], " " to " ") == 0) bad("the emulator knows base/ only"); next }
    if (!(to in level)) { bad("no such layer"); next }
    if ((from in only) && index(only[from], " " to " ") == 0) { bad("this layer does not know " to "/"); next }
    if (level[to] >= level[from]) { bad("level " level[to] " is not below level " level[from]); next }
    if (from == "sync" && to == "loader" && inc !~ /^loader\/public\//) bad("sync/ uses loader/public/ only")
}
END { if (errors) { printf "layers: %d includes go the wrong way\n", errors; exit 1 } }
' $files
# One name, one file: a log line or a stack trace names its file without a path.
twins=$(printf '%s\n' $files | sed 's|.*/||' | sort | uniq -d)
if [ -n "$twins" ]; then echo "layers: these file names are used twice: $twins"; exit 1; fi
echo "layers: fine"

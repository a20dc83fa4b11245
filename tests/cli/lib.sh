# lib.sh -- helpers of the command-line tests. A test begins with `. "$(dirname "$0")/lib.sh"`, prints `ok - NAME` or
# `not ok - NAME` for each case (through the helpers), and ends with `finish`. Each has a folder of its own, $W, which is removed.
# From the environment: DMFSYNC_ROOT, DMFSYNC_BIN, DMFSYNC_EMU (as scripts/run_tests sets them), DMFSYNC_SOAK=1 for the long form.
set -u
DMFSYNC_ROOT=${DMFSYNC_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
DMFSYNC_BIN=${DMFSYNC_BIN:-$DMFSYNC_ROOT/build/release/dmfsync}
DMFSYNC_EMU=${DMFSYNC_EMU:-$DMFSYNC_ROOT/build/release/dmfsync-emulator}
# The build with kill points (V=fault), for tests that end the program at a STEP.
DMFSYNC_FAULT_BIN=${DMFSYNC_FAULT_BIN:-$DMFSYNC_ROOT/build/fault/dmfsync}
GEN_SOURCES=${GEN_SOURCES:-$DMFSYNC_ROOT/build/release/gen_sources}
export GEN_SOURCES
W=$(mktemp -d "${TMPDIR:-/tmp}/dmfsync-test.XXXXXX") || exit 1
FAILED=0
EMU_PID=
# Settings of the user who runs the tests must not reach the program.
for v in $(env | sed -n 's/^\(DMFSYNC_[A-Z]*_[A-Z_]*\)=.*/\1/p'); do
    case $v in DMFSYNC_STEP_*|DMFSYNC_TEST_*|DMFSYNC_KILL_POINTS|DMFSYNC_KILL_SHARD|DMFSYNC_KNOB_MIXES|DMFSYNC_FAULT_SEEDS|DMFSYNC_FAULT_BIN|DMFSYNC_MODEL_SEEDS|DMFSYNC_RECONCILE_*) ;; *) unset "$v" ;; esac
done

cleanup() {
    stop_emulator
    if [ -n "${KEEP:-}" ]; then echo "# kept: $W"; else chmod -R u+rwX "$W" 2>/dev/null; rm -rf "$W"; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
finish() { exit $((FAILED != 0)); }

ok() { echo "ok - $1"; }
not_ok() { # NAME [why..]
    FAILED=1
    echo "not ok - $1"
    shift
    [ $# = 0 ] || printf '# %s\n' "$@"
}
# result NAME CONDITION-STATUS [why]: result "it is there" $? "why not"
result() { if [ "$2" = 0 ]; then ok "$1"; else not_ok "$1" "${3:-}"; fi; }
same() { # NAME WANT GOT
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "want: $2" "got:  $3"; fi
}
has() { # NAME TEXT FILE
    if grep -qF -- "$2" "$3"; then ok "$1"; else not_ok "$1" "'$2' is not in:" "$(head -20 "$3")"; fi
}
has_not() {
    if grep -qF -- "$2" "$3"; then not_ok "$1" "'$2' is in $3" "$(grep -F -- "$2" "$3" | head -5)"; else ok "$1"; fi
}

# dmfsync ARG..: output in $W/out and $W/err, status in $STATUS
dmfsync() {
    STATUS=0
    "$DMFSYNC_BIN" "$@" >"$W/out" 2>"$W/err" || STATUS=$?
}
# run STATUS NAME ARG..: one case, that the command ends with this status
run() {
    want=$1 name=$2
    shift 2
    dmfsync "$@"
    if [ "$STATUS" = "$want" ]; then ok "$name"; else
        not_ok "$name" "dmfsync $* ended with $STATUS, not $want" "$(tail -8 "$W/err")" "$(tail -8 "$W/out")"
    fi
}
# json PATH [FILE]: one member of the last --json output, as text: json '$.data.maps[0].verdict'
json() { sqlite3 :memory: "select coalesce(json_extract(cast(readfile('${2:-$W/out}') as text), '$1'), 'null')"; }
# jsql SQL [FILE]: an SQL query in which j is the JSON text: jsql "select count(*) from json_each(j, '$.data.maps')"
jsql() { sqlite3 :memory: "with t(j) as (select cast(readfile('${2:-$W/out}') as text)) select ($1) from t"; }

# start_emulator DIR [OPTION..]: sets FNO_URL, DV_URL, LOGIN_URL, BLOB_URL, ADMIN_URL; the addresses are in DIR.ports
start_emulator() {
    emu_dir=$1
    shift
    rm -f "$emu_dir.ports"
    "$DMFSYNC_EMU" --dir "$emu_dir" --ports-file "$emu_dir.ports" --maps "$DMFSYNC_ROOT/scripts/demo/maps" --quiet "$@" \
        >>"$emu_dir.log" 2>&1 &
    EMU_PID=$!
    i=0
    until [ -s "$emu_dir.ports" ]; do
        i=$((i + 1))
        if [ "$i" -gt 150 ] || ! kill -0 "$EMU_PID" 2>/dev/null; then
            not_ok "the emulator starts" "$(tail -5 "$emu_dir.log")"
            finish
        fi
        sleep 0.1
    done
    FNO_URL=$(sed -n 's/^fno=//p' "$emu_dir.ports") DV_URL=$(sed -n 's/^dataverse=//p' "$emu_dir.ports")
    LOGIN_URL=$(sed -n 's/^login=//p' "$emu_dir.ports") BLOB_URL=$(sed -n 's/^blob=//p' "$emu_dir.ports")
    ADMIN_URL=$(sed -n 's/^admin=//p' "$emu_dir.ports")
}
stop_emulator() {
    [ -n "$EMU_PID" ] || return 0
    kill "$EMU_PID" 2>/dev/null
    wait "$EMU_PID" 2>/dev/null
    EMU_PID=
}
# admin METHOD PATH [BODY]
admin() {
    if [ $# -gt 2 ]; then curl -sS --fail-with-body -X "$1" -H 'Content-Type: application/json' --data-binary "$3" "$ADMIN_URL$2"
    else curl -sS --fail-with-body -X "$1" "$ADMIN_URL$2"; fi
}
counter() { admin GET /counters >"$W/counters.json" && json "\$.\"$1\"" "$W/counters.json"; }
dump() { admin GET "/dump?side=$1"; } # fno | dataverse
# demo_workspace DIR CUSTOMERS [gen_sources option..]: the nine maps against the running emulator
demo_workspace() { "$DMFSYNC_ROOT/scripts/demo/make_workspace" "$1" "$emu_dir.ports" "$2" $(shift 2 && echo "$@"); }

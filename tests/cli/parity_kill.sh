#!/bin/sh
# parity_kill.sh -- parity, adopt and repair ended at every step: the verdict before stays, the snapshots that it names are whole, and
# the same command then does what it would have done.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
[ -x "$DMFSYNC_FAULT_BIN" ] || { echo "# no build with kill points; make V=fault all"; finish; }
job_settings
JOB_CUSTOMERS=20
job_start "$W/e" --knob dv_limit_requests=0 --knob dv_limit_execution_ms=0
cd "$W/e.ws" || exit 1
DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
run 10 "migrate" migrate --execute
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000002"},"values":{"name":"Drift"}}' >/dev/null
run 9 "parity" parity customers
q() { sqlite3 "$1" "$2"; }
WORK=.dmfsync/work.db STATE=.dmfsync/maps/customers/state.db
# intact WHAT: the newest verdict can be read, and every snapshot that is named is there, opens, and has the rows it says
intact() {
    found=$(q $WORK "select count(*) from verdict where alias = 'customers' and json_valid(data) and verdict in ('parity', 'drift')")
    [ "$found" -ge "$verdicts" ] || { not_ok "$1: a verdict is lost" "$found of $verdicts"; return 1; }
    q $STATE "select file || ' ' || rows from snapshot" >"$W/named"
    while read -r file rows; do
        have=$(q "file:.dmfsync/maps/customers/$file?immutable=1" "select sum(rows) from leaf" 2>&1)
        [ "$have" = "$rows" ] || { not_ok "$1: snapshot $file is not whole" "$have, not $rows"; return 1; }
    done <"$W/named"
    [ "$(q $STATE 'pragma integrity_check')" = ok ] || { not_ok "$1: state.db is damaged"; return 1; }
    dmfsync diff customers --stored
    [ "$STATUS" -le 9 ] || { not_ok "$1: the stored delta cannot be shown" "$(cat "$W/err")"; return 1; }
}
# at_each_step NAME STATUS COMMAND..: the trace first, then one kill per step; STATUS: what the command ends with when it is let
at_each_step() {
    what=$1 want=$2
    shift 2
    rm -f "$W/trace"
    cp -a "$W/e.ws/.dmfsync" "$W/saved"
    DMFSYNC_STEP_TRACE=$W/trace dmfsync "$@"
    steps=$(wc -l <"$W/trace") bad=0 n=0
    while [ $((n += 1)) -le "$steps" ]; do
        rm -rf .dmfsync && cp -a "$W/saved" .dmfsync
        verdicts=$(q $WORK "select count(*) from verdict where alias = 'customers'")
        DMFSYNC_STEP_KILL=$n dmfsync "$@" 2>/dev/null
        [ "$STATUS" = 137 ] || { bad=1; not_ok "$what: step $n did not end it" "$STATUS"; continue; }
        intact "$what, step $n" || { bad=1; continue; }
        dmfsync "$@"
        [ "$STATUS" = "$want" ] || { bad=1; not_ok "$what, again after step $n" "$STATUS, not $want" "$(cat "$W/err")"; continue; }
        intact "$what, done after step $n" || bad=1
    done
    rm -rf "$W/saved"
    [ $bad = 0 ] && ok "$what: killed at each of $steps steps"
    [ "$steps" -ge "$least" ] || not_ok "$what: only $steps steps"
}
least=8
at_each_step "parity" 9 parity customers
at_each_step "diff" 9 diff customers
run 0 "close the gate" gate close customers
at_each_step "adopt" 14 adopt customers

# --- files on both sides, published: both new or both old, whenever it ends ---
GEN_SIDES=${GEN_SIDES:-$DMFSYNC_ROOT/build/release/gen_sides}
mkdir -p "$W/f/.dmfsync" && cd "$W/f" || exit 1
cp "$DMFSYNC_ROOT/tests/data/sides/map.json" "$DMFSYNC_ROOT/tests/data/sides/dmfsync.ini" .
cp "$DMFSYNC_ROOT/tests/data/sides/metadata.json" .dmfsync/
for side in fno dataverse; do "$GEN_SIDES" $side 300 >"../$side.csv"; done
keep() { dmfsync parity customers --keep --fno-from csv:../fno.csv --dataverse-from csv:../dataverse.csv; }
newest() { q $STATE "select group_concat(n) from (select max(id) as n from snapshot group by side order by side)"; }
keep
same "both sides are kept" 9 "$STATUS"
rm -f "$W/trace"
cp -a .dmfsync "$W/saved"
DMFSYNC_STEP_TRACE=$W/trace keep
old=$(q "file:$W/saved/maps/customers/state.db?immutable=1" "select group_concat(n) from (select max(id) as n from snapshot group by side order by side)")
new=$(newest) steps=$(wc -l <"$W/trace") n=0 odd=
while [ $((n += 1)) -le "$steps" ]; do
    rm -rf .dmfsync && cp -a "$W/saved" .dmfsync
    DMFSYNC_STEP_KILL=$n keep 2>/dev/null
    [ "$STATUS" = 137 ] || odd="$odd step $n: $STATUS"
    case $(newest) in "$old" | "$new") ;; *) odd="$odd step $n: $(newest)" ;; esac
    dmfsync parity customers --fno-from stored --dataverse-from stored
    [ "$STATUS" = 9 ] || odd="$odd step $n, stored: $STATUS"
done
same "--keep, killed at each of $steps steps: both or none" "" "$odd"
result "there were steps" $([ "$steps" -ge 6 ]; echo $?)
finish

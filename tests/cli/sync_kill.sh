#!/bin/sh
# sync_kill.sh -- sync ended by SIGKILL at each step of read, merge, write and record, and run again: nothing is lost, nothing is written
# twice. The same pair lives through all of it. `make test` takes some steps, DMFSYNC_SOAK=1 all.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=40
[ -x "$DMFSYNC_FAULT_BIN" ] || { not_ok "the build with kill points" "make V=fault"; finish; }
DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
job_start "$W/e" --knob dv_limit_requests=0 --knob dv_limit_execution_ms=0
cd "$W/e.ws" || exit 1
run 10 "the job" migrate --execute --quiet
printf 'deletes = apply\n' >>dmfsync.ini
sed 's/^poll_seconds = .*/&\nkey_scan = 1ms\ncompact_from = 1/' dmfsync.ini >x && mv x dmfsync.ini
run 0 "parity" parity customers --quiet
run 0 "handoff" handoff customers --execute

fno() { admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"$1\",\"$2\":\"$3\"}}" >/dev/null; }
dv() { admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"$1\"},\"values\":{\"$2\":\"$3\"}}" >/dev/null; }
edits() { # TAG: one of each kind: an update here, one there, both in one record, a conflict, a new record on each side, a deletion on each
    fno C-0000001 SALESMEMO "$1"
    dv C-0000002 telephone1 "$1"
    fno C-0000003 ORGANIZATIONNAME "$1"
    dv C-0000003 description "$1"
    fno C-0000004 CREDITRATING "A$1"
    dv C-0000004 msdyn_creditrating "B$1"
    admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"F-$1\",\"ORGANIZATIONNAME\":\"$1\",\"CUSTOMERGROUPID\":\"10\",\"SALESCURRENCYCODE\":\"USD\",\"INVOICEACCOUNT\":\"F-$1\"}}" >/dev/null
    admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"D-$1\"},\"values\":{\"name\":\"$1\",\"customertypecode\":\"3\",\"msdyn_customergroupid\":\"10\",\"transactioncurrencyid\":\"USD\"}}" >/dev/null
    [ -z "${2:-}" ] || {
        admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"delete\":true,\"values\":{\"CUSTOMERACCOUNT\":\"D-$2\"}}" >/dev/null
        admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"delete\":true,\"key\":{\"accountnumber\":\"F-$2\"}}" >/dev/null
    }
}
number() { jsql "coalesce(json_extract(j, '\$.\"$1\"'), 0)" "$W/counters.json"; }
sums() { # written, and written again although it was so already
    admin GET /counters >"$W/counters.json"
    again=$(($(number fno.rows.unchanged) + $(number dv.rows.unchanged)))
    written=$(($(number fno.odata.writes) + $(number dv.writes.single)))
}
value() { admin GET "/fno/row?entity=Customers%20V3&company=usmf&key=$1" >"$W/row" 2>/dev/null; json "\$.$2" "$W/row"; }

edits T0
sums && w0=$written
DMFSYNC_STEP_TRACE=$W/trace run 0 "undisturbed" sync --once customers
dmfsync sync --once customers
# What changed since the base was made goes into a new file once it is enough; a second handoff on the same verdict keeps it.
base() { sqlite3 .dmfsync/maps/customers/state.db "select file like 'snap-%-base-%.db', (select count(*) from base_overlay) < 3, rows from baseline"; }
rows=$(sqlite3 .dmfsync/maps/customers/state.db "select rows + 2 from snapshot where side = 'dataverse' order by id desc limit 1")
same "the base was made anew" "1|1|$rows" "$(base)"
run 0 "handoff again" handoff customers --execute
same "the base stays" 1 "$(base | cut -d'|' -f1)"
edits T1 T0
sums && w0=$written
DMFSYNC_STEP_TRACE=$W/trace run 0 "undisturbed, with deletions" sync --once customers
dmfsync sync --once customers
sums && cost=$((written - w0))
steps=$(wc -l <"$W/trace")
echo "# $steps steps, $cost writes"
last=T1 good=0 tried=0
[ -n "${DMFSYNC_SOAK:-}" ] && every=1 || every=$((steps / 16 + 1))
# shellcheck disable=SC2013
for n in $(seq 1 "$every" "$steps") $(grep compact_ "$W/trace" | cut -d' ' -f1); do
    tag=K$tried
    edits $tag $last
    sums && w0=$written a0=$again
    DMFSYNC_STEP_KILL=$n dmfsync sync --once customers
    killed=$STATUS
    dmfsync sync --once customers
    [ "$STATUS" = 0 ] || dmfsync sync --once customers
    why=
    [ "$STATUS" = 0 ] || why="status $STATUS: $(tail -2 "$W/err")"
    dmfsync sync --once customers
    sums
    [ "$((written - w0))" -le "$cost" ] || why="$why $((written - w0)) writes instead of $cost"
    [ "$again" = "$a0" ] || why="$why $((again - a0)) rows were written again as they were"
    [ "$(value C-0000001 SALESMEMO)$(value C-0000002 PRIMARYCONTACTPHONE)$(value C-0000003 ORGANIZATIONNAME)$(value C-0000003 SALESMEMO)" = "$tag$tag$tag$tag" ] || why="$why an edit is lost"
    [ "$(value C-0000004 CREDITRATING)" = "A$tag" ] || why="$why the master lost"
    [ "$("$DMFSYNC_BIN" sql customers "select count(*) from conflict where fno = 'A$tag' and dataverse = 'B$tag' and outcome = 'fno'" | tail -1 | tr -d '\r')" = 1 ] || why="$why the conflict is not in the log once"
    dmfsync parity customers --quiet
    [ "$STATUS" = 0 ] || why="$why parity ends with $STATUS"
    tried=$((tried + 1))
    if [ -n "$why" ]; then not_ok "killed at step $n ($(sed -n "${n}p" "$W/trace" | cut -d' ' -f2), status $killed)" "$why"; else good=$((good + 1)); fi
    last=$tag
done
same "killed at $tried of $steps steps: nothing lost, nothing written twice" "$tried" "$good"

# Ended after a write whose outcome was not stored; then the side it came from changes the field again. What the other side holds is ours:
# no edit of its users, and no conflict, even where it is the master.
printf 'master.telephone1 = dataverse\n' >>dmfsync.ini
run 0 "parity" parity customers --quiet
run 0 "handoff" handoff customers --execute
rm -f "$W/trace"
fno C-0000005 PRIMARYCONTACTPHONE first
DMFSYNC_STEP_TRACE=$W/trace run 0 "a field goes over" sync --once customers
n=$(grep ' write_called$' "$W/trace" | head -1 | cut -d' ' -f1)
fno C-0000005 PRIMARYCONTACTPHONE second
DMFSYNC_STEP_KILL=$n run 137 "ended after the write" sync --once customers
fno C-0000005 PRIMARYCONTACTPHONE third
run 0 "sync" sync --once customers
same "the last edit is on both sides" third,third "$(value C-0000005 PRIMARYCONTACTPHONE),$(admin GET '/dataverse/row?table=account&company=USMF&key=C-0000005' >"$W/row" && json '$.telephone1' "$W/row")"
same "that was no conflict" 0 "$("$DMFSYNC_BIN" sql customers "select count(*) from conflict where fno = 'third'" | tail -1 | tr -d '\r')"
# The same with a new record.
rm -f "$W/trace"
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-NEW-1","ORGANIZATIONNAME":"first","CUSTOMERGROUPID":"10","SALESCURRENCYCODE":"USD"}}' >/dev/null
DMFSYNC_STEP_TRACE=$W/trace run 0 "a record goes over" sync --once customers
n=$(grep ' write_called$' "$W/trace" | head -1 | cut -d' ' -f1)
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-NEW-2","ORGANIZATIONNAME":"first","PRIMARYCONTACTPHONE":"1","CUSTOMERGROUPID":"10","SALESCURRENCYCODE":"USD"}}' >/dev/null
DMFSYNC_STEP_KILL=$n run 137 "ended after it was made" sync --once customers
fno C-NEW-2 PRIMARYCONTACTPHONE 2
run 0 "sync" sync --once customers
same "the last edit is on both sides" 2,2 "$(value C-NEW-2 PRIMARYCONTACTPHONE),$(admin GET '/dataverse/row?table=account&company=USMF&key=C-NEW-2' >"$W/row" && json '$.telephone1' "$W/row")"
same "nothing is left of what was on its way" 0 "$(sqlite3 .dmfsync/maps/customers/state.db "select count(*) from sent")"
finish

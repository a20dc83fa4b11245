#!/bin/sh
# The runbook around a batch job, on the emulator with its pause queue: written once where the naive way writes twice, a user's edit
# survives, a failing COMMAND leaves the maps running, and whatever cuts it off, `recover` ends it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
. "$(dirname "$0")/runbook.sh"
job_settings
JOB_CUSTOMERS=${RECONCILE_CUSTOMERS:-200}
ROWS=${RECONCILE_ROWS:-80}

edit_dv() { # a user of Dataverse: another field of a row that the job changes
    echo "curl -sS -H 'Content-Type: application/json' --data '{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"C-0000003\"},\"values\":{\"name\":\"Edited in the window\"}}' $ADMIN_URL/dataverse/rows"
}
written() { admin GET /counters >"$W/c.json"; sqlite3 :memory: "select coalesce(json_extract(j, '\$.\"dv.rows.updated\"'), 0) from (select cast(readfile('$W/c.json') as text) j)"; }

runbook_ready

# ---- the naive way: pause, batch, export, import, resume ----
runbook_fresh naive
control gateway
job_script 555
before=$(written)
map_state paused
./job.sh >/dev/null
same "a pause queues every row of the job" "$ROWS" "$(dualwrite queued)"
dump fno | sed -n 's/^Customers V3|usmf|\([^|]*\)|.*PRIMARYCONTACTPHONE=\(555 [^|]*\)|.*/\1 \2/p' >"$W/naive.rows"
while read -r key phone; do # the export, imported on the other side
    admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"$key\"},\"values\":{\"telephone1\":\"$phone\"}}" >/dev/null
done <"$W/naive.rows"
same "the naive import writes each row once" "$ROWS" $(($(written) - before))
map_state running replay
counter dualwrite.replayed >"$W/n"
naive=$(cat "$W/n")
[ "$naive" -ge "$ROWS" ]; result "and the resume writes all of them again ($naive replayed)" $?

# ---- ours, with each adapter ----
for how in hook gateway; do
    runbook_fresh "ours_$how"
    control "$how"
    job_script 555 "$(edit_dv)"
    run 0 "$how: the plan" reconcile customers --rows "$ROWS" --command-time 10s --json -- ./job.sh
    has "$how: nothing is done without --execute" '"executed":false' "$W/out"
    [ ! -e "$W/begun" ]; result "$how: COMMAND is not run" $?
    want=stop; [ "$how" = gateway ] && want=pause
    same "$how: the way is chosen" "$want" "$(json '$.data.plan.method')"
    before=$(written)
    run 0 "$how: reconcile" reconcile customers --rows "$ROWS" --command-time 10s --execute --json -- ./job.sh
    same "$how: parity of the touched keys" parity "$(json '$.data.maps[0].verdict')"
    same "$how: every row of the job is touched" "$ROWS" "$(json '$.data.maps[0].touched')"
    same "$how: the user's edit goes to F&O" 1 "$(json '$.data.maps[0].to_fno')"
    after=$(written)
    # each row once, and the user's own edit
    same "$how: each row is written once" $((ROWS + 1)) $((after - before))
    same "$how: the map runs again" running "$(seen)"
    admin GET '/dataverse/row?table=account&company=USMF&key=C-0000003' >"$W/row"
    has "$how: the edit survives in Dataverse" 'Edited in the window' "$W/row"
    has "$how: beside the job's field" '"555 ' "$W/row"
    admin GET '/fno/row?entity=Customers+V3&company=usmf&key=C-0000003' >"$W/row"
    has "$how: and is in F&O" 'Edited in the window' "$W/row"
    admin GET /counters >"$W/c.json"
    has_not "$how: nothing is replayed" '"dualwrite.replayed"' "$W/c.json"
    has_not "$how: no initial sync" '"dualwrite.initial_sync"' "$W/c.json"
    run 0 "$how: parity of all rows" parity customers
    [ ! -e .dmfsync/reconcile.json ]; result "$how: nothing is left open" $?
done

# ---- deletions ----
runbook_fresh deletes
control hook
sed -i 's/^\[map.customers\]/&\ndeletes = apply/' dmfsync.ini
i=100 # customers that nothing refers to; the running map carries them
while [ "$i" -lt 133 ]; do
    admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"A-$i\",\"ORGANIZATIONNAME\":\"A $i\",\"CUSTOMERGROUPID\":\"10\",\"SALESCURRENCYCODE\":\"USD\"}}" >/dev/null
    i=$((i + 1))
done
cat >job.sh <<JOB
#!/bin/sh
curl -sS --fail-with-body -H 'Content-Type: application/json' --data '{"entity":"Customers V3","company":"usmf","rows":3,"delete":true}' $ADMIN_URL/fno/job
JOB
chmod +x job.sh
run 0 "deletions" reconcile customers --execute --json -- ./job.sh
same "three are found by the keys and applied" 3 "$(json '$.data.maps[0].deletes')"
run 0 "parity after deletions" parity customers
cat >job.sh <<JOB
#!/bin/sh
curl -sS --fail-with-body -H 'Content-Type: application/json' --data '{"entity":"Customers V3","company":"usmf","rows":30,"delete":true}' $ADMIN_URL/fno/job
JOB
dmfsync reconcile customers --execute --json -- ./job.sh
same "thirty are more than the guard allows: they wait" "14" "$STATUS"
same "and are told" 30 "$(json '$.data.maps[0].reported_deletes')"
same "the map runs all the same" running "$(seen)"

# ---- COMMAND fails ----
runbook_fresh failing
control hook
job_script 555 'echo "the job breaks" >&2; exit 7'
dmfsync reconcile customers --execute --json -- ./job.sh
same "a failing COMMAND gives status 1" 1 "$STATUS"
same "its status is told" 7 "$(json '$.data.command.status')"
same "what it changed is carried over" parity "$(json '$.data.maps[0].verdict')"
same "and the map runs" running "$(seen)"
has "its output is kept" 'the job breaks' .dmfsync/reports/command-"$(json '$.data.run')".log
dmfsync reconcile customers --execute -- ./no-such-program
[ "$STATUS" != 0 ]; result "a COMMAND that is not there fails" $?
same "and the map runs" running "$(seen)"
map_state paused
run 13 "a paused map is refused" reconcile customers --execute -- ./job.sh
map_state running

# ---- a dead machine ----
runbook_fresh dead
mkdir "$W/share"
control hook "watchdog_dir = $W/share\nwatchdog_after = 1s"
job_script 555 "$HOLD"
reconcile_dies
same "the map is away" stopped "$(seen)"
cp -r "$W/dead.ws" "$W/other.ws"; rm -rf "$W/other.ws/.dmfsync"; sleep 1.5
run 0 "the watchdog on another host" --dir "$W/other.ws" watchdog --json
same "starts the maps of the dead run" 1 "$(json '$.data.recovered')"
same "they run" running "$(seen)"
dmfsync recover --json
same "recover afterwards: COMMAND's end is not known" 1 "$STATUS"
same "all is carried" parity "$(json '$.data.maps[0].verdict')"
same "and the map runs" running "$(seen)"
run 0 "parity" parity customers
run 0 "nothing more to recover" recover
has "says so" 'nothing to recover' "$W/out"
finish

#!/bin/sh
# The runbook around a batch job, on the emulator with its pause queue: written once where the naive way writes twice, a user's edit
# survives, a failing COMMAND leaves the maps running, and whatever cuts it off, `recover` ends it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=${RECONCILE_CUSTOMERS:-200}
ROWS=${RECONCILE_ROWS:-80}

PAIR='"fno":"Customers V3","dataverse":"accounts"'
map_state() { # STATE [queue]
    admin POST /dualwrite "{$PAIR,\"state\":\"$1\"${2:+,\"queue\":\"$2\"}}" >/dev/null
}
seen() { admin GET /dualwrite >"$W/dw.json"; sqlite3 :memory: "select json_extract(value, '\$.state') from json_each(cast(readfile('$W/dw.json') as text)) where json_extract(value, '\$.fno') = 'Customers V3'"; }
control() { # manual|hook|gateway, in the workspace
    cat >hook.sh <<HOOK
#!/bin/sh
case \$1 in stop) to=stopped ;; start) to=running ;; *) exit 3 ;; esac
printf '%s\n' "\$DMFSYNC_MAPS" | while IFS='	' read -r alias label set name; do
    curl -sS --fail-with-body -H 'Content-Type: application/json' --data "{\"fno\":\"\$label\",\"dataverse\":\"\$set\",\"state\":\"\$to\"}" $ADMIN_URL/dualwrite || exit 1
done
HOOK
    chmod +x hook.sh
    printf 'demo-refresh-token\n' >gateway.token
    gateway=$(sed -n 's/^gateway=//p' "$W/$job.ports")
    sed -i '/^\[dualwrite\]/,/^\[load\]/{/^\[load\]/!d}' dmfsync.ini
    sed -i "s|^\[load\]|[dualwrite]\ncontrol = $1\nhook = hook.sh\ncontrol_poll = 200ms\ngateway_url = $gateway\ngateway_refresh_token_file = gateway.token\n${2:-}\n[load]|" dmfsync.ini
}
# The batch job: a script, so that what is tested is a program of the user's.
job_script() {
    cat >job.sh <<JOB
#!/bin/sh
echo "job of run \$DMFSYNC_RUN begins"
echo begun >>$W/begun
curl -sS --fail-with-body -H 'Content-Type: application/json' --data '{"entity":"Customers V3","company":"usmf","rows":$ROWS,"values":{"PRIMARYCONTACTPHONE":"${1:-555} {n}"}}' $ADMIN_URL/fno/job || exit 9
${2:-}
JOB
    chmod +x job.sh
}
edit_dv() { # a user of Dataverse: another field of a row that the job changes
    echo "curl -sS -H 'Content-Type: application/json' --data '{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"C-0000003\"},\"values\":{\"name\":\"Edited in the window\"}}' $ADMIN_URL/dataverse/rows"
}
written() { admin GET /counters >"$W/c.json"; sqlite3 :memory: "select coalesce(json_extract(j, '\$.\"dv.rows.updated\"'), 0) from (select cast(readfile('$W/c.json') as text) j)"; }

PORT=$((12000 + $$ % 3000 * 6))
# A loaded, compared, handed-over pair, which each case gets a copy of, on the same ports.
ready() {
    while :; do
        mkdir -p "$W/try"
        "$DMFSYNC_EMU" --dir "$W/try" --ports-file "$W/try.ports" --port "$PORT" --quiet 2>/dev/null &
        pid=$!
        i=0; until [ -s "$W/try.ports" ] || ! kill -0 "$pid" 2>/dev/null; do i=$((i + 1)); [ "$i" -lt 100 ] || break; sleep 0.1; done
        kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null
        [ -s "$W/try.ports" ] && break
        PORT=$((PORT + 6))
    done
    JOB_SEED=1 job_start base --port "$PORT"
    cd base.ws || exit 1
    dmfsync migrate --execute
    cd "$W" || exit 1
    stop_emulator
}
fresh() { # NAME [emulator option..]
    job=$1
    shift
    stop_emulator
    cd "$W" || exit 1
    rm -rf "$job" "$job.ws" "$job.ports"
    cp -r base "$job" && cp -r base.ws "$job.ws"
    # shellcheck disable=SC2086
    start_emulator "$job" --port "$PORT" --seed 1 $FAST "$@"
    cd "$job.ws" || exit 1
    rm -f "$W/begun"
    map_state running
}
ready

# ---- the naive way: pause, batch, export, import, resume ----
fresh naive
control gateway
job_script
before=$(written)
map_state paused
./job.sh >/dev/null
admin GET /dualwrite >"$W/dw.json"
same "a pause queues every row of the job" "$ROWS" "$(sqlite3 :memory: "select json_extract(value, '$.queued') from json_each(cast(readfile('$W/dw.json') as text)) where json_extract(value, '$.fno') = 'Customers V3'")"
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
    fresh "ours_$how"
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
fresh deletes
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
fresh failing
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
fresh dead
mkdir "$W/share"
control hook "watchdog_dir = $W/share\nwatchdog_after = 1s"
job_script 555 'sleep 30'
"$DMFSYNC_BIN" reconcile customers --execute -- ./job.sh >"$W/rec.out" 2>&1 &
rec=$!
i=0; until [ -e "$W/begun" ] || [ "$i" -gt 100 ]; do i=$((i + 1)); sleep 0.2; done
sleep 0.5
kill -9 "$rec"; wait "$rec" 2>/dev/null
pid=$(cut -d' ' -f2 .dmfsync/command.began); kill -9 "$pid" 2>/dev/null; pkill -9 -P "$pid" 2>/dev/null
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

#!/bin/sh
# main_job.sh -- the main job as a user runs it: migrate, errors, parity, diff, explain, sync, status; and the second time.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=300
job_start "$W/e"
cd "$W/e.ws" || exit 1

run 0 "plan" plan --json
same "plan has five waves" 5 "$(json '$.data.waves')"
same "customers come last" customers "$(jsql "select json_extract(value, '\$.alias') from json_each(j, '\$.data.maps') order by json_extract(value, '\$.wave') desc limit 1")"
run 10 "lint finds the bad rows" lint customers --json
lint_bad=$(json '$.data.maps[0].rejected')
result "lint names at least 20 rows" $([ "$lint_bad" -ge 20 ]; echo $?) "$lint_bad"
run 0 "migrate without --execute" migrate
has "says that nothing was done" "NOT EXECUTED" "$W/out"
same "nothing was imported" null "$(counter fno.import.calls)"

run 10 "migrate --execute" migrate --execute --json
cp "$W/out" "$W/migrate.json"
same "nine maps" 9 "$(json '$.data.maps' >/dev/null; jsql "select count(*) from json_each(j, '\$.data.maps')")"
same "all green" 9 "$(jsql "select count(*) from json_each(j, '\$.data.maps') where json_extract(value, '\$.state') = 'green'")"
same "the ledger adds up" 0 "$(jsql "select count(*) from json_each(j, '\$.data.maps') where json_extract(value, '\$.source_rows') <> json_extract(value, '\$.landed') + json_extract(value, '\$.unchanged') + json_extract(value, '\$.rejected') + json_extract(value, '\$.parked') + json_extract(value, '\$.unsent') + json_extract(value, '\$.excluded') + json_extract(value, '\$.unknown')")"
same "every bad row is rejected" 32 "$(jsql "select sum(json_extract(value, '\$.rejected')) from json_each(j, '\$.data.maps')")"
same "no good row is" 300 "$(jsql "select json_extract(value, '\$.equal') from json_each(j, '\$.data.maps') where json_extract(value, '\$.alias') = 'customers'")"
same "no write went out without its tag" null "$(counter dv.writes.untagged)"
same "no token reached the blob storage" null "$(counter blob.authorization_leaked)"

dmfsync errors --format csv
cut -d, -f4 "$W/out" | tail -n +2 | tr -d '\r' | sort -n | uniq >"$W/lines"
cut -f1 sources/bad_rows.txt | sort -n | uniq >"$W/want"
if cmp -s "$W/lines" "$W/want"; then ok "errors names exactly the bad lines"; else
    not_ok "errors names exactly the bad lines" "$(diff "$W/want" "$W/lines" | head -20)"; fi
has "a lookup error carries F&O's reason" "is not found in the related table" "$W/out"

run 0 "parity" parity --json
same "parity on all maps" 9 "$(jsql "select count(*) from json_each(j, '\$.data.maps') where json_extract(value, '\$.verdict') = 'parity'")"
same "the classes sum to the keys" 0 "$(jsql "select count(*) from json_each(j, '\$.data.maps') where json_extract(value, '\$.keys') <> json_extract(value, '\$.equal') + json_extract(value, '\$.differ') + json_extract(value, '\$.only_fno') + json_extract(value, '\$.only_dataverse') + json_extract(value, '\$.waiting') + json_extract(value, '\$.waived') + json_extract(value, '\$.in_flight') + json_extract(value, '\$.errors')")"
same "equal content has equal digests" 0 "$(jsql "select count(*) from json_each(j, '\$.data.maps') where json_extract(value, '\$.fno_digest') <> json_extract(value, '\$.dataverse_digest')")"
run 0 "diff finds nothing" diff customers
run 0 "diff against the source finds nothing changed" diff customers --against source

job_edits >"$W/edits" || not_ok "edits on both sides" "$(cat "$W/edits")"
run 9 "diff sees the edits" diff customers
has "a field that differs" "* usmf|C-0000003" "$W/out"
has "a record only in F&O" "+ usmf|NEW-1" "$W/out"
has "a record only in Dataverse" "- usmf|NEW-2" "$W/out"
run 0 "sync --once" sync --once --json
same "three records went to Dataverse" 4 "$(jsql "select sum(json_extract(value, '\$.to_dataverse')) from json_each(j, '\$.data.maps')")"
same "one conflict was settled by its rule" 1 "$(jsql "select sum(json_extract(value, '\$.conflicts')) from json_each(j, '\$.data.maps')")"
run 0 "parity after the sync" parity --json
admin GET '/fno/row?entity=Customers%20V3&company=usmf&key=C-0000003' >"$W/row"
has "F&O has Dataverse's phone" "+1 555 0100" "$W/row"
has "and keeps its own name" "Renamed in F&O" "$W/row"
admin GET '/dataverse/row?table=account&company=USMF&key=C-0000003' >"$W/row"
has "Dataverse has F&O's name" "Renamed in F&O" "$W/row"
has "and keeps its own phone" "+1 555 0100" "$W/row"
run 0 "a second sync" sync --once --json
same "writes nothing" 0 "$(jsql "select sum(json_extract(value, '\$.to_dataverse') + json_extract(value, '\$.to_fno')) from json_each(j, '\$.data.maps')")"
result "and knows our own writes" $([ "$(jsql "select sum(json_extract(value, '\$.echoes')) from json_each(j, '\$.data.maps')")" -ge 4 ]; echo $?)

run 0 "explain" explain customers 'usmf|C-0000003'
has "names the source line" "sources/customers.csv line" "$W/out"
has "shows the history" "fno updated PRIMARYCONTACTPHONE" "$W/out"
run 2 "explain with half a key" explain customers usmf
run 0 "status" status --json
same "status shows the run" migrate "$(json '$.data.run.kind')"
run 0 "history" history
run 0 "gate show" gate show --json
same "all gates are open" 9 "$(jsql "select count(*) from json_each(j, '\$.data.gates') where json_extract(value, '\$.gate') = 'open'")"
run 0 "sql" sql customers "select count(*) from package"
run 2 "sql refuses to write" sql customers "delete from package"

calls=$(counter fno.rows.created)
run 10 "migrate again" migrate --execute --json
same "sends no row that landed" "$calls" "$(counter fno.rows.created)"
same "and says so: one row had been renamed" 299 "$(jsql "select json_extract(value, '\$.unchanged') from json_each(j, '\$.data.maps') where json_extract(value, '\$.alias') = 'customers'")"

# Drift closes the gate of that map alone.
admin POST /dataverse/rows '{"table":"account","company":"GBMF","key":{"accountnumber":"C-0000001"},"values":{"name":"Silent drift"}}' >/dev/null
run 9 "parity finds drift" parity customers customer_groups --json
same "of one key" 1 "$(jsql "select json_extract(value, '\$.differ') from json_each(j, '\$.data.maps') where json_extract(value, '\$.map') like 'Customers V3%'")"
run 0 "gate show after drift" gate show --json
same "one gate is shut" 8 "$(jsql "select count(*) from json_each(j, '\$.data.gates') where json_extract(value, '\$.gate') = 'open'")"
run 13 "handoff refuses" handoff customers --execute
run 0 "repair" repair customers --execute --json
run 0 "handoff opens the gate again" handoff customers --execute
run 0 "sync after the handoff" sync --once
run 0 "parity at the end" parity

# A running map is refused before anything is written.
admin POST /dualwrite '{"fno":"Customers V3","dataverse":"accounts","state":"running"}' >"$W/dw" || not_ok "dual-write runs" "$(cat "$W/dw")"
run 13 "a running map is refused" migrate --execute
has "with its name" "Customers V3 (accounts)" "$W/err"
finish

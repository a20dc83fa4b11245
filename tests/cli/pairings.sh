#!/bin/sh
# pairings.sh -- `load` in every direction: what lands, what stays, what a cut-off run leaves to do.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=150
MAPS="currencies payment_days payment_schedules payment_methods tax_groups payment_terms customer_groups customers"
col() { jsql "select json_extract(value, '\$.$2') from json_each(j, '\$.data.maps') where json_extract(value, '\$.map') = '$1'"; }
total() { jsql "select sum(json_extract(value, '\$.$1')) from json_each(j, '\$.data.maps')"; }
green() { jsql "select count(*) from json_each(j, '\$.data.maps') where json_extract(value, '\$.verdict') = 'parity'"; }

# What the main job makes of the same files
job_start "$W/main"
cd "$W/main.ws" || exit 1
dmfsync migrate --execute
same "the main job, for comparison" 10 "$STATUS"
job_contents "$W/want"
stop_emulator

# ---- words
job_start "$W/e"
cd "$W/e.ws" || exit 1
run 2 "a side is not loaded into itself" load --from fno --to fno
run 2 "nor into both" load --from dataverse --to both
has "said so" "is not loaded into itself" "$W/err"
run 2 "an unknown word" load --from excel
run 0 "without --execute nothing happens" load --from fno --to dataverse
has "said so" "NOT EXECUTED" "$W/out"
same "nothing was written" null "$(counter dv.rows.created)"

# ---- csv -> F&O, F&O -> Dataverse: the same contents as the main job's
run 10 "csv to fno" load --execute
run 0 "fno to dataverse" load --from fno --execute --json
same "every customer of F&O is created" "150 150" "$(col customers rows) $(col customers created_dataverse)"
job_contents "$W/got"
if cmp -s "$W/want" "$W/got"; then ok "both sides as the main job leaves them"; else
    not_ok "both sides as the main job leaves them" "$(diff "$W/want" "$W/got" | head -10)"; fi
run 0 "fno to dataverse once more" load --from fno --execute --json
same "everything is equal now" "0 0" "$(total created_dataverse) $(total updated_dataverse)"
run 0 "parity" parity --json
same "of all maps" 9 "$(green)"
run 0 "handoff" handoff --execute
# An edit in F&O: the open gate is shut by a load past it
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-0000003","ORGANIZATIONNAME":"Renamed"}}' >/dev/null
run 0 "an edited row goes over" load --from fno customers --execute --json
same "and no other" "0 1" "$(col customers created_dataverse) $(col customers updated_dataverse)"
run 0 "gate show" gate show customers
has "the gate is shut, with the reason" "loaded past it" "$W/out"
run 13 "and not opened on the old verdict" handoff customers --execute
run 0 "parity again" parity customers
run 0 "then it opens" handoff customers --execute
stop_emulator

# ---- csv -> Dataverse (no F&O in between), Dataverse -> F&O
job_start "$W/d"
cd "$W/d.ws" || exit 1
"$GEN_SOURCES" "$JOB_CUSTOMERS" sources
run 0 "companies first" load --from fno --to dataverse legal_entities --execute
# shellcheck disable=SC2086
run 0 "csv to dataverse" load --to dataverse $MAPS --execute --json
same "nothing went to F&O" null "$(counter fno.import.calls)"
made=$(col customers created_dataverse)
result "rows whose lookups are there are created" $([ "$made" -ge 150 ]; echo $?) "$made"
same "every row is accounted for" "$(col customers rows)" \
    "$(jsql "select json_extract(value, '\$.created_dataverse') + json_extract(value, '\$.updated_dataverse') + json_extract(value, '\$.equal') + json_extract(value, '\$.rejected') + json_extract(value, '\$.left_alone') + json_extract(value, '\$.open') from json_each(j, '\$.data.maps') where json_extract(value, '\$.map') = 'customers'")"
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"D, \"1\""},"values":{"name":"Born, in \"Dataverse\"","customertypecode":"3","msdyn_customergroupid":"10","transactioncurrencyid":"USD"}}' >/dev/null
dump dataverse >"$W/dv.before"
# shellcheck disable=SC2086
DMFSYNC_LOAD_UNFIT=xml dmfsync load --from dataverse --to fno $MAPS --execute --json
same "dataverse to fno" 0 "$STATUS"
[ "$STATUS" = 0 ] || tail -3 "$W/err"
same "what Dataverse has is in F&O" "$((made + 1))" "$(col customers landed_fno)"
admin GET "/fno/row?entity=Customers%20V3&company=usmf&key=D,%20%221%22" >"$W/row.json"
has "a name with quotes and a comma as it is" 'Born, in \"Dataverse\"' "$W/row.json"
dump dataverse >"$W/dv.after"
same "Dataverse is not touched" "" "$(diff "$W/dv.before" "$W/dv.after" | head -5)"
run 9 "parity: what F&O has filled in is missing in Dataverse" parity customers
run 0 "once more" load --from dataverse --to fno customers --execute --json
same "nothing is left to do" "0 0" "$(col customers rows) $(col customers landed_fno)"
# An F&O row of the same key that we did not write, with other values: 'existing' decides
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000002"},"values":{"name":"Other"}}' >/dev/null
run 0 "a changed row goes over (ours)" load --from dataverse --to fno customers --execute --json
same "one row" "1 1" "$(col customers rows) $(col customers landed_fno)"
admin GET "/fno/row?entity=Customers%20V3&company=usmf&key=C-0000002" >"$W/row.json"
same "with its new name" Other "$(json '$.ORGANIZATIONNAME' "$W/row.json")"
# A group that F&O does not know: the row is refused there, named by the file that was sent, and not for 'retry' to send
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000001"},"values":{"name":"Gesellschaft mit sehr langem Namen und noch laengerer Geschichte, die in F&O nicht passt, wohl aber in Dataverse, wo mehr Platz ist als dort drueben"}}' >/dev/null
run 10 "a row that F&O refuses" load --from dataverse --to fno customers --execute --json
run 0 "errors" errors customers
has "names it by the file that was sent" ".dmfsync/sources/customers-" "$W/out"
run 4 "retry leaves it to the load" retry customers --execute
has "and says so" "load --from dataverse customers --execute" "$W/err"
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000001"},"values":{"name":"Short"}}' >/dev/null
run 0 "corrected, it goes over" load --from dataverse --to fno customers --execute --json
# shellcheck disable=SC2086
run 0 "what F&O filled in goes back" load --from fno $MAPS --execute
# shellcheck disable=SC2086
run 0 "and both sides agree" parity $MAPS
stop_emulator

# ---- csv -> both: what F&O refuses does not reach Dataverse
job_start "$W/b"
cd "$W/b.ws" || exit 1
run 0 "companies first" load --from fno --to dataverse legal_entities --execute
# shellcheck disable=SC2086
run 10 "csv to both" load --to both $MAPS --execute --json
same "both hold the same number" "$(col customers landed_fno)" "$(col customers created_dataverse)"
dmfsync errors --format csv
cut -d, -f4 "$W/out" | tail -n +2 | tr -d '\r' | sort -n | uniq | grep -v '^$' >"$W/lines"
cut -f1 sources/bad_rows.txt | sort -n | uniq >"$W/bad"
same "errors names exactly the bad lines" "" "$(diff "$W/bad" "$W/lines" | head -5)"
# shellcheck disable=SC2086
run 10 "csv to both once more" load --to both $MAPS --execute --json
same "writes nothing" "0 0 0" "$(total landed_fno) $(total created_dataverse) $(total updated_dataverse)"
stop_emulator

# ---- a row of F&O's own: refused, and refused again however often the load is run
job_start "$W/x"
cd "$W/x.ws" || exit 1
# shellcheck disable=SC2086
dmfsync load ${MAPS% customers} --execute
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-0000003","ORGANIZATIONNAME":"Theirs","CUSTOMERGROUPID":"10","SALESCURRENCYCODE":"USD","INVOICEACCOUNT":"C-0000003"}}' >/dev/null
for time in first second third; do
    dmfsync load customers --execute --json
    same "the $time time it is refused" 33 "$(jsql "select sum(json_extract(value, '\$.rejected')) from json_each(j, '\$.data.maps')")"
    admin GET "/fno/row?entity=Customers%20V3&company=usmf&key=C-0000003" >"$W/row.json"
    same "and stays as it is" Theirs "$(json '$.ORGANIZATIONNAME' "$W/row.json")"
done
stop_emulator

# ---- cut off
# prepared DIR FROM: a new tenant pair, as far as the load in question begins
prepared() {
    job_start "$1"
    cd "$1.ws" || exit 1
    "$GEN_SOURCES" "$JOB_CUSTOMERS" sources
    if [ "$2" = fno ]; then dmfsync load --execute; else dmfsync load --from fno --to dataverse legal_entities --execute; fi
    # shellcheck disable=SC2086
    [ "$2" != dataverse ] || dmfsync load --to dataverse $MAPS --execute
}
if [ -x "$DMFSYNC_FAULT_BIN" ]; then
    REAL_BIN=$DMFSYNC_BIN
    JOB_CUSTOMERS=60
    while read -r from to step; do
        only=$MAPS
        [ "$from" != fno ] || only=
        prepared "$W/t" "$from"
        DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
        rm -f "$W/trace"
        # shellcheck disable=SC2086
        DMFSYNC_STEP_TRACE=$W/trace dmfsync load --from "$from" --to "$to" $only --execute
        DMFSYNC_BIN=$REAL_BIN
        job_contents "$W/want"
        job_counters "$W/want.counters"
        stop_emulator
        at=$(awk -v s="$step" '$2 == s { last = $1 } END { print last }' "$W/trace")
        prepared "$W/k" "$from"
        DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
        # shellcheck disable=SC2086
        DMFSYNC_STEP_KILL=$at dmfsync load --from "$from" --to "$to" $only --execute
        same "$from to $to is killed at $step" 137 "$STATUS"
        DMFSYNC_BIN=$REAL_BIN
        # shellcheck disable=SC2086
        run 0 "$from to $to, $step: continued" load --from "$from" --to "$to" $only --execute --resume
        job_contents "$W/got"
        job_counters "$W/got.counters"
        same "$from to $to, $step: the contents of an undisturbed run" "" "$(diff "$W/want" "$W/got" | head -5)"
        same "$from to $to, $step: and no row more often" "" "$(diff "$W/want.counters" "$W/got.counters")"
        stop_emulator
    done <<'WAYS'
fno dataverse bulk_called
fno dataverse snapshot_stored
csv dataverse bulk_stored
csv both import_called
csv both delta_stored
dataverse fno pairing_source
dataverse fno import_called
WAYS
fi
finish

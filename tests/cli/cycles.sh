#!/bin/sh
# cycles.sh -- two maps that look up each other: customer groups name a sample customer, customers name their group. Rows go
# first without the lookup that closes the cycle, which follows when the other map's rows are there; on both sides, in every
# direction, and when the run is cut off in between.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
. "$(dirname "$0")/map_edit.sh"
job_settings
JOB_CUSTOMERS=60
CUSTOMERS=maps/accounts--customers-v3.json
GROUPS_MAP=maps/msdyn_customergroups--customer-groups.json
MAPS="currencies payment_days payment_schedules payment_methods tax_groups payment_terms customer_groups customers"
col() { jsql "select json_extract(value, '\$.$2') from json_each(j, '\$.data.maps') where json_extract(value, '\$.${3:-map}') = '$1'"; }
cd "$W" || exit 1
tenant tenant.json
T=$(jsql "select fullkey from json_each(j, '\$.dataverse.tables') where json_extract(value, '\$.logical') = 'msdyn_customergroup'" tenant.json)
E=$(jsql "select fullkey from json_each(j, '\$.fno.entities') where json_extract(value, '\$.label') = 'Customer groups'" tenant.json)
json_edit tenant.json "json_insert(j,
    '$T.columns[#]', json('{\"name\":\"msdyn_sample\",\"schema\":\"msdyn_Sample\",\"type\":\"Lookup\",\"targets\":[\"account\"],\"nav\":{\"account\":\"msdyn_Sample\"}}'),
    '$E.fields[#]', json('{\"name\":\"SAMPLECUSTOMER\",\"property\":\"SampleCustomer\",\"type\":\"string\",\"length\":20,\"ref\":{\"entity\":\"Customers V3\",\"field\":\"CUSTOMERACCOUNT\"}}'))"

# begin NAME: a tenant pair in which both sides refuse a reference to what is not there, and the workspace with the cycle
begin() {
    stop_emulator
    job_start "$W/$1" --tenant "$W/tenant.json"
    cd "$W/$1.ws" || exit 1
    "$GEN_SOURCES" "$JOB_CUSTOMERS" sources # without the rows that are wrong on purpose
    field_add $GROUPS_MAP '{"syncDirection":3,"sourceField":"SAMPLECUSTOMER","destinationField":"msdyn_sample.accountnumber","destinationLookupFieldRelatedEntity":"accounts"}'
    # the first customer of each company for all of its groups
    awk -F, -v OFS=, 'NR == FNR { if (FNR > 1 && !($1 in first)) first[$1] = $2; next }
        { sub(/\r$/, ""); print $0, FNR == 1 ? "SAMPLECUSTOMER" : first[$1] }' sources/customers.csv sources/customer_groups.csv >groups.csv
    mv groups.csv sources/customer_groups.csv
}
# linked SIDE N NAME: so many groups name their customer there
linked() {
    dump "$1" >"$W/dump"
    if [ "$1" = fno ]; then got=$(grep '^Customer groups|' "$W/dump" | grep -c 'SAMPLECUSTOMER=C-')
    else got=$(grep '^msdyn_customergroup|' "$W/dump" | grep -c 'msdyn_sample=[^|]'); fi
    same "$3" "$2" "$got"
}

# ---- into F&O: groups, customers, then the groups' second pass
begin load
run 0 "plan" plan
has "plan promises two passes" "two passes: SAMPLECUSTOMER of Customer groups (msdyn_customergroups) closes the cycle" "$W/out"
run 0 "load" load --execute --json
same "load: all groups and customers landed" "30 30 60 60" "$(col customer_groups rows) $(col customer_groups landed) $(col customers rows) $(col customers landed)"
linked fno 30 "load: each group names its customer"
same "load: the groups' second pass went after the customers" 1 "$(sqlite3 .dmfsync/maps/customer_groups/state.db "attach '.dmfsync/maps/customers/state.db' as c;
    select (select min(sent_at) from package where pass = 2) >= (select max(sent_at) from c.package where pass = 1)")"
dump fno >"$W/want.fno"
# ---- F&O into Dataverse, where the same holds
run 0 "fno to dataverse" load --from fno --execute --json
same "fno to dataverse: every row is created, none is open" "30 30 0 60 60 0" \
    "$(col customer_groups rows) $(col customer_groups created_dataverse) $(col customer_groups open) $(col customers rows) $(col customers created_dataverse) $(col customers open)"
linked dataverse 30 "fno to dataverse: each group names its customer"
job_contents "$W/want"
run 0 "parity" parity customer_groups customers
stop_emulator

# ---- the main job: both rounds, one verdict
begin migrate
run 0 "migrate" migrate --execute --json
same "migrate: both are green" "green green" "$(col customer_groups state alias) $(col customers state alias)"
linked fno 30 "migrate: F&O's groups name their customers"
linked dataverse 30 "migrate: Dataverse's groups name their customers"
job_contents "$W/got"
same "migrate: the contents of load and load --from fno" "" "$(diff "$W/want" "$W/got" | head -5)"
same "migrate: one verdict of each map" "1 1" "$(sqlite3 .dmfsync/work.db "select group_concat(n, ' ') from (select count(*) n from verdict where alias in ('customer_groups', 'customers') group by alias)")"
run 0 "migrate again has nothing to do" migrate --execute --json
job_contents "$W/again"
same "migrate again: nothing changed" "" "$(diff "$W/got" "$W/again" | head -5)"
# a link that is gone in Dataverse, and a group and a customer that name each other: the group goes first, without its customer
admin POST /dataverse/rows '{"table":"msdyn_customergroup","company":"USMF","key":{"msdyn_groupid":"20"},"values":{"msdyn_sample":null}}' >/dev/null
admin POST /fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"RING","DESCRIPTION":"new"}}' >/dev/null
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"RING-1","ORGANIZATIONNAME":"new","CUSTOMERGROUPID":"RING","SALESCURRENCYCODE":"USD","INVOICEACCOUNT":"RING-1"}}' >/dev/null
admin POST /fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"RING","SAMPLECUSTOMER":"RING-1"}}' >/dev/null
run 9 "repair of the groups" repair customer_groups --execute --json
same "repair: the new group is there, without its customer" 1 "$(json '$.data.parked')"
linked dataverse 30 "repair: the lost link is back"
run 0 "repair of the customers" repair customers --execute
run 0 "repair of the groups, once more" repair customer_groups --execute
linked dataverse 31 "repair: every group names its customer"
# the same through the feeds: neither can be complete first
run 0 "handoff" handoff customer_groups customers --execute
admin POST /fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"LOOP","DESCRIPTION":"new"}}' >/dev/null
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"LOOP-1","ORGANIZATIONNAME":"new","CUSTOMERGROUPID":"LOOP","SALESCURRENCYCODE":"USD","INVOICEACCOUNT":"LOOP-1"}}' >/dev/null
admin POST /fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"LOOP","SAMPLECUSTOMER":"LOOP-1"}}' >/dev/null
run 10 "sync: the group goes without its customer" sync --once customer_groups customers
run 0 "sync: then it follows" sync --once customer_groups customers
linked dataverse 32 "sync: the new group names its customer"
same "sync: nothing is parked" "0 0" "$(for m in customer_groups customers; do sqlite3 .dmfsync/maps/$m/state.db 'select count(*) from pending'; done | paste -sd' ')"
stop_emulator

# ---- from the files into Dataverse, and from there into F&O
begin files
run 0 "companies" load --from fno --to dataverse legal_entities --execute
# shellcheck disable=SC2086
run 0 "csv to dataverse" load --to dataverse $MAPS --execute --json
same "csv to dataverse: none is open" "30 0 60 0" "$(col customer_groups created_dataverse) $(col customer_groups open) $(col customers created_dataverse) $(col customers open)"
linked dataverse 30 "csv to dataverse: each group names its customer"
# shellcheck disable=SC2086
run 0 "dataverse to fno" load --from dataverse --to fno $MAPS --execute --json
same "dataverse to fno: all landed" "30 60" "$(col customer_groups landed_fno) $(col customers landed_fno)"
linked fno 30 "dataverse to fno: each group names its customer"
stop_emulator

# ---- a parent that is nowhere: the row is there, the lookup is not, and it is told which row is missing
begin missing
sed -i 's/^\(usmf,10,.*\),C-[0-9]*$/\1,C-NONE/' sources/customer_groups.csv
run 0 "companies" load --from fno --to dataverse legal_entities --execute
# shellcheck disable=SC2086
run 10 "csv to dataverse with a parent that is nowhere" load --to dataverse $MAPS --execute --json
same "missing: the sums hold" "30 29 1" "$(col customer_groups rows) $(col customer_groups created_dataverse) $(col customer_groups open)"
linked dataverse 29 "missing: the other groups name their customers"
run 0 "errors" errors customer_groups
has "missing: names the missing parent" "no row 'C-NONE' of company usmf in Dataverse table 'account'" "$W/out"
run 10 "load into F&O with it" load --execute --json
same "missing: F&O refuses the second pass of that row alone" "30 29 1" "$(col customer_groups rows) $(col customer_groups landed) $(col customer_groups rejected)"
linked fno 29 "missing: the other groups name their customers in F&O"
stop_emulator

# ---- a red partner: the second pass waits, and the same command takes it up
begin red
printf 'on fno POST *ImportFromPackage body *customers_* do status 400\n' >"$W/faults"
admin POST /faults "$(cat "$W/faults")" >/dev/null
run 7 "load with a refused partner" load --execute --keep-going --json
same "red: the second pass waits" "waiting failed" "$(col customer_groups state) $(col customers state)"
linked fno 0 "red: nothing is linked yet"
admin POST /faults '' >/dev/null
run 0 "the same command ends it" load --execute --json
linked fno 30 "red: then each group names its customer"
stop_emulator

# ---- cut off at each step of the two passes
if [ -x "$DMFSYNC_FAULT_BIN" ]; then
    REAL_BIN=$DMFSYNC_BIN
    JOB_CUSTOMERS=12
    for how in "load" "migrate"; do
        begin whole
        rm -f "$W/steps"
        DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
        DMFSYNC_STEP_TRACE=$W/steps dmfsync "$how" --jobs 1 --execute
        DMFSYNC_BIN=$REAL_BIN
        job_contents "$W/want"
        job_counters "$W/want.counters"
        total=$(wc -l <"$W/steps")
        if [ -n "${DMFSYNC_SOAK:-}" ]; then step=1 from=$((total / 2)); else step=$((total / 16 + 1)) from=$((total * 2 / 3)); fi
        for n in $(seq "$from" "$step" "$total"); do
            begin kill
            DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
            DMFSYNC_STEP_KILL=$n dmfsync "$how" --jobs 1 --execute
            DMFSYNC_BIN=$REAL_BIN
            [ "$STATUS" = 137 ] || not_ok "$how is killed at step $n" "$STATUS"
            dmfsync "$how" --execute
            job_contents "$W/got"
            job_counters "$W/got.counters"
            if [ "$STATUS" = 0 ] && cmp -s "$W/want" "$W/got" && cmp -s "$W/want.counters" "$W/got.counters"; then
                ok "$how killed at step $n of $total ($(sed -n "${n}p" "$W/steps" | cut -d' ' -f2)): the contents of an undisturbed run"
            else
                not_ok "$how killed at step $n of $total ($(sed -n "${n}p" "$W/steps"))" "status $STATUS" "$(tail -2 "$W/err")" \
                    "$(diff "$W/want" "$W/got" | head -5)" "$(diff "$W/want.counters" "$W/got.counters")"
            fi
            stop_emulator
        done
    done
fi
finish

#!/bin/sh
# repair.sh -- repair in both directions, record by record, with deletions and their guard.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=60
job_start "$W/e"
cd "$W/e.ws" || exit 1
drift() { # KEY COLUMN VALUE
    admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"$1\"},\"values\":{\"$2\":\"$3\"}}" >/dev/null
}
fno() { # KEY FIELD VALUE
    admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"$1\",\"$2\":\"$3\"}}" >/dev/null
}
fno_gone() { admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"$1\"},\"delete\":true}" >/dev/null; }
born() { # KEY: a record of Dataverse's
    admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"$1\"},\"values\":{\"name\":\"Born $1\",\"customertypecode\":\"3\",\"msdyn_customergroupid\":\"10\",\"transactioncurrencyid\":\"USD\"}}" >/dev/null
}
map_json() { jsql "select json_extract(value, '\$.$1') from json_each(j, '\$.data.maps')"; }
in_dump() { dump "$1" | grep -c "$2"; }

run 10 "migrate" migrate --execute
# --- master F&O ---
drift C-0000002 name "Dataverse's name"
drift C-0000003 telephone1 "+1 555 0103"
fno_gone C-0000004
born ONLY-DV
export DMFSYNC_MAP_CUSTOMERS_DELETES=report
run 0 "repair without --execute" repair customers
has "shows what it would do" "2 rows differ, 0 are missing in Dataverse; of 2 only in Dataverse, 0 would be deleted (deletes = report)" "$W/out"
run 9 "repair leaves what only Dataverse has" repair customers --execute --json
same "two updated" 2 "$(json '$.data.updated_dataverse')"
same "two stay" 2 "$(map_json only_dataverse)"
DMFSYNC_MAP_CUSTOMERS_DELETES=apply
run 0 "repair with deletes = apply, not executed" repair customers --json
same "says how many" 2 "$(json '$.data.would_delete')"
same "and deletes none" 1 "$(in_dump dataverse 'account|USMF|ONLY-DV|')"
run 0 "repair with deletes = apply" repair customers --execute --json
same "two deleted" 2 "$(json '$.data.deleted')"
same "it is parity" parity "$(map_json verdict)"
same "they are gone" 0 "$(in_dump dataverse 'account|USMF|ONLY-DV|')"
# the guard: never fewer than 10, whatever the share
i=10; while [ $i -lt 20 ]; do born "MANY-$i"; i=$((i + 1)); done
DMFSYNC_MAP_CUSTOMERS_MAX_DELETE=1%
export DMFSYNC_MAP_CUSTOMERS_MAX_DELETE
run 0 "ten rows are within the guard" repair customers
born MANY-20
run 13 "eleven are not" repair customers --execute
has "the guard says what and why" "11 rows of company usmf would be deleted, max_delete = 1%" "$W/err"
same "nothing was deleted" 11 "$(in_dump dataverse 'account|USMF|MANY-')"
# rows that left the filter, or are waived, stay
drift MANY-20 customertypecode 5
drift C-0000005 customertypecode 5
run 0 "waive one" waive customers 'usmf|MANY-19' --reason "kept by sales" --until 2099-12-31
run 9 "repair" repair customers --execute --json
same "nine deleted" 9 "$(json '$.data.deleted')"
same "the waived one stays" 1 "$(in_dump dataverse 'account|USMF|MANY-19|')"
same "the one outside of the filter stays" 1 "$(in_dump dataverse 'account|USMF|MANY-20|')"
same "the one that left the filter is not made anew" 0 "$(json '$.data.created')"
same "and is still missing" 1 "$(map_json only_fno)"
run 0 "explain a row that left the filter" explain customers 'USMF|c-0000005' --json
has "says so" "has it, outside of the filter" "$W/out"
same "shows its values all the same" 5 "$(jsql "select json_extract(value, '$.dataverse') from json_each(j, '$.data.fields') where json_extract(value, '$.field') = 'customertypecode'")"
same "names every rule" 0 "$(jsql "select count(*) from json_each(j, '$.data.fields') where coalesce(json_extract(value, '$.rule_text'), '') = ''")"
same "raw and canonical" "Yes|true" "$(jsql "select json_extract(value, '$.fno_raw') || '|' || json_extract(value, '$.dataverse_raw') from json_each(j, '$.data.fields') where json_extract(value, '$.field') = 'ISONETIMECUSTOMER'" | sed 's/No|false/Yes|true/')"
has "the source's cell" '"source":' "$W/out"
has "the package that carried it" "pass 1, settled" "$W/out"
has "the last comparison" '"last_class":"only_fno"' "$W/out"
drift C-0000005 customertypecode 3

# --- master Dataverse ---
export DMFSYNC_MAP_CUSTOMERS_MASTER=dataverse
drift C-0000006 telephone1 "+1 555 0106"
fno C-0000007 ORGANIZATIONNAME "F&O's name"
fno ONLY-F ORGANIZATIONNAME "Only F"
fno ONLY-F CUSTOMERGROUPID 10
born NEW-DV
run 0 "repair shows the other direction" repair customers
has "with its master" "master Dataverse: 2 rows differ, 1 are missing in F&O" "$W/out"
run 0 "repair" repair customers --execute --json
same "two updated in F&O" 2 "$(json '$.data.updated_fno')"
same "one created there" 1 "$(json '$.data.created_fno')"
same "one deleted there" 1 "$(json '$.data.deleted')"
same "none written to Dataverse" 0 "$(json '$.data.updated_dataverse')"
same "it is parity" parity "$(map_json verdict)"
same "F&O has Dataverse's phone" 1 "$(in_dump fno 'C-0000006|.*+1 555 0106')"
same "and its record" 1 "$(in_dump fno 'NEW-DV|.*Born NEW-DV')"
same "and not its own" 0 "$(in_dump fno 'ONLY-F')"

# --- mark ---
unset DMFSYNC_MAP_CUSTOMERS_MASTER
DMFSYNC_MAP_CUSTOMERS_DELETES=mark
born MARKED
run 9 "repair with deletes = mark" repair customers --execute --json
same "one made inactive" 1 "$(json '$.data.made_inactive')"
same "it is there, inactive" 1 "$(in_dump dataverse 'account|USMF|MARKED|.*statecode=1')"
finish

#!/bin/sh
# sync_life.sh -- what happens to a pair that is in sync: edits of both sides, conflicts and how they are settled, deletions, records
# that are written back and forth, positions that are lost, environments that are put back.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=60
job_start "$W/e" --knob dv_limit_requests=0 --knob dv_limit_execution_ms=0
cd "$W/e.ws" || exit 1
run 10 "the job" migrate --execute --quiet
cp dmfsync.ini ini.plain

settings() { # LINE..: the customers' settings are these
    { cat ini.plain; for l in "$@"; do printf '%s\n' "$l"; done; } >dmfsync.ini
}
handoff() { # a new baseline under the settings as they are
    dmfsync parity customers --quiet && dmfsync handoff customers --execute --quiet
    [ "$STATUS" = 0 ] || not_ok "parity and handoff" "$(cat "$W/err")"
}
fno() { # KEY FIELD VALUE
    admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"$1\",\"$2\":\"$3\"}}" >/dev/null
}
dv() { admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"$1\"},\"values\":{\"$2\":\"$3\"}}" >/dev/null; }
fno_gone() { admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"delete\":true,\"values\":{\"CUSTOMERACCOUNT\":\"$1\"}}" >/dev/null; }
dv_gone() { admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"delete\":true,\"key\":{\"accountnumber\":\"$1\"}}" >/dev/null; }
fno_is() { # NAME KEY FIELD VALUE
    admin GET "/fno/row?entity=Customers%20V3&company=usmf&key=$2" >"$W/row" 2>/dev/null
    same "$1" "$4" "$(json "\$.$3" "$W/row")"
}
dv_is() {
    admin GET "/dataverse/row?table=account&company=USMF&key=$2" >"$W/row" 2>/dev/null
    same "$1" "$4" "$(json "\$.$3" "$W/row")"
}
fno_lacks() { admin GET "/fno/row?entity=Customers%20V3&company=usmf&key=$2" >/dev/null 2>&1; same "$1" 1 "$(($? != 0))"; }
dv_lacks() { admin GET "/dataverse/row?table=account&company=USMF&key=$2" >/dev/null 2>&1; same "$1" 1 "$(($? != 0))"; }
maps() { jsql "coalesce((select sum(json_extract(value, '\$.$1')) from json_each(j, '\$.data.maps')), 0)"; }
state() { dmfsync sql customers "$1" && tail -n +2 "$W/out" | tr -d '\r'; }

# The name in F&O at 10:00:01, the phone in Dataverse at 10:00:02: whole records would lose one of them.
handoff
fno C-0000001 ORGANIZATIONNAME "Named at 10:00:01"
dv C-0000001 telephone1 "+1 10 00 02"
run 0 "name there, phone here" sync --once customers
for s in fno dv; do
    [ $s = fno ] && n=ORGANIZATIONNAME t=PRIMARYCONTACTPHONE || n=name t=telephone1
    "${s}_is" "$s has the name" C-0000001 $n "Named at 10:00:01"
    "${s}_is" "$s has the phone" C-0000001 $t "+1 10 00 02"
done
same "that is no conflict" 0 "$(state "select count(*) from conflict")"

# The same field on both sides: the master decides, and the log has all four values.
fno C-0000002 SALESMEMO "memo of F&O"
dv C-0000002 description "memo of Dataverse"
run 0 "the same field on both sides" sync --once customers
dv_is "the master is F&O" C-0000002 description "memo of F&O"
same "and the log has base, both values, rule, winner" "usmf|C-0000002,SALESMEMO,memo of F&O,memo of Dataverse,master,fno" "$(state "select key, field, fno, dataverse, rule, outcome from conflict")"
run 0 "conflicts show" conflicts show customers 'usmf|C-0000002'
has "shows the loser" "memo of Dataverse" "$W/out"
run 4 "conflicts show, nothing there" conflicts show customers 'usmf|C-0000009'

# newest needs times on both sides, and F&O's entity exposes none.
settings "conflict = newest"
run 3 "newest is refused where a side does not tell times" sync --once customers
has "with the reason" "modified" "$W/err"
run 3 "lint refuses it, too" lint customers
has "with the reason" "modified" "$W/err"

# queue: a person decides.
settings "conflict = queue"
handoff
fno C-0000003 SALESMEMO "q of F&O"
dv C-0000003 description "q of Dataverse"
fno C-0000003 PARTYSTATE "WA"
run 14 "queue" sync --once customers
dv_is "another field of it flows" C-0000003 msdyn_partystateprovince WA
dv_is "the field waits" C-0000003 description "q of Dataverse"
run 14 "conflicts list" conflicts list customers --json --open
same "one waits" 1 "$(jsql "select count(*) from json_each(j, '\$.data.conflicts')")"
run 14 "it still waits, and is not logged twice" sync --once customers
same "one entry" 1 "$(state "select count(*) from conflict where outcome = 'open'")"
run 2 "resolve without a side" conflicts resolve customers 'usmf|C-0000003'
run 4 "resolve of something else" conflicts resolve customers 'usmf|C-0000004' --take fno
run 0 "resolve" conflicts resolve customers 'usmf|C-0000003' --take dataverse
run 0 "sync obeys" sync --once customers
fno_is "Dataverse was right" C-0000003 SALESMEMO "q of Dataverse"
same "nothing is open" 0 "$(state "select count(*) from conflict where outcome = 'open'")"
settings
handoff

# Records made on both sides under one key: each fills what the other left blank.
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"TWIN-1","ORGANIZATIONNAME":"Twin","CUSTOMERGROUPID":"10","SALESCURRENCYCODE":"USD","SALESMEMO":"from F&O"}}' >/dev/null
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"TWIN-1"},"values":{"name":"Zwilling","customertypecode":"3","msdyn_customergroupid":"10","transactioncurrencyid":"USD","telephone1":"+49 1"}}' >/dev/null
run 0 "made on both sides" sync --once customers
dv_is "the memo is filled" TWIN-1 description "from F&O"
fno_is "the phone is filled" TWIN-1 PRIMARYCONTACTPHONE "+49 1"
dv_is "the name is the master's" TWIN-1 name Twin

# Deletions: reported, then made inactive, then carried over, and never more than max_delete.
printf 'key_scan = 1ms\n' >scan
sed 's/^poll_seconds = .*/&\nkey_scan = 1ms/' ini.plain >x && mv x ini.plain
settings
handoff
fno_gone C-0000005
run 14 "a deletion is reported" sync --once customers
dv_is "the record stays" C-0000005 accountnumber C-0000005
run 14 "and waits" conflicts list customers
has "with its reason" "deleted in F&O" "$W/out"
run 0 "resolve it the other way" conflicts resolve customers 'usmf|C-0000005' --take dataverse
run 0 "sync makes it again" sync --once customers
fno_is "F&O has it again" C-0000005 CUSTOMERACCOUNT C-0000005
settings "deletes = apply"
handoff
fno_gone C-0000006
dv_gone C-0000007
dmfsync sync --once --dry-run customers
has "a dry run says what would be deleted" "usmf|C-0000006: F&O nothing, Dataverse delete" "$W/out"
dv_is "and deletes nothing" C-0000006 accountnumber C-0000006
run 0 "deletions are carried over" sync --once customers
dv_lacks "in Dataverse" C-0000006
fno_lacks "in F&O" C-0000007
fno_gone C-0000008
dv C-0000008 telephone1 "changed meanwhile"
run 14 "deleted there and changed here waits" sync --once customers
run 0 "resolve: the change is right" conflicts resolve customers --all --take dataverse
run 0 "sync" sync --once customers
fno_is "it lives" C-0000008 PRIMARYCONTACTPHONE "changed meanwhile"
for i in 10 11 12 13 14 15 16 17 18 19 20; do fno_gone "C-00000$i"; done
run 14 "eleven deletions at once" sync --once customers
same "none is carried over" 11 "$(state "select count(*) from pending where state = 'conflict' and reason like '%max_delete%'")"
run 0 "a person lets them" conflicts resolve customers --all --take fno
run 0 "sync" sync --once customers
dv_lacks "then they go" C-0000019
settings "deletes = mark"
handoff
fno_gone C-0000021
run 14 "deletes = mark" sync --once customers
dv_is "makes it inactive" C-0000021 statecode 1
settings
dv_gone C-0000021
dmfsync sync --once customers
handoff

# A key is changed in Dataverse: another record from then on; leaving the filter deletes nothing.
settings "deletes = apply"
handoff
dv C-0000022 accountnumber RENAMED-1
run 0 "a key is changed" sync --once customers
fno_is "F&O has the new one" RENAMED-1 CUSTOMERACCOUNT RENAMED-1
fno_lacks "and not the old one" C-0000022
dv C-0000023 customertypecode 1
run 14 "a record leaves the filter" sync --once customers
fno_is "it is not deleted" C-0000023 CUSTOMERACCOUNT C-0000023
run 0 "parity counts it as waiting" parity customers --json
same "one waits" 1 "$(maps waiting)"
dv C-0000023 customertypecode 3
dv C-0000023 telephone1 "back again"
run 0 "it comes back" sync --once customers
fno_is "and goes on" C-0000023 PRIMARYCONTACTPHONE "back again"

# A side that rewrites a field at each write: two more writes at most; two sides that do: halted.
before=$(counter fno.odata.writes) before_dv=$(counter dv.writes.single)
admin POST /knobs '{"dv_recompute":1}' >/dev/null
fno C-0000024 ORGANIZATIONNAME "recomputed"
for i in 1 2 3 4; do dmfsync sync --once customers; done
same "it comes to rest" 0 "$STATUS"
fno_is "both have the computed name" C-0000024 ORGANIZATIONNAME RECOMPUTED
dv_is "both have the computed name" C-0000024 name RECOMPUTED
writes=$(($(counter fno.odata.writes) - before + $(counter dv.writes.single) - before_dv))
result "with at most two more writes" "$([ "$writes" -le 3 ]; echo $?)" "$writes"
admin POST /knobs '{"dv_recompute":2,"fno_recompute":2}' >/dev/null
fno C-0000025 ORGANIZATIONNAME "flip"
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do dmfsync sync --once customers; done
same "a record that is never at rest is halted" 1 "$(state "select count(*) from pending where state = 'poison' and reason like 'halted%'")"
before=$(counter fno.odata.writes)
dmfsync sync --once customers
same "and not written any more" "$before" "$(counter fno.odata.writes)"
fno C-0000026 SALESMEMO "others go on"
dmfsync sync --once customers
dv_is "it does not hold the others" C-0000026 description "others go on"
admin POST /knobs '{"dv_recompute":0,"fno_recompute":0}' >/dev/null
dv C-0000025 name flip
fno C-0000025 ORGANIZATIONNAME flip
run 0 "a person lets it go on" conflicts resolve customers 'usmf|C-0000025' --take fno
run 0 "sync" sync --once customers

# An expired token: the keys are compared, and what was deleted meanwhile is found.
admin POST /clock '{"advance_ms":3456000000}' >/dev/null
dv C-0000027 telephone1 "after the token"
dv_gone C-0000028
run 0 "an expired token is no error" sync --once customers --json
fno_is "changes are found" C-0000027 PRIMARYCONTACTPHONE "after the token"
fno_lacks "deletions are found" C-0000028
run 0 "parity" parity customers

# Data events: hints, whatever they say and how often. The keys go first; what is no event is put aside.
mkdir -p events
sed 's/^poll_seconds = .*/&\nevents = events/' ini.plain >x && mv x ini.plain
settings
fno C-0000032 SALESMEMO "told by an event"
fno C-0000033 SALESMEMO "told by a context"
printf '{"map":"customers","key":"usmf|C-0000032"}\n{"map":"customers","key":"USMF|C-0000032"}\n' >events/1.json
aot=$(sed -n 's/.*"aot": *"\(CustCustomerV3[^"]*\)".*/\1/p' .dmfsync/metadata.json | head -1)
printf '{"PrimaryEntityName":"mserp_%s","MessageName":"Update","InputParameters":[{"key":"Target","value":{"Attributes":[{"key":"mserp_dataareaid","value":"usmf"},{"key":"mserp_customeraccount","value":"C-0000033"}]}}]}' "${aot:-CustCustomerV3Entity}" >events/2.json
printf 'no event' >events/3.json
printf '{"PrimaryEntityName":"contact","PrimaryEntityId":"x"}' >events/4.json
run 0 "data events" sync --once customers
has "are counted" "4 event files: 4 events, 3 keys, 1 of no map here, 1 files not understood" "$W/err"
dv_is "their records are read" C-0000032 description "told by an event"
dv_is "in either form" C-0000033 description "told by a context"
same "taken files are gone, the other one is put aside" "3.json" "$(ls events/bad; ls events/*.json 2>/dev/null)"

# Dataverse is put back to yesterday: nothing is written, the gate is shut, the way back is named.
handoff
admin POST /moment '{"side":"dataverse","do":"save"}' >/dev/null
fno C-0000029 SALESMEMO "since yesterday"
run 0 "a day of work" sync --once customers
run 0 "whose echo is read" sync --once customers
admin POST /moment '{"side":"dataverse","do":"restore"}' >/dev/null
before=$(counter fno.odata.writes)
run 13 "Dataverse was restored" sync --once customers
has "that is said" "restored" "$W/err"
has "and the way back" "dmfsync handoff customers --execute" "$W/err"
same "nothing was written" "$before" "$(counter fno.odata.writes)"
run 13 "the gate is shut" sync --once customers
run 9 "parity shows what is lost" parity customers
run 0 "repair" repair customers --execute
handoff
dv C-0000029 telephone1 "after the restore"
run 0 "sync goes on" sync --once customers
fno_is "from new positions" C-0000029 PRIMARYCONTACTPHONE "after the restore"
run 0 "parity" parity customers

# F&O's database is replaced, or put back.
run 0 "the stamp is there" sync --once customers
admin POST /moment '{"side":"fno","do":"save"}' >/dev/null
fno C-0000030 SALESMEMO "lost by the restore"
run 0 "a day of work" sync --once customers
admin POST /moment '{"side":"fno","do":"restore"}' >/dev/null
before=$(counter dv.writes.single)
run 13 "F&O was restored" sync --once customers
has "the missing execution is named" "is not known there" "$W/err"
same "nothing was written" "$before" "$(counter dv.writes.single)"
dv C-0000030 description ""
handoff
run 0 "sync goes on" sync --once customers
admin POST /moment '{"side":"fno","do":"refresh"}' >/dev/null
run 13 "F&O's database was refreshed" sync --once customers
has "the project is gone" "is gone" "$W/err"
handoff
fno C-0000031 SALESMEMO "after the refresh"
run 0 "sync goes on" sync --once customers
dv_is "from new positions" C-0000031 description "after the refresh"
run 0 "parity" parity customers

# Another organization under the same address; and one that was put back although its rows tell nothing of it.
sqlite3 .dmfsync/maps/customers/state.db "update setting set value = '00000000-0000-0000-0000-000000000001' where name = 'dv_witness_organization'"
run 13 "another organization" sync --once customers
has "is named" "organization id" "$W/err"
handoff
run 0 "the position is there" sync --once customers
admin POST /moment '{"side":"dataverse","do":"save"}' >/dev/null
dv C-0000024 telephone1 "lost by the restore"
run 0 "a day of work" sync --once customers
admin POST /moment '{"side":"dataverse","do":"restore"}' >/dev/null
before=$(counter fno.odata.writes)
sqlite3 .dmfsync/maps/customers/state.db "delete from setting where name = 'dv_witness'"
run 13 "the position is from the future" sync --once customers
has "both are named" "below the position" "$W/err"
same "nothing was written" "$before" "$(counter fno.odata.writes)"

# The guard is per company as well: what all companies together would allow is too much for one.
repaired() { dmfsync parity customers --quiet; dmfsync repair customers --execute --quiet; }
repaired
handoff
for i in 1 2 3 4 5 6 7 8 9 10 11; do
    admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"GO-$i\",\"ORGANIZATIONNAME\":\"Going $i\",\"CUSTOMERGROUPID\":\"10\",\"SALESCURRENCYCODE\":\"USD\"}}" >/dev/null
done
run 0 "eleven new ones" sync --once customers
dump dataverse | grep '^account|' >"$W/accounts"
share=$((100 * 11 / $(wc -l <"$W/accounts") + 1))
same "all companies' would allow eleven, usmf's do not" 1 $(($(grep -ci '^account|usmf|' "$W/accounts") * share / 100 < 11))
settings "deletes = apply" "max_delete = $share%"
handoff
for i in 1 2 3 4 5 6 7 8 9 10 11; do fno_gone "GO-$i"; done
run 14 "eleven deletions of one company" sync --once customers
has "are too many for it" "11 deletions in company usmf" "$W/err"
dv_is "none is carried over" GO-1 accountnumber GO-1
run 0 "a person lets them" conflicts resolve customers --all --take fno
run 0 "sync" sync --once customers
dv_lacks "then they go" GO-11
finish

#!/bin/sh
# A Synapse Link folder as Dataverse's side: stale and new versions, deletions, retries, a column that came later, lookups resolved from
# the folder: the same digest as the rows themselves; the folder being written is never read; damaged copies are told with file and line.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
GEN_SIDES=${GEN_SIDES:-$DMFSYNC_ROOT/build/release/gen_sides}
GEN_SYNAPSE=$DMFSYNC_ROOT/tests/data/gen_synapse
cd "$W" || exit 1
mkdir -p ws/.dmfsync
cp "$DMFSYNC_ROOT/tests/data/sides/map.json" "$DMFSYNC_ROOT/tests/data/sides/dmfsync.ini" ws/
cp "$DMFSYNC_ROOT/tests/data/sides/metadata.json" ws/.dmfsync/
n=${DMFSYNC_SOAK:+200000}
n=${n:-3000}
"$GEN_SIDES" fno "$n" >fno.csv
"$GEN_SIDES" dataverse "$n" >all.csv
# A billing account that is no row of the table has no id there.
sqlite3 :memory: ".mode csv" ".import all.csv t" ".headers on" ".output dv.csv" 'create index k on t(accountnumber, "msdyn_company.cdm_companycode")' \
    'update t set "msdyn_billingaccount.accountnumber" = accountnumber where not exists (select 1 from t b where b.accountnumber = t."msdyn_billingaccount.accountnumber"
    and b."msdyn_company.cdm_companycode" = t."msdyn_company.cdm_companycode")' "select * from t"
"$GEN_SYNAPSE" dv.csv syn
F1=syn/2024-05-01T10.00.00Z F2=syn/2024-05-01T10.30.00Z
run 0 "the rows themselves" --dir ws --json snapshot customers --side dataverse --from csv ../dv.csv
truth="$(json '$.data.rows') $(json '$.data.digest')"
run 0 "the folder" --dir ws --json snapshot customers --side dataverse --from synapse ../syn
same "has these rows" "$truth" "$(json '$.data.rows') $(json '$.data.digest')"
same "as of its newest finished folder" 2024-05-01T10:45:00Z "$(json '$.data.ended_at')"
has "the one that is being written is named" "not read, since it is being written: 2024-05-01T11.00.00Z" err
run 9 "parity with it" --dir ws --json parity customers --fno-from csv:../fno.csv --dataverse-from synapse:../syn
got="$(json '$.data.maps[0].differ') $(json '$.data.maps[0].only_fno') $(json '$.data.maps[0].only_dataverse') $(json '$.data.maps[0].dataverse_digest')"
run 9 "parity with the rows" --dir ws --json parity customers --fno-from csv:../fno.csv --dataverse-from csv:../dv.csv
same "is the same" "$(json '$.data.maps[0].differ') $(json '$.data.maps[0].only_fno') $(json '$.data.maps[0].only_dataverse') $(json '$.data.maps[0].dataverse_digest')" "$got"
run 0 "no verdict of it is stored" --dir ws sql customers "select origin from main.snapshot where origin = 'synapse'"
same "no verdict" 0 "$(sqlite3 ws/.dmfsync/work.db "select count(*) from verdict")"
dmfsync --dir ws handoff customers --execute
result "and no gate opens" $([ "$STATUS" != 0 ]; echo $?)
rm -rf empty && mkdir -p empty/Changelog && : >empty/Changelog/changelog.info
run 3 "a folder without folders" --dir ws snapshot customers --side dataverse --from synapse ../empty
run 2 "F&O has no such folder" --dir ws snapshot customers --side fno --from synapse ../syn
run 2 "nor in parity" --dir ws parity customers --fno-from synapse:../syn --dataverse-from stored
run 2 "the folder has to be named" --dir ws snapshot customers --side dataverse --from synapse

# refused STATUS NAME TEXT SED-OR-COMMAND: on a copy of the folder
refused() {
    rm -rf bad && cp -a syn bad
    (cd bad && eval "$4")
    sqlite3 ws/.dmfsync/maps/customers/state.db "select max(id) from snapshot" >before
    dmfsync --dir ws snapshot customers --side dataverse --from synapse ../bad
    same "$2: status" "$1" "$STATUS"
    has "$2: told" "$3" err
    sqlite3 ws/.dmfsync/maps/customers/state.db "select max(id) from snapshot" >after
    cmp -s before after || not_ok "$2: nothing is published"
}
A1=2024-05-01T10.00.00Z/account A2=2024-05-01T10.30.00Z/account
refused 3 "no changelog.info" "which of its folders is being written" "rm Changelog/changelog.info"
refused 3 "changelog.info of something else" "names no folder of this kind" "echo today >Changelog/changelog.info"
refused 3 "a missing model.json" "no model.json, or an empty one" "rm 2024-05-01T10.30.00Z/model.json"
refused 3 "an empty model.json beside rows" "no model.json, or an empty one" ": >2024-05-01T10.00.00Z/model.json"
refused 3 "a model.json that is cut off" "model.json" "head -c 900 2024-05-01T10.30.00Z/model.json >m && mv m 2024-05-01T10.30.00Z/model.json"
refused 3 "a table that is not described" "does not describe that table" "sed -i 's/\"name\":\"account\"/\"name\":\"contact\"/' 2024-05-01T10.30.00Z/model.json"
refused 3 "a table that no folder has" "has no table 'msdyn_paymentterm'" "sed -i 's/LocalEntity\",\"name\":\"msdyn_paymentterm\"/LocalEntity\",\"name\":\"other\"/' 2024-05-01T10.00.00Z/model.json; rm -r 2024-05-01T10.00.00Z/msdyn_paymentterm"
refused 3 "a column that no folder has" "for what is compared: creditlimit" "sed -i 's/\"creditlimit\"/\"credit\"/' 2024-05-01T10.00.00Z/model.json 2024-05-01T10.30.00Z/model.json"
refused 3 "an attribute more than fields" "attributes" "sed -i 's/{\"name\":\"creditlimit\"/{\"name\":\"new\"},&/' 2024-05-01T10.30.00Z/model.json"
refused 3 "a CSV cut within a row" "2023.csv' line" "head -c 5000 $A1/2023.csv >m && mv m $A1/2023.csv"
refused 3 "a CSV cut within quotes" "2023.csv' line" "printf '\"cut' >>$A2/2023.csv"
refused 3 "a CSV cut in its last cell" "cut off" "truncate -s -2 $A2/2023.csv"
refused 3 "a file that is not there" "is not there, though" "rm $A1/2024_001.csv"
refused 3 "a file outside of the folder" "names a file outside" "sed -i 's|2024-05-01T10.30.00Z/account/2023.csv|2024-05-01T10.30.00Z/../../secret.csv|' 2024-05-01T10.30.00Z/model.json"
refused 3 "an id that is none" "its Id is not one" "sed -i '1s/^[^,]*/x/' $A2/2023.csv"
refused 3 "a flag that is none" "neither True nor False" "sed -i '1s/,False,/,Fal,/' $A2/2023.csv"
refused 3 "a version that is none" "its version is not a number" "sed -i '1s/,False,2/,False,x2/' $A2/2023.csv"
refused 5 "an initial export that goes on" "is not finished" "sed -i 's/\"value\":\"Completed\"/\"value\":\"InProgress\"/' 2024-05-01T10.30.00Z/model.json"
refused 3 "a container in another layout" "changelog.info" "rm -r Changelog 2024*; echo '{}' >model.json"

# What may happen, and does no harm.
fine() { # NAME COMMAND
    rm -rf other && cp -a syn other
    (cd other && eval "$2")
    run 0 "$1" --dir ws --json snapshot customers --side dataverse --from synapse ../other
    same "$1: the same rows" "$truth" "$(json '$.data.rows') $(json '$.data.digest')"
}
fine "no list of partitions" "sed -i 's/,\"partitions\":\[[^]]*\]//g' 2024-05-01T10.00.00Z/model.json 2024-05-01T10.30.00Z/model.json"
swap='s/\({"name":"cdm_companycode"[^}]*}\),\({"name":"IsDelete"[^}]*}\)/\2,\1/'
fine "IsDelete before the last column" "sed -i '$swap' */model.json; awk -F, '{ sub(/\\r\$/, \"\"); printf \"%s,%s,%s,%s,%s\\r\\n\", \$1, \$2, \$3, \$5, \$4 }' 2024-05-01T10.00.00Z/cdm_company/1900.csv >m && mv m 2024-05-01T10.00.00Z/cdm_company/1900.csv"
fine "the name of the folder being written has a slash and a line end" "printf '\357\273\2772024-05-01T11.00.00Z/\r\n' >Changelog/changelog.info"
rm -rf other && cp -a syn other
printf '' >other/Changelog/changelog.info
run 3 "nothing is being written: then the last folder counts, and it is cut off" --dir ws snapshot customers --side dataverse --from synapse ../other

# --- into F&O ---
job_settings
JOB_CUSTOMERS=5
job_start "$W/e" --knob dv_limit_requests=0 --knob dv_limit_execution_ms=0
cd "$W/e.ws" || exit 1
S=$W/link/2024-05-01T10.00.00Z
mkdir -p "$W/link/Changelog" "$S/transactioncurrency"
echo 2024-05-01T10.15.00Z >"$W/link/Changelog/changelog.info"
cat >"$S/model.json" <<MODEL
{"name":"cdm","version":"1.0","entities":[{"$(printf '\044')type":"LocalEntity","name":"transactioncurrency","annotations":[],"attributes":[
{"name":"Id","dataType":"guid"},{"name":"SinkCreatedOn","dataType":"dateTime"},{"name":"SinkModifiedOn","dataType":"dateTime"},{"name":"isocurrencycode","dataType":"string"},
{"name":"currencyname","dataType":"string"},{"name":"currencysymbol","dataType":"string"},{"name":"exchangerate","dataType":"decimal"},{"name":"IsDelete","dataType":"boolean"}],"partitions":[
{"name":"1900","location":"https://a.dfs.core.windows.net/dataverse-x/2024-05-01T10.00.00Z/transactioncurrency/1900.csv"}]}]}
MODEL
printf '%s\r\n' '11111111-2222-4333-8444-555555555555,5/1/2024 10:00:00 AM,5/1/2024 10:00:00 AM,XTS,"Test, with a comma",X,1.0000000000,False' \
    '11111111-2222-4333-8444-555555555556,5/1/2024 10:00:00 AM,5/1/2024 10:00:00 AM,XXX,Gone,X,1,True' >"$S/transactioncurrency/1900.csv"
run 2 "a side into itself" load currencies --from "synapse:$W/link" --to dataverse
run 0 "load it: the plan" load currencies --from "synapse:$W/link" --to fno
run 0 "load it" load currencies --from "synapse:$W/link" --to fno --execute
dump fno | grep '^Currencies|' >"$W/got"
has "the row is in F&O" 'Test, with a comma' "$W/got"
has_not "the deleted one is not" "Gone" "$W/got"
finish

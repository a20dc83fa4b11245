#!/bin/sh
# failures.sh -- what goes wrong on a rehearsed weekend: each ends with its exit status, one clear sentence, a hint, and a
# workspace with which the job still ends well.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=60
job_start "$W/t"
cd "$W/t.ws" || exit 1
cp dmfsync.ini ini.good
cp maps/accounts--customers-v3.json customers.good

# sentence NAME STATUS TEXT HINT-TEXT ARG..: the status, what the error says, and that a hint follows
sentence() {
    name=$1 want=$2 text=$3 hint=$4
    shift 4
    dmfsync "$@"
    same "$name: the exit status" "$want" "$STATUS"
    has "$name: what and where" "$text" "$W/err"
    has "$name: what to do" "$hint" "$W/err"
    has_not "$name: no secret in what is printed" "demo-secret" "$W/err"
}
restore() { cp ini.good dmfsync.ini; cp customers.good maps/accounts--customers-v3.json; printf 'demo-secret\n' >secret; }
edit_json() { # SQL over j, the map document
    sqlite3 :memory: "with t(j) as (select cast(readfile('customers.good') as text)) select $1 from t" >maps/accounts--customers-v3.json
}

printf 'not-the-secret\n' >secret
sentence "a wrong secret" 6 "AADSTS7000215" "secret" migrate --execute
has_not "a wrong secret: it is not shown" "not-the-secret" "$W/err"
restore

sed -i "s|^authority = .*|authority = https://nowhere.invalid|" dmfsync.ini
sentence "an unknown host" 5 "nowhere.invalid" "hint" migrate --execute
restore
sed -i "s|^authority = .*|authority = http://127.0.0.1:1|" dmfsync.ini
sentence "nobody listens there" 5 "127.0.0.1:1" "hint" migrate --execute
restore

edit_json "json_set(j, '\$.legs[0].fieldMappings[2].sourceField', 'PRIMARYCONTACTFONE')"
sentence "a map that names an unknown F&O field" 3 "PRIMARYCONTACTFONE" "accounts--customers-v3.json" plan
edit_json "json_set(j, '\$.legs[0].fieldMappings[2].destinationField', 'telefone1')"
sentence "a map that names an unknown column" 3 "telefone1" "accounts--customers-v3.json" plan
restore

# As published, the map looks up contacts, parties and vendors, for which no map is chosen.
edit_json "json_insert(j, '\$.legs[0].fieldMappings[#]', json('{\"syncDirection\":3,\"sourceField\":\"VENDORACCOUNT\",\"destinationField\":\"msdyn_vendor.msdyn_vendoraccountnumber\",\"destinationLookupFieldRelatedEntity\":\"msdyn_vendors\",\"isSystemGenerated\":false}'), '\$.legs[0].fieldMappings[#]', json('{\"syncDirection\":3,\"sourceField\":\"PARTYNUMBER\",\"destinationField\":\"msdyn_partyid.msdyn_partynumber\",\"destinationLookupFieldRelatedEntity\":\"msdyn_parties\",\"isSystemGenerated\":false}'), '\$.legs[0].fieldMappings[#]', json('{\"syncDirection\":3,\"sourceField\":\"CONTACTPERSONID\",\"destinationField\":\"msdyn_primarycontact.msdyn_contactforpartynumber\",\"destinationLookupFieldRelatedEntity\":\"contacts\",\"isSystemGenerated\":false}'))"
sentence "lookups that no map serves" 3 "3 mapped lookup fields" "hint" plan
for field in VENDORACCOUNT PARTYNUMBER CONTACTPERSONID; do has "lookups that no map serves: $field is listed" "$field" "$W/out"; done
restore

if [ -n "${DMFSYNC_SAMPLES:-}" ]; then # the published document itself
    cp "$DMFSYNC_SAMPLES/dual-write-maps/accounts-customers-v3.json" maps/accounts--customers-v3.json
    sentence "the published customers map" 3 "3 mapped lookup fields" "hint" plan
    for field in VENDORACCOUNT PARTYNUMBER CONTACTPERSONID; do has "the published customers map: $field is listed" "unserved: $field" "$W/out"; done
    restore
fi

sed -i '1s/CUSTOMERACCOUNT/ACCOUNTNO/' sources/customers.csv
sentence "a source without its key column" 3 "CUSTOMERACCOUNT" "hint" migrate --execute
sed -i '1s/ACCOUNTNO/CUSTOMERACCOUNT/' sources/customers.csv
same "nothing was sent for these" null "$(counter fno.import.executed)"

# A full disk: 40 kB a file. full_disk.sh has the other moments.
STATUS=0
(ulimit -f 40 && trap '' XFSZ && exec "$DMFSYNC_BIN" migrate --execute) >"$W/out" 2>"$W/err" || STATUS=$?
same "a full disk: the exit status" 5 "$STATUS"
has "a full disk: what to do" "hint" "$W/err"
result "a full disk: the workspace is intact" "$(sqlite3 .dmfsync/work.db 'pragma integrity_check' | grep -cvx ok)"

# A second run while the first one is at work, held by its pause file
touch "$W/pause"
"$DMFSYNC_BIN" migrate --execute --pause-file "$W/pause" >"$W/first.out" 2>"$W/first.err" &
first=$!
n=0
until grep -qs paused "$W/first.err" || [ "$n" -gt 600 ]; do n=$((n + 1)); sleep 0.1; done
sentence "a second run in the same workspace" 11 "$first" "hint" migrate --execute
dmfsync status
same "status while it runs" 0 "$STATUS"
kill -TERM "$first"
wait "$first"
same "stopped by SIGTERM: the exit status" 143 "$?"
tail -4 "$W/first.err" >"$W/last"
has "stopped by SIGTERM: how to go on" "same command" "$W/last"

# Other settings than the run began with, one that was killed
DMFSYNC_STEP_KILL=60 "$DMFSYNC_FAULT_BIN" migrate --execute >"$W/out" 2>"$W/err"
same "killed" 137 "$?"
sed -i 's/^package_rows.*/package_rows = 7/' dmfsync.ini
unset DMFSYNC_LOAD_PACKAGE_ROWS
sentence "settings changed under a run" 4 "package_rows" "hint" migrate --execute
restore
job_settings
run 10 "and the job ends well after all this" migrate --execute
run 0 "both sides agree" parity
finish

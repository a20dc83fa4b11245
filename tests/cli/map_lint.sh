#!/bin/sh
# map lint and map enums as commands: places, forms of output, statuses, silence, saved metadata, files from elsewhere.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
. "$(dirname "$0")/map_edit.sh"

job_start "$W/t"
WS=$W/t.ws
MAP=$WS/maps/accounts--customers-v3.json
cd "$W" || exit 1

# ---- the demo's maps ----
run 0 "the demo's maps have no errors" map lint --dir "$WS"
has "a warning is in the table" "DIPV1003" out
has "with its remedy" "define an alternate key" out
has "each map has its key" "dataAreaId, CUSTOMERACCOUNT" out
has "and the evidence for it" "alternate key msdyn_accountkey" out
run 3 "warnings fail with --strict" map lint --dir "$WS" --strict
run 0 "one map" map lint customers --dir "$WS" --strict
has_not "others are left out" "DIPV1003" out
run 2 "no such map" map lint custmers --dir "$WS"
has "suggests" "did you mean 'customers'" err
run 2 "no such format" map lint --dir "$WS" --format xml
run 0 "all codes" map lint --codes --dir "$WS"
has "with ours" "value-map-two-way" out
has "and the service's" "DIPV1031" out

cp "$WS/sources/customers.csv" rows.csv
awk -F, -v OFS=, 'NR == 1 || ($12 ~ /^C-/ || $12 == "") && $13 == "No"' rows.csv >"$WS/sources/customers.csv"
run 0 "with the rows" map lint customers --rows --dir "$WS" --json
N=$(jsql "select json_extract(value, '\$.reason') from json_each(j, '\$.data.findings') where json_extract(value, '\$.code') = 'field-unused' and json_extract(value, '\$.source') = 'ISONETIMECUSTOMER'")
same "a field that never varies is named" "the same in all rows: 'No'" "$(echo "$N" | sed 's/all [0-9]* rows/all rows/')"
same "not one that varies" 0 "$(found field-unused ORGANIZATIONNAME)"
same "nor the key" 0 "$(found field-unused CUSTOMERACCOUNT)"
cp rows.csv "$WS/sources/customers.csv"

# ---- an error: place, reason, remedy, in every form ----
cp "$MAP" keep.json
field_set "$MAP" SALESMEMO destinationField "'descripton'"
run 3 "an unknown column is an error" map lint customers --dir "$WS"
has "its field" "6 SALESMEMO = descripton" out
has "its reason" "Dataverse table 'account' has no column 'descripton'; did you mean 'description'?" out
has "its remedy" "correct destinationField" out
sed -n '2p' out | grep -q '^error' && sed -n '3p' out | grep -q '^info'
result "errors stand first" $?
COLUMNS=60 run 3 "on a narrow terminal" map lint customers --dir "$WS"
same "the reason is not cut" 1 "$(tr -s ' \n' ' ' <out | grep -cF "Dataverse table 'account' has no column 'descripton'; did you mean 'description'?")"
same "no finding is wider" 0 "$(sed '/^$/,$d' out | awk 'length > 60' | wc -l)"
run 3 "as JSON" map lint customers --dir "$WS" --json
same "one error" 1 "$(json '$.data.counts.errors')"
same "its code" DIPV1025 "$(json '$.data.findings[0].code')"
same "its number" 6 "$(json '$.data.findings[0].field')"
same "its leg" 001 "$(json '$.data.findings[0].leg')"
same "its file" "$MAP" "$(json '$.data.findings[0].file')"
same "its direction" 3 "$(json '$.data.findings[0].direction')"
same "the status" 3 "$(json '$.data.statuses[0]')"
run 3 "as CSV" map lint customers --dir "$WS" --format csv
same "a header" "severity,code,map,file,leg,field,source,destination,direction,reason,remedy,ignored" "$(head -1 out)"
same "a line for each finding" 4 "$(wc -l <out | tr -d ' ')"
has "with all of it" "error,DIPV1025,Customers V3 (accounts),$MAP,001,6,SALESMEMO,descripton,=," out

for code in $(dmfsync map lint --codes --dir "$WS" --json; jsql "select group_concat(json_extract(value, '\$.code'), ' ') from json_each(j, '\$.data.codes')"); do
    grep -qF "| \`$code\` |" "$DMFSYNC_ROOT/docs/map-lint.md" || echo "$code"
done >undocumented
same "every code is in the documentation" "" "$(cat undocumented)"

# ---- silence ----
sed -i 's/^name = Customers V3 (accounts)/&\nlint_ignore = DIPV1025:SALESMEMO, precision, range:NOSUCH/' "$WS/dmfsync.ini"
run 0 "what is accepted does not fail" map lint customers --dir "$WS"
has "but is counted" "2 ignored by lint_ignore" out
has "an entry that silences nothing is told" "lint_ignore = range:NOSUCH silences nothing" err
run 0 "as JSON, too" map lint customers --dir "$WS" --json
same "it is shown" 1 "$(json '$.data.findings[0].ignored')"
same "and counted" 2 "$(json '$.data.counts.ignored')"
sed -i '/^lint_ignore/d' "$WS/dmfsync.ini"
cp keep.json "$MAP"

# ---- files from elsewhere, entities that are not there ----
mkdir elsewhere
cp keep.json elsewhere/mine.json
run 0 "a file outside the workspace" map lint elsewhere/mine.json --dir "$WS"
has "goes by its name" "mine.json" out
json_edit elsewhere/mine.json "json_set(j, '\$.legs[0].sourceSchema', 'Customers V9', '\$.legs[0].destinationSchema', 'acounts')"
run 3 "an entity that is not there" map lint elsewhere/mine.json --dir "$WS"
has "is named" "F&O entity 'Customers V9' is unknown in this environment" out
has "as the table is" "Dataverse table of set 'acounts' is unknown in this environment" out
field_set elsewhere/mine.json ONHOLDSTATUS 'valueTransforms[0].valueMap.never' "'806380001'"
run 3 "the document is checked still" map lint elsewhere/mine.json --dir "$WS" --json
same "what it shows" 1 "$(found value-map-two-way ONHOLDSTATUS)"
echo '{"legs":[' >elsewhere/broken.json
run 3 "a broken document" map lint elsewhere/broken.json --dir "$WS"
has "is named" "broken.json" err

# other forms: an answer with three versions of one map, of which the newest that is not parked counts, and another map
field_set keep.json SALESMEMO destinationField "'descripton'"
sqlite3 :memory: "with t(j) as (select cast(readfile('keep.json') as text)), g(k) as (select cast(readfile('$WS/maps/msdyn_customergroups--customer-groups.json') as text))
    select json_object('value', json_array(
        json_object('msdyn_name', 'p_[accounts - Customers V3]', 'msdyn_version', '1.0.0.2', 'createdon', '2024-02-01T00:00:00Z', 'msdyn_mapping', json_set(j, '\$.description', 'the newest')),
        json_object('msdyn_name', 'p_[accounts - Customers V3]', 'msdyn_version', '1.0.0.1', 'createdon', '2023-02-01T00:00:00Z', 'msdyn_mapping', json_set(j, '\$.legs[0].sourceFilter', '(((')),
        json_object('msdyn_name', 'p_[accounts - Customers V3]', 'msdyn_version', '9.9.9.9', 'createdon', '2025-02-01T00:00:00Z', 'msdyn_mapping', json_set(j, '\$.legs[0].sourceFilter', '(((')),
        json_object('msdyn_name', 'p_[msdyn_customergroups - Customer groups]', 'msdyn_version', '1.0.0.1', 'createdon', '2023-02-01T00:00:00Z', 'msdyn_mapping', k))) from t, g" >elsewhere/page.json
run 3 "an answer of the service" map lint elsewhere/page.json --dir "$WS" --json
same "two maps" 2 "$(jsql "select json_array_length(j, '\$.data.maps')")"
same "one error, of the newest version" 1 "$(json '$.data.counts.errors')"
same "at its field" 1 "$(found DIPV1025 SALESMEMO)"
field_drop keep.json SALESMEMO
sqlite3 :memory: "with t(j) as (select cast(readfile('keep.json') as text)) select json_object('value', json_array(
        json_object('msdyn_name', 'p_[accounts - Customers V3]', 'msdyn_version', '1.0.0.2', 'createdon', '2024-02-01T00:00:00Z', 'msdyn_mapping',
            json_remove(j, '$FIELDS[' || (select key from json_each(j, '$FIELDS') where json_extract(value, '\$.sourceField') = 'ONHOLDSTATUS') || '].valueTransforms')))) from t" >elsewhere/page.json
run 2 "enums are not written into it" map enums elsewhere/page.json --dir "$WS" --write
has "but after import" "map import" err

{
    printf '{"legs":[{"sourceSchema":"L","destinationSchema":"s","fieldMappings":['
    awk 'BEGIN { for (i = 0; i < 2100; i++) printf "%s{\"syncDirection\":1,\"sourceField\":\"S%d\",\"destinationField\":\"c%d\"}", i ? "," : "", i, i }'
    printf ']}]}'
} >elsewhere/huge.json
run 12 "a map beyond measure" map lint elsewhere/huge.json --dir "$WS"
has "is refused with its size" "2100 fields" err

# ---- saved metadata ----
cp -r "$WS" fresh
rm -f fresh/.dmfsync/metadata.json
run 0 "without any metadata" map lint --dir fresh --offline
has "says so" "no metadata has been saved" err
has "per map" "unknown in the saved metadata" out
stop_emulator
run 0 "offline by what was saved" map lint --dir "$WS" --offline --json
cp out offline.json
same "the key is known" "alternate key msdyn_accountkey" "$(jsql "select json_extract(value, '\$.key_evidence') from json_each(j, '\$.data.maps') where json_extract(value, '\$.alias') = 'customers'")"
run 5 "online it is temporary" map lint customers --dir "$WS" --max-duration 20s

# ---- published maps ----
# Where the samples are: findings as worked out by hand from each document (tests/data/maplint/README.md says how).
# shown FILE: "severity code field" of the last JSON output, of one document
shown() {
    jsql "select group_concat(json_extract(value, '\$.severity') || ' ' || json_extract(value, '\$.code') || ' ' ||
          coalesce(json_extract(value, '\$.field'), '-'), char(10)) from json_each(j, '\$.data.findings') where json_extract(value, '\$.file') = '$1'"
}
samples() {
    find "$DMFSYNC_SAMPLES/dual-write-maps" -name '*.json' ! -name '*.properties.json' | sort
}
if [ -n "${DMFSYNC_SAMPLES:-}" ]; then
    run 0 "a workspace without maps" init "$W/none"
    for f in $(samples); do
        dmfsync map lint "$f" --dir "$W/none" --offline --json
        same "$(basename "$f" .json), the document alone" "$(cat "$DMFSYNC_ROOT/tests/data/maplint/$(basename "$f" .json).document.expected")" "$(shown "$f")"
    done
    job_start "$W/s"
    # shellcheck disable=SC2046
    run 3 "all of them together, with metadata" map lint $(samples) --dir "$W/s.ws" --json
    for f in $(samples); do
        same "$(basename "$f" .json), with metadata" "$(cat "$DMFSYNC_ROOT/tests/data/maplint/$(basename "$f" .json).emulator.expected")" "$(shown "$f")"
    done
    stop_emulator
fi

# ---- enums ----
json_edit "$MAP" "json_remove(j, '$FIELDS[$(field_at "$MAP" ONHOLDSTATUS)].valueTransforms', '$FIELDS[$(field_at "$MAP" ISONETIMECUSTOMER)].valueTransforms[0].valueMap.yes')"
cp "$MAP" before.json
run 3 "an enum without a value map" map lint customers --dir "$WS" --offline --json
same "is a mismatch of types" 1 "$(found DIPV1030 ONHOLDSTATUS)"
run 0 "a proposal" map enums customers --dir "$WS" --offline
has "for elements" "Requisition" out
has "with how they were found" "by name" out
has "writes nothing" "nothing was written" out
cmp -s before.json "$MAP"
result "the file is as it was" $?
run 0 "writing" map enums customers --dir "$WS" --offline --write --json
same "the pairs that were missing" 7 "$(json '$.data.written')"
same "in lower case first" 806380004 "$(json "$FIELDS[$(field_at "$MAP" ONHOLDSTATUS)].valueTransforms[0].valueMap.requisition" "$MAP")"
same "yes/no, too" True "$(json "$FIELDS[$(field_at "$MAP" ISONETIMECUSTOMER)].valueTransforms[0].valueMap.yes" "$MAP")"
run 0 "and the map is clean" map lint customers --dir "$WS" --offline --strict
cp "$MAP" after.json
run 0 "once more" map enums customers --dir "$WS" --offline --write
cmp -s after.json "$MAP"
result "changes nothing" $?
field_set "$MAP" ONHOLDSTATUS 'valueTransforms[0].valueMap.all' "'806380003'"
field_set "$MAP" ONHOLDSTATUS 'valueTransforms[0].valueMap.payment' "'806380002'"
run 0 "a pair that speaks against its name" map enums customers --dir "$WS" --offline --write
has "is a conflict" "conflict: name or label say 806380002" out
same "and stays" 806380003 "$(json "$FIELDS[$(field_at "$MAP" ONHOLDSTATUS)].valueTransforms[0].valueMap.all" "$MAP")"
run 2 "--accept-near without --write" map enums --dir "$WS" --offline --accept-near
finish

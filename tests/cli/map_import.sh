#!/bin/sh
# map_import.sh -- dual-write maps in and out: map import in every form, map show, map diff, map pull against the emulator.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=10
job_start "$W/e"
cd "$W/e.ws" || exit 1
MAPS=$DMFSYNC_ROOT/scripts/demo/maps
CUSTOMERS=$MAPS/accounts--customers-v3.json
GROUPS_=$MAPS/msdyn_customergroups--customer-groups.json
# sql FILE QUERY: q is the text of the file
sql() { sqlite3 :memory: "with t(q) as (select cast(readfile('$1') as text)) select ($2) from t"; }

# ---- forms ----
mkdir -p "$W/in"
"$DMFSYNC_BIN" init "$W/ws" >/dev/null
cp "$CUSTOMERS" "$W/in/document.json"
# rows of the table, as the Web API gives them
sqlite3 :memory: "select json_object('@odata.context', 'c', 'value', json_array(
    json_object('msdyn_name', 'contoso_[accounts - Customers V3]', 'msdyn_version', '1.0.0.4', 'msdyn_mapping', replace(d, '\"yes\"', '\"old\"')),
    json_object('msdyn_name', 'contoso_[accounts - Customers V3]', 'msdyn_version', '1.0.0.10', 'unknown', 12345678901234567, 'msdyn_mapping', d),
    json_object('msdyn_name', 'contoso_[accounts - Customers V3]', 'msdyn_version', '9.9.9.9', 'msdyn_mapping', '{}'),
    json_object('msdyn_name', 'contoso_[msdyn_customergroups - Customer groups]', 'msdyn_version', '1.0.0.0', 'msdyn_mapping', json_quote(g)),
    json_object('msdyn_name', 'broken', 'msdyn_version', '1.0.0.0', 'msdyn_mapping', 'not JSON')))
    from (select cast(readfile('$CUSTOMERS') as text) d, cast(readfile('$GROUPS_') as text) g)" >"$W/in/page.json"
sqlite3 :memory: "select json_quote(json_quote(cast(readfile('$CUSTOMERS') as text)))" >"$W/in/twice.json"
sqlite3 :memory: "select json_object('name', 'DWM-1', 'entityMappingTasks', json_array(json(cast(readfile('$CUSTOMERS') as text))))" >"$W/in/project.json"
printf '{"IsDualWriteProject":true}' >"$W/in/document.properties.json"
printf '{"IsDualWriteProject":' >"$W/in/broken.properties.json"

for form in document twice project; do
    rm -rf "$W/ws/maps"
    run 0 "import of a $form" --dir "$W/ws" map import "$W/in/$form.json" --json
    same "$form: written" written "$(json '$.data.maps[0].result')"
    same "$form: named after table and entity" maps/accounts--customers-v3.json "$(json '$.data.maps[0].file')"
    cp "$W/ws/maps/accounts--customers-v3.json" "$W/$form.out"
done
result "the forms give the same file" "$(cmp -s "$W/document.out" "$W/twice.out" && cmp -s "$W/document.out" "$W/project.out"; echo $?)"
run 0 "again" --dir "$W/ws" map import "$W/in/document.json" "$W/in/document.properties.json" "$W/in/broken.properties.json" --json
same "nothing changes" unchanged "$(json '$.data.maps[0].result')"
same "properties are recognised" 2 "$(jsql "select count(*) from json_each(j, '\$.data.notes') where value like '%properties of a map%'")"

rm -rf "$W/ws/maps"
run 10 "a page with a bad row" --dir "$W/ws" map import "$W/in/page.json" --json
same "the others are imported" 2 "$(jsql "select count(*) from json_each(j, '\$.data.maps')")"
same "of several versions the highest that is not parked" 1.0.0.10 "$(jsql "select json_extract(value, '\$.version') from json_each(j, '\$.data.maps') where json_extract(value, '\$.map') like 'Customers%'")"
same "the other versions are told" 1 "$(jsql "select count(*) from json_each(j, '\$.data.passed_over')")"
same "what is no map is told with its reason" 2 "$(jsql "select count(*) from json_each(j, '\$.data.not_imported')")"
has "and its place" "value[4] (broken 1.0.0.0)" "$W/out"
same "unknown columns stay beside the map" 12345678901234567 "$(sql "$W/ws/maps/accounts--customers-v3.source.json" "json_extract(q, '\$.row.unknown')")"
run 2 "a file that is not there" --dir "$W/ws" map import "$W/in/nothing.json" --json
printf 'hello' >"$W/in/text.json"
printf '[]' >"$W/in/none.json"
printf 'PK\005\006\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' >"$W/in/none.zip"
run 3 "an answer without rows" --dir "$W/ws" map import "$W/in/none.json"
has "is told with what to do" "hint: give the maps' documents" "$W/err"
run 3 "a zip without members" --dir "$W/ws" map import "$W/in/none.zip"
has "is known as a zip" "holds no dual-write map" "$W/err"
run 3 "properties alone" --dir "$W/ws" map import "$W/in/document.properties.json"
run 3 "a folder" --dir "$W/ws" map import "$W/in"
run 3 "a text" --dir "$W/ws" map import "$W/in/text.json"
has "says why" "not valid JSON" "$W/err"

# ---- a solution ----
if command -v zip >/dev/null 2>&1; then
    mkdir -p "$W/sol/Other"
    { printf '<ImportExportXml><msdyn_dualwriteentitymaps><msdyn_dualwriteentitymap><msdyn_name>c_[accounts - Customers V3]</msdyn_name><msdyn_version>1.0.0.7</msdyn_version><msdyn_mapping>'
      sed 's/&/\&amp;/g; s/</\&lt;/g' "$CUSTOMERS"
      printf '</msdyn_mapping></msdyn_dualwriteentitymap></msdyn_dualwriteentitymaps></ImportExportXml>'; } >"$W/sol/customizations.xml"
    cp "$GROUPS_" "$W/sol/Other/whatever.dat"
    printf '<x/>' >"$W/sol/solution.xml"
    (cd "$W/sol" && zip -q -r "$W/in/solution.bin" . && [ -f "$W/in/solution.bin.zip" ] && mv "$W/in/solution.bin.zip" "$W/in/solution.bin")
    rm -rf "$W/ws/maps"
    run 0 "import of a solution, whatever it is called" --dir "$W/ws" map import "$W/in/solution.bin" --json
    same "two maps by content" 2 "$(jsql "select count(*) from json_each(j, '\$.data.maps')")"
    has "with the version of the row" '"version":"1.0.0.7"' "$W/out"
    result "and the same content" "$(cmp -s "$W/document.out" "$W/ws/maps/accounts--customers-v3.json"; echo $?)"
fi

# ---- settings, replacing ----
run 0 "the sections are proposed" --dir "$W/ws" map import "$W/in/document.json"
has "with name" "name = Customers V3 (accounts)" "$W/out"
result "and nothing is added unasked" "$(! grep -q '^name = Customers V3' "$W/ws/dmfsync.ini"; echo $?)"
chmod 644 "$W/ws/dmfsync.ini"
run 0 "--add appends them" --dir "$W/ws" map import "$W/in/document.json" --add --json
has "to the settings" "[map.customers_v3]" "$W/ws/dmfsync.ini"
same "whose mode stays" 644 "$(stat -c %a "$W/ws/dmfsync.ini")"
run 0 "which can be read" --dir "$W/ws" map show customers_v3
run 0 "a second --add" --dir "$W/ws" map import "$W/in/document.json" --add --json
same "adds nothing" "" "$(json '$.data.sections')"
sed 's/"yes": "True"/"yes": "False"/' "$W/document.out" >"$W/in/changed.json"
run 9 "a file that says something else stays" --dir "$W/ws" map import "$W/in/changed.json" --json
same "the differences are told" 'value map: yes' "$(json '$.data.maps[0].differences[0].what')"
result "the file is as it was" "$(cmp -s "$W/document.out" "$W/ws/maps/accounts--customers-v3.json"; echo $?)"
run 0 "--replace" --dir "$W/ws" map import "$W/in/changed.json" --replace --json
same "replaces it" replaced "$(json '$.data.maps[0].result')"
run 9 "map diff" --dir "$W/ws" map diff customers_v3 "$W/in/document.json"
sed -n '/yes/p' "$W/out" >"$W/lines"
has "one line per changed entry" "value map: yes: 'False' -> 'True'" "$W/lines"
run 0 "map diff of the same" --dir "$W/ws" map diff "$W/in/twice.json" "$W/in/document.json"
run 2 "map diff of one" --dir "$W/ws" map diff customers_v3
run 2 "map diff with a name that is not there" --dir "$W/ws" map diff customers_v3 nosuch
sed 's/"transformType": "ValueMap"/"transformType": "TruncateSpaces"/' "$W/document.out" >"$W/in/unknown.json"
run 0 "a transform that is not known" --dir "$W/ws" map import "$W/in/unknown.json" --replace
has "is told" "the transform 'TruncateSpaces' is not known" "$W/err"
has "and kept" TruncateSpaces "$W/ws/maps/accounts--customers-v3.json"

cp "$GROUPS_" "$W/ws/maps/accounts--customers-v3.json"
run 3 "a file that holds another map" --dir "$W/ws" map import "$W/in/document.json" --replace --json
has "is never replaced" "belongs to another map" "$W/out"
result "and stays" "$(cmp -s "$GROUPS_" "$W/ws/maps/accounts--customers-v3.json"; echo $?)"

# ---- show ----
dmfsync migrate # saves both sides' metadata; nothing is executed
run 0 "map show" map show customers
has "the key and its evidence" "key               dataAreaId, CUSTOMERACCOUNT (" "$W/out"
has "filters in the other language" "PartyType eq Microsoft.Dynamics.DataEntities." "$W/out"
has "the leg" "leg               001: F&O entity 'Customers V3', Dataverse table set accounts (source: F&O)" "$W/out"
has "signs" "><  msdyn_creditlimitismandatory" "$W/out"
run 0 "map show --json" map show customers --json
same "fields" 24 "$(jsql "select count(*) from json_each(j, '\$.data.fields')")"

# ---- the environment ----
cp -r maps "$W/maps.before"
run 0 "map pull" map pull --json
same "every map of the workspace" 9 "$(jsql "select count(*) from json_each(j, '\$.data.maps')")"
same "all say the same" 9 "$(jsql "select count(*) from json_each(j, '\$.data.maps') where json_extract(value, '\$.result') = 'unchanged'")"
has "by what evidence" "no runtime row names it" "$W/out"
run 0 "no drift" map diff customers --live
has "live is named" "live: version 1.0.0.0 is the newest saved one" "$W/out"
# A draft that is parked, and one above the version that runs.
sqlite3 :memory: "select json_object('table', 'msdyn_dualwriteentitymap', 'key', json_object('msdyn_name', 'contoso_[accounts - Customers V3]', 'msdyn_version', '9.9.9.9'),
    'values', json_object('msdyn_mapping', '{\"parked\":1}'))" >"$W/body"
admin POST /dataverse/rows "$(cat "$W/body")" >/dev/null
run 0 "a parked version is not taken for live" map diff customers --live
has "and the evidence says so" "the newest saved one that is not parked" "$W/out"
admin POST /dualwrite '{"fno":"Customers V3","dataverse":"accounts","state":"running"}' >/dev/null
sqlite3 :memory: "select json_object('table', 'msdyn_dualwriteentitymap', 'key', json_object('msdyn_name', 'contoso_[accounts - Customers V3]', 'msdyn_version', '1.0.0.2'),
    'values', json_object('msdyn_mapping', replace(cast(readfile('$CUSTOMERS') as text), '\"yes\"', '\"maybe\"')))" >"$W/body"
admin POST /dataverse/rows "$(cat "$W/body")" >/dev/null
run 0 "a higher draft is not taken for the one that runs" map diff customers --live
has "the runtime row is the evidence" "version 1.0.0.0 runs, by its runtime row" "$W/out"
admin POST /dualwrite '{"fno":"Customers V3","dataverse":"accounts","state":"stopped"}' >/dev/null
run 9 "drift once it is the newest" map diff customers --live --json
same "two entries of each of two value maps" 4 "$(jsql "select count(*) from json_each(j, '\$.data.differences')")"
has "evidence as JSON" '"evidence":"version 1.0.0.2 is the newest saved one that is not parked' "$W/out"
run 9 "map pull does not overwrite" map pull customers
run 0 "but with --replace" map pull customers --replace
run 0 "then there is no drift" map diff customers --live
# a version runs that nobody has saved
sqlite3 :memory: "select json_object('table', 'msdyn_dualwriteentitymap', 'key', json_object('msdyn_name', 'other_[accounts - Customers V3]', 'msdyn_version', '1.0.0.0'),
    'values', json_object('msdyn_mapping', '{}'))" >"$W/body"
admin POST /dataverse/rows "$(cat "$W/body")" >/dev/null
admin POST /dualwrite '{"fno":"Customers V3","dataverse":"accounts","state":"running"}' >/dev/null
run 4 "two saved maps with the version that runs" map diff customers --live
has "the one" "'contoso_[accounts - Customers V3]'" "$W/err"
has "and the other are named" "'other_[accounts - Customers V3]'" "$W/err"
run 10 "map pull --all takes the others" map pull --all --json
same "one is not imported" 1 "$(jsql "select count(*) from json_each(j, '\$.data.not_imported')")"
run 2 "a map that is not there" map pull "Nothing (nothings)"
run 0 "a map by its name" map pull "[Customer groups] - [msdyn_customergroups]"

# ---- published maps ----
if [ -n "${DMFSYNC_SAMPLES:-}" ]; then
    "$DMFSYNC_BIN" init "$W/pub" >/dev/null
    run 0 "published maps" --dir "$W/pub" map import "$DMFSYNC_SAMPLES"/dual-write-maps/*.json --add --json
    same "ten maps" 10 "$(jsql "select count(*) from json_each(j, '\$.data.maps') where json_extract(value, '\$.result') = 'written'")"
    same "ten properties" 10 "$(jsql "select count(*) from json_each(j, '\$.data.notes')")"
    bad=0
    for f in "$DMFSYNC_SAMPLES"/dual-write-maps/*.json; do
        case $f in *.properties.json) continue ;; esac
        name=$(sql "$f" "json_extract(q, '\$.legs[0].sourceSchema') || ' (' || json_extract(q, '\$.legs[0].destinationSchema') || ')'")
        dmfsync --dir "$W/pub" map diff "$name" "$f" || bad=1
        [ "$STATUS" = 0 ] || bad=1
        dmfsync --dir "$W/pub" map show "$name" || bad=1
        [ "$STATUS" = 0 ] || bad=1
    done
    same "each says what its original says, and can be shown" 0 "$bad"
fi
finish

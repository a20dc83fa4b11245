#!/bin/sh
# The pitfalls of dual-write that preflight must name before the first row leaves: company context, plug-in interference, dirty
# data. Each has its repaired twin, which passes. (Sync order: plan.sh. Maps' own pitfalls: the tests of map lint.)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
job_start "$W/t"
ws=$W/t.ws
rule() { jsql "select coalesce(sum(json_extract(r.value, '\$.rows')), 0) from json_each(j, '\$.data.maps') m, json_each(m.value, '\$.rules') r where json_extract(m.value, '\$.map') = 'customers' and json_extract(r.value, '\$.rule') = '$1'"; }
value() { jsql "select group_concat(json_extract(v.value, '\$.value'), ',') from json_each(j, '\$.data.maps') m, json_each(m.value, '\$.rules') r, json_each(r.value, '\$.values') v where json_extract(m.value, '\$.map') = 'customers' and json_extract(r.value, '\$.rule') = '$1'"; }
todo() { jsql "select json_extract(r.value, '\$.todo') from json_each(j, '\$.data.maps') m, json_each(m.value, '\$.rules') r where json_extract(r.value, '\$.rule') = '$1' limit 1"; }
company() { admin POST /dataverse/rows "{\"table\":\"cdm_company\",\"key\":{\"cdm_companycode\":\"$1\"},\"values\":{\"cdm_name\":\"$2\"}}" >/dev/null; }
good_rows() { awk -F'\t' 'NR == FNR { bad[$1] = 1; next } !(FNR in bad)' "$ws/sources/bad_rows.txt" "$W/all.csv"; }
cp "$ws/sources/customers.csv" "$W/all.csv"

# ---- dirty data: the demo's file, then the same without its bad rows ----
run 10 "dirty data is refused" --dir "$ws" lint customers
has "the place: file, line and key" "sources/customers.csv:26 (gbmf|BAD-0002): no element of the enum" "$W/out"
has "the remedy" "-> use the elements' names; labels need enum:label in source_format" "$W/out"
has "the reject file" ".dmfsync/rejects/customers-" "$W/out"
good_rows >"$ws/sources/customers.csv"
run 0 "the repaired twin passes" --dir "$ws" --json lint customers
same "with all good rows" "120|0" "$(json '$.data.maps[0].rows')|$(json '$.data.maps[0].rejected')"

# ---- company context: one company missing in Dataverse, one without owning team, one row without company ----
sed -i '/^create_companies/d' "$ws/dmfsync.ini"
company USMF "Contoso Entertainment System USA"
sleep 0.5
admin POST /knobs '{"company_team_delay_ms":60000}' >/dev/null
company GBMF "Contoso Entertainment System UK"
sed '2s/^[a-z]*,/,/' "$ws/sources/customers.csv" >"$W/blank.csv"
cp "$ws/sources/customers.csv" "$W/good.csv"
cp "$W/blank.csv" "$ws/sources/customers.csv"
run 10 "company context is refused" --dir "$ws" --json lint customers
same "the company that Dataverse does not have" "demf" "$(value company_dataverse)"
same "the one without a team" "gbmf" "$(value company_team)"
same "the row without a company" 1 "$(rule company)"
same "rows of those two companies are counted, no others" "$(awk -F, '/^(gbmf|demf),/ { n++ } END { print n }' "$W/blank.csv")" "$(json '$.data.maps[0].blocked')"
case $(todo company_team) in *"owning team"*) ok "the remedy for the team" ;; *) not_ok "the remedy for the team" "$(todo company_team)" ;; esac
case $(todo company_dataverse) in *create_companies*) ok "the remedy for the company" ;; *) not_ok "the remedy for the company" "$(todo company_dataverse)" ;; esac
run 3 "doctor says the same" --dir "$ws" doctor
has "the missing company" "demf: no row in Dataverse's cdm_companies" "$W/out"
has "the company without a team" "gbmf: no default owning team" "$W/out"
has_not "the good one is fine" "FAIL  company                      usmf" "$W/out"
cp "$W/good.csv" "$ws/sources/customers.csv"
admin POST /knobs '{"company_team_delay_ms":0}' >/dev/null
company DEMF "Contoso Entertainment System Germany"
admin POST /clock '{"advance_ms":61000}' >/dev/null
sleep 0.3
run 0 "the repaired twin passes lint" --dir "$ws" --json lint customers
run 0 "and doctor" --dir "$ws" doctor

# ---- plug-in interference: a custom plug-in that refuses writes without the tag ----
admin POST /knobs '{"dv_plugin_throws_untagged":1}' >/dev/null
cp "$ws/dmfsync.ini" "$W/ini"
sed -i '/^\[dataverse\]/a tag = ""' "$ws/dmfsync.ini"
run 3 "untagged writes under a custom plug-in are refused" --dir "$ws" doctor
has "the place: message, table and plug-in" "Create of account: 1 synchronous, 0 asynchronous: Contoso.Plugins.AccountGuard: Create of account" "$W/out"
has "the remedy" "set tag = DualWrite in [dataverse]" "$W/out"
same "nothing was sent so far" "null" "$(counter fno.import.calls)"
cp "$W/ini" "$ws/dmfsync.ini"
run 0 "the repaired twin passes" --dir "$ws" doctor
has "and still tells of the plug-in" "note  custom steps" "$W/out"
run 0 "the job then runs clean" --dir "$ws" migrate --execute
same "with every write tagged" 0 "$(counter dv.writes.untagged | sed 's/null/0/')"
finish

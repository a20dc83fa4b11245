#!/bin/sh
# plan: closure and waves, volume and time, limits, gaps, the list of standard maps, Graphviz; the pitfall of sync order.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
job_start "$W/t"
ws=$W/t.ws
plan() { # STATUS NAME ARG..
    p_want=$1 p_name=$2
    shift 2
    run "$p_want" "$p_name" --dir "$ws" --json plan "$@"
}
jmap() { jsql "select json_extract(value, '\$.$2') from json_each(j, '\$.data.maps') where json_extract(value, '\$.alias') = '$1'"; }
limits() { jsql "select group_concat(v, ' ') from (select json_extract(value, '\$.limit') as v from json_each(j, '\$.data.limits') order by 1)"; }

# ---- the list of standard maps: counts of the published field pairs; no service is asked ----
for case in "Customers V3 (accounts)|9|20" "CDS sales order headers (salesorders)|25|28" "Sales order lines|34|37" \
    "CDS purchase order line entity (msdyn_purchaseorderproducts)|24|34"; do
    name=${case%%|*} counts=${case#*|}
    plan 0 "plan --standard '$name'" --standard "$name"
    same "prerequisites of '$name'" "$counts" "$(json '$.data.prerequisites')|$(json '$.data.prerequisites_with_optional')"
    same "each comes after what it needs" 0 "$(jsql "select count(*) from json_each(j, '\$.data.standard') m, json_each(m.value, '\$.needs') n, json_each(j, '\$.data.standard') d where json_extract(d.value, '\$.map') = json_extract(n.value, '\$.map') and json_extract(d.value, '\$.wave') >= json_extract(m.value, '\$.wave')")"
done
has "a map that the workspace lacks is named" 'CDS Parties (msdyn_parties)' "$W/out"
same "one that it has is not" 0 "$(jsql "select count(*) from json_each(j, '\$.data.missing') where value = 'Currencies (transactioncurrencies)'")"
plan 2 "an ambiguous name is refused" --standard "Customers V3"
has "with the names that it may be" "'Customers V3 (contacts)'" "$W/out"
plan 2 "an unknown name is refused" --standard "Nonsense"
stop=$(sed -n 's/^url = //p' "$ws/dmfsync.ini" | head -1)
run 0 "no service is needed" --dir "$ws" plan --standard "Vendors V2"
[ -n "$stop" ] || not_ok "the settings have an address"

# ---- the workspace's maps by their real lookups ----
plan 0 "the demo's maps"
same "nine maps in five waves" "9|5" "$(jsql "select json_array_length(j, '\$.data.maps')")|$(json '$.data.waves')"
same "customers look up themselves in a second pass" "INVOICEACCOUNT|self" \
    "$(jsql "select json_extract(value, '\$.field') || '|' || json_extract(value, '\$.why') from json_each(j, '\$.data.two_passes')")"
same "the source's rows are counted" "152|lines of the source file" "$(jmap customers estimate.rows)|$(jmap customers estimate.rows_from)"
same "three companies, four packages each: two slices of 50 rows, twice" 12 "$(jmap customers estimate.packages)"
same "rates are the defaults before any run" "default|default" "$(jmap customers estimate.fno_rate.from)|$(jmap customers estimate.dataverse_rate.from)"
same "customers need the companies at once" 1 "$(jsql "select count(*) from json_each(j, '\$.data.maps') m, json_each(m.value, '\$.needs') n where json_extract(m.value, '\$.alias') = 'customers' and json_extract(n.value, '\$.alias') = 'legal_entities' and json_extract(n.value, '\$.hard') = 1")"
same "no limit is met but the second pass" "second_pass" "$(limits)"
plan 0 "a part of the maps brings what it needs" customer_groups
same "and no more" "customer_groups legal_entities payment_days payment_schedules payment_terms" \
    "$(jsql "select group_concat(v, ' ') from (select json_extract(value, '\$.alias') as v from json_each(j, '\$.data.maps') order by 1)")"

# ---- limits ----
plan 2 "rows for a map that is not there are refused" --rows nosuch=3
DMFSYNC_LOAD_PACKAGE_ROWS=50000
plan 0 "three million customers" customers --rows customers=3000000
same "meet the limits" "daily_entitlement initial_sync_rows second_pass single_threaded" "$(limits)"
same "and are loaded on both sides apart" "both sides apart" "$(jmap customers direction)"
same "the entitlement counts both passes and the other maps" 6000145 "$(json '$.data.total.dataverse_rows')"
plan 0 "70,000 in one thread are within dual-write's guidance" customers --rows customers=70000
same "no limit but the second pass" "second_pass" "$(limits)"
plan 0 "one more" customers --rows customers=70001
same "is beyond it" "second_pass single_threaded" "$(limits)"
DMFSYNC_LOAD_PACKAGE_ROWS=10000000
plan 0 "giant packages over a thin line" customers --rows customers=300000000 --upload 1
same "outlive their upload URL" 1 "$(jsql "select count(*) from json_each(j, '\$.data.limits') where json_extract(value, '\$.limit') = 'upload_url_life'")"
same "and weeks of work outlive the tokens" 1 "$(jsql "select count(*) from json_each(j, '\$.data.limits') where json_extract(value, '\$.limit') = 'retention'")"
same "packages of more than 200,000 rows are told, too" 1 "$(jsql "select count(*) from json_each(j, '\$.data.limits') where json_extract(value, '\$.limit') = 'package_rows'")"
DMFSYNC_LOAD_PACKAGE_ROWS=50
plan 2 "--rows wants a number" --rows customers=many
plan 2 "--format wants a known one" --format svg

# ---- Graphviz ----
run 0 "plan --format dot" --dir "$ws" plan --format dot customer_groups
has "an edge with its field" '"Customer groups (msdyn_customergroups)" -> "Terms of payment (msdyn_paymentterms)" [label="PAYMENTTERMID"' "$W/out"
same "braces are even" "$(tr -cd '{' <"$W/out" | wc -c)" "$(tr -cd '}' <"$W/out" | wc -c)"
if command -v dot >/dev/null 2>&1; then
    dot -Tsvg "$W/out" >/dev/null 2>&1
    result "Graphviz takes it" $?
fi

# ---- sync order: a lookup that no map serves is refused before anything is sent; the repaired twin passes ----
good=$ws/maps/accounts--customers-v3.json
cp "$good" "$W/good.json"
sqlite3 :memory: "select json_insert(cast(readfile('$W/good.json') as text), '\$.legs[0].fieldMappings[#]', json('{\"syncDirection\":3,\"sourceField\":\"PARTYNUMBER\",\"destinationField\":\"msdyn_partyid.msdyn_partynumber\",\"destinationLookupFieldRelatedEntity\":\"msdyn_parties\"}'))" >"$good"
plan 3 "a lookup to a table that no map fills" customers
same "is named with field, table and the map to add" "PARTYNUMBER|msdyn_parties|CDS Parties (msdyn_parties)" \
    "$(jsql "select json_extract(j, '\$.data.gaps[0].field') || '|' || json_extract(j, '\$.data.gaps[0].target') || '|' || json_extract(j, '\$.data.gaps[0].standard_map')")"
run 3 "as text" --dir "$ws" plan customers
has "with the remedy" "-> add the map 'CDS Parties (msdyn_parties)', or remove the field" "$W/out"
run 3 "the job refuses too" --dir "$ws" migrate --execute
same "and has sent nothing" "null" "$(counter fno.import.calls)"
cp "$W/good.json" "$good"
plan 0 "the twin without that field passes" customers
same "without a gap" 0 "$(jsql "select json_array_length(j, '\$.data.gaps')")"

# ---- measured rates ----
run 10 "the job itself" --dir "$ws" migrate --execute
plan 0 "the plan after a run" customers
same "reckons with measured rates" "measured|measured|120" \
    "$(jmap customers estimate.fno_rate.from)|$(jmap customers estimate.dataverse_rate.from)|$(jmap customers estimate.dataverse_rate.measured_rows)"
same "and the rows that were read" "152|counted by an earlier run" "$(jmap customers estimate.rows)|$(jmap customers estimate.rows_from)"
stop_emulator
run 0 "offline, from what is here" --dir "$ws" plan --offline customers
finish

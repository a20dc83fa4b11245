#!/bin/sh
# The pitfalls that maps carry: preflight (map lint) names each one with place and remedy before a row leaves, and the repaired
# set passes. One environment per pitfall, with the metadata that makes it one.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
. "$(dirname "$0")/map_edit.sh"
JOB_CUSTOMERS=10
CUSTOMERS=maps/accounts--customers-v3.json
GROUPS_MAP=maps/msdyn_customergroups--customer-groups.json
cd "$W" || exit 1

# begin NAME: an emulator with the tenant $W/tenant.json and a workspace, which becomes the current folder
begin() {
    stop_emulator
    job_start "$W/$1" --tenant "$W/tenant.json"
    cd "$W/$1.ws" || exit 1
}
# told NAME CODE PLACE REASON REMEDY: the table of the last run has all of it on one line, the remedy below
told() {
    if grep -E -- " $2 .* $3 " out.table 2>/dev/null | grep -qF -- "$4" && grep -E -- "^  $2 " out.table | grep -qF -- "$5"; then ok "$1"; else
        not_ok "$1" "$2 at $3: '$4', remedy '$5'" "$(grep -F -- "$2" out.table | head -4)"; fi
}
preflight() { # STATUS NAME
    run "$1" "$2" map lint
    cp "$W/out" out.table
}

# ---- enum and option set do not match ----
tenant tenant.json
json_edit tenant.json "json_set(j, '\$.dataverse.optionsets.msdyn_onholdstatus[#]', json_array(806380006, 'Blocked'),
    '\$.fno.enums.CustVendorBlocked[4][1]', 'Purchase requisition')"
begin enums
field_set $CUSTOMERS ONHOLDSTATUS valueTransforms "json('[{\"transformType\":\"ValueMap\",\"valueMap\":{\"no\":\"806380000\",\"invoice\":\"806380001\",\"all\":\"806380001\",\"payment\":\"806380003\",\"purchase requisition\":\"806380004\"}}]')"
preflight 3 "enums: preflight fails"
told "enums: an element without value" enum-uncovered "13 ONHOLDSTATUS = msdyn_onholdstatus" "'Requisition', 'Never' of enum CustVendorBlocked" "map enums"
told "enums: an option without element" option-uncovered "13 ONHOLDSTATUS = msdyn_onholdstatus" "806380006 Blocked" "add them to the value map"
told "enums: a label for an element" element-unknown "13 ONHOLDSTATUS = msdyn_onholdstatus" "it is the label of element 'Requisition'" "element's name"
told "enums: no way back" value-map-two-way "13 ONHOLDSTATUS = msdyn_onholdstatus" "'invoice' and 'all'" "one-way towards Dataverse"
# repaired: the wrong pairs go, the proposal fills the rest, and F&O has learnt the new element
json_edit $CUSTOMERS "json_remove(j, '$FIELDS[12].valueTransforms[0].valueMap.\"purchase requisition\"', '$FIELDS[12].valueTransforms[0].valueMap.all')"
cp $CUSTOMERS "$W/repaired.json"
json_edit "$W/tenant.json" "json_insert(j, '\$.fno.enums.CustVendorBlocked[#]', json_array('Blocked', 'Blocked'))"
begin enums2
cp "$W/repaired.json" $CUSTOMERS
run 0 "enums: the proposal is written" map enums customers --write
has "enums: with what it pairs" "Blocked" "$W/out"
run 0 "enums: the repaired set passes" map lint customers --strict
same "enums: every element has a value" 7 "$(jsql "select count(*) from json_each(j, '$FIELDS[12].valueTransforms[0].valueMap')" $CUSTOMERS)"

# ---- a lookup to an entity that no map fills: mode of delivery ----
cd "$W" || exit 1
tenant tenant.json
T=$(jsql "select fullkey from json_each(j, '\$.dataverse.tables') where json_extract(value, '\$.logical') = 'account'" tenant.json)
E=$(jsql "select fullkey from json_each(j, '\$.fno.entities') where json_extract(value, '\$.label') = 'Customers V3'" tenant.json)
json_edit tenant.json "json_insert(j,
    '$T.columns[#]', json('{\"name\":\"msdyn_deliverymode\",\"schema\":\"msdyn_DeliveryMode\",\"type\":\"Lookup\",\"targets\":[\"msdyn_shipvia\"],\"nav\":{\"msdyn_shipvia\":\"msdyn_DeliveryMode\"}}'),
    '$E.fields[#]', json('{\"name\":\"DELIVERYMODE\",\"property\":\"DeliveryMode\",\"type\":\"string\",\"length\":10}'),
    '\$.dataverse.tables[#]', json('{\"logical\":\"msdyn_shipvia\",\"set\":\"msdyn_shipvias\",\"pk\":\"msdyn_shipviaid\",\"primary_name\":\"msdyn_name\",\"owner\":true,\"change_tracking\":true,\"columns\":[{\"name\":\"msdyn_name\",\"schema\":\"msdyn_name\",\"type\":\"String\",\"length\":10},{\"name\":\"msdyn_company\",\"schema\":\"msdyn_company\",\"type\":\"Lookup\",\"targets\":[\"cdm_company\"],\"nav\":{\"cdm_company\":\"msdyn_company\"}}],\"keys\":[{\"name\":\"msdyn_shipviakey\",\"columns\":[\"msdyn_name\",\"msdyn_company\"]}]}'),
    '\$.fno.entities[#]', json('{\"label\":\"Delivery modes\",\"aot\":\"DlvModeEntity\",\"public\":\"DeliveryMode\",\"set\":\"DeliveryModes\",\"key\":[\"MODECODE\"],\"fields\":[{\"name\":\"MODECODE\",\"property\":\"ModeCode\",\"type\":\"string\",\"length\":10,\"mandatory\":true}]}'))"
begin lookup
field_add $CUSTOMERS '{"syncDirection":3,"sourceField":"DELIVERYMODE","destinationField":"msdyn_deliverymode.msdyn_name","destinationLookupFieldRelatedEntity":"msdyn_shipvias"}'
preflight 3 "lookup: preflight fails"
told "lookup: to an unmapped entity" lookup-unserved "25 DELIVERYMODE = msdyn_deliverymode.msdyn_name" "looks up 'msdyn_shipvias', which no map at hand fills and which has no rows" "add the map of that table"
cat >maps/delivery.json <<'MAP'
{"legs":[{"id":"001","sourceSchema":"Delivery modes","destinationSchema":"msdyn_shipvias","fieldMappings":[
 {"syncDirection":3,"sourceField":"MODECODE","destinationField":"msdyn_name"}]}]}
MAP
printf '[map.delivery_modes]\nname = Delivery modes (msdyn_shipvias)\nfile = maps/delivery.json\n' >>dmfsync.ini
preflight 0 "lookup: with the map of its target it passes"
grep -q lookup-unserved out.table
same "lookup: nothing is left of it" 1 $?
run 0 "lookup: and it has a wave" plan --json
same "lookup: before the customers" 1 "$(jsql "select (select json_extract(value, '\$.wave') from json_each(j, '\$.data.maps') where json_extract(value, '\$.alias') = 'delivery_modes')
    < (select json_extract(value, '\$.wave') from json_each(j, '\$.data.maps') where json_extract(value, '\$.alias') = 'customers')")"

# ---- sync order: what must be there first ----
cd "$W" || exit 1
tenant tenant.json
begin order
sed '/^\[map.customer_groups\]/,/^\[map.customers\]/{/^\[map.customers\]/!d}' dmfsync.ini >short.ini
cp dmfsync.ini full.ini && cp short.ini dmfsync.ini
preflight 3 "order: preflight fails without the groups"
told "order: they must be there before" lookup-unserved "9 CUSTOMERGROUPID = msdyn_customergroupid.msdyn_groupid" "'msdyn_customergroups'" "add the map of that table"
cp full.ini dmfsync.ini
preflight 0 "order: with the groups' map it passes"
# a ring: groups need a customer, customers need a group
cd "$W" || exit 1
T=$(jsql "select fullkey from json_each(j, '\$.dataverse.tables') where json_extract(value, '\$.logical') = 'msdyn_customergroup'" tenant.json)
E=$(jsql "select fullkey from json_each(j, '\$.fno.entities') where json_extract(value, '\$.label') = 'Customer groups'" tenant.json)
json_edit tenant.json "json_insert(j,
    '$T.columns[#]', json('{\"name\":\"msdyn_sample\",\"schema\":\"msdyn_Sample\",\"type\":\"Lookup\",\"targets\":[\"account\"],\"nav\":{\"account\":\"msdyn_Sample\"}}'),
    '$E.fields[#]', json('{\"name\":\"SAMPLECUSTOMER\",\"property\":\"SampleCustomer\",\"type\":\"string\",\"length\":20,\"mandatory\":true}'))"
begin ring
field_add $GROUPS_MAP '{"syncDirection":3,"sourceField":"SAMPLECUSTOMER","destinationField":"msdyn_sample.accountnumber","destinationLookupFieldRelatedEntity":"accounts"}'
cp $GROUPS_MAP "$W/groups.json"
preflight 3 "ring: preflight fails where both lookups are mandatory"
told "ring: it is shown" order-cycle "6 SAMPLECUSTOMER = msdyn_sample.accountnumber" "msdyn_customergroups -> accounts -> msdyn_customergroups" "second pass"
json_edit "$W/tenant.json" "json_set(j, '$(entity_field "$W/tenant.json" 'Customer groups' SAMPLECUSTOMER).mandatory', json('false'))"
begin ring2
cp "$W/groups.json" $GROUPS_MAP
preflight 0 "ring: one that may be filled later passes"
told "ring: with a warning" order-cycle "6 SAMPLECUSTOMER = msdyn_sample.accountnumber" "second pass" "second pass"

# ---- company scope ----
cd "$W" || exit 1
tenant tenant.json
json_edit tenant.json "json_remove(j, '$(column tenant.json msdyn_customergroup msdyn_company)')"
json_edit tenant.json "json_set(j, '\$.dataverse.tables[' || (select key from json_each(j, '\$.dataverse.tables') where json_extract(value, '\$.logical') = 'msdyn_customergroup') || '].keys[0].columns', json('[\"msdyn_groupid\"]'))"
begin company
preflight 3 "company: preflight fails"
told "company: a table without company" DIPV1002 "customer_groups" "'msdyn_customergroup' has no company lookup" "add a lookup to cdm_company"
cd "$W" || exit 1
tenant tenant.json
begin company2
preflight 0 "company: with the lookup it passes"

# ---- computed fields that go round ----
cd "$W" || exit 1
tenant tenant.json
json_edit tenant.json "json_set(j, '$(column tenant.json account creditlimit).source_type', 2,
    '$(entity_field tenant.json 'Customers V3' PARTYSTATE).computed', json('true'))"
begin computed
preflight 3 "computed: preflight fails"
told "computed: a rollup column, both ways" loop-risk "4 CREDITLIMIT = creditlimit" "a rollup column" "away from the side that computes it"
told "computed: it cannot be written either" DIPV1011 "4 CREDITLIMIT = creditlimit" "read-only" "one-way"
told "computed: a computed F&O field, both ways" loop-risk "15 PARTYSTATE = msdyn_partystateprovince" "computed, virtual or locked in F&O" "away from the side that computes it"
field_set $CUSTOMERS CREDITLIMIT syncDirection 2
field_set $CUSTOMERS PARTYSTATE syncDirection 1
preflight 0 "computed: one-way it passes"
grep -q loop-risk out.table
same "computed: no loop is left" 1 $?

# ---- rows that fall out of the filter ----
cd "$W" || exit 1
tenant tenant.json
begin filter
cp $CUSTOMERS "$W/whole.json"
json_edit $CUSTOMERS "json_remove(j, '$FIELDS[22]')"
preflight 3 "filter: preflight fails without the constant"
told "filter: what it needs" filter-constant "customers" "the Dataverse filter demands 'customertypecode'" "add a constant"
cp "$W/whole.json" $CUSTOMERS
preflight 0 "filter: with the constant it passes"
finish

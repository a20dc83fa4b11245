#!/bin/bash
# Smoke test of the emulator's Dataverse part and of running dual-write maps, over HTTP only. Needs curl.
# Usage: smoke_dv.sh [EMULATOR]. Prints "N passed, N failed"; exit status 1 when anything failed.
set -u
EMU=${1:-build/release/dmfsync-emulator}
EMU=$(realpath "$EMU") || exit 2
W=$(mktemp -d) || exit 2
passed=0
failed=0
PID=
trap '[ -n "$PID" ] && kill "$PID" 2>/dev/null && wait "$PID" 2>/dev/null; rm -rf "$W"' EXIT
cd "$W" || exit 2

mkdir maps
cat >maps/groups.json <<'MAP'
{ "name": "[Customer groups] - [msdyn_customergroups]", "leftEnvironmentType": "AX", "centerEnvironmentType": "CRM",
  "legs": [ { "id": "001", "sourceSchema": "Customer groups", "sourceEnvironmentType": "AX", "destinationSchema": "msdyn_customergroups",
      "destinationEnvironmentType": "CRM", "sourceFilter": "((CustomerGroupId != \"HIDE\"))", "reversedSourceFilter": "msdyn_groupid ne 'LOCAL'",
      "fieldMappings": [
        { "syncDirection": "3", "sourceField": "CUSTOMERGROUPID", "destinationField": "msdyn_groupid", "isSystemGenerated": true },
        { "syncDirection": 3, "sourceField": "DESCRIPTION", "destinationField": "msdyn_description" },
        { "syncDirection": 3, "sourceField": "ISSALESTAXINCLUDEDINPRICE", "destinationField": "msdyn_issalestaxincludedinprice",
          "valueTransforms": [ { "transformType": "ValueMap", "valueMap": { "no": "False", "yes": "True" } } ] },
        { "syncDirection": 3, "sourceField": "PAYMENTTERMID", "destinationField": "msdyn_paymenttermid.msdyn_name" } ] } ] }
MAP
start() {
    rm -f ports
    "$EMU" --dir "$W/state" --port 0 --ports-file "$W/ports" --seed 7 --maps "$W/maps" --quiet "$@" 2>"$W/emu.log" &
    PID=$!
    for _ in $(seq 100); do [ -s ports ] && break; sleep 0.1; done
    [ -s ports ] || { cat emu.log; echo "0 passed, 1 failed"; exit 1; }
    LOGIN=$(port login) DV=$(port dataverse) FNO=$(port fno) ADMIN=$(port admin)
}
port() { sed -n "s/^$1=//p" ports; }
token() { # client id, service URL
    curl -s "$LOGIN/contoso/oauth2/v2.0/token" -d grant_type=client_credentials -d client_id="$1" -d client_secret=demo-secret \
        --data-urlencode "scope=$2/.default" | sed 's/.*"access_token":"\([^"]*\)".*/\1/'
}
is() { # name, wanted, got
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1)); echo "FAILED $1: wanted '$2', got '$3'"; fi
}
has() { # name, wanted part, text
    case "$3" in *"$2"*) passed=$((passed + 1)) ;; *) failed=$((failed + 1)); echo "FAILED $1: no '$2' in '${3:0:600}'" ;; esac
}
hasnt() { # name, unwanted part, text
    case "$3" in *"$2"*) failed=$((failed + 1)); echo "FAILED $1: '$2' in '${3:0:600}'" ;; *) passed=$((passed + 1)) ;; esac
}
dv() { # method, path below the root, [body], more curl options -> STATUS, BODY, HEAD
    local method=$1 path=$2 body=${3-}
    shift $(($# < 3 ? $# : 3))
    case $path in http*) ;; *) path="$DV/api/data/v9.2/$path" ;; esac
    STATUS=$(curl -s -g -o answer -D head -w '%{http_code}' -X "$method" "$path" -H "Authorization: Bearer $TOKEN" \
        ${body:+-H "Content-Type: application/json; charset=utf-8" -d "$body"} "$@")
    BODY=$(tr -d '\0' <answer)
    HEAD=$(tr -d '\r' <head)
}
code() { printf %s "$BODY" | sed -n 's/.*"error":{"code":"\([^"]*\)".*/\1/p'; }
refused() { # name, status, code
    is "$1" "$2 $3" "$STATUS $(code)"
}
field() { printf %s "$BODY" | sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }
header() { printf '%s\n' "$HEAD" | sed -n "s/^$1: //Ip"; }
link() { printf %s "$BODY" | sed -n "s/.*\"@odata.$1\":\"\([^\"]*\)\".*/\1/p"; }
id_of() { header OData-EntityId | sed 's/.*(\(.*\))/\1/'; }
rows() { printf %s "$BODY" | grep -o '"@odata.etag"' | wc -l; }
knob() { curl -s -o /dev/null "$ADMIN/knobs" -d "{\"$1\":$2}"; }
advance() { curl -s -o /dev/null "$ADMIN/clock" -d "{\"advance_ms\":$1}"; }
counter() { curl -s "$ADMIN/counters" | sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p"; }
T=Microsoft.Dynamics.CRM
ACC="\"@odata.type\":\"$T.account\""

start
TOKEN=$(token 11111111-1111-1111-1111-111111111111 "$DV")

# ---- sign-in, WhoAmI ----
dv GET WhoAmI
is 'WhoAmI' 200 "$STATUS"
is 'organization id' 0f9d1c52-3a51-4c7e-9a11-0d5e5a3c0001 "$(field OrganizationId)"
is 'dop hint' 8 "$(header x-ms-dop-hint)"
has 'time header has a thousands separator' '1,1' "$(header x-ms-ratelimit-time-remaining-xrm-requests)"
has 'affinity cookie is offered' ARRAffinity "$(header Set-Cookie)"
USER_ID=$(field UserId)
dv POST WhoAmI '{}'
is 'WhoAmI by POST' 404 "$STATUS"
GOOD=$TOKEN
TOKEN=$(token 11111111-1111-1111-1111-111111111111 "$FNO")
dv GET WhoAmI
is 'token of the other service' 401 "$STATUS"
TOKEN=$(token 99999999-1111-1111-1111-111111111111 "$DV")
dv GET WhoAmI
refused 'unregistered application' 403 0x80072560
TOKEN=$GOOD

# ---- definitions ----
dv GET 'EntityDefinitions?$select=LogicalName,EntitySetName&$filter=EntitySetName%20eq%20%27msdyn_parties%27'
has 'table by set' '"LogicalName":"msdyn_party"' "$BODY"
is 'one table' 1 "$(printf %s "$BODY" | grep -o '"LogicalName"' | wc -l)"
dv GET "EntityDefinitions(LogicalName='account')?\$select=EntitySetName,PrimaryIdAttribute&\$expand=Keys(\$select=KeyAttributes,EntityKeyIndexStatus)"
has 'key columns' '"KeyAttributes":["accountnumber","msdyn_company"],"EntityKeyIndexStatus":"Active"' "$BODY"
hasnt '$select of a definition is obeyed' OwnershipType "$BODY"
dv GET "EntityDefinitions(LogicalName='nothere')"
is 'unknown table' 404 "$STATUS"
dv GET "EntityDefinitions(LogicalName='account')/Attributes?\$select=LogicalName,AttributeType,AttributeOf,IsValidForCreate"
has 'shadow columns have AttributeOf' '"LogicalName":"customertypecodename","AttributeType":"Virtual","AttributeOf":"customertypecode"' "$BODY"
dv GET "EntityDefinitions(LogicalName='account')/Attributes?\$select=LogicalName,SourceType&\$filter=LogicalName%20eq%20'creditlimit'"
has 'a simple column' '"LogicalName":"creditlimit","SourceType":0' "$BODY"
dv GET "EntityDefinitions(LogicalName='account')/Attributes?\$select=MaxLength"
refused 'typed property without a cast' 400 0x0
dv GET "EntityDefinitions(LogicalName='account')/Attributes/$T.StringAttributeMetadata?\$select=LogicalName,MaxLength"
has 'string cast' '"LogicalName":"accountnumber","MaxLength":20' "$BODY"
dv GET "EntityDefinitions(LogicalName='account')/Attributes/$T.EnumAttributeMetadata"
is 'abstract cast' 404 "$STATUS"
dv GET "EntityDefinitions(LogicalName='account')/Attributes/$T.PicklistAttributeMetadata?\$select=LogicalName&\$expand=OptionSet,GlobalOptionSet"
has 'options' '"Value":806380005' "$BODY"
has 'local option set' '"GlobalOptionSet":null' "$BODY"
dv GET "EntityDefinitions(LogicalName='account')/Attributes/$T.StatusAttributeMetadata?\$select=LogicalName&\$expand=OptionSet"
has 'status options know their state' '"State":1' "$BODY"
dv GET "EntityDefinitions(LogicalName='account')/ManyToOneRelationships?\$select=ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName"
has 'navigation names' '"ReferencedEntity":"account","ReferencingAttribute":"msdyn_billingaccount","ReferencingEntityNavigationPropertyName":"msdyn_billingaccount_account"' "$BODY"
dv GET "sdkmessagefilters?\$select=sdkmessagefilterid&\$filter=sdkmessageid/name%20eq%20'CreateMultiple'%20and%20primaryobjecttypecode%20eq%20'account'"
is 'bulk messages of account' 1 "$(rows)"
knob dv_no_upsert_account 1
dv GET "sdkmessagefilters?\$select=sdkmessagefilterid&\$filter=sdkmessageid/name%20eq%20'CreateMultiple'%20and%20primaryobjecttypecode%20eq%20'account'"
is 'no bulk messages of account' 0 "$(rows)"
dv POST "accounts/$T.CreateMultiple" "{\"Targets\":[{$ACC,\"name\":\"x\"}]}"
is 'CreateMultiple that is not there' 404 "$STATUS"
knob dv_no_upsert_account 0
STEPS="sdkmessagefilters?\$select=sdkmessagefilterid&\$filter=primaryobjecttypecode%20eq%20'account'%20and%20sdkmessageid/name%20eq%20'Create'&\$expand=sdkmessagefilterid_sdkmessageprocessingstep(\$select=name,stage,mode;\$filter=statecode%20eq%200%20and%20customizationlevel%20eq%201%20and%20iscustomizable/Value%20eq%20true)"
dv GET "$STEPS"
has 'no custom steps, link all the same' '"sdkmessagefilterid_sdkmessageprocessingstep":[],"sdkmessagefilterid_sdkmessageprocessingstep@odata.nextLink"' "$BODY"
knob dv_plugin_throws_untagged 1
dv GET "$STEPS"
has 'the custom step is listed' AccountGuard "$BODY"
knob dv_plugin_throws_untagged 0
dv GET 'organizations?$select=name,expirechangetrackingindays'
has 'organization' '"expirechangetrackingindays":7' "$BODY"

# ---- companies and their teams ----
knob company_team_delay_ms 60000
dv POST cdm_companies '{"cdm_companycode":"USMF","cdm_name":"Contoso US"}'
is 'create' 204 "$STATUS"
USMF=$(id_of)
has 'entity id' "$DV/api/data/v9.2/cdm_companies($USMF)" "$(header OData-EntityId)"
dv GET "cdm_companies($USMF)?\$select=cdm_companycode,_cdm_defaultowningteam_value"
has 'no team yet' '"_cdm_defaultowningteam_value":null' "$BODY"
advance 61000
dv GET "cdm_companies($USMF)?\$select=_cdm_defaultowningteam_value&\$expand=cdm_defaultowningteam(\$select=name)"
has 'the team came' '"name":"USMF"' "$BODY"
TEAM=$(field _cdm_defaultowningteam_value)
dv POST cdm_companies '{"cdm_companycode":"usmf"}'
refused 'company code is unique, without case' 412 0x80073002
dv POST cdm_companies '{"cdm_name":"none"}'
refused 'system-required column' 400 0x80040200
dv PATCH "cdm_companies($USMF)" '{"cdm_defaultowningteam@odata.bind":null}'
is 'the team cannot be cleared' 400 "$STATUS"
knob company_team_delay_ms 0
dv POST cdm_companies '{"cdm_companycode":"GBMF","cdm_name":"Contoso UK"}'
GBMF=$(id_of)

# ---- create, types, limits ----
dv POST accounts "{\"accountnumber\":\"C-1\",\"name\":\"One\",\"msdyn_company@odata.bind\":\"/cdm_companies($USMF)\"}"
is 'create an account' 204 "$STATUS"
A1=$(id_of)
dv GET "accounts($A1)?\$select=_ownerid_value,createdon" '' -H 'Prefer: odata.include-annotations="*"'
has 'owner is the caller' "\"_ownerid_value\":\"$USER_ID\"" "$BODY"
has 'the owner is told with its table' '"_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname":"systemuser"' "$BODY"
dv PATCH "accounts($A1)" "{\"ownerid@odata.bind\":\"/teams($TEAM)\"}" -H 'If-Match: *'
dv GET "accounts($A1)?\$select=_ownerid_value,_owningteam_value,_owninguser_value"
has 'a team owns it' "\"_ownerid_value\":\"$TEAM\",\"_owningteam_value\":\"$TEAM\",\"_owninguser_value\":null" "$BODY"
try() { dv PATCH "accounts($A1)" "$1" -H 'If-Match: *'; }
try '{"name":"'"$(printf 'x%.0s' $(seq 161))"'"}'
refused 'too long' 400 0x80044331
has 'two blanks behind occurred.' 'A validation error occurred.  The length of the '"'name'" "$BODY"
try '{"customertypecode":9}'; refused 'unknown option' 400 0x8004431A
try '{"customertypecode":"3"}'; refused 'option as a text' 400 0x80048d19
try '{"msdyn_onetimecustomer":1}'; refused 'boolean as a number' 400 0x80048d19
try '{"msdyn_paymenttermsbasedays":100001}'; refused 'integer range' 400 0x8004432F
try '{"msdyn_paymenttermsbasedays":1.5}'; refused 'integer with decimals' 400 0x80048d19
try '{"creditlimit":1e18}'; refused 'money range' 400 0x80044330
try '{"accountnumber":5}'; refused 'number for a text' 400 0x80048d19
try '{"nosuch":1}'; refused 'unknown property' 400 0x80048d19
try "{\"_msdyn_company_value\":\"$USMF\"}"; refused 'lookup by its value' 400 0x80048d19
try '{"name":"a","name":"b"}'; refused 'a property twice' 400 0x80048d19
try '{"name":'; refused 'broken JSON' 400 0x80048d19
dv PATCH "accounts($A1)" '' -H 'Content-Type: text/plain' -d '{}'
is 'content type' 415 "$STATUS"
try "{\"msdyn_Company@odata.bind\":\"/cdm_companies($USMF)\"}"; refused 'navigation names have a case' 400 0x80048d19
has 'text of a wrong navigation name' 'undeclared property' "$BODY"
try '{"transactioncurrencyid@odata.bind":"/transactioncurrencies(11111111-2222-3333-4444-555555555555)"}'
refused 'missing target by id' 404 0x80040217
try "{\"msdyn_billingaccount_account@odata.bind\":\"accounts(accountnumber='NO',_msdyn_company_value=$USMF)\"}"
refused 'missing target by key' 404 0x80060891
try "{\"msdyn_company@odata.bind\":\"/cdm_companies($GBMF)\"}"; is 'the company stays' 400 "$STATUS"
try '{"creditlimit":1000.00005,"msdyn_creditrating":"","description":"line\nline","msdyn_onetimecustomer":true}'
is 'a good update' 204 "$STATUS"
dv GET "accounts($A1)?\$select=creditlimit,msdyn_creditrating,_transactioncurrencyid_value"
has 'rounded to the precision' '"creditlimit":1000.0001' "$BODY"
has 'an empty text is null' '"msdyn_creditrating":null' "$BODY"
hasnt 'money brings a currency' '"_transactioncurrencyid_value":null' "$BODY"
try '{"statecode":1,"statuscode":1}'; refused 'status of another state' 400 0x80048408

# ---- keys ----
K="accountnumber='c-1',_msdyn_company_value=$USMF"
dv GET "accounts($K)?\$select=name"
is 'alternate key, any case' 200 "$STATUS"
dv GET "accounts(_msdyn_company_value=$USMF,accountnumber='C-1%20')?\$select=name"
is 'alternate key, any order, trailing blank' 200 "$STATUS"
dv GET "accounts(accountnumber='C-1',msdyn_company=$USMF)"
refused 'lookup in a key by its plain name' 400 0x80060890
dv GET "accounts(name='One')"; refused 'no such key' 400 0x80060890
dv GET "accounts(accountnumber='A%2FB',_msdyn_company_value=$USMF)"; refused 'a slash in a key' 400 0x8006088a
dv GET "accounts(accountnumber='A%26B',_msdyn_company_value=$USMF)"; refused 'an ampersand in a key' 400 0x8006088a
dv GET "accounts(accountnumber='A%23B',_msdyn_company_value=$USMF)"; refused 'a hash in a key' 404 0x80060891
dv GET Account; refused 'set names have a case' 404 0x8006088a
dv GET "systemusers(systemuserid=$USER_ID)"; is 'users not by a named key' 400 "$STATUS"
dv POST accounts "{\"accountnumber\":\"c-1 \",\"name\":\"twin\",\"msdyn_company@odata.bind\":\"/cdm_companies($USMF)\"}"
refused 'key twins' 412 0x80060892
has 'text of key twins' 'entity key msdyn_accountkey requires that this set of attributes contains unique values' "$BODY"
dv POST accounts "{\"accountid\":\"$A1\",\"name\":\"again\"}"; refused 'the same id' 412 0x80040237

dv PATCH "accounts(accountnumber='O''M%C3%BCller',_msdyn_company_value=$USMF)" '{"name":"quote and umlaut"}'
is 'a quote and an umlaut in a key' 204 "$STATUS"
dv GET "accounts(accountnumber='o%27%27MULLER',_msdyn_company_value=$USMF)?\$select=accountnumber"
has 'keys fold case and accents' '"accountnumber":"O'"'"'M' "$BODY"
dv GET "accounts(accountnumber='%FF',_msdyn_company_value=$USMF)"; is 'not UTF-8' 400 "$STATUS"
dv GET "accounts?\$filter=name%20eq%20'$(printf 'x%.0s' $(seq 33000))'"; is 'a URL that is too long' 414 "$STATUS"

# ---- the matrix of conditions ----
N=11111111-2222-4333-8444-000000000001
dv PATCH "accounts($N)" '{"name":"N"}' -H 'If-Match: *'; refused 'update only, missing' 404 0x80040217
dv PATCH "accounts(accountnumber='N-1',_msdyn_company_value=$USMF)" '{"name":"N"}' -H 'If-Match: *'
refused 'update only by key, missing' 404 0x80060891
dv PATCH "accounts($N)" '{"name":"N"}'; is 'upsert creates' 204 "$STATUS"
dv PATCH "accounts($N)" '{"name":"N"}' -H 'If-None-Match: *'; is 'create only, exists' 412 "$STATUS"
has 'text of create only' 'A record with matching key values already exists.' "$BODY"
dv PATCH "accounts($N)?\$select=name" '{"name":"N2"}' -H 'Prefer: return=representation'
is 'upsert that updates, with representation' 200 "$STATUS"
ETAG=$(header ETag)
has 'etag in the row' "\"@odata.etag\":\"W/\\\"" "$BODY"
dv PATCH "accounts(accountnumber='N-2',_msdyn_company_value=$USMF)?\$select=accountid" '{"name":"N"}' -H 'Prefer: return=representation'
is 'upsert by key creates' 201 "$STATUS"
dv PATCH "accounts(accountnumber='N-2',_msdyn_company_value=$USMF)" '{"name":"N"}'
has 'the key comes back' "accounts(accountnumber='N-2',_msdyn_company_value=$USMF)" "$(header OData-EntityId)"
dv PATCH "accounts(accountnumber='N-3',_msdyn_company_value=$USMF)?\$select=accountnumber" '{"accountnumber":"N-33"}' -H 'Prefer: return=representation'
has 'the body wins over the key' '"accountnumber":"N-33"' "$BODY"
dv PATCH "accounts($N)" '{"name":"N3"}' -H "If-Match: $ETAG"; is 'version equal' 204 "$STATUS"
dv PATCH "accounts($N)" '{"name":"N4"}' -H "If-Match: $ETAG"; refused 'version old' 412 0x80060882
dv DELETE "accounts($N)" '' -H "If-Match: $ETAG"; refused 'delete of an old version' 412 0x80060882
knob dv_etag_ignored 1
dv PATCH "accounts($N)" '{"name":"N4"}' -H "If-Match: $ETAG"; is 'version ignored (knob)' 204 "$STATUS"
knob dv_etag_ignored 0
dv GET "accounts($N)?\$select=name"
ETAG=$(header ETag)
dv GET "accounts($N)?\$select=name" '' -H "If-None-Match: $ETAG"; is 'not modified' 304 "$STATUS"
dv GET "accounts($N)?\$select=name" '' -H "If-None-Match: null"; is 'If-None-Match null is none' 200 "$STATUS"
dv DELETE "accounts($N)"; is 'delete' 204 "$STATUS"
dv DELETE "accounts($N)"; refused 'delete again' 404 0x80040217
dv GET "accounts($A1)/name"; has 'one property' '"value":"One"' "$BODY"
dv PUT "accounts($A1)/name" '{"value":"Eins"}'; is 'set one property' 204 "$STATUS"
dv GET 'accounts(not-a-guid)'; refused 'no key at all' 400 0x8006088a

# ---- bulk ----
B1=aaaaaaaa-0000-4000-8000-000000000001 B2=aaaaaaaa-0000-4000-8000-000000000002
CO="\"msdyn_company@odata.bind\":\"/cdm_companies($USMF)\""
dv POST "accounts/$T.CreateMultiple" "{\"Targets\":[{$ACC,\"accountid\":\"$B1\",\"accountnumber\":\"B-1\",\"name\":\"b1\",$CO},{$ACC,\"accountid\":\"$B2\",\"accountnumber\":\"B-2\",\"name\":\"b2\",$CO}]}"
is 'CreateMultiple' 200 "$STATUS"
has 'ids in order' "\"Ids\":[\"$B1\",\"$B2\"]" "$BODY"
dv POST "accounts/$T.CreateMultiple" "{\"Targets\":[{\"name\":\"b\"}]}"; refused 'a target without its type' 400 0x80048d19
dv POST "accounts/$T.CreateMultiple" "{\"Targets\":[{$ACC,\"accountnumber\":\"B-3\",\"name\":\"b3\",$CO},{$ACC,\"accountnumber\":\"B-1\",\"name\":\"b1\",$CO}]}"
refused 'one bad row' 412 0x80060892
dv GET "accounts(accountnumber='B-3',_msdyn_company_value=$USMF)"; is 'loses the whole call' 404 "$STATUS"
dv POST "accounts/$T.UpdateMultiple" "{\"Targets\":[{$ACC,\"accountid\":\"$B1\",\"name\":\"first\"},{$ACC,\"accountid\":\"$B1\",\"name\":\"second\"}]}"
is 'UpdateMultiple with a duplicate' '204 ' "$STATUS $BODY"
dv GET "accounts($B1)?\$select=name"; has 'the first one counts' '"name":"first"' "$BODY"
dv POST "accounts/$T.UpdateMultiple" "{\"Targets\":[{$ACC,\"accountid\":\"$B1\",\"name\":\"x\"},{$ACC,\"accountid\":\"$N\",\"name\":\"x\"},{$ACC,\"accountid\":\"bbbbbbbb-0000-4000-8000-000000000002\",\"name\":\"x\"}]}"
refused 'UpdateMultiple of missing rows' 404 0x80040217
has 'text of missing rows' "Account With Ids = $N,bbbbbbbb-0000-4000-8000-000000000002 Do Not Exist" "$BODY"
dv POST "accounts/$T.UpdateMultiple" "{\"Targets\":[{$ACC,\"@odata.id\":\"accounts($K)\",\"name\":\"x\"}]}"
is 'UpdateMultiple by alternate key' 400 "$STATUS"
U() { dv POST "accounts/$T.UpsertMultiple" "{\"Targets\":[$1]}"; }
U "{$ACC,\"@odata.id\":\"accounts(accountnumber='U-1',_msdyn_company_value=$USMF)\",\"name\":\"u1\"},{$ACC,\"@odata.id\":\"accounts(accountnumber='B-1',_msdyn_company_value=$USMF)\",\"name\":\"u\"}"
is 'UpsertMultiple says nothing' '204 ' "$STATUS $BODY"
dv GET "accounts(accountnumber='U-1',_msdyn_company_value=$USMF)?\$select=name"; has 'it created' '"name":"u1"' "$BODY"
U "{$ACC,\"@odata.id\":\"accounts(accountnumber='U-2',_msdyn_company_value=$USMF)\",\"accountnumber\":\"U-2\",\"name\":\"u\"}"
refused 'key column in the body, create' 400 0x80040216
U "{$ACC,\"@odata.id\":\"accounts(accountnumber='U-1',_msdyn_company_value=$USMF)\",\"accountnumber\":\"U-1\",\"name\":\"u\"}"
is 'key column in the body, update' 204 "$STATUS"
DUP="{$ACC,\"@odata.id\":\"accounts(accountnumber='U-9',_msdyn_company_value=$USMF)\",\"name\":\"u\"},{$ACC,\"@odata.id\":\"accounts(accountnumber='u-9',_msdyn_company_value=$USMF)\",\"name\":\"u\"}"
U "$DUP"; refused 'duplicates in one call' 400 0x80040237
knob dv_duplicate_in_call_412 1
U "$DUP"; refused 'duplicates in one call (knob)' 412 0x80060892
knob dv_duplicate_in_call_412 0
knob dv_lookup_in_odata_id_refused 1
U "{$ACC,\"@odata.id\":\"accounts(accountnumber='U-1',_msdyn_company_value=$USMF)\",\"name\":\"u\"}"
refused 'lookup in @odata.id (knob)' 400 0x80060888
knob dv_lookup_in_odata_id_refused 0
U "{$ACC,\"@odata.id\":\"accounts(accountnumber='U%2F1',_msdyn_company_value=$USMF)\",\"name\":\"u\"}"
refused 'slash in @odata.id' 400 0x8006088a
knob dv_key_chars_in_body_ok 1
U "{$ACC,\"@odata.id\":\"accounts(accountnumber='U%2F1',_msdyn_company_value=$USMF)\",\"name\":\"u\"}"
is 'slash in @odata.id (knob)' 204 "$STATUS"
knob dv_key_chars_in_body_ok 0
U "{$ACC,\"accountid\":\"aaaaaaaa-0000-4000-8000-000000000008\",\"accountnumber\":\"P-1\",\"name\":\"parent\",$CO},{$ACC,\"accountid\":\"aaaaaaaa-0000-4000-8000-000000000009\",\"accountnumber\":\"P-2\",\"name\":\"child\",$CO,\"msdyn_billingaccount_account@odata.bind\":\"/accounts(aaaaaaaa-0000-4000-8000-000000000008)\"}"
refused 'a row of the same call is no target' 404 0x80040217
dv POST "accounts/$T.DeleteMultiple" "{\"Targets\":[{$ACC,\"accountid\":\"$B1\"}]}"
has 'DeleteMultiple' 'DeleteMultiple has not yet been implemented.' "$BODY"

# ---- queries ----
TARGETS=
for i in $(seq 100 124); do TARGETS="$TARGETS,{$ACC,\"accountnumber\":\"Q-$i\",\"name\":\"Qu$((i % 5))\",\"creditlimit\":$i.5,$CO}"; done
dv POST "accounts/$T.CreateMultiple" "{\"Targets\":[${TARGETS#,}]}"
is '25 rows' 200 "$STATUS"
F="\$filter=startswith(accountnumber,'q-')"
dv GET "accounts?\$select=accountnumber&$F&\$count=true" '' -H 'Prefer: odata.maxpagesize=10'
is 'a page' 10 "$(rows)"
has 'count' '"@odata.count":25' "$BODY"
NEXT=$(link nextLink)
has 'an opaque token with tracking off' 'istracking%3D%22False%22' "$NEXT"
SEEN=$(printf %s "$BODY" | grep -o 'Q-[0-9]*')
while [ -n "$NEXT" ]; do
    dv GET "$NEXT" '' -H 'Prefer: odata.maxpagesize=10'
    SEEN="$SEEN
$(printf %s "$BODY" | grep -o 'Q-[0-9]*')"
    NEXT=$(link nextLink)
done
is 'all pages, each row once' '25 25' "$(printf '%s\n' "$SEEN" | sort | wc -l) $(printf '%s\n' "$SEEN" | sort -u | wc -l)"
dv GET "accounts?\$select=accountnumber,creditlimit&$F&\$orderby=creditlimit%20desc&\$top=2"
has 'order and top' '"accountnumber":"Q-124","creditlimit":124.5000' "$BODY"
is 'top gives no link' '2 ' "$(rows) $(link nextLink)"
dv GET "accounts?\$select=accountnumber&\$filter=creditlimit%20gt%20120%20and%20(name%20eq%20'qU1'%20or%20name%20eq%20'Qu2')%20and%20_msdyn_company_value%20eq%20$USMF"
is 'filter' 2 "$(rows)"
dv GET "accounts?\$select=accountnumber&\$filter=$T.In(PropertyName=@p1,PropertyValues=@p2)&@p1='accountnumber'&@p2=[\"Q-100\",\"q-101\",\"none\"]"
is 'In with aliases' 2 "$(rows)"
dv GET "accounts?\$select=name&\$filter=msdyn_creditrating%20ne%20null"; is 'null' 0 "$(rows)"
dv GET 'accounts?$filter=Name%20eq%20%27x%27'; refused 'unknown column' 400 0x0
has 'text of an unknown column' "Could not find a property named 'Name'" "$BODY"
dv GET 'accounts?$filter=name%20eq%205'; refused 'types of a filter' 400 0x0
dv GET 'accounts?$skip=1'; is 'skip' 400 "$STATUS"
dv GET "accounts?\$select=name,_msdyn_company_value&$F&\$top=1&\$expand=msdyn_company(\$select=cdm_companycode)" '' -H 'Prefer: odata.include-annotations="*"'
has 'expand' '"msdyn_company":{"@odata.etag"' "$BODY"
has 'annotations' '"_msdyn_company_value@Microsoft.Dynamics.CRM.lookuplogicalname":"cdm_company"' "$BODY"
dv GET "accounts/\$count?$F"
is 'count with a BOM' 'efbbbf3235' "$(od -An -tx1 answer | tr -d ' \n')"
dv GET "RetrieveTotalRecordCount(EntityNames=@p1)?@p1=[\"account\",\"cdm_company\"]"
has 'total counts' '"Keys":["account","cdm_company"]' "$BODY"

# ---- change tracking ----
TRACK='Prefer: odata.track-changes,odata.maxpagesize=20'
dv GET 'accounts?$select=accountnumber,name' '' -H "$TRACK"
has 'preference applied' odata.track-changes "$(header Preference-Applied)"
is 'no delta link before the last page' '' "$(link deltaLink)"
dv GET "$(link nextLink)" '' -H "$TRACK"
DELTA=$(link deltaLink)
has 'delta link on the last page' '%21' "$DELTA"
dv PATCH "accounts($B1)" '{"name":"changed"}' -H 'If-Match: *'
dv DELETE "accounts($B2)"
dv GET "$DELTA" '' -H "$TRACK"
has 'changed row' '"name":"changed"' "$BODY"
has 'all selected columns' '"accountnumber":"B-1"' "$BODY"
has 'deleted row' "/\$deletedEntity\",\"id\":\"$B2\",\"reason\":\"deleted\"" "$BODY"
is 'nothing else' 1 "$(rows)"
dv GET "accounts/\$count?\$deltatoken=${DELTA##*deltatoken=}"
is 'pending changes' 2 "$(printf %s "$BODY" | tail -c 1)"
dv GET 'accounts?$select=name&$filter=name%20eq%20%27x%27' '' -H "$TRACK"
has 'no filter with tracking' "The \\\"\$filter\\\" query parameter isn't supported when Change Tracking is enabled." "$BODY"
dv GET 'teams?$select=name' '' -H "$TRACK"; refused 'not tracked' 400 0x80072491
SMALL='Prefer: odata.track-changes,odata.maxpagesize=2'
dv GET 'accounts?$select=name' '' -H 'Prefer: odata.track-changes'
DELTA2=$(link deltaLink)
for i in 1 2 3; do dv POST accounts "{\"accountid\":\"dddddddd-0000-4000-8000-00000000000$i\",\"name\":\"d$i\"}"; done
for i in 4 5 6; do
    dv POST accounts "{\"accountid\":\"dddddddd-0000-4000-8000-00000000000$i\",\"name\":\"d$i\"}"
    dv DELETE "accounts(dddddddd-0000-4000-8000-00000000000$i)"
done
NEXT=$DELTA2 PAGES=0 GONE=0 CAME=0
while [ -n "$NEXT" ]; do
    dv GET "$NEXT" '' -H "$SMALL"
    PAGES=$((PAGES + 1)) CAME=$((CAME + $(rows))) GONE=$((GONE + $(printf %s "$BODY" | grep -o deletedEntity | wc -l)))
    NEXT=$(link nextLink)
done
is 'a delta over pages: rows, then deletes' '3 3 3' "$PAGES $CAME $GONE"
has 'and a new link at its end' deltatoken "$(link deltaLink)"
dv GET "$(link deltaLink)" '' -H "$SMALL"
is 'nothing new' '"value":[]' "$(printf %s "$BODY" | grep -o '"value":\[\]')"
knob dv_annotations_drop_deltalink 1
dv GET "$DELTA" '' -H "Prefer: odata.track-changes,odata.include-annotations=\"*\""
is 'annotations drop the link (knob)' '' "$(link deltaLink)"
knob dv_annotations_drop_deltalink 0
advance 691200000
dv GET "$DELTA" '' -H "$TRACK"; is 'the sign-in ran out with the clock' 401 "$STATUS"
TOKEN=$(token 11111111-1111-1111-1111-111111111111 "$DV")
dv GET "$DELTA" '' -H "$TRACK"; refused 'expired delta token' 400 0x80044352

# ---- $batch ----
part() { # boundary, content id, method, path, body
    printf -- '--%s\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n' "$1"
    [ -n "$2" ] && printf 'Content-ID: %s\r\n' "$2"
    printf '\r\n%s /api/data/v9.2/%s HTTP/1.1\r\n%s' "$3" "$4" "${6:+$6$'\r\n'}"
    if [ -n "$5" ]; then printf 'Content-Type: application/json; type=entry\r\n\r\n%s\r\n' "$5"; else printf '\r\n\r\n'; fi
}
changeset() { printf -- '--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n'; cat; printf -- '--c--\r\n\r\n'; }
batch() { # options; the body in file bodyfile
    STATUS=$(curl -s -g -o answer -D head -w '%{http_code}' -X POST "$DV/api/data/v9.2/\$batch" -H "Authorization: Bearer $TOKEN" \
        -H 'Content-Type: multipart/mixed; boundary="b"' --data-binary @bodyfile "$@")
    BODY=$(cat answer)
}
{ { part c 1 POST accounts '{"name":"P","accountnumber":"BA-1"}'; part c 2 POST accounts '{"name":"Ch","msdyn_billingaccount_account@odata.bind":"$1"}'; part c 3 PATCH 'accounts(99999999-0000-4000-8000-000000000001)' '{"name":"x"}' 'If-Match: *'; } | changeset; printf -- '--b--\r\n'; } >bodyfile
batch
is 'a failed change set fails the batch' 400 "$STATUS"
has 'only the failing one is told' 'Content-ID: 3' "$BODY"
hasnt 'the others are not' 'Content-ID: 1' "$BODY"
dv GET "accounts?\$select=name&\$filter=accountnumber%20eq%20'BA-1'"; is 'rolled back' 0 "$(rows)"
{ { part c 1 POST accounts '{"name":"P","accountnumber":"BA-1"}'; part c 2 POST accounts '{"name":"Ch","accountnumber":"BA-2","msdyn_billingaccount_account@odata.bind":"$1"}'; } | changeset; part b '' GET "accounts?\$select=name&\$filter=accountnumber%20eq%20'BA-2'&\$expand=msdyn_billingaccount_account(\$select=accountnumber)" ''; printf -- '--b--\r\n'; } >bodyfile
batch
is 'a good batch' 200 "$STATUS"
has 'reference by content id' '"accountnumber":"BA-1"' "$BODY"
{ part b '' DELETE 'accounts(99999999-0000-4000-8000-000000000001)' ''; part b '' POST 'accounts?tag=DualWrite' '{"name":"after"}'; printf -- '--b--\r\n'; } >bodyfile
batch
is 'stops at the first failure' '400 1' "$STATUS $(grep -c 'HTTP/1.1' answer)"
batch -H 'Prefer: odata.continue-on-error'
is 'goes on when asked to' '200 2' "$STATUS $(grep -c 'HTTP/1.1' answer)"
{ { part c 1 GET 'accounts' ''; } | changeset; printf -- '--b--\r\n'; } >bodyfile
batch; is 'no GET in a change set' 400 "$STATUS"
{ { part c 1 PATCH '$2' '{"name":"x"}' | sed 's|/api/data/v9.2/||'; } | changeset; printf -- '--b--\r\n'; } >bodyfile
batch; has 'forward reference' "Content-ID Reference: '\$2' does not exist in the batch context." "$BODY"
{ part b '' GET 'accounts?$top=1' ''; printf -- '--b--\r\n'; } | tr -d '\r' >bodyfile
batch; has 'bare LF' 'Stream was not readable.' "$BODY"
{ part b '' GET 'accounts?$top=1' '' | head -c -2; printf -- '--b--\r\n'; } >bodyfile
batch; has 'one empty line too few' 'Stream was not readable.' "$BODY"
part b '' GET 'accounts?$top=1' '' >bodyfile
batch; has 'no end' 'Stream was not readable.' "$BODY"
{ part b '' GET 'accounts?$top=1' ''; printf -- '--b--\r\n'; } >bodyfile
knob dv_batch_needs_extra_crlf 1
batch; has 'extra CRLF needed (knob)' 'Stream was not readable.' "$BODY"
printf '\r\n' >>bodyfile
batch; is 'extra CRLF given (knob)' 200 "$STATUS"
knob dv_batch_needs_extra_crlf 0

# ---- plug-in, tags, bypass ----
knob dv_plugin_throws_untagged 1
dv POST accounts '{"name":"untagged"}'; refused 'the plug-in throws' 400 0x80040265
dv POST 'accounts?tag=DualWrite' '{"name":"tagged"}'; is 'tagged passes' 204 "$STATUS"
dv POST accounts '{"name":"bypassed"}' -H 'MSCRM.BypassBusinessLogicExecution: CustomSync'; is 'bypassed passes' 204 "$STATUS"
dv POST "accounts/$T.CreateMultiple" "{\"Targets\":[{$ACC,\"name\":\"x\"}]}"; refused 'the plug-in runs in bulk, too' 400 0x80040265
knob dv_plugin_throws_untagged 0
B=$(counter dv.rows.unchanged)
dv PATCH "accounts($B1)" '{"name":"changed"}' -H 'If-Match: *'
is 'a write that changes nothing is counted' $((${B:-0} + 1)) "$(counter dv.rows.unchanged)"

# ---- service protection ----
TOKEN2=$(token 11111111-1111-1111-1111-111111111112 "$DV")
TOKEN1=$TOKEN TOKEN=$TOKEN2
knob dv_limit_requests 3
for _ in 1 2 3; do dv GET WhoAmI; done
is 'within the limit' 200 "$STATUS"
is 'what is left' 0 "$(header x-ms-ratelimit-burst-remaining-xrm-requests)"
dv GET WhoAmI
refused 'over the limit' 429 0x80072322
R1=$(header Retry-After)
dv GET WhoAmI
R2=$(header Retry-After)
is 'who keeps sending waits longer' yes "$([ "${R2:-0}" -ge "${R1:-1}" ] && [ "${R1:-0}" -gt 0 ] && echo yes)"
TOKEN=$TOKEN1
knob dv_code_decimal 1
knob dv_no_retry_after 1
TOKEN=$TOKEN2
dv GET WhoAmI
is 'decimal code, no Retry-After (knobs)' '429 -2147015902 ' "$STATUS $(code) $(header Retry-After)"
knob dv_code_decimal 0
knob dv_no_retry_after 0
knob dv_limit_requests 6000
advance 700000
TOKEN=$(token 11111111-1111-1111-1111-111111111112 "$DV")
dv GET WhoAmI
is 'the window slid on' 200 "$STATUS"
knob dv_limit_execution_ms 1000
dv POST "accounts/$T.CreateMultiple" "{\"Targets\":[$(for i in $(seq 250); do printf '%s{%s,"name":"t"}' "$([ "$i" = 1 ] || echo ,)" "$ACC"; done)]}"
is 'rows cost time' 200 "$STATUS"
dv GET WhoAmI; refused 'execution time' 429 0x80072321
knob dv_limit_execution_ms 1200000
advance 700000
TOKEN=$(token 11111111-1111-1111-1111-111111111112 "$DV")
knob dv_limit_concurrent 1
knob latency_ms 700
curl -s -o /dev/null "$DV/api/data/v9.2/WhoAmI" -H "Authorization: Bearer $TOKEN" &
SLOW=$!
sleep 0.3
dv GET WhoAmI; refused 'concurrent requests' 429 0x80072326
wait "$SLOW"
knob latency_ms 0
knob dv_limit_concurrent 52
TOKEN=$(token 11111111-1111-1111-1111-111111111111 "$DV")

# ---- dual-write ----
adm() { ANSWER=$(curl -s "$ADMIN/$1" -d "$2"); }
row() { ANSWER=$(curl -s -g -G "$ADMIN/$1/row" --data-urlencode "$2" --data-urlencode "company=$3" --data-urlencode "key=$4"); }
FTOKEN=$(token 11111111-1111-1111-1111-111111111111 "$FNO")
fno() { BODY=$(curl -s -g "$FNO$1" -H "Authorization: Bearer $FTOKEN"); }
PAIR='"fno":"Customer groups","dataverse":"msdyn_customergroups"'
dv GET 'msdyn_dualwriteentitymaps?$select=msdyn_name,msdyn_mapping'
has 'map rows' 'contoso_[msdyn_customergroups - Customer groups]' "$BODY"
has 'map text' 'fieldMappings' "$BODY"
fno /data/DualWriteProjectConfigurations
has 'nothing runs' '"value":[]' "$BODY"
adm dualwrite "{$PAIR,\"state\":\"paused\"}"
has 'only a running map can be paused' 'only a running map' "$ANSWER"
adm fno/rows '{"entity":"Terms of payment","company":"usmf","values":{"NAME":"N30"}}'
adm dualwrite "{$PAIR,\"state\":\"running\"}"
fno "/data/DualWriteProjectConfigurations?cross-company=true"
has 'a running map is seen in F&O' '"ExternalEntityName":"msdyn_customergroups","InternalEntityName":"Customer groups"' "$BODY"
dv GET 'msdyn_dualwriteruntimeconfigs?$select=msdyn_internalentityname,msdyn_externalentityname,statecode&$filter=statecode%20eq%200'
has 'and in Dataverse' '"msdyn_internalentityname":"msdyn_customergroup","msdyn_externalentityname":"Customer groups"' "$BODY"
adm fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"10","DESCRIPTION":"Wholesale","ISSALESTAXINCLUDEDINPRICE":"Yes"}}'
row dataverse table=msdyn_customergroup USMF 10
has 'F&O -> Dataverse' '"msdyn_description":"Wholesale"' "$ANSWER"
has 'the value map' '"msdyn_issalestaxincludedinprice":"1"' "$ANSWER"
has 'the company owns it' '"ownerid":"team:USMF"' "$ANSWER"
adm fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"20","PAYMENTTERMID":"N30"}}'
has 'a missing reference vetoes' 'Unable to look up msdyn_paymentterms with values {msdyn_name: N30}' "$ANSWER"
has 'in the service'"'"'s words' 'Unable to write data to entity msdyn_customergroups' "$ANSWER"
row fno 'entity=Customer groups' usmf 20
has 'and F&O has no row either' 'no such row' "$ANSWER"
adm fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"HIDE"}}'
row dataverse table=msdyn_customergroup USMF HIDE
has 'outside the source filter' 'no such row' "$ANSWER"
dv POST msdyn_customergroups "{\"msdyn_groupid\":\"30\",\"msdyn_description\":\"Made in DV\",\"msdyn_issalestaxincludedinprice\":false,$CO}"
is 'a Dataverse write through a map' 204 "$STATUS"
row fno 'entity=Customer groups' usmf 30
has 'Dataverse -> F&O' '"DESCRIPTION":"Made in DV"' "$ANSWER"
dv POST msdyn_customergroups "{\"msdyn_groupid\":\"LOCAL\",$CO}"
row fno 'entity=Customer groups' usmf LOCAL
has 'outside the reversed filter' 'no such row' "$ANSWER"
dv POST msdyn_customergroups '{"msdyn_groupid":"40"}'
is 'without a company' 204 "$STATUS"
G30=$(dv GET "msdyn_customergroups?\$select=msdyn_groupid&\$filter=msdyn_groupid%20eq%20'30'"; field msdyn_customergroupid)
dv POST msdyn_paymentterms "{\"msdyn_name\":\"ONLYDV\",$CO}"
TERM=$(id_of)
dv PATCH "msdyn_customergroups($G30)" "{\"msdyn_PaymentTermId@odata.bind\":\"/msdyn_paymentterms($TERM)\"}" -H 'If-Match: *'
refused 'F&O vetoes' 400 0x80040265
has 'with its own text' "is not found in the related table 'Terms of payment'" "$BODY"
adm dualwrite "{$PAIR,\"state\":\"paused\"}"
adm fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"10","DESCRIPTION":"Later"}}'
row dataverse table=msdyn_customergroup USMF 10
has 'paused: nothing is carried' '"msdyn_description":"Wholesale"' "$ANSWER"
has 'paused: it is queued' '"queued":1' "$(curl -s "$ADMIN/dualwrite")"
adm dualwrite "{$PAIR,\"state\":\"running\"}"
row dataverse table=msdyn_customergroup USMF 10
has 'resumed: the queue is replayed' '"msdyn_description":"Later"' "$ANSWER"
dv DELETE "msdyn_customergroups($G30)"
row fno 'entity=Customer groups' usmf 30
has 'a delete goes over' 'no such row' "$ANSWER"
adm dualwrite "{$PAIR,\"state\":\"stopped\"}"
fno /data/DualWriteProjectConfigurations
has 'stopped again' '"value":[]' "$BODY"

# ---- the admin port's edits, the dump, a second start ----
adm dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"B-1"},"values":{"telephone1":"555","transactioncurrencyid":"USD"}}'
has 'an edit' '"created":false' "$ANSWER"
D1=$(curl -s "$ADMIN/dump?side=dataverse")
has 'dump: lookups by key' 'transactioncurrencyid=USD' "$(printf '%s\n' "$D1" | grep '^account|USMF|B-1|')"
hasnt 'dump: no ids' "$B1" "$D1"
kill "$PID"
wait "$PID" 2>/dev/null
start
is 'another start finds the same contents' "$(printf %s "$D1" | cksum)" "$(curl -s "$ADMIN/dump?side=dataverse" | printf %s "$(cat)" | cksum)"

# ---- what doctor asks, and how each of it can be lacking ----
TOKEN=$(token 11111111-1111-1111-1111-111111111111 "$DV")
dv GET 'RetrieveVersion()'
has 'the version' '"Version":"9.2.' "$BODY"
dv GET WhoAmI
USER_ID=$(field UserId)
dv GET "systemusers($USER_ID)/$T.RetrieveUserPrivileges"
has 'privileges by name' '"PrivilegeName":"prvReadAccount"' "$BODY"
has 'bypass by its id' '"PrivilegeId":"0ea552b0-a491-4470-9a1b-82068deccf66"' "$BODY"
knob dv_bypass_privilege 0
dv GET "systemusers($USER_ID)/$T.RetrieveUserPrivileges"
hasnt 'without it' 'prvBypassCustomBusinessLogic' "$BODY"
knob dv_no_privilege 1
dv GET "systemusers($USER_ID)/$T.RetrieveUserPrivileges"
hasnt 'no privilege on accounts' 'prvReadAccount"' "$BODY"
dv GET 'accounts?$top=1'
refused 'and they are refused' 403 0x80040220
dv GET 'msdyn_customergroups?$top=1'
is 'other tables are not' 200 "$STATUS"
knob dv_no_privilege 0
dv GET "EntityDefinitions(LogicalName='account')?\$select=ChangeTrackingEnabled&\$expand=Keys(\$select=LogicalName,EntityKeyIndexStatus)"
has 'keys are Active' '"EntityKeyIndexStatus":"Active"' "$BODY"
has 'change tracking is on' '"ChangeTrackingEnabled":true' "$BODY"
knob dv_keys_pending 1
knob dv_tracking_off 1
dv GET "EntityDefinitions(LogicalName='account')?\$select=ChangeTrackingEnabled&\$expand=Keys(\$select=LogicalName,EntityKeyIndexStatus)"
has 'keys are Pending' '"EntityKeyIndexStatus":"Pending"' "$BODY"
has 'change tracking is off' '"ChangeTrackingEnabled":false' "$BODY"
FT=$(token 11111111-1111-1111-1111-111111111111 "$FNO")
fget() { STATUS=$(curl -s -g -o answer -w '%{http_code}' "$FNO$1" -H "Authorization: Bearer $FT") && BODY=$(cat answer); }
fget '/data/DataManagementEntities?$select=EntityName'
has 'the entity list' '"EntityName":"Customers V3"' "$BODY"
knob fno_entity_list_stale 1
fget '/data/DataManagementEntities?$select=EntityName'
hasnt 'not refreshed' '"EntityName":"Customers V3"' "$BODY"
has 'the others are there' '"EntityName":"Customer groups"' "$BODY"
knob fno_no_privilege 1
fget '/data/CustomersV3?$top=1'
is 'an entity without privilege' 403 "$STATUS"
fget '/data/LegalEntities?$top=1'
is 'legal entities with' 200 "$STATUS"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]

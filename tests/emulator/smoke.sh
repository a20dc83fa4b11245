#!/bin/bash
# Smoke test of the emulator's core: sign-in, blob storage, F&O OData and metadata, faults, the admin port, a restart.
# Needs curl and openssl. Usage: smoke.sh [EMULATOR]. Prints "N passed, N failed"; exit status 1 when anything failed.
set -u
EMU=$(realpath "${1:-build/release/dmfsync-emulator}") || exit 2
W=$(mktemp -d) || exit 2
passed=0
failed=0
PID=
trap '[ -n "$PID" ] && kill "$PID" 2>/dev/null && wait "$PID" 2>/dev/null; rm -rf "$W"' EXIT
cd "$W" || exit 2

start() { # options
    rm -f ports
    "$EMU" --dir "$W/state" --port 0 --ports-file "$W/ports" --quiet "$@" 2>>"$W/emu.log" &
    PID=$!
    for _ in $(seq 100); do [ -s ports ] && break; sleep 0.1; done
    [ -s ports ] || { cat emu.log; echo "$passed passed, $((failed + 1)) failed"; exit 1; }
    LOGIN=$(port login) BLOB=$(port blob) FNO=$(port fno) DV=$(port dataverse) ADMIN=$(port admin)
}
port() { sed -n "s/^$1=//p" ports; }
is() { # name, wanted, got
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1)); echo "FAILED $1: wanted '$2', got '$3'"; fi
}
has() { # name, wanted part, text
    case "$3" in *"$2"*) passed=$((passed + 1)) ;; *) failed=$((failed + 1)); echo "FAILED $1: no '$2' in '$3'" ;; esac
}
call() { # curl arguments -> STATUS, BODY, headers in file h
    STATUS=$(curl -s -g -D h -o answer -w '%{http_code}' "$@")
    BODY=$(cat answer)
}
TENANT=contoso
CLIENT=11111111-1111-1111-1111-111111111111
token() { # scope, [secret], [client] -> TOKEN
    call "$LOGIN/$TENANT/oauth2/v2.0/token" -d grant_type=client_credentials -d "client_id=${3:-$CLIENT}" \
        -d "client_secret=${2:-demo-secret}" --data-urlencode "scope=$1"
    TOKEN=$(printf %s "$BODY" | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
}
fno() { # method, path, [body], [header]
    call -X "$1" "$FNO$2" -H "Authorization: Bearer $TOKEN" ${3:+-H "Content-Type: application/json" -d "$3"} ${4:+-H "$4"}
}
header() { tr -d '\r' <h | sed -n "s/^$1: *//Ip" | head -1; }
admin() { call "$ADMIN$1" ${2:+-d "$2"}; }
knob() { admin /knobs "{\"$1\":$2}"; }
counter() { curl -s "$ADMIN/counters" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
put() { # url, file, curl arguments
    local u=$1 f=$2
    shift 2
    call -X PUT "$u" --data-binary "@$f" -H 'Content-Type: application/zip' "$@"
}
write_url() { # name -> URL
    fno POST /data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.GetAzureWriteUrl "{\"uniqueFileName\":\"$1\"}"
    URL=$(printf %s "$BODY" | sed 's/\\"/"/g; s/.*"BlobUrl":"\([^"]*\)".*/\1/; s/\\//g')
}

start --seed 3

# ---- sign-in ----
token "$FNO/.default" wrong
is 'wrong secret' 401 "$STATUS"
has 'wrong secret: code' 'AADSTS7000215' "$BODY"
has 'wrong secret: error' '"error":"invalid_client"' "$BODY"
token "$FNO/.default" demo-secret 22222222-2222-2222-2222-222222222222
has 'unknown application' AADSTS700016 "$BODY"
token https://other.example/.default
has 'unknown resource' AADSTS500011 "$BODY"
TENANT=fabrikam
token "$FNO/.default"
has 'unknown tenant' AADSTS90002 "$BODY"
TENANT=contoso
call "$LOGIN/contoso/oauth2/v2.0/token" -d client_id=x
has 'no grant type' AADSTS900144 "$BODY"
call "$LOGIN/contoso/oauth2/token" -d grant_type=client_credentials -d client_id=$CLIENT -d client_secret=demo-secret \
    --data-urlencode "resource=$FNO"
has 'v1: texts' '"expires_in":"3599"' "$BODY"
has 'v1: resource' '"resource":' "$BODY"
token "$FNO//.default"
is 'slash in scope: a token all the same' 200 "$STATUS"
fno GET /data/LegalEntities
is 'slash in audience' 401 "$STATUS"
token "$DV/.default"
fno GET /data/LegalEntities
is 'token of the other service' 401 "$STATUS"
token "$FNO/.default" demo-secret 99999999-0000-0000-0000-000000000000
fno GET /data/LegalEntities
is 'unregistered' 403 "$STATUS"
knob fno_401_for_unregistered 1
fno GET /data/LegalEntities
is 'unregistered, by knob' 401 "$STATUS"
knob fno_401_for_unregistered 0
fno GET '/data/$metadata'
is '$metadata is no probe' 200 "$STATUS"
token "$FNO/.default"
is 'token' 200 "$STATUS"
has 'token: lifetime' '"expires_in":3599' "$BODY"
knob token_expires_s 60
GOOD=$TOKEN
token "$FNO/.default"
admin /clock '{"advance_ms":61000}'
fno GET /data/LegalEntities
is 'expired token' 401 "$STATUS"
is 'expired token: no body' '' "$BODY"
knob token_expires_s 3599
TOKEN=${GOOD}x
fno GET /data/LegalEntities
is 'tampered token' 401 "$STATUS"
token "$FNO/.default"

# ---- certificate ----
b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
assertion() { # audience -> $A
    local print now text
    print=$(openssl x509 -in cert.pem -outform DER | openssl dgst -sha256 -binary | b64)
    now=$(($(curl -s "$ADMIN/clock" | sed 's/.*"now_ms":\([0-9]*\).*/\1/') / 1000))
    text="$(printf '{"alg":"PS256","typ":"JWT","x5t#S256":"%s"}' "$print" | b64).$(printf '{"aud":"%s","iss":"%s","sub":"%s","jti":"1","nbf":%s,"exp":%s}' "$1" $CLIENT $CLIENT "$now" $((now + 300)) | b64)"
    A=$text.$(printf %s "$text" | openssl dgst -sha256 -sign key.pem -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -binary | b64)
}
with_assertion() {
    call "$LOGIN/contoso/oauth2/v2.0/token" -d grant_type=client_credentials -d client_id=$CLIENT --data-urlencode "scope=$FNO/.default" \
        -d client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer -d "client_assertion=$A"
}
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=demo 2>openssl.log
assertion "$LOGIN/contoso/oauth2/v2.0/token"
with_assertion
has 'certificate not registered' AADSTS700027 "$BODY"
call "$ADMIN/certificates" --data-binary @cert.pem
is 'certificate registered' 200 "$STATUS"
with_assertion
is 'signed assertion' 200 "$STATUS"
A=${A%?????}AAAAA
with_assertion
has 'bad signature' AADSTS700027 "$BODY"
assertion "$LOGIN/other"
with_assertion
has 'wrong audience' AADSTS700023 "$BODY"

# ---- metadata ----
fno GET "/Metadata/DataEntities?\$filter=Name%20eq%20'CustCustomerV3Entity'"
has 'four names' '"PublicEntityName":"CustomerV3","PublicCollectionName":"CustomersV3"' "$BODY"
fno GET "/Metadata/PublicEntities('CustomerV3')"
has 'properties' '"Name":"CreditLimit","TypeName":"Edm.Decimal","DataType":"Real"' "$BODY"
has 'company in the key' '"Name":"dataAreaId","TypeName":"Edm.String","DataType":"String"' "$BODY"
has 'enum type' '"TypeName":"Microsoft.Dynamics.DataEntities.NoYes","DataType":"Enum"' "$BODY"
fno GET "/Metadata/PublicEntities('customerv3')"
is 'names are case-sensitive' 404 "$STATUS"
fno GET "/Metadata/PublicEntities?\$filter=contains(tolower(Name),'customer')&\$top=2"
is 'contains' 2 "$(grep -o '"EntitySetName"' answer | wc -l)"
fno GET "/Metadata/PublicEntities?\$filter=startswith(Name,'C')"
is 'startswith in metadata' 400 "$STATUS"
fno GET "/Metadata/PublicEntities('DataManagementDefinitionGroup')"
has 'actions' '"Name":"ImportFromPackage","BindingKind":"BoundToEntitySet"' "$BODY"
fno GET "/Metadata/PublicEnumerations('DirPartyBaseType')"
has 'enum members' '"Name":"Organization","Value":1' "$BODY"
fno GET "/Metadata/Labels(Id='@Tenant:CustomerV3',Language='en-US')"
has 'label' '"Value":"Customers V3"' "$BODY"
fno GET "/Metadata/Labels?\$filter=Value%20eq%20'x'"
is 'labels are not searched' 400 "$STATUS"
fno GET /data/
has 'service document' '{"name":"CustomersV3","kind":"EntitySet","url":"CustomersV3"}' "$BODY"

# ---- writing over OData ----
for t in T1 T2; do
    fno POST /data/PaymentTerms "{\"dataAreaId\":\"usmf\",\"Name\":\"$t\",\"NumberOfDays\":30}"
done
is 'created' 201 "$STATUS"
has 'created: record' '"dataAreaId":"usmf","Name":"T2","Description":"","NumberOfDays":30' "$BODY"
has 'created: location' "/data/PaymentTerms(dataAreaId='usmf',Name='T2')" "$(header Location)"
fno POST /data/CustomerGroups '{"dataAreaId":"USMF","CustomerGroupId":"10","Description":"Wholesale \"x\"  ","PaymentTermId":"t1"}'
is 'group created' 201 "$STATUS"
has 'company in lower case, blanks trimmed' '"dataAreaId":"usmf","CustomerGroupId":"10","Description":"Wholesale \"x\"","IsSalesTaxIncludedInPrice":"No"' "$BODY"
fno POST /data/CustomerGroups '{"dataAreaId":"usmf","CustomerGroupId":"10"}'
is 'exists' 400 "$STATUS"
has 'exists: text' 'The record already exists.' "$BODY"
fno POST /data/CustomerGroups '{"dataAreaId":"usmf","CustomerGroupId":"11","PaymentTermId":"NONE"}'
has 'relation' "The value 'NONE' in field 'PaymentTermId' is not found in the related table 'Terms of payment'." "$BODY"
has 'relation: envelope' '"message":"An error has occurred.","innererror":{"message":"Write failed for table row of type' "$BODY"
fno POST /data/CustomerGroups '{"dataAreaId":"usmf","Description":"x"}'
has 'mandatory' "Field 'CustomerGroupId' must be filled in." "$BODY"
fno POST /data/CustomerGroups '{"dataAreaId":"usmf","CustomerGroupId":"12345678901"}'
is 'too long' 400 "$STATUS"
fno POST /data/CustomerGroups '{"dataAreaId":"usmf","CustomerGroupId":"12","Nope":1}'
has 'unknown property' "The property 'Nope' does not exist" "$BODY"
fno POST /data/CustomerGroups '{"dataAreaId":"usmf","CustomerGroupId":"12","IsSalesTaxIncludedInPrice":"yes"}'
has 'enum symbol' "Cannot convert the literal 'yes'" "$BODY"
fno POST /data/CustomerGroups '{"dataAreaId":"xxx","CustomerGroupId":"12"}'
is 'unknown company' 400 "$STATUS"
fno POST /data/LegalEntities '{"LegalEntityId":"NEW","Name":"n"}'
is 'read-only entity' 405 "$STATUS"
fno POST /data/Currencies '{"CurrencyCode":"USD","Name":"US dollar"}'
is 'shared entity' 201 "$STATUS"
C="{\"dataAreaId\":\"usmf\",\"CustomerAccount\":\"O'Neil/1\",\"CustomerGroupId\":\"10\",\"CreditLimit\":12345678901234567.100,\"AddressValidFrom\":\"2026-01-05T09:00:00Z\",\"InvoiceAccount\":\"O'Neil/1\"}"
fno POST /data/CustomersV3 "$C"
is 'customer' 201 "$STATUS"
has 'decimals keep their digits' '"CreditLimit":12345678901234567.1,' "$BODY"
has 'defaults' '"PartyType":"Organization","PartyNumber":"P-000000001"' "$BODY"
has 'currency of the company' '"SalesCurrencyCode":"USD"' "$BODY"
has 'language' '"LanguageId":"en-us"' "$BODY"
fno GET "/data/CustomersV3(dataAreaId='usmf',CustomerAccount='O''Neil%2F1')"
is 'own company only' 404 "$STATUS"
fno GET "/data/CustomersV3(dataAreaId='usmf',CustomerAccount='o''neil%2F1')?cross-company=true"
is 'cross-company, any case' 200 "$STATUS"
fno GET "/data/CustomersV3(CustomerAccount='x')?cross-company=true"
is 'incomplete key' 400 "$STATUS"
K="/data/CustomerGroups(dataAreaId='usmf',CustomerGroupId='10')?cross-company=true"
fno GET "$K"
ETAG=$(printf %s "$BODY" | sed 's/.*"@odata.etag":"W\/\\"\([^\\]*\)\\"".*/\1/')
has 'etag' "'1,56371445" "$(printf %s "$ETAG" | base64 -d)"
fno PATCH "$K" '{"Description":"Retail"}' "If-Match: W/\"$ETAG\""
is 'conditional update' 204 "$STATUS"
fno PATCH "$K" '{"Description":"Retail 2"}' "If-Match: W/\"$ETAG\""
is 'version has changed' 412 "$STATUS"
has 'version has changed: text' 'An update conflict occurred' "$BODY"
knob fno_if_match_ignored 1
fno PATCH "$K" '{"Description":"Retail 3"}' "If-Match: W/\"$ETAG\""
is 'If-Match ignored, by knob' 204 "$STATUS"
knob fno_if_match_ignored 0
fno PATCH "${K/\'10\'/\'99\'}" '{"Description":"x"}'
is 'update of a missing row' 400 "$STATUS"
has 'update of a missing row: text' 'No resources were found when selecting for update.' "$BODY"
fno PATCH "${K%\?*}" '{"Description":"x"}'
is 'update without cross-company' 400 "$STATUS"
fno DELETE "$K"
has 'dependents' 'Customer groups cannot be deleted while dependent Customers V3 exist.' "$BODY"
fno DELETE "/data/PaymentTerms(dataAreaId='usmf',Name='T2')?cross-company=true"
is 'deleted' 204 "$STATUS"

# ---- reading over OData ----
for i in 1 2 3 4 5 6 7; do
    admin /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"C-$i\",\"CUSTOMERGROUPID\":\"10\",\"ORGANIZATIONNAME\":\"Firm $i\",\"CREDITLIMIT\":\"$((i * 300)).5\"}}"
done
has 'a user edits' '"created":true' "$BODY"
fno GET '/data/CustomersV3?$select=CustomerAccount'
is 'only the own company' '"value":[]}' "${BODY#*,}"
fno GET '/data/CustomersV3?cross-company=true&$select=dataAreaId,CustomerAccount,CreditLimit&$filter=CreditLimit%20gt%201000%20and%20dataAreaId%20eq%20%27USMF%27%20and%20not%20(CustomerAccount%20eq%20%27c-5%27)&$orderby=CreditLimit%20desc&$count=true'
has 'filter, order, count' '"@odata.count":4' "$BODY"
has 'decimals in order' '"CustomerAccount":"C-7","CreditLimit":2100.5},{' "$(printf %s "$BODY" | sed 's/"@odata.etag":"[^,]*,//g')"
fno GET "/data/CustomersV3?cross-company=true&\$filter=OrganizationName%20eq%20'*irm%205'&\$select=CustomerAccount"
has 'wildcard' '"CustomerAccount":"C-5"' "$BODY"
fno GET "/data/CustomersV3?cross-company=true&\$filter=startswith(CustomerAccount,'C')"
has 'no functions' 'The type System.String for the query operator is not Queryable!' "$BODY"
fno GET "/data/CustomersV3?cross-company=true&\$filter=OnHoldStatus%20eq%20Microsoft.Dynamics.DataEntities.CustVendorBlocked'No'&\$top=1&\$select=OnHoldStatus"
has 'enum literal' '"OnHoldStatus":"No"' "$BODY"
fno GET "/data/CustomersV3?cross-company=true&\$filter=OnHoldStatus%20eq%20'No'"
is 'enum as text' 400 "$STATUS"
fno GET "/data/CustomersV3?cross-company=true&\$filter=CreditLimit%20mul%202%20eq%20601&\$select=CustomerAccount"
has 'arithmetic' '"CustomerAccount":"C-1"' "$BODY"
fno GET "/data/CustomersV3?cross-company=true&\$filter=AddressValidFrom%20gt%202026-01-01T00:00:00Z&\$select=CustomerAccount"
has 'dates' "O'Neil/1" "$BODY"
fno GET "/data/CustomersV3?cross-company=true&\$filter=Nope%20eq%201"
has 'unknown property in a filter' "Could not find a property named 'Nope'" "$BODY"
fno GET "/data/CustomersV3?cross-company=true&\$expand=x"
is 'no navigation' 400 "$STATUS"
fno GET '/data/CustomersV3/$count?cross-company=true'
is 'count with BOM' $'\xef\xbb\xbf8' "$BODY"
knob fno_count_bom 0
fno GET '/data/CustomersV3/$count?cross-company=true'
is 'count' 8 "$BODY"
knob fno_odata_page 3
follow() { # path -> N rows over P pages in KEYS
    local next=$1
    N=0 P=0 KEYS=
    while [ -n "$next" ]; do
        fno GET "$next"
        P=$((P + 1))
        KEYS="$KEYS$(grep -o '"CustomerAccount":"[^"]*"' answer | sed 's/.*:"//; s/"//' | tr '\n' ' ')"
        N=$(printf %s "$KEYS" | wc -w)
        next=$(sed -n 's/.*"@odata.nextLink":"\([^"]*\)".*/\1/p' answer | sed "s|^http://[^/]*||")
    done
}
follow '/data/CustomersV3?cross-company=true&$select=CustomerAccount&$orderby=dataAreaId,CustomerAccount'
is 'pages in key order' "8 rows, 3 pages: C-1 C-2 C-3 C-4 C-5 C-6 C-7 O'Neil/1 " "$N rows, $P pages: $KEYS"
follow '/data/CustomersV3?cross-company=true&$select=CustomerAccount&$orderby=CreditLimit%20desc&$top=5'
is 'pages in another order' "5 rows, 2 pages: O'Neil/1 C-7 C-6 C-5 C-4 " "$N rows, $P pages: $KEYS"
knob fno_nextlink_other_host 1
fno GET '/data/CustomersV3?cross-company=true'
has 'link with another host' '"@odata.nextLink":"http://aos.internal/data/CustomersV3?' "$BODY"
knob fno_nextlink_other_host 0
knob fno_odata_page 10000
knob fno_no_etag_under_select 1
fno GET '/data/Currencies?$select=CurrencyCode'
has 'no etag under select' '"value":[{"CurrencyCode":"USD"}]' "$BODY"
knob fno_no_etag_under_select 0
fno GET /data/Nothing
is 'unknown set' 404 "$STATUS"
fno GET "/data/Currencies('USD')"
is 'single key' 200 "$STATUS"
fno GET "/data/LegalEntities?\$select=LegalEntityId&\$filter=LegalEntityId%20eq%20'usmf'"
has 'legal entities, any case' '"LegalEntityId":"USMF"' "$BODY"
fno POST /data/DataManagementEntities/Microsoft.Dynamics.DataEntities.GetApplicationVersion '{}'
has 'version' '"value":"10.' "$BODY"

# ---- blob storage ----
head -c 100000 /dev/urandom >data
write_url a.zip
put "$URL" data
is 'no blob type' 400 "$STATUS"
has 'no blob type: code' '<Code>MissingRequiredHeader</Code>' "$BODY"
put "$URL" data -H 'x-ms-blob-type: PageBlob'
has 'wrong blob type' '<Code>InvalidHeaderValue</Code>' "$BODY"
put "$URL" data -H 'x-ms-blob-type: BlockBlob' -H 'x-ms-version: 2019-12-12' -H 'Transfer-Encoding: chunked'
is 'chunked' 411 "$STATUS"
put "$URL" data -H 'x-ms-blob-type: BlockBlob' -H "Authorization: Bearer $TOKEN"
is 'token leaked' 403 "$STATUS"
is 'token leaked: counted' 1 "$(counter blob.authorization_leaked)"
put "$URL" data -H 'x-ms-blob-type: BlockBlob' -H 'x-ms-version: 2019-12-12'
is 'put' 201 "$STATUS"
has 'put: etag' '"0x' "$(header ETag)"
curl -s -o back "$URL"
is 'get' "$(md5sum <data)" "$(md5sum <back)"
call "$URL" -H 'Range: bytes=99990-'
is 'range' '206 10 bytes 99990-99999/100000' "$STATUS $(wc -c <answer) $(header Content-Range)"
call "$URL" -H 'Range: bytes=100000-'
is 'range behind the end' 416 "$STATUS"
put "${URL/se=20/se=21}" data -H 'x-ms-blob-type: BlockBlob'
is 'tampered' 403 "$STATUS"
truncate -s 68000000 big
put "$URL" big -H 'x-ms-blob-type: BlockBlob'
is '64 MiB without version' 413 "$STATUS"
has '64 MiB without version: code' RequestBodyTooLarge "$BODY"
put "$URL" big -H 'x-ms-blob-type: BlockBlob' -H 'x-ms-version: 2019-12-12'
is 'large with version' 201 "$STATUS"
write_url b.zip
for b in MDAwMQ== MDAwMg==; do put "$URL&comp=block&blockid=${b//=/%3D}" data -H 'x-ms-version: 2019-12-12'; done
is 'block' 201 "$STATUS"
put "$URL&comp=block&blockid=MDAwMDAwMQ%3D%3D" data -H 'x-ms-version: 2019-12-12'
has 'ids of another length' InvalidBlobOrBlock "$BODY"
printf '<?xml version="1.0" encoding="utf-8"?><BlockList><Latest>MDAwMg==</Latest><Latest>MDAwMQ==</Latest></BlockList>' >list
put "$URL&comp=blocklist" list -H 'x-ms-version: 2019-12-12'
is 'block list' 201 "$STATUS"
curl -s -o back "$URL"
is 'blocks in order' "$(cat data data | md5sum)" "$(md5sum <back)"
admin /clock '{"advance_ms":1860000}'
call "$URL"
is 'expired URL' 403 "$STATUS"
has 'expired URL: code' '<Code>AuthenticationFailed</Code>' "$BODY"

# ---- faults ----
token "$FNO/.default"
call "$ADMIN/faults" --data-binary $'# comment\non fno GET /data/Currencies* nth 2 do status 429 retry-after 7\non fno GET /data/LegalEntities do drop after\non fno POST * body *CUT* do cut 10\n'
is 'rules taken' 200 "$STATUS"
fno GET /data/Currencies
fno GET /data/Currencies
is 'second call' '429 7' "$STATUS $(header Retry-After)"
fno GET /data/Currencies
is 'third call' 200 "$STATUS"
fno GET /data/LegalEntities
is 'dropped' 000 "$STATUS"
fno POST /data/PaymentDaysCDS '{"dataAreaId":"usmf","Name":"CUT"}'
is 'cut: octets' 10 "$(wc -c <answer)"
fno GET "/data/PaymentDaysCDS(dataAreaId='usmf',Name='CUT')?cross-company=true"
is 'cut: done all the same' 200 "$STATUS"
call "$ADMIN/faults" --data-binary 'on nowhere GET / do status 500'
is 'bad rule' 400 "$STATUS"
call "$ADMIN/faults" --data-binary ' '

# ---- admin, restart ----
admin "/fno/row?entity=Customers%20V3&company=USMF&key=c-3"
has 'one row' '"ORGANIZATIONNAME":"Firm 3"' "$BODY"
curl -s "$ADMIN/dump?side=fno" >dump1
has 'dump' 'Customers V3|usmf|C-3|ORGANIZATIONNAME=Firm 3|' "$(cat dump1)"
is 'no numbers from sequences in the dump' 0 "$(grep -c PARTYNUMBER dump1)"
knob nope 1
is 'unknown knob' 400 "$STATUS"
kill "$PID"
wait "$PID"
PID=
start
curl -s "$ADMIN/dump?side=fno" >dump2
is 'the tenant is continued' "$(md5sum <dump1)" "$(md5sum <dump2)"
kill "$PID"
wait "$PID"
PID=
rm -f ports
"$EMU" --dir "$W/state" --seed 4 --quiet 2>/dev/null
is 'another seed is refused' 4 $?
"$EMU" --dir "$W/state" --knob nope=1 2>/dev/null
is 'unknown knob on the command line' 2 $?

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]

#!/bin/sh
# accept.sh -- accepted differences (waive), a base from what is there (adopt), and what they do to verdict, gate and load.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=40
job_start "$W/e"
cd "$W/e.ws" || exit 1
drift() { # KEY COLUMN VALUE: Dataverse's side changes unseen
    admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"$1\"},\"values\":{\"$2\":\"$3\"}}" >/dev/null
}
map_json() { jsql "select json_extract(value, '\$.$1') from json_each(j, '\$.data.maps')"; }

run 10 "migrate" migrate --execute
# --- the same rows by OData and by package ---
run 0 "a snapshot by OData" snapshot customers --side fno --from odata --json
sum=$(json '$.data.digest')
run 0 "and by package" snapshot customers --side fno --from package --json
same "have one digest" "$sum" "$(json '$.data.digest')"

# --- incremental parity ---
calls() { counter http.dataverse; }
run 0 "parity, whole" parity customers --json
sum=$(json '$.data.maps[0].dataverse_digest')
run 0 "parity by changes" parity customers --incremental --json
same "the same rows, the same digest" "$sum" "$(json '$.data.maps[0].dataverse_digest')"
has "is read by its changes" "by changes: 0 changed, 0 gone" "$W/err"
drift C-0000009 name "Changed"
drift C-0000010 customertypecode 5
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000011"},"delete":true}' >/dev/null
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"NEW-I"},"values":{"name":"New","customertypecode":"3","msdyn_customergroupid":"10","transactioncurrencyid":"USD","msdyn_billingaccount":"C-0000002"}}' >/dev/null
cursor=$(sqlite3 .dmfsync/maps/customers/state.db "select side || company || value || moved_at from cursor order by 1")
run 9 "parity by changes sees them" parity customers --incremental --json
cp "$W/out" "$W/incremental.json"
has "a change, one that left the filter, a new row; one gone" "by changes: 3 changed, 1 gone, 1 outside" "$W/err"
same "the feeds' positions are where they were" "$cursor" "$(sqlite3 .dmfsync/maps/customers/state.db "select side || company || value || moved_at from cursor order by 1")"
run 9 "parity, whole, says the same" parity customers --json
for v in dataverse_digest differ only_fno only_dataverse equal keys dataverse_rows; do
    same "by both ways: $v" "$(map_json $v)" "$(jsql "select json_extract(value, '\$.$v') from json_each(j, '\$.data.maps')" "$W/incremental.json")"
done
DMFSYNC_PARITY_FULL_EVERY=0s "$DMFSYNC_BIN" parity customers --incremental >"$W/out" 2>"$W/err"
has "whole again after full_every" "read whole: full_every has passed" "$W/err"
DMFSYNC_MAP_CUSTOMERS_COMPANIES=usmf "$DMFSYNC_BIN" parity customers --incremental >"$W/out" 2>"$W/err"
has "whole under other settings" "read whole: the map or its settings changed" "$W/err"
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"NEW-I"},"delete":true}' >/dev/null
run 9 "repair" repair customers --execute
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000010"},"values":{"customertypecode":"3"}}' >/dev/null
run 0 "parity" parity customers

# --- waive: what is refused ---
run 2 "waive without a reason" waive customers 'usmf|C-0000002' --until 2099-12-31
has "says so" "needs its --reason" "$W/err"
run 2 "waive without a last day" waive customers 'usmf|C-0000002' --reason "agreed"
has "says so" "needs its last day" "$W/err"
run 2 "waive until yesterday" waive customers 'usmf|C-0000002' --reason "agreed" --until 2020-01-01
run 2 "waive until no day" waive customers 'usmf|C-0000002' --reason "agreed" --until 2027-02-30
run 2 "waive half a key" waive customers 'usmf' --reason "agreed" --until 2099-12-31
run 2 "waive a field that is none" waive customers 'usmf|C-0000002' --field NOSUCH --reason "agreed" --until 2099-12-31
run 2 "waive a key field" waive customers 'usmf|C-0000002' --field CUSTOMERACCOUNT --reason "agreed" --until 2099-12-31
run 2 "waive by a filter that is none" waive customers --filter "NOSUCH == 'x'" --reason "agreed" --until 2099-12-31
run 2 "waive a key and a filter" waive customers 'usmf|C-0000002' --filter "CUSTOMERACCOUNT == 'x'" --reason r --until 2099-12-31
result "nothing was written" $([ ! -e waivers.csv ]; echo $?)

# --- waive: what it covers ---
drift C-0000002 name "Another name"
drift C-0000003 telephone1 "+1 555 0103"
run 9 "two rows differ" parity customers --json
same "two" 2 "$(map_json differ)"
run 0 "waive a field" waive customers 'USMF|c-0000002' --field ORGANIZATIONNAME --reason "Named by sales, ticket 12" --until 2099-12-31 --by "J. Meyer"
run 9 "one is waived" parity customers --json
same "one differs" 1 "$(map_json differ)"
same "one is waived" 1 "$(map_json waived)"
same "with its reason" "Named by sales, ticket 12" "$(jsql "select json_extract(value, '\$.waivers[0].reason') from json_each(j, '\$.data.maps')")"
same "by whom" "J. Meyer" "$(jsql "select json_extract(value, '\$.waivers[0].by') from json_each(j, '\$.data.maps')")"
run 9 "diff shows it" diff customers --stored
has "by its sign" "x usmf|C-0000002" "$W/out"
has "and why" "Named by sales, ticket 12" "$W/out"
drift C-0000002 telephone1 "+1 555 0199"
run 9 "another field of the record differs" parity customers --json
same "that is not waived" 2 "$(map_json differ)"
run 0 "waive by filter" waive customers --filter "CUSTOMERACCOUNT like 'C-000000*'" --field PRIMARYCONTACTPHONE --reason "Phones come later" --until 2099-12-31
run 0 "all is waived" parity customers --json
same "both rows" 2 "$(map_json waived)"
same "it is parity" parity "$(map_json verdict)"
run 0 "waive list" waive list --json
same "two waivers" 2 "$(json '$.data.waivers' >/dev/null; jsql "select count(*) from json_each(j, '\$.data.waivers')")"
same "the filter covers two rows" 2 "$(jsql "select json_extract(value, '\$.keys') from json_each(j, '\$.data.waivers') where json_extract(value, '\$.filter') is not null")"
same "the file is sorted, one line each" "map,key,filter,field,until,reason,by" "$(head -1 waivers.csv)"
same "and short" 3 "$(wc -l <waivers.csv | tr -d ' ')"
cp waivers.csv "$W/before.csv"
run 0 "waive again" waive customers 'usmf|C-0000002' --field ORGANIZATIONNAME --reason "Named by sales, ticket 12" --until 2099-12-31 --by "J. Meyer"
result "changes no octet" $(cmp -s waivers.csv "$W/before.csv"; echo $?)

# --- the forms of a delta ---
cp waivers.csv "$W/waivers.keep" && rm waivers.csv
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000005"},"values":{"name":"<script>alert(1)</script> & \"x\", a;b"}}' >/dev/null
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000006"},"values":{"customertypecode":5}}' >/dev/null
run 9 "signs" diff customers --recheck 100
has "a row that left the filter is named so" "+ usmf|C-0000006  (Dataverse has the row outside of the map's filter: it left it)" "$W/out"
run 9 "JSON lines" diff customers --stored --format jsonl
same "a line per key" 4 "$(wc -l <"$W/out" | tr -d ' ')"
same "each is JSON, with its class" 3 "$(sqlite3 :memory: "create table l(t); .mode ascii" ".separator \x01 \n" ".import $W/out l" "select count(*) from l where t ->> '$.class' = 'differ'" 2>/dev/null || grep -c '"class":"differ"' "$W/out")"
run 9 "CSV" diff customers --stored --format csv
has "the value as it is" '"<script>alert(1)</script> & ""x"", a;b"' "$W/out"
run 9 "HTML" diff customers --stored --format html
has "is one whole page" "</html>" "$W/out"
has "in which texts are escaped" "&lt;script&gt;alert(1)&lt;/script&gt;" "$W/out"
has_not "and run nothing" "<script" "$W/out"
has_not "and load nothing" "://" "$W/out"
run 2 "a format that is none" diff customers --format pdf
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-0000007","ORGANIZATIONNAME":"Changed after the load"}}' >/dev/null
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-0000008"},"delete":true}' >/dev/null
run 9 "against the source" diff customers --against source --format csv
has "a changed cell with its line" "Changed after the load" "$W/out"
same "a missing row" 1 "$(grep -c '^customers,missing,' "$W/out")"
run 9 "against the source, all" diff customers --against source --defaulted --format html
has "with what F&O filled in" "defaulted" "$W/out"
run 9 "and as signs" diff customers --against source
has "with a sum" "1 rows missing" "$W/out"
cp "$W/waivers.keep" waivers.csv
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000006"},"values":{"customertypecode":3}}' >/dev/null
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000008"},"delete":true}' >/dev/null
rm waivers.csv
drift C-0000005 name "$(admin GET '/fno/row?entity=Customers%20V3&company=usmf&key=C-0000005' | sed 's/.*"ORGANIZATIONNAME":"\([^"]*\)".*/\1/')"
drift C-0000007 name "Changed after the load"
cp "$W/waivers.keep" waivers.csv

# --- certificate ---
openssl genpkey -algorithm ed25519 -out "$W/key.pem" 2>/dev/null && openssl pkey -in "$W/key.pem" -pubout -out "$W/public.pem" 2>/dev/null
openssl genpkey -algorithm ed25519 -out "$W/other.pem" 2>/dev/null
openssl genpkey -algorithm rsa -out "$W/rsa.pem" 2>/dev/null
run 3 "a certificate without a key" parity customers --certificate "$W/c.json"
run 3 "a key of another kind" parity customers --certificate "$W/c.json" --key "$W/rsa.pem"
run 2 "a key without a certificate" parity customers --key "$W/key.pem"
run 0 "parity with a certificate" parity customers customer_groups --certificate "$W/c.json" --key "$W/key.pem"
same "both roots of a map at parity are equal" 1 "$(jsql "select json_extract(j, '\$.\"map customer_groups\".fno.root') = json_extract(j, '\$.\"map customer_groups\".dataverse.root')" "$W/c.json")"
same "those of one with waived rows are not" 0 "$(jsql "select json_extract(j, '\$.\"map customers\".fno.root') = json_extract(j, '\$.\"map customers\".dataverse.root')" "$W/c.json")"
has "it names the waiver's reason" "Named by sales, ticket 12" "$W/c.json"
same "it has the proof of the source" 40 "$(jsql "select json_extract(j, '\$.\"map customers\".source.rows')" "$W/c.json")"
mkdir "$W/elsewhere" && cd "$W/elsewhere"
run 0 "verify on another machine" certificate verify "$W/c.json" --json
same "two maps" 2 "$(jsql "select count(*) from json_each(j, '\$.data.maps')")"
run 0 "verify with the right key" certificate verify "$W/c.json" --key "$W/public.pem"
run 9 "verify with another key" certificate verify "$W/c.json" --key "$W/other.pem"
cd "$W/e.ws"
run 0 "verify against the workspace" certificate verify "$W/c.json" --workspace "$W/e.ws"
# changed NAME SED-EXPRESSION WHAT-IS-NAMED
changed() {
    sed "$2" "$W/c.json" >"$W/changed.json"
    cmp -s "$W/c.json" "$W/changed.json" && not_ok "$1: the test changed nothing"
    run 9 "certificate: $1" certificate verify "$W/changed.json"
    has "and it is named" "$3" "$W/err"
}
changed "a count" 's/"waived": 2/"waived": 1/' "its part 'map customers'"
changed "a reason" 's/ticket 12/ticket 13/' "its part 'map customers'"
changed "a difference" 's/"class": "waived"/"class": "equal"/' "its part 'differences customers'"
changed "the operator" 's/"operator": "/"operator": "X/' "its part 'head'"
changed "white space" 's/"format": /"format":  /' "is not written as"
changed "a digest in the list" 's/"head": "./"head": "g/' "its part 'head'"
changed "the signature" 's/"value": "\([0-9a-f]\{64\}\)[0-9a-f]/"value": "\1g/' "signature"
changed "a part more" 's/^  "sections": {/  "map extra": {},\n  "sections": {/' "was added"
changed "the algorithm" 's/Ed25519/none/' "signature"
run 3 "no certificate at all" certificate verify dmfsync.ini
run 3 "an empty object" certificate verify maps/accounts--customers-v3.json
DMFSYNC_PARITY_CERTIFICATE_KEY="$W/key.pem"
export DMFSYNC_PARITY_CERTIFICATE_KEY
run 0 "with a key set, each parity writes one" parity customers --json
run 0 "parity with its report" parity customers --report "$W/report.html"
has "which is a page" "</html>" "$W/report.html"
run 0 "with a key set again" parity customers --json
run 0 "which is good" certificate verify "$(json '$.data.certificate')"
unset DMFSYNC_PARITY_CERTIFICATE_KEY
run 0 "again" parity customers
run 4 "the snapshot of an old certificate is gone" certificate verify "$W/c.json" --workspace "$W/e.ws"

# --- waive: what ends it ---
sed -i 's/2099-12-31,"*Phones/2020-01-01,Phones/' waivers.csv
run 9 "red again after its day" parity customers --json
same "both rows" 2 "$(map_json differ)"
has "it is told" "ended on 2020-01-01" "$W/err"
run 9 "diff says that it ended" diff customers --stored
has "in the note" "which is over" "$W/out"
run 0 "waive drop --ended" waive drop customers --ended
run 0 "repair" repair customers --execute
run 0 "parity" parity customers
has "a waiver of nothing is told" "covers no difference" "$W/err"
run 1 "drop what is none" waive drop customers 'usmf|C-0000009'
run 0 "drop" waive drop customers 'usmf|C-0000002' --field ORGANIZATIONNAME
same "the file has its header only" 1 "$(wc -l <waivers.csv | tr -d ' ')"
echo "customers,usmf|C-0000002,,,2099-12-31,," >>waivers.csv
run 3 "a waiver without reason in the file" parity customers
has "is named by its line" "waivers.csv:2:" "$W/err"
echo "broken" >waivers.csv
run 3 "a file that is none" parity customers
rm waivers.csv

# --- tolerance ---
drift C-0000002 name "Another name"
DMFSYNC_MAP_CUSTOMERS_TOLERANCE=1
export DMFSYNC_MAP_CUSTOMERS_TOLERANCE
run 0 "within the tolerance" parity customers --json
same "it is parity" parity "$(map_json verdict)"
same "with one key tolerated" 1 "$(map_json tolerated)"
run 0 "close the gate" gate close customers
run 13 "it opens no gate" handoff customers --execute
has "and says why" "tolerance" "$W/err"
unset DMFSYNC_MAP_CUSTOMERS_TOLERANCE

# --- adopt ---
drift C-0000004 telephone1 "+1 555 0104"
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"ONLY-F","ORGANIZATIONNAME":"Only F","CUSTOMERGROUPID":"10","SALESCURRENCYCODE":"USD","INVOICEACCOUNT":"ONLY-F"}}' >/dev/null
rm -rf .dmfsync
job_contents "$W/before"
run 14 "adopt a pair that is there" adopt customers --json
cp "$W/out" "$W/adopt.json"
job_contents "$W/after"
result "nothing was written to either side" $(cmp -s "$W/before" "$W/after"; echo $?)
same "three wait" 3 "$(map_json conflicts)"
same "the others are adopted" "$(($(map_json keys) - 3))" "$(map_json adopted)"
run 14 "conflicts list" conflicts list customers --json
run 0 "parity: they wait" parity customers --json
same "three keys" 3 "$(map_json waiting)"
same "no drift" 0 "$(map_json differ)"
run 14 "adopt again" adopt customers --json
same "finds the same three" 3 "$(map_json conflicts)"
same "and no conflict twice" 3 "$("$DMFSYNC_BIN" sql customers "select count(*) from pending where state = 'conflict'" | tail -1)"
run 0 "handoff" handoff customers --execute
same "what waits has no base" 3 "$("$DMFSYNC_BIN" sql customers "select count(*) from base_overlay where row is null" | tail -1)"
run 13 "adopt under an open gate" adopt customers
run 0 "a person decides: F&O's name" conflicts resolve customers 'usmf|C-0000002' --take fno
run 0 "Dataverse's phone" conflicts resolve customers 'usmf|C-0000004' --take dataverse
run 0 "and the record that only F&O has" conflicts resolve customers 'usmf|ONLY-F' --take fno
run 0 "sync obeys" sync customers --once
run 0 "parity after that" parity customers --json
same "nothing waits" 0 "$(map_json waiting)"
same "all is equal" "$(map_json keys)" "$(map_json equal)"
same "F&O has Dataverse's phone" 1 "$(dump fno | grep -c 'C-0000004|.*+1 555 0104')"
same "Dataverse has the record that F&O had" 1 "$(dump dataverse | grep -c 'account|USMF|ONLY-F|')"
finish

#!/bin/sh
# diff_truth.sh -- edits planted on both sides of a running pair, by a seed: what diff finds must be what was planted, key by key, class by
# class, field by field, with those who left a filter by name; then rows that change while they are compared.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=${DMFSYNC_SOAK:+400}
JOB_CUSTOMERS=${JOB_CUSTOMERS:-60}
dv() { # COMPANY KEY VALUES
    printf '{"table":"account","company":"%s","key":{"accountnumber":"%s"},%s}\n' "$(echo "$1" | tr a-z A-Z)" "$2" "$3" >"$W/body"
    admin POST /dataverse/rows "$(cat "$W/body")" >"$W/answer" || not_ok "plant in Dataverse" "$(cat "$W/body" "$W/answer")"
}
fno() { # COMPANY KEY VALUES
    printf '{"entity":"Customers V3","company":"%s","values":{"CUSTOMERACCOUNT":"%s"%s}%s}\n' "$1" "$2" "$3" "${4:-}" >"$W/body"
    admin POST /fno/rows "$(cat "$W/body")" >"$W/answer" || not_ok "plant in F&O" "$(cat "$W/body" "$W/answer")"
}
truth() { echo "$1 $2 $3 $4" >>"$W/truth"; } # CLASS KEY FIELDS LEFT
# plant COMPANY KEY DRAW: one edit (or none, or one that is no difference); $was_* are F&O's values of the record
plant() {
    co=$1 key=$2
    case $3 in
    1) dv "$co" "$key" '"values":{"name":"Planted, \"quoted\" & <b>"}'; truth differ "$co|$key" ORGANIZATIONNAME - ;;
    2) dv "$co" "$key" '"values":{"creditlimit":987654321.01}'; truth differ "$co|$key" CREDITLIMIT - ;;
    3) dv "$co" "$key" '"values":{"msdyn_paymenttermsbasedays":77}'; truth differ "$co|$key" PAYMENTTERMSBASEDAYS - ;;
    4) fno "$co" "$key" ',"ONHOLDSTATUS":"Never"'; dv "$co" "$key" '"values":{"msdyn_onholdstatus":806380001}'; truth differ "$co|$key" ONHOLDSTATUS - ;;
    5) fno "$co" "$key" ',"ISONETIMECUSTOMER":"Yes"'; dv "$co" "$key" '"values":{"msdyn_onetimecustomer":false}'; truth differ "$co|$key" ISONETIMECUSTOMER - ;;
    6) fno "$co" "$key" ',"CUSTOMERGROUPID":"10"'; dv "$co" "$key" '"values":{"msdyn_customergroupid":"20"}'; truth differ "$co|$key" CUSTOMERGROUPID - ;;
    7) fno "$co" "$key" ',"SALESMEMO":"two\nlines","CREDITRATING":"A1"'; dv "$co" "$key" '"values":{"description":"two\nlines more","msdyn_creditrating":"a1"}'
        truth differ "$co|$key" CREDITRATING,SALESMEMO - ;;
    8) # others may point at it; then F&O keeps it
        if admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"$co\",\"values\":{\"CUSTOMERACCOUNT\":\"$key\"},\"delete\":true}" >"$W/answer" 2>/dev/null; then
            truth only_dataverse "$co|$key" "" -
        fi ;;
    9) # deleting one that others point at would empty their lookup: that is another difference, and a real one
        if ! grep -q "^account|.*msdyn_billingaccount=$key@$(echo "$co" | tr a-z A-Z)|" "$W/dv0"; then
            dv "$co" "$key" '"delete":true'
            truth only_fno "$co|$key" "" -
        fi ;;
    10) dv "$co" "$key" '"values":{"customertypecode":5}'; truth only_fno "$co|$key" "" left ;;
    11) fno "$co" "$key" ',"PARTYTYPE":"Person"'; truth only_dataverse "$co|$key" "" left ;;
    12) fno "$co" "NEW-$key" ',"ORGANIZATIONNAME":"New","CUSTOMERGROUPID":"10","SALESCURRENCYCODE":"USD"'; truth only_fno "$co|NEW-$key" "" - ;;
    13) dv "$co" "BORN-$key" '"values":{"name":"Born","customertypecode":"3","msdyn_customergroupid":"10","transactioncurrencyid":"USD"}'; truth only_dataverse "$co|BORN-$key" "" - ;;
    # no differences: the same edit on both sides, in each one's words; blanks, zeros, empty and null
    14) fno "$co" "$key" ',"ORGANIZATIONNAME":"Both  ","CREDITLIMIT":1.5,"ONHOLDSTATUS":"All","CREDITLIMITISMANDATORY":"Yes"'
        dv "$co" "$key" '"values":{"name":"Both","creditlimit":1.50,"msdyn_onholdstatus":806380002,"msdyn_creditlimitismandatory":true}' ;;
    15) fno "$co" "$key" ',"SALESMEMO":"","CREDITLIMIT":0,"PAYMENTTERMSBASEDAYS":0'
        dv "$co" "$key" '"values":{"description":null,"creditlimit":null,"msdyn_paymenttermsbasedays":null}' ;;
    esac
}
one_seed() {
    JOB_SEED=$1 job_start "$W/e$1" --knob dv_limit_requests=0 --knob dv_limit_execution_ms=0
    cd "$W/e$1.ws" || exit 1
    run 10 "seed $1: migrate" migrate --execute
    : >"$W/truth"
    dump dataverse >"$W/dv0"
    dump fno | sed -n 's/^Customers V3|\([^|]*\)|\([^|]*\)|.*/\1 \2/p' | tr A-Z a-z | sed 's/ c-/ C-/' | awk -v s="$1" 'BEGIN { srand(s) } { print $1, $2, int(rand() * 24) }' >"$W/plan"
    while read -r co key draw; do plant "$co" "$key" "$draw"; done <"$W/plan"
    run 9 "seed $1: diff" diff customers --format jsonl --recheck 1000
    sqlite3 :memory: "create table l(t); insert into l select value from json_each('[' || replace(rtrim(cast(readfile('$W/out') as text), char(10)), char(10), ',') || ']');
        select (t ->> 'class') || ' ' || (t ->> 'key') || ' ' || coalesce((select group_concat(f, ',') from (select value ->> 'field' as f from json_each(t, '\$.fields') order by 1)), '') || ' ' ||
        case when t ->> 'note' like '%left it' then 'left' else '-' end from l" | sort >"$W/found"
    sort "$W/truth" >"$W/want"
    if cmp -s "$W/found" "$W/want"; then ok "seed $1: the $(wc -l <"$W/want") planted differences, and no other"; else
        not_ok "seed $1: the delta is the planted truth" "$(diff "$W/want" "$W/found" | head -20)"; fi
    result "seed $1: there were some" $([ "$(wc -l <"$W/want")" -ge 10 ]; echo $?)
}
for seed in 1 2 ${DMFSYNC_SOAK:+3 4 5 6 7 8 9 10 11 12}; do
    one_seed "$seed"
    [ "$seed" = 1 ] && { stop_emulator; cd "$W" || exit 1; }
done

# --- while it is compared: Dataverse's read is held up behind F&O's, and users go on ---
run 9 "repair" repair customers --execute
key_a=$(awk '$3 > 15 { print $2; exit }' "$W/plan") co_a=$(awk '$3 > 15 { print $1; exit }' "$W/plan")
key_b=$(awk '$3 > 15 { n++ } n == 2 { print $2; exit }' "$W/plan") co_b=$(awk '$3 > 15 { n++ } n == 2 { print $1; exit }' "$W/plan")
key_c=$(awk '$3 > 15 { n++ } n == 3 { print $2; exit }' "$W/plan") co_c=$(awk '$3 > 15 { n++ } n == 3 { print $1; exit }' "$W/plan")
dv "$co_a" "$key_a" '"values":{"name":"Drift before"}'
dv "$co_c" "$key_c" '"values":{"name":"Drift that stays"}'
admin POST /faults 'on dataverse GET */accounts nth 1 do delay 3000' >/dev/null || not_ok "a fault"
fired=$(counter faults.fired)
"$DMFSYNC_BIN" parity customers --json >"$W/parity.json" 2>"$W/parity.err" &
parity=$!
i=0
while [ "$(counter faults.fired)" = "$fired" ] && [ $i -lt 100 ]; do i=$((i + 1)); sleep 0.1; done
fno "$co_a" "$key_a" ',"ORGANIZATIONNAME":"Edited while compared"'
fno "$co_b" "$key_b" ',"ORGANIZATIONNAME":"Edited on both sides"'
dv "$co_b" "$key_b" '"values":{"name":"Edited on both sides"}'
wait $parity
admin POST /faults '' >/dev/null
cp "$W/parity.json" "$W/out"
one() { jsql "select json_extract(value, '\$.$1') from json_each(j, '\$.data.maps')"; }
dmfsync sql customers "select class || ' ' || key from delta where key in ('$co_a|$key_a', '$co_b|$key_b', '$co_c|$key_c') order by 1"
has "changed since the snapshot began: in flight" "in_flight $co_a|$key_a" "$W/out"
has_not "edited alike on both sides: no difference" "$key_b" "$W/out"
has "and drift is drift" "differ $co_c|$key_c" "$W/out"
cp "$W/parity.json" "$W/out"
same "one is in flight" 1 "$(one in_flight)"
same "the classes add up" "$(one keys)" "$(($(one equal) + $(one differ) + $(one only_fno) + $(one only_dataverse) + $(one waiting) + $(one waived) + $(one in_flight) + $(one errors)))"
finish

#!/bin/sh
# diff and parity over two side files: the delta is the planted truth exactly, whatever the files' order and spelling; both ways
# (straight, and through published snapshots) and a plain SQL full join agree; what cannot be read is told and changes nothing.
. "$(dirname "$0")/lib.sh"
GEN_SIDES=${GEN_SIDES:-$DMFSYNC_ROOT/build/release/gen_sides}
cd "$W" || exit 1
workspace() { # DIR
    mkdir -p "$1/.dmfsync"
    cp "$DMFSYNC_ROOT/tests/data/sides/map.json" "$DMFSYNC_ROOT/tests/data/sides/dmfsync.ini" "$1/"
    cp "$DMFSYNC_ROOT/tests/data/sides/metadata.json" "$1/.dmfsync/"
}
# The delta of a workspace as the generator tells the truth.
delta() {
    sqlite3 -csv "$1/.dmfsync/maps/customers/state.db" "select d.class, d.key, coalesce(f.field, '') from delta d
        left join delta_field f using(key_digest)" | tr -d '\r"' | sort
}
workspace ws
files="--fno-from csv:../fno.csv --dataverse-from csv:../dataverse.csv"
for n in 1000 100000; do
    "$GEN_SIDES" truth "$n" | sort >truth
    for how in "" --harmless; do
        "$GEN_SIDES" fno "$n" >fno.csv
        # shellcheck disable=SC2086
        "$GEN_SIDES" $how --sorted dataverse "$n" >dataverse.csv
        # shellcheck disable=SC2086
        run 9 "$n rows $how: there are differences" --dir ws --json parity customers $files
        delta ws >got
        if cmp -s truth got; then ok "$n rows $how: the delta is the planted truth"; else
            not_ok "$n rows $how: the delta is the planted truth" "$(diff truth got | head -10)"; fi
        sums="$(json '$.data.maps[0].fno_digest') $(json '$.data.maps[0].dataverse_digest') $(json '$.data.maps[0].equal')"
        [ -z "$how" ] && plain=$sums
        same "$n rows $how: one digest for one content" "$plain" "$sums"
        # shellcheck disable=SC2086
        dmfsync --dir ws --json --jobs 3 parity customers $files --keep
        delta ws >got
        if cmp -s truth got; then ok "$n rows $how: through snapshots, too"; else
            not_ok "$n rows $how: through snapshots, too" "$(diff truth got | head -10)"; fi
        same "$n rows $how: and its digests" "$sums" \
            "$(json '$.data.maps[0].fno_digest') $(json '$.data.maps[0].dataverse_digest') $(json '$.data.maps[0].equal')"
        [ -n "$how" ] && continue
        # The oracle: both files as tables of text, joined row by row.
        sqlite3 :memory: ".mode csv" ".import fno.csv a" ".import dataverse.csv b" \
            'create index ai on a(CUSTOMERACCOUNT, DATAAREAID)' \
            'create index bi on b(accountnumber, "msdyn_company.cdm_companycode")' "select case when b.accountnumber is null
            then 'only_fno' when a.CUSTOMERACCOUNT is null then 'only_dataverse' else 'differ' end as class,
            coalesce(a.DATAAREAID, b.\"msdyn_company.cdm_companycode\") || '|' || coalesce(a.CUSTOMERACCOUNT, b.accountnumber)
            from a full join b on a.CUSTOMERACCOUNT = b.accountnumber and a.DATAAREAID = b.\"msdyn_company.cdm_companycode\"
            where b.accountnumber is null or a.CUSTOMERACCOUNT is null or a.ORGANIZATIONNAME <> b.name or a.NAMEALIAS <> b.msdyn_alias
            or a.CUSTOMERGROUPID <> b.\"msdyn_customergroupid.msdyn_groupid\" or a.SALESCURRENCYCODE <>
            b.\"transactioncurrencyid.isocurrencycode\" or a.CREDITLIMIT <> b.creditlimit or a.PARTYTYPE <> b.msdyn_partytype or
            a.ISSALESTAXEXEMPT <> b.msdyn_exempt or a.ONHOLDSTATUS <> b.msdyn_hold or a.ADDRESSSTREET <> b.address1_line1 or
            a.ADDRESSCITY <> b.address1_city or a.ADDRESSZIPCODE <> b.address1_postalcode or a.ADDRESSCOUNTRYREGIONID <>
            b.address1_country or a.PRIMARYCONTACTEMAIL <> b.emailaddress1 or a.PRIMARYCONTACTPHONE <> b.telephone1 or a.PAYMENTTERMS
            <> b.\"msdyn_paymentterm.msdyn_name\" or a.INVOICEACCOUNT <> b.\"msdyn_billingaccount.accountnumber\" or a.CREATEDDATETIME
            <> b.msdyn_created or a.LASTINVOICEDATE <> b.msdyn_lastinvoice or a.BALANCE <> b.msdyn_balance or a.NOTE <>
            b.description" | tr -d '\r"' | sort >joined
        delta ws | cut -d, -f1,2 | sort -u >got
        if cmp -s joined got; then ok "$n rows: a full join in plain SQL finds the same"; else
            not_ok "$n rows: a full join in plain SQL finds the same" "$(diff joined got | head -10)"; fi
    done
done

"$GEN_SIDES" fno 1000 >fno.csv
head -n 1 fno.csv >head.csv
sed '1s/.*/accountnumber,msdyn_company.cdm_companycode,name,msdyn_alias,msdyn_customergroupid.msdyn_groupid,transactioncurrencyid.isocurrencycode,creditlimit,msdyn_partytype,msdyn_exempt,msdyn_hold,address1_line1,address1_city,address1_postalcode,address1_country,emailaddress1,telephone1,msdyn_paymentterm.msdyn_name,msdyn_billingaccount.accountnumber,msdyn_created,msdyn_lastinvoice,msdyn_balance,description/' fno.csv >dataverse.csv
# shellcheck disable=SC2086
run 0 "equal sides are at parity" --dir ws --json parity customers $files
same "and so it says" parity "$(json '$.data.maps[0].verdict')"
zstd -q -f dataverse.csv
run 0 "a compressed file" --dir ws parity customers --fno-from csv:../fno.csv --dataverse-from csv:../dataverse.csv.zst
run 0 "the snapshots that this left" --dir ws parity customers --fno-from stored --dataverse-from stored

# Twins, a row of another shape, a value that is none, a cut file.
{ cat dataverse.csv; sed -n 5p dataverse.csv; } >twins.csv
run 9 "a second row of a key is an error" --dir ws --json parity customers --fno-from csv:../fno.csv --dataverse-from csv:../twins.csv
same "one of them" 1 "$(json '$.data.maps[0].errors')"
same "and not a difference" 0 "$(json '$.data.maps[0].differ')"
cp ws/.dmfsync/maps/customers/state.db before.db
{ cat dataverse.csv; echo 'a,b'; } >short.csv
run 3 "a row with too few fields" --dir ws parity customers --fno-from csv:../fno.csv --dataverse-from csv:../short.csv
has "its line is told" "short.csv:" "$W/err"
{ cat dataverse.csv; printf 'C-1,usmf,"never closed\r\n'; } >open.csv
run 3 "a quote that is not closed" --dir ws parity customers --fno-from csv:../fno.csv --dataverse-from csv:../open.csv
run 3 "snapshot of it, too" --dir ws snapshot customers --side dataverse --from csv ../open.csv
run 0 "what was published before is still whole" --dir ws parity customers --fno-from stored --dataverse-from stored
cut -d, -f1-3 head.csv >few.csv
run 3 "columns that the map compares must be there" --dir ws parity customers --fno-from csv:../few.csv --dataverse-from csv:../dataverse.csv
has "all of them are told" "CUSTOMERGROUPID, SALESCURRENCYCODE" "$W/err"
run 2 "one side alone" --dir ws parity customers --fno-from csv:../fno.csv
run 2 "a source that is none" --dir ws diff customers --fno-from xml:../fno.csv --dataverse-from stored
{ cat dataverse.csv; printf '\x43-9,usmf,tab\x01,,10,EUR,1,Person,No,No,,,,,,,Net10,,2020-01-01T00:00:00Z,2020-01-01,1.00,\r\n'; } >odd.csv
run 9 "a row that is not plain is read with care" --dir ws --json parity customers --fno-from csv:../fno.csv --dataverse-from csv:../odd.csv
same "and is one row more" 1 "$(json '$.data.maps[0].only_dataverse')"
finish

#!/bin/sh
# xml_load.sh -- text that CSV cannot carry: in both XML formats every row lands in F&O as it is; in CSV such rows are refused before
# anything is sent, doubled where the settings say so, or move the map to XML. The emulator reads manifests strictly.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=20

add_row() { # ACCOUNT NAME MEMO: to the end of customers.csv
    printf 'usmf,%s,"%s",Organization,10,USD,,No,,"%s",,,No,No,,,,,,,,,,,\n' "$1" "$2" "$3" >>sources/customers.csv
}
nasty() {
    add_row N-01 'He said ""no""' 'a;b,c|d'
    add_row N-02 "It's, & <b>not</b> ]]> &amp;" 'tab	in it'
    add_row N-03 '  leading blanks' "$(printf 'one\ntwo\n\nfour')"
    add_row N-04 "$(printf '\360\237\232\200 rocket \360\240\200\213')" "$(printf 'one\r\ntwo')"
    add_row N-05 'trailing blanks  ' "$(printf '"",""\n')"
    add_row N-06 "$(printf 'e\314\201 and \303\251')" 'x'
}
# The same as F&O has them: line ends LF, no trailing blanks, Unicode form C
expect() {
    cat <<'X'
N-01|He said "no"|a;b,c|d
N-02|It's, & <b>not</b> ]]> &amp;|tab	in it
N-03|  leading blanks|one/two//four
N-04|🚀 rocket 𠀋|one/two
N-05|trailing blanks|","
N-06|é and é|x
X
}
values() { # ACCOUNT|NAME|MEMO of the rows N-*, a line end as /
    for n in 01 02 03 04 05 06; do
        admin GET "/fno/row?entity=Customers%20V3&company=usmf&key=N-$n" >"$W/row.json" 2>/dev/null || continue
        jsql "json_extract(j, '\$.CUSTOMERACCOUNT') || '|' || json_extract(j, '\$.ORGANIZATIONNAME') || '|' || replace(coalesce(json_extract(j, '\$.SALESMEMO'), ''), char(10), '/')" "$W/row.json"
    done
}
expect >"$W/want"
for format in XML-Element XML-Attribute; do
    job_start "$W/$format"
    cd "$W/$format.ws" || exit 1
    nasty
    DMFSYNC_LOAD_DATA_FORMAT=$format dmfsync load --execute
    same "$format: the load" 10 "$STATUS"
    values >"$W/got"
    same "$format: every row is in F&O as it is" "" "$(diff "$W/want" "$W/got")"
    DMFSYNC_LOAD_DATA_FORMAT=$format dmfsync migrate --execute --map-state stopped
    same "$format: and the whole job ends as it should" 10 "$STATUS"
    stop_emulator
done

job_start "$W/csv"
cd "$W/csv.ws" || exit 1
nasty
dmfsync load --execute
values >"$W/got"
same "CSV: rows with quotes or line ends stay behind, the others land" "N-02 N-06" "$(cut -d'|' -f1 "$W/got" | tr '\n' ' ' | sed 's/ $//')"
dmfsync errors customers --format csv
same "CSV: each is named, with its field" 4 "$(grep -c 'N-0[1345].*\(ORGANIZATIONNAME\|SALESMEMO\)' "$W/out")"
stop_emulator

job_start "$W/moved"
cd "$W/moved.ws" || exit 1
nasty
DMFSYNC_LOAD_UNFIT=xml dmfsync load --execute
same "unfit = xml: the load" 10 "$STATUS"
has "unfit = xml: said so" "packages in XML-Element" "$W/err"
values >"$W/got"
same "unfit = xml: every row is in F&O as it is" "" "$(diff "$W/want" "$W/got")"
stop_emulator

grep -n doubled "$DMFSYNC_ROOT/docs/emulator.md" >"$W/knob"
knob=$(sed -n 's/.*`\(fno_[a-z_]*doubled[a-z_]*\)`.*/\1/p; s/.*`\(fno_[a-z_]*quotes[a-z_]*\)`.*/\1/p' "$W/knob" | head -1)
job_start "$W/doubled" --knob "${knob:-fno_csv_doubled_quotes}=1"
cd "$W/doubled.ws" || exit 1
nasty
DMFSYNC_LOAD_CSV_QUOTES=doubled dmfsync load --execute
same "csv_quotes = doubled: the load" 10 "$STATUS"
values >"$W/got"
same "csv_quotes = doubled: every row is in F&O as it is" "" "$(diff "$W/want" "$W/got")"
finish

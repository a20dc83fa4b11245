#!/bin/sh
# lint: one row per defect, each found under its rule and place; the reject file goes round; good rows stay good.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
job_start "$W/t"
ws=$W/t.ws
rule() { jsql "select coalesce(sum(json_extract(r.value, '\$.rows')), 0) from json_each(j, '\$.data.maps') m, json_each(m.value, '\$.rules') r where json_extract(m.value, '\$.map') = 'customers' and json_extract(r.value, '\$.rule') = '$1' and json_extract(r.value, '\$.field') like '${2:-%}'"; }
sample() { jsql "select group_concat(v, ' ') from (select s.value as v from json_each(j, '\$.data.maps') m, json_each(m.value, '\$.rules') r, json_each(r.value, '\$.samples') s where json_extract(m.value, '\$.map') = 'customers' and json_extract(r.value, '\$.rule') = '$1')"; }
rules() { jsql "select group_concat(v, ' ') from (select distinct json_extract(r.value, '\$.rule') as v from json_each(j, '\$.data.maps') m, json_each(m.value, '\$.rules') r order by 1)"; }

# ---- the demo's bad rows, as the generator wrote them down ----
run 10 "lint finds the demo's bad rows" --dir "$ws" --json lint
# Two texts are too long for F&O only, which its metadata does not tell.
same "all but the two texts that only F&O knows to be too long" 30 "$(json '$.data.maps[7].rejected')"
while IFS="$(printf '\t')" read -r line kind field; do
    case $kind in
        missing_company) r=company ;; unknown_enum) r=enum ;; unresolvable_lookup) r=orphan ;; duplicate_key) r=duplicate ;;
        bad_date) r=date ;; bad_decimal) r=decimal ;; stray_quote|nul_byte) r=csv ;; *) continue ;;
    esac
    grep -q "sources/customers.csv,$line,$r," "$ws"/.dmfsync/rejects/customers-*.csv || not_ok "line $line ($kind $field) is in the reject file under $r"
done <"$ws/sources/bad_rows.txt"
ok "the reject file names line and rule of each"
same "a value is counted" "Frozen|2" "$(jsql "select json_extract(v.value, '\$.value') || '|' || json_extract(v.value, '\$.rows') from json_each(j, '\$.data.maps') m, json_each(m.value, '\$.rules') r, json_each(r.value, '\$.values') v where json_extract(r.value, '\$.field') = 'ONHOLDSTATUS'")"
same "nothing was sent" "null" "$(counter fno.import.calls)"
rm -f "$ws"/.dmfsync/rejects/*

# ---- one row per defect ----
head -1 "$ws/sources/customers.csv" >"$W/header"
row() { # ACCOUNT NAME CREDIT MEMO INVOICEACCOUNT DATE [COMPANY] [GROUP] [CURRENCY]
    printf '%s,%s,%s,Organization,%s,%s,%s,No,,%s,,%s,No,No,USA,WA,,,,,,,,,%s\r\n' "${7-usmf}" "$1" "$2" "${8-20}" "${9-USD}" "$3" "$4" "$5" "$6"
}
defects() {
    cat "$W/header"
    row GOOD-1 "Plain" 1.00 "" "" "1/1/2020 0:00"
    row DATE-OLD "Too old" 1 "" "" "12/31/1899 0:00"
    row DATE-NEW "Too far" 1 "" "" "1/1/2155 0:00"
    row DATE-MAX "At the end" 1 "" "" "12/31/2154 0:00"
    row BIG-1 "Big number" 12345678901234567.00 "" "" ""
    row MONEY-1 "Beyond money" 1000000000000000.00 "" "" ""
    row PREC-1 "Many decimals" 1.123456789 "" "" ""
    row PREC-2 "Too many decimals" 1.12345678901234567 "" "" ""
    row CTRL-1 "$(printf 'Bell\007')" 1 "" "" ""
    row EMOJI-1 "$(printf 'Smile \360\237\230\200')" 1 "" "" ""
    row ZERO-1 "$(printf 'Zero\342\200\213width')" 1 "" "" ""
    row BLANK-1 " Leading" 1 "" "" ""
    row BLANK-2 '"Trailing "' 1 "" "" ""
    row FORM-1 "=HYPERLINK(1)" 1 "" "" ""
    row PHONE-1 "+1 is no formula" 1 "" "" ""
    row QUOTE-1 '"Pipes 12"" long"' 1 "" "" ""
    row BREAK-1 "$(printf '"Two\nlines"')" 1 "" "" ""
    row LONG-1 "$(printf 'x%.0s' $(seq 1 161))" 1 "" "" ""
    row LONG-0 "$(printf 'x%.0s' $(seq 1 160))" 1 "" "" ""
    row "" "No key" 1 "" "" ""
    row DUP-1 "First" 1 "" "" ""
    row DUP-1 "Second" 1 "" "" ""
    row dup-1 "Third in other case" 1 "" "" ""
    row "M$(printf '\303\274')LLER" "With a mark" 1 "" "" ""
    row MULLER "Without" 1 "" "" ""
    row DUP-1 "Of another company" 1 "" "" "" gbmf 20 GBP
    row ORPH-1 "No such group" 1 "" "" "" usmf NOWHERE
    row ORPH-2 "No such invoice account" 1 "" C-NONE ""
    row SELF-1 "Its own invoice account" 1 "" GOOD-1 ""
    row SELF-2 "In other case" 1 "" good-1 ""
    row COMP-1 "Blank company" 1 "" "" "" ""
    row COMP-2 "No such company" 1 "" "" "" zzzz
    row COMP-3 "A company out of scope" 1 "" "" "" dat
}
defects >"$ws/sources/customers.csv"
run 10 "one row per defect" --dir "$ws" --json lint --samples 20 customers
same "the rules" "blanks company control date_range decimal_range duplicate format formula invisible key key_collation length non_bmp orphan precision range" "$(rules)"
for want in "date_range|2" "decimal_range|1" "control|1" "non_bmp|1" "invisible|1" "blanks|2" "formula|1" "format|2" "length|1" "key|1" \
    "duplicate|1" "key_collation|2" "orphan|2" "company|2" "precision|2"; do
    same "rows of ${want%%|*}" "${want#*|}" "$(rule "${want%%|*}")"
done
same "the row of another company is counted apart" 1 "$(json '$.data.maps[0].other_companies')"
for pair in "date_range:DATE-OLD" "date_range:DATE-NEW" "decimal_range:BIG-1" "control:CTRL-1" "non_bmp:EMOJI-1" "invisible:ZERO-1" "blanks:BLANK-2" \
    "formula:FORM-1" "format:QUOTE-1" "format:BREAK-1" "length:LONG-1" "orphan:ORPH-1" "orphan:ORPH-2" "company:COMP-2" "precision:PREC-1" "key_collation:dup-1" "key_collation:MULLER"; do
    case $(sample "${pair%%:*}") in *"|${pair#*:})"*) ok "${pair%%:*} names ${pair#*:}" ;; *) not_ok "${pair%%:*} names ${pair#*:}" "$(sample "${pair%%:*}")" ;; esac
done
case $(sample key_collation) in *"only in accents"*"only in case"* | *"only in case"*"only in accents"*) ok "case and accents are told apart" ;; *) not_ok "case and accents are told apart" "$(sample key_collation)" ;; esac
for good in GOOD-1 DATE-MAX LONG-0 PHONE-1 SELF-1 SELF-2; do
    grep -q "$good" "$ws"/.dmfsync/rejects/customers-*.csv && not_ok "$good is no reject"
done
ok "good rows at the edges stay good"
same "every rule says what to do" 0 "$(jsql "select count(*) from json_each(j, '\$.data.maps') m, json_each(m.value, '\$.rules') r where coalesce(json_extract(r.value, '\$.todo'), '') = ''")"
DMFSYNC_LOAD_CSV_QUOTES=doubled dmfsync --dir "$ws" --json lint customers
same "with doubled quotes the two travel" 0 "$(rule format)"
same "and the hazard is told" 1 "$(rule doubled_quote)"
DMFSYNC_LOAD_DATA_FORMAT=XML-Element dmfsync --dir "$ws" --json lint customers
same "XML carries them without a word" "0|0" "$(rule format)|$(rule doubled_quote)"

# ---- what the format of the packages carries ----
{ cat "$W/header"; row FMT-1 'A ""B"" C' 1 "" "" ""; row FMT-2 "semi;colon" 1 "" "" ""; } | sed 's/A ""B"" C/"&"/; s/""A/"A/; s/C""/C"/' >"$ws/sources/customers.csv"
run 10 "quotes do not fit into CSV-Unicode" --dir "$ws" --json lint customers
same "one row" "1|error" "$(rule format)|$(jsql "select json_extract(value, '\$.severity') from json_each(j, '\$.data.maps[0].rules') where json_extract(value, '\$.rule') = 'format'")"
export DMFSYNC_LOAD_UNFIT=xml
run 0 "with unfit = xml the map travels in XML" --dir "$ws" --json lint customers
same "which is told" "1|warning" "$(rule format)|$(jsql "select json_extract(value, '\$.severity') from json_each(j, '\$.data.maps[0].rules') where json_extract(value, '\$.rule') = 'format'")"
unset DMFSYNC_LOAD_UNFIT
export DMFSYNC_LOAD_DATA_FORMAT=CSV-Own
run 3 "a format that is not known" --dir "$ws" lint customers
has "is told with those that are" "known are CSV-Unicode" "$W/err"
run 3 "doctor tells it, too" --dir "$ws" doctor --offline
export DMFSYNC_LOAD_CSV_FORMAT='encoding:utf-8, delimiter:semicolon, qualifier:none'
run 10 "one of our own, described" --dir "$ws" --json lint customers
same "is what values are checked against" 1 "$(rule format ORGANIZATIONNAME)"
same "the delimiter without a qualifier" FMT-2 "$(sample format | grep -o 'FMT-.')"
unset DMFSYNC_LOAD_DATA_FORMAT DMFSYNC_LOAD_CSV_FORMAT

# ---- a file with another delimiter than the settings say ----
tr ',' ';' <"$W/header" >"$ws/sources/customers.csv"
run 3 "semicolons where commas are expected" --dir "$ws" lint customers
has "are told with the setting" "try delimiter:semicolon in source_format of [map.customers]" "$W/err"

# ---- rows of one rule that have several reasons ----
{ cat "$W/header"; row WHY-1 "A" 1 "" "" "2/30/2020 0:00"; row WHY-2 "B" 1 "" "" "yesterday"; } >"$ws/sources/customers.csv"
run 10 "two dates that are none" --dir "$ws" --json lint customers
same "the rule does not tell the first one's reason of both" "2|not a date" \
    "$(rule date)|$(jsql "select json_extract(value, '\$.why') from json_each(j, '\$.data.maps[0].rules')")"

# ---- the reject file, corrected, goes round ----
rm -f "$ws"/.dmfsync/rejects/*
{ cat "$W/header"; row FIX-1 "Fine" 1 "" "" ""; row FIX-2 "Wrong date" 1 "" "" "13/13/2020 0:00"; row FIX-2 "Twice" 1 "" "" "13/14/2020 0:00"; row FIX-1 "Dup" 1 "" "" ""; } >"$ws/sources/customers.csv"
run 10 "a file with three bad rows" --dir "$ws" --json lint customers
rejects=$(json '$.data.maps[0].reject_file')
same "three rows are in it" 4 "$(wc -l <"$rejects")"
sed -i 's|13/13/2020|12/13/2020|; s|FIX-2,Twice|FIX-3,Twice|; s|13/14/2020|12/14/2020|' "$rejects"
sed 's|FIX-1,Dup|FIX-4,Dup|' "$rejects" >"$W/fixed.csv"
sed 's|12/14/2020|14/14/2020|' "$W/fixed.csv" >"$W/half.csv"
run 10 "a key that the rest of the source has is told" --dir "$ws" --json lint --rejects "$rejects" customers
same "with its place" "1|$rejects:4 (usmf|FIX-1): the same key as line 2 of sources/customers.csv" "$(rule duplicate)|$(sample duplicate)"
again=$(json '$.data.maps[0].reject_file')
{ cat "$rejects"; echo 'usmf,"broken" here,x'; } >"$W/broken.csv"
run 10 "also beside a line that cannot be split" --dir "$ws" --json lint --rejects "$W/broken.csv" customers
same "which does not hide it" "1|1" "$(rule duplicate)|$(rule csv)"
same "a second reject file tells where the row stood first" "sources/customers.csv,5" \
    "$(tail -1 "$again" | grep -o 'sources/customers.csv,[0-9]*')"
run 10 "and goes round like the first" --dir "$ws" --json lint --rejects "$again" customers
same "with the key still there" 1 "$(rule duplicate)"
run 10 "a half corrected one is told" --dir "$ws" --json lint --rejects "$W/half.csv" customers
same "with what is left" "1|$W/half.csv" "$(json '$.data.maps[0].rejected')|$(json '$.data.maps[0].file')"
run 0 "the corrected one passes" --dir "$ws" --json lint --rejects "$W/fixed.csv" customers
same "three rows" 3 "$(json '$.data.maps[0].rows')"
run 2 "one map at a time" --dir "$ws" lint --rejects "$W/fixed.csv" customers customer_groups
sed -i "s|^source = sources/customers.csv|source = $W/fixed.csv|" "$ws/dmfsync.ini"
run 0 "and it is a source like any other" --dir "$ws" --json lint customers

# ---- parents: in their file, in F&O, offline ----
sed -i "s|^source = $W/fixed.csv|source = sources/customers.csv|" "$ws/dmfsync.ini"
{ cat "$W/header"; row P-1 "Group only in F&O" 1 "" "" "" usmf FNOONLY; row P-2 "The same in other case" 1 "" "" "" usmf fnoonly; } >"$ws/sources/customers.csv"
run 10 "a group that nobody has" --dir "$ws" --json lint customers
same "two rows, one value each" 2 "$(rule orphan)"
admin POST /fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"FNOONLY","DESCRIPTION":"there already"}}' >/dev/null
run 0 "it is enough that F&O has it" --dir "$ws" --json lint customers
admin POST /fno/rows '{"entity":"Customer groups","company":"usmf","delete":true,"values":{"CUSTOMERGROUPID":"FNOONLY"}}' >/dev/null
run 0 "metadata is saved for offline work" --dir "$ws" migrate --execute currencies
stop_emulator
run 0 "offline an unresolved value is a warning" --dir "$ws" --json lint --offline customers
same "that says so" "0|2" "$(rule orphan)|$(rule orphan_unchecked)"
finish

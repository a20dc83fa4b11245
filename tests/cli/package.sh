#!/bin/sh
# package.sh -- packages without a network: build, show, where a row came from, and that the quick way gives the same packages.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
JOB_CUSTOMERS=3000
job_start "$W/t"
cd "$W/t.ws" || exit 1
dmfsync plan
stop_emulator # from here on nobody listens
B=.dmfsync/packages/build

# Quotes around every cell change nothing: the packages are the same.
dmfsync package build
cp -r "$B" "$W/bare"
mkdir "$W/bare.sources" && cp sources/*.csv "$W/bare.sources"
sed -i '2,$s/^\([a-z]*\),\([^,"]*\),/"\1","\2",/' sources/payment_terms.csv sources/customer_groups.csv
dmfsync package build
same "the same packages from a file with more quotes" "" "$(diff -r "$W/bare" "$B" | grep -v lines.zst)"
cp "$W/bare.sources"/*.csv sources/

run 10 "build ends with 10, since rows are rejected" package build
cp -r "$B" "$W/first"
run 10 "build again, with --json" package build --json
same "every rejected row is listed, once" "$(jsql "select sum(json_extract(value, '\$.rejected')) from json_each(j, '\$.data.maps')")" "$(tail -n +2 "$B/rejects.csv" | wc -l)"
packed=$(jsql "select sum(json_extract(value, '\$.packed')) from json_each(j, '\$.data.maps')")
same "rows: packed, rejected and of other companies sum up" 0 "$(jsql "select count(*) from json_each(j, '\$.data.maps') m where json_extract(m.value, '\$.rows') <> json_extract(m.value, '\$.packed') + json_extract(m.value, '\$.rejected') + json_extract(m.value, '\$.other_companies')")"
same "the same files again, octet for octet" "" "$(diff -r "$W/first" "$B" | grep -v lines.zst)"
DMFSYNC_TEST_NO_QUICK=1 dmfsync package build
same "the slow way gives the same files" "" "$(diff -r "$W/first" "$B" | grep -v lines.zst)"
for jobs in 1 7; do
    dmfsync package build --jobs $jobs
    same "the same files by $jobs threads" "" "$(diff -r "$W/first" "$B" | grep -v lines.zst)"
done
DMFSYNC_LOAD_COMPRESSOR=zlib dmfsync package build --out "$W/zlib" --json
same "another compressor, the same digests" "" "$(sqlite3 :memory: "select json_extract(a.value, '\$.file') from json_each(cast(readfile('$W/first/packages.json') as text), '\$.packages') a join json_each(cast(readfile('$W/zlib/packages.json') as text), '\$.packages') b on json_extract(a.value, '\$.file') = json_extract(b.value, '\$.file') where json_extract(a.value, '\$.digest') <> json_extract(b.value, '\$.digest')")"
has "the compressor is recorded in the package" "dmfsync; zlib" "$W/zlib/currencies-0001.zip"

# Every row of a package leads back to its line.
p=$B/customers-usmf-0001.zip
unzip -p "$p" 'Customers V3.csv' | iconv -f utf-16le -t utf-8 | tr -d '\r' >"$W/rows.csv"
bad=0 rows=$(($(wc -l <"$W/rows.csv") - 1))
for n in 1 2 77 500 $rows; do
    dmfsync package show "$p" --row "$n" --json
    line=$(json '$.data.row.line')
    account=$(sed -n "$((n + 1))p" "$W/rows.csv" | cut -d, -f1)
    sed -n "${line}p" sources/customers.csv | grep -q "^usmf,$account," || bad=$((bad + 1))
done
same "rows lead back to their lines" 0 "$bad"
run 2 "a row that the package does not have" package show "$p" --row $((rows + 1))
run 2 "an entity that it does not have" package show "$p" --row 1 --entity Vendors
echo >>sources/customers.csv
dmfsync package show "$p" --row 5
has "a source that was changed since is named so" "changed since" "$W/out"
run 0 "show lists the entities" package show "$p" --fields
has "with their rows" "$rows rows" "$W/out"
has "and fields" "CUSTOMERACCOUNT" "$W/out"
run 3 "a file that is no package" package show sources/customers.csv
run 4 "a folder with other things in it is not touched" package build --out sources

# Slices, formats, several entities in one package
DMFSYNC_LOAD_PACKAGE_ROWS=100 dmfsync package build customers --out "$W/sliced" --json
same "no slice has more rows than asked for" 0 "$(jsql "select count(*) from json_each(j, '\$.data.packages') where json_extract(value, '\$.rows') > 100")"
DMFSYNC_LOAD_PACKAGE_OCTETS=20000 dmfsync package build customers --out "$W/octets" --json
result "slices by octets" "$(jsql "select count(*) < 10 from json_each(j, '\$.data.packages')")"
for format in CSV-UTF8 XML-Element XML-Attribute; do
    run 10 "in $format" package build --format $format --out "$W/$format" --json
    same "in $format: as many rows" "$packed" "$(jsql "select sum(json_extract(value, '\$.packed')) from json_each(j, '\$.data.maps')")"
done
DMFSYNC_LOAD_DATA_FORMAT=Own DMFSYNC_LOAD_CSV_FORMAT='encoding:utf-8, delimiter:semicolon, qualifier:single' DMFSYNC_LOAD_CSV_QUOTES=doubled \
    dmfsync package build customers --out "$W/own"
unzip -p "$W/own/customers-usmf-0001.zip" 'Customers V3.csv' | head -1 >"$W/header"
has "a CSV format of one's own" "CUSTOMERACCOUNT;ORGANIZATIONNAME" "$W/header"
DMFSYNC_LOAD_CSV_FORMAT='delimiter:sausage' dmfsync package build customers --out "$W/own"
same "one that is not understood" 3 "$STATUS"
run 10 "all entities together" package build --together --out "$W/together"
run 0 "show the shared package" package show "$W/together/usmf.zip"
has "entities of several waves, by level" "1/5/" "$W/out"
dmfsync package show "$W/together/usmf.zip" --row 3 --entity "Customers V3" --json
has "lineage of one entity among many" "customers.csv" "$W/out"

# A value that CSV cannot carry: refused, or the map moves to XML.
printf 'usmf,Q-1,"He said ""no""",Organization,10,USD,,No,,,,,No,No,,,,,,,,,,,\n' >>sources/customers.csv
dmfsync package build customers --json
grep -q 'ORGANIZATIONNAME,format' "$B/rejects.csv"
result "refused in CSV, with the field" $? "$(tail -3 "$B/rejects.csv")"
DMFSYNC_LOAD_UNFIT=xml dmfsync package build customers --out "$W/moved" --json
same "or the map moves to XML" 1 "$(json '$.data.maps[0].moved_to_xml')"
unzip -p "$W/moved/customers-usmf-0001.zip" 'Customers V3.xml' | tail -3 >"$W/xml"
has "with the value as it is" "He said &quot;no&quot;" "$W/xml"

# Rows at the edges of what is recognised quickly: both ways give the same, and rows are counted once.
# customer COMPANY ACCOUNT NAME [MEMO [INVOICEACCOUNT]]
customer() { printf '%s,%s,%s,Organization,10,USD,,No,,%s,,%s,No,No,,,,,,,,,,,\n' "$1" "$2" "$3" "${4:-}" "${5:-}"; }
head -1 "$W/bare.sources/customers.csv" >sources/customers.csv
{
    customer usmf E-0 Plain 'a memo'
    customer usmf E-1 Plain '' E-1
    customer usmf E-2 Plain '' '"a""b"'    # refused in the second pass
    customer usmf E-3 '"x, y"' '"a ""b"""' # refused behind a field in qualifiers
    customer gbmf E-4 '"He said ""no"""'   # all that its company has
} >>sources/customers.csv
# both_ways NAME OPTION..: packages of both ways are the same
both_ways() {
    name=$1
    shift
    dmfsync package build customers --out "$W/quick" "$@"
    DMFSYNC_TEST_NO_QUICK=1 dmfsync package build customers --out "$W/slow" "$@"
    same "$name" "" "$(diff -r "$W/quick" "$W/slow")"
}
dmfsync package build customers --json
same "a row whose lookup is refused is not packed" "2 3" "$(json '$.data.maps[0].packed') $(json '$.data.maps[0].rejected')"
same "no package without rows" "customers-usmf-0001-pass2.zip customers-usmf-0001.zip" "$(cd "$B" && echo *.zip)"
same "the compressor's name" "$(sed 's/.*"compressor":"\([^"]*\)".*/\1/' "$B/packages.json")" "$(json '$.data.compressor')"
both_ways "a refused row leaves nothing in the manifest"
DMFSYNC_LOAD_CSV_FORMAT='encoding:utf-8, qualifier:none' DMFSYNC_LOAD_CSV_QUOTES=doubled
export DMFSYNC_LOAD_CSV_FORMAT DMFSYNC_LOAD_CSV_QUOTES
both_ways "a format without text qualifier gets none" --format Own
unset DMFSYNC_LOAD_CSV_FORMAT DMFSYNC_LOAD_CSV_QUOTES
DMFSYNC_LOAD_DATA_FORMAT=Own DMFSYNC_LOAD_CSV_FORMAT='encoding:utf-8, qualifier:single' dmfsync lint customers --offline --json
same "lint knows the CSV format of one's own" 0 "$(jsql "select count(*) from json_each(j, '\$.data.maps[0].rules') where json_extract(value, '\$.rule') = 'format'")"

# One field to two columns, of which the second is the narrower one
sed -i '/"syncDirection": 3,/{N;s/3,\(\n *"sourceField": "\)IDENTIFICATIONNUMBER/1,\1SALESMEMO/}' maps/accounts--customers-v3.json
customer usmf E-5 Plain "$(printf '%060d' 1)" >>sources/customers.csv
both_ways "a text that one of two columns cannot hold"
grep -q ',length,' "$W/quick/rejects.csv"
result "is refused" $? "$(cat "$W/quick/rejects.csv")"

# Columns beyond the 64th
{ seq -f 'dmfsync_%.0f' -s , 70 | tr '\n' ,; head -1 "$W/bare.sources/customers.csv"; } >sources/customers.csv
for n in 1 2 3; do
    seq -s , 70 | tr '\n' ,
    customer usmf "F-$n" "$([ $n = 3 ] && echo '"a ""b"""' || echo Plain)"
done >>sources/customers.csv
dmfsync lint customers --offline --json
same "lint sees quotes in the 73rd column" 1 "$(json '$.data.maps[0].rejected')"

# A file of many pieces: rows are made on all cores. Compressed it cannot be cut and is read row by row: the same packages, rejected rows
# and places. Some rows are broken, some have quotes that mislead about where rows end, in stretches and alone.
awk -v q='"' 'NR == 1 { print; next } NR > 1 { rows[n++] = $0 }
    END {
        for (i = 0; i < 16000; i++) {
            r = rows[i % n]
            sub(/C-[0-9]*/, "C-" sprintf("%07d", i), r)
            dense = i > 6000 && i < 9000
            if (i % (dense ? 40 : 1999) == 7) sub(/ /, q, r)            # a stray quote
            if (i % (dense ? 70 : 2999) == 8) r = q r                   # one that is never closed
            if (i % 700 == 9) sub(/,USD,/, "," q "USD" q ",", r)
            if (i % 900 == 10) sub(/,No,/, ",Perhaps,", r)
            if (i % 1100 == 11) sub(/^usmf/, "xxmf", r)
            if (i % 1300 == 12) r = r "\n"
            print r
        }
    }' "$W/bare.sources/customers.csv" >sources/customers.csv
DMFSYNC_LOAD_PACKAGE_ROWS=5000
export DMFSYNC_LOAD_PACKAGE_ROWS
for jobs in 1 2 5; do dmfsync package build customers --jobs $jobs --out "$W/pieces$jobs"; done
same "rows were packed and refused" "1 1" "$(sqlite3 :memory: "select sum(json_extract(value, '\$.rows')) > 10000, count(*) > 3 from json_each(cast(readfile('$W/pieces1/packages.json') as text), '\$.packages')" | tr '|' ' ')"
result "some were refused" "$([ "$(wc -l <"$W/pieces1/rejects.csv")" -gt 100 ]; echo $?)"
for jobs in 2 5; do same "by $jobs threads: the same" "" "$(diff -r "$W/pieces1" "$W/pieces$jobs")"; done
DMFSYNC_LOAD_PACKAGE_OCTETS=400000 dmfsync package build customers --out "$W/pieces_octets"
zstd -q -f sources/customers.csv
sed -i 's|^source = sources/customers.csv$|source = sources/customers.csv.zst|' dmfsync.ini
dmfsync package build customers --out "$W/row_by_row"
sed 's/customers\.csv\.zst/customers.csv/' "$W/row_by_row/rejects.csv" >"$W/rejects"
same "row by row: the same packages" "" "$(diff -r -x '*.lines.zst' -x rejects.csv "$W/pieces1" "$W/row_by_row")"
DMFSYNC_LOAD_PACKAGE_OCTETS=400000 dmfsync package build customers --out "$W/row_by_row_octets"
result "slices by octets are more" "$([ "$(ls "$W/pieces_octets" | wc -l)" -gt "$(ls "$W/pieces1" | wc -l)" ]; echo $?)"
same "row by row: the same slices by octets" "" "$(diff -r -x '*.lines.zst' -x rejects.csv "$W/pieces_octets" "$W/row_by_row_octets")"
same "row by row: the same rows refused" "" "$(diff "$W/pieces1/rejects.csv" "$W/rejects" | head -3)"
for z in "$W"/pieces1/*.lines.zst; do
    zstd -dcq "$z" | tail -n +4 >"$W/lines.a" && zstd -dcq "$W/row_by_row/$(basename "$z")" | tail -n +4 | cmp -s - "$W/lines.a"
    result "row by row: the same places of $(basename "$z")" $?
done
finish

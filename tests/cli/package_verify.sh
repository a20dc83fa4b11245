#!/bin/sh
# package_verify.sh -- packages broken in one way each: `package verify` names the code, the entity and, for data, the row.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
JOB_CUSTOMERS=60
job_start "$W/t"
cd "$W/t.ws" || exit 1
dmfsync plan
cd "$W" && rm -rf t.bad && mv t.ws t.bad
demo_workspace "$W/t.ws" 60
cd "$W/t.ws" && cp -r ../t.bad/.dmfsync . || exit 1
stop_emulator
(cd ../t.bad && dmfsync package build --out "$W/bad" && true)
dmfsync package verify "$W/bad"/customers-*.zip
has "a duplicate of the source is found here" "DMF2057" "$W/out"
dmfsync package build --out "$W/b"
dmfsync package verify "$W/b"/*.zip
same "what we build is fine" 0 "$STATUS"
has_not "without a word of warning" "warning" "$W/out"
dmfsync package build --format XML-Element --out "$W/x"
run 0 "XML packages, too" package verify "$W/x"/*.zip
dmfsync package build --format XML-Attribute --out "$W/xa"
run 0 "in both forms" package verify "$W/xa"/*.zip

# broken CODE NAME SED-OF-THE-FILE FILE [CODE-SHOULD-NOT-BE-THERE]: a package whose one file was edited
pack() { # DIR -> $W/p.zip
    rm -f "$W/p.zip"
    (cd "$1" && zip -q -X "$W/p.zip" ./*)
}
open_package() { rm -rf "$W/d" && mkdir "$W/d" && (cd "$W/d" && unzip -q "${1:-$W/b/customer_groups-usmf-0001.zip}"); }
found() { # CODE NAME [TEXT]
    dmfsync package verify "$W/p.zip"
    if [ "$STATUS" = 3 ] && grep -q "error   $1 " "$W/out"; then ok "$2: $1"; else not_ok "$2: $1" "status $STATUS" "$(cat "$W/out" "$W/err")"; fi
    [ -z "${3:-}" ] || has "$2: $3" "$3" "$W/out"
}
csv() { # SED..: edits the UTF-16 data file
    f="$W/d/Customer groups.csv"
    iconv -f utf-16 -t utf-8 "$f" >"$W/u" && sed "$@" "$W/u" >"$W/v" && { printf '\377\376'; iconv -f utf-8 -t utf-16le "$W/v"; } >"$f"
}
manifest() { sed -i "$@" "$W/d/Manifest.xml"; }

echo nothing >"$W/p.zip"
found ZIP "a file that is no zip"
open_package; rm "$W/d/PackageHeader.xml"; pack "$W/d"
found HEADER "no header" "Could not find file"
open_package; rm "$W/d/Manifest.xml"; pack "$W/d"
found MANIFEST "no manifest"
open_package; mkdir "$W/e"; mv "$W/d" "$W/e/d"; (cd "$W/e" && rm -f "$W/p.zip" && zip -q -X -r "$W/p.zip" d)
found ZIP "the folder was zipped" "folder"
open_package; manifest 's/<PackageEntityList>/<PackageEntityList><!-- -->/; /<DataManagementPackageEntityData>/,/<\/DataManagementPackageEntityData>/d'; pack "$W/d"
found NO_ENTITY "no entity"
open_package; manifest '/<EntityMap>/,/<\/EntityMap>/d'; pack "$W/d"
found NO_MAP "no field map" "reports success"
open_package; rm "$W/d/Customer groups.csv"; pack "$W/d"
found NO_FILE "no data file"
open_package; sed -i 's/\(<PackageType>.*<\/PackageType>\)/\1<Description>again<\/Description>/' "$W/d/PackageHeader.xml"; pack "$W/d"
found ORDER "elements out of order" "Description stands behind"
open_package; csv 's/^CUSTOMERGROUPID,/GROUPID,/'; pack "$W/d"
found DMF2060 "a mapped column that is not there" "CUSTOMERGROUPID"
found DMF2022 "a column that is not mapped" "GROUPID"
open_package; csv '3s/\r$/,one more\r/'; pack "$W/d"
found DMF2050 "a row with more cells" "row 2"
open_package; csv '3s/^.*$/\r/'; pack "$W/d"
found DMF2050 "a blank line" "blank line"
open_package; csv '1s/^/\r\n/'; pack "$W/d"
found FF004 "a blank line before the header"
open_package; csv '2,$d'; pack "$W/d"
found DMF2053 "no data row"
open_package; : >"$W/d/Customer groups.csv"; pack "$W/d"
found FF004 "an empty file"
open_package; csv 's/\r$//'; pack "$W/d"
found ROW_END "LF row ends"
open_package; iconv -f utf-16 -t utf-8 "$W/d/Customer groups.csv" >"$W/u"; cp "$W/u" "$W/d/Customer groups.csv"; pack "$W/d"
found NOT_UNICODE "UTF-8 sent as CSV-Unicode" "Selected file is not Unicode"
open_package; csv '3p'; pack "$W/d"
found DMF2057 "a duplicate key" "the same key as row 2"
open_package; csv '3s/^[^,]*,/,/'; pack "$W/d"
found KEY "a blank key"
open_package; csv 's/,No\r*$/,Perhaps\r/; s/,No,/,Perhaps,/'; pack "$W/d"
found DMF021 "an unknown enum element" "Perhaps"
open_package; csv '2s/^[^,]*,/A-GROUP-WITH-FAR-TOO-LONG-A-NAME-FOR-ANYBODY-TO-REMEMBER,/'; pack "$W/d"
dmfsync package verify "$W/p.zip"
if grep -q max_length .dmfsync/metadata.json; then grep -q DMF2018 "$W/out" || grep -q "fine" "$W/out"; result "an overlong text, where the length is known" $?; fi
open_package "$W/b/customers-usmf-0001.zip"
f="$W/d/Customers V3.csv"
iconv -f utf-16 -t utf-8 "$f" | sed '2s/20[0-9][0-9]-[0-9][0-9]-[0-9][0-9] /2024-02-31 /' >"$W/v"; { printf '\377\376'; iconv -f utf-8 -t utf-16le "$W/v"; } >"$f"; pack "$W/d"
found DMF2016 "a day that does not exist" "row 1"
open_package "$W/x/customer_groups-usmf-0001.zip"; sed -i '4s/</<</' "$W/d/Customer groups.xml"; pack "$W/d"
found DMF1830 "XML that is not well formed"
open_package "$W/x/customer_groups-usmf-0001.zip"; sed -i 's/<DESCRIPTION>/<DESCRIPTION>\x01/' "$W/d/Customer groups.xml"; pack "$W/d"
found DMF2055 "a character that XML does not have"
open_package "$W/x/customer_groups-usmf-0001.zip"; sed -i 's/<DESCRIPTION>.*<\/DESCRIPTION>//' "$W/d/Customer groups.xml"; pack "$W/d"
found MAP011 "a mapped node that no row has" "DESCRIPTION"

# Characters whose UTF-16 has the octet of a line end, and line ends inside of values
open_package; csv '2s/^\([^,]*\),[^,]*/\1,上不Ċ/'; pack "$W/d"
run 0 "texts with U+4E0A and U+4E0D have no line end" package verify "$W/p.zip"
has_not "nor a warning" "warning" "$W/out"
open_package; csv '2s/^\([^,]*\),[^,]*/\1,"one\n\n\n\n\n\n\n\n\n\n\n\n\n\n\ntwo"/'; pack "$W/d"
run 0 "a value with blank lines in it is no blank line" package verify "$W/p.zip"
has "but worth a warning" "line ends stand inside of values" "$W/out"

# Warnings
open_package; echo x >"$W/d/notes.txt"; manifest 's/<EntityName>.*<\/EntityName>/<EntityName>CustCustomerGroupEntity<\/EntityName>/; s/<DefinitionGroupName>.*</<DefinitionGroupName>a:project<\//; s/<\/\/DefinitionGroupName>/<\/DefinitionGroupName>/'; pack "$W/d"
dmfsync package verify "$W/p.zip"
has "a file that belongs to no entity" "EXTRA_FILE" "$W/out"
has "an AOT name for a label" "looks like an AOT name" "$W/out"

# Many of one kind: five are shown, the rest counted; --all and --json have them
open_package "$W/b/customers-usmf-0001.zip"
f="$W/d/Customers V3.csv"
iconv -f utf-16 -t utf-8 "$f" | sed '2,$s/$/,more/; s/\r,more/,more\r/' >"$W/v"; { printf '\377\376'; iconv -f utf-8 -t utf-16le "$W/v"; } >"$f"; pack "$W/d"
found DMF2050 "every row" "and "
n=$(grep -c "DMF2050" "$W/out")
same "five are shown, and a line about the others" 6 "$n"
dmfsync package verify --all "$W/p.zip"
result "--all shows all" $(($(grep -c DMF2050 "$W/out") < 20))
dmfsync package verify --json "$W/p.zip"
result "--json counts them" $(($(json '$.data.errors') < 20))
if [ -n "${DMFSYNC_SAMPLES:-}" ]; then run 0 "a package that F&O exported" package verify "$DMFSYNC_SAMPLES"/dmf/*.zip; fi
run 2 "a file that is not there" package verify "$W/none.zip"
finish

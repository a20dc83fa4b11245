#!/bin/sh
# retry.sh -- failed rows once more: as they were, and corrected in a reject file; the ledger's sums, the lineage, what `errors`
# says about before and after, files that do not fit, and the end of the process at every step.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=60
sums() { # NAME: the ledger of customers in the last --json output adds up
    same "$1: the ledger adds up" 1 "$(jsql "select sum(json_extract(value, '\$.rows') = json_extract(value, '\$.landed') + json_extract(value, '\$.unchanged') + json_extract(value, '\$.rejected') + json_extract(value, '\$.parked') + json_extract(value, '\$.unsent') + json_extract(value, '\$.excluded') + json_extract(value, '\$.unknown')) from json_each(j, '\$.data.maps') where json_extract(value, '\$.map') = 'customers'")"
}
of() { jsql "select json_extract(value, '\$.$1') from json_each(j, '\$.data.maps') where json_extract(value, '\$.map') = 'customers'"; }
has_row() { # NAME COMPANY KEY WANT(0|1)
    dump fno >"$W/dump"
    same "$1" "$4" "$(grep -c "^Customers V3|$2|$3|" "$W/dump")"
}

job_start "$W/e"
cd "$W/e.ws" || exit 1
run 4 "nothing was loaded yet" retry customers
run 10 "migrate" migrate --execute
created=$(counter fno.rows.created)

run 0 "retry without --execute" retry customers --json
same "tells what would go again" 6 "$(of rows)"
same "and what needs correction" 26 "$(of need_correction)"
has "says that nothing was done" '"executed":false' "$W/out"
same "nothing went" "$created" "$(counter fno.rows.created)"

# As they were, after one cause is gone.
admin POST /fno/rows '{"entity":"Customer groups","company":"demf","values":{"CUSTOMERGROUPID":"NOGROUP","DESCRIPTION":"Made later"}}' >/dev/null
run 10 "retry" retry customers --execute --json
same "six rows went again" 6 "$(of taken)"
same "one landed" 61 "$(of landed)"
same "the others are rejected again" 31 "$(of rejected)"
sums "retry"
has_row "the row is there" demf BAD-0003 1
same "no row was made twice" "$((created + 2))" "$(counter fno.rows.created)"
run 0 "errors compares with before" errors customers --json
same "none is new" 0 "$(json '$.data.new')"
same "one is gone" 1 "$(json '$.data.gone')"
same "the others are still there" 31 "$(jsql "select count(*) from json_each(j, '\$.data.errors') where json_extract(value, '\$.change') = 'still'")"
result "a row names its execution" $([ "$(jsql "select count(*) from json_each(j, '\$.data.errors') where json_extract(value, '\$.execution') like 'DMFSYNC_customers%'")" -ge 5 ]; echo $?)
same "kinds: messages that differ in values are one" 1 "$(jsql "select count(*) from json_each(j, '\$.data.groups') where json_extract(value, '\$.field') = 'CREDITLIMIT'")"
same "with their rows" 4 "$(jsql "select json_extract(value, '\$.rows') from json_each(j, '\$.data.groups') where json_extract(value, '\$.field') = 'CREDITLIMIT'")"
run 0 "errors --groups" errors customers --groups
has "the kind that is gone is shown" "0    0     1  customers" "$W/out"
has_not "rows are not" "sources/customers.csv:22" "$W/out"

# A reject file: some rows corrected, some still wrong, one with another row's key, one left out.
run 0 "errors --rejects" errors customers --rejects --json
file=$(json '$.data.reject_files[0].file')
same "all failed rows are in it" 31 "$(json '$.data.reject_files[0].rows')"
bom=$(head -c 3 "$file" | od -An -tx1 | tr -d ' ')
same "it is UTF-8 with a mark" efbbbf "$bom"
sed -e 's/,Frozen,/,No,/; s/,Alien,/,Organization,/; s/12\.5O0/12500/; s/gbmf,BAD-0026/gbmf,C-0000001/' -e '/BAD-0031/d' "$file" >fixed.csv
# A row that F&O's users made meanwhile, under the key of one that is corrected now.
admin POST /fno/rows '{"entity":"Customers V3","company":"demf","values":{"CUSTOMERACCOUNT":"BAD-0018","ORGANIZATIONNAME":"Made by a user","CUSTOMERGROUPID":"10","SALESCURRENCYCODE":"EUR","INVOICEACCOUNT":"BAD-0018"}}' >/dev/null
run 0 "retry --rejects without --execute" retry customers --rejects fixed.csv --json
same "rows of the file that fit" 30 "$(of rows)"
run 10 "retry --rejects" retry customers --rejects fixed.csv --execute --json
sums "retry --rejects"
same "thirty rows were taken up" 30 "$(of taken)"
has_row "a corrected enum landed" gbmf BAD-0002 1
has_row "a corrected number landed" usmf BAD-0007 1
has_row "a row that was left out is not there" usmf BAD-0031 0
landed=$(of landed)
same "landed: enum, enum, number" 64 "$landed"
run 0 "errors after it" errors customers --format csv
grep '^customers,fno' "$W/out" | grep -c duplicate >"$W/n"
has "the key of another row is refused" "the same key as line 3" "$W/out"
has "with the line of the source" "sources/customers.csv,78,gbmf|C-0000001,rejected" "$W/out"
admin GET '/fno/row?entity=Customers%20V3&company=gbmf&key=C-0000001' >"$W/row"
has "and did not overwrite that one" "Kowalski" "$W/row"
has "a row that F&O got meanwhile is left alone" "F&O already holds a row of this key" "$W/out"
admin GET '/fno/row?entity=Customers%20V3&company=demf&key=BAD-0018' >"$W/row"
has "with its values" "Made by a user" "$W/row"
has "the row that was left out is still an error" ",89,usmf|BAD-0031" "$W/out"
package=$(sqlite3 .dmfsync/maps/customers/state.db "select file from package where version > 0 and rows > 0 and company = 'usmf' limit 1")
run 0 "the lineage of a corrected row" package show ".dmfsync/packages/$package" --row 1
has "leads to its line in the source" "is line 28 of" "$W/out"
run 0 "the source is what was corrected" diff customers --against source
has_not "its values are not shown as changed" "BAD-0002" "$W/out"
run 0 "sync brings the rows to Dataverse" sync --once
run 0 "both sides agree" parity customers

# Corrected a second time, from the file of what is still wrong.
run 0 "errors --rejects again" errors customers --rejects --json
file=$(json '$.data.reject_files[0].file')
same "it has what is left" 28 "$(json '$.data.reject_files[0].rows')"
sed -e 's/--500/500/; s/NET999/NET30/; s/twelve/12/' "$file" >fixed2.csv
run 10 "retry --rejects again" retry customers --rejects fixed2.csv --execute --json
sums "retry --rejects again"
has_row "left out before, corrected now" usmf BAD-0031 1
same "three more landed" "$((landed + 3))" "$(of landed)"

# Files that do not fit.
run 3 "a file without our columns" retry customers --rejects sources/customers.csv
has "says which" "dmfsync_line" "$W/err"
{ cat fixed2.csv; tail -n 1 fixed2.csv; } >twice.csv
run 3 "a row twice" retry customers --rejects twice.csv
sed '1s/CUSTOMERACCOUNT/ACCOUNT/' fixed2.csv >header.csv
run 3 "another header" retry customers --rejects header.csv
sed 's|sources/customers.csv|sources/others.csv|' fixed2.csv >others.csv
run 3 "of another file" retry customers --rejects others.csv
has "says which" "sources/others.csv" "$W/err"
run 2 "--rejects without a map" retry --rejects fixed2.csv
run 0 "a file of rows that landed meanwhile" retry customers --rejects fixed.csv --json
result "only those that still fail count" $([ "$(of rows)" -lt 27 ]; echo $?) "$(of rows)"
stop_emulator

# The end of the process at any step of a retry: what is sent again is at most the packages in flight.
DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
[ -x "$DMFSYNC_BIN" ] || { not_ok "the build with kill points" "make V=fault"; finish; }
JOB_CUSTOMERS=12
prepare() {
    job_start "$W/k" --seed 7
    cd "$W/k.ws" || exit 1
    dmfsync load --execute
    dmfsync errors customers --rejects --json
    sed -e 's/,Frozen,/,No,/; s/,Alien,/,Organization,/; s/12\.5O0/12500/' "$(json '$.data.reject_files[0].file')" >fixed.csv
    admin POST /fno/rows '{"entity":"Customer groups","company":"demf","values":{"CUSTOMERGROUPID":"NOGROUP","DESCRIPTION":"Made later"}}' >/dev/null
}
outcome() {
    dump fno >"$1"
    sqlite3 .dmfsync/maps/customers/state.db "select row_no, state, stage, coalesce(code, '') from row_exception order by row_no, id" >>"$1"
}
prepare
DMFSYNC_STEP_TRACE=$W/trace dmfsync retry customers --rejects fixed.csv --execute --json
same "the undisturbed retry" 10 "$STATUS"
landed=$(of landed)
outcome "$W/want"
created=$(counter fno.rows.created)
stop_emulator
steps=$(wc -l <"$W/trace")
result "the steps of a retry are reached" $([ "$(grep -c 'retry_stored$' "$W/trace")" = 1 ]; echo $?)
every=$((steps / ${DMFSYNC_KILL_POINTS:-8} + 1))
[ -z "${DMFSYNC_SOAK:-}" ] || every=1
n=1 bad=0 killed=0
for at in $(grep ' retry_store' "$W/trace" | cut -d' ' -f1) $(seq 3 "$every" "$((steps - 1))"); do
    prepare
    DMFSYNC_STEP_KILL=$at dmfsync retry customers --rejects fixed.csv --execute
    [ "$STATUS" = 137 ] || echo "# step $at: not killed ($STATUS)"
    dmfsync retry customers --rejects fixed.csv --execute --json
    killed=$((killed + 1))
    outcome "$W/got"
    if [ "$STATUS" != 10 ] || ! cmp -s "$W/want" "$W/got" || [ "$(of landed)" != "$landed" ] || [ "$(counter fno.rows.created)" != "$created" ]; then
        bad=$((bad + 1))
        not_ok "killed at step $at ($(sed -n "${at}p" "$W/trace"))" "status $STATUS, landed $(of landed) of $landed" "$(diff "$W/want" "$W/got" | head -5)" "$(tail -3 "$W/err")"
    fi
    stop_emulator
done
same "killed at $killed of $steps steps, all continued to the same contents" 0 "$bad"
finish

#!/bin/sh
# Snapshots in SQL: delta(A, B) equals a plain full join over exported tables, row by row and field by field; views in `dmfsync sql` and
# in the sqlite3 shell with the installed extension; exports that any SQLite reads; files that are not snapshots.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
GEN_SIDES=${GEN_SIDES:-$DMFSYNC_ROOT/build/release/gen_sides}
EXT=${DMFSYNC_EXTENSION:-$DMFSYNC_ROOT/build/release/dmfsync.so}
cd "$W" || exit 1
mkdir -p ws/.dmfsync
cp "$DMFSYNC_ROOT/tests/data/sides/map.json" "$DMFSYNC_ROOT/tests/data/sides/dmfsync.ini" ws/
cp "$DMFSYNC_ROOT/tests/data/sides/metadata.json" ws/.dmfsync/
n=${DMFSYNC_SOAK:+1000000}
n=${n:-20000}
"$GEN_SIDES" fno "$n" >fno.csv
"$GEN_SIDES" dataverse "$n" >dataverse.csv
run 9 "both sides as snapshots" --dir ws parity customers --keep --fno-from csv:../fno.csv --dataverse-from csv:../dataverse.csv
STATE=ws/.dmfsync/maps/customers/state.db
run 0 "export" --dir ws snapshot customers --export ../plain.db
same "each side has its rows" "$(sqlite3 $STATE "select group_concat(rows) from (select rows from snapshot order by side)")" \
    "$(sqlite3 plain.db "select (select count(*) from dataverse) || ',' || (select count(*) from fno)")"
same "a plain file: nothing of ours in its schema" 0 "$(sqlite3 plain.db "select count(*) from sqlite_schema where sql like '%virtual%' or type = 'view'")"
same "types are text" text "$(sqlite3 plain.db "select lower(group_concat(distinct type)) from pragma_table_info('fno')")"
# The oracle is made of the exported tables alone: a field differs when its text does.
sqlite3 plain.db "select 'with j as (select coalesce(a.key, b.key) as key, case when b.key is null then ''only_fno'' when a.key is null then
    ''only_dataverse'' else ''differ'' end as class, case when a.key is not null and b.key is not null then rtrim(' || group_concat('case when coalesce(a.' || name || ','''') <>
    coalesce(b.' || name || ','''') then ''' || name || ','' else '''' end', '||') || ', '','') else '''' end as fields from fno a full join dataverse b on a.key = b.key)
    select key, class, fields from j where class <> ''differ'' or fields <> '''' order by key;' from
    (select name from pragma_table_info('fno') where cid > 3 intersect select name from pragma_table_info('dataverse') where cid > 3)" >oracle.sql
sqlite3 plain.db <oracle.sql | sed 's/""//g' >want
sorted="(select coalesce(group_concat(f, ','), '') from (select value as f from json_each('[\"' || replace(nullif(fields, ''), ',', '\",\"') || '\"]') order by 1))"
sqlite3 $STATE ".load $EXT" "select key, class, $sorted from delta('fno', 'dataverse') order by key" >got
if cmp -s want got; then ok "delta(A, B) is the full join, $(wc -l <want) rows"; else not_ok "delta(A, B) is the full join" "$(diff want got | head -10)"; fi
result "and there are some" $([ "$(wc -l <want)" -ge 15 ]; echo $?)
sqlite3 $STATE ".load $EXT" "select key, class, $sorted from delta order by key" >got
if cmp -s want got; then ok "so is the stored delta"; else not_ok "so is the stored delta" "$(diff want got | head -10)"; fi
# Both rows of a differing key, value by value.
sqlite3 plain.db ".load $EXT" "select count(*) from (select d.key, e.key as field, e.value from delta('ws/.dmfsync/maps/customers/' || (select 'snap-1-fno.db'),
    'ws/.dmfsync/maps/customers/snap-1-dataverse.db') d, json_each(d.fno) e where e.key = 'ORGANIZATIONNAME' and not exists (select 1 from fno
    where fno.key = d.key and fno.ORGANIZATIONNAME is e.value))" >got
same "values are those of the snapshot" 0 "$(cat got)"
run 0 "the same by dmfsync sql" --dir ws sql customers "select count(*) as n from delta('fno', 'dataverse')"
same "as many rows" "$(wc -l <want)" "$(tail -1 out)"
run 0 "two snapshots of one side" --dir ws sql customers "select count(*) from delta('1', 'snap-1-fno.db')"
same "are equal" 0 "$(tail -1 out)"
run 0 "rows of a side" --dir ws sql customers "select count(*) from snapshot where side = 'fno' and CUSTOMERGROUPID = '10'"
same "as exported" "$(sqlite3 plain.db "select count(*) from fno where CUSTOMERGROUPID = '10'")" "$(tail -1 out)"
run 0 "one row by its digest" --dir ws sql customers "select d.key || ' ' || s.key from delta d join snapshot_fno s using(key_digest) where d.class = 'differ' limit 1"
same "is that row" "$(tail -1 out | cut -d' ' -f1)" "$(tail -1 out | cut -d' ' -f2)"
run 0 "the table is still there" --dir ws sql customers "select count(*) from main.snapshot"
same "two of them" 2 "$(tail -1 out)"
dmfsync --dir ws sql customers "select * from delta('fno')"
has "delta needs two" "delta compares two snapshots" err
dmfsync --dir ws sql customers "select * from delta('fno', 'nowhere.db')"
has "a file that is not there" "nowhere.db" err
echo "not a database at all, whatever its name says" >wrong.db
sqlite3 :memory: ".load $EXT" "select * from delta('wrong.db', 'wrong.db')" >got 2>&1
has "a file that is none" "wrong.db" got
sqlite3 :memory: ".load $EXT" "select * from delta('plain.db', 'plain.db')" >got 2>&1
has "a file of another kind" "not one of dmfsync's of this kind" got
run 2 "writing statements stay out" --dir ws sql customers "delete from main.delta"
run 4 "an export does not replace other files" --dir ws snapshot customers --export ../fno.csv
run 0 "but an older export" --dir ws snapshot customers --side fno --export ../plain.db
same "of one side" "fno,snapshot" "$(sqlite3 plain.db "select group_concat(name) from (select name from sqlite_schema where type = 'table' order by 1)")"
run 2 "--export takes no new snapshot" --dir ws snapshot customers --export ../x.db --from odata

# --- baseline and ledger of a pair that was loaded and is synced ---
job_settings
JOB_CUSTOMERS=20
job_start "$W/e" --knob dv_limit_requests=0 --knob dv_limit_execution_ms=0
cd "$W/e.ws" || exit 1
run 10 "migrate" migrate --execute
rows=$(sqlite3 .dmfsync/maps/customers/state.db "select rows from baseline")
run 0 "the baseline" sql customers "select count(*) from baseline"
same "has its rows" "$rows" "$(tail -1 "$W/out")"
job_edits || not_ok "edits"
dmfsync sync --once
run 0 "the baseline after sync" sql customers "select ORGANIZATIONNAME || '|' || company from baseline where key = 'usmf|C-0000003'"
same "has the new value" "Renamed in F&O|usmf" "$(tail -1 "$W/out")"
run 0 "and the new rows" sql customers "select count(*) from baseline where key like '%NEW-%'"
same "both of them" 2 "$(tail -1 "$W/out")"
run 0 "the ledger" sql customers "select coalesce(sum(rows), 0) from ledger where side = 'fno' and state = 'rejected'"
same "has the rejected rows" "$(sqlite3 .dmfsync/maps/customers/state.db "select count(*) from row_exception where side = 'fno' and state = 'rejected'")" "$(tail -1 "$W/out")"
sqlite3 .dmfsync/maps/customers/state.db "select count(*) from delta" "create table x(y); drop table x" >"$W/got" 2>&1
has_not "the plain shell reads and changes the file as it is" "Error" "$W/got"
finish

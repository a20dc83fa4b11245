#!/bin/sh
# resume.sh -- a load that dies at 42 % of its rows: our process killed, and the service stopping, as PartiallySucceeded and as Failed
# without an error list. The rest is sent and nothing else. `make test` takes a tenth of the size, DMFSYNC_SOAK=1 the whole:
# 200,000 rows in packages of 5,000, dying at row 84,000.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=4
ROWS=20000
[ -z "${DMFSYNC_SOAK:-}" ] || ROWS=200000
PACKAGE=$((ROWS / 40)) DIES=$((ROWS * 42 / 100))
DMFSYNC_LOAD_PACKAGE_ROWS=$PACKAGE
export DMFSYNC_LOAD_PACKAGE_ROWS

prepare() { # [emulator option..]
    job_start "$W/t" "$@"
    cd "$W/t.ws" || exit 1
    seeded=0 && seeded=$(processed) # rows of the tenant itself
    awk -v n="$ROWS" 'BEGIN { print "Company,TAXGROUPCODE,DESCRIPTION"; for (i = 1; i <= n; i++) printf "usmf,T%07d,Sales tax group number %d\r\n", i, i }' >sources/tax_groups.csv
}
number() { n=$(counter "$1"); [ "$n" = null ] && n=0; echo "$n"; }
processed() { # rows that F&O was given, whatever it made of them
    admin GET /counters >"$W/counters.json"
    jsql "select sum(value) from json_each(j) where key in ('fno.rows.created', 'fno.rows.updated', 'fno.rows.unchanged', 'fno.rows.refused')" "$W/counters.json" |
        awk -v seeded="$seeded" '{ print $1 - seeded }'
}
ledger() { # COLUMN
    sqlite3 .dmfsync/maps/tax_groups/state.db "select coalesce(sum($1), 0) from package where pass = 1"
}
check_whole() { # NAME
    same "$1: every row is in F&O" "$ROWS" "$(dump fno | grep -c '^Sales tax groups|usmf|T')"
    same "$1: none was made twice" "$ROWS" "$(($(number fno.rows.created) - seeded))"
    same "$1: the ledger adds up" "$ROWS 0 0" "$(json '$.data.maps[0].landed') $(json '$.data.maps[0].rejected') $(json '$.data.maps[0].unsent')"
    same "$1: no error is left" 0 "$(dmfsync errors tax_groups --json && json '$.data.rows')"
}

# (a) our process
prepare --knob row_us=20
"$DMFSYNC_BIN" load tax_groups --execute >"$W/out" 2>"$W/err" &
pid=$!
until [ "$(number fno.rows.created)" -ge "$DIES" ]; do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
done
kill -9 "$pid"
wait "$pid" 2>/dev/null
same "killed" 137 "$?"
dmfsync errors tax_groups --json # what it was doing in F&O comes to its end
sleep 1
before=$(processed)
result "it died in the middle" $([ "$before" -ge "$DIES" ] && [ "$before" -lt "$ROWS" ]; echo $?) "$before of $ROWS"
run 0 "the second run" load tax_groups --execute --json
check_whole "killed"
sent=$(($(processed) - before))
result "killed: the second run sends at most the rest and one package" $([ "$sent" -le $((ROWS - before + PACKAGE)) ]; echo $?) "$sent after $before of $ROWS"
echo "# killed with $before of $ROWS rows in F&O; the second run sent $sent"
stop_emulator

# (b) the service
for how in partial failed; do
    echo "on fno POST *ImportFromPackage nth 17 do import stop-at $((DIES - 16 * PACKAGE + 1)) $how" >"$W/faults"
    prepare --fault "$W/faults" --knob fno_errors_absent=1 --knob fno_key_files_absent=1
    run 0 "stopped as $how" load tax_groups --execute --json
    check_whole "stopped as $how"
    same "stopped as $how: each row was sent once" "$ROWS" "$(processed)"
    same "stopped as $how: the rest went in a package of its own" "$((17 * PACKAGE - DIES))" "$(sqlite3 .dmfsync/maps/tax_groups/state.db 'select sum(rows) from package where picked')"
    same "stopped as $how: rows less those that went on" "$ROWS" "$(ledger 'rows - moved')"
    same "stopped as $how: and their lineage" 1 "$(sqlite3 .dmfsync/maps/tax_groups/state.db 'select count(*) from package p join package o on o.id = p.parent where p.picked and o.moved = p.rows')"
    run 0 "stopped as $how: package show" package show ".dmfsync/packages/$(sqlite3 .dmfsync/maps/tax_groups/state.db 'select file from package where picked')" --row 1
    has "stopped as $how: the first row that was missing" "is line $((DIES + 2)) of" "$W/out"
    stop_emulator
done
finish

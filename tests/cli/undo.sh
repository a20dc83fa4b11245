#!/bin/sh
# undo.sh -- with undo = yes what a run overwrites is kept before it is overwritten, and `undo` gives it back: on both sides, blanks too,
# but not what somebody changed since, and never by deleting what the run created.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=60
DMFSYNC_LOAD_EXISTING=update
export DMFSYNC_LOAD_EXISTING
last_run() { sqlite3 .dmfsync/work.db 'select max(id) from run'; }
edit() { # the source as somebody else delivers it: other names, limits and memos, a phone gone, another group
    awk -F, -v OFS=, 'FNR > 1 && !/"/ && FNR % 2 { $3 = "Renamed " FNR; $7 = "1234.50"; $10 = "a memo"; $5 = "10"; $24 = "" } { print }' sources/customers.csv >c.csv
    mv c.csv sources/customers.csv
    sed -i 's/Retail customers/Everybody else/' sources/customer_groups.csv
}

job_start "$W/t"
cd "$W/t.ws" || exit 1
"$GEN_SOURCES" "$JOB_CUSTOMERS" sources
run 0 "the first migration, undo is off" migrate --execute
first=$(last_run)
run 4 "nothing was kept of it" undo "$first" customers
has "and why" "undo = yes" "$W/err"
run 2 "no run" undo customers customers
job_contents "$W/before"
edit
DMFSYNC_LOAD_UNDO=yes
export DMFSYNC_LOAD_UNDO
run 0 "plan" plan
has "plan tells the cost" "previous values are kept for 'undo'" "$W/out"
run 0 "the second one overwrites rows" migrate --execute --restart
second=$(last_run)
job_contents "$W/after"
result "it changed both sides" $([ "$(diff "$W/before" "$W/after" | grep -c '^< Customers V3')" -gt 10 ] && [ "$(diff "$W/before" "$W/after" | grep -c '^< account')" -gt 10 ]; echo $?)
run 0 "undo shows what it would do" undo "$second" customers --json
has "and does not" '"executed":false' "$W/out"
rows=$(json '$.data.fno.rows')
same "every row that differs, on both sides" "$(diff "$W/before" "$W/after" | grep -c '^< Customers V3') $(diff "$W/before" "$W/after" | grep -c '^< account')" "$rows $(json '$.data.dataverse.rows')"
same "the file has them" "$((rows + 1))" "$(wc -l <"$(json '$.data.fno.file')")"
has "with what they were" "Tailspin Maschinenbau" "$(json '$.data.dataverse.file')"
job_contents "$W/got"
same "nothing was written" "" "$(diff "$W/after" "$W/got" | head -3)"
run 0 "undo" undo "$second" customers --execute --json
run 0 "undo of the groups" undo "$second" customer_groups --execute --json
job_contents "$W/got"
same "contents as before, on both sides" "" "$(diff "$W/before" "$W/got" | head -6)"
run 0 "undo once more has nothing to do" undo "$second" customers --execute --json
same "every row is as before" "0 0" "$(json '$.data.fno.rows') $(json '$.data.dataverse.rows')"
run 0 "parity" parity
run 0 "gate show" gate show customers
has "the gate is shut" "loaded past it" "$W/out"

# ---- what was changed since stays; what was created is listed
sed -n '2p' sources/customers.csv | sed 's/C-0000001/NEW-1/' >>sources/customers.csv
run 0 "a third load, with a new row" load --execute --restart
third=$(last_run)
same "both were new" 1 "$(dump fno | grep -c '^Customers V3|usmf|NEW-1|')"
account=$(awk -F, '/,Renamed /{ print $1 "|" $2; exit }' sources/customers.csv)
company=${account%|*} account=${account#*|}
admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"$company\",\"values\":{\"CUSTOMERACCOUNT\":\"$account\",\"ORGANIZATIONNAME\":\"By hand\"}}" >/dev/null
run 0 "undo plan" undo "$third" customers --json
same "one row was changed since, one was created" "1 1" "$(json '$.data.fno.changed_since') $(json '$.data.fno.created')"
has "the created row is listed" "NEW-1" "$(json '$.data.fno.created_file')"
run 0 "undo of it" undo "$third" customers --execute
run 0 "and of the groups" undo "$third" customer_groups --execute
dump fno >"$W/got"
grep -v '^[a-z_]*|' "$W/before" | grep -F '|' >"$W/want" # F&O's part
same "the edit and the new row are all that differs" "By hand NEW-1" \
    "$(dump fno | diff "$W/before" - | grep '^> ' | grep -o 'By hand\|NEW-1' | sort -u | paste -sd' ')"
stop_emulator

# ---- ended in the middle: the same command goes on
if [ -x "$DMFSYNC_FAULT_BIN" ]; then
    REAL_BIN=$DMFSYNC_BIN
    for step in slice_packed import_called outcome_stored bulk_called; do
        job_start "$W/k"
        cd "$W/k.ws" || exit 1
        "$GEN_SOURCES" 30 sources
        unset DMFSYNC_LOAD_UNDO
        dmfsync migrate --execute
        job_contents "$W/before"
        edit
        DMFSYNC_LOAD_UNDO=yes
        export DMFSYNC_LOAD_UNDO
        dmfsync migrate --execute --restart
        n=$(last_run)
        cp -r .dmfsync "$W/copy" && admin POST /moment '{"side":"fno","do":"save"}' >/dev/null && admin POST /moment '{"side":"dataverse","do":"save"}' >/dev/null
        DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
        rm -f "$W/steps"
        DMFSYNC_STEP_TRACE=$W/steps dmfsync undo "$n" customers --execute
        at=$(awk -v s="$step" '$2 == s { print $1; exit }' "$W/steps")
        rm -rf .dmfsync && mv "$W/copy" .dmfsync
        admin POST /moment '{"side":"fno","do":"restore"}' >/dev/null && admin POST /moment '{"side":"dataverse","do":"restore"}' >/dev/null
        DMFSYNC_STEP_KILL=$at dmfsync undo "$n" customers --execute
        DMFSYNC_BIN=$REAL_BIN
        same "undo is ended at $step" 137 "$STATUS"
        run 0 "$step: the same command goes on" undo "$n" customers --execute
        dmfsync undo "$n" customer_groups --execute
        job_contents "$W/got"
        same "$step: contents as before" "" "$(diff "$W/before" "$W/got" | head -6)"
        stop_emulator
    done
fi
finish

#!/bin/sh
# waves.sh -- a map that is not green stops those that depend on it and no others; --max-errors, --keep-going, and taking up
# what was skipped.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=12
unset DMFSYNC_LOAD_MAX_ERRORS
state() { jsql "select group_concat(a, ' ') from (select json_extract(value, '\$.${2:-map}') || '=' || json_extract(value, '\$.state') as a from json_each(j, '\$.data.maps') where json_extract(value, '\$.${2:-map}') in ($1) order by 1)"; }

job_start "$W/t"
cd "$W/t.ws" || exit 1
sed -i '/^max_errors/d' dmfsync.ini
printf 'usmf,BADTERM,Bad,many,0,0,No,Net,,\r\n' >>sources/payment_terms.csv # not a number of days
run 2 "--max-errors that is none" load --max-errors some
run 10 "a bad row in wave 3" load --execute --json
same "its map is red" "payment_terms=red" "$(state "'payment_terms'")"
same "those that depend on it are skipped" "customer_groups=skipped customers=skipped" "$(state "'customer_groups', 'customers'")"
same "the others went on" "currencies=green payment_days=green tax_groups=green" "$(state "'currencies', 'payment_days', 'tax_groups'")"
has "why is told" "it depends on 'payment_terms', which is not green" "$W/out"
run 10 "the same with a share" load --execute --json --max-errors 1%
same "one of 31 rows is more than 1 %" "payment_terms=red" "$(state "'payment_terms'")"
DMFSYNC_LOAD_MAX_ERRORS=1%
export DMFSYNC_LOAD_MAX_ERRORS
run 10 "a share in the settings" load --execute --json
same "it rules as well" "payment_terms=red" "$(state "'payment_terms'")"
DMFSYNC_LOAD_MAX_ERRORS=60%
run 10 "within the share: the same run goes on" load --execute --json
unset DMFSYNC_LOAD_MAX_ERRORS
same "what was skipped is done" "customer_groups=green customers=red payment_terms=green" "$(state "'customer_groups', 'customers', 'payment_terms'")"
same "in one run" 1 "$(sqlite3 .dmfsync/work.db 'select count(*) from run')"
same "the loads are over" done "$(sqlite3 .dmfsync/work.db 'select state from run')"
stop_emulator

# Corrected by retry, then the same command takes up what was skipped.
job_start "$W/t"
cd "$W/t.ws" || exit 1
sed -i '/^max_errors/d' dmfsync.ini
printf 'usmf,BADTERM,Bad,many,0,0,No,Net,,\r\n' >>sources/payment_terms.csv
run 10 "load stops at the red map" load --execute
run 0 "the reject file" errors payment_terms --rejects --json
sed 's/,many,/,7,/' "$(json '$.data.reject_files[0].file')" >fixed.csv
run 0 "the corrected row" retry payment_terms --rejects fixed.csv --execute
run 10 "load goes on" load --execute --json
same "with what was skipped" "customer_groups=green payment_terms=green" "$(state "'customer_groups', 'payment_terms'")"
stop_emulator

# An error of one map: the run ends, or goes on with what does not depend on it.
echo 'on fno POST *ImportFromPackage body *tax_groups* do status 400' >"$W/faults"
job_start "$W/t" --fault "$W/faults"
cd "$W/t.ws" || exit 1
run 7 "a refused package ends the load" load --execute
run 7 "--keep-going: it is told all the same" load --execute --keep-going --json --max-errors 100%
same "the map failed, those that need it are skipped, the rest is done" "customer_groups=green customers=skipped payment_terms=green tax_groups=failed" "$(state "'customer_groups', 'customers', 'payment_terms', 'tax_groups'")"
admin POST /faults '' >/dev/null
run 10 "when the cause is gone the same command ends the load" load --execute --json --max-errors 100%
same "all are green" "customers=green tax_groups=green" "$(state "'customers', 'tax_groups'")"
same "in one run" "1 done" "$(sqlite3 -separator ' ' .dmfsync/work.db 'select count(*), max(state) from run')"
stop_emulator

job_start "$W/t" --fault "$W/faults"
cd "$W/t.ws" || exit 1
run 7 "migrate --keep-going" migrate --execute --keep-going --json
same "migrate: the same" "customer_groups=green customers=skipped payment_terms=green tax_groups=failed" "$(state "'customer_groups', 'customers', 'payment_terms', 'tax_groups'" alias)"
admin POST /faults '' >/dev/null
run 10 "migrate goes on" migrate --execute --json
same "migrate: all are green" 9 "$(jsql "select count(*) from json_each(j, '\$.data.maps') where json_extract(value, '\$.state') = 'green'")"
same "migrate: no row was made twice" 0 "$(dump fno | cut -d'|' -f1-3 | sort | uniq -d | wc -l)"
finish

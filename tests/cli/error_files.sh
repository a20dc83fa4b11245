#!/bin/sh
# error_files.sh -- rows that F&O refused are named exactly, whatever the layout of its error files, with and without
# GetExecutionErrors; where nothing names them, its rows are read back. Failures in the first, the last and random rows.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=4
ROWS=90 # in two packages a company

# Refused in the target step: a lookup that leads nowhere. Refused in staging: a text that is too long for the field.
write_source() { # LINES..: data rows that are bad, every third of them in staging
    printf 'DATAAREAID,Group,DESCRIPTION,ISSALESTAXINCLUDEDINPRICE,PAYMENTTERMID,CLEARINGPERIODPAYMENTTERMNAME\r\n' >sources/customer_groups.csv
    long=$(printf '%0500d' 1)
    awk -v n="$ROWS" -v bad=" $* " -v long="$long" 'BEGIN {
        for (i = 1; i <= n; i++) {
            is_bad = index(bad, " " i " ")
            printf "usmf,G%03d,%s,No,%s,\r\n", i, is_bad && i % 3 == 0 ? long : "Group " i, is_bad && i % 3 ? "NOTERM" : ""
        }
    }' >>sources/customer_groups.csv
}
case_of() { # NAME KNOBS BAD-ROWS..
    name=$1 knobs=$2
    shift 2
    # shellcheck disable=SC2086
    job_start "$W/t" $knobs
    cd "$W/t.ws" || exit 1
    write_source "$@"
    dmfsync load customer_groups --execute --json
    same "$name: the exit status" 10 "$STATUS"
    same "$name: the ledger" "$ROWS $((ROWS - $#)) $#" "$(json '$.data.maps[0].rows') $(json '$.data.maps[0].landed') $(json '$.data.maps[0].rejected')"
    dmfsync errors customer_groups --format csv
    tail -n +2 "$W/out" | tr -d '\r' | cut -d, -f4 | sort -n | tr '\n' ' ' >"$W/got"
    for i in "$@"; do echo $((i + 1)); done | sort -n | tr '\n' ' ' >"$W/want"
    same "$name: exactly the bad lines are named" "$(cat "$W/want")" "$(cat "$W/got")"
    same "$name: the others are in F&O" "$((ROWS - $#))" "$(dump fno | grep -c '^Customer groups|usmf|G')"
}
ALL="1 2 17 33 50 51 71 89 90" # the first and last rows of both packages, and some between
for layout in 0 1 2; do
    # shellcheck disable=SC2086
    case_of "layout $layout, no error list" "--knob fno_key_files_layout=$layout --knob fno_errors_absent=1" $ALL
    has_not "layout $layout, no error list: nothing was sent twice" "go again" "$W/err"
    stop_emulator
done
# shellcheck disable=SC2086
case_of "no files" "--knob fno_key_files_absent=1" $ALL
has "no files: with F&O's reasons" "is not found in the related table" "$W/out"
stop_emulator
# shellcheck disable=SC2086
case_of "no files and no error list" "--knob fno_key_files_absent=1 --knob fno_errors_absent=1" $ALL
has "no files and no error list: says so" "named no reason" "$W/out"
stop_emulator
case_of "one row among many, unnamed" "--knob fno_key_files_absent=1 --knob fno_errors_absent=1" 44
stop_emulator
# shellcheck disable=SC2046
case_of "every row of a package, unnamed" "--knob fno_key_files_absent=1 --knob fno_errors_absent=1" $(seq 1 50)
stop_emulator

# Rows that failed only because F&O was busy: they go again by themselves when nothing names them, by `retry` when they are named.
echo 'on fno POST *ImportFromPackage nth 1 do import fail-rows 7' >"$W/faults"
job_start "$W/t" --fault "$W/faults" --knob fno_key_files_absent=1 --knob fno_errors_absent=1
cd "$W/t.ws" || exit 1
write_source
run 0 "an update conflict that is not named" load customer_groups --execute --json
same "an update conflict that is not named: all landed" "$ROWS" "$(json '$.data.maps[0].landed')"
stop_emulator
job_start "$W/t" --fault "$W/faults"
cd "$W/t.ws" || exit 1
write_source
run 10 "an update conflict that is named" load customer_groups --execute --json
same "an update conflict that is named: seven rows" 7 "$(json '$.data.maps[0].rejected')"
run 0 "retry sends them" retry customer_groups --execute --json
same "all landed" "$ROWS 7" "$(json '$.data.maps[0].landed') $(json '$.data.maps[0].taken')"
finish

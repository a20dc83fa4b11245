#!/bin/sh
# fault_matrix.sh -- every kind of call of a load, disturbed in every way: the connection cut before and after the service acted,
# 429 with and without a wait, 500, 503, an answer cut off, an answer that is no JSON; upload URLs and tokens that expire, clocks that
# are wrong and that jump. After each: contents equal the undisturbed load's, nothing was imported twice, the sums are right.
# `make test` takes a part of the matrix, every kind of call and every fault at least once; DMFSYNC_SOAK=1 all of it. The end of
# the process is kill.sh's and retry.sh's matter, the full disk full_disk.sh's, refused rows error_files.sh's.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=12
MAPS="customers customer_groups payment_terms"

whole() { # until it no longer asks to be tried again
    tries=0
    while :; do
        # shellcheck disable=SC2086
        dmfsync load $MAPS --execute --json --max-errors 100%
        case $STATUS in 5 | 6 | 7) ;; *) return 0 ;; esac # an answer that cannot be read ends a run with 7, a bad token with 6
        tries=$((tries + 1))
        [ "$tries" -lt 6 ] || return 0
    done
}
prepare() {
    job_start "$W/t" "$@"
    cd "$W/t.ws" || exit 1
}
outcome() {
    dump fno >"$1"
    admin GET /counters >"$W/counters.json"
    for c in fno.import.executed fno.rows.created fno.rows.updated; do echo "$c $(json "\$.\"$c\"" "$W/counters.json")"; done >>"$1"
    for m in $MAPS; do sqlite3 ".dmfsync/maps/$m/state.db" "select row_no, state, stage, coalesce(code, '') from row_exception order by row_no, id" >>"$1"; done
}
judge() { # NAME
    why=
    [ "$STATUS" = 10 ] || why="status $STATUS: $(tail -3 "$W/err")"
    outcome "$W/got"
    cmp -s "$W/want" "$W/got" || why="$why differs: $(diff "$W/want" "$W/got" | head -6)"
    odd=$(jsql "select count(*) from json_each(j, '\$.data.maps') where json_extract(value, '\$.rows') <> json_extract(value, '\$.landed') + json_extract(value, '\$.unchanged') + json_extract(value, '\$.rejected') + json_extract(value, '\$.parked') + json_extract(value, '\$.unsent') + json_extract(value, '\$.excluded') + json_extract(value, '\$.unknown') or json_extract(value, '\$.unsent') + json_extract(value, '\$.unknown') <> 0")
    [ "$odd" = 0 ] || why="$why the sums of $odd maps are wrong"
    stop_emulator
    if [ -n "$why" ]; then not_ok "$1" "$why"; else ok "$1"; fi
}
prepare
whole
same "the undisturbed load" 10 "$STATUS"
outcome "$W/want"
stop_emulator

cat >"$W/calls" <<'CALLS'
login POST *
fno GET /data/LegalEntities
fno GET /metadata/*
fno POST *GetAzureWriteUrl
blob PUT *
fno POST *ImportFromPackage
fno POST *GetExecutionSummaryStatus
fno GET *ExecutionJobDetails
fno POST *GetImportStagingErrorFileUrl
fno POST *GenerateImportTargetErrorKeysFile
fno POST *GetImportTargetErrorKeysFileUrl
blob GET *
fno POST *GetExecutionErrors
CALLS
cat >"$W/how" <<'HOW'
drop before
drop after
status 429 retry-after 1
status 429
status 500
status 503
cut 10
garbage
HOW
fired=0
n=0
while read -r call <&3; do
    k=0
    while read -r how <&4; do
        k=$((k + 1))
        # A diagonal of the matrix, and all of the call that must not be made twice.
        [ -n "${DMFSYNC_SOAK:-}" ] || [ $((k % 8)) = $((n % 8)) ] || { [ "${call#*Import}" = FromPackage ] && [ $((k % 2)) = 0 ]; } || continue
        echo "on $call nth 1 do $how" >"$W/faults"
        prepare --fault "$W/faults"
        whole
        hit=$(counter faults.fired)
        [ "$hit" = null ] || fired=$((fired + 1))
        judge "$call: $how"
    done 4<"$W/how"
    n=$((n + 1))
done 3<"$W/calls"
result "the faults were met" $([ "$fired" -ge $((n - 1)) ]; echo $?) "only $fired"

echo 'on blob PUT * from 1 to 2 do expire-sas' >"$W/faults"
prepare --fault "$W/faults"
whole
judge "upload URLs that expire on the way, twice"
prepare --knob token_expires_s=2 --knob row_us=2000
whole
judge "tokens that expire all the time"
for skew in 7200000 -7200000; do
    prepare --knob clock_skew_ms=$skew
    whole
    judge "clocks that are $skew ms apart"
done
prepare --knob d2_ms=300
(sleep 0.4; admin POST /clock '{"advance_ms":5400000}' >/dev/null) &
whole
wait $!
judge "the service's clock jumps by 90 minutes in the middle"
finish

#!/bin/sh
# A batch job over many rows, reconciled at bulk speed under the published service protection limits. With DMFSYNC_SOAK=1 50,000 rows, once on a
# rehearsal of another seed and latency, whose rates the plan of the real run is fed with: it must tell the time (the emulator's, which here is
# made of latency, rows in jobs and rows in writes) within 30 percent. The short form looks at all but the time.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
. "$(dirname "$0")/runbook.sh"
job_settings
ROWS=${RECONCILE_ROWS:-900}
[ "${DMFSYNC_SOAK:-}" != 1 ] || ROWS=${RECONCILE_ROWS:-50000}
JOB_CUSTOMERS=$((ROWS + ROWS / 50))
DMFSYNC_LOAD_PACKAGE_ROWS=25000
JOB_ROWS="usmf:$((ROWS * 60 / 100)) gbmf:$((ROWS * 25 / 100)) demf:$((ROWS - ROWS * 60 / 100 - ROWS * 25 / 100))"
COST="--knob row_us=1000 --knob dv_row_us=8000"
[ "${DMFSYNC_SOAK:-}" = 1 ] || COST=

# pair NAME SEED LATENCY: loaded, compared and handed over without limits and costs; then as the services are, with the map running
pair() {
    JOB_SEED=$2 job_start "$1" --knob dv_limit_requests=0 --knob dv_limit_execution_ms=0
    cd "$1.ws" || exit 1
    dmfsync migrate --execute
    same "$1: the migration" 10 "$STATUS"
    control hook
    cat >job.sh <<JOB
#!/bin/sh
for c in $JOB_ROWS; do
    $(post /fno/job "{\"entity\":\"Customers V3\",\"company\":\"'\${c%%:*}'\",\"rows\":'\${c#*:}',\"values\":{\"PRIMARYCONTACTPHONE\":\"555 {n}\"}}") || exit 9
done
JOB
    chmod +x hook.sh job.sh
    knobs='"dv_limit_requests":6000,"dv_limit_execution_ms":1200000'
    for k in $COST; do [ "$k" = --knob ] || knobs="$knobs,\"${k%=*}\":${k#*=}"; done
    admin POST /knobs "{$knobs,\"latency_ms\":$3}" >/dev/null
    map_state running
    bulk=$(number dv.bulk.calls) updated=$(number dv.rows.updated) single=$(number dv.writes.single)
}
reconcile() { # NAME OPTION..: the job, with the usual looks at what it did
    side=$1
    shift
    run 0 "$side: $ROWS rows are reconciled" reconcile customers --rows "$ROWS" --command-time "$seconds"s --execute --json "$@" -- ./job.sh
    same "$side: all touched, all at parity" "$ROWS $ROWS parity" "$(json '$.data.maps[0].touched') $(json '$.data.maps[0].verified') $(json '$.data.maps[0].verdict')"
    cp "$W/out" "$W/$side.json"
    same "$side: each row is written once" "$ROWS" $(($(number dv.rows.updated) - updated))
    calls=$(($(number dv.bulk.calls) - bulk))
    result "$side: in bulk" "$([ "$calls" -le $((ROWS / 50 + 8)) ]; echo $?)" "$calls calls"
    same "$side: none of them by itself" 0 $(($(number dv.writes.single) - single))
    same "$side: no call is rejected" 0 "$(number dv.429)"
}
time_of() { jsql "select json_extract(j, '\$.data.$2')" "$W/$1.json"; } # NAME MEMBER

seconds=8
pair rehearsal 7 10
reconcile rehearsal
stop_emulator
# What the user knows of COMMAND: about what it took there.
seconds=$((($(time_of rehearsal command.ms) + 999) / 1000))
pair real 1 $([ "${DMFSYNC_SOAK:-}" = 1 ] && echo 60 || echo 25)
reconcile real --rates "$W/rehearsal.ws/.dmfsync/rates.json"
same "the plan knows every step" 0 "$(jsql "select count(*) from json_each(j, '\$.data.plan.steps') where json_extract(value, '\$.ms') is null" "$W/real.json")"
planned=$(time_of real plan.total_ms) took=$(time_of real total_ms)
echo "# $ROWS rows: planned $planned ms, took $took ms ($((planned * 100 / took)) percent), of them COMMAND $(time_of real command.ms); $calls bulk calls"
echo "# steps, planned: $(jsql "select group_concat(json_extract(value, '\$.step') || ' ' || json_extract(value, '\$.ms'), ', ') from json_each(j, '\$.data.plan.steps')" "$W/real.json")"
echo "# steps, took: $(time_of real times_ms)"
if [ "${DMFSYNC_SOAK:-}" = 1 ]; then
    result "the plan told the time within 30 percent" "$([ $((planned * 10)) -le $((took * 13)) ] && [ $((planned * 10)) -ge $((took * 7)) ]; echo $?)" "planned $planned ms, took $took ms"
fi
finish

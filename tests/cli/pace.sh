#!/bin/sh
# How fast the services are called: pause file, rate, several application users, what status shows meanwhile, the summary; the
# bulk writer against the limits of service protection (scripts/bench_limits), one bad row among many.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"

job_start "$W/t"
cat >>"$W/t.ws/dmfsync.ini" <<'INI'
[credential.a]
client_id = 11111111-1111-1111-1111-111111111111
client_secret_file = secret-a
[credential.b]
client_id = 11111111-1111-1111-1111-111111111112
client_secret_file = secret-b
INI
printf demo-secret >"$W/t.ws/secret-a"
printf demo-secret >"$W/t.ws/secret-b"
DMFSYNC_DATAVERSE_CREDENTIALS='a;b'
export DMFSYNC_DATAVERSE_CREDENTIALS
echo 500 >"$W/rate"
: >"$W/pause"
"$DMFSYNC_BIN" --dir "$W/t.ws" --json --pause-file "$W/pause" --tpslimit "@$W/rate" migrate --execute >"$W/migrate" 2>"$W/migrate.err" &
pid=$!
i=0
until grep -q pause "$W/t.ws/.dmfsync/progress.json" 2>/dev/null; do
    i=$((i + 1)); [ "$i" -lt 200 ] || break; sleep 0.1
done
run 0 "status beside a paused run" --dir "$W/t.ws" status --json
has "it tells why nothing goes on" "paused: the file" "$W/out"
same "nothing was written" null "$(counter dv.writes.tagged)"
sleep 0.5
rm "$W/pause"
wait "$pid"
same "the run goes on when the file is gone" 10 $?
result "the wait is in the summary" "$([ "$(jsql "select sum(json_extract(value, '$.waited_ms.pause_file')) from json_each(j, '$.data.services')" "$W/migrate")" -gt 300 ]; echo $?)" \
    "$(jsql "select json_extract(j, '$.data.services')" "$W/migrate")"
same "both users worked" 2 "$(jsql "select max(json_extract(value, '$.users')) from json_each(j, '$.data.services')" "$W/migrate")"
admin GET /limits >"$W/limits.json"
same "each of them had calls" 2 "$(sqlite3 :memory: "select count(*) from json_each(cast(readfile('$W/limits.json') as text), '\$.users') where json_extract(value, '\$.calls') > 0")"
result "no file is left behind" "$([ ! -e "$W/t.ws/.dmfsync/progress.json" ]; echo $?)"
unset DMFSYNC_DATAVERSE_CREDENTIALS
run 2 "a rate that is none" --dir "$W/t.ws" --tpslimit 0 parity
run 2 "no file behind @" --dir "$W/t.ws" --tpslimit @ parity
stop_emulator

# The published limits for as long as one whole window after the first one takes; the long form is 3 million rows. Simulated time
# stands still while a program works, so a busy machine changes nothing. Slower rows, and fewer, where the programs are slow.
BENCH=$(dirname "$DMFSYNC_EMU")
set -- LIMITS_ROWS=1300000
case $BENCH in */release) ;; *) set -- LIMITS_ROWS=60000 LIMITS_ROW_US=100000 ;; esac
[ -z "${DMFSYNC_SOAK:-}" ] || set -- LIMITS_ROWS=3000000
env BUILD="$BENCH" "$@" "$DMFSYNC_ROOT/scripts/bench_limits" >"$W/limits" 2>&1
result "near the ceiling of the limits, next to no refused call, none too early" $? "$(cat "$W/limits")"
sed 's/^/# /' "$W/limits"

# One bad row among many: calls beyond those of a clean load, at most 2 * ceil(log2(batch)).
start_emulator "$W/one" --port 0 --knob company_team_delay_ms=0
"$BENCH/bench_dv" --ports "$W/one.ports" --rows 100000 --bad 100000 >"$W/bad" 2>&1
result "one bad row among 100,000: exactly it is refused" $? "$(cat "$W/bad")"
same "one row" 1 "$(sed -n 's/^refused //p' "$W/bad")"
extra=$(sed -n 's/^extra_calls //p' "$W/bad")
most=$(sed -n 's/^batch_rows //p' "$W/bad" | awk '{ n = 0; for (k = 1; k < $1; k *= 2) n++; print 2 * n }')
echo "# $extra extra calls, $most allowed"
result "it costs at most 2 * ceil(log2(batch)) calls" "$([ "${extra:-999}" -le "${most:-0}" ]; echo $?)" "$extra of $most"
stop_emulator
finish

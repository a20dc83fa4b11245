#!/bin/sh
# nights.sh -- `parity` from cron for weeks, on the emulator's clock and a calendar that moves with it: drift is planted in some nights
# past dual-write (silent writes, deletions, option values), and exactly these nights are reported, with the rows. Two at once never
# overlap, nothing hangs, the disk does not fill up. NIGHTS=12 (60 with DMFSYNC_SOAK=1).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
NIGHTS=${NIGHTS:-12}
[ "${DMFSYNC_SOAK:-}" != 1 ] || NIGHTS=60
SHIM=$(dirname "$DMFSYNC_BIN")/clock_shift.so
[ -e "$SHIM" ] || { not_ok "clock_shift.so is built (make $SHIM)"; finish; }
job_settings
JOB_CUSTOMERS=60
job_start "$W/n"
cd "$W/n.ws" || exit 1
run 10 "the migration" migrate --execute

# As the unit files and the crontab of scripts/ do it, plus short retention, so that weeks say something about years.
cat >"$W/changed" <<'SH'
#!/bin/sh
echo "$DMFSYNC_MAP $DMFSYNC_PREVIOUS $DMFSYNC_VERDICT $DMFSYNC_DIFFERENCES $1 $2" >>"${DMFSYNC_WORKSPACE}/changes.txt"
SH
chmod +x "$W/changed"
awk -v hook="$W/changed" '/^\[parity\]/ { seen = 1 } { print } END { if (!seen) print "[parity]"
    print "report = reports/parity-{date}.html\nmetrics = dmfsync.prom\non_change = " hook "\n[retention]\nkeep_history = 5d\nkeep_packages = 2d\nkeep_reports = 4\nlog_octets = 20000" }' \
    dmfsync.ini >ini.new && mv ini.new dmfsync.ini
mkdir reports
shift_s=0
# at_night ARG..: as cron starts it, a bare environment, this night's date; a hang is a failure. Output in $W/out, $W/err; STATUS
at_night() {
    STATUS=0
    env -i PATH="$PATH" HOME="$HOME" TMPDIR="$W" LD_PRELOAD="$SHIM" ASAN_OPTIONS=verify_asan_link_order=0 CLOCK_SHIFT_SECONDS="$shift_s" \
        timeout 300 "$DMFSYNC_BIN" --dir "$W/n.ws" "$@" >"$W/out" 2>"$W/err" || STATUS=$?
}
# What users do by day on both sides alike, as dual-write would have carried it.
by_day() {
    admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"C-0000003\",\"ORGANIZATIONNAME\":\"Day $1\"}}" &&
        admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"C-0000003\"},\"values\":{\"name\":\"Day $1\"}}"
}
# drift NIGHT [KIND]: plants by turns, names the key that must be reported in KEY and what puts it right in CURE
drift() {
    case $((${2:-$planted} % 5)) in
    0) KEY='gbmf|C-0000001' CURE=repair # a silent write in Dataverse
       admin POST /dataverse/rows '{"table":"account","company":"GBMF","key":{"accountnumber":"C-0000001"},"values":{"name":"Silent '"$1"'"}}' ;;
    1) KEY='usmf|C-0000005' CURE=repair # an option value, by an integration that writes past dual-write
       admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000005"},"values":{"msdyn_onholdstatus":"'$((806380001 + $1 % 3))'"}}' ;;
    2) KEY='usmf|C-0000009' CURE=repair # a record deleted in Dataverse
       admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000009"},"delete":true}' ;;
    3) KEY='usmf|GHOST-'$1 CURE=ghost # one that only Dataverse has
       admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"GHOST-'"$1"'"},"values":{"name":"Ghost","customertypecode":"3","msdyn_customergroupid":"10","transactioncurrencyid":"USD"}}' ;;
    4) KEY='usmf|C-0000011' CURE=repair # a bulk update in F&O that skips the events
       admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-0000011","CREDITRATING":"S'"$1"'"}}' ;;
    esac
}
cure() {
    case $CURE in
    repair) at_night repair customers --execute ;;
    ghost) admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"'"${KEY#*|}"'"},"delete":true}' >/dev/null ;;
    esac
}

wrong=0 reported=0 planted=0 early=0 overlaps=0 begins=0 ends=0 before=0
night=0
while [ "$night" -lt "$NIGHTS" ]; do
    night=$((night + 1)) shift_s=$((shift_s + 86400))
    admin POST /clock '{"advance_ms":86400000}' >/dev/null || not_ok "the clock moves"
    by_day "$night" >"$W/day" 2>&1 || not_ok "users work by day" "$(cat "$W/day")"
    planned=0
    # Some nights, by no rule that parity could know.
    case $((night * 7 % 11)) in 1 | 3 | 5 | 8)
        planned=1 planted=$((planted + 1))
        drift "$night" >"$W/drift" 2>&1 || not_ok "drift is planted in night $night" "$(cat "$W/drift")" ;;
    esac
    if [ $((night % 6)) = 5 ]; then # the one before takes too long: this one waits, a third does not care to
        admin POST /knobs '{"latency_ms":40}' >/dev/null
        (at_night parity --quiet --lock-wait 120; echo "$STATUS" >"$W/first"; cp "$W/out" "$W/first.out") &
        first=$!
        i=0
        until "$DMFSYNC_BIN" --dir "$W/n.ws" status --json 2>/dev/null | grep -q '"working":true' || [ $i -gt 200 ]; do i=$((i + 1)); sleep 0.05; done
        "$DMFSYNC_BIN" --dir "$W/n.ws" parity --quiet --lock-wait 0 >"$W/second.out" 2>"$W/second.err"; second=$?
        [ "$second" = 11 ] && [ ! -s "$W/second.out" ] && overlaps=$((overlaps + 1))
        wait "$first"
        admin POST /knobs '{"latency_ms":0}' >/dev/null
        STATUS=$(cat "$W/first"); cp "$W/first.out" "$W/out"
    else
        at_night parity --quiet --lock-wait 120 --log-file "$W/n.ws/parity.log"
    fi
    if [ "$planned" = 1 ]; then
        if [ "$STATUS" = 9 ] && [ "$(wc -l <"$W/out")" = 1 ] && grep -qF "$KEY" "$W/out"; then reported=$((reported + 1)); else
            wrong=$((wrong + 1)); not_ok "night $night: drift of $KEY" "status $STATUS" "$(cat "$W/out" "$W/err")"; fi
        at_night diff customers --stored
        grep -qF "$KEY" "$W/out" || not_ok "night $night: the row is in the stored delta" "$(head -5 "$W/out")"
        cure
    elif [ "$STATUS" != 0 ] || [ -s "$W/out" ]; then
        wrong=$((wrong + 1)); not_ok "night $night: all is well" "status $STATUS" "$(cat "$W/out" "$W/err")"
    fi
    [ "$planned" -le "$before" ] || begins=$((begins + 1))
    [ "$planned" -ge "$before" ] || ends=$((ends + 1))
    before=$planned
    [ "$night" != 6 ] || early=$(du -sk .dmfsync | cut -f1)
done
same "exactly the planted nights were reported, of $NIGHTS" "$planted 0" "$reported $wrong"
result "some were planted" $([ "$planted" -ge 3 ]; echo $?) "$planted"
same "a parity beside another one ended with 11 and said nothing else" $(((NIGHTS + 1) / 6)) "$overlaps"
late=$(du -sk .dmfsync | cut -f1)
result "the workspace does not grow" $([ "$late" -le $((early * 5 / 4 + 200)) ]; echo $?) "after 6 nights $early KiB, after $NIGHTS $late KiB"
echo "# .dmfsync: after 6 nights $early KiB, after $NIGHTS nights $late KiB; $planted nights with drift"
same "four reports are kept" 4 "$(ls reports | wc -l | tr -d ' ')"
result "the log was renamed once it was large" $([ "$(cat parity.log parity.log.1 2>/dev/null | wc -c)" -lt 60000 ]; echo $?)
oldest=$(date -u -d "@$(($(date +%s) + shift_s - 6 * 86400))" +%Y-%m-%dT%H:%M:%SZ)
same "verdicts of before keep_history are gone, but the gate's" 0 "$(sqlite3 .dmfsync/work.db "select count(*) from verdict where checked_at < '$oldest' and id not in (select verdict_id from gate)")"
same "and those since are there" 1 "$(sqlite3 .dmfsync/work.db "select count(distinct substr(checked_at, 1, 10)) >= 5 from verdict where alias = 'customers'")"
same "each drift was told once, and each end of it" "$begins $ends" "$(grep -c '^customers [a-z]* drift [0-9]* customers drift$' changes.txt) $(grep -c '^customers drift parity 0 customers parity$' changes.txt)"
at_night metrics "$W/m.prom"
green=$(sed -n 's/^dmfsync_last_green_time_seconds{map="customers"} //p' "$W/m.prom") now=$(($(date +%s) + shift_s))
result "the metrics have a green time of the last nights" $([ $((now - green)) -lt 200000 ] && [ $((now - green)) -ge 0 ]; echo $?) "$((now - green)) s ago"
at_night history customers
result "history shows the nights" $([ "$(grep -c 'parity\|drift' "$W/out")" -ge 5 ]; echo $?) "$(head -5 "$W/out")"

# A hook that fails, hangs or is not there changes nothing but a line on standard error.
drift 10 0 >/dev/null
printf '#!/bin/sh\nsleep 600\n' >"$W/changed"
env DMFSYNC_PARITY_ON_CHANGE_LIMIT=1s "$DMFSYNC_BIN" parity customers --quiet >"$W/out" 2>"$W/err"
same "a hook that hangs: the verdict stands" 9 $?
has "and it is told" "on_change" "$W/err"
rm "$W/changed"
dmfsync parity customers --quiet
same "a hook that is gone: the verdict stands" 9 "$STATUS"

# Automatic repair: only where it is asked for, within its guard.
sed -i '/^on_change/d' dmfsync.ini
DMFSYNC_MAP_CUSTOMERS_AUTO_REPAIR=yes DMFSYNC_PARITY_AUTO_REPAIR_MAX=0 "$DMFSYNC_BIN" parity --quiet >"$W/out" 2>"$W/err"
same "beyond auto_repair_max nothing is written: the guard" 13 $?
has "and says why" "auto_repair_max" "$W/out"
DMFSYNC_MAP_CUSTOMERS_AUTO_REPAIR=no DMFSYNC_PARITY_AUTO_REPAIR=yes "$DMFSYNC_BIN" parity --quiet >"$W/out" 2>"$W/err"
same "a map that is excepted is left alone" 9 $?
DMFSYNC_MAP_CUSTOMERS_AUTO_REPAIR=yes "$DMFSYNC_BIN" parity --quiet >"$W/out" 2>"$W/err"
same "within it the rows are repaired" 0 $?
has "and one line says so" "1 rows repaired, parity" "$W/out"
run 0 "then all is well" parity --quiet
same "and nothing is said" "" "$(cat "$W/out" "$W/err")"
finish

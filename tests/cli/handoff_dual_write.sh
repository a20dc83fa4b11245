#!/bin/sh
# handoff_dual_write.sh -- a proven map is given over to dual-write while users of both sides go on: none of their edits is lost, none is
# doubled, wherever between the steps it falls, and whenever the command is ended by a kill.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=30
set_up() { # a tenant pair, a finished job, a hook that edits both sides in every gap
    stop_emulator
    job_start "$W/e" --knob dv_limit_requests=0
    cd "$W/e.ws" || exit 1
    dmfsync migrate --execute --quiet
    [ "$STATUS" = 10 ] || not_ok "the job" "$(cat "$W/err")"
cat >hook <<HOOK
#!/bin/sh
post() { curl -sS -X POST -H 'Content-Type: application/json' --data-binary "\$2" "$ADMIN_URL\$1" >/dev/null; }
fno() { post /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"\$1\",\"\$2\":\"\$3\"}}"; }
dv() { post /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"\$1\"},\"values\":{\"\$2\":\"\$3\"}}"; }
[ "\$1" = start ] || exit 3
[ ! -e asked ] || exit 0
: >asked
# after the drain, before it is asked for
fno C-0000001 SALESMEMO "gap 1 F&O"; dv C-0000002 description "gap 1 Dataverse"
fno C-0000003 ORGANIZATIONNAME "gap 1 name"; dv C-0000003 telephone1 "+1 gap 1"
post /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"GAP-1","ORGANIZATIONNAME":"made in the gap","CUSTOMERGROUPID":"10","SALESCURRENCYCODE":"USD"}}'
post /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"GAP-2"},"values":{"name":"made in the gap","customertypecode":"3","msdyn_customergroupid":"10","transactioncurrencyid":"USD"}}'
post /dualwrite '{"fno":"Customers V3","dataverse":"accounts","state":"running"}'
# asked for, not running yet
fno C-0000004 SALESMEMO "gap 2 F&O"; dv C-0000005 description "gap 2 Dataverse"
fno C-0000001 SALESMEMO "gap 2 once more"
# It runs. Dual-write carries whole records: the other field of C-0000004 is edited when the edit of F&O has arrived, since
# otherwise dual-write itself puts Dataverse's old memo over it.
( sleep 1.5; fno C-0000006 SALESMEMO "running F&O"; dv C-0000007 description "running Dataverse"
i=0
until curl -sS "$ADMIN_URL/dataverse/row?table=account&company=USMF&key=C-0000004" | grep -q 'gap 2 F&O' || [ \$i -gt 1200 ]; do i=\$((i + 1)); sleep 0.1; done
dv C-0000004 telephone1 "+1 running"; : >edited ) >/dev/null 2>&1 &
HOOK
chmod +x hook
printf 'handoff = dual-write\n' >>dmfsync.ini
cat >>dmfsync.ini <<INI
[dualwrite]
control = hook
hook = $W/e.ws/hook
control_wait = 20s
control_poll = 100ms
INI
    admin POST /knobs '{"dw_change_ms":800}' >/dev/null
    dmfsync parity customers --quiet
}

check() { # WHAT
    i=0
    until [ -e edited ] || [ $i -gt 1200 ]; do i=$((i + 1)); sleep 0.1; done
    dump fno | grep '^Customers V3|usmf' | sort >"$W/f"
    for k in C-0000001 C-0000002 C-0000003 C-0000004 C-0000005 C-0000006 C-0000007 GAP-1 GAP-2; do
        admin GET "/fno/row?entity=Customers%20V3&company=usmf&key=$k" >"$W/rf" 2>/dev/null
        admin GET "/dataverse/row?table=account&company=USMF&key=$k" >"$W/rd" 2>/dev/null
        same "$1: $k has one name" "$(json '$.ORGANIZATIONNAME' "$W/rf")" "$(json '$.name' "$W/rd")"
        same "$1: $k has one memo" "$(json '$.SALESMEMO' "$W/rf")" "$(json '$.description' "$W/rd")"
        same "$1: $k has one phone" "$(json '$.PRIMARYCONTACTPHONE' "$W/rf")" "$(json '$.telephone1' "$W/rd")"
        echo "$k $(json '$.SALESMEMO' "$W/rf") $(json '$.ORGANIZATIONNAME' "$W/rf") $(json '$.PRIMARYCONTACTPHONE' "$W/rf")"
    done >"$W/rows.out"
    grep -E '^(not )?ok|^#' "$W/rows.out"
    grep -q '^not ok' "$W/rows.out" && FAILED=1
    for want in "C-0000001 gap 2 once more" "C-0000002 gap 1 Dataverse" "C-0000003 .*gap 1 name .1 gap 1" "C-0000004 gap 2 F&O .*running" "C-0000005 gap 2 Dataverse" "C-0000006 running F&O" "C-0000007 running Dataverse" "GAP-1 .*made in the gap" "GAP-2 .*made in the gap"; do
        result "$1: $want" "$(grep -qE "^$want" "$W/rows.out"; echo $?)" "$(cat "$W/rows.out")"
    done
    same "$1: no key is there twice" 0 "$(dump dataverse | grep '^account|' | cut -d'|' -f1-3 | sort | uniq -d | wc -l)"
}
set_up
run 0 "handoff without --execute" handoff customers
has "says so" "NOT EXECUTED" "$W/out"
[ ! -x "$DMFSYNC_FAULT_BIN" ] || DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
DMFSYNC_STEP_TRACE=$W/trace run 0 "handoff" handoff customers --execute
has "it was seen running" "dual-write runs it" "$W/out"
check "none is lost"
run 0 "the gate is open for dual-write" gate show customers --json
same "open" open "$(json '$.data.gates[0].gate')"
dmfsync sync --once customers
same "our own sync stays away" 13 "$STATUS"
has "and says why" "belongs to dual-write" "$W/out"

[ -x "$DMFSYNC_FAULT_BIN" ] || { not_ok "the build with kill points" "make V=fault"; finish; }
steps=$(wc -l <"$W/trace")
[ -n "${DMFSYNC_SOAK:-}" ] && every=1 || every=$((steps / 3 + 1))
n=$((every / 2 + 1)) kills=0
while [ "$n" -lt "$steps" ]; do
    set_up
    DMFSYNC_STEP_KILL=$n dmfsync handoff customers --execute
    # How many looks are taken while the map starts depends on the moment: the last steps of that trace may not be reached.
    [ "$STATUS" != 137 ] || kills=$((kills + 1))
    result "killed at step $n" "$([ "$STATUS" = 137 ] || [ "$STATUS$((n > steps / 2))" = 01 ]; echo $?)" "status $STATUS"
    run 0 "the same command goes on" handoff customers --execute
    check "killed at step $n ($(sed -n "${n}p" "$W/trace" | cut -d' ' -f2))"
    n=$((n + every))
done
result "it was killed" "$([ "$kills" -ge 2 ]; echo $?)" "$kills kills"
finish

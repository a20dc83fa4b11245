#!/bin/sh
# A reconcile ended (SIGKILL) at each of its steps, then `recover`: the same contents on both sides as undisturbed, the map running,
# every time. Where COMMAND had not begun, recover leaves it so, and the same reconcile is run again. DMFSYNC_SOAK=1 takes every step, else
# as many as DMFSYNC_RECONCILE_POINTS with either adapter (default 3), spread. DMFSYNC_RECONCILE_HOW=hook takes that adapter alone.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
. "$(dirname "$0")/runbook.sh"
job_settings
JOB_CUSTOMERS=${RECONCILE_CUSTOMERS:-100}
ROWS=70
[ -x "$DMFSYNC_FAULT_BIN" ] || { echo "# no fault build"; ok "skipped: no fault build"; finish; }
DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
case_of() { # HOW: a pair, a running map, a row that the job deletes
    runbook_fresh k
    control "$1"
    sed -i 's/^\[map.customers\]/&\ndeletes = apply/' dmfsync.ini
    admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"A-1","ORGANIZATIONNAME":"A","CUSTOMERGROUPID":"10","SALESCURRENCYCODE":"USD"}}' >/dev/null
    job_script 555 "$(post /fno/rows '{"entity":"Customers V3","company":"usmf","key":{"CUSTOMERACCOUNT":"A-1"},"values":{},"delete":true}')
$(post /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000003"},"values":{"name":"Edited in the window"}}')"
}
# The window of an F&O row's own copy of our writes may be told once more: contents are compared, not counts.
go() { dmfsync reconcile customers --rows "$ROWS" --command-time 1s --execute -- ./job.sh; }

all=0
runbook_ready
for how in ${DMFSYNC_RECONCILE_HOW:-hook gateway}; do
    case_of "$how"
    rm -f "$W/trace"
    DMFSYNC_STEP_TRACE=$W/trace go
    same "$how: undisturbed" 0 "$STATUS"
    job_contents "$W/ref"
    steps=$(wc -l <"$W/trace")
    cut -d' ' -f2 "$W/trace" >>"$W/reached"
    points=$steps
    [ -n "${DMFSYNC_SOAK:-}" ] || points=${DMFSYNC_RECONCILE_POINTS:-3}
    [ "$points" -lt "$steps" ] || points=$steps
    point=0 bad=
    while [ "$point" -lt "$points" ]; do
        n=$((1 + (point * steps + steps / 2) / points))
        [ "$points" != "$steps" ] || n=$((point + 1))
        point=$((point + 1))
        case_of "$how"
        DMFSYNC_STEP_KILL=$n go
        step=$(sed -n "${n}p" "$W/trace")
        [ "$STATUS" = 137 ] || { bad="$bad step $step: not killed ($STATUS)"; continue; }
        dmfsync recover
        first=$STATUS
        [ "$(seen)" = running ] || bad="$bad step $step: the map is $(seen) after recover ($first: $(tail -2 "$W/err"))"
        if [ ! -e "$W/begun" ]; then
            go
            [ "$STATUS" = 0 ] || bad="$bad step $step: again ended with $STATUS $(tail -1 "$W/err")"
        fi
        [ "$(wc -l <"$W/begun")" = 1 ] || bad="$bad step $step: COMMAND was run $(wc -l <"$W/begun") times"
        job_contents "$W/now"
        cmp -s "$W/ref" "$W/now" || bad="$bad step $step: other contents ($(diff "$W/ref" "$W/now" | grep -c '^[<>]') lines)"
        [ "$(seen)" = running ] || bad="$bad step $step: the map is $(seen)"
        all=$((all + 1))
        [ -z "${VERBOSE:-}" ] || echo "# $how: step $n $step: recover ended with $first${bad:+; so far:$bad}"
    done
    same "$how: killed at $points of $steps steps, recovered" "" "$bad"
done
sed -n '/define STEP_TABLE/,/^$/p' "$DMFSYNC_ROOT/packages/base/step.h" | grep -o -e 'X(journal_[a-z]*)' -e 'X(control_[a-z]*)' -e 'X(command_[a-z]*)' -e 'X(bulk_settle[a-z]*)' -e 'X(scan_[a-z]*)' | sed 's/X(//; s/)//' | sort -u >"$W/names"
same "every step of a reconcile is reached" "" "$(sort -u "$W/reached" | comm -23 "$W/names" - | tr '\n' ' ')"
echo "# $all times"
finish

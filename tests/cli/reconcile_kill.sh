#!/bin/sh
# A reconcile ended (SIGKILL) at each of its steps, then `recover`: the same contents on both sides as undisturbed, the map running,
# every time. Where COMMAND had not begun, recover leaves it so, and the same reconcile is run again. DMFSYNC_SOAK=1 takes every step, else
# as many as DMFSYNC_RECONCILE_POINTS with either adapter (default 3), spread.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=${RECONCILE_CUSTOMERS:-100}
ROWS=70
[ -x "$DMFSYNC_FAULT_BIN" ] || { echo "# no fault build"; ok "skipped: no fault build"; finish; }
DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
PORT=$((31000 + $$ % 200 * 6))
ready() {
    JOB_SEED=1 job_start base --port "$PORT"
    cd base.ws || exit 1
    dmfsync migrate --execute
    cd "$W" || exit 1
    stop_emulator
}
fresh() {
    job=k
    stop_emulator
    cd "$W" || exit 1
    rm -rf k k.ws k.ports "$W/begun"
    cp -r base k && cp -r base.ws k.ws
    # shellcheck disable=SC2086
    start_emulator k --port "$PORT" --seed 1 $FAST
    cd k.ws || exit 1
    cat >hook.sh <<HOOK
#!/bin/sh
case \$1 in stop) to=stopped ;; start) to=running ;; *) exit 3 ;; esac
printf '%s\n' "\$DMFSYNC_MAPS" | while IFS='	' read -r alias label set name; do
    curl -sS --fail-with-body -H 'Content-Type: application/json' --data "{\"fno\":\"\$label\",\"dataverse\":\"\$set\",\"state\":\"\$to\"}" $ADMIN_URL/dualwrite || exit 1
done
HOOK
    cat >job.sh <<JOB
#!/bin/sh
echo begun >>$W/begun
curl -sS --fail-with-body -H 'Content-Type: application/json' --data '{"entity":"Customers V3","company":"usmf","rows":$ROWS,"values":{"PRIMARYCONTACTPHONE":"555 {n}"}}' $ADMIN_URL/fno/job
curl -sS --fail-with-body -H 'Content-Type: application/json' --data '{"entity":"Customers V3","company":"usmf","key":{"CUSTOMERACCOUNT":"A-1"},"values":{},"delete":true}' $ADMIN_URL/fno/rows
curl -sS -H 'Content-Type: application/json' --data '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000003"},"values":{"name":"Edited in the window"}}' $ADMIN_URL/dataverse/rows
JOB
    chmod +x hook.sh job.sh
    printf 'demo-refresh-token\n' >gateway.token
    sed -i "s|^\[load\]|[dualwrite]\ncontrol = $1\nhook = hook.sh\ncontrol_poll = 200ms\ngateway_url = $(sed -n 's/^gateway=//p' "$W/k.ports")\ngateway_refresh_token_file = gateway.token\n[load]|; s/^\[map.customers\]/&\ndeletes = apply/" dmfsync.ini
    admin POST /dualwrite '{"fno":"Customers V3","dataverse":"accounts","state":"running"}' >/dev/null
    admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"A-1","ORGANIZATIONNAME":"A","CUSTOMERGROUPID":"10","SALESCURRENCYCODE":"USD"}}' >/dev/null
}
seen() { admin GET /dualwrite >"$W/dw.json"; sqlite3 :memory: "select json_extract(value, '$.state') from json_each(cast(readfile('$W/dw.json') as text)) where json_extract(value, '$.fno') = 'Customers V3'"; }
# The window of an F&O row's own copy of our writes may be told once more: contents are compared, not counts.
go() { dmfsync reconcile customers --rows "$ROWS" --command-time 1s --execute -- ./job.sh; }

all=0
ready
for how in hook gateway; do
    fresh "$how"
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
        fresh "$how"
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

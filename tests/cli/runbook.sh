# runbook.sh -- what the tests of reconcile share. After lib.sh and job.sh. A pair is made once (`runbook_ready`) on ports of its own, each
# case works on a copy of it (`runbook_fresh NAME`).
FNO_ENTITY="Customers V3"
# map_state STATE [queue]: asked for on the admin port, as a person would; of Customers V3, or of MAP_OF='"fno":..,"dataverse":..'
MAP_OF='"fno":"Customers V3","dataverse":"accounts"'
map_state() { admin POST /dualwrite "{$MAP_OF,\"state\":\"$1\"${2:+,\"queue\":\"$2\"}}" >/dev/null; }
dualwrite() { # MEMBER [entity]
    admin GET /dualwrite >"$W/dw.json"
    sqlite3 :memory: "select json_extract(value, '\$.$1') from json_each(cast(readfile('$W/dw.json') as text)) where json_extract(value, '\$.fno') = '${2:-$FNO_ENTITY}'"
}
seen() { dualwrite state "$@"; }
# number NAME: a counter, 0 where nothing was counted
number() { n=$(counter "$1"); [ "$n" != null ] || n=0; echo "$n"; }
# user's programs, as the services are reached from them
post() { echo "curl -sS --fail-with-body -H 'Content-Type: application/json' --data '$2' $ADMIN_URL$1"; }
hook_script() { # hook.sh in the workspace; each call is a line of hook.calls: action, maps
    cat >hook.sh <<HOOK
#!/bin/sh
case \$1 in stop) to=stopped ;; start) to=running ;; *) exit 3 ;; esac
echo "\$1 \$(printf '%s\n' "\$DMFSYNC_MAPS" | cut -f1 | sort | tr '\n' ' ')" >>$W/hook.calls
printf '%s\n' "\$DMFSYNC_MAPS" | while IFS='	' read -r alias label set name; do
    curl -sS --fail-with-body -H 'Content-Type: application/json' --data "{\"fno\":\"\$label\",\"dataverse\":\"\$set\",\"state\":\"\$to\"}" $ADMIN_URL/dualwrite || exit 1
done
HOOK
    chmod +x hook.sh
}
control() { # manual|hook|gateway [more lines], in the workspace
    hook_script
    printf 'demo-refresh-token\n' >gateway.token
    sed -i '/^\[dualwrite\]/,/^\[load\]/{/^\[load\]/!d}' dmfsync.ini
    sed -i "s|^\[load\]|[dualwrite]\ncontrol = $1\nhook = hook.sh\ncontrol_poll = 200ms\ngateway_url = $(sed -n 's/^gateway=//p' "$W/${emu_dir##*/}.ports")\ngateway_refresh_token_file = gateway.token\n${2:-}\n[load]|" dmfsync.ini
}
# The batch job, a program of the user's: job_script PHONE [further lines]
job_script() {
    cat >job.sh <<JOB
#!/bin/sh
echo "job of run \$DMFSYNC_RUN begins"
echo begun >>$W/begun
$(post /fno/job "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"rows\":$ROWS,\"values\":{\"PRIMARYCONTACTPHONE\":\"$1 {n}\"}}") || exit 9
${2:-}
JOB
    chmod +x job.sh
}
# A job that goes on when $W/release is there, at the latest after two minutes.
HOLD="n=0; until [ -e $W/release ] || [ \$n -gt 1200 ]; do n=\$((n + 1)); sleep 0.1; done"
wait_for() { # FILE: until it is there
    i=0
    until [ -s "$1" ] || [ "$i" -gt 600 ]; do i=$((i + 1)); sleep 0.1; done
}
# reconcile_dies ARG..: begins one, and ends it with its supervisor and COMMAND (which holds) once COMMAND has begun
reconcile_dies() {
    "$DMFSYNC_BIN" reconcile customers --execute "$@" -- ./job.sh >"$W/rec.out" 2>&1 &
    rec=$!
    wait_for "$W/begun"
    wait_for .dmfsync/command.began
    kill -9 "$rec"
    wait "$rec" 2>/dev/null
    pid=$(cut -d' ' -f2 .dmfsync/command.began)
    pkill -9 -P "$pid" 2>/dev/null
    kill -9 "$pid" 2>/dev/null
    : >"$W/release" # what is left of the job ends
}

PORT=$((12000 + $$ % 3000 * 6))
# A loaded, compared, handed-over pair, which each case gets a copy of, on the same ports.
runbook_ready() {
    while :; do
        mkdir -p "$W/try"
        "$DMFSYNC_EMU" --dir "$W/try" --ports-file "$W/try.ports" --port "$PORT" --quiet 2>/dev/null &
        pid=$!
        i=0; until [ -s "$W/try.ports" ] || ! kill -0 "$pid" 2>/dev/null; do i=$((i + 1)); [ "$i" -lt 100 ] || break; sleep 0.1; done
        kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null
        [ -s "$W/try.ports" ] && break
        PORT=$((PORT + 6))
    done
    JOB_SEED=1 job_start base --port "$PORT"
    cd base.ws || exit 1
    dmfsync migrate --execute
    same "the pair is ready" 10 "$STATUS"
    cd "$W" || exit 1
    stop_emulator
}
runbook_fresh() { # NAME [emulator option..]
    job=$1
    shift
    stop_emulator
    cd "$W" || exit 1
    rm -rf "$job" "$job.ws" "$job.ports" "$W/begun" "$W/release" "$W/hook.calls"
    cp -r base "$job" && cp -r base.ws "$job.ws"
    # shellcheck disable=SC2086
    start_emulator "$job" --port "$PORT" --seed 1 $FAST "$@"
    cd "$job.ws" || exit 1
    map_state running
}

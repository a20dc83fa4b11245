#!/bin/sh
# sync_follow.sh -- sync as a service: it follows both sides, lets other commands in between its rounds, reads its settings anew, keeps a
# sick map from holding the others, and ends cleanly.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=30
job_start "$W/e" --knob dv_limit_requests=0
cd "$W/e.ws" || exit 1
run 10 "the job" migrate --execute --quiet
sed 's/^poll_seconds = .*/poll_seconds = 200ms/' dmfsync.ini >x && mv x dmfsync.ini
until_() { # NAME COMMAND..: within a minute
    name=$1 i=0
    shift
    until "$@" >/dev/null 2>&1; do
        i=$((i + 1))
        if [ "$i" -gt 300 ]; then not_ok "$name" "$(tail -5 "$W/follow.err")"; return; fi
        sleep 0.2
    done
    ok "$name"
}
logged() { grep -qF -- "$1" "$W/follow.err"; }
fno_has() { admin GET "/fno/row?entity=$1&company=usmf&key=$2" | grep -qF -- "$3"; }
dv_has() { admin GET "/dataverse/row?table=$1&company=USMF&key=$2" | grep -qF -- "$3"; }

"$DMFSYNC_BIN" sync --follow >"$W/follow.out" 2>"$W/follow.err" &
PID=$!
trap 'kill $PID 2>/dev/null; cleanup' EXIT
until_ "it follows" logged "following"
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000001"},"values":{"telephone1":"+1 follow"}}' >/dev/null
until_ "an edit in Dataverse comes over" fno_has Customers%20V3 C-0000001 "+1 follow"
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-0000002","SALESMEMO":"follow"}}' >/dev/null
until_ "an edit in F&O comes over" dv_has account C-0000002 follow
run 0 "status beside it" status --json
result "shows the last round" "$([ "$(jsql "select json_extract(value, '\$.rounds') from json_each(j, '\$.data.sync') where json_extract(value, '\$.map') = 'customers'")" -ge 1 ]; echo $?)" "$(cat "$W/out")"
run 0 "parity between two rounds" parity customers --lock-wait 60s
run 0 "status in words" status
has "with lag and backlog" "backlog" "$W/out"

# A sick map: the other ones go on.
admin POST /faults 'on dataverse * *accounts* do status 403' >/dev/null
admin POST /fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"20","DESCRIPTION":"others go on"}}' >/dev/null
until_ "a refused table is said" logged "sync of map 'customers'"
until_ "and holds no other map" dv_has msdyn_customergroup 20 "others go on"
admin POST /faults '' >/dev/null
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-0000003","SALESMEMO":"well again"}}' >/dev/null
until_ "it recovers" dv_has account C-0000003 "well again"

# New settings.
sed 's/^poll_seconds = .*/poll_seconds = many/' dmfsync.ini >bad && cp dmfsync.ini good && cp bad dmfsync.ini
kill -HUP $PID
until_ "settings that are wrong are not taken" logged "the new settings are not taken"
cp good dmfsync.ini
: >"$W/follow.err"
kill -HUP $PID
until_ "good ones are" logged "settings are read anew"
until_ "by the same process, which goes on" logged "following"
admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000004"},"values":{"telephone1":"+1 anew"}}' >/dev/null
until_ "with its work" fno_has Customers%20V3 C-0000004 "+1 anew"
kill -TERM $PID
wait $PID
same "SIGTERM ends it" 0 $?
has "cleanly" "nothing is under way" "$W/follow.err"
run 0 "nothing is left over" parity customers
finish

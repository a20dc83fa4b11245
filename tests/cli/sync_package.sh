#!/bin/sh
# sync_package.sh -- an F&O entity that cannot be written through OData: what flows to it goes in small packages; rows that are refused,
# lost answers, the process ended at each step. `make test` takes some steps, DMFSYNC_SOAK=1 all.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=40
[ -x "$DMFSYNC_FAULT_BIN" ] || { not_ok "the build with kill points" "make V=fault"; finish; }
DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
job_start "$W/e" --knob dv_limit_requests=0 --knob dv_limit_execution_ms=0 --knob fno_odata_read_only=1
cd "$W/e.ws" || exit 1
run 10 "the job" migrate --execute --quiet
printf 'deletes = apply\n' >>dmfsync.ini
run 0 "parity" parity customers --quiet
run 0 "handoff" handoff customers --execute

fno() { admin POST /fno/rows "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"$1\",\"$2\":\"$3\"}}" >/dev/null; }
dv() { admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"$1\"},\"values\":{\"$2\":\"$3\"}}" >/dev/null; }
value() { admin GET "/fno/row?entity=Customers%20V3&company=usmf&key=$1" >"$W/row" 2>/dev/null; json "\$.$2" "$W/row"; }
edits() { # TAG: updates of one field, of another one, of both sides of a record, a new record
    dv C-0000001 telephone1 "$1"
    dv C-0000002 telephone1 "$1"
    dv C-0000003 name "$1"
    fno C-0000003 SALESMEMO "$1"
    admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"D-$1\"},\"values\":{\"name\":\"$1\",\"customertypecode\":\"3\",\"msdyn_customergroupid\":\"10\",\"transactioncurrencyid\":\"USD\"}}" >/dev/null
}
arrived() { echo "$(value C-0000001 PRIMARYCONTACTPHONE)$(value C-0000002 PRIMARYCONTACTPHONE)$(value C-0000003 ORGANIZATIONNAME)$(value C-0000003 SALESMEMO)$(value "D-$1" ORGANIZATIONNAME)"; }

odata=$(counter fno.odata.writes) imports=$(counter fno.import.executed)
edits T0
DMFSYNC_STEP_TRACE=$W/trace run 0 "changes flow both ways" sync --once customers
same "F&O has them" T0T0T0T0T0 "$(arrived T0)"
same "nothing went through OData" "$odata" "$(counter fno.odata.writes)"
same "a package per set of fields" $((imports + 3)) "$(counter fno.import.executed)"
run 0 "nothing comes back" sync --once customers
same "no package for nothing" $((imports + 3)) "$(counter fno.import.executed)"
run 0 "parity" parity customers --quiet

# A row that the import refuses: the others are in, and this one has F&O's reason.
admin POST /faults 'on fno POST *ImportFromPackage* nth 1 do import fail-rows 2' >/dev/null
dv C-0000004 telephone1 one
dv C-0000005 telephone1 two
run 10 "one of two rows is refused" sync --once customers
admin POST /faults '' >/dev/null
refused=$("$DMFSYNC_BIN" sql customers "select key from pending where state = 'poison'" | tail -1 | tr -d '\r')
run 0 "parked" parked customers
has "with F&O's words" "update conflict" "$W/out"
same "one is in F&O" 1 "$({ value C-0000004 PRIMARYCONTACTPHONE; value C-0000005 PRIMARYCONTACTPHONE; } | grep -c -e one -e two)"
run 0 "a person sends it again" conflicts resolve customers "$refused" --take dataverse
run 0 "and it goes" sync --once customers
same "both are in F&O" onetwo "$(value C-0000004 PRIMARYCONTACTPHONE)$(value C-0000005 PRIMARYCONTACTPHONE)"

imports=$(counter fno.import.executed)
admin POST /faults 'on fno POST *ImportFromPackage* nth 1 do drop after' >/dev/null
dv C-0000006 telephone1 lost
run 0 "the answer is lost" sync --once customers
admin POST /faults '' >/dev/null
same "the job was found, and ran once" $((imports + 1)) "$(counter fno.import.executed)"
same "the change is there" lost "$(value C-0000006 PRIMARYCONTACTPHONE)"

# Packages delete nothing: a person does, in F&O.
admin POST /dataverse/rows '{"table":"account","company":"USMF","delete":true,"key":{"accountnumber":"D-T0"}}' >/dev/null
run 14 "a deletion waits" sync --once customers
run 14 "and says why" conflicts list customers
has "with what to do" "delete it there" "$W/out"
admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","delete":true,"values":{"CUSTOMERACCOUNT":"D-T0"}}' >/dev/null
DMFSYNC_SYNC_KEY_SCAN=1ms run 0 "somebody did" sync --once customers

# Ended at each step: nothing is lost; what was on its way at that moment goes once more at most, and never while it may still run.
steps=$(wc -l <"$W/trace") good=0 tried=0
[ -n "${DMFSYNC_SOAK:-}" ] && every=1 || every=$((steps / 6 + 1))
# shellcheck disable=SC2013
for n in $(seq 1 "$every" "$steps") $(grep -e exec_stored -e import_called "$W/trace" | head -2 | cut -d' ' -f1); do
    tag=K$tried
    edits $tag
    imports=$(counter fno.import.executed)
    DMFSYNC_STEP_KILL=$n dmfsync sync --once customers
    killed=$STATUS i=0
    while [ $i -lt 20 ]; do # a package that was under way is waited for, round by round
        dmfsync sync --once customers
        [ "$STATUS" = 0 ] && [ "$(arrived $tag)" = $tag$tag$tag$tag$tag ] && break
        i=$((i + 1))
    done
    why=
    [ "$STATUS" = 0 ] || why="status $STATUS: $(tail -2 "$W/err")"
    [ "$(arrived $tag)" = $tag$tag$tag$tag$tag ] || why="$why an edit is lost: $(arrived $tag)"
    [ "$(($(counter fno.import.executed) - imports))" -le 4 ] || why="$why $(($(counter fno.import.executed) - imports)) imports"
    dmfsync parity customers --quiet
    [ "$STATUS" = 0 ] || why="$why parity ends with $STATUS"
    tried=$((tried + 1))
    if [ -n "$why" ]; then not_ok "killed at step $n ($(sed -n "${n}p" "$W/trace" | cut -d' ' -f2), status $killed)" "$why"; else good=$((good + 1)); fi
done
same "killed at $tried of $steps steps" "$tried" "$good"
finish

#!/bin/sh
# Ways on which a reconcile ends, beside the plain one: rolled back, stopped a second time after max_window, by hand, with the maps that
# depend on the named one, looked after by a watchdog that may not act, and by one of another host with credentials of its own.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
. "$(dirname "$0")/runbook.sh"
job_settings
JOB_CUSTOMERS=100 ROWS=30
runbook_ready

# ---- recover --rollback ----
runbook_fresh rolled_back
control hook
job_script 555 "$HOLD"
reconcile_dies
same "a dead run leaves the map away" stopped "$(seen)"
run 9 "rollback: differences are left, and the status says so" recover --rollback --json
same "rollback: the map runs" running "$(seen)"
same "rollback: and was started once" 1 "$(grep -c '^start' "$W/hook.calls")"
[ ! -e .dmfsync/reconcile.json ]; result "rollback: the run is closed" $?
run 9 "rollback: parity finds what was not carried" parity customers --json
same "rollback: all rows of the job" "$ROWS" "$(json '$.data.maps[0].differ')"
map_state stopped
run 0 "rollback: repair puts it right" repair customers --execute
run 0 "rollback: then there is parity" parity customers
run 0 "rollback: nothing is left to recover" recover
has "rollback: which is said" 'nothing to recover' "$W/out"

# Paused, and nothing was written yet: the queue holds all there is, and is replayed.
runbook_fresh replayed
control gateway
job_script 555 "$HOLD"
reconcile_dies --rows "$ROWS" --command-time 10s
same "paused: the map is away" paused "$(seen)"
run 0 "paused: rollback" recover --rollback
same "paused: the map runs" running "$(seen)"
same "paused: its queue was replayed" "$ROWS" "$(number dualwrite.replayed)"
run 0 "paused: and nothing differs" parity customers

# ---- longer than max_window ----
runbook_fresh second_stop
control hook "max_window = 1s"
# The job sees the map come back, and changes rows then, too: they cross one by one.
job_script 555 "n=0; until grep -q '^start' $W/hook.calls || [ \$n -gt 1200 ]; do n=\$((n + 1)); sleep 0.1; done
n=0; until curl -sS $ADMIN_URL/dualwrite | tr '{' '\n' | grep -q '\"Customers V3\".*\"running\"' || [ \$n -gt 1200 ]; do n=\$((n + 1)); sleep 0.1; done
$(post /fno/job '{"entity":"Customers V3","company":"gbmf","rows":5,"values":{"PRIMARYCONTACTPHONE":"777 {n}"}}')"
run 0 "max_window: reconcile" reconcile customers --execute --json -- ./job.sh
has "max_window: it is said" 'longer than max_window' "$W/out"
same "max_window: stopped twice, started twice" "stop start stop start" "$(cut -d' ' -f1 "$W/hook.calls" | tr '\n' ' ' | sed 's/ $//')"
same "max_window: rows of meanwhile crossed one by one" 5 "$(number dualwrite.to_dataverse)"
same "max_window: the touched keys are at parity" parity "$(json '$.data.maps[0].verdict')"
same "max_window: the map runs" running "$(seen)"
run 0 "max_window: all rows" parity customers

# ---- by hand ----
runbook_fresh by_hand
control manual
job_script 555
: >"$W/hand.err"
"$DMFSYNC_BIN" reconcile customers --execute -- ./job.sh >"$W/hand.out" 2>"$W/hand.err" &
rec=$!
person() { # WORD STATE: does it when it is asked for
    i=0
    until grep -q "WAITING FOR YOU: $1" "$W/hand.err" || [ "$i" -gt 600 ]; do i=$((i + 1)); sleep 0.1; done
    same "by hand: before '$1' the map is" "$3" "$(seen)"
    map_state "$2"
}
person stop stopped running
person start running stopped
wait "$rec"
same "by hand: reconcile" 0 $?
has "by hand: the map is named" 'Customers V3 (accounts)' "$W/hand.err"
has "by hand: and initial sync is warned of" "Skip initial sync" "$W/hand.err"
run 0 "by hand: parity" parity customers

# ---- a map and what depends on it ----
runbook_fresh dependents
control hook
MAP_OF='"fno":"Customer groups","dataverse":"msdyn_customergroups"'
map_state running
cat >job.sh <<JOB
#!/bin/sh
$(post /fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"NEW","DESCRIPTION":"Made by the job"}}') &&
$(post /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-0000002","CUSTOMERGROUPID":"NEW"}}')
JOB
chmod +x job.sh
run 0 "dependents: reconcile of the groups" reconcile customer_groups --execute --json -- ./job.sh
same "dependents: two maps" "customer_groups customers" "$(jsql "select group_concat(json_extract(value, '\$.map'), ' ') from json_each(j, '\$.data.maps')")"
same "dependents: both at parity, a row each" "parity 1 parity 1" "$(jsql "select group_concat(json_extract(value, '\$.verdict') || ' ' || json_extract(value, '\$.touched'), ' ') from json_each(j, '\$.data.maps')")"
same "dependents: stopped and started together" "stop customer_groups customers |start customer_groups customers |" "$(tr '\n' '|' <"$W/hook.calls")"
same "dependents: both run" "running running" "$(seen) $(seen "Customer groups")"
admin GET '/dataverse/row?table=account&company=USMF&key=C-0000002' >"$W/row"
has "dependents: the customer has its new group" '"msdyn_customergroupid":"NEW@USMF"' "$W/row"
run 0 "dependents: parity" parity customer_groups customers
MAP_OF='"fno":"Customers V3","dataverse":"accounts"'

# ---- watchdogs ----
runbook_fresh watched
mkdir "$W/share"
control hook "watchdog_dir = $W/share\nwatchdog_after = 1s"
job_script 555 "$HOLD"
reconcile_dies
cp -r "$W/watched.ws" "$W/second.ws"; rm -rf "$W/second.ws/.dmfsync"
mv "$W/second.ws/secret" "$W/second.ws/secret.second"
sed -i 's/11111111-1111-1111-1111-111111111111/11111111-1111-1111-1111-111111111112/; s/^client_secret_file = secret$/client_secret_file = secret.second/' "$W/second.ws/dmfsync.ini"
sed -i 's/^control = hook/control = manual/' dmfsync.ini
run 13 "watchdog, control = manual: an alert" watchdog
has "with the map's name" 'Customers V3 (accounts)' "$W/out"
has "the first step" "1. run 'dmfsync --dir $W/watched.ws recover'" "$W/out"
has "and the other one" "Skip initial sync" "$W/out"
same "nothing was started" stopped "$(seen)"
run 13 "the same with --quiet, as cron calls it" watchdog --quiet
# The lease is the older the longer the run is dead; until then the other host leaves it alone.
lease=$(ls "$W"/share/*.lease.json)
touch -d '1 hour ago' "$lease"
cp "$W/second.ws/secret.second" "$W/good"; echo wrong >"$W/second.ws/secret.second"
run 6 "the second host with a wrong secret" --dir "$W/second.ws" watchdog
same "starts nothing" stopped "$(seen)"
cp "$W/good" "$W/second.ws/secret.second"
sed -i 's/^control = hook/control = manual/' "$W/second.ws/dmfsync.ini"
run 13 "the second host under manual: an alert" --dir "$W/second.ws" watchdog --json
same "counted" "1 0" "$(json '$.data.alerts') $(json '$.data.recovered')"
run 13 "and in words" --dir "$W/second.ws" watchdog
has "where to recover" "run 'dmfsync --dir $W/watched.ws recover'" "$W/out"
has "and what to do when that host is gone" "start them with 'Skip initial sync'" "$W/out"
same "nothing was started by it" stopped "$(seen)"
sed -i 's/^control = manual/control = hook/' "$W/second.ws/dmfsync.ini"
sed 's|"fno":"[^"]*"|"fno":"https://other.operations.dynamics.com"|' "$lease" >"$W/share/other.lease.json"
head -c 100 "$lease" >"$W/share/damaged.lease.json"
touch -d '1 hour ago' "$W"/share/*
dmfsync --dir "$W/second.ws" watchdog --json
same "the second host acts, and complains of the damaged lease" "1 1" "$(json '$.data.recovered') $([ "$STATUS" != 0 ] && grep -c damaged.lease.json "$W/out")"
same "the map runs" running "$(seen)"
admin GET /limits >"$W/limits"
has "its calls were made by its own user" 11111111-1111-1111-1111-111111111112 "$W/limits"
has "the word is in the lease" '"resumed_by"' "$lease"
rm "$W/share/damaged.lease.json"
run 0 "the second host's next look finds nothing to do" --dir "$W/second.ws" watchdog --json
same "and starts nothing" 0 "$(json '$.data.recovered')"
sed -i 's/^control = manual/control = hook/' dmfsync.ini
dmfsync recover
same "recover in the run's own workspace: COMMAND's end is not known" 1 "$STATUS"
has "it names who started the maps" 'started meanwhile by the watchdog of' "$W/out"
run 0 "and all is at parity" parity customers
[ ! -e "$lease" ]; result "the lease is gone" $?
finish

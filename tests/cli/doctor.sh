#!/bin/sh
# doctor: each failure found, told with what to do, under its exit status; the three failures of sign-in told apart.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
job_start "$W/t"
ws=$W/t.ws
doctor() { # STATUS NAME ARG..
    d_want=$1 d_name=$2
    shift 2
    run "$d_want" "$d_name" --dir "$ws" --json doctor "$@"
}
fails() { jsql "select group_concat(json_extract(value, '\$.check'), ',') from json_each(j, '\$.data.checks') where json_extract(value, '\$.ok') = 0"; }
text() { jsql "select json_extract(value, '\$.text') from json_each(j, '\$.data.checks') where json_extract(value, '\$.check') = '$1' and (json_extract(value, '\$.ok') = 0 or '${2:-0}' = '1') limit 1"; }
says() { case $2 in *"$3"*) ok "$1" ;; *) not_ok "$1" "'$3' is not in: $2" ;; esac }
every_failure_has_a_remedy() { same "with a remedy" 0 "$(jsql "select count(*) from json_each(j, '\$.data.checks') where json_extract(value, '\$.ok') = 0 and coalesce(json_extract(value, '\$.todo'), '') = ''")"; }
knob() { admin POST /knobs "{\"$1\":$2}" >/dev/null; }

doctor 0 "a healthy pair"
same "nothing fails" 0 "$(json '$.data.failed')"
for check in "disk" "libraries" "F&O sign-in" "F&O clock" "Dataverse sign-in" "Dataverse clock" "dual-write" "Dataverse privilege" "custom steps" "customers"; do
    [ -n "$(text "$check" 1)" ]
    result "it checks: $check" $?
done
same "capabilities per map" "customers|1|1|1|1|1|1|alternate key msdyn_accountkey" "$(jsql "select json_extract(value, '\$.map') || '|' || json_extract(value, '\$.fno_odata_read') || '|' || json_extract(value, '\$.fno_odata_write') || '|' || json_extract(value, '\$.fno_dmf') || '|' || json_extract(value, '\$.dataverse_bulk_messages') || '|' || json_extract(value, '\$.dataverse_change_tracking') || '|' || json_extract(value, '\$.dataverse_unique_key') || '|' || json_extract(value, '\$.key_evidence') from json_each(j, '\$.data.capabilities') where json_extract(value, '\$.map') = 'customers'")"
same "are stored" 9 "$(jsql "select json_array_length(j, '\$.maps')" "$ws/.dmfsync/capabilities.json")"
same "what F&O cannot write is told" 0 "$(jsql "select json_extract(value, '\$.fno_odata_write') from json_each(j, '\$.data.capabilities') where json_extract(value, '\$.map') = 'legal_entities'")"
doctor 0 "offline, by what was saved" --offline

# ---- sign-in, in three ways, on each side ----
printf 'wrong\n' >"$ws/secret"
doctor 6 "a wrong secret"
same "on both sides" "F&O sign-in,Dataverse sign-in" "$(fails)"
says "no token" "$(text "F&O sign-in")" "no token (sign-in): "
says "with the directory's word" "$(text "F&O sign-in")" "AADSTS7000215"
every_failure_has_a_remedy
printf 'demo-secret\n' >"$ws/secret"
sed -i '/^\[dataverse\]/a client_id = 99999999-0000-0000-0000-000000000001\nauthority = '"$LOGIN_URL"'\ntenant = contoso.onmicrosoft.com\nclient_secret_file = secret' "$ws/dmfsync.ini"
doctor 6 "an application that Dataverse does not know"
same "that side alone" "Dataverse sign-in" "$(fails)"
says "a token, but not registered" "$(text "Dataverse sign-in")" "a token, but the application is not registered in this environment (client 99999999-"
every_failure_has_a_remedy
sed -i '/^client_id = 99999999/,+3d' "$ws/dmfsync.ini"
cp "$ws/dmfsync.ini" "$W/ini"
sed -i '0,/^client_id = .*/s//client_id = 99999999-0000-0000-0000-000000000001/' "$ws/dmfsync.ini"
sed -i '/^\[dataverse\]/a client_id = 11111111-1111-1111-1111-111111111111\nauthority = '"$LOGIN_URL"'\ntenant = contoso.onmicrosoft.com\nclient_secret_file = secret' "$ws/dmfsync.ini"
doctor 6 "an application that F&O does not know"
same "F&O alone" "F&O sign-in" "$(fails)"
says "not registered there" "$(text "F&O sign-in")" "not registered in this environment"
every_failure_has_a_remedy
knob fno_401_for_unregistered 1
doctor 6 "the same where F&O says 401"
says "is told alike" "$(text "F&O sign-in")" "not registered in this environment"
knob fno_401_for_unregistered 0
cp "$W/ini" "$ws/dmfsync.ini"
knob fno_no_privilege 1
doctor 6 "a user who may not read F&O's entities"
says "is signed in, but lacks the privilege" "$(text customers)" "signed in to F&O, but lacking privilege to read 'Customers V3'"
every_failure_has_a_remedy
knob fno_no_privilege 0
knob dv_no_privilege 1
doctor 6 "a user who may not touch accounts"
same "that alone" "Dataverse privilege" "$(fails)"
says "the privileges are named" "$(text "Dataverse privilege")" "prvCreateaccount"
says "those of lookups, too" "$(text "Dataverse privilege")" "prvAppendaccount, prvAppendToaccount"
every_failure_has_a_remedy
knob dv_no_privilege 0

# ---- bypass, custom steps ----
knob dv_bypass_privilege 0
doctor 0 "bypass is not asked for: no privilege needed"
DMFSYNC_DATAVERSE_BYPASS=sync dmfsync --dir "$ws" --json doctor
same "bypass without the privilege: status" 6 "$STATUS"
says "names it" "$(text "Dataverse privilege")" "prvBypassCustomBusinessLogic"
DMFSYNC_DATAVERSE_BYPASS=flows dmfsync --dir "$ws" --json doctor
same "flows need none" 0 "$STATUS"
knob dv_bypass_privilege 1

# ---- the environment ----
knob fno_entity_list_stale 1
doctor 3 "an entity list that was not refreshed"
says "names the entity" "$(text customers)" "'Customers V3' is in F&O's metadata but not in data management's entity list"
every_failure_has_a_remedy
knob fno_entity_list_stale 0
knob dv_keys_pending 1
doctor 3 "an alternate key without its index"
says "names the key" "$(text customers)" "alternate key msdyn_accountkey of account is not Active"
every_failure_has_a_remedy
knob dv_keys_pending 0
knob dv_tracking_off 1
doctor 3 "change tracking off"
says "names it" "$(text customers)" "change tracking OFF"
every_failure_has_a_remedy
knob dv_tracking_off 0
knob clock_skew_ms 600000
doctor 3 "a clock that is off"
same "on both sides" "F&O clock,Dataverse clock" "$(fails)"
every_failure_has_a_remedy
knob clock_skew_ms 0
admin POST /dualwrite '{"fno":"Customers V3","dataverse":"accounts","state":"running"}' >/dev/null
doctor 13 "a running map"
says "is named with its state" "$(text dual-write)" "Customers V3 (accounts)"
every_failure_has_a_remedy
admin POST /dualwrite '{"fno":"Customers V3","dataverse":"accounts","state":"paused"}' >/dev/null
doctor 13 "a paused one too"
admin POST /dualwrite '{"fno":"Customers V3","dataverse":"accounts","state":"stopped"}' >/dev/null

# ---- the machine and the workspace ----
cp "$ws/sources/tax_groups.csv" "$W/tax.csv"
if truncate -s 40T "$ws/sources/tax_groups.csv" 2>/dev/null || truncate -s 15T "$ws/sources/tax_groups.csv" 2>/dev/null; then
    doctor 5 "sources that no disk could follow"
    same "the disk" "disk" "$(fails)"
    every_failure_has_a_remedy
fi
cp "$W/tax.csv" "$ws/sources/tax_groups.csv"
sed -i 's/^companies = usmf, gbmf, demf/companies = usmf, gbmf, nowh/' "$ws/dmfsync.ini"
doctor 3 "a company that F&O does not have"
says "is named" "$(text company)" "nowh: no legal entity of F&O"
every_failure_has_a_remedy
sed -i 's/^companies = usmf, gbmf, nowh/companies = usmf, gbmf, demf/' "$ws/dmfsync.ini"
mv "$ws/sources/tax_groups.csv" "$W/away.csv"
doctor 3 "a source that is not there"
every_failure_has_a_remedy
mv "$W/away.csv" "$ws/sources/tax_groups.csv"
doctor 0 "all repaired"

# ---- unreachable ----
stop_emulator
begun=$(date +%s)
doctor 5 "services that do not answer are temporary"
same "both" "F&O sign-in,Dataverse sign-in" "$(fails)"
[ $(($(date +%s) - begun)) -lt 60 ]
result "and told within a minute" $?
doctor 0 "offline, the local part still works" --offline
finish

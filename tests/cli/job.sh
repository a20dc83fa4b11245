# job.sh -- the small form of the main job, for the tests that disturb it. After lib.sh.
# Fast services: what is tested is the order of events, not the waiting.
FAST="--knob d1_ms=0 --knob d2_ms=0 --knob entity_ms=0 --knob company_team_delay_ms=0"
JOB_CUSTOMERS=${JOB_CUSTOMERS:-120}
job_settings() {
    DMFSYNC_LOAD_LOST_ANSWER_WAIT=300ms DMFSYNC_LOAD_PACKAGE_ROWS=50
    export DMFSYNC_LOAD_LOST_ANSWER_WAIT DMFSYNC_LOAD_PACKAGE_ROWS
}
# job_start DIR [emulator option..]: a new tenant pair (of seed JOB_SEED, else 1) and a workspace in DIR.ws
job_start() {
    job=$1
    shift
    cd "$W" || exit 1
    rm -rf "$job" "$job.ws" "$job.ports"
    mkdir -p "$job"
    # shellcheck disable=SC2086
    start_emulator "$job" --port 0 --seed "${JOB_SEED:-1}" $FAST "$@"
    demo_workspace "$job.ws" "$JOB_CUSTOMERS" --bad
}
# Edits of both sides' users after the job: a field each of one record, a new record on each side, the same field on both.
job_edits() {
    admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-0000003","ORGANIZATIONNAME":"Renamed in F&O"}}' &&
        admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000003"},"values":{"telephone1":"+1 555 0100"}}' &&
        admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"NEW-1","ORGANIZATIONNAME":"Born in F&O","CUSTOMERGROUPID":"10","SALESCURRENCYCODE":"USD","INVOICEACCOUNT":"NEW-1"}}' &&
        admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"NEW-2"},"values":{"name":"Born in Dataverse","customertypecode":"3","msdyn_customergroupid":"10","transactioncurrencyid":"USD"}}' &&
        admin POST /fno/rows '{"entity":"Customer groups","company":"usmf","values":{"CUSTOMERGROUPID":"10","DESCRIPTION":"Changed group"}}' &&
        admin POST /fno/rows '{"entity":"Customers V3","company":"usmf","values":{"CUSTOMERACCOUNT":"C-0000002","CREDITRATING":"F"}}' &&
        admin POST /dataverse/rows '{"table":"account","company":"USMF","key":{"accountnumber":"C-0000002"},"values":{"msdyn_creditrating":"D"}}'
}
# job_contents FILE: both sides as the emulator dumps them, without ids, versions and times
job_contents() { { dump fno; dump dataverse; } >"$1"; }
job_counters() { # FILE: what must not depend on being disturbed
    admin GET /counters >"$W/counters.json" &&
        for c in fno.import.executed fno.rows.created dv.rows.created; do echo "$c $(json "\$.\"$c\"" "$W/counters.json")"; done >"$1"
}

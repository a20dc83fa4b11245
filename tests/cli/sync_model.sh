#!/bin/sh
# sync_model.sh -- two-way sync against a model: random edits on both sides, kills, faults, positions taken back; see
# tests/model/sync_model.c. DMFSYNC_MODEL_SEEDS="FIRST COUNT" takes other seeds.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
MODEL=${DMFSYNC_MODEL:-$DMFSYNC_ROOT/build/release/model/sync_model}
for f in "$MODEL" "$DMFSYNC_FAULT_BIN"; do
    [ -x "$f" ] || { not_ok "what this needs is built" "$f"; finish; }
done
job_settings
JOB_CUSTOMERS=40
job_start "$W/e" --knob dv_limit_requests=0 --knob dv_limit_execution_ms=0
cd "$W/e.ws" || exit 1
run 10 "the job" migrate --execute
printf 'master.telephone1 = dataverse\nmaster.CREDITRATING = dataverse\ndeletes = apply\nmax_delete = 100%%\n' >>dmfsync.ini
sed 's/^poll_seconds = .*/&\nkey_scan = 1ms\ncompact_from = 1\nmax_flips = 1000000/' dmfsync.ini >ini && mv ini dmfsync.ini
run 0 "parity" parity customers
run 0 "handoff" handoff customers --execute
seeds=${DMFSYNC_MODEL_SEEDS:-1 $([ -n "${DMFSYNC_SOAK:-}" ] && echo 3000 || echo 16)}
# shellcheck disable=SC2086
if "$MODEL" "$W/e.ws" "$ADMIN_URL" "$DMFSYNC_FAULT_BIN" $seeds >"$W/model" 2>&1; then ok "every seed: $(tail -1 "$W/model")"; else
    not_ok "every seed" "$(tail -20 "$W/model")"; fi
run 0 "parity in the end" parity customers
finish

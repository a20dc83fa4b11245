#!/bin/sh
# faults.sh -- lost answers, cut bodies, throttling and expired URLs anywhere in the job: it ends with the same contents as an
# undisturbed one, no package is executed twice, and no row is made twice. A run that gave up is continued.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=100
SEEDS=${DMFSYNC_FAULT_SEEDS:-3}
[ -z "${DMFSYNC_SOAK:-}" ] || SEEDS=40

whole() { # COMMAND..: until it no longer asks to be tried again
    tries=0
    while :; do
        dmfsync "$@"
        case $STATUS in 5 | 7 | 8) ;; *) return 0 ;; esac # an answer that cannot be read ends a run with 7 or 8
        tries=$((tries + 1))
        [ "$tries" -lt 12 ] || return 0
    done
}
job_start "$W/ref"
cd "$W/ref.ws" || exit 1
dmfsync migrate --execute
same "the undisturbed job" 10 "$STATUS"
job_counters "$W/ref.counters"
job_contents "$W/ref.contents"
stop_emulator

cat >"$W/faults" <<'RULES'
on blob PUT * every 5 do expire-sas
on dataverse * * chance 0.02 do status 429 retry-after 1
on * * * chance 0.02 do status 503
on * * * chance 0.02 do drop before
on fno POST *ImportFromPackage chance 0.3 do drop after
on dataverse * * chance 0.02 do drop after
on fno * * chance 0.02 do drop after
on * * * chance 0.01 do cut 10
on * * * chance 0.01 do garbage
RULES
seed=1
while [ "$seed" -le "$SEEDS" ]; do
    JOB_SEED=$seed
    job_start "$W/f" --fault "$W/faults"
    cd "$W/f.ws" || exit 1
    whole migrate --execute
    why=
    [ "$STATUS" = 10 ] || why="status $STATUS: $(tail -4 "$W/err")"
    job_contents "$W/f.contents"
    cmp -s "$W/ref.contents" "$W/f.contents" || why="$why contents differ: $(diff "$W/ref.contents" "$W/f.contents" | head -6)"
    job_counters "$W/f.counters"
    cmp -s "$W/ref.counters" "$W/f.counters" || why="$why counters differ: $(diff "$W/ref.counters" "$W/f.counters" | head -6)"
    stop_emulator
    if [ -n "$why" ]; then not_ok "faults by seed $seed" "$why"; else ok "faults by seed $seed"; fi
    seed=$((seed + 1))
done
finish

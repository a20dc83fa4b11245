#!/bin/sh
# knobs.sh -- the main job against services that behave otherwise at every point their documentation leaves open: all at their
# defaults, all flipped, and seeded mixes.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=60
MIXES=${DMFSYNC_KNOB_MIXES:-20}

run_job() { # NAME [emulator option..]
    name=$1
    shift
    job_start "$W/k" "$@"
    cd "$W/k.ws" || exit 1
    why=
    dmfsync migrate --execute
    [ "$STATUS" = 10 ] || why="migrate ended with $STATUS: $(tail -4 "$W/err")"
    if [ -z "$why" ]; then
        job_edits >/dev/null || why="the edits were refused"
        dmfsync sync --once
        [ "$STATUS" = 0 ] || why="sync ended with $STATUS: $(tail -4 "$W/err")"
    fi
    if [ -z "$why" ]; then
        dmfsync parity
        [ "$STATUS" = 0 ] || why="parity ended with $STATUS: $(cat "$W/out" "$W/err" | tail -14)"
    fi
    stop_emulator
    if [ -n "$why" ]; then not_ok "$name" "$why"; else ok "$name"; fi
}
run_job "all knobs at their defaults"
run_job "all knobs flipped" --flip all
mix=1
while [ "$mix" -le "$MIXES" ]; do
    run_job "knobs mixed by seed $mix" --flip "mix:$mix"
    mix=$((mix + 1))
done
finish

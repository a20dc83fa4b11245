#!/bin/sh
# kill.sh -- the job ended by SIGKILL at a STEP and continued gives the same contents as an undisturbed one, and sends nothing
# twice. `make test` takes spread steps, DMFSYNC_SOAK=1 all of them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=100
POINTS=${DMFSYNC_KILL_POINTS:-40}
DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
[ -x "$DMFSYNC_BIN" ] || { not_ok "the build with kill points" "make V=fault"; finish; }

whole() { # PHASE: runs what is left of the job; its status in STATUS. A finished migrate is not run again: that would be a new
    # load of the source over the users' edits.
    if [ "$1" = migrate ]; then
        dmfsync migrate --execute
        [ "$STATUS" = 10 ] || return 0
        job_edits >/dev/null || return 0
    fi
    dmfsync sync --once
    [ "$STATUS" = 0 ] || return 0
    dmfsync sync --once
}

# The undisturbed run: contents, counters, and the list of steps.
job_start "$W/ref"
cd "$W/ref.ws" || exit 1
DMFSYNC_STEP_TRACE=$W/trace.migrate dmfsync migrate --execute
same "the undisturbed job" 10 "$STATUS"
job_counters "$W/ref.counters"
job_contents "$W/ref.migrated"
job_edits >/dev/null
DMFSYNC_STEP_TRACE=$W/trace.sync dmfsync sync --once
same "the undisturbed sync" 0 "$STATUS"
dmfsync sync --once
job_contents "$W/ref.contents"
stop_emulator
steps=$(wc -l <"$W/trace.migrate") sync_steps=$(wc -l <"$W/trace.sync")
sed -n '/define STEP_TABLE/,/^$/p' "$DMFSYNC_ROOT/packages/base/step.h" | grep -o 'X([a-z_]*)' | grep -v 'X(name)' | sed 's/X(//; s/)//' | sort -u >"$W/names"
cut -d' ' -f2 "$W/trace.migrate" "$W/trace.sync" | sort -u >"$W/reached"
never=$(comm -23 "$W/names" "$W/reached" | tr '\n' ' ')
same "every step is reached" "" "$never"
echo "# $steps steps in migrate, $sync_steps in sync"

kill_at() { # PHASE N
    job_start "$W/k"
    cd "$W/k.ws" || exit 1
    if [ "$1" = migrate ]; then
        DMFSYNC_STEP_KILL=$2 dmfsync migrate --execute
    else
        dmfsync migrate --execute
        job_edits >/dev/null
        DMFSYNC_STEP_KILL=$2 dmfsync sync --once
    fi
    [ "$STATUS" = 137 ] || echo "# $1 step $2: not killed (status $STATUS)" >>"$W/notes"
    whole "$1"
    why=
    [ "$STATUS" = 0 ] || why="status $STATUS: $(tail -3 "$W/err")"
    job_contents "$W/k.contents"
    cmp -s "$W/ref.contents" "$W/k.contents" || why="$why contents differ: $(diff "$W/ref.contents" "$W/k.contents" | head -6)"
    if [ "$1" = migrate ]; then
        admin GET /counters >"$W/counters.json"
        for c in fno.import.executed fno.rows.created; do
            want=$(sed -n "s/^$c //p" "$W/ref.counters") got=$(json "\$.\"$c\"" "$W/counters.json")
            # the edits that follow create one row in F&O and one in Dataverse, each carried over
            [ "$c" = fno.rows.created ] && want=$((want + 2))
            [ "$got" = "$want" ] || why="$why $c is $got instead of $want"
        done
        got=$(json '$."dv.rows.created"' "$W/counters.json") want=$(($(sed -n 's/^dv.rows.created //p' "$W/ref.counters") + 2))
        [ "$got" = "$want" ] || why="$why dv.rows.created is $got instead of $want"
    fi
    stop_emulator
    if [ -n "$why" ]; then not_ok "killed at $1 step $2 ($(sed -n "$2p" "$W/trace.$1" | cut -d' ' -f2))" "$why"; else BAD_FREE=$((BAD_FREE + 1)); fi
}
BAD_FREE=0 KILLED=0
if [ -n "${DMFSYNC_SOAK:-}" ]; then every=1 sync_every=1; else
    every=$((steps * 3 / (POINTS * 2) + 1)) sync_every=$((sync_steps * 3 / POINTS + 1)); fi
n=1
while [ "$n" -le "$steps" ]; do kill_at migrate "$n"; KILLED=$((KILLED + 1)); n=$((n + every)); done
n=1
while [ "$n" -le "$sync_steps" ]; do kill_at sync "$n"; KILLED=$((KILLED + 1)); n=$((n + sync_every)); done
same "killed at $KILLED steps, all continued to the same contents" "$KILLED" "$BAD_FREE"
finish

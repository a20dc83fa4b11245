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

# What may be sent again after a kill: the requests that were in flight. F&O has a lane per company, Dataverse four calls at
# the start (a map of this size never gets further). Rows that arrive again change nothing: dv.rows.unchanged.
SENT="blob.puts fno.import.calls fno.export.executed fno.odata.writes dv.bulk.calls dv.writes.single"
LANES=3 CALLS=4 CALL_ROWS=100
number() { # COUNTER: 0 when nothing was counted
    jsql "coalesce(json_extract(j, '\$.\"$1\"'), 0)" "$W/counters.json"
}
sent_again() { # PHASE: adds to `why` what came more often; after job_counters
    more_calls=0
    for c in $SENT; do
        # a sync that goes on reads each feed once more: an export is how F&O is read
        [ "$1 $c" != "sync fno.export.executed" ] || continue
        got=$(number "$c") want=$(sed -n "s/^$c //p" "$W/ref.sent")
        case $c in blob.*|fno.*) most=$LANES ;; *) most=$CALLS ;; esac
        [ "$((got - want))" -le "$most" ] || why="$why $c is $got instead of at most $want + $most"
        [ "$c" != dv.bulk.calls ] || more_calls=$((got - want))
        [ "$got" -le "$want" ] || echo "$c" >>"$W/again"
    done
    got=$(number dv.rows.unchanged)
    [ "$got" -le $((more_calls * CALL_ROWS + CALLS)) ] || why="$why $got rows came again in $more_calls more calls"
}

# The undisturbed run: contents, counters, and the list of steps.
job_start "$W/ref"
cd "$W/ref.ws" || exit 1
DMFSYNC_STEP_TRACE=$W/trace.migrate dmfsync migrate --execute
same "the undisturbed job" 10 "$STATUS"
job_contents "$W/ref.migrated"
job_edits >/dev/null
DMFSYNC_STEP_TRACE=$W/trace.sync dmfsync sync --once
same "the undisturbed sync" 0 "$STATUS"
dmfsync sync --once
job_contents "$W/ref.contents"
job_counters "$W/ref.counters"
for c in $SENT; do echo "$c $(number "$c")"; done >"$W/ref.sent"
stop_emulator
steps=$(wc -l <"$W/trace.migrate") sync_steps=$(wc -l <"$W/trace.sync")
sed -n '/define STEP_TABLE/,/^$/p' "$DMFSYNC_ROOT/packages/base/step.h" | grep -o 'X([a-z_]*)' | grep -v -e 'X(name)' -e 'X(retry_' -e 'X(journal_' -e 'X(control_' -e 'X(command_' -e 'X(bulk_settle' -e 'X(scan_' -e 'X(compact_' -e 'X(pairing_' | sed 's/X(//; s/)//' | sort -u >"$W/names"
cut -d' ' -f2 "$W/trace.migrate" "$W/trace.sync" | sort -u >"$W/reached"
never=$(comm -23 "$W/names" "$W/reached" | tr '\n' ' ')
# Those of retry are those of retry.sh, that of a load in another direction is pairings.sh's, those of a reconcile are those of reconcile_kill.sh.
same "every step is reached" "" "$never"
echo "# $steps steps in migrate, $sync_steps in sync"

kill_at() { # PHASE N
    over=
    job_start "$W/k"
    cd "$W/k.ws" || exit 1
    if [ "$1" = migrate ]; then
        DMFSYNC_STEP_KILL=$2 dmfsync migrate --execute
        [ "$2" != "$steps" ] || over=yes # it was over: the same command would be a new load
    else
        dmfsync migrate --execute
        job_edits >/dev/null
        DMFSYNC_STEP_KILL=$2 dmfsync sync --once
    fi
    [ "$STATUS" = 137 ] || echo "# $1 step $2: not killed (status $STATUS)" >>"$W/notes"
    if [ -n "$over" ]; then job_edits >/dev/null; whole sync; else whole "$1"; fi
    why=
    [ "$STATUS" = 0 ] || why="status $STATUS: $(tail -3 "$W/err")"
    job_contents "$W/k.contents"
    cmp -s "$W/ref.contents" "$W/k.contents" || why="$why contents differ: $(diff "$W/ref.contents" "$W/k.contents" | head -6)"
    job_counters "$W/k.counters"
    cmp -s "$W/ref.counters" "$W/k.counters" || why="$why $(diff "$W/ref.counters" "$W/k.counters")"
    sent_again "$1"
    stop_emulator
    if [ -n "$why" ]; then not_ok "killed at $1 step $2 ($(sed -n "$2p" "$W/trace.$1" | cut -d' ' -f2))" "$why"; else BAD_FREE=$((BAD_FREE + 1)); fi
}
BAD_FREE=0 KILLED=0
if [ -n "${DMFSYNC_SOAK:-}" ]; then every=1 sync_every=1; else
    every=$((steps * 3 / (POINTS * 2) + 1)) sync_every=$((sync_steps * 3 / POINTS + 1)); fi
# DMFSYNC_KILL_SHARD=I/N takes every N-th of the points, beginning with the I-th: shards may run side by side.
shard=${DMFSYNC_KILL_SHARD:-0/1}
count=0
mine() { count=$((count + 1)) && [ $((count % ${shard#*/})) = $((${shard%/*} % ${shard#*/})) ]; }
kill_all() { # PHASE STEPS EVERY
    n=1
    while [ "$n" -le "$2" ]; do
        if mine; then
            kill_at "$1" "$n"
            KILLED=$((KILLED + 1))
            [ $((KILLED % 50)) != 0 ] || echo "# $KILLED killed, $1 step $n"
        fi
        n=$((n + $3))
    done
}
kill_all migrate "$steps" "$every"
if [ -z "${DMFSYNC_SOAK:-}" ]; then # between the two passes of the last writing, and when all is over
    for n in $(grep ' bulk_stored$' "$W/trace.migrate" | tail -2 | cut -d' ' -f1) "$steps"; do
        if mine; then kill_at migrate "$n"; KILLED=$((KILLED + 1)); fi
    done
fi
kill_all sync "$sync_steps" "$sync_every"
echo "# sent again, in so many of the $KILLED runs: $(sort "$W/again" 2>/dev/null | uniq -c | sort -rn | awk '{ printf "%s %s, ", $2, $1 }')"
same "killed at $KILLED steps, all continued to the same contents" "$KILLED" "$BAD_FREE"
finish

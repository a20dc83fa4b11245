#!/bin/sh
# full_disk.sh -- the disk of the workspace fills up at different moments of the job, packages and snapshots included: exit
# status 5 with a hint, an intact workspace, and the same contents once there is room. On a small tmpfs of its own.
if [ -z "${FULL_DISK_INSIDE:-}" ]; then
    for how in "unshare -m" "unshare -rm"; do
        $how sh -c 'd=$(mktemp -d) && mount -t tmpfs -o size=64k none "$d" && umount "$d" && rmdir "$d"' 2>/dev/null || continue
        FULL_DISK_INSIDE=1 exec $how sh "$0"
    done
    echo "ok - a full disk # skipped: no file system can be mounted here"
    exit 0
fi
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
job_settings
JOB_CUSTOMERS=300
job_start "$W/ref"
cd "$W/ref.ws" || exit 1
dmfsync migrate --execute
same "the undisturbed job" 10 "$STATUS"
job_contents "$W/ref.contents"
job_counters "$W/ref.counters"
needs=$(du -sk .dmfsync | cut -f1)
stop_emulator

mkdir "$W/disk" || exit 1
mount -t tmpfs -o size=64m none "$W/disk" || exit 1
full=0 stages=
finish_job() { # NAME: judges what the job, ended by a full disk or not, left; and what it comes to when there is room
    why=
    if [ "$STATUS" = 5 ]; then
        full=$((full + 1))
        stages="$stages| $(sed -n 's|^dmfsync: ||p' "$W/err" | tail -1 | cut -c1-110)"
        grep -q hint "$W/err" || why="no hint: $(tail -3 "$W/err")"
        [ "$(sqlite3 .dmfsync/work.db 'pragma integrity_check')" = ok ] || why="$why work.db is damaged"
    elif [ "$STATUS" != 10 ]; then
        why="status $STATUS: $(tail -3 "$W/err")"
    fi
    mount -o remount,size=64m "$2"
    dmfsync migrate --execute
    [ "$STATUS" = 10 ] || why="$why then status $STATUS: $(tail -3 "$W/err")"
    job_contents "$W/f.contents"
    cmp -s "$W/ref.contents" "$W/f.contents" || why="$why contents differ"
    job_counters "$W/f.counters"
    cmp -s "$W/ref.counters" "$W/f.counters" || why="$why counters differ: $(diff "$W/ref.counters" "$W/f.counters")"
    stop_emulator
    if [ -n "$why" ]; then not_ok "$1" "$why"; else ok "$1"; fi
    cd "$W" || exit 1
}
for share in 6 15 25 45 60 80 90; do
    rm -rf "$W/disk/ws"
    mount -o remount,size=64m "$W/disk"
    job_start "$W/f"
    mv "$W/f.ws" "$W/disk/ws"
    cd "$W/disk/ws" || exit 1
    mount -o remount,size="$(($(du -sk . | cut -f1) + needs * share / 100))k" "$W/disk"
    dmfsync migrate --execute
    finish_job "full at $share % of what the job needs" "$W/disk"
done
result "the disk did fill up" $((full < 4)) "only $full of the runs met a full disk"
umount "$W/disk"

# The folder of packages alone fills up: those that are written, and those that are fetched.
for size in 4 8 16 32 48; do
    job_start "$W/f"
    cd "$W/f.ws" || exit 1
    mkdir -p .dmfsync/packages
    mount -t tmpfs -o size="${size}k" none .dmfsync/packages || exit 1
    full=0
    dmfsync migrate --execute
    finish_job "no room for packages after $size kB" "$W/f.ws/.dmfsync/packages"
    same "no room for packages after $size kB: it was met" 1 "$full"
    umount "$W/f.ws/.dmfsync/packages"
done
echo "# stopped in:"
echo "$stages" | tr '|' '\n' | sed 's/^/#/'
finish

#!/bin/sh
# units.sh -- what `make install` puts beside the programs: units that systemd accepts, and command lines that this program takes.
. "$(dirname "$0")/lib.sh"
cd "$DMFSYNC_ROOT" || exit 1
V=$(basename "$(dirname "$DMFSYNC_BIN")") # build/release, build/asan ..
make --no-print-directory V="$V" install DESTDIR="$W/root" PREFIX=/opt/dmfsync >"$W/make" 2>&1
result "make install" $? "$(tail -5 "$W/make")"
U=$W/root/opt/dmfsync/lib/systemd/system CRON=$W/root/opt/dmfsync/share/doc/dmfsync/examples/dmfsync.crontab
for f in dmfsync@.service dmfsync-parity@.service dmfsync-parity@.timer; do result "$f is installed" $([ -s "$U/$f" ]; echo $?); done
result "the crontab is, too" $([ -s "$CRON" ]; echo $?)
has "units call the installed program" "ExecStart=/opt/dmfsync/bin/dmfsync parity --quiet" "$U/dmfsync-parity@.service"
if command -v systemd-analyze >/dev/null; then
    mkdir "$W/units"
    for f in "$U"/*; do sed "s|/opt/dmfsync/bin/dmfsync|$DMFSYNC_BIN|" "$f" >"$W/units/$(basename "$f" | sed 's/@/@cutover/')"; done
    # Where the manual page is not installed yet is no fault of the unit.
    systemd-analyze verify "$W"/units/* 2>&1 | grep -F "$W/units" | grep -v 'man dmfsync' >"$W/verify"
    same "systemd accepts them" "" "$(cat "$W/verify")"
    systemd-analyze calendar '*-*-* 02:30:00 UTC' >"$W/cal" 2>&1
    result "and the calendar" $? "$(cat "$W/cal")"
fi
# Each command line is one that the program understands: in an empty workspace it fails for what is missing there, never with 2.
"$DMFSYNC_BIN" init "$W/ws" >/dev/null
mkdir "$W/ws/reports"
{ sed -n 's|^ExecStart=[^ ]*/dmfsync ||p' "$U"/*.service
  sed -n "s|^[0-9*/]* .*[0-9*] *dmfsync --dir \$WORKSPACE ||p" "$CRON" | sed 's/ 2>.*//; s| [^ ]*/dmfsync.prom| m.prom|; s| \$WORKSPACE/| |'; } >"$W/lines"
same "command lines are found" 6 "$(wc -l <"$W/lines" | tr -d ' ')"
cd "$W/ws" || exit 1
while read -r line; do
    # shellcheck disable=SC2086
    dmfsync $line --lock-wait 1 </dev/null
    result "understood: dmfsync $line" $([ "$STATUS" != 2 ] && [ "$STATUS" != 70 ]; echo $?) "status $STATUS: $(cat "$W/err")"
done <"$W/lines"
finish

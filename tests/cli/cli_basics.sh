#!/bin/sh
# The command layer itself: help, usage errors, init, configuration errors, the lock, the envelope.
. "$(dirname "$0")/lib.sh"
cd "$W" || exit 1

# ---- help and version ----
run 0 "help" help
has "help lists migrate" "migrate" out
has "help lists the exit statuses" "some rows failed" out
run 0 "--help" --help
run 0 "help of a command" help migrate
has "it names --execute" "--execute" out
cp out first
run 0 "--help behind the command" migrate --help
cmp -s out first
result "both say the same" $?
run 0 "help of a group" help gate
has "with both of its commands" "gate close" out
run 2 "help of nothing" help nothing
run 0 "version" --version
has "names the program" "dmfsync " out
run 0 "help as JSON" help --json
same "with the exit statuses" 130 "$(json '$.data.exit_statuses[0].status')"
run 0 "manual page" help --manual
has "is troff" ".TH DMFSYNC 1" out

# ---- usage ----
run 2 "no command"
has "has a hint" "hint: " err
run 2 "unknown command" migrat
has "suggests" "did you mean 'dmfsync migrate'" err
run 2 "unknown option" status --jsno
has "suggests" "did you mean --json" err
run 2 "half a command" gate
has "names the second words" "show" err
run 2 "value missing" status --dir
run 2 "value where none belongs" status --json=yes
run 2 "argument missing" repair
run 2 "argument too many" status one
run 2 "bad duration" status --max-duration soon
run 2 "bad number" status --jobs 0
run 2 "--resume against --restart" migrate --resume --restart
run 2 "unknown option in JSON" --json status --no-such
same "is an envelope" false "$( [ "$(json '$.ok')" = 0 ] && echo false )"
same "with the code" usage "$(json '$.error.code')"
same "and the status" 2 "$(json '$.data.statuses[0]')"
same "on one line" 1 "$(wc -l <out | tr -d ' ')"
[ -s err ]
same "and nothing on standard error" 1 $?

# ---- not a workspace, init ----
mkdir empty
run 4 "not a workspace" status --dir empty
has "tells how to make one" "dmfsync init" err
run 4 "no such folder" status --dir nowhere
run 0 "init" init ws
[ -d ws/maps ] && [ -d ws/sources ] && [ -f ws/.gitignore ] && [ -f ws/dmfsync.ini ]
result "makes the folders" $?
same ".dmfsync is private" 700 "$(stat -c %a ws/.dmfsync)"
cp ws/dmfsync.ini before
run 4 "init again" init ws
cmp -s before ws/dmfsync.ini
result "leaves the settings alone" $?
run 0 "status in a new workspace" status --dir ws
run 0 "the same as JSON" status --dir=ws --json
same "schema" 1 "$(json '$.schema')"
same "command" status "$(json '$.command')"
same "no warnings" '[]' "$(json '$.warnings')"
run 0 "options before the command" --json --dir ws status
(cd ws && "$DMFSYNC_BIN" status >/dev/null 2>&1)
result "the current folder is the workspace" $?

# ---- configuration ----
try() { # NAME STATUS TEXT LINE..
    name=$1 want=$2 text=$3
    shift 3
    mkdir -p cfg
    printf '%s\n' "$@" >cfg/dmfsync.ini
    run "$want" "$name" status --dir cfg
    has "$name: says so" "$text" err
}
try "unknown key" 3 "did you mean 'max_errors'" '[load]' 'max_error = 5'
try "its place" 3 "dmfsync.ini:3" '[load]' '; a remark' 'max_error = 5'
try "unknown section" 3 "did you mean [parity]" '[partiy]' 'max_waiting = 1'
try "not a number" 3 "whole number" '[load]' 'package_rows = many'
try "out of range" 3 "out of range" '[load]' 'package_rows = 0'
try "not a time" 3 "with a unit" '[parity]' 'verdict_max_age = 5'
try "not a choice" 3 "refuse, keep or update" '[load]' 'existing = overwrite'
try "given twice" 3 "already given in line 2" '[load]' 'max_errors = 1' 'max_errors = 2'
try "section twice" 3 "already given in line 1" '[load]' 'max_errors = 1' '[sync]' '[load]'
try "no section" 3 "before the first" 'max_errors = 1'
try "no value" 3 "neither a [section]" '[load]' 'max_errors'
try "plain http" 3 "own machine only" '[fno]' 'url = http://contoso.com'
try "a secret in the file" 3 "does not belong" '[fno]' 'client_secret = hush-hush'
has_not "the secret is not repeated" "hush-hush" err
try "bad alias" 3 "cannot be an alias" '[map.Kunden]' 'name = x'
try "bad format" 3 "is not known" '[map.c]' 'source_format = dates:x'
try "bad pattern" 3 "date pattern" '[map.c]' 'source_format = date:foo'
try "a URL without https" 3 "https://" '[dataverse]' 'url = contoso.crm4.dynamics.com'
printf '[load]\nmax_errors = 1\n' >cfg/dmfsync.ini
DMFSYNC_LOAD_MAX_ERRORS=x
export DMFSYNC_LOAD_MAX_ERRORS
run 3 "the environment is checked as the file is" status --dir cfg
has "and named" "DMFSYNC_LOAD_MAX_ERRORS" err
unset DMFSYNC_LOAD_MAX_ERRORS
DMFSYNC_LOAD_MAX_ERROR=1
export DMFSYNC_LOAD_MAX_ERROR
run 3 "a misspelt variable" status --dir cfg
has "suggests" "did you mean DMFSYNC_LOAD_MAX_ERRORS" err
unset DMFSYNC_LOAD_MAX_ERROR
run 3 "sign-in settings missing" parity --dir cfg
has "names the first" "[fno] has no url" err
run 3 "as JSON" parity --dir cfg --json
same "code" configuration "$(json '$.error.code')"

# ---- the lock ----
cat >hold.ini <<INI
[fno]
url = http://127.0.0.1:9
tenant = t
client_id = c
client_secret_command = sleep 30
[dataverse]
url = http://127.0.0.1:9
INI
mkdir held && cp hold.ini held/dmfsync.ini
DMFSYNC_LOCK_HELD=1
export DMFSYNC_LOCK_HELD
run 11 "a writer inside reconcile" gate close x --dir held
run 0 "a reader inside reconcile" status --dir held
unset DMFSYNC_LOCK_HELD
mkdir -p held/.dmfsync
# An open-file-description lock, as another dmfsync would hold it: flock(1) has another kind, so sqlite3's shell will not do.
if command -v python3 >/dev/null; then
    python3 - held/.dmfsync/lock <<'PY' &
import fcntl, struct, sys, time
f = open(sys.argv[1], "a+")
fcntl.fcntl(f, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
f.truncate(0); f.write("host elsewhere, pid 1, since now, command migrate"); f.flush()
open(sys.argv[1] + ".held", "w").close()
time.sleep(60)
PY
    holder=$!
    i=0
    while [ ! -e held/.dmfsync/lock.held ] && [ "$i" -lt 100 ]; do i=$((i + 1)); sleep 0.1; done
    run 11 "locked by another" gate close x --dir held
    has "names the holder" "host elsewhere, pid 1" err
    run 0 "a reader does not wait" status --dir held
    begun=$(date +%s)
    run 11 "--lock-wait" gate close x --dir held --lock-wait 2
    [ $(($(date +%s) - begun)) -ge 2 ]
    result "waits" $?
    kill "$holder" 2>/dev/null
    wait "$holder" 2>/dev/null
fi
dmfsync gate close x --dir held
[ "$STATUS" != 11 ]
result "the lock of a dead process is free" $?

# ---- output that cannot be written ----
STATUS=0
"$DMFSYNC_BIN" help >/dev/full 2>err || STATUS=$?
same "a full disk under standard output" 5 "$STATUS"
"$DMFSYNC_BIN" help 2>err | head -1 >/dev/null
[ -s err ]
same "a reader that goes away is no error" 1 $?
run 2 "a log file that cannot be made" status --dir ws --log-file /nowhere/log
run 0 "a log file" status --dir ws --log-file "$W/log" --verbose
same "is private" 600 "$(stat -c %a log)"

# ---- one of the fixed rules: the same text in documentation and program ----
"$DMFSYNC_ROOT/scripts/gen_docs" "$DMFSYNC_BIN" "$DMFSYNC_ROOT/docs/commands.md" --check >out 2>&1
result "docs/commands.md is up to date" $? "$(cat out)"
finish

#!/bin/sh
# Archived snapshots: generations as differences, each restored cell by cell with its digest; a flipped octet, a cut and a foreign file are
# found; a kill at every step leaves no half archive; parity archives by itself and retention keeps what is needed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/job.sh"
GEN_SIDES=${GEN_SIDES:-$DMFSYNC_ROOT/build/release/gen_sides}
cd "$W" || exit 1
mkdir -p ws/.dmfsync
cp "$DMFSYNC_ROOT/tests/data/sides/map.json" "$DMFSYNC_ROOT/tests/data/sides/dmfsync.ini" ws/
cp "$DMFSYNC_ROOT/tests/data/sides/metadata.json" ws/.dmfsync/
A=ws/.dmfsync/snapshots
contents() { dmfsync --dir ws sql customers "select * from snapshot_$1 order by key_digest"; cp out "$2"; }
take() { dmfsync --dir ws snapshot customers --side fno --from csv ../now.csv; [ "$STATUS" = 0 ] || not_ok "a snapshot" "$(cat err)"; }
n=${DMFSYNC_SOAK:+200000}
n=${n:-3000}
"$GEN_SIDES" fno "$n" >first.csv # once through SQLite, which writes no empty cell as nothing
sqlite3 :memory: ".mode csv" ".import first.csv t" ".headers on" ".output now.csv" "select * from t"
run 1 "nothing to archive" --dir ws snapshot customers --archive
g=0
while [ $((g += 1)) -le 10 ]; do # more than a chain: some are whole again
    take
    contents fno "rows.$g"
    run 0 "generation $g" --dir ws --json snapshot customers --archive --side fno
    json '$.data.archives[0].id' >"id.$g"; json '$.data.archives[0].digest' >"sum.$g"; json '$.data.archives[0].base' >>bases
    # some rows are edited, some go, some come
    sqlite3 :memory: ".mode csv" ".import now.csv t" ".headers on" ".output next.csv" "delete from t where rowid % 97 = $g" \
        "update t set NAMEALIAS = 'G$g' where rowid % 41 = $g" \
        "create temp table n as select * from t where rowid % 101 = $g" "update n set CUSTOMERACCOUNT = 'N-$g-' || CUSTOMERACCOUNT" \
        "insert into t select * from n" "select * from t" && mv next.csv now.csv
done
run 0 "the same snapshot again" --dir ws --json snapshot customers --archive --side fno
same "is there already" there "$(json '$.data.archives[0].state')"
result "most are differences" $([ "$(grep -vc '^0$' bases)" -ge 8 ]; echo $?)
result "and a chain has an end" $([ "$(grep -c '^0$' bases)" -ge 2 ]; echo $?)
first=$(wc -c <"$A/customers-$(cat id.1)-fno.zst") second=$(wc -c <"$A/customers-$(cat id.2)-fno.zst")
result "a difference is small ($second of $first octets)" $([ $((second * 4)) -lt "$first" ]; echo $?)
result "zstd reads them" "$(zstd -t -q "$A"/*.zst 2>/dev/null; echo $?)"
run 0 "verify" --dir ws --json snapshot customers --verify
same "all are intact" 10 "$(jsql "select count(*) from json_each(j, '\$.data.archives') where value ->> 'state' = 'intact'")"
bad=
for g in 1 4 8 9 10; do
    dmfsync --dir ws --json snapshot customers --restore "$(cat id.$g)"
    [ "$(json '$.data.digest')" = "$(cat sum.$g)" ] || bad="$bad $g: digest"
    contents fno back
    cmp -s "rows.$g" back || bad="$bad $g: rows"
done
same "each is restored, cell by cell, with its digest" "" "$bad"
same "with the time when it was taken" 1 "$(sqlite3 ws/.dmfsync/maps/customers/state.db "select count(*) > 0 from snapshot a join snapshot b on a.sum = b.sum and a.ended_at = b.ended_at where a.origin = 'archive' and b.origin = 'csv'")"
run 1 "one that is not there" --dir ws snapshot customers --restore 4711
has "is told" "no archived snapshot 4711" err

# --- twins are counted in what comes back, too ---
sqlite3 :memory: ".mode csv" ".import now.csv t" ".headers on" ".output twins.csv" "insert into t select * from t where rowid in (5, 9)" \
    "insert into t select * from t where rowid = 5" "select * from t" && mv twins.csv now.csv
take
dmfsync --dir ws --json snapshot customers --archive --side fno
id=$(json '$.data.archives[0].id')
run 0 "one with twins" --dir ws snapshot customers --restore "$id"
file=$(sqlite3 ws/.dmfsync/maps/customers/state.db "select file from snapshot order by id desc limit 1")
same "has as many" 3 "$(sqlite3 "file:ws/.dmfsync/maps/customers/$file?immutable=1" "select value from meta where name = 'duplicates'")"

# --- damage: every octet of a small archive, flipped ---
cp "$A/customers-$(cat id.2)-fno.zst" good
flip() { # OFFSET
    cp good "$A/customers-$(cat id.2)-fno.zst"
    printf "\\$(printf %o $(($(od -An -tu1 -j "$1" -N1 good) ^ 1)))" | dd of="$A/customers-$(cat id.2)-fno.zst" bs=1 seek="$1" conv=notrunc 2>/dev/null
}
size=$(wc -c <good) missed=
for at in 0 1 4 5 9 17 $((size / 3)) $((size / 2)) $((size - 80)) $((size - 45)) $((size - 41)) $((size - 40)) $((size - 36)) $((size - 33)) $((size - 32)) $((size - 1)); do
    flip "$at"
    dmfsync --dir ws --json snapshot customers --verify
    [ "$STATUS" = 4 ] || missed="$missed $at"
done
same "a flipped octet is found" "" "$missed"
dmfsync --dir ws snapshot customers --restore "$(cat id.4)"
same "one that is built on it is not restored" 3 "$STATUS"
dmfsync --dir ws --json snapshot customers --verify
same "and told: itself and those built on it" 7 "$(jsql "select count(*) from json_each(j, '\$.data.archives') where value ->> 'state' <> 'intact'")"
head -c $((size - 100)) good >"$A/customers-$(cat id.2)-fno.zst"
run 4 "one that is cut off" --dir ws snapshot customers --verify
cp "$A/customers-$(cat id.3)-fno.zst" "$A/customers-$(cat id.2)-fno.zst"
run 4 "another one in its place" --dir ws snapshot customers --verify
rm "$A/customers-$(cat id.2)-fno.zst"
run 4 "one that is missing" --dir ws snapshot customers --verify
: >"$A/customers-$(cat id.2)-fno.zst"
run 4 "an empty one" --dir ws snapshot customers --verify
run 0 "a list of them, all the same" --dir ws snapshot customers --archives
cp good "$A/customers-$(cat id.2)-fno.zst"
run 0 "and whole again" --dir ws snapshot customers --verify

# --- killed at every step ---
if [ -x "$DMFSYNC_FAULT_BIN" ]; then
    take
    cp -a ws saved
    DMFSYNC_BIN=$DMFSYNC_FAULT_BIN
    DMFSYNC_STEP_TRACE=$W/trace dmfsync --dir ws snapshot customers --archive --side fno
    steps=$(wc -l <trace) k=0 bad=
    while [ $((k += 1)) -le "$steps" ]; do
        rm -rf ws && cp -a saved ws
        DMFSYNC_STEP_KILL=$k dmfsync --dir ws snapshot customers --archive --side fno 2>/dev/null
        [ "$STATUS" = 137 ] || bad="$bad step $k: $STATUS"
        dmfsync --dir ws snapshot customers --verify
        [ "$STATUS" = 0 ] || bad="$bad step $k: not intact"
        dmfsync --dir ws snapshot customers --archive --side fno
        [ "$STATUS" = 0 ] || bad="$bad step $k: again $STATUS"
    done
    same "killed at each of $steps steps, nothing is half there" "" "$bad"
    result "there were steps" $([ "$steps" -ge 2 ]; echo $?)
    same "nothing is left behind" 0 "$(find ws/.dmfsync/tmp -type f | wc -l)"
fi

# --- parity archives, retention removes ---
job_settings
JOB_CUSTOMERS=20
job_start "$W/e" --knob dv_limit_requests=0 --knob dv_limit_execution_ms=0
cd "$W/e.ws" || exit 1
printf '[parity]\nkeep_snapshots = 2\n' >>dmfsync.ini
run 10 "migrate" migrate --execute
i=0
while [ $((i += 1)) -le 11 ]; do
    admin POST /dataverse/rows "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"C-0000002\"},\"values\":{\"name\":\"Night $i\"}}" >/dev/null
    dmfsync parity customers
done
run 0 "archives" --json snapshot customers --verify
for side in fno dataverse; do
    has=$(jsql "select count(*) from json_each(j, '\$.data.archives') where value ->> 'side' = '$side'")
    result "$side: the two newest, and what they need ($has)" $([ "$has" -ge 2 ] && [ "$has" -le 9 ]; echo $?)
done
id=$(jsql "select max(value ->> 'id') from json_each(j, '\$.data.archives') where value ->> 'side' = 'dataverse'")
sum=$(jsql "select value ->> 'digest' from json_each(j, '\$.data.archives') where value ->> 'id' = $id")
run 0 "the newest of Dataverse" --json snapshot customers --restore "$id"
same "has its digest" "$sum" "$(json '$.data.digest')"
dmfsync parity customers
has_not "a restored one is nobody's base" "archive" "$W/err"
finish

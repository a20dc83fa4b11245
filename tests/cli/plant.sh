# plant.sh -- a workspace with a past, for the tests of report, metrics and history: written through the schemas of the catalog
# itself (loader/catalog.sql, loader/map_state.sql), as the commands would have written it. After lib.sh. Sourced, not run.
PLANT_MAPS='currencies=Currencies (transactioncurrencies)
customer_groups=Customer groups (msdyn_customergroups)
payment_terms=Terms of payment (msdyn_paymentterms)
units=Units (uoms)
warehouses=Warehouses (msdyn_warehouses)
sites=Sites (msdyn_operationalsites)
products=Released products V2 (msdyn_sharedproductdetails)
vendors=Vendors V2 (msdyn_vendors)
customers=Customers V3 (accounts)
contacts=CDS Contacts V2 (contacts)'

plant_version() { sed -n "/$1/,/version/s/.*\.version = \([0-9]*\).*/\1/p" "$DMFSYNC_ROOT/loader/catalog.c" | head -1; }

# plant_state DIR ALIAS: an empty state.db of the map
plant_state() {
    mkdir -p "$1/.dmfsync/maps/$2"
    { cat "$DMFSYNC_ROOT/loader/map_state.sql" "$DMFSYNC_ROOT/loader/map_state_2.sql"
      echo "pragma application_id=$((0x646d6673)); pragma user_version=$(plant_version STATE_SCHEMA); pragma journal_mode=wal;"
    } | sqlite3 "$1/.dmfsync/maps/$2/state.db" >/dev/null
}

# plant_workspace DIR: ten maps in the settings, nothing ran yet
plant_workspace() {
    mkdir -p "$1/maps" "$1/sources"
    {
        printf '[fno]\nurl = https://contoso.operations.dynamics.com\ntenant = t\nclient_id = c\nclient_secret_file = s\n'
        printf '[dataverse]\nurl = https://contoso.crm4.dynamics.com\n'
        echo "$PLANT_MAPS" | while IFS='=' read -r alias name; do
            printf '[map.%s]\nname = %s\nfile = maps/%s.json\n' "$alias" "$name" "$alias"
        done
    } >"$1/dmfsync.ini"
    "$DMFSYNC_BIN" --dir "$1" status >/dev/null || not_ok "the planted workspace is one"
}

# plant_verdicts DIR DAYS: a verdict per map and night. Vendors drifted for a week, customers now and then and now, contacts could not
# be read in three nights, sites are compared once a week.
plant_verdicts() {
    echo "$PLANT_MAPS" | awk -F= -v q="'" 'BEGIN { print "create temp table m(i, alias, name);" }
        { gsub(q, q q); printf "insert into m values(%d, %c%s%c, %c%s%c);\n", NR, 39, $1, 39, 39, $2, 39 }' >"$W/plant.sql"
    cat >>"$W/plant.sql" <<SQL
create temp table c(company, share);
insert into c values('usmf', 61), ('gbmf', 27), ('demf', 12);
create temp table night(day, i, alias, name, keys, differ, only_fno, only_dv, waiting, waived, word);
with recursive d(day) as (select 0 union all select day + 1 from d where day < $2 - 1)
insert into night select d.day, m.i, alias, name, m.i * m.i * m.i * 211 + (90 - day) * m.i * 3 + 60, 0, 0, 0, 0, 0, 'parity' from d, m
 where not (m.alias = 'sites' and day % 7) and not (m.alias = 'units' and day > 60);
update night set word = 'drift', differ = 40 + day * 9, only_fno = 12 where alias = 'vendors' and day between 30 and 37;
update night set word = 'drift', differ = day % 5 + 1, only_dv = 2 where alias = 'customers' and day % 17 = 4;
update night set word = 'drift', differ = 14, only_fno = 3, only_dv = 1, waiting = 6 where alias = 'customers' and day < 2;
update night set word = 'unknown' where alias = 'contacts' and day between 12 and 14;
update night set waiting = 3, waived = 2 where alias in ('contacts', 'products');
insert into verdict(alias, run_id, checked_at, verdict, map_hash, data)
select alias, null, strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-' || day || ' days', '-' || (20 + i) || ' minutes'), word, 'h',
 json_object('map', name, 'key', 'dataAreaId,Account', 'fno_rows', keys - only_dv, 'dataverse_rows', keys - only_fno, 'keys', keys,
  'equal', keys - differ - only_fno - only_dv - waiting - waived, 'differ', differ, 'only_fno', only_fno, 'only_dataverse', only_dv,
  'waiting', waiting, 'waived', waived, 'in_flight', 0, 'errors', 0, 'fno_digest', 'xxh3-sum:c1:0' || i, 'dataverse_digest',
  'xxh3-sum:c1:0' || (case word when 'parity' then i else 99 end), 'excluded_fno', 4, 'excluded_dataverse', 0, 'verdict', word,
  'checked_at', '', 'companies', (select json_group_array(json_object('company', company, 'fno_rows', keys * share / 100,
    'dataverse_rows', keys * share / 100, 'keys', keys * share / 100, 'equal', keys * share / 100 - (company = 'usmf') * (differ +
    only_fno + only_dv), 'differ', (company = 'usmf') * differ, 'only_fno', (company = 'usmf') * only_fno, 'only_dataverse', (company =
    'usmf') * only_dv, 'waiting', 0, 'waived', 0, 'in_flight', 0, 'errors', 0, 'fno_digest', 'a', 'dataverse_digest', 'a')) from c))
from night order by day desc, i;
insert into gate(alias, state, handoff, map_hash, reason, changed_at) select alias, case alias when 'customers' then 'closed' else
 'open' end, 'builtin', 'h', case alias when 'customers' then 'the verdict is drift' else 'verdict: parity' end,
 strftime('%Y-%m-%dT%H:%M:%SZ', 'now') from m where alias <> 'units';
insert into run(kind, command, state, identity, identity_text, version, started_at, ended_at) values
 ('migrate', 'migrate', 'done', 'i', '', '0.1.0', strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-89 days'), strftime('%Y-%m-%dT%H:%M:%SZ',
  'now', '-89 days', '+7 hours')), ('repair', 'repair', 'done', 'i', '', '0.1.0', strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-29 days'),
 strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-29 days', '+3 minutes'));
insert into activity(command, started_at, ended_at, status, fno_calls, dataverse_calls, fno_retries, dataverse_retries, fno_throttled,
 dataverse_throttled, fno_waited_ms, dataverse_waited_ms, fno_octets, dataverse_octets)
select 'parity', strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-' || day || ' days', '-30 minutes'), strftime('%Y-%m-%dT%H:%M:%SZ', 'now',
 '-' || day || ' days', '-' || (18 - day % 5) || ' minutes'), case when sum(word <> 'parity') then 9 else 0 end, 420 + day * 3, 300 +
 day % 9 * 40, 0, day % 7, 0, case when day % 11 = 3 then 9 else 0 end, 0, case when day % 11 = 3 then 41000 else 0 end, 90000000,
 60000000 from night group by day order by day desc;
SQL
    sqlite3 "$1/.dmfsync/work.db" <"$W/plant.sql"
}

# plant_states DIR: what waits, failed rows of several causes, differing rows, waivers
plant_states() {
    for alias in customers contacts vendors products; do plant_state "$1" "$alias"; done
    cat >"$W/plant-state.sql" <<'SQL'
insert into load(run_id, phase, path, octets, mtime_ns, updated_at) values(1, 'settled', 'sources/customers.csv', 1, 1, '');
insert into package(run_id, pass, company, slice, first_row, last_row, first_offset, first_line, state, rows, sent_at, ended_at)
 values(1, 1, 'usmf', 1, 1, 153000, 0, 2, 'settled', 153000, '2026-01-10T20:00:00Z', '2026-01-10T21:07:00Z');
with recursive n(n) as (select 1 union all select n + 1 from n where n < 231)
insert into row_exception(run_id, side, row_no, line, key, state, stage, field, code, message, at)
select 1, 'fno', n, n + 1, 'usmf|C-' || printf('%07d', n), 'rejected', case when n % 3 then 'target' else 'staging' end,
 case when n % 3 then 'CUSTOMERGROUPID' else 'CREDITLIMIT' end, case when n % 3 then 'DMF1968' else 'DMF2050' end, case when n % 3 then
 'The value ''G' || n || ''' in field ''Customer group'' is not found in the related table ''Customer groups''.' else
 'Row ' || n || ': the number 12.' || n || ' is larger than 999999.99.' end, '2026-01-10T21:00:00Z' from n;
insert into row_exception(run_id, side, key, state, stage, field, code, message, at) values
 (1, 'dataverse', 'usmf|C-0000007', 'rejected', 'write', 'emailaddress1', '0x80048d19', 'Custom plug-in Contoso.Crm.AccountGuard threw: '
  || 'the e-mail address ''x@y'' is not allowed for account 3f2504e0-4f89-11d3-9a0c-0305e82c3301.', '2026-01-10T21:30:00Z');
with recursive n(n) as (select 1 union all select n + 1 from n where n < 18)
insert into delta(key_digest, key, company, class, sign, note) select cast('k' || n as blob), 'usmf|C-' || printf('%07d', n * 31),
 'usmf', case when n < 15 then 'differ' when n < 18 then 'only_fno' else 'only_dataverse' end, '*', '' from n;
insert into delta_field(key_digest, field, fno, dataverse) select key_digest, f, 'a', 'b' from delta, (select 'ORGANIZATIONNAME' as f
 union all select 'CREDITRATING') where class = 'differ';
insert into pending(key_digest, key, state, reason, tries, at) values(x'01', 'usmf|C-0000101', 'parked', 'msdyn_customergroupid: '
 || 'customer group ''95'' is not in Dataverse yet', 3, '2026-01-11T04:00:00Z'), (x'02', 'usmf|C-0000102', 'poison',
 'Dataverse refused: 0x80040203 The length of the ''name'' attribute exceeded the maximum allowed length of ''160''', 5,
 '2026-01-11T04:00:00Z'), (x'03', 'gbmf|C-0000103', 'conflict', '', 0, '2026-01-11T04:00:00Z'), (x'04', 'gbmf|C-0000104', 'new', '', 0,
 strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-7 minutes'));
insert into conflict(key, field, base, fno, dataverse, rule, outcome, at) values('gbmf|C-0000103', 'TELEPHONE', '+44 1', '+44 20 7946 0018',
 '+44 20 7946 0019', 'queue', 'open', '2026-01-11T04:00:00Z');
insert into cursor(side, value, moved_at) values('dataverse', 'x', strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-2 minutes'));
insert into snapshot(side, file, origin, rows, excluded, faults, sum, began_at, ended_at) values('fno', 'snap-1-fno.db', 'odata', 153000,
 4, 0, 's', '2026-01-11T04:00:00Z', '2026-01-11T04:02:10Z'), ('dataverse', 'snap-1-dataverse.db', 'webapi', 153000, 0, 0, 's',
 '2026-01-11T04:02:10Z', '2026-01-11T04:03:55Z');
SQL
    sqlite3 "$1/.dmfsync/maps/customers/state.db" <"$W/plant-state.sql"
    sqlite3 "$1/.dmfsync/maps/contacts/state.db" "insert into waiver(key, field, reason, until) values('usmf|P-000451', 'birthdate', 'Test person of the payroll team, agreed with J. Meyer on the 3rd', '2099-12-31'), ('usmf|P-000452', '', 'Duplicate, to be merged by the CRM team', '2026-01-05')"
}

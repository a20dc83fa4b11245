-- state.db: the live state of one map.

-- ---- written by loader/ ----
create table load(                          -- one load of this map's source in one run
  run_id       integer primary key,
  phase        text not null,               -- lint | existing | send | second_pass | settled
  path         text not null,
  octets       integer not null,
  mtime_ns     integer not null,
  rows         integer not null default 0,  -- data rows read, faulty ones too
  source_file  text not null default '',    -- leaf file of the source's rows, relative to the map's folder
  header       text not null default '',
  unfit        integer not null default 0,  -- 1 = packages in XML, since some value does not fit into the CSV format
  counts       text not null default '{}',
  updated_at   text not null
);
create table package(                       -- source rows first_row..last_row of one company, less exceptions and masks
  id             integer primary key,
  run_id         integer not null,
  pass           integer not null,          -- 1 = all bound columns but lookups of the same table and of a cycle, 2 = key and these
  company        text not null,             -- '' = shared entity
  slice          integer not null,
  first_row      integer not null,
  last_row       integer not null,
  first_offset   integer not null,
  first_line     integer not null,
  state          text not null,             -- planned | packed | sending | submitted | ended | settled | empty | failed
  project        text not null default '',
  attempt        integer not null default 0,
  execution_id   text not null default '',
  file           text not null default '',
  digest         text not null default '',
  octets         integer not null default 0,
  rows           integer not null default 0, -- rows in the package
  status         text not null default '',   -- the service's word
  staged         integer, staging_ok integer, created integer, updated integer,
  failed         integer not null default 0, -- rows the service did not take
  message        text not null default '',
  sent_at        text, ended_at text,
  parent         integer not null default 0, -- the package that these rows were in before; 0 = planned from the source
  picked         integer not null default 0, -- 1 = only the rows of the mask 'pick:ID'
  version        integer not null default 0, -- the retry whose corrected file holds these rows; 0 = the source
  retry          integer not null default 0, -- the retry that planned it; 0 = the load itself
  moved          integer not null default 0  -- of its rows, those that went on into a later package
);
create index package_run on package(run_id, state);
create table row_exception(                 -- every source row that did not simply land, and every refused Dataverse row
  id          integer primary key,
  run_id      integer not null,
  side        text not null,                -- fno | dataverse
  row_no      integer,                      -- source row number; null = not from a source file
  line        integer,
  offset      integer,
  key         text,
  state       text not null,                -- rejected | parked | unsent | excluded | unknown
  stage       text not null,                -- read | lint | existing | staging | target | second_pass | lookup | write
  field       text,
  code        text,
  message     text not null,
  package_id  integer,
  at          text not null,
  version     integer not null default 0,   -- the retry whose corrected file holds the row; 0 = the source
  retry       integer not null default 0    -- the retry that found it; 0 = the load itself
);
create index row_exception_row on row_exception(run_id, side, row_no);
create index row_exception_key on row_exception(run_id, side, key);
create table row_mask(                      -- rows not sent because the target already holds them: bit per row
  run_id  integer not null,
  state   text not null,                    -- unchanged | excluded | pick:PACKAGE
  chunk   integer not null,                 -- rows chunk*65536 + 1 ..
  bits    blob not null,
  primary key(run_id, state, chunk)
) without rowid;

create table undo_kept(                     -- [load] undo: a side's rows before a run wrote them are kept
  run_id  integer not null,
  side    text not null,                    -- fno: all its rows, in `file`; dataverse: those written, in undo_row
  file    text not null default '',         -- leaf file, relative to the map's folder; '' = the side was empty
  columns text not null default '',         -- names of its cells
  at      text not null,
  primary key(run_id, side)
) without rowid;
create table retry(                         -- failed rows that were taken up again; written by loader/retry.c
  run_id      integer primary key,          -- a run of kind retry
  load_run    integer not null,             -- whose ledger it is
  path        text not null default '',     -- our copy of the corrected file, relative to the map's folder; '' = as they were
  taken       integer not null default 0,   -- rows taken up
  again       integer not null default 0,   -- of them, rejected again before they were sent
  waiting     integer not null default 0    -- failed rows that it left, since they need correction
);
create table retry_row(                     -- rows of a corrected file and their places in the ledger
  run_id  integer not null,
  number  integer not null,                 -- row of the file
  line    integer not null,
  offset  integer not null,
  row_no  integer not null,                 -- row of the source
  source_line integer not null,
  source_offset integer not null,
  primary key(run_id, number)
) without rowid;
create index retry_row_no on retry_row(run_id, row_no);
create table exception_past(                -- exceptions of rows that a retry took up: what `errors` compares with
  retry      integer not null,              -- the retry that took it up
  found_by   integer not null,              -- the retry that had found it; 0 = the load
  run_id     integer not null,
  row_no     integer,
  key        text,
  state      text not null,
  stage      text not null,
  field      text,
  code       text,
  message    text not null,
  package_id integer,
  at         text not null
);
create index exception_past_row on exception_past(run_id, row_no);

-- ---- written by sync/ ----
create table undo_row(                      -- [load] undo: Dataverse's rows before a run wrote them
  run_id     integer not null,
  key_digest blob not null,
  key        text not null,
  dv_id      text not null default '',
  before     blob,                          -- packed canonical row; null = the run was to create it
  written    blob,                          -- the row it was written from
  primary key(run_id, key_digest)
) without rowid;
create table setting(name text primary key, value text not null) without rowid; -- leaf_bits, rate_dataverse ...
create table snapshot(
  id        integer primary key,
  side      text not null,                  -- fno | dataverse | source
  file      text not null,                  -- relative to the map's folder
  origin    text not null,                  -- package | odata | webapi | changes | csv | archive | synapse
  rows      integer not null,
  excluded  integer not null,               -- outside filters or companies
  faults    integer not null,               -- rows whose cells could not be made canonical
  sum       text not null,
  began_at  text not null,
  ended_at  text not null,
  cursor    text not null default ''        -- Dataverse: delta link of the read
);
create table baseline(                      -- at most one row: the merge base
  one        integer primary key check(one = 1),
  file       text not null,
  rows       integer not null,
  map_hash   text not null,
  set_at     text not null
);
create table base_overlay(                  -- what changed since the baseline file was made
  key_digest blob primary key,
  key        text not null,
  row        blob,                          -- packed canonical row, null = deleted on both sides
  dv_id      text not null default '',
  changed_at text not null
) without rowid;
create index base_overlay_id on base_overlay(dv_id);
create table cursor(
  side    text not null,                    -- dataverse | fno
  company text not null default '',
  value   text not null,
  moved_at text not null,
  primary key(side, company)
) without rowid;
create table feed_run(                      -- F&O incremental exports: the position moves when the export runs
  execution_id text primary key,
  project      text not null,
  company      text not null,
  state        text not null,               -- asked | running | fetched | taken | failed
  file         text not null default '',
  at           text not null
) without rowid;
create table pending(                       -- changes read from the feeds and not yet applied, one row per key
  key_digest  blob primary key,
  key         text not null,
  fno_row     blob, fno_state text not null default '',  -- '' = unknown, changed, deleted, left
  dv_row      blob, dv_state text not null default '', dv_id text not null default '', dv_etag text not null default '',
  state       text not null default 'new',  -- new | sending | parked | conflict | poison
  reason      text not null default '',
  tries       integer not null default 0,
  at          text not null,
  next_at     text not null default '',     -- parked: not looked at again before, unless a parent may have come
  resolve     text not null default ''      -- a person's word about this key: fno | dataverse
) without rowid;
create index pending_state on pending(state, at);
create table conflict(
  id         integer primary key,
  key        text not null,
  field      text not null,
  base       text, fno text, dataverse text,
  rule       text not null,
  outcome    text not null,                 -- fno | dataverse | open | resolved
  at         text not null
);
create table sync_log(                      -- what was written where, for explain
  id        integer primary key,
  key       text not null,
  direction text not null,                  -- fno | dataverse | echo | none
  fields    text not null default '',
  detail    text not null default '',
  at        text not null
);
create index sync_log_key on sync_log(key);
create table reconcile_key(                 -- keys that the present or last reconcile touched
  key_digest blob primary key,
  key        text not null,
  what       text not null,                 -- agreed | written | applied
  verified   integer not null default 0
) without rowid;
create table flips(key_digest blob primary key, n integer not null, since text not null) without rowid;
create table delta(                         -- the last comparison: differing keys only
  key_digest blob primary key,
  key        text not null,
  company    text not null default '',
  class      text not null,                 -- differ | only_fno | only_dataverse | waiting | waived | in_flight | error
  sign       text not null,                 -- * + - ~ x !
  dv_id      text not null default '',
  fno        blob, dataverse blob,          -- packed canonical rows
  note       text not null default ''
) without rowid;
create table delta_field(
  key_digest blob not null,
  field      text not null,
  fno        text, dataverse text, base text,
  rule       text not null default '',
  primary key(key_digest, field)
) without rowid;
create table waiver(                        -- waivers.csv as the last comparison applied it
  key    text not null,                     -- '' = by filter
  filter text not null default '',
  field  text not null default '',          -- '' = the whole record
  until  text not null,
  reason text not null,
  by     text not null default '',
  ended  integer not null default 0,
  keys   integer not null default 0,            -- differences that it covered
  primary key(key, filter, field)
) without rowid;

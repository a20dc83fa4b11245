-- work.db: the catalog of a workspace. Small; every commit durable.

-- written by loader/run.c
create table run(
  id            integer primary key,
  kind          text not null,              -- load | migrate | reconcile
  command       text not null,              -- as typed
  state         text not null,              -- running | done | failed | stopped | discarded
  identity      text not null,              -- SHA-256 of what bars continuing under other settings
  identity_text text not null,              -- the same as name=value lines
  version       text not null,
  started_at    text not null,
  ended_at      text
);
create table run_map(
  run_id     integer not null references run(id),
  alias      text not null,
  wave       integer not null,
  state      text not null,                 -- waiting | working | green | red | skipped
  phase      text not null,
  counts     text not null default '{}',    -- JSON object, for status and history
  updated_at text not null,
  primary key(run_id, alias)
) without rowid;

-- written by sync/verdict.c
create table verdict(
  id          integer primary key,
  alias       text not null,
  run_id      integer,
  checked_at  text not null,
  verdict     text not null,                -- parity | drift | unknown
  map_hash    text not null,
  data        text not null                 -- the object of `parity --json` for this map
);
create index verdict_alias on verdict(alias, id);

-- written by sync/activity.c
create table activity(                      -- what each command that asked the services cost; for report and metrics
  id                  integer primary key,
  command             text not null,
  started_at          text not null,
  ended_at            text not null,
  status              integer not null,     -- the process's exit status
  fno_calls           integer not null default 0, dataverse_calls     integer not null default 0,
  fno_retries         integer not null default 0, dataverse_retries   integer not null default 0,
  fno_throttled       integer not null default 0, dataverse_throttled integer not null default 0,
  fno_waited_ms       integer not null default 0, dataverse_waited_ms integer not null default 0,
  fno_octets          integer not null default 0, dataverse_octets    integer not null default 0
);
create index activity_time on activity(started_at);

-- written by sync/hook.c
create table announced(                     -- the verdict that on_change was told last
  alias   text primary key,
  verdict text not null,
  at      text not null
) without rowid;

-- written by sync/gate.c
create table gate(
  alias      text primary key,
  state      text not null,                 -- open | closed
  handoff    text not null,                 -- builtin | dual-write
  verdict_id integer references verdict(id),
  map_hash   text not null,
  reason     text not null,
  changed_at text not null
) without rowid;
create table gate_log(
  id         integer primary key,
  alias      text not null,
  state      text not null,
  reason     text not null,
  at         text not null
);

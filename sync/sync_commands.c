#include "sync/sync_commands.h"
#include "loader/public/wave.h"

static const struct option_def WRITE_OPTIONS[] = {
    { "--map-state", "stopped",
      "the operator's word that dual-write does not run these maps, where that cannot be read" },
    { 0 }
};
static const struct option_def MIGRATE_OPTIONS[] = {
    WAVE_OPTIONS,
    { "--map-state", "stopped",
      "the operator's word that dual-write does not run these maps, where that cannot be read" },
    { 0 }
};
static const struct option_def LOAD_OPTIONS[] = {
    { "--from", "csv|fno|dataverse|synapse:DIR",
      "where rows come from (default csv: the maps' source files; synapse: Dataverse's, from a Synapse Link "
      "folder)" },
    { "--to", "fno|dataverse|both", "where they go (default fno; dataverse with --from fno)" },
    WAVE_OPTIONS,
    { "--map-state", "stopped",
      "the operator's word that dual-write does not run these maps, where that cannot be read" },
    { 0 }
};
static const struct option_def VERIFY_OPTIONS[] = {
    { "--key", "FILE", "the public key (PEM) of whoever must have signed it" },
    { "--workspace", "DIR", "compute the roots again from the snapshots of that workspace" },
    { 0 }
};
#define SIDES_OPTIONS                                                                                               \
    { "--fno-from", "csv:FILE|stored", "F&O's rows from a file of staging fields, or its last snapshot" },          \
        { "--dataverse-from", "csv:FILE|synapse:DIR|stored",                                                        \
          "Dataverse's rows from a file, a Synapse Link folder or its last snapshot; with both options no service " \
          "is asked" },                                                                                             \
    {                                                                                                               \
        "--keep", NULL, "with these: publish both sides as snapshots, too"                                          \
    }

static const struct option_def PARITY_OPTIONS[] = {
    SIDES_OPTIONS,
    { "--incremental", NULL,
      "Dataverse by what changed since its last snapshot, whole every full_every; F&O is read whole" },
    { "--certificate", "FILE", "write a signed certificate of what was compared (see certificate verify)" },
    { "--key", "FILE", "private key (PEM, Ed25519) that signs it; default certificate_key in [parity]" },
    { "--recheck", "N",
      "read up to N differing keys again on both sides before they count (default 1000, 0 = none)" },
    { "--report", "FILE", "write the page of 'report' as well, instead of [parity] report" },
    { "--metrics", "FILE", "write the numbers of 'metrics' as well, instead of [parity] metrics" },
    { 0 }
};
static const struct option_def SNAPSHOT_OPTIONS[] = {
    { "--side", "fno|dataverse", "which side to read (needed)" },
    { "--from", "odata|package|csv|synapse",
      "how F&O is read (default odata); offline: csv: either side from FILE, synapse: Dataverse from a folder" },
    { "--export", "FILE.db",
      "write the newest snapshots (or that of --side) as plain SQLite tables, a column per field" },
    { "--archive", NULL, "keep the newest snapshots (or that of --side), compressed, in .dmfsync/snapshots" },
    { "--archives", NULL, "list what is archived of the map" },
    { "--verify", NULL, "the same, with a look at every octet and every digest" },
    { "--restore", "ID", "an archived snapshot as a snapshot again" },
    { 0 }
};
static const struct option_def DIFF_OPTIONS[] = {
    SIDES_OPTIONS,
    { "--format", "signs|jsonl|csv|html", "how keys are printed (default signs)" },
    { "--against", "source", "compare the loaded source files with F&O instead of F&O with Dataverse" },
    { "--defaulted", NULL, "with --against source: blank cells that F&O filled, too" },
    { "--stored", NULL, "print the last comparison instead of making one" },
    { "--recheck", "N", "read up to N differing keys again before they count (default 0)" },
    { 0 }
};
static const struct option_def SYNC_OPTIONS[] = { { "--once", NULL, "one round, then end (the default)" },
                                                  { "--follow", NULL, "rounds until stopped, every poll_seconds" },
                                                  { "--dry-run", NULL,
                                                    "read, merge, say what would be written, write nothing" },
                                                  { "--map-state", "stopped", "as for migrate" },
                                                  { 0 } };
static const struct option_def WAIVE_OPTIONS[] = {
    { "--filter", "F", "the rows it is about, in place of KEY: CUSTOMERGROUPID == '90' && DATAAREAID == 'usmf'" },
    { "--field", "C", "this field alone; without it the record as a whole" },
    { "--reason", "T", "why the difference is accepted (needed)" },
    { "--until", "DATE", "its last day, 2027-03-31 (needed)" },
    { "--by", "NAME", "who accepts it (default: who is logged in)" },
    { 0 }
};
static const struct option_def WAIVE_DROP_OPTIONS[] = {
    { "--filter", "F", "the waiver of this filter, in place of KEY" },
    { "--field", "C", "the waiver of this field" },
    { "--ended", NULL, "all of the map whose last day has passed" },
    { 0 }
};
static const struct option_def CONFLICTS_OPTIONS[] = { { "--open", NULL, "only what waits for a person" }, { 0 } };
static const struct option_def RESOLVE_OPTIONS[] = { { "--take", "fno|dataverse", "the side that is right (needed)" },
                                                     { "--all", NULL,
                                                       "every record of the map that waits for a person" },
                                                     { 0 } };
static const struct option_def RECONCILE_OPTIONS[] = {
    { "--method", "stop|pause", "how the maps are kept still (default: chosen by the estimate, with the reason)" },
    { "--rows", "N", "how many rows COMMAND is expected to change (default: as many as the last time, else all)" },
    { "--command-time", "TIME", "how long COMMAND is expected to take (default: as long as the last time)" },
    { "--rates", "FILE", "rates.json of a rehearsal, for the plan (default: those of the last run here)" },
    { "--map-state", "STATE", "the operator's word on the maps' states, where they cannot be read" },
    { 0 }
};
static const struct option_def RECOVER_OPTIONS[] = {
    { "--rollback", NULL, "only start the maps again, carry nothing over" },
    { "--map-state", "STATE", "the operator's word on the maps' states, where they cannot be read" },
    { 0 }
};
static const struct option_def CLOSE_OPTIONS[] = { { "--reason", "TEXT", "why (kept in the gate's log)" }, { 0 } };
static const struct option_def DOCTOR_OPTIONS[] = {
    { "--offline", NULL, "only what can be checked without the services" }, { 0 }
};

static const struct option_def HISTORY_OPTIONS[] = {
    { "--days", "N", "only the last N days (default: all that is on record)" }, { 0 }
};
static const struct option_def REPORT_OPTIONS[] = {
    { "--days", "N", "days of history on the page (default 90, at most 400)" }, { 0 }
};

#define ONLINE (NEED_WORKSPACE | NEED_STORE | NEED_LOCK | NEED_FNO | NEED_DV)

const struct command SYNC_COMMANDS[] = {
    { .name = "migrate",
      .args = "[MAP..]",
      .summary = "the main job: files -> F&O -> Dataverse by waves, proven, handed over",
      .run = cmd_migrate,
      .needs = ONLINE | NEED_CONSENT,
      .options = MIGRATE_OPTIONS,
      .details = "For each wave: lints the rows, builds and uploads packages, imports them, accounts for every row, "
                 "exports F&O's rows, "
                 "writes what differs into Dataverse, compares both sides field by field, and opens the map's gate "
                 "on a verdict of parity. "
                 "A map starts only when those that it depends on are green; a red one stops no others. Named maps "
                 "bring their "
                 "prerequisites along. Running it again "
                 "continues where it was cut off.",
      .max_args = -1 },
    { .name = "load",
      .args = "[MAP..]",
      .summary = "the bulk stage: source files into F&O by DMF packages, or any other direction",
      .run = cmd_load,
      .needs = ONLINE | NEED_CONSENT,
      .options = LOAD_OPTIONS,
      .details =
          "Lints the rows, builds packages per company, uploads and imports them, reads counters and row errors, and "
          "accounts for every row. A map with unsent or unknown rows, or with more rejected ones than max_errors, is "
          "not "
          "green: maps that depend on it are skipped, the others go on; the same command takes up those that were "
          "skipped. "
          "An unfinished load is continued; nothing that may have arrived is sent twice. "
          "--from and "
          "--to choose another direction: csv to dataverse (only the columns that the file has), csv to both (F&O, "
          "then what "
          "F&O took), fno to dataverse (by export package), dataverse to fno (by import packages). What the written "
          "side "
          "already holds follows 'existing'; nothing is deleted; an open gate of the map is closed.",
      .max_args = -1 },
    { .name = "parity",
      .args = "[MAP..]",
      .summary = "prove that both sides hold the same rows",
      .run = cmd_parity,
      .needs = ONLINE,
      .options = PARITY_OPTIONS,
      .details = "Reads both sides whole, compares them field by field, reads what differs again, stores the "
                 "verdict. Status 0 when all maps "
                 "are at parity, 9 when not. A verdict of drift closes the gate of that map.",
      .max_args = -1 },
    { .name = "diff",
      .args = "[MAP..]",
      .summary = "the rows and fields that differ",
      .run = cmd_diff,
      .needs = ONLINE,
      .options = DIFF_OPTIONS,
      .details =
          "Signs: '*' differs, '+' only in F&O, '-' only in Dataverse, '~' waits or is in flight, 'x' waived, '!' "
          "error. Status 9 when "
          "there is a difference. The delta stays in .dmfsync/maps/ALIAS/state.db, tables delta and delta_field.",
      .max_args = -1 },
    { .name = "snapshot",
      .args = "MAP [FILE|DIR]",
      .summary = "bring one side in",
      .run = cmd_snapshot,
      .needs = ONLINE,
      .options = SNAPSHOT_OPTIONS,
      .details =
          "A snapshot is published whole or not at all: all rows of one side of one map, as canonical rows, in "
          ".dmfsync/maps/ALIAS. --from csv reads FILE (plain or .zst) with that side's own columns for headers: "
          "F&O's "
          "staging fields, or Dataverse's columns as the map names them. --from synapse reads DIR, a copy of "
          "what Synapse Link for Dataverse writes in incremental folders. --export reads nothing: it writes what is "
          "there into FILE.db, for any program that reads SQLite. --archive and --restore need no service either: a "
          "later archive holds what changed since the one before; a restored snapshot has the digest that it had, "
          "and "
          "opens no gate. [parity] keep_snapshots lets parity archive its own.",
      .min_args = 1,
      .max_args = 2 },
    { .name = "explain",
      .args = "MAP KEY",
      .summary = "one record: both sides, the base, the rules, its whole history",
      .run = cmd_explain,
      .needs = NEED_WORKSPACE | NEED_STORE | NEED_FNO | NEED_DV,
      .details = "KEY is the key's parts in key order, company first, joined by '|' ('usmf|C-0042'); a literal bar "
                 "is written '\\|'.",
      .min_args = 2,
      .max_args = 2 },
    { .name = "sql",
      .args = "MAP [QUERY]",
      .summary = "SQLite over a map: delta, delta_field, snapshot, baseline, ledger ...",
      .run = cmd_sql,
      .needs = NEED_WORKSPACE | NEED_STORE,
      .details =
          "Runs one reading statement over .dmfsync/maps/ALIAS/state.db and prints its rows as CSV; without QUERY it "
          "lists the tables. delta is the last comparison; delta('fno', 'dataverse') compares the newest snapshots "
          "now, "
          "and any two others by id or file. snapshot, snapshot_fno, snapshot_dataverse and baseline have a column "
          "per "
          "field; the tables that they hide are main.snapshot and main.baseline. The same in the sqlite3 shell after "
          ".load of the installed dmfsync.so. See docs/parity.md.",
      .min_args = 1,
      .max_args = 2 },
    { .name = "repair",
      .args = "MAP",
      .summary = "bring each side to its master's state where it differs",
      .run = cmd_repair,
      .needs = ONLINE | NEED_CONSENT,
      .options = WRITE_OPTIONS,
      .details =
          "Compares, then writes what differs: each field where its direction allows and, where both do, away from "
          "its "
          "master; rows that are missing on the side that is not the map's master are created there. Into Dataverse "
          "in "
          "bulk, into F&O record by record with the version that was compared. Rows that the master does not have "
          "are "
          "deleted only with deletes = apply (mark: made inactive in Dataverse), and only if no company loses more "
          "than max_delete of the base's rows (never fewer than 10): else status 13, and nothing is written. Rows "
          "that left the filter, wait or are waived stay. Compares again and stores the verdict.",
      .min_args = 1,
      .max_args = 1 },
    { .name = "undo",
      .args = "RUN MAP",
      .summary = "give back what one run overwrote of a map, on both sides",
      .run = cmd_undo,
      .needs = ONLINE | NEED_CONSENT,
      .options = WRITE_OPTIONS,
      .details = "For runs of load, migrate and (into Dataverse) repair that ran with undo = yes in [load] or in the "
                 "map's section: what "
                 "the rows were is kept before they are overwritten. Compares before, written and now: fields that "
                 "are as the run wrote "
                 "them go back, what was changed since stays and is counted. Writes the previous values, and the "
                 "rows that the run "
                 "created (they are never deleted), to .dmfsync/undo/; with --execute F&O gets its rows by packages "
                 "and Dataverse in "
                 "bulk, and the map's gate is shut.",
      .min_args = 2,
      .max_args = 2 },
    { .name = "adopt",
      .args = "[MAP..]",
      .summary = "a base from what both sides already hold; nothing is written to them",
      .run = cmd_adopt,
      .needs = ONLINE,
      .details =
          "For a pair that was filled by other means. Compares both sides: equal rows get a base and count as ours "
          "where 'existing' decides about rows of the target; the others become conflicts that wait for a person "
          "('conflicts list', 'conflicts resolve'). Stores the verdict; up to max_waiting waiting rows it may be "
          "parity, and handoff then opens the gate. Running it again begins anew. Refused while the gate is open.",
      .max_args = -1 },
    { .name = "waive",
      .args = "MAP [KEY]",
      .summary = "accept a difference, with a reason and a last day",
      .run = cmd_waive,
      .needs = NEED_WORKSPACE | NEED_STORE | NEED_LOCK,
      .options = WAIVE_OPTIONS,
      .details =
          "Writes waivers.csv in the workspace, which belongs in its version control. From the next comparison on "
          "the "
          "difference is counted as waived ('x'), not as drift, and listed with its reason in report and "
          "certificate; the day after its last day it is red again. With --field only differences in that field "
          "are covered, and only as long as no other field differs. Waived rows count towards max_waiting.",
      .min_args = 1,
      .max_args = 2 },
    { .name = "waive list",
      .args = "[MAP..]",
      .summary = "accepted differences, and how many rows each covers",
      .run = cmd_waive_list,
      .needs = NEED_WORKSPACE | NEED_STORE,
      .max_args = -1 },
    { .name = "waive drop",
      .args = "MAP [KEY]",
      .summary = "take an accepted difference back",
      .run = cmd_waive_drop,
      .needs = NEED_WORKSPACE | NEED_STORE | NEED_LOCK,
      .options = WAIVE_DROP_OPTIONS,
      .min_args = 1,
      .max_args = 2 },
    { .name = "certificate verify",
      .args = "FILE",
      .summary = "check a parity certificate",
      .run = cmd_certificate_verify,
      .needs = 0,
      .options = VERIFY_OPTIONS,
      .details =
          "Needs nothing but the file: any change in it is detected and named (status 9). --key tells whether it was "
          "signed by the one who should have. Status 9, too, when a map in it is not at parity.",
      .min_args = 1,
      .max_args = 1 },
    { .name = "reconcile",
      .args = "[MAP..] -- COMMAND [ARG..]",
      .summary = "around a batch job: maps away, COMMAND, its rows carried over in bulk, maps back",
      .run = cmd_reconcile,
      .needs = ONLINE | NEED_CONSENT,
      .options = RECONCILE_OPTIONS,
      .details =
          "Reads both feeds, stops the maps without losing anybody's changes (or pauses them, where their queue can "
          "be "
          "thrown away afterwards), sees them stopped, runs COMMAND without a shell, exports the rows that changed, "
          "merges "
          "them field by field with what others changed in Dataverse meanwhile, writes them in bulk, finds deletions "
          "by "
          "comparing keys, proves the touched keys on both sides, starts the maps without initial sync and sees them "
          "running. Maps whose rows look up rows of a named one go along. A COMMAND that fails is carried over all "
          "the "
          "same, and its status told (exit status 1). Without --execute: the plan, with times by measured rates. "
          "Running "
          "it again continues a run that was cut off; 'recover' ends one without COMMAND. See docs/reconcile.md.",
      .max_args = -1 },
    { .name = "recover",
      .args = "",
      .summary = "finish a reconcile that was cut off, so that its maps run again",
      .run = cmd_recover,
      .needs = ONLINE,
      .options = RECOVER_OPTIONS,
      .details =
          "Goes on in the state in which the run was cut off. A COMMAND that had not begun is not begun; one that "
          "still "
          "runs is waited for. Rows are written only while the maps are seen stopped. With --rollback the maps are "
          "started and nothing else is done: 'parity' and 'repair' then find what is missing." },
    { .name = "watchdog",
      .args = "",
      .summary = "from cron: start maps that a dead reconcile left stopped or paused",
      .run = cmd_watchdog,
      .needs = NEED_WORKSPACE | NEED_FNO | NEED_DV | NEED_QUICK,
      .details =
          "Recovers this workspace's own reconcile when its process is dead. Then looks at the leases in [dualwrite] "
          "watchdog_dir, which runs of other hosts rewrite while they live: where one has been silent for "
          "watchdog_after "
          "and its maps are away, they are started through this workspace's control adapter. Says nothing when all "
          "is well. "
          "With control = manual it tells a person what to do (status 13)." },
    { .name = "handoff",
      .args = "[MAP..]",
      .summary = "open the gate on a fresh verdict of parity",
      .run = cmd_handoff,
      .needs = ONLINE | NEED_CONSENT,
      .details = "Takes the compared state as the base of later merges and lets sync work on the map. Refuses "
                 "(status 13) unless the latest "
                 "verdict is parity, fresh, and of this map and these settings.",
      .max_args = -1 },
    { .name = "gate show",
      .args = "[MAP..]",
      .summary = "whether sync may work on each map, and why",
      .run = cmd_gate_show,
      .needs = NEED_WORKSPACE | NEED_STORE,
      .max_args = -1 },
    { .name = "gate close",
      .args = "MAP",
      .summary = "keep sync away from a map",
      .run = cmd_gate_close,
      .needs = NEED_WORKSPACE | NEED_STORE | NEED_LOCK,
      .options = CLOSE_OPTIONS,
      .min_args = 1,
      .max_args = 1 },
    { .name = "sync",
      .args = "[MAP..]",
      .summary = "the incremental stage: changes of either side, record by record, in both directions",
      .run = cmd_sync,
      .needs = ONLINE,
      .options = SYNC_OPTIONS,
      .details = "Works on the maps whose gate is open. Reads what changed since the cursor on both sides, merges "
                 "field by field against the "
                 "base, writes each record with the version it read. Status 14 when conflicts wait, 13 when no gate "
                 "is open.",
      .max_args = -1 },
    { .name = "conflicts list",
      .args = "[MAP..]",
      .summary = "fields that both sides changed",
      .run = cmd_conflicts_list,
      .needs = NEED_WORKSPACE | NEED_STORE,
      .options = CONFLICTS_OPTIONS,
      .max_args = -1 },
    { .name = "conflicts show",
      .args = "MAP KEY",
      .summary = "one record: why it waits, and every conflict it ever had",
      .run = cmd_conflicts_show,
      .needs = NEED_WORKSPACE | NEED_STORE,
      .min_args = 2,
      .max_args = 2 },
    { .name = "conflicts resolve",
      .args = "MAP [KEY]",
      .summary = "say which side is right; the next sync obeys",
      .run = cmd_conflicts_resolve,
      .needs = NEED_WORKSPACE | NEED_STORE | NEED_LOCK,
      .options = RESOLVE_OPTIONS,
      .details =
          "Fields that both sides changed are taken from the side named; the other fields are merged as always. "
          "Where one "
          "side has no record (deleted, left the filter), the side named is right, too: the record is made again, or "
          "deleted on the other side. A halted or refused record (KEY needed) is looked at again.",
      .min_args = 1,
      .max_args = 2 },
    { .name = "parked",
      .args = "[MAP..]",
      .summary = "records that wait for a parent row or a person",
      .run = cmd_parked,
      .needs = NEED_WORKSPACE | NEED_STORE,
      .max_args = -1 },
    { .name = "status",
      .args = "",
      .summary = "what runs, what was done, what waits (safe at any time)",
      .run = cmd_status,
      .needs = NEED_WORKSPACE | NEED_STORE },
    { .name = "history",
      .args = "[MAP]",
      .summary = "runs and verdicts over time, and each map's trend (safe at any time)",
      .run = cmd_history,
      .needs = NEED_WORKSPACE | NEED_STORE,
      .options = HISTORY_OPTIONS,
      .details = "With MAP, that map's verdicts alone. The trend has a sign for each of the last 30 days, the worst "
                 "of the day: "
                 "'=' parity, '*' drift, '?' unknown, '.' not compared.",
      .max_args = 1 },
    { .name = "report",
      .args = "FILE.html",
      .summary = "one page for the steering meeting: may we go live, and why (safe at any time)",
      .run = cmd_report,
      .needs = NEED_WORKSPACE | NEED_STORE,
      .options = REPORT_OPTIONS,
      .details =
          "Writes one self-contained HTML page from what is on record: the answer, what to do next, verdict per map "
          "and "
          "company, drift over time, failed rows by cause, what differs, conflicts, parked rows, waivers, throughput "
          "and "
          "throttling. It loads nothing from a network, can be printed, and follows the reader's dark mode. The file "
          "appears whole or not at all. See docs/report.md.",
      .min_args = 1,
      .max_args = 1 },
    { .name = "metrics",
      .args = "FILE.prom",
      .summary = "the workspace's numbers for Prometheus' textfile collector (safe at any time)",
      .run = cmd_metrics,
      .needs = NEED_WORKSPACE | NEED_STORE,
      .details = "Writes gauges per map: time of the last green verdict (0 = never, so that silence alerts), keys by "
                 "class, gate, "
                 "changes that wait, lag, failed rows; and calls and throttling per service. The file appears whole "
                 "or not at all. "
                 "See docs/scheduling.md for alerts.",
      .min_args = 1,
      .max_args = 1 },
    { .name = "doctor",
      .args = "",
      .summary = "every check a support engineer would ask for",
      .run = cmd_doctor,
      .needs = NEED_WORKSPACE | NEED_FNO | NEED_DV | NEED_QUICK,
      .options = DOCTOR_OPTIONS,
      .details =
          "Signs in to both sides and tells the three failures apart: no token (secret, client or tenant), a token "
          "but no "
          "registration in the environment, a missing privilege. Then clocks, versions, free disk, companies with "
          "their "
          "owning teams, states of dual-write, privileges and bypass, custom plug-in steps that our writes meet, "
          "data "
          "management's entity list, alternate keys and change tracking, and per map what both sides can do (kept in "
          ".dmfsync/capabilities.json) and its key with the evidence. Each failure says what to do; the status is "
          "that of "
          "the failure that comes first in the order of the exit statuses: 3 configuration, 6 sign-in or privilege, "
          "13 a map "
          "is running, 5 unreachable or disk. --offline checks what needs no service." },
    { 0 }
};

#include "loader/loader_commands.h"

static const struct option_def PLAN_OPTIONS[] = {
    { "--offline", NULL, "use the metadata saved by an earlier command" },
    { "--standard", NULL, "by the list of standard maps alone, also for maps that are not in the workspace" },
    { "--format", "table|dot", "dot: a graph for Graphviz (default table)" },
    { "--rows", "[MAP=]N", "rows to reckon with, where they cannot be counted; repeatable" },
    { "--upload", "MBIT", "megabits a second of the line towards Azure (default 16)" },
    { 0 }
};
static const struct option_def LINT_OPTIONS[] = {
    { "--offline", NULL, "use the metadata saved by an earlier command" },
    { "--samples", "N", "sample rows per rule (default 3)" },
    { "--rejects", "FILE", "check this corrected reject file in the place of the map's source" },
    { 0 }
};
static const struct option_def RETRY_OPTIONS[] = {
    { "--rejects", "FILE", "the corrected rows, in a file that 'lint' or 'errors --rejects' wrote" },
    { "--map-state", "stopped",
      "the operator's word that dual-write does not run these maps, where that cannot be read" },
    { 0 }
};
static const struct option_def ERRORS_OPTIONS[] = {
    { "--format", "text|csv|jsonl", "one line per row (default text)" },
    { "--limit", "N", "rows printed as text (default 200; csv and jsonl print all)" },
    { "--run", "N", "of that run (default: the last one)" },
    { "--groups", NULL, "only the kinds of errors, with counts" },
    { "--rejects", NULL, "write the failed rows of the F&O side to .dmfsync/rejects, to be corrected for 'retry'" },
    { 0 }
};

static const struct option_def BUILD_OPTIONS[] = {
    { "--out", "DIR", "folder for the packages (default .dmfsync/packages/build)" },
    { "--format", "NAME", "data format, instead of data_format in [load]" },
    { "--together", NULL, "the entities of all maps in one package per company, sequenced by wave" },
    { 0 }
};
static const struct option_def VERIFY_OPTIONS[] = {
    { "--all", NULL, "every finding, not the first five of each kind" },
    { "--csv-format", "TEXT", "dialect of CSV data, as csv_format in [load]" },
    { 0 }
};
static const struct option_def SHOW_OPTIONS[] = {
    { "--fields", NULL, "also the field map of each entity" },
    { "--row", "N", "where data row N came from: source file, line, octet" },
    { "--entity", "LABEL", "the entity that --row counts in (default the first)" },
    { 0 }
};

const struct command LOADER_COMMANDS[] = {
    { .name = "plan",
      .args = "[MAP..]",
      .summary = "prerequisites, waves, volume, time, limits, lookups that no map serves",
      .run = cmd_plan,
      .needs = NEED_WORKSPACE | NEED_STORE | NEED_FNO | NEED_DV,
      .options = PLAN_OPTIONS,
      .details =
          "Shows the maps in the waves that their lookups demand, each with its key and the evidence for it, its "
          "source "
          "and the lookups that take a second pass (rows of the same table, and cycles, by name); then rows, "
          "packages, "
          "calls and time per map, by rates measured in this workspace where there are some, and each limit of the "
          "services that the plan meets, with what to do. Refuses (status 3) when a mapped lookup has no map that "
          "serves "
          "it. With --standard the maps are names of the published list; neither metadata nor sign-in is needed, and "
          "the "
          "maps that the workspace lacks are named.",
      .max_args = -1 },
    { .name = "lint",
      .args = "[MAP..]",
      .summary = "profile the source rows before anything is sent",
      .run = cmd_lint,
      .needs = NEED_WORKSPACE | NEED_FNO | NEED_DV,
      .options = LINT_OPTIONS,
      .details = "Reads every source file and names each rule that rows break, with count, share, samples (file and "
                 "line) and what "
                 "to do: what loading would refuse, keys that meet again (also those that only case or accents tell "
                 "apart), lookups "
                 "that no parent's source nor F&O resolves, companies that Dataverse is not ready for; and, as "
                 "warnings, what "
                 "would be changed on the way. Rows that would not arrive are written to "
                 ".dmfsync/rejects/ALIAS-TIME.csv: the "
                 "file's own columns, then file, line, rule and reason. Correct them there, check with --rejects, "
                 "and give that "
                 "file as the map's source; columns that begin with dmfsync_ are no data. Nothing is sent. Status 10 "
                 "when rows "
                 "would be rejected.",
      .max_args = -1 },
    { .name = "package build",
      .args = "[MAP..]",
      .summary = "data packages from the source files, without a network",
      .run = cmd_package_build,
      .needs = NEED_WORKSPACE,
      .options = BUILD_OPTIONS,
      .details =
          "Checks every row and writes one package per company and slice, a second one where a map looks up itself, "
          "packages.json with the order in which to import them, and rejects.csv. Uses the metadata saved by an "
          "earlier command. Beside each package stands its lineage, for 'package show --row'. Duplicate keys are "
          "found by 'lint' and by each load. Status 10 when rows were rejected.",
      .max_args = -1 },
    { .name = "package verify",
      .args = "FILE..",
      .summary = "every rule of F&O that a package breaks, before it is uploaded",
      .run = cmd_package_verify,
      .needs = 0,
      .options = VERIFY_OPTIONS,
      .details = "Names each finding with the code that F&O gives (DMF2050, FF004 ...), entity, row, reason and "
                 "remedy. In a "
                 "workspace that has metadata, keys, enums, lengths and dates are checked too. Status 3 when F&O "
                 "would refuse a "
                 "package or lose data.",
      .min_args = 1,
      .max_args = -1 },
    { .name = "package show",
      .args = "FILE",
      .summary = "entities, sequencing, field maps and row counts of a package; where a row came from",
      .run = cmd_package_show,
      .needs = 0,
      .options = SHOW_OPTIONS,
      .details = "Reads any data package, those that F&O exports too.",
      .min_args = 1,
      .max_args = 1 },
    { .name = "errors",
      .args = "[MAP]",
      .summary = "each row that did not arrive, with file, line, field and reason",
      .run = cmd_errors,
      .needs = NEED_WORKSPACE | NEED_STORE,
      .options = ERRORS_OPTIONS,
      .details = "One line per row: source file and line, state, stage, key, field, message, package and execution. "
                 "Then the "
                 "kinds of errors, most rows first: messages that differ only in keys, numbers and quoted values are "
                 "one kind. "
                 "Both are compared with the run before, the last retry included: new, still there, gone. With "
                 "--rejects the "
                 "rows are written as they are, with file, line, rule and reason behind each; correct them there and "
                 "give the file "
                 "to 'retry --rejects'.",
      .max_args = 1 },
    { .name = "retry",
      .args = "[MAP..]",
      .summary = "send exactly the failed rows again, as they were or corrected",
      .run = cmd_retry,
      .needs = NEED_WORKSPACE | NEED_STORE | NEED_LOCK | NEED_FNO | NEED_DV | NEED_CONSENT,
      .options = RETRY_OPTIONS,
      .details =
          "Takes the rows of the last load that F&O refused or did not account for, and packages that it refused as "
          "a "
          "whole, and sends them in new packages; the lineage still leads to the lines of the source. Rows that were "
          "refused before sending need correction: 'errors --rejects' writes them with line, rule and reason, and "
          "--rejects FILE sends the corrected ones. They keep their places in the ledger; what is still wrong is "
          "rejected again. The columns dmfsync_file and dmfsync_line tell which rows a file replaces; rows that are "
          "not in "
          "it stay as they are. An unfinished retry is continued.",
      .max_args = -1 },
    { 0 }
};

/*
 * config.h -- dmfsync.ini, the environment, and what a run of ours was started with.
 * Layer: cli (libinih). Errors: EC_CONFIG naming file, line, section and key, with what is allowed. Strict: an
 * unknown section or key is an error (a typo must not silently mean the default). Precedence: flags, environment
 * (DMFSYNC_<SECTION>_<KEY>, a map's section is DMFSYNC_MAP_<ALIAS>_<KEY>), file. Lines may be 64 KiB long (libinih's
 * own 200 are worked around). A remark is a line that begins with ';' or '#', or what follows a blank and ';'; a ';'
 * without a blank before it belongs to the value ("credentials = a;b"), and so does everything in a value put in
 * double quotes.
 */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "data/cell.h"

struct config_user { /* one application user */
    const char *client_id, *secret_file, *secret_command, *certificate_file, *secret /* environment only */;
};
struct config_side {
    const char *url, *tenant, *authority;
    struct config_user *users; /* those of credentials = a;b (sections [credential.a] ...), else the section's own */
    size_t n_users;
};
enum auto_repair { AUTO_REPAIR_DEFAULT, AUTO_REPAIR_NO, AUTO_REPAIR_YES };
enum keep_undo { UNDO_DEFAULT, UNDO_NO, UNDO_YES };
enum existing_policy { EXISTING_REFUSE, EXISTING_KEEP, EXISTING_UPDATE };
enum conflict_rule { CONFLICT_MASTER, CONFLICT_NEWEST, CONFLICT_QUEUE };
enum delete_rule { DELETES_REPORT, DELETES_MARK, DELETES_APPLY, DELETES_IGNORE };
struct config_pair {
    const char *name, *value;
};
struct config_map {
    const char *alias, *name, *file;
    const char *key;
    const char *load_entity; /* NULL = the map's entity */
    const char *source; /* path relative to the workspace, NULL = the map is not loaded from files */
    const char *date, *date_time_unused;
    char decimal, group, delimiter;
    const char *encoding; /* utf-8, utf-16, windows-1252, auto */
    bool enum_labels; /* source cells are labels, not element names */
    struct config_pair *columns;
    size_t n_columns; /* columns.HEADER = STAGING */
    struct config_pair *consts;
    size_t n_consts; /* const.STAGING = value */
    const char **ignore;
    size_t n_ignore; /* header names */
    const char **lint_ignore;
    size_t n_lint_ignore; /* findings of map lint that are known and accepted: CODE or CODE:FIELD */
    struct config_pair *masters;
    size_t n_masters; /* master.FIELD = fno | dataverse */
    struct config_pair *compare;
    size_t n_compare; /* compare.FIELD = strict, nocase, scale:2 ... (canon_rule_set) */
    const char **companies;
    size_t n_companies; /* lower case */
    bool master_dataverse;
    enum conflict_rule conflict;
    enum delete_rule deletes;
    const char *max_delete; /* "1%" or a number */
    const char *tolerance; /* differing keys that parity may leave, "0.01%" or a number; default 0 */
    bool handoff_dual_write; /* handoff = dual-write */
    bool create_companies; /* cdm_companies map only: create_companies = yes */
    enum existing_policy existing;
    bool has_existing;
    enum auto_repair auto_repair; /* default: as [parity] says */
    enum keep_undo undo; /* default: as [load] says */
    int line; /* of the section */
};
struct config {
    struct arena arena;
    const char *path; /* the ini file */
    struct config_side fno, dataverse;
    const char *tag, *bypass;
    const char *control; /* manual | hook | gateway */
    const char *control_hook; /* program, absolute; NULL = none */
    int64_t control_wait_ms, control_poll_ms;
    const char **status_running, **status_paused; /* further words of F&O for these states */
    size_t n_status_running, n_status_paused;
    const char *gateway_url, *gateway_authority, *gateway_tenant; /* authority NULL = that of fno */
    const char *gateway_token_file, *gateway_token_command;
    int64_t max_window_ms; /* a map is not left stopped or paused longer than this */
    const char *watchdog_dir; /* NULL = no lease is written */
    int64_t watchdog_after_ms;
    int64_t package_rows; /* default 100000 */
    enum existing_policy existing;
    const char *max_errors; /* a number of rows, or a share of a map's source, "0.5%"; default 0 */
    bool undo; /* previous values of rows are kept before they are overwritten */
    int64_t breaker; /* equal refusals in a row that stop writing a Dataverse table; 0 = none does; default 50 */
    int64_t lost_answer_wait_ms;
    const char *data_format; /* CSV-Unicode */
    const char
        *csv_format; /* of data_format, where that is a CSV format of the user's own; NULL = known by its name */
    const char *csv_quotes; /* refuse | doubled */
    const char *unfit; /* refuse | xml: values that the CSV format cannot carry */
    int64_t package_octets; /* of a data file, uncompressed; 0 = as many as a zip holds */
    const char *compressor; /* auto | isal | zlib */
    int64_t import_timeout_ms; /* no progress of a job for that long: EC_LIMIT; default 24 h */
    int64_t poll_ms; /* status polls, default 10 s (shorter at first) */
    int64_t sync_poll_ms;
    int64_t sync_skew_ms; /* conflict = newest: times closer than this say nothing */
    int64_t sync_key_scan_ms; /* how often F&O's keys are read for deletions; 0 = never */
    int64_t sync_max_flips; /* a field written back and forth more often within the hour is halted */
    int64_t sync_batch_from; /* so many changes of one map at once go in batches */
    int64_t sync_compact_from; /* so many changed rows, and 5 % of the base: the base is made anew */
    const char *sync_events; /* folder of data events; NULL = none */
    int64_t verdict_max_age_ms;
    int64_t max_waiting;
    int64_t keep_snapshots; /* archived by each parity, and kept per map and side; 0 = none is */
    int64_t full_every_ms; /* parity --incremental reads both sides whole that often */
    const char *
        certificate_key; /* PEM file of the Ed25519 key that signs certificates; NULL = none are written by themselves */
    const char *parity_report, *parity_metrics; /* written by every parity; NULL = not */
    const char *on_change; /* program called when a verdict changes; NULL = none */
    int64_t on_change_limit_ms;
    bool auto_repair;
    const char *auto_repair_max; /* "1%" of a map's keys, or a number of rows */
    int64_t keep_history_ms, keep_packages_ms, keep_reports, log_octets; /* [retention] */
    const char *ca_file; /* [http] ca_file */
    struct config_map *maps;
    size_t n_maps;
};
enum ec config_read(const char *path, char *const *environ_, struct config *ret, struct err *reterr);
void config_release(struct config *c);
/*
 * What signing in to these sides needs is there: url, tenant, client_id and a secret. EC_CONFIG naming what is
 * missing.
 */
enum ec config_check_online(const struct config *c, bool fno, bool dataverse, struct err *reterr);
/* By alias, full name, "[label] - [set]" or file stem, any case; NULL = none. */
const struct config_map *config_map_find(const struct config *c, const char *text);
/* "30m", "24h", "10s", "500ms", "7d" -> milliseconds. */
bool config_duration(const char *text, int64_t *ret_ms);
/* SHA-256 hex of the identity settings (design: what bars continuing under other settings) and a list of them as
 * "name=value" lines, so that a difference can be shown. Map identity is bind_hash()'s business. */
void config_identity(const struct config *c, struct strbuf *ret_lines, char ret[static 65]);
/* The commented file that `init` writes. */
const char *config_template(void);

#endif

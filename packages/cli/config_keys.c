/* The one table of settings: reading, environment, suggestions and the tests of the template all go by it. */
#include "cli/config_parts.h"

#define DAY_MS INT64_C(86400000)
#define IN(type, member) offsetof(struct type, member)

/* The settings of one side; which side a user's keys belong to follows from the section. */
#define SIDE(name_, member)                                                                                    \
    { name_, "url", KEY_URL, IN(config, member.url), 0, 0, 0, NULL },                                          \
        { name_, "tenant", KEY_TEXT, IN(config, member.tenant), 0, 0, 0, NULL },                               \
        { name_, "authority", KEY_URL, IN(config, member.authority), 0, 0, 0, NULL },                          \
        { name_, "credentials", KEY_USERS, IN(config, member.users), IN(config, member.n_users), 0, 0, NULL }, \
        USER(name_)
#define USER(name_)                                                                                   \
    { name_, "client_id", KEY_TEXT, IN(config_user, client_id), 0, 0, 0, NULL },                      \
        { name_, "client_secret_file", KEY_PATH, IN(config_user, secret_file), 0, 0, 0, NULL },       \
        { name_, "client_secret_command", KEY_TEXT, IN(config_user, secret_command), 0, 0, 0, NULL }, \
        { name_, "certificate_file", KEY_PATH, IN(config_user, certificate_file), 0, 0, 0, NULL },    \
    {                                                                                                 \
        name_, "client_secret", KEY_SECRET, IN(config_user, secret), 0, 0, 0, NULL                    \
    }

const struct key_def CONFIG_KEYS[] = {
    SIDE("fno", fno),
    SIDE("dataverse", dataverse),
    { "dataverse", "tag", KEY_TEXT_OR_EMPTY, IN(config, tag), 0, 0, 0, NULL },
    { "dataverse", "bypass", KEY_TEXT_OR_EMPTY, IN(config, bypass), 0, 0, 0, NULL },
    USER("credential"),
    { "dualwrite", "control", KEY_CHOICE_TEXT, IN(config, control), 0, 0, 0, "manual|hook|gateway" },
    { "dualwrite", "hook", KEY_PATH, IN(config, control_hook), 0, 0, 0, NULL },
    { "dualwrite", "control_wait", KEY_DURATION, IN(config, control_wait_ms), 0, 100, DAY_MS, NULL },
    { "dualwrite", "control_poll", KEY_DURATION, IN(config, control_poll_ms), 0, 10, 3600000, NULL },
    { "dualwrite", "status_running", KEY_LIST, IN(config, status_running), IN(config, n_status_running), 0, 0, NULL },
    { "dualwrite", "status_paused", KEY_LIST, IN(config, status_paused), IN(config, n_status_paused), 0, 0, NULL },
    { "dualwrite", "gateway_url", KEY_URL, IN(config, gateway_url), 0, 0, 0, NULL },
    { "dualwrite", "gateway_authority", KEY_URL, IN(config, gateway_authority), 0, 0, 0, NULL },
    { "dualwrite", "gateway_tenant", KEY_TEXT, IN(config, gateway_tenant), 0, 0, 0, NULL },
    { "dualwrite", "gateway_refresh_token_file", KEY_PATH, IN(config, gateway_token_file), 0, 0, 0, NULL },
    { "dualwrite", "gateway_refresh_token_command", KEY_TEXT, IN(config, gateway_token_command), 0, 0, 0, NULL },
    { "dualwrite", "max_window", KEY_DURATION, IN(config, max_window_ms), 0, 1000, DAY_MS, NULL },
    { "dualwrite", "watchdog_dir", KEY_PATH, IN(config, watchdog_dir), 0, 0, 0, NULL },
    { "dualwrite", "watchdog_after", KEY_DURATION, IN(config, watchdog_after_ms), 0, 1000, DAY_MS, NULL },
    { "load", "package_rows", KEY_COUNT, IN(config, package_rows), 0, 1, 10000000, NULL },
    { "load", "existing", KEY_CHOICE_INT, IN(config, existing), 0, 0, 0, "refuse|keep|update" },
    { "load", "max_errors", KEY_SHARE, IN(config, max_errors), 0, 0, 0, NULL },
    { "load", "undo", KEY_CHOICE_BOOL, IN(config, undo), 0, 0, 0, "no|yes" },
    { "load", "breaker", KEY_COUNT, IN(config, breaker), 0, 0, 1000000, NULL },
    { "load", "lost_answer_wait", KEY_DURATION, IN(config, lost_answer_wait_ms), 0, 0, 7 * DAY_MS, NULL },
    { "load", "data_format", KEY_TEXT, IN(config, data_format), 0, 0, 0, NULL },
    { "load", "csv_format", KEY_TEXT_OR_EMPTY, IN(config, csv_format), 0, 0, 0, NULL },
    { "load", "csv_quotes", KEY_CHOICE_TEXT, IN(config, csv_quotes), 0, 0, 0, "refuse|doubled" },
    { "load", "unfit", KEY_CHOICE_TEXT, IN(config, unfit), 0, 0, 0, "refuse|xml" },
    { "load", "package_octets", KEY_COUNT, IN(config, package_octets), 0, 0, INT64_MAX, NULL },
    { "load", "compressor", KEY_CHOICE_TEXT, IN(config, compressor), 0, 0, 0, "auto|isal|zlib" },
    { "load", "import_timeout", KEY_DURATION, IN(config, import_timeout_ms), 0, 1000, 30 * DAY_MS, NULL },
    { "load", "status_poll", KEY_DURATION, IN(config, poll_ms), 0, 10, DAY_MS, NULL },
    { "sync", "poll_seconds", KEY_SECONDS, IN(config, sync_poll_ms), 0, 10, DAY_MS, NULL },
    { "sync", "clock_skew", KEY_DURATION, IN(config, sync_skew_ms), 0, 0, 3600000, NULL },
    { "sync", "key_scan", KEY_DURATION, IN(config, sync_key_scan_ms), 0, 0, 30 * DAY_MS, NULL },
    { "sync", "max_flips", KEY_COUNT, IN(config, sync_max_flips), 0, 1, 1000000, NULL },
    { "sync", "batch_from", KEY_COUNT, IN(config, sync_batch_from), 0, 1, 1000000, NULL },
    { "sync", "compact_from", KEY_COUNT, IN(config, sync_compact_from), 0, 1, 1000000000, NULL },
    { "sync", "events", KEY_PATH, IN(config, sync_events), 0, 0, 0, NULL },
    { "parity", "verdict_max_age", KEY_DURATION, IN(config, verdict_max_age_ms), 0, 1000, 366 * DAY_MS, NULL },
    { "parity", "max_waiting", KEY_COUNT, IN(config, max_waiting), 0, 0, INT64_MAX, NULL },
    { "parity", "full_every", KEY_DURATION, IN(config, full_every_ms), 0, 0, 366 * DAY_MS, NULL },
    { "parity", "keep_snapshots", KEY_COUNT, IN(config, keep_snapshots), 0, 0, 100000, NULL },
    { "parity", "certificate_key", KEY_PATH, IN(config, certificate_key), 0, 0, 0, NULL },
    { "parity", "report", KEY_PATH, IN(config, parity_report), 0, 0, 0, NULL },
    { "parity", "metrics", KEY_PATH, IN(config, parity_metrics), 0, 0, 0, NULL },
    { "parity", "on_change", KEY_PATH, IN(config, on_change), 0, 0, 0, NULL },
    { "parity", "on_change_limit", KEY_DURATION, IN(config, on_change_limit_ms), 0, 1000, 3600000, NULL },
    { "parity", "auto_repair", KEY_CHOICE_BOOL, IN(config, auto_repair), 0, 0, 0, "no|yes" },
    { "parity", "auto_repair_max", KEY_SHARE, IN(config, auto_repair_max), 0, 0, 0, NULL },
    { "retention", "keep_history", KEY_DURATION, IN(config, keep_history_ms), 0, DAY_MS, 36600 * DAY_MS, NULL },
    { "retention", "keep_packages", KEY_DURATION, IN(config, keep_packages_ms), 0, DAY_MS, 36600 * DAY_MS, NULL },
    { "retention", "keep_reports", KEY_COUNT, IN(config, keep_reports), 0, 1, 100000, NULL },
    { "retention", "log_octets", KEY_COUNT, IN(config, log_octets), 0, 0, INT64_MAX, NULL },
    { "http", "ca_file", KEY_PATH, IN(config, ca_file), 0, 0, 0, NULL },
    { "map", "name", KEY_TEXT, IN(config_map, name), 0, 0, 0, NULL },
    { "map", "file", KEY_FILE, IN(config_map, file), 0, 0, 0, NULL },
    { "map", "key", KEY_TEXT, IN(config_map, key), 0, 0, 0, NULL },
    { "map", "load_entity", KEY_TEXT, IN(config_map, load_entity), 0, 0, 0, NULL },
    { "map", "source", KEY_FILE, IN(config_map, source), 0, 0, 0, NULL },
    { "map", "source_format", KEY_FORMAT, 0, 0, 0, 0, NULL },
    { "map", "columns.", KEY_PAIRS, IN(config_map, columns), IN(config_map, n_columns), 0, 0, NULL },
    { "map", "const.", KEY_PAIRS, IN(config_map, consts), IN(config_map, n_consts), 0, 0, NULL },
    { "map", "ignore", KEY_LIST, IN(config_map, ignore), IN(config_map, n_ignore), 0, 0, NULL },
    { "map", "lint_ignore", KEY_LIST, IN(config_map, lint_ignore), IN(config_map, n_lint_ignore), 0, 0, NULL },
    { "map", "companies", KEY_LOWER_LIST, IN(config_map, companies), IN(config_map, n_companies), 0, 0, NULL },
    { "map", "master", KEY_CHOICE_BOOL, IN(config_map, master_dataverse), 0, 0, 0, "fno|dataverse" },
    { "map", "master.", KEY_PAIRS, IN(config_map, masters), IN(config_map, n_masters), 0, 0, "fno|dataverse" },
    { "map", "compare.", KEY_PAIRS, IN(config_map, compare), IN(config_map, n_compare), 0, 0, NULL },
    { "map", "conflict", KEY_CHOICE_INT, IN(config_map, conflict), 0, 0, 0, "master|newest|queue" },
    { "map", "deletes", KEY_CHOICE_INT, IN(config_map, deletes), 0, 0, 0, "report|mark|apply|ignore" },
    { "map", "max_delete", KEY_SHARE, IN(config_map, max_delete), 0, 0, 0, NULL },
    { "map", "tolerance", KEY_SHARE, IN(config_map, tolerance), 0, 0, 0, NULL },
    { "map", "handoff", KEY_CHOICE_BOOL, IN(config_map, handoff_dual_write), 0, 0, 0, "builtin|dual-write" },
    { "map", "create_companies", KEY_CHOICE_BOOL, IN(config_map, create_companies), 0, 0, 0, "no|yes" },
    { "map", "auto_repair", KEY_CHOICE_INT, IN(config_map, auto_repair), 0, 0, 0, "default|no|yes" },
    { "map", "undo", KEY_CHOICE_INT, IN(config_map, undo), 0, 0, 0, "default|no|yes" },
    { "map", "existing", KEY_CHOICE_INT, IN(config_map, existing), 0, 0, 0, "refuse|keep|update" },
};
const size_t CONFIG_N_KEYS = COUNT(CONFIG_KEYS);

const struct key_def *config_key(const char *section_kind, const char *name)
{
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        const struct key_def *k = &CONFIG_KEYS[i];
        size_t n = strlen(k->name);

        if (strcmp(k->section, section_kind))
            continue;
        if (k->kind == KEY_PAIRS ? !strncmp(k->name, name, n) && name[n] : !strcmp(k->name, name))
            return k;
    }
    return NULL;
}

const char *config_section_kind(const char *section)
{
    if (!strncmp(section, "map.", 4))
        return "map";
    if (!strncmp(section, "credential.", 11))
        return "credential";
    if (!strcmp(section, "map") || !strcmp(section, "credential"))
        return NULL;
    for (size_t i = 0; i < CONFIG_N_KEYS; i++)
        if (!strcmp(CONFIG_KEYS[i].section, section))
            return CONFIG_KEYS[i].section;
    return NULL;
}

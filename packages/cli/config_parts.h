/*
 * config_parts.h -- inside of config: the settings as they stand in file and environment, and the table of keys.
 * Layer: cli, private to config*.c. Threads: no shared state.
 */
#ifndef CLI_CONFIG_PARTS_H
#define CLI_CONFIG_PARTS_H

#include "cli/config.h"

/* One `name = value`, still text. */
struct setting {
    const char *section, *name, *value;
    int line; /* in the file; 0 = from the environment */
    const char *env; /* name of the variable that gave the value, NULL = the file */
    bool used;
};
struct settings {
    struct arena *arena;
    const char *path; /* of the ini file, for messages */
    struct setting *v;
    size_t n, cap;
    struct section {
        const char *name;
        int line;
    } * sections;
    size_t n_sections, cap_sections;
};
/* The file, as it is: syntax, lengths and doubles are checked, names and values are not. */
enum ec settings_read(const char *path, struct settings *s, struct err *reterr);
void settings_release(struct settings *s);
struct setting *settings_find(const struct settings *s, const char *section, const char *name);
void settings_add(struct settings *s, const char *section, const char *name, const char *value, int line,
                  const char *env);
/* Variables of the environment that override or add settings. Misspelt ones are errors as they are in the file. */
enum ec settings_environment(struct settings *s, char *const *environ_, struct err *reterr);
/* "dmfsync.ini:12: [load] max_errors" or "DMFSYNC_LOAD_MAX_ERRORS", as the beginning of a message. */
const char *setting_place(const struct settings *s, const struct setting *x);

enum key_kind {
    KEY_TEXT,
    KEY_TEXT_OR_EMPTY, /* an empty value means something ("tag =" turns it off) */
    KEY_URL,
    KEY_PATH, /* made absolute against the folder of the ini file */
    KEY_FILE, /* inside the workspace; kept as written */
    KEY_DURATION, /* int64_t milliseconds */
    KEY_SECONDS, /* int64_t milliseconds; a plain number counts seconds */
    KEY_COUNT, /* int64_t with limits */
    KEY_SHARE, /* "1%" or a number, kept as text */
    KEY_CHOICE_TEXT, /* one of `choices`, kept as text */
    KEY_CHOICE_INT, /* position in `choices`, an int-sized enum */
    KEY_CHOICE_BOOL, /* position in `choices`, 0 or 1, a bool */
    KEY_LIST, /* names with commas between them; (const char **, size_t) */
    KEY_LOWER_LIST,
    KEY_PAIRS, /* `name` ends in '.': what follows names the pair; (struct config_pair *, size_t) */
    KEY_FORMAT, /* source_format */
    KEY_USERS, /* credentials = a;b */
    KEY_SECRET, /* environment only */
};
struct key_def {
    const char *section; /* "map" and "credential" stand for [map.ALIAS] and [credential.NAME] */
    const char *name;
    enum key_kind kind;
    size_t at; /* offset in struct config, config_map or config_user */
    size_t count_at; /* offset of the count, for lists and pairs */
    int64_t min, max;
    const char *choices; /* "refuse|keep|update" */
};
extern const struct key_def CONFIG_KEYS[];
extern const size_t CONFIG_N_KEYS;
/* The definition for a name in a section of this kind; a name like "columns.Phone" finds "columns.". NULL = none. */
const struct key_def *config_key(const char *section_kind, const char *name);
/* "map" for "map.customers", "load" for "load"; NULL = no such section. */
const char *config_section_kind(const char *section);

/* ---- values ---- */
bool value_count(const char *text, int64_t *ret); /* digits, with _ allowed between them: 100_000 */
int value_choice(const char *choices, const char *text); /* position, -1 = none; case ignored */
/* Items between `separators`, trimmed; empty items are left out. */
const char **value_list(struct arena *a, const char *text, const char *separators, bool lower, size_t *ret_n);
/* https://..., or http to a loopback host; trailing slashes go. NULL and *ret_why when it is nothing of the kind. */
const char *value_url(struct arena *a, const char *text, const char **ret_why);
bool value_share(const char *text);
/* Fills date, decimal, group, encoding, delimiter and enum_labels; false with the reason in `why`. */
bool value_format(struct arena *a, const char *text, struct config_map *m, char *why, size_t why_cap);

/*
 * The word in `words` (n of them, or NULL-terminated when n is 0) that `word` was probably meant to be; NULL =
 * none.
 */
const char *nearest_word(const char *word, const char *const *words, size_t n);

#endif

#include "cli/config_parts.h"

#include "data/canon.h"

#include <strings.h>

static enum ec bad(const struct settings *s, const struct setting *x, const char *allowed, struct err *reterr)
{
    err_set(reterr, EC_CONFIG, "%s: '%.100s' is not allowed", setting_place(s, x), x->value);
    return err_hint(reterr, "%s", allowed);
}

static const char *absolute(struct arena *a, const char *ini, const char *path)
{
    const char *slash = strrchr(ini, '/');

    if (path[0] == '/' || !slash)
        return path;
    return arena_printf(a, "%.*s/%s", (int)(slash - ini), ini, path);
}

static char *with_or(struct arena *a, const char *choices)
{
    struct strbuf b = STRBUF(0);
    char *text;

    for (const char *p = choices; *p; p++) {
        if (*p == '|')
            strbuf_adds(&b, strchr(p + 1, '|') ? ", " : " or ");
        else
            strbuf_addc(&b, *p);
    }
    text = arena_printf(a, "it is %s", strbuf_str(&b));
    strbuf_release(&b);
    return text;
}

static void add_pair(struct arena *a, struct config_pair **list, size_t *n, const char *name, const char *value)
{
    struct config_pair *longer = arena_zalloc(a, (*n + 1) * sizeof(*longer));

    if (*n)
        memcpy(longer, *list, *n * sizeof(*longer));
    longer[(*n)++] = (struct config_pair){ name, value };
    *list = longer;
}

static enum ec take_number(const struct settings *s, const struct setting *x, const struct key_def *k, int64_t *to,
                           struct err *reterr)
{
    int64_t v = 0;
    bool ok = k->kind == KEY_COUNT ? value_count(x->value, &v) : config_duration(x->value, &v);

    if (!ok && k->kind == KEY_SECONDS && value_count(x->value, &v) && v <= INT64_MAX / 1000) {
        v *= 1000;
        ok = true;
    }
    if (!ok && k->kind == KEY_COUNT)
        return bad(s, x, "it is a whole number, such as 100000 or 100_000", reterr);
    if (!ok)
        return bad(s, x, "it is a number with a unit: 500ms, 10s, 30m, 24h or 7d", reterr);
    if (v < k->min || v > k->max) {
        err_set(reterr, EC_CONFIG, "%s: %.60s is out of range", setting_place(s, x), x->value);
        if (k->kind == KEY_COUNT)
            err_hint(reterr, "allowed are %lld to %lld", (long long)k->min, (long long)k->max);
        else
            err_hint(reterr, "allowed are %lld ms to %lld hours", (long long)k->min, (long long)(k->max / 3600000));
        return EC_CONFIG;
    }
    *to = v;
    return EC_OK;
}

/*
 * One setting into the structure it belongs to. `base` is a struct config, config_map or config_user, as the key
 * says.
 */
static enum ec take(struct config *c, struct settings *s, struct setting *x, const struct key_def *k, void *base,
                    struct err *reterr)
{
    char *at = (char *)base + k->at;
    const char *why = "", *pair_name;
    char text[300];
    int choice;

    x->used = true;
    if (!x->value[0] && k->kind != KEY_TEXT_OR_EMPTY && k->kind != KEY_LIST && k->kind != KEY_LOWER_LIST &&
        !(k->kind == KEY_PAIRS && !strcmp(k->name, "const.")))
        return bad(s, x, "give it a value, or leave the line out for the default", reterr);
    switch (k->kind) {
    case KEY_TEXT:
    case KEY_TEXT_OR_EMPTY:
    case KEY_FILE: *(const char **)at = x->value; return EC_OK;
    case KEY_PATH: *(const char **)at = absolute(&c->arena, c->path, x->value); return EC_OK;
    case KEY_URL: {
        const char *url = value_url(&c->arena, x->value, &why);

        if (!url)
            return bad(s, x, why, reterr);
        *(const char **)at = url;
        return EC_OK;
    }
    case KEY_COUNT:
    case KEY_DURATION:
    case KEY_SECONDS: return take_number(s, x, k, (int64_t *)at, reterr);
    case KEY_SHARE:
        if (!value_share(x->value))
            return bad(s, x, "it is a share such as 1% or 0.5%, or a number of rows", reterr);
        *(const char **)at = x->value;
        return EC_OK;
    case KEY_CHOICE_TEXT:
    case KEY_CHOICE_INT:
    case KEY_CHOICE_BOOL:
        choice = value_choice(k->choices, x->value);
        if (choice < 0)
            return bad(s, x, with_or(&c->arena, k->choices), reterr);
        if (k->kind == KEY_CHOICE_TEXT)
            *(const char **)at = cell_lower(&c->arena, cell_of(x->value)).ptr;
        else if (k->kind == KEY_CHOICE_INT)
            *(int *)at = choice;
        else
            *(bool *)at = choice == 1;
        return EC_OK;
    case KEY_LIST:
    case KEY_LOWER_LIST:
        *(const char ***)at =
            value_list(&c->arena, x->value, ",", k->kind == KEY_LOWER_LIST, (size_t *)((char *)base + k->count_at));
        return EC_OK;
    case KEY_PAIRS:
        pair_name = x->name + strlen(k->name);
        if (k->choices && value_choice(k->choices, x->value) < 0)
            return bad(s, x, with_or(&c->arena, k->choices), reterr);
        add_pair(&c->arena, (struct config_pair **)at, (size_t *)((char *)base + k->count_at), pair_name,
                 k->choices ? cell_lower(&c->arena, cell_of(x->value)).ptr : x->value);
        return EC_OK;
    case KEY_FORMAT:
        if (!value_format(&c->arena, x->value, base, text, sizeof(text))) {
            err_set(reterr, EC_CONFIG, "%s: %s", setting_place(s, x), text);
            return err_hint(reterr, "an example: date:M/d/yyyy H:mm, decimal:dot, enum:label, delimiter:semicolon");
        }
        return EC_OK;
    case KEY_SECRET:
        if (!x->env) {
            x->value = "";
            err_set(reterr, EC_CONFIG, "%s is a secret, which does not belong into this file", setting_place(s, x));
            return err_hint(
                reterr, "use client_secret_file or client_secret_command, and renew the secret: it was in a file");
        }
        *(const char **)at = x->value;
        return EC_OK;
    case KEY_USERS: return EC_OK; /* taken by side_users(), which knows all [credential.X] */
    }
    return err_set(reterr, EC_BUG, "setting kind %d", (int)k->kind);
}

static enum ec unknown_key(const struct settings *s, const struct setting *x, const char *kind, struct err *reterr)
{
    const char *words[64], *best;
    size_t n = 0;

    for (size_t i = 0; i < CONFIG_N_KEYS && n < COUNT(words); i++)
        if (!strcmp(CONFIG_KEYS[i].section, kind) && CONFIG_KEYS[i].kind != KEY_SECRET)
            words[n++] = CONFIG_KEYS[i].name;
    best = nearest_word(x->name, words, n);
    err_set(reterr, EC_CONFIG, "%s: there is no such setting", setting_place(s, x));
    if (best)
        return err_hint(reterr, "did you mean '%s'?", best);
    return err_hint(reterr, "docs/commands.md lists the settings of [%s]", x->section);
}

static bool alias_ok(const char *p)
{
    size_t n = strlen(p);

    return n >= 1 && n <= 32 && strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static enum ec check_sections(const struct settings *s, struct err *reterr)
{
    static const char *const WORDS[] = { "fno",    "dataverse", "dualwrite", "load",           "sync",
                                         "parity", "http",      "map.ALIAS", "credential.NAME" };

    for (size_t i = 0; i < s->n_sections; i++) {
        const struct section *x = &s->sections[i];
        const char *dot = strchr(x->name, '.');
        const char *best;

        if (!config_section_kind(x->name)) {
            err_set(reterr, EC_CONFIG, "dmfsync.ini:%d: there is no section [%s]", x->line, x->name);
            best = nearest_word(x->name, WORDS, COUNT(WORDS));
            if (best)
                return err_hint(reterr, "did you mean [%s]?", best);
            return err_hint(reterr, "a map's section is [map.ALIAS]; the others are fno, dataverse, credential.NAME, "
                                    "dualwrite, load, sync, parity, http");
        }
        if (dot && !alias_ok(dot + 1)) {
            err_set(reterr, EC_CONFIG, "dmfsync.ini:%d: [%s]: '%s' cannot be an alias", x->line, x->name, dot + 1);
            return err_hint(
                reterr, "an alias has 1 to 32 of the characters a-z, 0-9 and _; the full name goes into 'name ='");
        }
    }
    return EC_OK;
}

static struct config_user user_of(const struct config_user *all, const struct settings *s, const char *section)
{
    for (size_t i = 0; i < s->n_sections; i++)
        if (!strcmp(s->sections[i].name, section))
            return all[i];
    return (struct config_user){ 0 };
}

static bool has_secret(const struct config_user *u)
{
    return u->secret_file || u->secret_command || u->certificate_file || u->secret;
}

/* The users of a side: those named by `credentials`, else the one in the section itself. */
static enum ec side_users(struct config *c, struct settings *s, const char *name, const struct config_user *all,
                          struct config_side *side, const struct config_user *own, bool *credential_used,
                          struct err *reterr)
{
    struct setting *x = settings_find(s, name, "credentials");
    const char **names;
    size_t n = 0;

    if (!x) {
        if (own->client_id || has_secret(own)) {
            side->users = arena_zalloc(&c->arena, sizeof(*side->users));
            side->users[0] = *own;
            side->n_users = 1;
        }
        return EC_OK;
    }
    if (own->client_id || has_secret(own)) {
        err_set(reterr, EC_CONFIG, "%s: client_id or a secret stands beside it", setting_place(s, x));
        return err_hint(reterr,
                        "give either 'credentials = a;b' with [credential.a] and [credential.b], or one client_id");
    }
    names = value_list(&c->arena, x->value, ";,", false, &n);
    side->users = arena_zalloc(&c->arena, (n + 1) * sizeof(*side->users));
    for (size_t i = 0; i < n; i++) {
        char *section = arena_printf(&c->arena, "credential.%s", names[i]);
        size_t at = 0;

        while (at < s->n_sections && strcmp(s->sections[at].name, section))
            at++;
        if (at == s->n_sections) {
            err_set(reterr, EC_CONFIG, "%s: there is no section [%s]", setting_place(s, x), section);
            return err_hint(reterr, "add [%s] with client_id and client_secret_file", section);
        }
        side->users[i] = user_of(all, s, section);
        credential_used[at] = true;
    }
    side->n_users = n;
    return EC_OK;
}

static enum ec take_users(struct config *c, struct settings *s, const struct config_user *all,
                          const struct config_user *fno, const struct config_user *dataverse, struct err *reterr)
{
    bool *used = arena_zalloc(&c->arena, (s->n_sections + 1) * sizeof(*used));
    enum ec rc = side_users(c, s, "fno", all, &c->fno, fno, used, reterr);

    if (!rc)
        rc = side_users(c, s, "dataverse", all, &c->dataverse, dataverse, used, reterr);
    if (rc)
        return rc;
    for (size_t i = 0; i < s->n_sections; i++)
        if (!strncmp(s->sections[i].name, "credential.", 11) && !used[i]) {
            err_set(reterr, EC_CONFIG, "dmfsync.ini:%d: [%s] is used by no side", s->sections[i].line,
                    s->sections[i].name);
            return err_hint(reterr, "name it in 'credentials = %s' of [fno] or [dataverse]",
                            s->sections[i].name + 11);
        }
    /* One tenant and one registered app for both sides is the usual case, so [dataverse] may leave them out. */
    if (!c->dataverse.tenant)
        c->dataverse.tenant = c->fno.tenant;
    if (!c->dataverse.authority)
        c->dataverse.authority = c->fno.authority;
    if (!c->dataverse.n_users) {
        c->dataverse.users = c->fno.users;
        c->dataverse.n_users = c->fno.n_users;
    } else if (c->dataverse.n_users == 1 && c->fno.n_users >= 1 && !has_secret(&c->dataverse.users[0])) {
        const struct config_user *f = &c->fno.users[0];
        struct config_user *d = &c->dataverse.users[0];

        if (!d->client_id || (f->client_id && !strcasecmp(d->client_id, f->client_id))) {
            const char *id = d->client_id ? d->client_id : f->client_id;

            *d = *f;
            d->client_id = id;
        }
    }
    return EC_OK;
}

static void set_defaults(struct config *c)
{
    c->fno.authority = "https://login.microsoftonline.com";
    c->tag = "DualWrite";
    c->bypass = "";
    c->control = "manual";
    c->control_wait_ms = 1800000;
    c->control_poll_ms = 10000;
    c->gateway_tenant = "common";
    c->max_window_ms = 14400000;
    c->watchdog_after_ms = 600000;
    c->package_rows = 100000;
    c->existing = EXISTING_REFUSE;
    c->breaker = 50;
    c->lost_answer_wait_ms = 30 * 60000;
    c->data_format = "CSV-Unicode";
    c->csv_quotes = "refuse";
    c->unfit = "refuse";
    c->compressor = "auto";
    c->import_timeout_ms = INT64_C(24) * 3600000;
    c->poll_ms = 10000;
    c->sync_poll_ms = 30000;
    c->sync_skew_ms = 5000;
    c->sync_key_scan_ms = 3600000;
    c->sync_max_flips = 8;
    c->sync_batch_from = 200;
    c->sync_compact_from = 1000;
    c->verdict_max_age_ms = INT64_C(24) * 3600000;
    c->max_waiting = 100;
    c->on_change_limit_ms = 60000;
    c->auto_repair_max = "1%";
    c->max_errors = "0";
    c->keep_history_ms = INT64_C(400) * 86400000;
    c->keep_packages_ms = INT64_C(90) * 86400000;
    c->keep_reports = 90;
    c->log_octets = INT64_C(64) << 20;
    c->full_every_ms = 7 * INT64_C(86400000);
}

static enum ec check_bypass(const struct config *c, const struct settings *s, struct err *reterr)
{
    const struct setting *x = settings_find(s, "dataverse", "bypass");
    struct arena a = { 0 };
    size_t n = 0;
    const char **list = value_list(&a, c->bypass, ",", true, &n);
    enum ec rc = EC_OK;

    for (size_t i = 0; i < n && !rc; i++)
        if (value_choice("sync|async|flows", list[i]) < 0)
            rc = x ? bad(s, x, "it is a list of sync, async and flows, or empty", reterr)
                   : err_set(reterr, EC_BUG, "default of bypass");
    arena_release(&a);
    return rc;
}

/* Doubles in the maps: two aliases with one document or one name would each claim the same rows. */
static enum ec check_maps(const struct config *c, struct err *reterr)
{
    for (size_t i = 0; i < c->n_maps; i++)
        for (size_t k = 0; k < i; k++) {
            const struct config_map *a = &c->maps[k], *b = &c->maps[i];

            if ((a->file && b->file && !strcmp(a->file, b->file)) ||
                (a->name && b->name && !strcasecmp(a->name, b->name))) {
                err_set(reterr, EC_CONFIG, "dmfsync.ini:%d: [map.%s] and [map.%s] (line %d) are the same map",
                        b->line, b->alias, a->alias, a->line);
                return err_hint(reterr, "give each map one section");
            }
        }
    return EC_OK;
}

static enum ec take_all(struct config *c, struct settings *s, struct err *reterr)
{
    struct config_user *credentials = arena_zalloc(&c->arena, (s->n_sections + 1) * sizeof(*credentials));
    struct config_user fno = { 0 }, dataverse = { 0 };
    enum ec rc = check_sections(s, reterr);

    c->maps = arena_zalloc(&c->arena, (s->n_sections + 1) * sizeof(*c->maps));
    for (size_t i = 0; i < s->n_sections && !rc; i++) {
        const char *kind = config_section_kind(s->sections[i].name);

        if (strcmp(kind, "map"))
            continue;
        c->maps[c->n_maps++] = (struct config_map){ .alias = s->sections[i].name + 4,
                                                    .decimal = '.',
                                                    .delimiter = ',',
                                                    .encoding = "auto",
                                                    .max_delete = "1%",
                                                    .line = s->sections[i].line };
    }
    for (size_t i = 0; i < s->n && !rc; i++) {
        struct setting *x = &s->v[i];
        const char *kind = config_section_kind(x->section);
        const struct key_def *k = config_key(kind, x->name);
        void *base = c;

        if (!k)
            return unknown_key(s, x, kind, reterr);
        if (!strcmp(kind, "map")) {
            for (size_t m = 0; m < c->n_maps; m++)
                if (!strcmp(c->maps[m].alias, x->section + 4))
                    base = &c->maps[m];
            if (!strcmp(k->name, "existing"))
                ((struct config_map *)base)->has_existing = true;
        } else if (!strcmp(kind, "credential")) {
            for (size_t m = 0; m < s->n_sections; m++)
                if (!strcmp(s->sections[m].name, x->section))
                    base = &credentials[m];
        } else if (config_key("credential", x->name)) {
            base = !strcmp(kind, "fno") ? &fno : &dataverse;
        }
        rc = take(c, s, x, k, base, reterr);
    }
    if (!rc)
        rc = take_users(c, s, credentials, &fno, &dataverse, reterr);
    if (!rc)
        rc = check_bypass(c, s, reterr);
    if (!rc)
        rc = check_maps(c, reterr);
    return rc;
}

enum ec config_read(const char *path, char *const *environ_, struct config *ret, struct err *reterr)
{
    struct config c = { 0 };
    struct settings s = { .arena = &c.arena };
    enum ec rc;

    set_defaults(&c);
    rc = settings_read(path, &s, reterr);
    c.path = s.path;
    if (!rc)
        rc = settings_environment(&s, environ_, reterr);
    if (!rc)
        rc = take_all(&c, &s, reterr);
    settings_release(&s);
    if (rc) {
        config_release(&c);
        return rc;
    }
    *ret = c;
    return EC_OK;
}

void config_release(struct config *c)
{
    arena_release(&c->arena);
    *c = (struct config){ 0 };
}

static enum ec check_side(const struct config_side *side, const char *section, const char *what, struct err *reterr)
{
    const char *missing = !side->url ? "url" : !side->tenant ? "tenant" : !side->n_users ? "client_id" : NULL;

    for (size_t i = 0; i < side->n_users && !missing; i++) {
        const struct config_user *u = &side->users[i];

        if (!u->client_id)
            missing = "client_id";
        else if (!has_secret(u))
            missing = "client_secret_file (or client_secret_command, or certificate_file)";
    }
    if (!missing)
        return EC_OK;
    err_set(reterr, EC_CONFIG, "dmfsync.ini: [%s] has no %s, which signing in to %s needs", section, missing, what);
    return err_hint(reterr, "fill it in; 'dmfsync doctor' then checks the sign-in");
}

enum ec config_check_online(const struct config *c, bool fno, bool dataverse, struct err *reterr)
{
    enum ec rc = fno ? check_side(&c->fno, "fno", "Finance & Operations", reterr) : EC_OK;

    if (!rc && dataverse)
        rc = check_side(&c->dataverse, "dataverse", "Dataverse", reterr);
    return rc;
}

static bool stem_is(const char *file, const char *text)
{
    const char *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file;
    const char *dot = strrchr(base, '.');
    size_t n = dot && dot > base ? (size_t)(dot - base) : strlen(base);

    return strlen(text) == n && !strncasecmp(base, text, n);
}

/* "Customers V3 (accounts)" is also called "[Customers V3] - [accounts]". */
static bool bracket_name_is(const char *name, const char *text)
{
    const char *open_ = strrchr(name, '(');
    size_t n = strlen(name);
    char *brackets;
    bool same;
    struct arena a = { 0 };

    if (!open_ || open_ == name || name[n - 1] != ')' || open_[-1] != ' ')
        return false;
    brackets = arena_printf(&a, "[%.*s] - [%.*s]", (int)(open_ - 1 - name), name, (int)(name + n - 1 - (open_ + 1)),
                            open_ + 1);
    same = !strcasecmp(brackets, text);
    arena_release(&a);
    return same;
}

const struct config_map *config_map_find(const struct config *c, const char *text)
{
    /* An alias wins over a stem or a name that happens to be the same word. */
    for (size_t i = 0; i < c->n_maps; i++)
        if (!strcasecmp(c->maps[i].alias, text))
            return &c->maps[i];
    for (size_t i = 0; i < c->n_maps; i++) {
        const struct config_map *m = &c->maps[i];

        if ((m->name && (!strcasecmp(m->name, text) || bracket_name_is(m->name, text))) ||
            (m->file && stem_is(m->file, text)))
            return m;
    }
    return NULL;
}

static void list_line(struct strbuf *out, const char *alias, const char *key, const char *const *list, size_t n)
{
    strbuf_addf(out, "map.%s.%s=", alias, key);
    for (size_t i = 0; i < n; i++)
        strbuf_addf(out, "%s%s", i ? "," : "", list[i]);
    strbuf_addc(out, '\n');
}

static void pair_lines(struct strbuf *out, const char *alias, const char *key, const struct config_pair *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        strbuf_addf(out, "map.%s.%s.%s=%s\n", alias, key, p[i].name, p[i].value);
}

static const char *or_none(const char *s)
{
    return s ? s : "";
}

void config_identity(const struct config *c, struct strbuf *ret_lines, char ret[static 65])
{
    size_t begin = ret_lines->len;
    struct sha256 *h = sha256_new();

    strbuf_addf(ret_lines, "fno.url=%s\nfno.tenant=%s\ndataverse.url=%s\ndataverse.tenant=%s\n", or_none(c->fno.url),
                or_none(c->fno.tenant), or_none(c->dataverse.url), or_none(c->dataverse.tenant));
    strbuf_addf(ret_lines,
                "load.package_rows=%lld\nload.data_format=%s\nload.csv_quotes=%s\nload.csv_format=%s\n"
                "load.unfit=%s\nload.package_octets=%lld\n",
                (long long)c->package_rows, c->data_format, c->csv_quotes, or_none(c->csv_format), c->unfit,
                (long long)c->package_octets);
    for (size_t i = 0; i < c->n_maps; i++) {
        const struct config_map *m = &c->maps[i];

        strbuf_addf(ret_lines, "map.%s.name=%s\nmap.%s.key=%s\nmap.%s.load_entity=%s\nmap.%s.source=%s\n", m->alias,
                    or_none(m->name), m->alias, or_none(m->key), m->alias, or_none(m->load_entity), m->alias,
                    or_none(m->source));
        strbuf_addf(ret_lines, "map.%s.format=date:%s decimal:%d group:%d delimiter:%d enum:%s encoding:%s\n",
                    m->alias, or_none(m->date), m->decimal, m->group, m->delimiter,
                    m->enum_labels ? "label" : "element", m->encoding);
        list_line(ret_lines, m->alias, "companies", m->companies, m->n_companies);
        list_line(ret_lines, m->alias, "ignore", m->ignore, m->n_ignore);
        pair_lines(ret_lines, m->alias, "columns", m->columns, m->n_columns);
        pair_lines(ret_lines, m->alias, "const", m->consts, m->n_consts);
        strbuf_addf(ret_lines, "map.%s.master=%s\n", m->alias, m->master_dataverse ? "dataverse" : "fno");
        pair_lines(ret_lines, m->alias, "master", m->masters, m->n_masters);
    }
    sha256_add(h, strbuf_str(ret_lines) + begin, ret_lines->len - begin);
    sha256_hex(h, ret);
}

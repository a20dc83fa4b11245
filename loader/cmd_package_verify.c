/* cmd_package_verify.c -- `package verify`: what F&O would refuse about packages, before they are uploaded. */
#include "base/file.h"
#include "dmf/pkgverify.h"
#include "loader/loader_commands.h"
#include "loader/package_form.h"
#include "store/leaf.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_GROUPS = 2000, SHOWN = 5, MAX_KEY = 16 };

/* Findings of one code about one entity. */
struct group {
    char code[16], entity[96];
    bool warning;
    uint64_t n;
};
struct verifying {
    struct app *app;
    const char *file, *tmp_dir;
    struct json *list; /* of this file */
    struct group *groups;
    size_t n;
    uint64_t errors, warnings;
    struct schema schema; /* of the workspace, if it has any */
    bool has_schema;
    /* of the entity whose rows are read */
    const struct fno_entity *entity;
    const struct fno_field **fields;
    struct canon_rule key_rules[MAX_KEY];
    size_t key[MAX_KEY], n_key;
    struct leaf_builder *keys;
    char *keys_path;
    struct arena a;
};

static void show(struct verifying *k, const struct dmf_finding *f)
{
    struct strbuf where = STRBUF(0);

    if (!cell_absent(f->entity))
        strbuf_addf(&where, " " CELL_FMT, CELL_ARG(f->entity));
    if (f->row)
        strbuf_addf(&where, ", row %llu", (unsigned long long)f->row);
    out_line(&k->app->out, "  %-7s %-12s%s: %s", f->warning ? "warning" : "error", f->code, strbuf_str(&where),
             f->text);
    out_line(&k->app->out, "          %s", f->remedy);
    strbuf_release(&where);
}

static void found(void *arg, const struct dmf_finding *f)
{
    struct verifying *k = arg;
    struct group *g = NULL;
    char entity[96];

    snprintf(entity, sizeof(entity), CELL_FMT, CELL_ARG(f->entity));
    for (size_t i = 0; i < k->n && !g; i++)
        if (!strcmp(k->groups[i].code, f->code) && !strcmp(k->groups[i].entity, entity))
            g = &k->groups[i];
    if (!g && k->n < MAX_GROUPS) {
        g = &k->groups[k->n++];
        *g = (struct group){ .warning = f->warning };
        snprintf(g->code, sizeof(g->code), "%s", f->code);
        snprintf(g->entity, sizeof(g->entity), "%s", entity);
    }
    k->errors += !f->warning;
    k->warnings += f->warning;
    if (!g || ++g->n <= SHOWN || option_given(k->app, "--all")) {
        struct json *o = out_object(&k->app->out, k->list, NULL);

        out_str(&k->app->out, o, "code", f->code);
        out_str(&k->app->out, o, "severity", f->warning ? "warning" : "error");
        out_cell(&k->app->out, o, "entity", f->entity);
        if (f->row)
            out_int(&k->app->out, o, "row", (int64_t)f->row);
        out_str(&k->app->out, o, "text", f->text);
        out_str(&k->app->out, o, "remedy", f->remedy);
        show(k, f);
    }
}

static void about_row(struct verifying *k, const char *code, const struct dmf_entity *e, uint64_t row,
                      const char *remedy, const char *text)
{
    found(k, &(struct dmf_finding){ code, false, e->label, row, text, remedy });
}

/* ---- rows, where the workspace knows the entity ---- */

static enum ec begin_entity(void *arg, const struct dmf_entity *e, struct err *reterr)
{
    struct verifying *k = arg;

    arena_reset(&k->a);
    k->n_key = 0;
    k->keys = NULL;
    k->entity = k->has_schema ? schema_entity(&k->schema, e->label) : NULL;
    if (!k->entity)
        return EC_OK;
    k->fields = arena_zalloc(&k->a, (e->n + 1) * sizeof(*k->fields));
    for (size_t i = 0; i < e->n; i++) {
        k->fields[i] = fno_field_find(k->entity, e->fields[i].staging);
        if (!k->fields[i])
            found(k, &(struct dmf_finding){ "DMF2060", false, e->label, 0,
                                            arena_printf(&k->a, "the entity has no staging field " CELL_FMT,
                                                         CELL_ARG(e->fields[i].staging)),
                                            "correct the field map, or refresh the entity list" });
        else if (k->fields[i]->key && !e->fields[i].auto_generated && k->n_key < MAX_KEY) {
            k->key_rules[k->n_key] = (struct canon_rule){ .type = CANON_KEY };
            k->key[k->n_key++] = i;
        }
    }
    for (size_t i = 0; i < k->entity->n; i++) {
        const struct fno_field *f = &k->entity->fields[i];
        bool there = !f->key;

        for (size_t m = 0; m < e->n && !there; m++)
            there = k->fields[m] == f;
        if (!there)
            found(k, &(struct dmf_finding){
                         "KEY", true, e->label, 0,
                         arena_printf(&k->a, "key field " CELL_FMT " is not in the field map", CELL_ARG(f->staging)),
                         "add it, unless a number sequence fills it" });
    }
    if (!k->n_key)
        return EC_OK;
    k->keys_path = arena_printf(&k->a, "%s/keys.db", k->tmp_dir);
    return leaf_build(k->keys_path, k->tmp_dir, -1, k->n_key, &k->keys, reterr);
}

static bool element_of(const struct fno_enum *en, struct cell c)
{
    for (size_t i = 0; en && i < en->n; i++)
        if (cell_ieq(en->members[i], c) || (!cell_absent(en->labels[i]) && cell_ieq(en->labels[i], c)))
            return true;
    return !en || !en->n;
}

static void check_cell(struct verifying *k, const struct dmf_entity *e, const struct fno_field *f, struct cell c,
                       uint64_t row, struct arena *a)
{
    struct canon_rule rule = { .type = CANON_TEXT, .scale = -1, .strict = true };
    const char *why = NULL, *code = "DMF2018";
    struct cell out;
    int64_t number;

    if (cell_blank(c))
        return;
    switch (f->type) {
    case FNO_DATE: rule.type = CANON_DATE, code = "DMF2016"; break;
    case FNO_UTCDATETIME: rule.type = CANON_DATETIME, code = "DMF2016"; break;
    case FNO_REAL: rule.type = CANON_DECIMAL; break;
    case FNO_INT:
    case FNO_INT64: rule.type = CANON_INT; break;
    case FNO_GUID: rule.type = CANON_GUID; break;
    case FNO_ENUM:
        if (!element_of(f->en, c) && !cell_to_i64(c, &number))
            about_row(k, "DMF021", e, row, "write an element name of the enum",
                      arena_printf(a, CELL_FMT ": '%.*s' is no element of the enum", CELL_ARG(f->staging),
                                   (int)(c.len > 60 ? 60 : c.len), c.ptr));
        return;
    case FNO_STRING:
    case FNO_OTHER:
        if (f->max_length && cell_utf16_units(c) > (size_t)f->max_length)
            about_row(k, code, e, row, "shorten it",
                      arena_printf(a, CELL_FMT ": %zu characters, the field holds %lld", CELL_ARG(f->staging),
                                   cell_utf16_units(c), (long long)f->max_length));
        return;
    }
    if (canon_cell(&rule, NULL, c, a, &out, &why) != CANON_FINE)
        about_row(k, code, e, row, "correct the value",
                  arena_printf(a, CELL_FMT ": %s: '%.*s'", CELL_ARG(f->staging), why, (int)(c.len > 60 ? 60 : c.len),
                               c.ptr));
}

static enum ec take_row(void *arg, const struct dmf_entity *e, const int *columns, const struct cell *cells,
                        uint64_t row, struct err *reterr)
{
    struct verifying *k = arg;
    struct arena a = { 0 };
    struct cell key[MAX_KEY];
    struct leaf_row r = { .cells = key, .extra = { (const char *)&row, sizeof(row) } };
    bool whole = true;
    enum ec rc = EC_OK;

    if (!k->entity)
        return EC_OK;
    for (size_t i = 0; i < e->n; i++)
        if (k->fields[i] && columns[i] >= 0)
            check_cell(k, e, k->fields[i], cells[columns[i]], row, &a);
    for (size_t i = 0; i < k->n_key; i++) {
        key[i] = columns[k->key[i]] >= 0 ? cell_rtrim(cells[columns[k->key[i]]]) : CELL_ABSENT;
        whole = whole && !cell_blank(key[i]);
    }
    if (k->keys && whole) {
        r.key = r.row = digest_cells(k->key_rules, key, NULL, k->n_key, &a);
        rc = leaf_add(k->keys, &r, reterr);
    } else if (k->n_key && !whole) {
        about_row(k, "KEY", e, row, "give it a key", "a key field is blank");
    }
    arena_release(&a);
    return rc;
}

struct twins {
    struct verifying *k;
    const struct dmf_entity *e;
};

static enum ec twin(void *arg, const struct leaf_row *kept, const struct leaf_row *other, struct err *reterr)
{
    struct twins *t = arg;
    struct arena a = { 0 };
    uint64_t first, second;

    (void)reterr;
    memcpy(&first, kept->extra.ptr, sizeof(first));
    memcpy(&second, other->extra.ptr, sizeof(second));
    about_row(t->k, "DMF2057", t->e, second, "keep one of them",
              arena_printf(&a, "the same key as row %llu: '" CELL_FMT "'", (unsigned long long)first,
                           CELL_ARG(key_join(&a, other->cells, t->k->n_key))));
    arena_release(&a);
    return EC_OK;
}

static enum ec end_entity(void *arg, const struct dmf_entity *e, struct err *reterr)
{
    struct verifying *k = arg;
    struct twins t = { k, e };
    struct leaf_finish_hooks hooks = { .duplicate = twin, .arg = &t };
    struct leaf_totals totals;
    enum ec rc = EC_OK;

    if (k->keys)
        rc = leaf_finish(k->keys, &hooks, &totals, reterr);
    if (k->keys)
        (void)unlink(k->keys_path);
    k->keys = NULL;
    return rc;
}

/* ---- files ---- */

static enum ec verify_one(struct verifying *k, const struct dmf_format *csv, struct json *files, struct err *reterr)
{
    struct json *o = out_object(&k->app->out, files, NULL);
    uint64_t errors = k->errors, warnings = k->warnings;
    struct dmf_verify v = { .tmp_dir = k->tmp_dir,
                            .csv = csv,
                            .found = found,
                            .begin = begin_entity,
                            .row = take_row,
                            .end = end_entity,
                            .arg = k };
    enum ec rc;

    k->n = 0;
    out_str(&k->app->out, o, "file", k->file);
    out_line(&k->app->out, "%s", k->file);
    k->list = out_array(&k->app->out, o, "findings");
    rc = dmf_verify(k->file, &v, reterr);
    leaf_abandon(k->keys);
    k->keys = NULL;
    for (size_t i = 0; i < k->n && !option_given(k->app, "--all"); i++)
        if (k->groups[i].n > SHOWN)
            out_line(&k->app->out, "  %-7s %-12s %s: and %llu more (--all lists them)",
                     k->groups[i].warning ? "warning" : "error", k->groups[i].code, k->groups[i].entity,
                     (unsigned long long)(k->groups[i].n - SHOWN));
    errors = k->errors - errors;
    warnings = k->warnings - warnings;
    out_int(&k->app->out, o, "errors", (int64_t)errors);
    out_int(&k->app->out, o, "warnings", (int64_t)warnings);
    if (!rc)
        out_line(&k->app->out, "  %s",
                 errors     ? "F&O would refuse it, or lose data"
                 : warnings ? "fine, but for the warnings"
                            : "fine");
    return rc;
}

static void load_schema(struct verifying *k)
{
    struct arena a = { 0 };
    char *path = arena_printf(&a, "%s/.dmfsync/metadata.json", k->app->opt->dir ? k->app->opt->dir : ".");

    k->has_schema = !schema_load(&k->schema, path, NULL);
    if (!k->has_schema)
        out_line(&k->app->out, "no metadata in this folder: keys, enums, lengths and dates are not checked (run in a "
                               "workspace after 'dmfsync plan')");
    arena_release(&a);
}

enum ec cmd_package_verify(struct app *app, struct err *reterr)
{
    struct verifying k = { .app = app };
    struct json *files = out_array(&app->out, NULL, "files");
    char dir[] = "/tmp/dmfsync-verify.XXXXXX";
    struct config own = { .csv_format = option_value(app, "--csv-format"), .csv_quotes = "doubled" };
    struct dmf_format csv = { .kind = DMF_CSV };
    enum ec rc = own.csv_format ? package_format(&own, &csv, reterr) : EC_OK;

    if (rc)
        return rc;
    if (!mkdtemp(dir))
        return err_set(reterr, EC_IO, "no temporary folder can be made in /tmp");
    k.tmp_dir = dir;
    k.groups = xcalloc(MAX_GROUPS, sizeof(*k.groups));
    load_schema(&k);
    for (size_t i = 0; i < app->opt->n_args && !rc; i++) {
        k.file = app->opt->args[i];
        rc = verify_one(&k, own.csv_format ? &csv : NULL, files, reterr);
        if (rc == EC_NOTFOUND)
            rc = reterr->code = EC_USAGE;
    }
    out_int(&app->out, NULL, "errors", (int64_t)k.errors);
    out_int(&app->out, NULL, "warnings", (int64_t)k.warnings);
    if (!rc && k.errors) {
        rc = err_set(reterr, EC_FORMAT, "%llu finding%s that F&O would not take", (unsigned long long)k.errors,
                     k.errors == 1 ? "" : "s");
        err_hint(reterr, "correct the package and verify it again");
    }
    schema_release(&k.schema);
    arena_release(&k.a);
    free(k.groups);
    (void)dir_empty(dir, NULL);
    (void)rmdir(dir);
    return rc;
}

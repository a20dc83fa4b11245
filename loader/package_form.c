#include "loader/package_form.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool word_of(struct cell word, const char *key, struct cell *ret)
{
    size_t n = strlen(key);

    if (word.len <= n || memcmp(word.ptr, key, n) != 0 || word.ptr[n] != ':')
        return false;
    *ret = (struct cell){ word.ptr + n + 1, word.len - n - 1 };
    return true;
}

static bool character(struct cell name, char *ret)
{
    static const struct {
        const char *name;
        char c;
    } NAMES[] = { { "comma", ',' },  { "semicolon", ';' }, { "tab", '\t' }, { "pipe", '|' },
                  { "double", '"' }, { "single", '\'' },   { "none", '\0' } };

    for (size_t i = 0; i < COUNT(NAMES); i++)
        if (cell_is(name, NAMES[i].name)) {
            *ret = NAMES[i].c;
            return true;
        }
    *ret = name.len == 1 ? name.ptr[0] : 0;
    return name.len == 1;
}

static enum ec own_csv(const char *text, struct dmf_format *ret, struct err *reterr)
{
    struct dmf_format f = { .kind = DMF_CSV, .delimiter = ',', .qualifier = '"', .row_end = "\r\n" };

    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        struct cell word = { p, n }, value;
        bool fine;

        while (word.len && *word.ptr == ' ')
            word = (struct cell){ word.ptr + 1, word.len - 1 };
        word = cell_rtrim(word);
        if (word_of(word, "encoding", &value)) {
            f.utf16 = cell_is(value, "utf-16");
            fine = f.utf16 || cell_is(value, "utf-8");
        } else if (word_of(word, "delimiter", &value)) {
            fine = character(value, &f.delimiter) && f.delimiter;
        } else {
            fine = word_of(word, "qualifier", &value) && character(value, &f.qualifier);
        }
        if (!fine) {
            err_set(reterr, EC_CONFIG, "csv_format: '" CELL_FMT "' is not understood", CELL_ARG(word));
            return err_hint(reterr, "an example: encoding:utf-8, delimiter:semicolon, qualifier:double");
        }
        p += n + (p[n] == ',');
    }
    *ret = f;
    return EC_OK;
}

enum ec package_format(const struct config *cfg, struct dmf_format *ret, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (cfg->csv_format && *cfg->csv_format) {
        rc = own_csv(cfg->csv_format, ret, reterr);
    } else if (!dmf_format_named(cfg->data_format, ret)) {
        err_set(reterr, EC_CONFIG, "data_format '%s' is not known", cfg->data_format);
        return err_hint(reterr,
                        "known are CSV-Unicode, CSV-UTF8, XML-Element and XML-Attribute; describe another CSV "
                        "format of your F&O in csv_format");
    }
    ret->doubled_quotes = ret->kind == DMF_CSV && !strcmp(cfg->csv_quotes, "doubled");
    return rc;
}

void package_format_xml(struct dmf_format *ret, const char **ret_name)
{
    *ret_name = "XML-Element";
    dmf_format_named(*ret_name, ret);
}

enum ec package_pool(struct app *app, struct deflate_pool **ret, struct err *reterr)
{
    const char *name = app->cfg.compressor;
    enum deflate_kind kind = !strcmp(name, "isal")   ? DEFLATE_ISAL
                             : !strcmp(name, "zlib") ? DEFLATE_ZLIB
                                                     : DEFLATE_AUTO;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int jobs = app->opt->jobs > 0 ? app->opt->jobs : cores > 0 ? (int)cores : 1;

    return deflate_pool_new(kind, jobs > 1 ? jobs : 0, ret, reterr);
}

void package_form(const struct source *s, int pass, const char *company, const struct dmf_format *f,
                  const char *format_name, struct arena *a, struct package_form *ret)
{
    const struct config_map *cfg = s->m->cfg;
    const struct fno_entity *en =
        cfg->load_entity ? schema_entity(&s->m->pair->schema, cell_of(cfg->load_entity)) : s->m->b->entity;
    struct dmf_entity *e = &ret->entity;

    memset(ret, 0, sizeof(*ret));
    ret->fields = arena_alloc(a, (s->n + 1) * sizeof(*ret->fields));
    ret->datetime = arena_zalloc(a, s->n + 1);
    e->fields = arena_zalloc(a, (s->n + 1) * sizeof(*e->fields));
    for (size_t i = 0; i < s->n; i++) {
        const struct source_field *sf = &s->fields[i];

        if (pass == 1 ? sf->self : !sf->self && !sf->key)
            continue;
        ret->datetime[ret->n] = sf->f->type == FNO_UTCDATETIME;
        ret->fields[ret->n++] = i;
        e->fields[e->n++] = (struct dmf_field){ .staging = sf->f->staging, .file = sf->f->staging };
    }
    e->label = en->label;
    e->aot = en->aot;
    e->input_file = cell_of(dmf_file_name(en->label, f->kind == DMF_CSV ? ".csv" : ".xml", a));
    e->source_format = cell_of(format_name);
    e->unit = e->level = e->sequence = 1;
    /* One project per map and company: imports of one project must not run side by side, those of different ones may. */
    snprintf(ret->project, sizeof(ret->project), "DMFSYNC_%.24s%s%s", cfg->alias, company[0] ? "_" : "", company);
    ret->package = (struct dmf_package){
        .project = cell_of(ret->project), .description = cell_of(ret->project), .entities = e, .n = 1
    };
}

bool package_second_pass(const struct source *s, const struct source_row *r)
{
    for (size_t i = 0; i < s->n && s->has_self; i++)
        if (s->fields[i].self && !cell_blank(r->values[i]))
            return true;
    return false;
}

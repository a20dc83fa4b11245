#include "loader/package_form.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A zip without zip64 holds members below 4 GiB. */
#define PACKAGE_OCTETS_MAX ((uint64_t)2 << 30)

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

    return deflate_pool_new(kind, jobs - 1, ret, reterr); /* this thread is one of them */
}

void package_form(const struct source *s, int pass, const char *company, const struct dmf_format *f,
                  const char *format_name, struct arena *a, struct package_form *ret)
{
    const struct config_map *cfg = s->m->cfg;
    const struct fno_entity *en =
        cfg->load_entity ? schema_entity(&s->m->pair->schema, cell_of(cfg->load_entity)) : s->m->b->entity;
    struct dmf_entity *e = &ret->entity;
    int *columns;

    memset(ret, 0, sizeof(*ret));
    ret->fields = arena_alloc(a, (s->n + 1) * sizeof(*ret->fields));
    ret->datetime = arena_zalloc(a, s->n + 1);
    columns = arena_alloc(a, (s->n + 1) * sizeof(*columns));
    e->fields = arena_zalloc(a, (s->n + 1) * sizeof(*e->fields));
    for (size_t i = 0; i < s->n; i++) {
        const struct source_field *sf = &s->fields[i];

        if (pass == 1 ? sf->later : !sf->later && !sf->key)
            continue;
        columns[ret->n] = sf->column;
        ret->datetime[ret->n] = sf->f->type == FNO_UTCDATETIME;
        ret->fields[ret->n++] = i;
        e->fields[e->n++] = (struct dmf_field){ .staging = sf->f->staging, .file = sf->f->staging };
    }
    ret->plain = ret->n <= 64 && f->kind == DMF_CSV && f->delimiter == (cfg->delimiter ? cfg->delimiter : ',') &&
                 (!f->qualifier || f->qualifier == '"');
    ret->verbatim.columns = columns;
    ret->in_order = true;
    for (size_t i = 0; i < ret->n && ret->plain; i++) {
        ret->in_order = ret->in_order && ret->fields[i] == i;
        if (columns[i] >= 0 && columns[i] < 64)
            ret->of_column[columns[i]] |= (uint64_t)1 << i;
    }
    for (size_t i = 0; i < ret->n && ret->plain; i++) {
        ret->verbatim.datetime |= (uint64_t)ret->datetime[i] << i;
        ret->verbatim.adjacent |= (uint64_t)(i > 0 && columns[i] >= 1 && columns[i] == columns[i - 1] + 1) << i;
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

/*
 * Bits of the source's fields, and of columns, as bits of the form's. Cells in quotes that need none are written without: the same
 * rows give the same package, however their file spells them.
 */
static void choose_bits(struct package_form *f, uint64_t same, const struct csv_plain *row)
{
    uint64_t needed = row->needed, idle = row->quoted & ~row->needed;

    f->verbatim.row = row;
    f->verbatim.quoted = 0;
    f->verbatim.same = same;
    if (!f->in_order) {
        f->verbatim.same = 0;
        for (size_t i = 0; i < f->n; i++)
            f->verbatim.same |= (same >> f->fields[i] & 1) << i;
    }
    for (; needed; needed &= needed - 1)
        f->verbatim.quoted |= f->of_column[__builtin_ctzll(needed)];
    for (; idle; idle &= idle - 1)
        f->verbatim.same &= ~f->of_column[__builtin_ctzll(idle)];
}

bool package_copies(const struct package_form *f, const struct dmf_data *d, const struct csv_plain *row)
{
    return f->plain && row->n <= 64 && !d->generated &&
           (!row->needed || (d->format.doubled_quotes && d->format.qualifier));
}

bool package_copy(struct dmf_data *d, struct package_form *f, const struct csv_plain *row, const struct cell *values,
                  uint64_t same)
{
    choose_bits(f, same, row);
    return dmf_data_copy(d, values, f->fields, &f->verbatim);
}

enum ec package_data_row(struct dmf_data *d, struct package_form *f, const struct source *s,
                         const struct source_row *r, struct arena *a, size_t *ret_field, struct err *reterr)
{
    struct cell *cells;

    if (r->quick && f->plain && s->row.n <= 64) {
        choose_bits(f, r->verbatim, s->row.plain);
        return dmf_data_verbatim(d, r->values, f->fields, &f->verbatim, ret_field, reterr);
    }
    cells = arena_alloc(a, (f->n + 1) * sizeof(*cells));
    for (size_t i = 0; i < f->n; i++)
        cells[i] = r->values[f->fields[i]];
    return dmf_data_add(d, cells, f->datetime, ret_field, reterr);
}

enum ec package_row(struct dmf_writer *w, size_t entity, struct package_form *f, const struct source *s,
                    const struct source_row *r, struct arena *a, size_t *ret_field, struct err *reterr)
{
    enum ec rc = package_data_row(dmf_writer_data(w, entity), f, s, r, a, ret_field, reterr);

    return rc ? rc : dmf_writer_added(w, entity, reterr);
}

bool package_full(const struct config *cfg, uint64_t rows, uint64_t octets)
{
    return rows >= (uint64_t)cfg->package_rows || octets >= PACKAGE_OCTETS_MAX ||
           (cfg->package_octets && octets >= (uint64_t)cfg->package_octets);
}

bool package_second_pass(const struct source *s, const struct source_row *r)
{
    for (size_t i = 0; i < s->n && s->has_later; i++)
        if (s->fields[i].later && !cell_blank(r->values[i]))
            return true;
    return false;
}

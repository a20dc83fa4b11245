/* source.c -- bind the header, then turn rows into values for F&O and canonical rows. */
#include "loader/public/source.h"
#include "base/clock.h"
#include "loader/source_check.h"
#include "loader/source_quick.h"

#include <stdio.h>
#include <stdlib.h>

/* The entity that is loaded: load_entity of the settings, else the map's. */
static const struct fno_entity *load_entity(const struct map_ctx *m)
{
    const struct fno_entity *e =
        m->cfg->load_entity ? schema_entity(&m->pair->schema, cell_of(m->cfg->load_entity)) : NULL;

    return e ? e : m->b->entity;
}

static struct canon_rule rule_of(const struct fno_field *f)
{
    struct canon_rule r = { .type = CANON_TEXT, .scale = -1 };

    switch (f->type) {
    case FNO_ENUM:
        r.type = CANON_WORD;
        if (f->en && f->en->n)
            r.zero = f->en->members[0];
        break;
    case FNO_REAL:
        r.type = CANON_DECIMAL;
        r.scale = 16; /* F&O keeps at most 16 decimals */
        break;
    case FNO_INT:
    case FNO_INT64: r.type = CANON_INT; break;
    case FNO_DATE: r.type = CANON_DATE; break;
    case FNO_UTCDATETIME: r.type = CANON_DATETIME; break;
    case FNO_GUID: r.type = CANON_GUID; break;
    case FNO_STRING:
    case FNO_OTHER: break;
    }
    return r;
}

static int bound_index(const struct binding *b, struct cell staging)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->fields[i].f && cell_ieq(b->fields[i].f->staging, staging))
            return (int)i;
    return -1;
}

static void describe(struct source *s, struct source_field *sf, const struct fno_field *f)
{
    const struct binding *b = s->m->b;

    sf->f = f;
    sf->rule = rule_of(f);
    sf->bound = bound_index(b, f->staging);
    sf->key = sf->bound >= 0 ? b->fields[sf->bound].key : f->key;
    sf->later = sf->bound >= 0 && b->fields[sf->bound].kind == BOUND_LOOKUP &&
                b->lookups[b->fields[sf->bound].lookup].later && !sf->key;
    s->has_later = s->has_later || sf->later;
}

static const char *setting_for(const struct config_pair *p, size_t n, struct cell header)
{
    for (size_t i = 0; i < n; i++)
        if (cell_ieq(cell_of(p[i].name), header))
            return p[i].value;
    return NULL;
}

static bool ignored(const struct config_map *c, struct cell header)
{
    for (size_t i = 0; i < c->n_ignore; i++)
        if (cell_ieq(cell_of(c->ignore[i]), header))
            return true;
    return false;
}

static bool already(const struct source *s, const struct fno_field *f)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->fields[i].f == f)
            return true;
    return false;
}

static bool is_company(struct cell name)
{
    return cell_ieq(name, CELL_LIT("dataareaid")) || cell_ieq(name, CELL_LIT("company"));
}

static void bind_field(struct source *s, const struct fno_field *f, int column, struct cell constant,
                       struct strbuf *bad)
{
    struct source_field *sf = &s->fields[s->n];

    if (already(s, f)) {
        strbuf_addf(bad, "; field " CELL_FMT " is bound twice", CELL_ARG(f->staging));
        return;
    }
    *sf = (struct source_field){ .column = column, .constant = constant };
    s->n++;
    describe(s, sf, f);
}

/* One header cell; whatever is wrong is added to `bad`, so that the user sees all of it at once. */
static void bind_header(struct source *s, const struct fno_entity *e, struct cell header, int column,
                        struct strbuf *bad)
{
    const char *to = setting_for(s->m->cfg->columns, s->m->cfg->n_columns, header);
    struct cell name = to ? cell_of(to) : header;
    const struct fno_field *f;

    if (ignored(s->m->cfg, header) || (header.len > sizeof(SOURCE_REJECT_PREFIX) - 1 &&
                                       !memcmp(header.ptr, SOURCE_REJECT_PREFIX, sizeof(SOURCE_REJECT_PREFIX) - 1)))
        return;
    f = fno_field_find(e, name);
    if (!f && is_company(name)) {
        if (s->company_column >= 0)
            strbuf_addf(bad, "; two columns give the company");
        s->company_column = column;
        return;
    }
    if (!f) {
        strbuf_addf(bad, "; column '" CELL_FMT "' is no staging field of '" CELL_FMT "'", CELL_ARG(name),
                    CELL_ARG(e->label));
    } else {
        bind_field(s, f, column, (struct cell){ 0 }, bad);
    }
}

static void bind_constants(struct source *s, const struct fno_entity *e, struct strbuf *bad)
{
    for (size_t i = 0; i < s->m->cfg->n_consts; i++) {
        struct cell name = cell_of(s->m->cfg->consts[i].name);
        const struct fno_field *f = fno_field_find(e, name);

        if (!f && is_company(name)) {
            s->company = cell_lower(&s->arena, cell_of(s->m->cfg->consts[i].value));
        } else if (!f) {
            strbuf_addf(bad, "; const." CELL_FMT " is no staging field of '" CELL_FMT "'", CELL_ARG(name),
                        CELL_ARG(e->label));
        } else {
            bind_field(s, f, -1, cell_of(s->m->cfg->consts[i].value), bad);
        }
    }
}

static void check_complete(struct source *s, const struct fno_entity *e, struct strbuf *bad)
{
    const struct binding *b = s->m->b;

    for (size_t i = 0; i < b->n_key; i++) {
        const struct bound_field *f = &b->fields[b->key[i]];
        bool found = f->kind == BOUND_COMPANY;

        for (size_t k = 0; k < s->n && !found; k++)
            found = s->fields[k].bound == (int)b->key[i];
        if (!found)
            strbuf_addf(bad, "; the key column " CELL_FMT " is missing", CELL_ARG(f->name));
    }
    if (!e->shared && s->company_column < 0 && cell_blank(s->company)) {
        if (s->m->cfg->n_companies == 1)
            s->company = cell_of(s->m->cfg->companies[0]);
        else
            strbuf_addf(
                bad, "; the company is missing: a column DATAAREAID, const.DATAAREAID, or one company in companies");
    }
}

static enum text_encoding encoding_of(const char *name)
{
    if (!name || !strcmp(name, "auto"))
        return ENC_AUTO;
    if (!strcmp(name, "utf-8"))
        return ENC_UTF8;
    if (!strcmp(name, "utf-16") || !strcmp(name, "utf-16le"))
        return ENC_UTF16LE;
    if (!strcmp(name, "utf-16be"))
        return ENC_UTF16BE;
    return ENC_CP1252;
}

/* Reject files are UTF-8 whatever the source is; no Windows-1252 file begins with these three characters. */
static bool begins_with_bom(const char *path)
{
    char head[3] = "";
    FILE *f = fopen(path, "rb");
    bool yes = f && fread(head, 1, 3, f) == 3 && !memcmp(head, "\xEF\xBB\xBF", 3);

    if (f)
        (void)fclose(f);
    return yes;
}

/* Fields of the bound entity to those of the source, which may be of the entity that is loaded in its place. */
static void index_fields(struct source *s)
{
    const struct fno_entity *e = s->m->b->entity;

    s->at_field = arena_alloc(&s->arena, (e->n + 1) * sizeof(*s->at_field));
    for (size_t i = 0; i < e->n; i++) {
        s->at_field[i] = -1;
        for (size_t k = 0; k < s->n && s->at_field[i] < 0; k++)
            if (s->fields[k].f == &e->fields[i] || cell_ieq(s->fields[k].f->staging, e->fields[i].staging))
                s->at_field[i] = (int)k;
    }
}

/* A header of a single column that holds another delimiter; the name is that of source_format. */
static const char *other_delimiter(struct cell header)
{
    static const struct {
        char c;
        const char *name;
    } KNOWN[] = { { ';', "semicolon" }, { '\t', "tab" }, { '|', "bar" }, { ',', "comma" } };

    for (size_t i = 0; i < COUNT(KNOWN); i++)
        if (header.len && memchr(header.ptr, KNOWN[i].c, header.len))
            return KNOWN[i].name;
    return NULL;
}

enum ec source_open(struct map_ctx *m, struct source **ret, struct err *reterr)
{
    return source_open_file(m, m->cfg->source, ret, reterr);
}

enum ec source_open_file(struct map_ctx *m, const char *file, struct source **ret, struct err *reterr)
{
    struct source *s = xcalloc(1, sizeof(*s));
    struct csv_dialect d = { .delimiter = m->cfg->delimiter, .encoding = encoding_of(m->cfg->encoding) };
    const struct fno_entity *e = load_entity(m);
    struct strbuf bad = STRBUF(0);
    const struct cell *header;
    size_t n = 0;
    enum ec rc;

    s->m = m;
    s->company_column = -1;
    s->format = (struct canon_format){ .date = m->cfg->date, .decimal = m->cfg->decimal, .group = m->cfg->group };
    if (!file) {
        rc = err_set(reterr, EC_CONFIG, "map '%s' has no source file", m->cfg->alias);
        err_hint(reterr, "give [map.%s] a line 'source = sources/FILE.csv'", m->cfg->alias);
        goto out;
    }
    s->path = workspace_path(&m->pair->app->ws, &s->arena, "%s", file);
    if (d.encoding == ENC_CP1252 && begins_with_bom(s->path))
        d.encoding = ENC_AUTO;
    rc = csv_open(s->path, &d, &s->csv, reterr);
    if (rc) {
        if (rc == EC_NOTFOUND || (rc == EC_IO && !file_exists(s->path))) {
            rc =
                err_set(reterr, EC_CONFIG, "the source file '%s' of map '%s' does not exist", s->path, m->cfg->alias);
            err_hint(reterr, "put the file there or change 'source' in [map.%s]", m->cfg->alias);
        }
        goto out;
    }
    header = csv_header(s->csv, &n);
    if (!n) {
        rc = err_set(reterr, EC_CONFIG, "the source file '%s' is empty: it has no header row", s->path);
        goto out;
    }
    s->fields = arena_zalloc(&s->arena, (n + m->cfg->n_consts + 1) * sizeof(*s->fields));
    for (size_t i = 0; i < n; i++)
        bind_header(s, e, header[i], (int)i, &bad);
    bind_constants(s, e, &bad);
    check_complete(s, e, &bad);
    index_fields(s);
    if (bad.len) {
        const char *delimiter = n == 1 ? other_delimiter(header[0]) : NULL;

        rc = err_set(reterr, EC_CONFIG, "the header of '%s' does not fit map '%s': %s", s->path, m->cfg->alias,
                     bad.buf + 2);
        if (delimiter)
            err_hint(reterr,
                     "the header looks separated by another character: try delimiter:%s in source_format of [map.%s]",
                     delimiter, m->cfg->alias);
        err_hint(
            reterr,
            "rename the column, or set columns.HEADER = FIELD, const.FIELD = value or ignore = HEADER in [map.%s]",
            m->cfg->alias);
        goto out;
    }
    *ret = s;
    s = NULL;
out:
    strbuf_release(&bad);
    source_close(s);
    return rc;
}

void source_close(struct source *s)
{
    if (!s)
        return;
    source_quick_free(s->quick);
    csv_close(s->csv);
    arena_release(&s->arena);
    free(s);
}

static void reject(struct source *s, struct source_row *r, const char *code, struct cell field, struct cell value,
                   const char *why)
{
    if (s->on_fault)
        s->on_fault(s->fault_arg, r, code, field, value, why);
    if (r->verdict == SOURCE_REJECTED)
        return; /* the first fault names the row */
    r->verdict = SOURCE_REJECTED;
    r->code = code;
    r->field = field;
    r->value = value;
    r->why = why;
}

/* Enum cells are element names in any case, or labels where the source says so; the metadata's spelling goes on. */
static bool enum_element(const struct source *s, const struct fno_field *f, struct cell in, struct cell *ret)
{
    const struct fno_enum *en = f->en;

    if (!en || !en->n) {
        *ret = in;
        return true;
    }
    for (size_t i = 0; i < en->n; i++)
        if (cell_ieq(en->members[i], in) ||
            (s->m->cfg->enum_labels && !cell_absent(en->labels[i]) && cell_ieq(en->labels[i], in))) {
            *ret = en->members[i];
            return true;
        }
    return false;
}

static void read_value(struct source *s, size_t i, const struct csv_row *csv, struct arena *a, struct source_row *r)
{
    struct source_field *sf = &s->fields[i];
    struct cell in = sf->column >= 0 ? csv->cells[sf->column] : sf->constant, out;
    const char *why = NULL;

    r->values[i] = CELL_ABSENT;
    if (sf->f->type != FNO_STRING && cell_blank(in))
        return;
    if (canon_cell(&sf->rule, sf->column >= 0 ? &s->format : NULL, in, a, &out, &why) != CANON_FINE) {
        reject(s, r, source_code_of(sf->rule.type), sf->f->staging, in, why);
        return;
    }
    if (sf->f->type == FNO_ENUM && !cell_blank(out) && !enum_element(s, sf->f, out, &out)) {
        reject(s, r, "enum", sf->f->staging, in,
               s->m->cfg->enum_labels ? "no element or label of the enum"
                                      : "no element of the enum (labels need 'enum:label')");
        return;
    }
    r->values[i] = out;
}

struct getting {
    const struct source *s;
    const struct source_row *r;
};

static struct cell get_value(void *arg, const struct fno_field *f)
{
    const struct getting *g = arg;
    int at;

    if (!f)
        return g->r->company;
    at = g->s->at_field[f - g->s->m->b->entity->fields];
    return at < 0 ? CELL_ABSENT : g->r->values[at];
}

static void read_company(struct source *s, const struct csv_row *csv, struct arena *a, struct source_row *r)
{
    const struct pair *p = s->m->pair;
    struct cell c = s->company_column >= 0 ? csv->cells[s->company_column] : s->company;

    r->company = CELL_LIT("");
    if (!s->m->b->striped && s->company_column < 0)
        return;
    c = cell_rtrim(c);
    if (!s->m->b->striped)
        return; /* a company column in the file of a shared entity says nothing */
    if (cell_blank(c)) {
        reject(s, r, "company", CELL_LIT("DATAAREAID"), c, "the company is blank");
        return;
    }
    r->company = cell_lower(a, c);
    if (p->n_companies && !pair_company(p, r->company))
        reject(s, r, "company", CELL_LIT("DATAAREAID"), c, "no such legal entity in F&O");
    else if (!binding_company_wanted(s->m->b, r->company))
        r->verdict = SOURCE_OTHER_COMPANY;
}

static const char *fault_text(const struct bind_fault *f, const struct binding *b, struct arena *a)
{
    const struct bound_field *bf = &b->fields[f->field];

    if (bf->kind == BOUND_VALUEMAP)
        return arena_printf(a, "%s (value map of " CELL_FMT ")", f->why, CELL_ARG(bf->name));
    return f->why;
}

static void to_canonical(struct source *s, struct arena *a, struct source_row *r)
{
    const struct binding *b = s->m->b;
    struct getting g = { s, r };
    struct bind_fault faults[4];
    size_t extra = b->n, found;

    r->canon = arena_zalloc(a, (b->n + s->n + 1) * sizeof(*r->canon));
    found = bind_from_fno(b, get_value, &g, a, r->canon, faults, COUNT(faults));
    for (size_t k = 0; k < found && k < (s->on_fault ? COUNT(faults) : 1); k++)
        reject(s, r, b->fields[faults[k].field].kind == BOUND_VALUEMAP ? "value_map" : "value",
               b->fields[faults[k].field].name, faults[k].value, fault_text(&faults[k], b, a));
    for (size_t i = 0; i < s->n; i++)
        if (s->fields[i].bound < 0)
            r->canon[extra++] = r->values[i];
    for (size_t k = 0; k < b->n_key; k++)
        if (cell_blank(r->canon[b->key[k]])) {
            if (b->fields[b->key[k]].kind == BOUND_COMPANY && r->verdict == SOURCE_REJECTED)
                return; /* told as the company's fault */
            reject(s, r, "key", b->fields[b->key[k]].name, CELL_ABSENT, "a key field is blank");
            return;
        }
    r->key = bind_key_text(b, r->canon, a);
}

void source_whole(struct source *s, struct arena *a, struct source_row *ret)
{
    const struct csv_row *csv = &s->row;
    struct source_row r = { .verdict = SOURCE_GOOD, .number = csv->number, .line = csv->line, .offset = csv->offset };
    size_t header_n;

    (void)csv_header(s->csv, &header_n);
    r.raw = csv->cells;
    r.n_raw = csv->n;
    r.raw_text = csv->raw;
    r.company = CELL_LIT("");
    r.values = arena_zalloc(a, (s->n + 1) * sizeof(*r.values));
    if (csv->fault != CSV_OK) {
        reject(s, &r, "csv", CELL_ABSENT, csv->raw, csv_fault_text(csv->fault));
    } else if (csv->n != header_n) {
        reject(s, &r, "csv", CELL_ABSENT, CELL_ABSENT,
               arena_printf(a, "the row has %zu fields, the header %zu", csv->n, header_n));
    } else {
        read_company(s, csv, a, &r);
        if (r.verdict != SOURCE_OTHER_COMPANY) {
            for (size_t i = 0; i < s->n; i++)
                read_value(s, i, csv, a, &r);
            to_canonical(s, a, &r);
            if (r.verdict == SOURCE_GOOD || s->on_fault)
                source_check_limits(s, a, &r);
        }
    }
    *ret = r;
}

/* Of a row that is known to be good. */
static void some_canonical(struct source *s, struct arena *a, struct source_row *r)
{
    const struct binding *b = s->m->b;
    struct getting g = { s, r };

    r->raw = s->row.cells;
    r->n_raw = s->row.n;
    r->canon = arena_zalloc(a, (b->n + s->n + 1) * sizeof(*r->canon));
    (void)bind_some_from_fno(b, s->wanted, get_value, &g, a, r->canon, NULL, 0);
    r->key = bind_key_text(b, r->canon, a);
}

void source_look(struct source *s, struct arena *a, struct source_row *ret)
{
    if (s->quick && source_quick_row(s->quick, s, a, ret)) {
        if (s->wanted && ret->verdict == SOURCE_GOOD)
            some_canonical(s, a, ret);
        return;
    }
    source_whole(s, a, ret);
    if (s->quick && ret->verdict != SOURCE_REJECTED)
        source_quick_learn(s->quick, s, ret);
}

enum ec source_next(struct source *s, struct arena *a, struct source_row *ret, bool *ret_more, struct err *reterr)
{
    enum ec rc = s->quick ? csv_next_borrowed(s->csv, a, &s->row, ret_more, reterr)
                          : csv_next(s->csv, a, &s->row, ret_more, reterr);

    if (!rc && *ret_more)
        source_look(s, a, ret);
    return rc;
}

enum ec source_each(struct source *s, source_row_fn *fn, void *arg, struct err *reterr)
{
    struct arena a = { 0 };
    uint64_t rows = 0;
    enum ec rc = EC_OK;

    while (!rc) {
        struct source_row r;
        bool more = false;

        arena_reset(&a);
        rc = source_next(s, &a, &r, &more, reterr);
        if (rc || !more)
            break;
        rc = fn(arg, &r, &a, reterr);
        if (!rc && !(++rows & 1023) && stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped while reading '%s'", s->path);
    }
    arena_release(&a);
    return rc;
}

void source_some_canonical(struct source *s, const bool *wanted)
{
    s->wanted = wanted;
    source_values_only(s);
}

bool *source_key_fields(struct source *s)
{
    const struct binding *b = s->m->b;
    bool *wanted = arena_zalloc(&s->arena, b->n + 1);

    for (size_t i = 0; i < b->n_key; i++)
        wanted[b->key[i]] = true;
    for (size_t i = 0; i < b->n; i++)
        wanted[i] = wanted[i] || b->fields[i].kind == BOUND_COMPANY;
    return wanted;
}

void source_values_only(struct source *s)
{
    size_t header_n;

    (void)csv_header(s->csv, &header_n);
    if (!s->quick && !getenv("DMFSYNC_TEST_NO_QUICK"))
        s->quick = source_quick_new(s, header_n);
}

enum ec source_seek(struct source *s, uint64_t number, uint64_t line, uint64_t offset, struct err *reterr)
{
    return csv_seek(s->csv, offset, line, number, reterr);
}

enum ec fno_shape_of(struct map_ctx *m, struct arena *a, struct fno_shape *ret, struct err *reterr)
{
    const struct binding *b = m->b;
    struct source *s = NULL;
    struct fno_shape sh = { .n = b->n };
    size_t extra = 0;
    enum ec rc = EC_OK;

    if (m->cfg->source) {
        rc = source_open(m, &s, reterr);
        if (rc)
            return rc;
        for (size_t i = 0; i < s->n; i++)
            extra += s->fields[i].bound < 0;
    }
    sh.n = b->n + extra;
    sh.extra = arena_zalloc(a, (extra + 1) * sizeof(*sh.extra));
    sh.rules = arena_zalloc(a, (sh.n + 1) * sizeof(*sh.rules));
    sh.names = arena_zalloc(a, (sh.n + 1) * sizeof(*sh.names));
    sh.supplied = arena_zalloc(a, sh.n + 1);
    for (size_t i = 0; i < b->n; i++) {
        sh.rules[i] = b->fields[i].rule;
        sh.names[i] = b->fields[i].name;
        sh.supplied[i] = b->fields[i].kind == BOUND_COMPANY;
    }
    extra = 0;
    for (size_t i = 0; s && i < s->n; i++) {
        const struct source_field *sf = &s->fields[i];

        if (sf->bound >= 0) {
            sh.supplied[sf->bound] = true;
        } else {
            sh.extra[extra] = sf->f;
            sh.rules[b->n + extra] = sf->rule;
            sh.names[b->n + extra] = sf->f->staging;
            sh.supplied[b->n + extra++] = true;
        }
    }
    source_close(s);
    *ret = sh;
    return EC_OK;
}

/* bind_row.c -- records of either side into canonical rows, and canonical cells into what either side wants. */
#include "map/bind_parts.h"

struct faults {
    struct bind_fault *out;
    size_t n, max;
};

static void fault(struct faults *fs, size_t field, const char *why, struct cell value)
{
    if (fs->n < fs->max)
        fs->out[fs->n] = (struct bind_fault){ (int)field, why, value };
    fs->n++;
}

static struct cell canonical(const struct bound_field *f, size_t i, struct cell in, struct arena *a,
                             struct faults *fs)
{
    struct cell out = CELL_ABSENT;
    const char *why = "not of its type";

    if (canon_cell(&f->rule, NULL, in, a, &out, &why) == CANON_FINE)
        return out;
    fault(fs, i, why, in);
    return in; /* the raw text differs from everything canonical, and shows */
}

/* ---- F&O -> canonical ---- */

/* A word that the value map does not know must not be taken for a word of the other side that happens to look like it. */
static struct cell untranslated(struct cell word, struct arena *a)
{
    return cell_printf(a, "!%.*s", (int)word.len, word.ptr);
}

bool bind_cell_fault(const struct binding *b, size_t field, struct cell cell, const char **ret_why)
{
    const struct bound_field *f = &b->fields[field];
    struct arena a = { 0 };
    struct cell out;
    bool bad = false;

    if (f->kind == BOUND_VALUEMAP && cell.len && (cell.ptr[0] == '!' || cell.ptr[0] == '=')) {
        *ret_why = "no entry in the value map";
        return cell.ptr[0] == '!'; /* '=': Dataverse's value; a difference, which a person may want to see as such */
    }
    if (cell.len && cell.ptr[0] == '?' && (f->kind == BOUND_LOOKUP || f->kind == BOUND_COMPANY))
        return false;
    bad = canon_cell(&f->rule, NULL, cell, &a, &out, ret_why) != CANON_FINE;
    arena_release(&a);
    return bad;
}

static struct cell from_fno_words(const struct bound_field *f, size_t i, struct cell in, struct arena *a,
                                  struct faults *fs)
{
    const struct map_pair *p;
    bool known;

    if (cell_blank(in) && f->f->type != FNO_ENUM) {
        p = bind_pair_of_blank_key(f);
        return p && !bind_in_fno_words(f) && !bind_blank_value(f, p->value) ? canonical(f, i, p->value, a, fs)
                                                                            : CELL_ABSENT;
    }
    if (f->f->type == FNO_ENUM) {
        if (cell_blank(in) && (!f->f->en || !f->f->en->n))
            return CELL_ABSENT;
        if (cell_blank(in)) /* F&O knows no null: a blank enum is its first element */
            in = f->f->en->members[0];
        in = bind_enum_spelling(f->f, in, &known);
        if (!known) {
            fault(fs, i, "no element of the enum", in);
            return untranslated(in, a);
        }
    }
    p = bind_pair_by_key(f->mf, in);
    if (!p) {
        fault(fs, i, "no entry in the value map", in);
        return untranslated(in, a);
    }
    if (!bind_in_fno_words(f) && bind_blank_value(f, p->value))
        return CELL_ABSENT;
    return canonical(f, i, bind_in_fno_words(f) ? in : p->value, a, fs);
}

size_t bind_from_fno(const struct binding *b, bind_fno_get *get, void *arg, struct arena *a, struct cell *ret_row,
                     struct bind_fault *ret_faults, size_t max)
{
    return bind_some_from_fno(b, NULL, get, arg, a, ret_row, ret_faults, max);
}

size_t bind_some_from_fno(const struct binding *b, const bool *wanted, bind_fno_get *get, void *arg, struct arena *a,
                          struct cell *ret_row, struct bind_fault *ret_faults, size_t max)
{
    struct faults fs = { ret_faults, 0, max };

    for (size_t i = 0; i < b->n; i++) {
        const struct bound_field *f = &b->fields[i];
        bool known;

        if (wanted && !wanted[i])
            continue;

        switch (f->kind) {
        case BOUND_COMPANY: ret_row[i] = canonical(f, i, get(arg, NULL), a, &fs); break;
        case BOUND_CONST_DV: ret_row[i] = canonical(f, i, f->mf->default_value, a, &fs); break;
        case BOUND_CONST_FNO: ret_row[i] = CELL_ABSENT; break;
        case BOUND_VALUEMAP: ret_row[i] = from_fno_words(f, i, get(arg, f->f), a, &fs); break;
        case BOUND_PLAIN:
        case BOUND_LOOKUP: {
            struct cell in = get(arg, f->f);

            if (cell_blank(in) && f->mf->has_default && map_dir_to_dv(f->dir))
                in = f->mf->default_value;
            if (f->f->type == FNO_ENUM && !cell_blank(in)) {
                in = bind_enum_spelling(f->f, in, &known);
                if (!known)
                    fault(&fs, i, "no element of the enum", in);
            }
            ret_row[i] = canonical(f, i, in, a, &fs);
            break;
        }
        }
    }
    return fs.n;
}

/* ---- Dataverse -> canonical ---- */

static struct cell lookup_id(const struct json *rec, struct cell column, struct arena *a)
{
    return json_member(rec, arena_printf(a, "_%.*s_value", (int)column.len, column.ptr));
}

static struct cell from_dv_words(const struct bound_field *f, size_t i, struct cell in, struct arena *a,
                                 struct faults *fs)
{
    const struct map_pair *p;
    bool known;

    if (!bind_in_fno_words(f))
        return canonical(f, i, in, a, fs);
    p = cell_blank(in) ? bind_pair_of_blank_value(f) : bind_pair_by_value(f, in);
    if (cell_blank(in) && !p)
        return CELL_ABSENT;
    if (p && bind_blank_key(f, p->key))
        return CELL_ABSENT;
    if (!p) {
        /* A value that the map does not know is a difference, not a fault: nobody may be able to write it back. */
        return cell_printf(a, "=%.*s", (int)in.len, in.ptr);
    }
    return canonical(f, i, f->f->type == FNO_ENUM ? bind_enum_spelling(f->f, p->key, &known) : p->key, a, fs);
}

size_t bind_from_dv(const struct binding *b, const struct json *rec, bind_dict *dict, bind_company_dict *companies,
                    void *arg, struct arena *a, struct cell *ret_row, struct bind_fault *ret_faults, size_t max)
{
    struct faults fs = { ret_faults, 0, max };
    struct cell code, id;

    for (size_t i = 0; i < b->n; i++) {
        const struct bound_field *f = &b->fields[i];

        switch (f->kind) {
        case BOUND_COMPANY:
            id = lookup_id(rec, f->c->name, a);
            ret_row[i] = CELL_ABSENT;
            if (!cell_absent(id))
                ret_row[i] = companies(arg, id, &code) ? canonical(f, i, code, a, &fs)
                                                       : cell_printf(a, "?%.*s", (int)id.len, id.ptr);
            break;
        case BOUND_CONST_FNO: ret_row[i] = CELL_ABSENT; break;
        case BOUND_VALUEMAP:
            ret_row[i] = from_dv_words(f, i, json_member(rec, cell_cstr(a, f->c->name)), a, &fs);
            break;
        case BOUND_CONST_DV:
        case BOUND_PLAIN: ret_row[i] = canonical(f, i, json_member(rec, cell_cstr(a, f->c->name)), a, &fs); break;
        case BOUND_LOOKUP: break; /* below, a lookup at a time */
        }
    }
    for (size_t k = 0; k < b->n_lookups; k++) {
        const struct bound_lookup *l = &b->lookups[k];
        struct cell parts[BIND_LOOKUP_PARTS];
        bool found = false;

        id = lookup_id(rec, l->c->name, a);
        if (!cell_absent(id))
            found = dict(arg, l, id, parts);
        for (size_t i = 0; i < l->n && i < COUNT(parts); i++) {
            int at = l->fields[i];

            if (cell_absent(id))
                ret_row[at] = CELL_ABSENT;
            else if (found)
                ret_row[at] = canonical(&b->fields[at], (size_t)at, parts[i], a, &fs);
            else
                ret_row[at] = cell_printf(a, "?%.*s", (int)id.len, id.ptr);
        }
    }
    return fs.n;
}

/* ---- one field of a file ---- */

struct cell bind_one_from_fno(const struct binding *b, size_t i, struct cell in, struct arena *a,
                              const char **ret_why)
{
    const struct bound_field *f = &b->fields[i];
    struct bind_fault first = { 0 };
    struct faults fs = { &first, 0, 1 };
    struct cell ret = CELL_ABSENT;
    bool known;

    switch (f->kind) {
    case BOUND_CONST_DV: ret = canonical(f, i, f->mf->default_value, a, &fs); break;
    case BOUND_CONST_FNO: break;
    case BOUND_VALUEMAP: ret = from_fno_words(f, i, in, a, &fs); break;
    case BOUND_PLAIN:
    case BOUND_LOOKUP:
        if (cell_blank(in) && f->mf->has_default && map_dir_to_dv(f->dir))
            in = f->mf->default_value;
        if (f->f->type == FNO_ENUM && !cell_blank(in)) {
            in = bind_enum_spelling(f->f, in, &known);
            if (!known)
                fault(&fs, i, "no element of the enum", in);
        }
        ret = canonical(f, i, in, a, &fs);
        break;
    case BOUND_COMPANY: ret = canonical(f, i, in, a, &fs); break;
    }
    *ret_why = first.why;
    return ret;
}

struct cell bind_one_from_dv(const struct binding *b, size_t i, struct cell in, struct arena *a, const char **ret_why)
{
    const struct bound_field *f = &b->fields[i];
    struct bind_fault first = { 0 };
    struct faults fs = { &first, 0, 1 };
    struct cell ret = CELL_ABSENT;

    if (in.ptr && !in.len) /* Dataverse stores no empty texts */
        in = CELL_ABSENT;
    switch (f->kind) {
    case BOUND_CONST_FNO: break;
    case BOUND_VALUEMAP: ret = from_dv_words(f, i, in, a, &fs); break;
    case BOUND_COMPANY:
    case BOUND_CONST_DV:
    case BOUND_PLAIN:
    case BOUND_LOOKUP: ret = canonical(f, i, in, a, &fs); break;
    }
    *ret_why = first.why;
    return ret;
}

/* ---- column lists ---- */

static void add_name(struct strbuf *out, const char *before, struct cell name, const char *after)
{
    struct arena a = { 0 };
    char *full = arena_printf(&a, "%s%.*s%s", before, (int)name.len, name.ptr, after);
    size_t n = strlen(full);
    const char *p = strbuf_str(out);

    while ((p = strstr(p, full))) { /* once each */
        if ((p == out->buf || p[-1] == ',') && (p[n] == ',' || !p[n]))
            break;
        p += n;
    }
    if (!p)
        strbuf_addf(out, "%s%s", out->len ? "," : "", full);
    arena_release(&a);
}

struct filter_names {
    const struct binding *b;
    struct strbuf *out;
};

static void add_dv_filter_name(void *arg, struct cell field)
{
    struct filter_names *f = arg;
    const struct dv_column *c = dv_column_find(f->b->table, field);

    if (c)
        add_name(f->out, c->n_navs ? "_" : "", c->name, c->n_navs ? "_value" : "");
}

static void add_fno_filter_name(void *arg, struct cell field)
{
    struct filter_names *f = arg;
    const struct fno_field *ff = fno_field_find(f->b->entity, field);

    if (ff)
        add_name(f->out, "", ff->property, "");
}

static char *taken(struct strbuf *out, struct arena *a)
{
    char *s = arena_dup(a, strbuf_str(out), out->len);

    strbuf_release(out);
    return s;
}

char *bind_dv_select(const struct binding *b, struct arena *a)
{
    struct strbuf out = STRBUF(0);
    struct filter_names f = { b, &out };

    add_name(&out, "", b->table->pk, "");
    for (size_t i = 0; i < b->n; i++)
        if (b->fields[i].c) {
            bool lookup = b->fields[i].c->n_navs > 0;

            add_name(&out, lookup ? "_" : "", b->fields[i].c->name, lookup ? "_value" : "");
        }
    filter_fields(b->dv_filter, add_dv_filter_name, &f);
    return taken(&out, a);
}

char *bind_fno_select(const struct binding *b, struct arena *a)
{
    struct strbuf out = STRBUF(0);
    struct filter_names f = { b, &out };

    if (!b->entity->shared)
        add_name(&out, "", CELL_LIT("dataAreaId"), "");
    for (size_t i = 0; i < b->n; i++)
        if (b->fields[i].f)
            add_name(&out, "", b->fields[i].f->property, "");
    filter_fields(b->fno_filter, add_fno_filter_name, &f);
    return taken(&out, a);
}

/* ---- canonical -> either side ---- */

static struct cell quoted(struct arena *a, struct cell c)
{
    struct strbuf out = STRBUF(0);
    struct jsonw w = { .out = &out };
    struct cell r;

    jw_str(&w, c);
    r = (struct cell){ arena_dup(a, out.buf, out.len), out.len };
    strbuf_release(&out);
    return r;
}

/* JSON's grammar for numbers: a cell that was not canonical must not reach a request's body as it stands. */
static bool json_number(struct cell c)
{
    size_t i = 0, digits = 0;

    i += c.len && c.ptr[0] == '-';
    for (; i < c.len && c.ptr[i] >= '0' && c.ptr[i] <= '9'; i++)
        digits++;
    if (!digits || (digits > 1 && c.ptr[i - digits] == '0'))
        return false;
    if (i == c.len)
        return true;
    if (c.ptr[i++] != '.' || i == c.len)
        return false;
    while (i < c.len && c.ptr[i] >= '0' && c.ptr[i] <= '9')
        i++;
    return i == c.len;
}

static bool numeric_column(const struct dv_column *c)
{
    switch (c->type) {
    case DV_INTEGER:
    case DV_BIGINT:
    case DV_DECIMAL:
    case DV_DOUBLE:
    case DV_MONEY:
    case DV_PICKLIST:
    case DV_STATE:
    case DV_STATUS: return true;
    default: return false;
    }
}

/* A Dataverse value of a column's type from a word of Dataverse's vocabulary. */
static struct cell dv_literal(const struct dv_column *c, struct cell v, struct arena *a)
{
    if (cell_blank(v)) /* Dataverse stores "" as null, and for the other types it is nothing */
        return CELL_LIT("null");
    if (numeric_column(c))
        return v;
    switch (c->type) {
    case DV_BOOLEAN:
        return cell_ieq(v, CELL_LIT("true")) || cell_is(v, "1") || cell_ieq(v, CELL_LIT("yes")) ? CELL_LIT("true")
                                                                                                : CELL_LIT("false");
    case DV_DATETIME:
        if (cell_is(c->behavior, "DateOnly"))
            return quoted(a, (struct cell){ v.ptr, v.len > 10 ? 10 : v.len });
        /* A date without time goes in at noon, so that no time zone shows another day. */
        return quoted(a, v.len == 10 ? cell_printf(a, "%.*sT12:00:00Z", (int)v.len, v.ptr) : v);
    default: return quoted(a, v);
    }
}

bool bind_to_dv_value(const struct binding *b, int field, struct cell canonical_cell, struct arena *a,
                      struct cell *ret_json, const char **ret_why)
{
    const struct bound_field *f = &b->fields[field];

    if (f->kind == BOUND_CONST_DV)
        canonical_cell = f->mf->default_value;
    if (f->kind == BOUND_LOOKUP && canonical_cell.len && canonical_cell.ptr[0] == '?') {
        *ret_why = "the row that the lookup points at is not known";
        return false;
    }
    if (f->kind == BOUND_VALUEMAP && canonical_cell.len && canonical_cell.ptr[0] == '!') {
        *ret_why = "no entry in the value map";
        return false;
    }
    if (f->kind == BOUND_VALUEMAP && bind_in_fno_words(f)) {
        bool blank = cell_blank(canonical_cell);
        const struct map_pair *p = blank ? bind_pair_of_blank_key(f) : bind_pair_by_key(f->mf, canonical_cell);

        if (!p && !blank) {
            *ret_why = "no entry in the value map";
            return false;
        }
        canonical_cell = p && !bind_blank_value(f, p->value) ? p->value : CELL_ABSENT;
    }
    if (numeric_column(f->c) && canonical_cell.len && !json_number(canonical_cell)) {
        *ret_why = "not a number";
        return false;
    }
    *ret_json = dv_literal(f->c, canonical_cell, a);
    return true;
}

bool bind_to_fno_value(const struct binding *b, int field, struct cell canonical_cell, struct arena *a,
                       struct cell *ret_text, const char **ret_why)
{
    const struct bound_field *f = &b->fields[field];

    (void)a;
    if (f->kind == BOUND_CONST_FNO)
        canonical_cell = f->mf->default_value;
    if (canonical_cell.len && canonical_cell.ptr[0] == '=' && f->kind == BOUND_VALUEMAP) {
        *ret_why = "no entry in the value map for Dataverse's value";
        return false;
    }
    if (canonical_cell.len && canonical_cell.ptr[0] == '?' && f->kind == BOUND_LOOKUP) {
        *ret_why = "the row that the lookup points at is not known";
        return false;
    }
    *ret_text = cell_absent(canonical_cell) ? CELL_LIT("") : canonical_cell;
    return true;
}

bool bind_to_fno_json(const struct binding *b, int field, struct cell canonical_cell, struct arena *a,
                      struct cell *ret_json, const char **ret_why)
{
    const struct bound_field *f = &b->fields[field];
    struct cell text;

    if (!bind_to_fno_value(b, field, canonical_cell, a, &text, ret_why))
        return false;
    switch (f->f ? f->f->type : FNO_STRING) {
    case FNO_REAL:
    case FNO_INT:
    case FNO_INT64:
        if (text.len && !json_number(text)) {
            *ret_why = "not a number";
            return false;
        }
        *ret_json = text.len ? text : CELL_LIT("0");
        break;
    case FNO_DATE:
        *ret_json =
            quoted(a, text.len ? cell_printf(a, "%.*sT12:00:00Z", (int)(text.len > 10 ? 10 : text.len), text.ptr)
                               : CELL_LIT("1900-01-01T12:00:00Z"));
        break;
    case FNO_UTCDATETIME:
        if (text.len == 10) /* Dataverse has the day only: noon, as for dates */
            text = cell_printf(a, "%.*sT12:00:00Z", (int)text.len, text.ptr);
        *ret_json = quoted(a, text.len ? text : CELL_LIT("1900-01-01T00:00:00Z"));
        break;
    case FNO_GUID: *ret_json = quoted(a, text.len ? text : CELL_LIT("00000000-0000-0000-0000-000000000000")); break;
    case FNO_ENUM:
        if (!text.len && f->f->en && f->f->en->n)
            text = f->f->en->members[0];
        *ret_json = quoted(a, text);
        break;
    case FNO_STRING:
    case FNO_OTHER: *ret_json = quoted(a, text); break;
    }
    return true;
}

struct cell bind_key_text(const struct binding *b, const struct cell *row, struct arena *a)
{
    struct cell parts[64];
    size_t n = b->n_key < COUNT(parts) ? b->n_key : COUNT(parts);

    for (size_t i = 0; i < n; i++)
        parts[i] = cell_absent(row[b->key[i]]) ? CELL_LIT("") : row[b->key[i]];
    return key_join(a, parts, n);
}

struct digest bind_key_digest(const struct binding *b, const struct cell *row, struct arena *scratch)
{
    return digest_cells(b->rules, row, b->key, b->n_key, scratch);
}

struct digest bind_row_digest(const struct binding *b, const struct cell *row, struct arena *scratch)
{
    return digest_cells(b->rules, row, b->compared, b->n_compared, scratch);
}

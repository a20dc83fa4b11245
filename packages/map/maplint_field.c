/* maplint_field.c -- findings about single fields: fit of types, value maps against both vocabularies, constants. */
#include "base/nearest.h"
#include "map/maplint_parts.h"

enum { LIST_MAX = 8 }; /* names in one finding */

struct pair_of {
    const struct map_field *mf;
    const struct fno_field *f; /* NULL = unknown or none */
    const struct dv_column *c;
};

static bool is_text(const struct dv_column *c)
{
    return c->type == DV_STRING || c->type == DV_MEMO;
}

static bool is_choice(const struct dv_column *c)
{
    return c->type == DV_PICKLIST || c->type == DV_STATE || c->type == DV_STATUS;
}

/* ---- who may write it ---- */

static const char *source_word(const struct dv_column *c)
{
    static const char *const WORDS[] = { "", "a calculated column", "a rollup column", "a formula column" };

    return c->type == DV_OTHER ? "a virtual column" : WORDS[c->source];
}

static void check_computed_column(struct linter *l, const struct pair_of *p)
{
    const char *word = source_word(p->c);
    bool computed = *word != 0;

    if (computed && p->mf->dir == DIR_BOTH)
        lint_add(l, "loop-risk", p->mf,
                 CELL_FMT " is %s and mapped both ways: what F&O sends is recomputed and goes back as a change",
                 CELL_ARG(p->c->name), word);
    else if (computed && lint_to_fno(p->mf))
        lint_add(l, "computed-source", p->mf, CELL_FMT " is %s", CELL_ARG(p->c->name), word);
    if (!computed && p->mf->dir == DIR_BOTH && p->c->create != p->c->update)
        lint_add(l, "create-only", p->mf, "Dataverse takes '" CELL_FMT "' on %s only", CELL_ARG(p->c->name),
                 p->c->create ? "creation" : "changes");
}

static bool in_key(const struct linter *l, const struct map_field *mf)
{
    const struct binding *b = l->out->binding;

    for (size_t i = 0; b && i < b->n_key; i++)
        if (b->fields[b->key[i]].mf == mf)
            return true;
    return false;
}

static void check_fno_write(struct linter *l, const struct pair_of *p)
{
    bool locked = !p->f->edit && !p->f->create;

    if (locked && lint_to_fno(p->mf))
        lint_add(l, "DIPV1011", p->mf, CELL_FMT ": the F&O field takes no value (it is computed, virtual or locked)",
                 CELL_ARG(p->f->staging));
    if (locked && p->c && p->mf->dir == DIR_BOTH)
        lint_add(l, "loop-risk", p->mf,
                 CELL_FMT " is computed, virtual or locked in F&O and mapped both ways: what Dataverse sends is "
                          "recomputed and goes back as a change",
                 CELL_ARG(p->f->staging));
    else if (locked && lint_to_dv(p->mf))
        lint_add(l, "computed-source", p->mf, CELL_FMT " is computed, virtual or locked in F&O",
                 CELL_ARG(p->f->staging));
    if (!locked && p->f->edit != p->f->create && lint_to_fno(p->mf) && !p->f->key && !in_key(l, p->mf))
        lint_add(l, "create-only", p->mf, "F&O takes " CELL_FMT " on %s only", CELL_ARG(p->f->staging),
                 p->f->create ? "creation" : "changes");
}

/* ---- fit of types beyond the service's check ---- */

static void check_length(struct linter *l, const struct pair_of *p)
{
    int64_t max = p->c->max_length;

    if (!is_text(p->c) || max <= 0)
        return;
    if (p->f->type == FNO_STRING && p->f->max_length > max && lint_to_dv(p->mf))
        lint_add(l, "length", p->mf, CELL_FMT " has up to %lld characters, column '" CELL_FMT "' keeps %lld",
                 CELL_ARG(p->f->staging), (long long)p->f->max_length, CELL_ARG(p->c->name), (long long)max);
    if (p->f->type == FNO_STRING && p->f->max_length > 0 && p->f->max_length < max && lint_to_fno(p->mf))
        lint_add_as(l, LINT_INFO, "length", p->mf,
                    "column '" CELL_FMT "' keeps up to %lld characters, " CELL_FMT " %lld", CELL_ARG(p->c->name),
                    (long long)max, CELL_ARG(p->f->staging), (long long)p->f->max_length);
    for (size_t i = 0; p->f->en && !p->mf->has_map && lint_to_dv(p->mf) && i < p->f->en->n; i++)
        if ((int64_t)cell_utf16_units(p->f->en->members[i]) > max) {
            lint_add_as(l, LINT_ERROR, "length", p->mf,
                        "element '" CELL_FMT "' is longer than the %lld characters of '" CELL_FMT "'",
                        CELL_ARG(p->f->en->members[i]), (long long)max, CELL_ARG(p->c->name));
            return;
        }
}

static void check_numbers(struct linter *l, const struct pair_of *p)
{
    int64_t low, high;

    if (p->f->type == FNO_REAL && (p->c->type == DV_INTEGER || p->c->type == DV_BIGINT))
        lint_add_as(l, LINT_WARNING, "precision", p->mf, CELL_FMT " has decimals, column '" CELL_FMT "' keeps none",
                    CELL_ARG(p->f->staging), CELL_ARG(p->c->name));
    else if (p->f->type == FNO_REAL && p->c->precision >= 0 && p->c->precision < 6)
        lint_add(l, "precision", p->mf, CELL_FMT " is a real with 6 decimals or more, column '" CELL_FMT "' keeps %d",
                 CELL_ARG(p->f->staging), CELL_ARG(p->c->name), p->c->precision);
    if ((p->f->type != FNO_INT && p->f->type != FNO_INT64) || p->c->type != DV_INTEGER || !lint_to_dv(p->mf) ||
        !cell_to_i64(p->c->min, &low) || !cell_to_i64(p->c->max, &high))
        return;
    if (low > INT32_MIN || high < INT32_MAX)
        lint_add(l, "range", p->mf, "column '" CELL_FMT "' takes %lld to %lld, " CELL_FMT " may be outside",
                 CELL_ARG(p->c->name), (long long)low, (long long)high, CELL_ARG(p->f->staging));
}

static void check_dates(struct linter *l, const struct pair_of *p)
{
    if (p->c->type != DV_DATETIME)
        return;
    if (p->f->type == FNO_DATE && cell_is(p->c->behavior, "UserLocal"))
        lint_add(l, "date-shift", p->mf,
                 CELL_FMT " is a date, column '" CELL_FMT
                          "' has behavior UserLocal: users west of Greenwich see the day before",
                 CELL_ARG(p->f->staging), CELL_ARG(p->c->name));
    if (p->f->type == FNO_UTCDATETIME && cell_is(p->c->behavior, "DateOnly"))
        lint_add(l, "time-lost", p->mf, CELL_FMT " is a date-time, column '" CELL_FMT "' keeps the date",
                 CELL_ARG(p->f->staging), CELL_ARG(p->c->name));
}

/* ---- value maps ---- */

struct names {
    struct strbuf text;
    size_t n;
};

static void list(struct names *to, struct cell name)
{
    if (to->n < LIST_MAX)
        strbuf_addf(&to->text, "%s'" CELL_FMT "'", to->n ? ", " : "", CELL_ARG(name));
    to->n++;
}

static const char *list_end(struct names *to)
{
    if (to->n > LIST_MAX)
        strbuf_addf(&to->text, " and %zu more", to->n - LIST_MAX);
    return strbuf_str(&to->text);
}

static void check_elements(struct linter *l, const struct pair_of *p)
{
    struct names open = { .text = STRBUF(0) };
    const struct fno_enum *en = p->f->en;

    for (size_t i = 0; i < en->n; i++)
        if (!bind_pair_by_key(p->mf, en->members[i]))
            list(&open, en->members[i]);
    if (open.n)
        lint_add_as(l, lint_to_dv(p->mf) ? LINT_ERROR : LINT_INFO, "enum-uncovered", p->mf,
                    "element%s %s of enum " CELL_FMT " %s no value", open.n == 1 ? "" : "s", list_end(&open),
                    CELL_ARG(en->name), open.n == 1 ? "has" : "have");
    strbuf_release(&open.text);
}

/* What the writer of the map probably meant by a key that is no element. */
static const char *meant(struct linter *l, const struct fno_enum *en, struct cell key)
{
    struct arena *a = &l->out->arena;
    const char **names = arena_alloc(a, (en->n + 1) * sizeof(*names));
    int64_t v;
    const char *near;

    for (size_t i = 0; i < en->n; i++) {
        if (!cell_absent(en->labels[i]) && cell_ieq(en->labels[i], key))
            return arena_printf(a, ": it is the label of element '" CELL_FMT "'", CELL_ARG(en->members[i]));
        if (cell_to_i64(key, &v) && en->values[i] == v)
            return arena_printf(a, ": it is the number of element '" CELL_FMT "'", CELL_ARG(en->members[i]));
        names[i] = cell_cstr(a, en->members[i]);
    }
    near = en->n ? word_nearest(cell_cstr(a, key), names, en->n) : NULL;
    return near ? arena_printf(a, "; did you mean '%s'?", near) : "";
}

static void check_keys(struct linter *l, const struct pair_of *p)
{
    for (size_t i = 0; i < p->mf->n_pairs; i++) {
        struct cell key = p->mf->pairs[i].key;
        bool known = cell_blank(cell_rtrim(key));

        for (size_t k = 0; k < p->f->en->n && !known; k++)
            known = cell_ieq(p->f->en->members[k], key);
        if (!known) /* towards F&O it would be sent and refused */
            lint_add_as(l, lint_to_fno(p->mf) ? LINT_ERROR : LINT_WARNING, "element-unknown", p->mf,
                        "'" CELL_FMT "' is no element of enum " CELL_FMT "%s", CELL_ARG(key),
                        CELL_ARG(p->f->en->name), meant(l, p->f->en, key));
    }
}

static bool option_mapped(const struct map_field *mf, int64_t option)
{
    int64_t v;

    for (size_t i = 0; i < mf->n_pairs; i++)
        if (cell_to_i64(mf->pairs[i].value, &v) && v == option)
            return true;
    return false;
}

static void check_options(struct linter *l, const struct pair_of *p)
{
    struct names open = { .text = STRBUF(0) };

    for (size_t i = 0; i < p->mf->n_pairs; i++) {
        struct cell value = p->mf->pairs[i].value;
        int64_t v;
        bool known = cell_blank(value) || cell_ieq(value, CELL_LIT("blank"));

        for (size_t k = 0; k < p->c->n_options && !known; k++)
            known = cell_to_i64(value, &v) && p->c->options[k].value == v;
        if (!known)
            lint_add(l, "option-unknown", p->mf,
                     "'" CELL_FMT "' (for '" CELL_FMT "') is no option of column '" CELL_FMT "'", CELL_ARG(value),
                     CELL_ARG(p->mf->pairs[i].key), CELL_ARG(p->c->name));
    }
    for (size_t k = 0; k < p->c->n_options; k++)
        if (!option_mapped(p->mf, p->c->options[k].value))
            list(&open, cell_printf(&l->out->arena, "%lld " CELL_FMT, (long long)p->c->options[k].value,
                                    CELL_ARG(p->c->options[k].label)));
    if (open.n)
        lint_add_as(l, lint_to_fno(p->mf) ? LINT_WARNING : LINT_INFO, "option-uncovered", p->mf,
                    "option%s %s of column '" CELL_FMT "' %s no element", open.n == 1 ? "" : "s", list_end(&open),
                    CELL_ARG(p->c->name), open.n == 1 ? "has" : "have");
    strbuf_release(&open.text);
}

static void check_booleans(struct linter *l, const struct pair_of *p)
{
    for (int want = 0; want < 2; want++) {
        bool covered = false, b;

        for (size_t i = 0; i < p->mf->n_pairs && !covered; i++)
            covered = bind_bool_word(p->mf->pairs[i].value, &b) && b == (want == 1);
        if (!covered)
            lint_add_as(l, lint_to_fno(p->mf) ? LINT_WARNING : LINT_INFO, "option-uncovered", p->mf,
                        "'%s' of column '" CELL_FMT "' has no element", want ? "True" : "False",
                        CELL_ARG(p->c->name));
    }
}

static void check_value_length(struct linter *l, const struct pair_of *p)
{
    for (size_t i = 0; i < p->mf->n_pairs; i++)
        if (p->c->max_length > 0 && (int64_t)cell_utf16_units(p->mf->pairs[i].value) > p->c->max_length)
            lint_add_as(l, LINT_ERROR, "length", p->mf,
                        "value '" CELL_FMT "' is longer than the %lld characters of '" CELL_FMT "'",
                        CELL_ARG(p->mf->pairs[i].value), (long long)p->c->max_length, CELL_ARG(p->c->name));
}

/* Standard maps have both spellings. */
static void check_case_of_keys(struct linter *l, const struct pair_of *p)
{
    struct names high = { .text = STRBUF(0) };

    for (size_t i = 0; i < p->mf->n_pairs; i++)
        if (!cell_blank(p->mf->pairs[i].key) && *p->mf->pairs[i].key.ptr >= 'A' && *p->mf->pairs[i].key.ptr <= 'Z')
            list(&high, p->mf->pairs[i].key);
    if (high.n)
        lint_add(l, "element-case", p->mf, "%s begin%s with a capital", list_end(&high), high.n == 1 ? "s" : "");
    strbuf_release(&high.text);
}

static void check_value_map(struct linter *l, const struct pair_of *p)
{
    const struct map_field *mf = p->mf;
    bool varies = false;

    for (size_t i = 1; i < mf->n_pairs && !varies; i++)
        varies = !cell_ieq(mf->pairs[i].value, mf->pairs[0].value);
    if (mf->n_pairs && !varies)
        lint_add(l, "field-constant", mf, "the value map gives nothing but '" CELL_FMT "'",
                 CELL_ARG(mf->pairs[0].value));
    if (p->f && p->f->en && p->f->en->n) {
        check_elements(l, p);
        check_keys(l, p);
        check_case_of_keys(l, p);
    }
    if (!p->c)
        return;
    if (is_choice(p->c) && p->c->n_options)
        check_options(l, p);
    if (p->c->type == DV_BOOLEAN)
        check_booleans(l, p);
    if (is_text(p->c) && lint_to_dv(mf))
        check_value_length(l, p);
}

/* ---- constants ---- */

static bool is_number(struct cell c, bool decimals)
{
    size_t i = c.len && (*c.ptr == '-' || *c.ptr == '+'), digits = 0, points = 0;

    for (; i < c.len; i++) {
        if (c.ptr[i] >= '0' && c.ptr[i] <= '9')
            digits++;
        else if (c.ptr[i] == '.' && decimals && !points++)
            continue;
        else
            return false;
    }
    return digits > 0;
}

/* Why a column does not take a text; NULL = it does, as far as can be told. */
static const char *column_refuses(const struct dv_column *c, struct cell v)
{
    int64_t number;
    bool b, known = false;

    switch (c->type) {
    case DV_BOOLEAN: return bind_bool_word(v, &b) ? NULL : "is neither true nor false";
    case DV_PICKLIST:
    case DV_STATE:
    case DV_STATUS:
        for (size_t i = 0; i < c->n_options && !known; i++)
            known = cell_to_i64(v, &number) && c->options[i].value == number;
        return known || !c->n_options ? NULL : "is no option of it";
    case DV_INTEGER:
    case DV_BIGINT: return is_number(v, false) ? NULL : "is no integer";
    case DV_DECIMAL:
    case DV_DOUBLE:
    case DV_MONEY: return is_number(v, true) ? NULL : "is no number";
    case DV_STRING:
    case DV_MEMO:
        return c->max_length > 0 && (int64_t)cell_utf16_units(v) > c->max_length ? "is longer than it" : NULL;
    default: return NULL;
    }
}

static const char *field_refuses(const struct fno_field *f, struct cell v)
{
    bool known;
    int64_t number;

    switch (f->type) {
    case FNO_ENUM:
        if (!f->en || !f->en->n)
            return NULL;
        bind_enum_spelling(f, v, &known);
        for (size_t i = 0; i < f->en->n && !known; i++)
            known = cell_to_i64(v, &number) && f->en->values[i] == number;
        return known ? NULL : "is no element of it";
    case FNO_INT:
    case FNO_INT64: return is_number(v, false) ? NULL : "is no integer";
    case FNO_REAL: return is_number(v, true) ? NULL : "is no number";
    case FNO_STRING:
        return f->max_length > 0 && (int64_t)cell_utf16_units(v) > f->max_length ? "is longer than it" : NULL;
    default: return NULL;
    }
}

static void check_constant(struct linter *l, const struct pair_of *p)
{
    struct cell v = p->mf->default_value;
    const char *why = NULL;

    if (!p->mf->has_default || cell_blank(v))
        return;
    if (p->c && p->mf->n_path == 1)
        why = column_refuses(p->c, v);
    else if (p->f && !p->c)
        why = field_refuses(p->f, v);
    if (why)
        lint_add(l, "constant-invalid", p->mf, "the constant '" CELL_FMT "' for '" CELL_FMT "' %s", CELL_ARG(v),
                 CELL_ARG(p->c ? p->c->name : p->f->staging), why);
}

static void check_pair(struct linter *l, const struct pair_of *p)
{
    if (p->f && p->f->en && p->f->en->n == 1)
        lint_add(l, "field-constant", p->mf, "enum " CELL_FMT " has one element only", CELL_ARG(p->f->en->name));
    if (p->c && is_choice(p->c) && p->c->n_options == 1)
        lint_add(l, "field-constant", p->mf, "column '" CELL_FMT "' has one option only", CELL_ARG(p->c->name));
    if (p->mf->n_path == 1 && p->c)
        check_computed_column(l, p);
    if (p->f && p->c && p->mf->n_path == 1 && !p->mf->has_map) {
        check_length(l, p);
        check_numbers(l, p);
        check_dates(l, p);
    }
    if (p->mf->has_map && p->mf->n_path == 1)
        check_value_map(l, p);
}

static void check_pipeline(struct linter *l, const struct map_field *mf)
{
    const struct json *fields = json_iget(json_at(json_iget(l->m->doc, "legs"), 0), "fieldMappings");
    const struct json *list_of = json_iget(json_at(fields, mf->index), "valueTransforms");

    if (list_of && list_of->type == JSON_ARRAY && list_of->n > 1)
        lint_add(l, "transform-several", mf, "%zu transforms stand behind each other", list_of->n);
}

void lint_fields(struct linter *l)
{
    for (size_t i = 0; i < l->m->n; i++) {
        const struct map_field *mf = &l->m->fields[i];
        struct pair_of p = { .mf = mf };

        if (lint_is_company(l->table, mf))
            continue;
        check_pipeline(l, mf);
        if (l->entity && !cell_absent(mf->source))
            p.f = fno_field_find(l->entity, mf->source);
        if (l->table && mf->n_path)
            p.c = dv_column_find(l->table, mf->path[0].name);
        if (l->in->only && !cell_absent(l->in->only[i]))
            lint_add(l, "field-unused", mf,
                     cell_blank(l->in->only[i]) ? "blank in all %llu rows" CELL_FMT
                                                : "the same in all %llu rows: '" CELL_FMT "'",
                     (unsigned long long)l->in->rows, CELL_ARG(l->in->only[i]));
        if (p.f)
            check_fno_write(l, &p);
        if (cell_absent(mf->source) || cell_absent(mf->destination))
            check_constant(l, &p);
        else
            check_pair(l, &p);
    }
}

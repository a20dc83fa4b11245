/* bind_rule.c -- which canonical rule a bound field gets, by the types of both sides; value maps. */
#include "map/bind_parts.h"

struct cell bind_enum_spelling(const struct fno_field *f, struct cell text, bool *ret_known)
{
    const struct fno_enum *en = f ? f->en : NULL;

    *ret_known = true;
    if (!en || !en->n)
        return text;
    for (size_t i = 0; i < en->n; i++)
        if (cell_ieq(en->members[i], text))
            return en->members[i];
    for (size_t i = 0; i < en->n; i++) /* exports may carry labels */
        if (!cell_absent(en->labels[i]) && cell_ieq(en->labels[i], text))
            return en->members[i];
    *ret_known = false;
    return text;
}

const struct map_pair *bind_pair_by_key(const struct map_field *mf, struct cell key)
{
    for (size_t i = 0; i < mf->n_pairs; i++)
        if (cell_ieq(mf->pairs[i].key, key))
            return &mf->pairs[i];
    return NULL;
}

bool bind_bool_word(struct cell c, bool *ret)
{
    if (cell_ieq(c, CELL_LIT("true")) || cell_is(c, "1") || cell_ieq(c, CELL_LIT("yes")))
        return *ret = true, true;
    if (cell_ieq(c, CELL_LIT("false")) || cell_is(c, "0") || cell_ieq(c, CELL_LIT("no")))
        return *ret = false, true;
    return false;
}

static bool text(const struct dv_column *c)
{
    return c->type == DV_STRING || c->type == DV_MEMO;
}

static bool same_value(const struct dv_column *c, struct cell v, struct cell w)
{
    bool a, b;

    return cell_ieq(v, w) || (c->type == DV_BOOLEAN && bind_bool_word(v, &a) && bind_bool_word(w, &b) && a == b);
}

const struct map_pair *bind_pair_by_value(const struct bound_field *f, struct cell value)
{
    for (size_t i = 0; i < f->mf->n_pairs; i++)
        if (same_value(f->c, f->mf->pairs[i].value, value))
            return &f->mf->pairs[i];
    return NULL;
}

bool bind_blank_key(const struct bound_field *f, struct cell key)
{
    return cell_blank(key) || (f->f->type != FNO_ENUM && cell_ieq(key, CELL_LIT("blank")));
}

bool bind_blank_value(const struct bound_field *f, struct cell value)
{
    return cell_blank(value) || (!text(f->c) && cell_ieq(value, CELL_LIT("blank")));
}

const struct map_pair *bind_pair_of_blank_key(const struct bound_field *f)
{
    for (size_t i = 0; i < f->mf->n_pairs; i++)
        if (bind_blank_key(f, f->mf->pairs[i].key))
            return &f->mf->pairs[i];
    return NULL;
}

const struct map_pair *bind_pair_of_blank_value(const struct bound_field *f)
{
    for (size_t i = 0; i < f->mf->n_pairs; i++)
        if (bind_blank_value(f, f->mf->pairs[i].value))
            return &f->mf->pairs[i];
    return NULL;
}

static struct canon_rule by_column(const struct dv_column *c)
{
    struct canon_rule r = { .type = CANON_TEXT, .scale = -1 };

    switch (c->type) {
    case DV_BOOLEAN: r.type = CANON_BOOL; break;
    case DV_PICKLIST:
    case DV_STATE:
    case DV_STATUS:
    case DV_MULTI: r.type = CANON_WORD; break;
    case DV_INTEGER:
    case DV_BIGINT: r.type = CANON_INT; break;
    case DV_DECIMAL:
    case DV_DOUBLE:
    case DV_MONEY:
        r.type = CANON_DECIMAL;
        r.scale = c->precision >= 0 && c->precision < 16 ? c->precision : 16;
        break;
    case DV_DATETIME: r.type = cell_is(c->behavior, "DateOnly") ? CANON_DATE : CANON_DATETIME; break;
    case DV_GUID: r.type = CANON_GUID; break;
    case DV_LOOKUP:
    case DV_OWNER: r.type = CANON_KEY; break;
    case DV_STRING:
    case DV_MEMO:
    case DV_OTHER: break;
    }
    return r;
}

static bool numeric(enum dv_type t)
{
    return t == DV_INTEGER || t == DV_BIGINT || t == DV_DECIMAL || t == DV_DOUBLE || t == DV_MONEY;
}

static void mismatch(const struct bound_field *f, const char *fno, const char *hint, struct bind_problems *bad)
{
    bind_problem(bad, "DIPV1030", f->mf, CELL_FMT ": %s does not fit Dataverse column '" CELL_FMT "'%s",
                 CELL_ARG(f->name), fno, CELL_ARG(f->c->name), hint);
}

/* A plain pair: the rule is the narrower of both types. */
static void plain_rule(struct bound_field *f, struct bind_problems *bad)
{
    const struct fno_field *ff = f->f;
    const struct dv_column *c = f->c;

    f->rule = by_column(c);
    switch (ff->type) {
    case FNO_ENUM:
        if (!text(c))
            mismatch(f, "an enum without a value map", "; add a value map (map enums proposes one)", bad);
        f->rule.type = CANON_WORD;
        if (ff->en && ff->en->n)
            f->rule.zero = ff->en->members[0];
        break;
    case FNO_STRING:
    case FNO_OTHER:
        if (numeric(c->type) || c->type == DV_BOOLEAN || c->type == DV_DATETIME || c->type == DV_PICKLIST)
            mismatch(f, "a text", "", bad);
        break;
    case FNO_REAL:
        if (!numeric(c->type) && !text(c))
            mismatch(f, "a real", "", bad);
        if (text(c))
            f->rule = (struct canon_rule){ .type = CANON_DECIMAL, .scale = 16 };
        if (c->type == DV_INTEGER || c->type == DV_BIGINT)
            f->rule = (struct canon_rule){ .type = CANON_DECIMAL, .scale = 0 };
        break;
    case FNO_INT:
    case FNO_INT64:
        if (!numeric(c->type) && !text(c))
            mismatch(f, "an integer", "", bad);
        if (ff->type == FNO_INT64 && c->type == DV_INTEGER)
            mismatch(f, "a 64-bit integer", "; the column holds 32 bits", bad);
        f->rule = numeric(c->type) && c->type != DV_INTEGER && c->type != DV_BIGINT
                      ? f->rule
                      : (struct canon_rule){ .type = CANON_INT };
        break;
    case FNO_DATE:
        if (c->type != DV_DATETIME && !text(c))
            mismatch(f, "a date", "", bad);
        f->rule = (struct canon_rule){ .type = CANON_DATE };
        break;
    case FNO_UTCDATETIME:
        if (c->type != DV_DATETIME && !text(c))
            mismatch(f, "a date-time", "", bad);
        if (text(c))
            f->rule = (struct canon_rule){ .type = CANON_DATETIME };
        break;
    case FNO_GUID:
        if (c->type != DV_GUID && !text(c))
            mismatch(f, "a GUID", "", bad);
        f->rule = (struct canon_rule){ .type = CANON_GUID };
        break;
    }
}

static void value_map_rule(struct bound_field *f, struct bind_problems *bad)
{
    const struct map_field *mf = f->mf;

    for (size_t i = 0; i < mf->n_pairs; i++) {
        bool b;

        if (f->c->type == DV_BOOLEAN && !bind_blank_value(f, mf->pairs[i].value) &&
            !bind_bool_word(mf->pairs[i].value, &b))
            bind_problem(bad, "DIPV1030", mf, CELL_FMT ": the value map gives '" CELL_FMT "' for a yes/no column",
                         CELL_ARG(f->name), CELL_ARG(mf->pairs[i].value));
    }
    if (bind_in_fno_words(f)) {
        /* Keys of texts are matched ignoring case, too ("us" for "US"), so that is no difference either. */
        f->rule = (struct canon_rule){ .type = CANON_WORD };
        if (f->f->en && f->f->en->n)
            f->rule.zero = f->f->en->members[0];
    } else {
        f->rule = by_column(f->c);
        if (f->f->en && f->f->en->n && f->rule.type != CANON_BOOL) {
            const struct map_pair *p = bind_pair_by_key(mf, f->f->en->members[0]);

            if (p) {
                f->rule.type = CANON_WORD;
                f->rule.zero = p->value;
            }
        }
    }
}

void bind_choose_rule(struct binding *b, struct bound_field *f, struct bind_problems *bad)
{
    (void)b;
    switch (f->kind) {
    case BOUND_PLAIN: plain_rule(f, bad); break;
    case BOUND_VALUEMAP: value_map_rule(f, bad); break;
    case BOUND_LOOKUP:
        f->rule =
            (struct canon_rule){ .type = f->f->type == FNO_INT || f->f->type == FNO_INT64 ? CANON_INT : CANON_KEY };
        break;
    case BOUND_CONST_DV: f->rule = by_column(f->c); break;
    case BOUND_CONST_FNO:
    case BOUND_COMPANY: break;
    }
}

static void tune(struct bound_field *f, struct cell words, struct bind_problems *bad)
{
    const char *p = words.ptr, *end = words.ptr + words.len, *why;

    if (f->key || f->kind == BOUND_COMPANY) {
        bind_problem(bad, "compare", f->mf,
                     "compare." CELL_FMT ": it is part of the key, and keys are always compared "
                     "as both services find rows",
                     CELL_ARG(f->name));
        return;
    }
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p)), *to = comma ? comma : end;
        struct cell word = { p, (size_t)(to - p) };

        while (word.len && word.ptr[0] == ' ')
            word = (struct cell){ word.ptr + 1, word.len - 1 };
        word = cell_rtrim(word);
        if (word.len && !canon_rule_set(&f->rule, word, &why))
            bind_problem(bad, "compare", f->mf,
                         "compare." CELL_FMT ": '" CELL_FMT "': %s (the field is compared as %s)", CELL_ARG(f->name),
                         CELL_ARG(word), why, canon_type_name(f->rule.type));
        p = to + 1;
    }
}

void bind_tune_rules(struct binding *b, const struct bind_settings *set, struct bind_problems *bad)
{
    for (size_t i = 0; i < set->n_compare; i++) {
        size_t n = 0;

        for (size_t k = 0; k < b->n; k++)
            if (bind_named(&b->fields[k], set->compare[i].key)) {
                tune(&b->fields[k], set->compare[i].value, bad);
                n++;
            }
        if (!n)
            bind_problem(bad, "compare", NULL, "compare." CELL_FMT ": the map has no such field%s",
                         CELL_ARG(set->compare[i].key),
                         bind_nearest_field(b->entity, set->compare[i].key, &b->arena));
    }
}

void bind_hash_under(const struct binding *b, int canon_version, char ret[static 65])
{
    struct sha256 *s = sha256_new();
    struct strbuf text = STRBUF(0);

    strbuf_addf(&text, "canon %d\n", canon_version);
    json_write(&text, b->map->doc);
    for (size_t i = 0; i < b->n_key; i++)
        strbuf_addf(&text, "\nkey %.*s", CELL_ARG(b->fields[b->key[i]].name));
    for (size_t i = 0; i < b->n_companies; i++)
        strbuf_addf(&text, "\ncompany %.*s", CELL_ARG(b->companies[i]));
    for (size_t i = 0; i < b->n; i++) {
        const struct canon_rule *r = &b->fields[i].rule;

        strbuf_addf(&text, "\nfield %.*s type %d scale %d master %d", CELL_ARG(b->fields[i].name), r->type, r->scale,
                    b->fields[i].master);
        if (r->strict || r->tuned || r->blanks)
            strbuf_addf(&text, " compare %d %d %d %d %d %d", r->strict, r->blanks, r->exact, r->letters, r->day,
                        r->round);
    }
    sha256_add(s, text.buf, text.len);
    sha256_hex(s, ret);
    strbuf_release(&text);
}

void bind_hash(const struct binding *b, char ret[static 65])
{
    bind_hash_under(b, CANON_VERSION, ret);
}

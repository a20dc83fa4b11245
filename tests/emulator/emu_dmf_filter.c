/*
 * $filter and keys of the data management sets as SQL. Allowed is what the service allows ("Open Data Protocol
 * (OData)", query options): comparisons, and, or, not, parentheses; enums only eq and ne; functions are not
 * queryable; '*' in a text is a wildcard; texts compare without case.
 */
#include "emu_dmf_sets.h"

#include "emu_fno.h"

#include <stdlib.h>
#include <string.h>

/* ---- $filter -> SQL ---- */
struct filter {
    struct dmf_ask *a;
    const char *p;
    struct strbuf *sql;
    int depth;
};

static void blanks(struct filter *f)
{
    f->p += strspn(f->p, " ");
}

static bool bad_filter(struct filter *f)
{
    if (f->a->r->status == 0)
        emu_fno_error(f->a->r, f->a->q, 400,
                      "The query specified in the URI is not valid. Syntax error at '%.40s' in $filter.", f->p);
    return false;
}

static bool word(struct filter *f, const char *w)
{
    size_t n = strlen(w);

    blanks(f);
    if (strncmp(f->p, w, n) != 0 || (f->p[n] != ' ' && f->p[n] != '('))
        return false;
    f->p += n;
    return true;
}

void dmf_sql_text(struct strbuf *out, const char *text)
{
    char *quoted = sqlite3_mprintf("%Q", text);

    strbuf_adds(out, quoted);
    sqlite3_free(quoted);
}

/* A quoted literal with doubled apostrophes; the text goes to `out`. */
static bool quoted_literal(struct filter *f, struct strbuf *out)
{
    for (f->p++; *f->p; f->p++) {
        if (*f->p == '\'' && f->p[1] == '\'')
            f->p++;
        else if (*f->p == '\'') {
            f->p++;
            return true;
        }
        strbuf_addc(out, *f->p);
    }
    return bad_filter(f);
}

/* The service's wildcard equality: '*' at either end of the text. */
static void add_match(struct filter *f, const char *text, bool equal)
{
    struct strbuf like = { 0 };

    if (!strchr(text, '*')) {
        strbuf_adds(f->sql, equal ? " = " : " <> ");
        dmf_sql_text(f->sql, text);
        strbuf_adds(f->sql, " collate nocase");
        return;
    }
    for (; *text; text++) {
        if (*text == '%' || *text == '_' || *text == '\\')
            strbuf_addc(&like, '\\');
        strbuf_addc(&like, *text == '*' ? '%' : *text);
    }
    strbuf_adds(f->sql, equal ? " like " : " not like ");
    dmf_sql_text(f->sql, strbuf_str(&like));
    strbuf_adds(f->sql, " escape '\\'");
    strbuf_release(&like);
}

static bool comparison(struct filter *f)
{
    static const struct {
        const char *word, *sql;
    } OPS[] = { { "eq", "=" }, { "ne", "<>" }, { "gt", ">" }, { "ge", ">=" }, { "lt", "<" }, { "le", "<=" } };
    size_t n = strcspn(f->p, " ()',"), op;
    const struct dmf_property *p = dmf_property(f->a->set, f->p, n);
    struct strbuf text = { 0 };
    bool ok = true;

    if (!p && n && f->p[n] != '(')
        return dmf_unknown_property(f->a, f->p, n);
    if (!p)
        return bad_filter(f); /* functions are not queryable */
    f->p += n;
    for (op = 0; op < COUNT(OPS) && !word(f, OPS[op].word); op++)
        continue;
    blanks(f);
    if (op == COUNT(OPS) || (p->kind == 'e' && op > 1))
        return bad_filter(f);
    strbuf_addf(f->sql, "(%s)", dmf_property_sql(p));
    if (p->kind == 'e') {
        f->p += strcspn(f->p, "' )"); /* Microsoft.Dynamics.DataEntities.NoYes'Yes' */
        if (*f->p != '\'')
            return bad_filter(f);
    }
    if (*f->p == '\'' && (p->kind == 's' || p->kind == 'e')) {
        ok = quoted_literal(f, &text);
        if (op < 2) {
            add_match(f, strbuf_str(&text), op == 0);
        } else {
            strbuf_addf(f->sql, " %s ", OPS[op].sql);
            dmf_sql_text(f->sql, strbuf_str(&text));
            strbuf_adds(f->sql, " collate nocase");
        }
    } else {
        int64_t v;
        char *end;

        n = strcspn(f->p, " )");
        v = strtoll(f->p, &end, 10);
        ok = n > 0 && (p->kind == 'i' ? end == f->p + n : p->kind == 't' && clock_parse_utc(f->p, n, &v));
        f->p += ok ? n : 0;
        strbuf_addf(f->sql, " %s %lld", OPS[op].sql, (long long)v);
        ok = ok || bad_filter(f);
    }
    strbuf_release(&text);
    return ok;
}

static bool disjunction(struct filter *f);

static bool unary(struct filter *f)
{
    blanks(f);
    if (++f->depth > 60)
        return bad_filter(f);
    if (word(f, "not")) {
        strbuf_adds(f->sql, " not ");
        return unary(f);
    }
    if (*f->p != '(')
        return comparison(f);
    f->p++;
    strbuf_addc(f->sql, '(');
    if (!disjunction(f))
        return false;
    blanks(f);
    if (*f->p != ')')
        return bad_filter(f);
    f->p++;
    strbuf_addc(f->sql, ')');
    return true;
}

static bool conjunction(struct filter *f)
{
    if (!unary(f))
        return false;
    while (word(f, "and")) {
        strbuf_adds(f->sql, " and ");
        if (!unary(f))
            return false;
    }
    return true;
}

static bool disjunction(struct filter *f)
{
    strbuf_addc(f->sql, '(');
    if (!conjunction(f))
        return false;
    while (word(f, "or")) {
        strbuf_adds(f->sql, ") or (");
        if (!conjunction(f))
            return false;
    }
    strbuf_addc(f->sql, ')');
    return true;
}

bool dmf_filter_sql(struct dmf_ask *a, const char *text, struct strbuf *sql)
{
    struct filter f = { .a = a, .p = text, .sql = sql };

    if (!disjunction(&f))
        return false;
    blanks(&f);
    return !*f.p || bad_filter(&f);
}

/* ---- keys ---- */
/*
 * Turns "(...)" into SQL conditions. One unnamed string is enough where the key has one part; a project may also be
 * addressed with its OperationType. False = answered.
 */
bool dmf_key_sql(struct dmf_ask *a, const char *key, struct strbuf *sql)
{
    const struct dmf_property *single = &a->set->p[0];
    struct filter f = { .a = a, .p = key + 1, .sql = sql };
    size_t given = 0, need = 0;
    bool ok = true;

    for (size_t i = 0; i < a->set->n; i++)
        need += a->set->p[i].key;
    for (; ok && *f.p && *f.p != ')'; f.p += *f.p == ',') {
        size_t n = strcspn(f.p, "='");
        const struct dmf_property *p = f.p[n] == '=' ? dmf_property(a->set, f.p, n) : need == 1 ? single : NULL;
        struct strbuf text = { 0 };

        ok = p && (p->kind == 's' || p->kind == 'e');
        if (ok) {
            f.p += strcspn(f.p, "'");
            ok = *f.p == '\'' && quoted_literal(&f, &text);
        }
        if (ok) {
            strbuf_addf(sql, "%s(%s)", given ? " and " : "", dmf_property_sql(p));
            strbuf_adds(sql, " = ");
            dmf_sql_text(sql, strbuf_str(&text));
            strbuf_adds(sql, " collate nocase");
            given++;
        }
        strbuf_release(&text);
    }
    ok = ok && !strcmp(f.p, ")") && given >= need;
    if (!ok && a->r->status == 0)
        emu_fno_error(a->r, a->q, 400, "The key '%.80s' is not valid for the entity set '%s'.", key, a->set->path);
    return ok;
}

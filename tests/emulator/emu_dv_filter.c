/*
 * $filter -> SQL. Source: Dataverse Web API, "Filter rows using OData": comparison and logical operators, contains,
 * startswith, endswith, the Microsoft.Dynamics.CRM.In function, columns of the row behind a lookup by nav/column.
 */
#include "emu_dv.h"
#include "emu_dv_filter.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void dv_sql_param(struct dv_sql *s, struct arena *a, const char *text)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        const char **more = arena_alloc(a, cap * sizeof(*more));

        if (s->n)
            memcpy(more, s->params, s->n * sizeof(*more));
        s->params = more;
        s->cap = cap;
    }
    s->params[s->n++] = text;
    strbuf_addc(&s->text, '?');
}

void dv_sql_bind(const struct dv_sql *s, sqlite3_stmt *st)
{
    for (size_t i = 0; i < s->n; i++)
        dv_bind(st, (int)i + 1, s->params[i]);
}

struct compile {
    struct dv_op *op;
    const struct dv_table *t;
    struct dv_sql *out;
};

/* A column as the filter names it. */
struct place {
    const struct dv_table *t;
    const struct dv_col *c;
    const char *sql;
};

static bool refuse(struct compile *cc, const char *fmt, const char *a, const char *b)
{
    char text[600];

    snprintf(text, sizeof(text), fmt, a, b);
    return dv_refuse(&cc->op->fail, 400, "0x0", "%s", text);
}

static bool unknown(struct compile *cc, const struct dv_table *t, const char *name)
{
    return refuse(cc, "Could not find a property named '%.100s' on type 'Microsoft.Dynamics.CRM.%.100s'.", name,
                  t->logical);
}

/* A plain name: a column, or _x_value. */
static const struct dv_col *plain(const struct dv_table *t, const char *name, bool lookups_by_name)
{
    int col = dv_col_by_value_name(t, name, strlen(name));

    if (col < 0) {
        col = dv_col_by_name(t, name, strlen(name));
        if (col >= 0 && (t->cols[col].role == DV_HIDDEN || (dv_is_lookup(&t->cols[col]) && !lookups_by_name)))
            col = -1;
    }
    return col >= 0 ? &t->cols[col] : NULL;
}

static bool find_place(struct compile *cc, const char *path, bool lookups_by_name, struct place *ret)
{
    const char *slash = strchr(path, '/'), *target = NULL;
    const struct dv_table *to;
    int col;

    if (!slash) {
        ret->t = cc->t;
        ret->c = plain(cc->t, path, lookups_by_name);
        if (!ret->c)
            return unknown(cc, cc->t, path);
        ret->sql = arena_printf(cc->op->a, "t0.\"%s\"", ret->c->name);
        return true;
    }
    if (!strcmp(slash, "/Value")) { /* a managed property */
        char *name = arena_dup(cc->op->a, path, (size_t)(slash - path));

        return find_place(cc, name, lookups_by_name, ret);
    }
    col = dv_col_by_nav(cc->t, path, (size_t)(slash - path), &target);
    if (col < 0)
        return unknown(cc, cc->t, arena_dup(cc->op->a, path, (size_t)(slash - path)));
    to = dv_table_by_logical(cc->op->e, target, strlen(target));
    ret->t = to;
    ret->c = to ? plain(to, slash + 1, lookups_by_name) : NULL;
    if (!ret->c)
        return unknown(cc, to ? to : cc->t, slash + 1);
    ret->sql = arena_printf(cc->op->a, "(select n.\"%s\" from \"dv_%s\" n where n.\"%s\" = t0.\"%s\")", ret->c->name,
                            to->logical, to->cols[0].name, cc->t->cols[col].name);
    return true;
}

/* ---- literals against columns ---- */

static const char *node_type(const struct dv_fnode *n)
{
    switch (n->kind) {
    case DF_STRING: return "Edm.String";
    case DF_NUMBER: return strchr(n->text, '.') ? "Edm.Decimal" : "Edm.Int32";
    case DF_BOOL: return "Edm.Boolean";
    case DF_DATETIME: return strlen(n->text) == 10 ? "Edm.Date" : "Edm.DateTimeOffset";
    case DF_GUID: return "Edm.Guid";
    case DF_ENUM: return n->type ? n->type : "enum";
    default: return "expression";
    }
}

static bool is_decimal(const struct dv_col *c)
{
    return c->type == C_DECIMAL || c->type == C_MONEY || c->type == C_DOUBLE;
}

/* Text to bind for this literal; false = the types do not go together. */
static bool literal(struct compile *cc, const struct dv_col *c, const struct dv_fnode *n, const char *operator,
                    const char ** ret)
{
    char iso[32];
    int64_t ms;
    bool fits = false;

    *ret = n->text;
    switch (c->type) {
    case C_STRING:
    case C_MEMO:
    case C_ENTITYNAME: fits = n->kind == DF_STRING; break;
    case C_INTEGER:
    case C_BIGINT:
    case C_PICKLIST:
    case C_STATE:
    case C_STATUS:
    case C_DECIMAL:
    case C_MONEY:
    case C_DOUBLE: fits = n->kind == DF_NUMBER; break;
    case C_BOOLEAN:
        fits = n->kind == DF_BOOL;
        *ret = fits && !strcmp(n->text, "true") ? "1" : "0";
        break;
    case C_DATETIME:
        fits = n->kind == DF_DATETIME && clock_parse_utc(n->text, strlen(n->text), &ms);
        if (fits) {
            clock_format_utc(ms, iso);
            if (c->behavior && !strcmp(c->behavior, "DateOnly"))
                iso[10] = '\0';
            *ret = arena_strdup(cc->op->a, iso);
        }
        break;
    default: fits = n->kind == DF_GUID;
    }
    if (fits)
        return true;
    return dv_refuse(&cc->op->fail, 400, "0x0",
                     "A binary operator with incompatible types was detected. Found operand types '%s' and '%s' for "
                     "operator kind '%s'.",
                     dv_edm_type(c), node_type(n), operator);
}

static void add_value(struct compile *cc, const struct dv_col *c, const char *text)
{
    if (is_decimal(c)) {
        strbuf_adds(&cc->out->text, "cast(");
        dv_sql_param(cc->out, cc->op->a, text);
        strbuf_adds(&cc->out->text, " as real)");
    } else {
        dv_sql_param(cc->out, cc->op->a, text);
    }
}

static void add_place(struct compile *cc, const struct place *p)
{
    if (is_decimal(p->c))
        strbuf_addf(&cc->out->text, "cast(%s as real)", p->sql);
    else
        strbuf_adds(&cc->out->text, p->sql);
}

static const char *collation(const struct dv_col *c)
{
    return c->role == DV_PK ? " collate dvguid" : c->type == C_STRING || c->type == C_MEMO ? " collate dv" : "";
}

static bool compare(struct compile *cc, const struct dv_fnode *n)
{
    static const struct {
        enum dv_fkind kind;
        const char *sql, *name, *mirrored;
    } OPS[] = {
        { DF_EQ, "=", "Equal", "=" },       { DF_NE, "is not", "NotEqual", "is not" },
        { DF_GT, ">", "GreaterThan", "<" }, { DF_GE, ">=", "GreaterThanOrEqual", "<=" },
        { DF_LT, "<", "LessThan", ">" },    { DF_LE, "<=", "LessThanOrEqual", ">=" },
    };
    const struct dv_fnode *left = n->args[0], *right = n->args[1];
    struct strbuf *s = &cc->out->text;
    struct place p, other;
    const char *text, *sql;
    size_t k = 0;

    while (k < COUNT(OPS) && OPS[k].kind != n->kind)
        k++;
    sql = OPS[k].sql;
    if (left->kind != DF_PROPERTY && right->kind == DF_PROPERTY) {
        left = n->args[1];
        right = n->args[0];
        sql = OPS[k].mirrored;
    }
    if (left->kind != DF_PROPERTY)
        return refuse(cc, "The expression compares %s with %s: one side has to be a column.", node_type(n->args[0]),
                      node_type(n->args[1]));
    if (!find_place(cc, left->text, false, &p))
        return false;
    if (right->kind == DF_NULL) {
        if (n->kind != DF_EQ && n->kind != DF_NE) {
            strbuf_adds(s, "0");
            return true;
        }
        strbuf_addf(s, "%s is %snull", p.sql, n->kind == DF_NE ? "not " : "");
        return true;
    }
    if (right->kind == DF_PROPERTY) { /* two columns of the row */
        if (!find_place(cc, right->text, false, &other))
            return false;
        if (strcmp(dv_edm_type(p.c), dv_edm_type(other.c)) != 0)
            return refuse(cc, "Column types %.60s and %.60s cannot be compared.", dv_edm_type(p.c),
                          dv_edm_type(other.c));
        add_place(cc, &p);
        strbuf_addf(s, " %s ", sql);
        add_place(cc, &other);
        strbuf_adds(s, collation(p.c));
        return true;
    }
    if (!literal(cc, p.c, right, OPS[k].name, &text))
        return false;
    add_place(cc, &p);
    strbuf_addf(s, " %s ", sql);
    add_value(cc, p.c, text);
    strbuf_adds(s, collation(p.c));
    return true;
}

/* ---- functions ---- */

static bool text_function(struct compile *cc, const struct dv_fnode *n)
{
    struct strbuf *s = &cc->out->text;
    struct strbuf folded = { 0 };
    struct place p;
    const char *wanted;

    if (n->n != 2 || n->args[0]->kind != DF_PROPERTY || n->args[1]->kind != DF_STRING)
        return refuse(cc, "The function '%.60s' takes a column and a text.%s", n->text, "");
    if (!find_place(cc, n->args[0]->text, false, &p))
        return false;
    if (strcmp(dv_edm_type(p.c), "Edm.String") != 0)
        return refuse(cc, "The function '%.60s' does not take a column of type %.40s.", n->text, dv_edm_type(p.c));
    dv_fold(&folded, n->args[1]->text, strlen(n->args[1]->text));
    wanted = arena_dup(cc->op->a, strbuf_str(&folded), folded.len);
    if (!strcmp(n->text, "contains")) {
        strbuf_addf(s, "instr(dv_fold(%s), ", p.sql);
        dv_sql_param(cc->out, cc->op->a, wanted);
        strbuf_adds(s, ") > 0");
    } else {
        size_t length = 0;

        for (const char *c = wanted; *c; c++)
            length += ((unsigned char)*c & 0xc0) != 0x80;
        if (!strcmp(n->text, "startswith"))
            strbuf_addf(s, "substr(dv_fold(%s), 1, %zu) = ", p.sql, length);
        else
            strbuf_addf(s, "%zu = 0 or substr(dv_fold(rtrim(%s)), -%zu) = ", length, p.sql, length ? length : 1);
        dv_sql_param(cc->out, cc->op->a, wanted);
    }
    strbuf_release(&folded);
    return true;
}

static const struct dv_fnode *argument(const struct dv_fnode *n, const char *name)
{
    for (size_t i = 0; i < n->n; i++)
        if (n->arg_names && n->arg_names[i] && !strcmp(n->arg_names[i], name))
            return n->args[i];
    return NULL;
}

static bool in_function(struct compile *cc, const struct dv_fnode *n)
{
    const struct dv_fnode *name = argument(n, "PropertyName"), *list = argument(n, "PropertyValues");
    struct strbuf *s = &cc->out->text;
    struct place p;

    if (!name || name->kind != DF_STRING || !list || list->kind != DF_LIST)
        return refuse(cc, "The function '%.60s' takes PropertyName and PropertyValues.%s", n->text, "");
    if (!find_place(cc, name->text, true, &p))
        return false;
    add_place(cc, &p);
    strbuf_adds(s, " in (");
    for (size_t i = 0; i < list->n; i++) {
        const struct dv_fnode *v = list->args[i];
        char guid[37];
        const char *text = v->text;

        if (v->kind != DF_STRING && v->kind != DF_NUMBER && v->kind != DF_GUID)
            return refuse(cc, "The values of '%.60s' have to be texts.%s", n->text, "");
        if (!strcmp(dv_edm_type(p.c), "Edm.Guid")) {
            if (!dv_guid(text, strlen(text), guid))
                return refuse(cc, "'%.80s' is not a valid value for '%.80s'.", text, p.c->name);
            text = arena_strdup(cc->op->a, guid);
        } else if (p.c->type == C_BOOLEAN) {
            text = !strcasecmp(text, "true") || !strcmp(text, "1") ? "1" : "0";
        }
        if (i)
            strbuf_addc(s, ',');
        add_value(cc, p.c, text);
    }
    strbuf_addc(s, ')');
    return true;
}

static bool call(struct compile *cc, const struct dv_fnode *n)
{
    if (!strcmp(n->text, "contains") || !strcmp(n->text, "startswith") || !strcmp(n->text, "endswith"))
        return text_function(cc, n);
    if (!strcmp(n->text, "Microsoft.Dynamics.CRM.In"))
        return in_function(cc, n);
    return refuse(cc, "An unknown function with name '%.80s' was found.%s", n->text, "");
}

static bool compile(struct compile *cc, const struct dv_fnode *n)
{
    struct strbuf *s = &cc->out->text;
    struct place p;
    bool ok;

    strbuf_addc(s, '(');
    switch (n->kind) {
    case DF_AND:
    case DF_OR:
        ok = compile(cc, n->args[0]);
        strbuf_adds(s, n->kind == DF_AND ? " and " : " or ");
        ok = ok && compile(cc, n->args[1]);
        break;
    case DF_NOT:
        strbuf_adds(s, "not coalesce(");
        ok = compile(cc, n->args[0]);
        strbuf_adds(s, ", 0)");
        break;
    case DF_EQ:
    case DF_NE:
    case DF_GT:
    case DF_GE:
    case DF_LT:
    case DF_LE: ok = compare(cc, n); break;
    case DF_CALL: ok = call(cc, n); break;
    case DF_BOOL:
        strbuf_adds(s, !strcmp(n->text, "true") ? "1" : "0");
        ok = true;
        break;
    case DF_PROPERTY:
        ok = find_place(cc, n->text, false, &p);
        if (ok && p.c->type != C_BOOLEAN)
            ok = refuse(cc, "The $filter expression must evaluate to a single boolean value.%s%s", "", "");
        if (ok)
            strbuf_addf(s, "%s = 1", p.sql);
        break;
    default: ok = refuse(cc, "Arithmetic is not supported in a filter.%s%s", "", ""); break;
    }
    strbuf_addc(s, ')');
    return ok;
}

bool dv_filter_sql(struct dv_op *op, const struct dv_table *t, const char *filter, struct dv_sql *out)
{
    struct compile cc = { op, t, out };
    char msg[400];
    struct dv_fnode *n = dv_filter_parse(op->a, op->q, filter, msg, sizeof(msg));

    if (!n)
        return dv_refuse(&op->fail, 400, "0x0", "%s", msg);
    return compile(&cc, n);
}

bool dv_hidden_rows(const struct emu *e, const struct dv_table *t, struct strbuf *sql)
{
    bool messages = !strcmp(t->logical, "sdkmessagefilter"), steps = !strcmp(t->logical, "sdkmessageprocessingstep");

    if (messages && (EMU_KNOB(e, dv_no_bulk_any) || EMU_KNOB(e, dv_no_upsert_account))) {
        strbuf_addf(
            sql,
            "not (%s exists(select 1 from dv_sdkmessage m where m.sdkmessageid = t0.sdkmessageid and m.name in "
            "('CreateMultiple', 'UpdateMultiple')))",
            EMU_KNOB(e, dv_no_bulk_any) ? "" : "t0.primaryobjecttypecode = 'account' and ");
        return true;
    }
    if (steps && !EMU_KNOB(e, dv_plugin_throws_untagged)) {
        strbuf_adds(sql, "0");
        return true;
    }
    return false;
}

#include "emu_dualwrite_parts.h"
#include "emu_fno.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The application that Finance & Operations signs in with. */
static const char FNO_APP[] = "00000015-0000-0000-c000-000000000000";

struct row {
    const struct emu_value *v;
    size_t n;
    const struct emu_entity *en;
};

static const char *value_of(const struct row *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcasecmp(r->v[i].name, name))
            return r->v[i].value ? r->v[i].value : "";
    return NULL;
}

static const char *get_field(void *arg, const char *name, const struct emu_field **ret_field)
{
    const struct row *r = arg;

    for (size_t i = 0; i < r->en->n; i++)
        if (!strcasecmp(r->en->fields[i].name, name) || !strcasecmp(r->en->fields[i].property, name)) {
            const char *v = value_of(r, r->en->fields[i].name);

            *ret_field = &r->en->fields[i];
            return v ? v : "";
        }
    return NULL;
}

bool dw_row_passes(const struct dw_map *m, const struct emu_value *row, size_t n, bool *ret, char *msg,
                   size_t msg_size)
{
    struct row r = { row, n, m->en };

    *ret = true;
    return !m->source_filter || dw_source_filter(m->source_filter, get_field, &r, ret, msg, msg_size);
}

/* ---- F&O -> Dataverse ---- */

struct towards_dv {
    struct emu *e;
    const struct dw_map *m;
    struct arena arena;
    struct dv_op op;
    struct row row;
    struct dv_change ch;
    const char *company; /* id of the company's row, NULL = the table has none */
    const char *team; /* its owning team */
    char *msg;
    size_t msg_size;
};

static bool refuse(struct towards_dv *w, const char *why)
{
    snprintf(w->msg, w->msg_size, "Unable to write data to entity %s. Writes to %s failed with error message %.700s",
             w->m->set, w->m->en->aot, why);
    return false;
}

/* The service's empty value: an empty text, 1900-01-01. */
static bool is_empty(const struct emu_field *f, const char *v)
{
    return !v || !*v || ((f->type == F_DATE || f->type == F_UTCDATETIME) && !strncmp(v, "1900-01-01", 10));
}

/* Text for the Dataverse side; *ret NULL = null. */
static bool transform(struct towards_dv *w, const struct dw_field *f, const char **ret)
{
    const struct emu_field *field = f->source ? emu_field_by_name(w->m->en, f->source) : NULL;
    const char *v = f->source ? value_of(&w->row, f->source) : NULL;
    char text[300];

    if (f->source && !field) {
        snprintf(text, sizeof(text), "the entity has no field %.80s", f->source);
        return refuse(w, text);
    }
    *ret = NULL;
    if (!field || is_empty(field, v)) {
        *ret = f->default_value;
        for (size_t i = 0; i < f->n_values && field; i++)
            if (!*f->values[i].fno || !strcasecmp(f->values[i].fno, "blank"))
                *ret = f->values[i].dv;
        return true;
    }
    if (!f->has_map) {
        *ret = v;
        return true;
    }
    for (size_t i = 0; i < f->n_values; i++)
        if (!strcasecmp(f->values[i].fno, v)) {
            *ret = strcasecmp(f->values[i].dv, "blank") ? f->values[i].dv : NULL;
            return true;
        }
    if (f->default_value) {
        *ret = f->default_value;
        return true;
    }
    snprintf(text, sizeof(text), "the value '%.80s' of %.80s is not in the value map of %.80s", v, f->source,
             f->column);
    return refuse(w, text);
}

/* One condition of a look-up: what follows the lookup in a path, and the value wanted there. */
struct wanted {
    const char *path, *value;
};

static bool look_up(struct towards_dv *w, const struct dv_table *t, const struct wanted *v, size_t n,
                    char ret[static 37]);

/* Conditions whose paths start with the same further lookup are resolved first, inside out. */
static bool inner_lookup(struct towards_dv *w, const struct dv_table *t, const struct wanted *v, size_t n,
                         size_t first, bool *done, int *ret_col, char ret[static 37])
{
    struct wanted *inner = arena_zalloc(&w->arena, n * sizeof(*inner));
    size_t k = strcspn(v[first].path, "."), count = 0;
    const char *target;
    const struct dv_table *to;

    *ret_col = dv_col_by_name(t, v[first].path, k);
    if (*ret_col < 0 || !dv_is_lookup(&t->cols[*ret_col]))
        return refuse(w, "a path of the map does not lead to a table");
    target = t->cols[*ret_col].navs[0].target;
    to = dv_table_by_logical(w->e, target, strlen(target));
    for (size_t i = first; i < n; i++)
        if (strcspn(v[i].path, ".") == k && v[i].path[k] == '.' && !strncasecmp(v[i].path, v[first].path, k)) {
            inner[count++] = (struct wanted){ v[i].path + k + 1, v[i].value };
            done[i] = true;
        }
    return to && look_up(w, to, inner, count, ret);
}

static bool look_up(struct towards_dv *w, const struct dv_table *t, const struct wanted *v, size_t n,
                    char ret[static 37])
{
    struct dv_sql sql = { .text = STRBUF(0) };
    bool *done = arena_zalloc(&w->arena, (n + 1) * sizeof(*done)), found = false;
    sqlite3_stmt *s;
    struct strbuf said = { 0 };

    strbuf_addf(&sql.text, "select \"%s\" from \"dv_%s\" where 1", t->cols[0].name, t->logical);
    for (size_t i = 0; i < n; i++) {
        char id[37];
        const char *value = v[i].value;
        int col = dv_col_by_name(t, v[i].path, strlen(v[i].path));

        if (done[i])
            continue;
        strbuf_addf(&said, "%s%s: %s", said.len ? ", " : "", v[i].path, value);
        if (col < 0) {
            if (!inner_lookup(w, t, v, n, i, done, &col, id))
                goto out;
            value = arena_strdup(&w->arena, id);
        } else if (!dv_value_from_text(&w->op, t, col, value, &value)) {
            refuse(w, w->op.fail.msg);
            goto out;
        }
        strbuf_addf(&sql.text, " and \"%s\" = ", t->cols[col].name);
        dv_sql_param(&sql, &w->arena, value);
    }
    if (t->company >= 0 && w->company) {
        strbuf_addf(&sql.text, " and \"%s\" = ", t->cols[t->company].name);
        dv_sql_param(&sql, &w->arena, w->company);
    }
    s = dv_prepare(w->e, strbuf_str(&sql.text));
    dv_sql_bind(&sql, s);
    found = dv_step(w->e, s);
    if (found)
        snprintf(ret, 37, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    if (!found) {
        char text[500];

        snprintf(text, sizeof(text), "Unable to look up %.80s with values {%.300s}.", t->set, strbuf_str(&said));
        refuse(w, text);
    }
out:
    strbuf_release(&sql.text);
    strbuf_release(&said);
    return found;
}

/* All fields of the map that share one lookup make one reference. */
static bool set_reference(struct towards_dv *w, size_t first)
{
    const struct dw_map *m = w->m;
    int col = dv_col_by_name(m->t, m->fields[first].column, strlen(m->fields[first].column));
    struct wanted *v = arena_zalloc(&w->arena, m->n * sizeof(*v));
    const struct dv_table *to;
    const char *target;
    char id[37];
    size_t n = 0;
    bool any = false;

    if (col < 0 || !dv_is_lookup(&m->t->cols[col]))
        return refuse(w, arena_printf(&w->arena, "the table has no lookup %.80s", m->fields[first].column));
    target = m->t->cols[col].navs[0].target;
    to = dv_table_by_logical(w->e, target, strlen(target));
    for (size_t i = first; i < m->n; i++) {
        const struct dw_field *f = &m->fields[i];

        if (!(f->direction & DW_TO_DV) || !f->path || strcasecmp(f->column, m->fields[first].column) != 0)
            continue;
        v[n].path = f->path;
        if (!transform(w, f, &v[n].value))
            return false;
        any = any || v[n].value;
        if (v[n].value)
            n++;
    }
    if (!any)
        return dv_set_lookup(&w->op, m->t, col, NULL, NULL, &w->ch);
    return to && look_up(w, to, v, n, id) && dv_set_lookup(&w->op, m->t, col, to, id, &w->ch);
}

static bool set_plain(struct towards_dv *w, const struct dw_field *f)
{
    const struct dw_map *m = w->m;
    int col = dv_col_by_name(m->t, f->column, strlen(f->column));
    const char *v;

    if (col <= 0 || dv_is_lookup(&m->t->cols[col]))
        return refuse(w, arena_printf(&w->arena, "the table has no column %.80s", f->column));
    if (!transform(w, f, &v))
        return false;
    if (v && m->t->cols[col].type == C_BOOLEAN && !f->has_map && (!strcasecmp(v, "yes") || !strcasecmp(v, "no")))
        return refuse(w, arena_printf(&w->arena, "cannot convert the value '%s' to the type of %.80s", v, f->column));
    if (!dv_value_from_text(&w->op, m->t, col, v, &w->ch.v[col]))
        return refuse(w, w->op.fail.msg);
    w->ch.set[col] = true;
    return true;
}

static bool find_company(struct towards_dv *w, const char *code)
{
    const struct dv_table *c = dv_table_by_logical(w->e, "cdm_company", 11);
    sqlite3_stmt *s;

    if (w->m->t->company < 0 || !c)
        return true;
    s = emu_sql(w->e, "select cdm_companyid, cdm_defaultowningteam from dv_cdm_company where cdm_companycode = ?1");
    dv_bind(s, 1, code ? code : "");
    if (dv_step(w->e, s)) {
        w->company = dv_column(s, 0, &w->arena);
        w->team = dv_column(s, 1, &w->arena);
    }
    sqlite3_reset(s);
    if (!w->company)
        return refuse(
            w, arena_printf(&w->arena, "the company '%.20s' does not exist in cdm_companies", code ? code : ""));
    return dv_set_lookup(&w->op, w->m->t, w->m->t->company, c, w->company, &w->ch);
}

static void begin(struct towards_dv *w, struct emu *e, const struct dw_map *m, const struct emu_value *row, size_t n,
                  char *msg, size_t msg_size)
{
    memset(w, 0, sizeof(*w));
    w->e = e;
    w->m = m;
    w->row = (struct row){ row, n, m->en };
    w->msg = msg;
    w->msg_size = msg_size;
    dv_op_init(&w->op, e, NULL, NULL, &w->arena);
    w->op.user_id = dv_user_id(e, FNO_APP);
    w->op.tag = "DualWrite";
    dv_change_init(&w->op, m->t, &w->ch);
}

static bool build(struct towards_dv *w)
{
    const struct dw_map *m = w->m;

    for (size_t i = 0; i < m->n; i++) {
        const struct dw_field *f = &m->fields[i];
        bool first = true;

        if (!(f->direction & DW_TO_DV) || !f->column)
            continue;
        for (size_t k = 0; k < i && f->path; k++)
            first = first && !(m->fields[k].path && (m->fields[k].direction & DW_TO_DV) &&
                               !strcasecmp(m->fields[k].column, f->column));
        if (!(f->path ? !first || set_reference(w, i) : set_plain(w, f)))
            return false;
    }
    return true;
}

/* The row with the same integration key: the table's alternate key, else its unique column. */
static bool find_row(struct towards_dv *w, char ret[static 37])
{
    const struct dv_table *t = w->m->t;
    const char *values[16];

    if (t->n_keys) {
        for (size_t i = 0; i < t->keys[0].n && i < COUNT(values); i++)
            values[i] = w->ch.v[t->keys[0].cols[i]];
        return dv_key_find(w->e, t, &t->keys[0], values, ret);
    }
    for (size_t i = 1; i < t->n_visible; i++) {
        int col = (int)i;
        struct dv_key k = { .name = t->cols[i].name, .cols = &col, .n = 1 };
        const char *v = w->ch.v[i];

        if (t->cols[i].unique)
            return dv_key_find(w->e, t, &k, &v, ret);
    }
    return false;
}

/* Whether a mapped column would change: only then the service sends anything. */
static bool differs(struct towards_dv *w, const char *id)
{
    const char **old = dv_load(w->e, w->m->t, id, &w->arena);

    for (size_t i = 1; i < w->m->t->n; i++)
        if (w->ch.set[i] && (!old[i] != !w->ch.v[i] || (old[i] && strcmp(old[i], w->ch.v[i]) != 0)))
            return true;
    return false;
}

bool dw_to_dataverse(struct emu *e, const struct dw_map *m, const char *company, const struct emu_value *row,
                     size_t n, char *msg, size_t msg_size)
{
    const struct dv_table *team = dv_table_by_logical(e, "team", 4);
    struct towards_dv w;
    char id[37];
    bool ok, was = e->dv->dw->inside;

    begin(&w, e, m, row, n, msg, msg_size);
    e->dv->dw->inside = true;
    dv_savepoint(e, "dw_row");
    ok = find_company(&w, company) && build(&w);
    if (ok && find_row(&w, id)) {
        ok = !differs(&w, id) || dv_update(&w.op, m->t, id, &w.ch) || refuse(&w, w.op.fail.msg);
    } else if (ok) {
        if (w.team && m->t->owner >= 0 && team)
            dv_set_lookup(&w.op, m->t, m->t->owner, team, w.team, &w.ch);
        ok = dv_create(&w.op, m->t, NULL, &w.ch, id) || refuse(&w, w.op.fail.msg);
    }
    if (ok)
        dv_release(e, "dw_row");
    else
        dv_rollback(e, "dw_row");
    if (ok)
        dv_op_count(&w.op);
    e->dv->dw->inside = was;
    arena_release(&w.arena);
    return ok;
}

bool dw_delete_in_dataverse(struct emu *e, const struct dw_map *m, const char *company, const struct emu_value *row,
                            size_t n, char *msg, size_t msg_size)
{
    struct towards_dv w;
    char id[37];
    bool ok, was = e->dv->dw->inside;

    begin(&w, e, m, row, n, msg, msg_size);
    e->dv->dw->inside = true;
    ok = find_company(&w, company);
    /* only what identifies the row: the rest may not resolve any more */
    for (size_t i = 0; i < m->n && ok; i++) {
        const struct dw_field *f = &m->fields[i];
        const struct emu_field *field = f->source ? emu_field_by_name(m->en, f->source) : NULL;

        if (field && field->key && f->column && !f->path)
            ok = set_plain(&w, f);
    }
    if (ok && find_row(&w, id))
        ok = dv_delete(&w.op, m->t, id) || refuse(&w, w.op.fail.msg);
    if (ok)
        dv_op_count(&w.op);
    e->dv->dw->inside = was;
    arena_release(&w.arena);
    return ok;
}

/* ---- Dataverse -> F&O ---- */

struct towards_fno {
    struct emu *e;
    const struct dw_map *m;
    struct arena *a;
    const char **row;
    char *msg;
    size_t msg_size;
};

static bool refuse_fno(struct towards_fno *w, const char *why)
{
    snprintf(
        w->msg, w->msg_size,
        "Microsoft.Dynamics.Integrator.DualWriteRuntime.Plugins.PreCommmitPlugin: Unable to write data to entity %s. "
        "Writes to %s failed with error message %.600s",
        w->m->label, w->m->en->aot, why);
    return false;
}

/* The value at the end of a path through lookups; NULL = null on the way. */
static const char *follow(struct towards_fno *w, const struct dv_table *t, const char *const *row, const char *column,
                          size_t n, const char *path, const struct dv_col **ret_col)
{
    int col = dv_col_by_name(t, column, n);

    *ret_col = col >= 0 ? &t->cols[col] : NULL;
    if (col < 0 || !row[col] || !path)
        return col >= 0 ? row[col] : NULL;
    if (!dv_is_lookup(*ret_col))
        return NULL;
    {
        const char *target = (*ret_col)->target_col >= 0 ? row[(*ret_col)->target_col] : (*ret_col)->navs[0].target;
        const struct dv_table *to = target ? dv_table_by_logical(w->e, target, strlen(target)) : NULL;
        const char **other = to ? dv_load(w->e, to, row[col], w->a) : NULL;
        size_t k = strcspn(path, ".");

        return other ? follow(w, to, other, path, k, path[k] ? path + k + 1 : NULL, ret_col) : NULL;
    }
}

static const char *text_for_fno(struct towards_fno *w, const struct dv_col *c, const struct emu_field *f,
                                const char *v)
{
    if (!v)
        return "";
    if (c->type == C_BOOLEAN)
        return *v == '1' ? "True" : "False";
    if (c->type == C_DATETIME && f->type == F_DATE)
        return arena_dup(w->a, v, strlen(v) < 10 ? strlen(v) : 10);
    if (c->type == C_DATETIME && f->type == F_UTCDATETIME && strlen(v) == 10)
        return arena_printf(w->a, "%sT00:00:00Z", v);
    return v;
}

static bool inverse(struct towards_fno *w, const struct dw_field *f, const char *v, const char **ret)
{
    char text[300];

    *ret = v;
    if (!*v) {
        *ret = f->default_value ? f->default_value : "";
        for (size_t i = 0; i < f->n_values; i++)
            if (!*f->values[i].dv || !strcasecmp(f->values[i].dv, "blank"))
                *ret = f->values[i].fno;
        return true;
    }
    if (!f->has_map)
        return true;
    for (size_t i = 0; i < f->n_values; i++)
        if (!strcasecmp(f->values[i].dv, v)) {
            *ret = strcasecmp(f->values[i].fno, "blank") ? f->values[i].fno : "";
            return true;
        }
    if (f->default_value) {
        *ret = f->default_value;
        return true;
    }
    snprintf(text, sizeof(text), "the value '%.80s' of %.80s is not in the value map of %.80s", v, f->column,
             f->source);
    return refuse_fno(w, text);
}

/* "country" -> the enum's own spelling "Country": value maps write element names in lower camel case. */
static const char *element_name(const struct emu_field *f, const char *v)
{
    for (size_t i = 0; f->type == F_ENUM && i < f->en->n; i++)
        if (!strcasecmp(f->en->members[i].name, v))
            return f->en->members[i].name;
    return v;
}

static bool company_of(struct towards_fno *w, const char **ret, bool *ret_takes_part)
{
    const struct dv_table *c = dv_table_by_logical(w->e, "cdm_company", 11);
    const char **row;
    char *code;

    *ret = NULL;
    *ret_takes_part = true;
    if (w->m->t->company < 0 || w->m->en->shared)
        return true;
    row = c && w->row[w->m->t->company] ? dv_load(w->e, c, w->row[w->m->t->company], w->a) : NULL;
    if (!row || !row[dv_col_by_name(c, "cdm_companycode", 15)]) {
        *ret_takes_part = false; /* without a company a row is not dual-written */
        return true;
    }
    code = arena_strdup(w->a, row[dv_col_by_name(c, "cdm_companycode", 15)]);
    for (char *p = code; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    *ret = code;
    return true;
}

static bool passes_filter(struct towards_fno *w, const char *id, bool *ret)
{
    struct dv_sql sql = { .text = STRBUF(0) };
    struct dv_op op;
    sqlite3_stmt *s;
    bool ok;

    *ret = true;
    if (!w->m->reversed_filter)
        return true;
    dv_op_init(&op, w->e, NULL, NULL, w->a);
    strbuf_addf(&sql.text, "select 1 from \"dv_%s\" t0 where t0.\"%s\" = ", w->m->t->logical, w->m->t->cols[0].name);
    dv_sql_param(&sql, w->a, id);
    strbuf_adds(&sql.text, " and ");
    ok = dv_filter_sql(&op, w->m->t, w->m->reversed_filter, &sql);
    if (ok) {
        s = dv_prepare(w->e, strbuf_str(&sql.text));
        dv_sql_bind(&sql, s);
        *ret = dv_step(w->e, s);
        sqlite3_finalize(s);
    } else {
        refuse_fno(w, op.fail.msg);
    }
    strbuf_release(&sql.text);
    return ok;
}

bool dw_fno_values(struct emu *e, const struct dw_map *m, const char *id, struct arena *a, const char **ret_company,
                   struct emu_value **ret, size_t *ret_n, char *msg, size_t msg_size)
{
    struct towards_fno w = { .e = e, .m = m, .a = a, .msg = msg, .msg_size = msg_size };
    struct emu_value *v = arena_zalloc(a, (m->n + 1) * sizeof(*v));
    bool takes_part, passes;
    size_t n = 0;

    *ret_n = 0;
    *ret = v;
    w.row = dv_load(e, m->t, id, a);
    if (!w.row)
        return true;
    if (!company_of(&w, ret_company, &takes_part) || !passes_filter(&w, id, &passes))
        return false;
    if (!takes_part || !passes)
        return true;
    for (size_t i = 0; i < m->n; i++) {
        const struct dw_field *f = &m->fields[i];
        const struct emu_field *field = f->source ? emu_field_by_name(m->en, f->source) : NULL;
        const struct dv_col *c = NULL;
        const char *text = "";

        if (!(f->direction & DW_TO_FNO) || !f->source)
            continue;
        if (!field)
            return refuse_fno(&w, "the map names a field that the entity does not have");
        if (f->column) {
            const char *value = follow(&w, m->t, w.row, f->column, strlen(f->column), f->path, &c);

            if (!c)
                return refuse_fno(&w, "the map names a column that the table does not have");
            text = text_for_fno(&w, c, field, value);
        }
        if (!inverse(&w, f, text, &text))
            return false;
        v[n++] = (struct emu_value){ field->name, element_name(field, text) };
    }
    *ret_n = n;
    return true;
}

bool dw_to_fno(struct emu *e, const struct dw_map *m, const char *company, const struct emu_value *v, size_t n,
               char *msg, size_t msg_size)
{
    struct towards_fno w = { .e = e, .m = m, .msg = msg, .msg_size = msg_size };
    char why[600] = "";
    bool created, ok, was = e->dv->dw->inside;

    e->dv->dw->inside = true;
    ok = emu_fno_upsert(e, m->en, company, v, n, &created, why, sizeof(why));
    e->dv->dw->inside = was;
    return ok || refuse_fno(&w, why);
}

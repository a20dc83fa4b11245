/*
 * Writing data projects and their lines: POST, PATCH, DELETE, with the checks of the service.
 */
#include "emu_dmf_sets.h"

#include "emu_fno.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROPERTIES_MAX = 40 };

static bool is_member(const char *members, const char *v)
{
    size_t n = strlen(v);

    for (const char *p = members; *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == n && !strncmp(p, v, n))
            return true;
    return false;
}

/* ---- writing ---- */
struct change {
    const struct dmf_property *p;
    const char *text; /* NULL = null */
};

static bool bad_value(struct dmf_ask *a, const char *name)
{
    emu_fno_error(a->r, a->q, 400, "Cannot convert the value of property '%s' to its type.", name);
    return false;
}

/* Body -> changes; every property known, writable, of its type. */
static bool read_body(struct dmf_ask *a, yajl_val body, struct change *ch, size_t *ret_n)
{
    if (!YAJL_IS_OBJECT(body) || YAJL_GET_OBJECT(body)->len > PROPERTIES_MAX) {
        emu_fno_error(a->r, a->q, 400, "The request body is not a valid entity.");
        return false;
    }
    *ret_n = 0;
    for (size_t i = 0; i < YAJL_GET_OBJECT(body)->len; i++) {
        const char *name = YAJL_GET_OBJECT(body)->keys[i];
        yajl_val v = YAJL_GET_OBJECT(body)->values[i];
        const struct dmf_property *p = dmf_property(a->set, name, strlen(name));
        const char *text = YAJL_IS_STRING(v) ? YAJL_GET_STRING(v) : YAJL_IS_NUMBER(v) ? YAJL_GET_NUMBER(v) : NULL;

        if (strchr(name, '@')) /* annotations */
            continue;
        if (!p)
            return dmf_unknown_property(a, name, strlen(name));
        if ((p->kind == 'i') != (YAJL_IS_INTEGER(v) != 0) || (!text && p->kind != 'b' && !YAJL_IS_NULL(v)) ||
            (p->kind == 'e' && !(text && is_member(p->members, text))))
            return bad_value(a, name);
        ch[(*ret_n)++] = (struct change){ p, text };
    }
    return true;
}

static const char *changed(const struct change *ch, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(ch[i].p->name, name))
            return ch[i].text ? ch[i].text : "";
    return NULL;
}

static bool refuse_write(struct dmf_ask *a, const char *reason)
{
    emu_fno_error(
        a->r, a->q, 400,
        "Write failed for table row of type '%sEntity'. Infolog: Error: %s; Error: Update has been canceled..",
        a->set->type, reason);
    return false;
}

static bool line_valid(struct dmf_ask *a, const struct change *ch, size_t n, bool create)
{
    const char *project = changed(ch, n, "DefinitionGroupId"), *label = changed(ch, n, "EntityName"),
               *format = changed(ch, n, "SourceFormat"), *skip = changed(ch, n, "SkipStaging");
    const struct emu_entity *en = label ? emu_entity_by_label(&a->e->tenant, label) : NULL;

    if (create && !emu_int(a->e, "select count(*) from dmf_project where Name = ?1", "t", project))
        return refuse_write(a, arena_printf(a->q->arena, "Data project %s does not exist.", project));
    if (create && !en)
        return refuse_write(a,
                            arena_printf(a->q->arena, "Entity %s does not exist in the target environment", label));
    if ((create || format) && !dmf_format(a->e, format ? format : ""))
        return refuse_write(
            a, arena_printf(a->q->arena,
                            "The value '%s' in field 'Source data format' is not found in the related table "
                            "'Source data formats'.",
                            format ? format : ""));
    /* postLoad() and virtual fields rule skipping out; entities of that kind also run on one thread only. */
    if (skip && !strcmp(skip, "Yes") && en && en->single_threaded)
        return refuse_write(a, arena_printf(a->q->arena, "Staging cannot be skipped for entity %s.", label));
    return true;
}

static bool write_valid(struct dmf_ask *a, const struct change *ch, size_t n, bool create)
{
    const char *name = changed(ch, n, "Name");

    for (size_t i = 0; i < a->set->n && create; i++) {
        const char *v = a->set->p[i].key ? changed(ch, n, a->set->p[i].name) : "x";

        if (!v || !*v)
            return refuse_write(a, arena_printf(a->q->arena, "Field '%s' must be filled in.", a->set->p[i].name));
    }
    for (size_t i = 0; i < n && !create; i++)
        if (ch[i].p->key)
            return refuse_write(a, arena_printf(a->q->arena, "Field '%s' cannot be changed.", ch[i].p->name));
    if (name && strpbrk(name, "\\/:*?\"<>|"))
        return refuse_write(a, arena_printf(a->q->arena, "The data project name '%s' is not valid.", name));
    return a->set->id != DMF_LINES || line_valid(a, ch, n, create);
}

static void key_of(struct dmf_ask *a, const struct change *ch, size_t n, struct strbuf *sql)
{
    bool any = false;

    for (size_t i = 0; i < n; i++)
        if (ch[i].p->key) {
            strbuf_addf(sql, "%s%s = ", any ? " and " : "", ch[i].p->name);
            dmf_sql_text(sql, ch[i].text ? ch[i].text : "");
            strbuf_adds(sql, " collate nocase");
            any = true;
        }
    (void)a;
}

static void run_change(struct dmf_ask *a, const struct strbuf *sql)
{
    sqlite3_stmt *s = dmf_prepare(a, sql);

    if (sqlite3_step(s) != SQLITE_DONE) {
        fprintf(stderr, "dmfsync-emulator: %s in: %s\n", sqlite3_errmsg(a->e->db), strbuf_str(sql));
        abort();
    }
    sqlite3_finalize(s);
}

static bool exists(struct dmf_ask *a, const char *conditions)
{
    struct strbuf sql = { 0 };
    bool found;

    strbuf_addf(&sql, "select 1 from %s where %s", a->set->table, conditions);
    found = dmf_count_rows(a, &sql) > 0;
    strbuf_release(&sql);
    return found;
}

static void create(struct dmf_ask *a, const struct change *ch, size_t n)
{
    struct strbuf sql = { 0 }, key = { 0 };

    if (!write_valid(a, ch, n, true))
        return;
    key_of(a, ch, n, &key);
    if (exists(a, strbuf_str(&key))) {
        refuse_write(
            a, arena_printf(a->q->arena, "Cannot create a record in %s. The record already exists.", a->set->label));
        strbuf_release(&key);
        return;
    }
    strbuf_addf(&sql, "insert into %s(", a->set->table);
    for (size_t i = 0; i < a->set->n; i++)
        strbuf_addf(&sql, "%s%s", i ? ", " : "", a->set->p[i].name);
    strbuf_adds(&sql, ") values(");
    for (size_t i = 0; i < a->set->n; i++) {
        const char *v = changed(ch, n, a->set->p[i].name);

        strbuf_adds(&sql, i ? ", " : "");
        dmf_sql_text(&sql, v ? v : a->set->p[i].dflt); /* %Q of NULL is null */
    }
    strbuf_addc(&sql, ')');
    run_change(a, &sql);
    dmf_read_one(a, strbuf_str(&key), 201);
    strbuf_release(&sql);
    strbuf_release(&key);
}

static void update(struct dmf_ask *a, const char *conditions, const struct change *ch, size_t n)
{
    struct strbuf sql = { 0 };

    if (!write_valid(a, ch, n, false))
        return;
    a->r->status = 204;
    if (!n)
        return;
    strbuf_addf(&sql, "update %s set ", a->set->table);
    for (size_t i = 0; i < n; i++) {
        strbuf_addf(&sql, "%s%s = ", i ? ", " : "", ch[i].p->name);
        dmf_sql_text(&sql, ch[i].text);
    }
    strbuf_addf(&sql, " where %s", conditions);
    run_change(a, &sql);
    strbuf_release(&sql);
}

static void delete_rows(struct dmf_ask *a, const char *conditions)
{
    struct strbuf sql = { 0 };

    if (a->set->id == DMF_GROUPS) { /* a project takes its lines and positions with it */
        strbuf_addf(&sql, "delete from dmf_line where DefinitionGroupId in (select Name from dmf_project where %s)",
                    conditions);
        run_change(a, &sql);
        strbuf_reset(&sql);
        strbuf_addf(&sql, "delete from dmf_position where project in (select Name from dmf_project where %s)",
                    conditions);
        run_change(a, &sql);
        strbuf_reset(&sql);
    }
    strbuf_addf(&sql, "delete from %s where %s", a->set->table, conditions);
    run_change(a, &sql);
    strbuf_release(&sql);
    a->r->status = 204;
}

void dmf_write_request(struct dmf_ask *a, const char *key)
{
    yajl_val body = strcmp(a->q->method, "DELETE") != 0 ? yajl_tree_parse(a->q->body, NULL, 0) : NULL;
    struct change ch[PROPERTIES_MAX];
    struct strbuf conditions = { 0 };
    size_t n = 0;

    if (*key && !dmf_key_sql(a, key, &conditions))
        goto out;
    if (*key && !exists(a, strbuf_str(&conditions))) {
        emu_fno_error(a->r, a->q, 400, "No resources were found when selecting for update.");
        goto out;
    }
    if (!strcmp(a->q->method, "DELETE"))
        delete_rows(a, strbuf_str(&conditions));
    else if (read_body(a, body, ch, &n)) {
        if (*key)
            update(a, strbuf_str(&conditions), ch, n);
        else
            create(a, ch, n);
    }
out:
    yajl_tree_free(body);
    strbuf_release(&conditions);
}

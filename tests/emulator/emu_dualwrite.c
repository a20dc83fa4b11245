/*
 * Running maps: their states, the hooks that both sides call after a write, the queue of a paused map, and what can be seen
 * of them: DualWriteProjectConfigurations in F&O, runtime and map rows in Dataverse. Sources: "Enable table maps",
 * "Pause dual-write for maintenance", "Dual-write live synchronization".
 */
#include "emu_dualwrite_parts.h"
#include "emu_dv_meta.h"
#include "emu_fno.h"

#include "base/file.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char SCHEMA[] =
    "create table if not exists dw_map(label text not null, tbl text not null, state text not null,"
    " next text not null, due integer not null, mode integer not null, paused integer not null,"
    " primary key(label, tbl)) without rowid;"
    "create table if not exists dw_queue(seq integer primary key, label text not null, tbl text not null,"
    " side text not null, company text, payload text not null, at integer not null);"
    "create index if not exists dw_queue_map on dw_queue(label, tbl, seq);"
    "create table if not exists dw_error(seq integer primary key, label text not null, tbl text not null,"
    " side text not null, company text, payload text not null, msg text not null);";

struct dw_map *dw_find(struct dw *d, const char *label, const char *set)
{
    for (size_t i = 0; i < d->n; i++)
        if (!strcmp(d->maps[i]->label, label) && !strcmp(d->maps[i]->set, set))
            return d->maps[i];
    return NULL;
}

struct dw_map *dw_add(struct emu *e, const struct dw_map *m)
{
    struct dw *d = e->dv->dw;

    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->maps = xrealloc(d->maps, d->cap * sizeof(*d->maps));
    }
    d->maps[d->n] = arena_zalloc(&e->dv->arena, sizeof(*m));
    *d->maps[d->n] = *m;
    return d->maps[d->n++];
}

/* ---- rows that show a map ---- */

static void set_text(const struct dv_table *t, struct dv_change *ch, const char *name, const char *value)
{
    int col = dv_col_by_name(t, name, strlen(name));

    if (col < 0)
        return;
    ch->set[col] = true;
    ch->v[col] = value;
}

static void write_inside(struct emu *e, const struct dv_table *t, const char *id, struct dv_change *ch,
                         struct arena *a)
{
    struct dv_op op;
    char made[37];

    dv_op_init(&op, e, NULL, NULL, a);
    op.inside = true;
    BUG_IF(!(dv_exists(e, t, id) ? dv_update(&op, t, id, ch) : dv_create(&op, t, id, ch, made)),
           "a row of dual-write's own tables is refused");
}

/* msdyn_dualwriteentitymap: one row per saved version of a map. */
static void show_map(struct emu *e, const struct dw_map *m)
{
    const struct dv_table *t = dv_table_by_logical(e, "msdyn_dualwriteentitymap", 24);
    struct arena a = { 0 };
    struct dv_op op = { .e = e, .a = &a };
    struct dv_change ch;
    char id[37];
    const char *name;

    if (!t)
        return;
    name = arena_printf(&a, "contoso_[%s - %s]", m->set, m->label);
    emu_guid(e, arena_printf(&a, "map %s", name), id);
    dv_change_init(&op, t, &ch);
    set_text(t, &ch, "msdyn_name", name);
    set_text(t, &ch, "msdyn_displayname", arena_printf(&a, "[%s] - [%s]", m->label, m->set));
    set_text(t, &ch, "msdyn_version", "1.0.0.0");
    set_text(t, &ch, "msdyn_mapping", m->text);
    if (!dv_exists(e, t, id))
        write_inside(e, t, id, &ch, &a);
    arena_release(&a);
}

/* The plug-in of a map with Dataverse as a source is armed by an active runtime row. */
void dw_show_runtime(struct emu *e, const struct dw_map *m)
{
    const struct dv_table *t = dv_table_by_logical(e, "msdyn_dualwriteruntimeconfig", 28);
    bool wanted = m->state != DW_STOPPED && (!m->text || (m->direction & DW_TO_FNO));
    struct arena a = { 0 };
    struct dv_change ch;
    struct dv_op op;
    char id[37];

    if (!t)
        return;
    dv_op_init(&op, e, NULL, NULL, &a);
    op.inside = true;
    emu_guid(e, arena_printf(&a, "runtime %s %s", m->label, m->set), id);
    if (wanted) {
        dv_change_init(&op, t, &ch);
        set_text(t, &ch, "msdyn_internalentityname", m->t->logical);
        set_text(t, &ch, "msdyn_externalentityname", m->label);
        set_text(t, &ch, "msdyn_unsecure",
                 arena_printf(&a,
                              "{\"ProjectId\":\"%s\",\"SourceEntityName\":\"%s\",\"SourceEnvironmentType\":1,"
                              "\"DestinationEntityName\":\"%s\",\"DestinationEnvironmentType\":3,"
                              "\"EntityMapVersion\":{\"Major\":1,\"Minor\":0,\"Build\":0,\"Revision\":0},"
                              "\"FieldMappings\":[]}",
                              id, m->set, m->label));
        write_inside(e, t, id, &ch, &a);
    } else if (dv_exists(e, t, id)) {
        BUG_IF(!dv_delete(&op, t, id), "a runtime row cannot be removed");
    }
    arena_release(&a);
}

/* ---- documents ---- */

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static void read_file(struct emu *e, const char *path)
{
    struct dw_map m, *there;
    char msg[300];
    char *text;
    FILE *f = fopen(path, "rb");
    long n = -1;

    if (f && !fseek(f, 0, SEEK_END))
        n = ftell(f);
    if (n < 0 || n > 1048576) {
        if (f)
            fclose(f);
        return;
    }
    rewind(f);
    text = xmalloc((size_t)n + 1);
    n = (long)fread(text, 1, (size_t)n, f);
    fclose(f);
    text[n] = '\0';
    if (!dw_map_read(e, text, (size_t)n, &m, msg, sizeof(msg))) {
        fprintf(stderr, "dmfsync-emulator: %s: %s\n", path, msg);
    } else {
        there = dw_find(e->dv->dw, m.label, m.set);
        if (there) {
            there->text = m.text; /* the document anew; states and queue stay */
            there->name = m.name;
            there->source_filter = m.source_filter;
            there->reversed_filter = m.reversed_filter;
            there->fields = m.fields;
            there->n = m.n;
            there->direction = m.direction;
        } else {
            there = dw_add(e, &m);
        }
        show_map(e, there);
    }
    free(text);
}

void dw_read_folder(struct emu *e)
{
    DIR *dir = e->maps_dir ? opendir(e->maps_dir) : NULL;
    char **names = NULL;
    size_t n = 0;

    for (struct dirent *d; dir && (d = readdir(dir));) {
        size_t len = strlen(d->d_name);

        if (len < 6 || strcmp(d->d_name + len - 5, ".json") != 0)
            continue;
        names = xrealloc(names, (n + 1) * sizeof(*names));
        names[n++] = xstrdup(d->d_name);
    }
    if (dir)
        closedir(dir);
    if (n)
        qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 0; i < n; i++) {
        struct strbuf path = { 0 };

        strbuf_addf(&path, "%s/%s", e->maps_dir, names[i]);
        read_file(e, strbuf_str(&path));
        strbuf_release(&path);
        free(names[i]);
    }
    free(names);
}

static void read_states(struct emu *e)
{
    sqlite3_stmt *s =
        dv_prepare(e, "select label, tbl, state, next, due, mode, paused from dw_map order by label, tbl");

    while (dv_step(e, s)) {
        const char *label = (const char *)sqlite3_column_text(s, 0), *set = (const char *)sqlite3_column_text(s, 1),
                   *state = (const char *)sqlite3_column_text(s, 2);
        struct dw_map *m = dw_find(e->dv->dw, label, set);
        struct dw_map fresh = { .label = arena_strdup(&e->dv->arena, label),
                                .set = arena_strdup(&e->dv->arena, set) };

        fresh.en = emu_entity_by_label(&e->tenant, fresh.label);
        fresh.t = dv_table_by_set(e, fresh.set, strlen(fresh.set));
        if (!fresh.en || !fresh.t)
            continue;
        if (!m)
            m = dw_add(e, &fresh);
        (void)dw_state_of(state, &m->state);
        (void)dw_state_of((const char *)sqlite3_column_text(s, 3), &m->next);
        m->due_ms = sqlite3_column_int64(s, 4);
        m->mode = (enum dw_queue_mode)sqlite3_column_int(s, 5);
        m->paused_ms = sqlite3_column_int64(s, 6);
        m->known = true;
        e->dv->dw->live = e->dv->dw->live || m->state != DW_STOPPED;
    }
    sqlite3_finalize(s);
}

void emu_dualwrite_init(struct emu *e)
{
    e->dv->dw = arena_zalloc(&e->dv->arena, sizeof(*e->dv->dw));
    dv_exec(e, SCHEMA);
    dw_read_folder(e);
    read_states(e);
}

/* ---- hooks ---- */

static bool carries(const struct dw_map *m, int direction)
{
    return m->state != DW_STOPPED && m->text && (m->direction & direction);
}

bool emu_dualwrite_fno_written(struct emu *e, const struct emu_entity *en, const char *company,
                               const struct emu_value *row, size_t n, char *msg, size_t msg_size)
{
    struct dw *d = e->dv ? e->dv->dw : NULL;

    if (!d || !d->n || d->inside)
        return true;
    dw_tick_states(e);
    if (!d->live)
        return true;
    dv_tick(e); /* the owning team of a new company may be due */
    for (size_t i = 0; i < d->n; i++) {
        const struct dw_map *m = d->maps[i];
        bool passes;

        if (m->en != en || !carries(m, DW_TO_DV))
            continue;
        if (!dw_row_passes(m, row, n, &passes, msg, msg_size))
            return false;
        if (!passes)
            continue;
        if (m->state != DW_RUNNING) { /* paused, or its queue is being emptied: order is kept */
            if (!dw_enqueue(e, d->maps[i], "fno", company, row, n, msg, msg_size))
                return false;
            continue;
        }
        emu_count(e, "dualwrite.to_dataverse", 1);
        if (!dw_to_dataverse(e, m, company, row, n, msg, msg_size))
            return false;
    }
    return true;
}

struct copy {
    struct arena *a;
    const struct emu_entity *en;
    struct emu_value *v;
};

static bool copy_row(void *arg, const struct emu_fno_row *row)
{
    struct copy *c = arg;

    c->v = arena_zalloc(c->a, (c->en->n + 1) * sizeof(*c->v));
    for (size_t i = 0; i < c->en->n; i++)
        c->v[i] = (struct emu_value){ c->en->fields[i].name, arena_strdup(c->a, row->values[i]) };
    return true;
}

bool emu_dualwrite_fno_deleting(struct emu *e, const struct emu_entity *en, const char *company,
                                const struct emu_value *key, size_t n, char *msg, size_t msg_size)
{
    struct dw *d = e->dv ? e->dv->dw : NULL;
    struct arena a = { 0 };
    struct copy c = { &a, en, NULL };
    bool ok = true;

    if (!d || !d->n || d->inside)
        return true;
    dw_tick_states(e);
    if (!d->live)
        return true;
    for (size_t i = 0; i < d->n && ok; i++) {
        const struct dw_map *m = d->maps[i];
        bool passes;

        if (m->en != en || m->state != DW_RUNNING || !carries(m, DW_TO_DV))
            continue; /* deletes are not queued */
        if (!c.v && !emu_fno_find(e, en, company, key, n, copy_row, &c))
            break;
        ok = dw_row_passes(m, c.v, en->n, &passes, msg, msg_size) &&
             (!passes || dw_delete_in_dataverse(e, m, company, c.v, en->n, msg, msg_size));
    }
    arena_release(&a);
    return ok;
}

static bool names_mapped_column(const struct dw_map *m, const char *const *columns, size_t n)
{
    for (size_t i = 0; i < m->n; i++)
        for (size_t k = 0; k < n; k++)
            if ((m->fields[i].direction & DW_TO_FNO) && m->fields[i].column &&
                !strcasecmp(m->fields[i].column, columns[k]))
                return true;
    return false;
}

bool emu_dualwrite_dv_touched(struct emu *e, const struct emu_table *t, const char *id, bool created,
                              const char *const *columns, size_t n, char *msg, size_t msg_size)
{
    struct dw *d = e->dv ? e->dv->dw : NULL;
    struct arena a = { 0 };
    bool ok = true;

    if (!d || !d->n || d->inside)
        return true;
    dw_tick_states(e);
    if (!d->live)
        return true;
    for (size_t i = 0; i < d->n && ok; i++) {
        const struct dw_map *m = d->maps[i];
        struct emu_value *v;
        const char *company = NULL;
        size_t n_values;

        if (m->t->def != t || !carries(m, DW_TO_FNO) || (!created && !names_mapped_column(m, columns, n)))
            continue;
        ok = dw_fno_values(e, m, id, &a, &company, &v, &n_values, msg, msg_size);
        if (!ok || !n_values)
            continue;
        if (m->state != DW_RUNNING) {
            ok = dw_enqueue(e, d->maps[i], "dataverse", company, v, n_values, msg, msg_size);
            continue;
        }
        emu_count(e, "dualwrite.to_fno", 1);
        ok = dw_to_fno(e, m, company, v, n_values, msg, msg_size);
    }
    arena_release(&a);
    return ok;
}

bool emu_dualwrite_dv_written(struct emu *e, const struct emu_table *t, const char *id, char *msg, size_t msg_size)
{
    return emu_dualwrite_dv_touched(e, t, id, true, NULL, 0, msg, msg_size);
}

bool emu_dualwrite_dv_deleting(struct emu *e, const struct emu_table *t, const char *id, char *msg, size_t msg_size)
{
    struct dw *d = e->dv ? e->dv->dw : NULL;
    struct arena a = { 0 };
    bool ok = true;

    if (!d || !d->n || d->inside)
        return true;
    dw_tick_states(e);
    if (!d->live)
        return true;
    for (size_t i = 0; i < d->n && ok; i++) {
        const struct dw_map *m = d->maps[i];
        struct emu_value *v;
        const char *company = NULL;
        char why[600] = "";
        size_t n;

        if (m->t->def != t || m->state != DW_RUNNING || !carries(m, DW_TO_FNO))
            continue;
        ok = dw_fno_values(e, m, id, &a, &company, &v, &n, msg, msg_size);
        if (!ok || !n || !emu_fno_find(e, m->en, company, v, n, NULL, NULL))
            continue;
        d->inside = true;
        ok = emu_fno_delete(e, m->en, company, v, n, why, sizeof(why));
        d->inside = false;
        if (!ok)
            snprintf(msg, msg_size,
                     "Unable to write data to entity %s. Deletes from %s failed with error message %.500s", m->label,
                     m->en->aot, why);
    }
    arena_release(&a);
    return ok;
}

/* ---- DualWriteProjectConfigurations: a row for writes and one for deletes, from start to stop ---- */

struct config {
    const struct emu *e;
    const struct dw_map *m;
    bool deletes;
    char project[80], key[300], url[100];
};

static const char *config_property(const void *arg, const char *name)
{
    const struct config *c = arg;

    if (!strcmp(name, "ProjectName"))
        return c->project;
    if (!strcmp(name, "ExternalEntityName"))
        return c->m->set;
    if (!strcmp(name, "InternalEntityName"))
        return c->m->label;
    if (!strcmp(name, "ExternalEnvironmentUrl"))
        return c->url;
    if (!strcmp(name, "Status"))
        return EMU_KNOB(c->e, fno_dualwrite_status_number) ? (c->m->state == DW_PAUSED ? "2" : "1")
               : c->m->state == DW_PAUSED                  ? "Paused"
               : c->m->state == DW_CATCHUP                 ? "Resuming"
               : c->m->state == DW_INITIAL                 ? "Initializing"
                                                           : "Running";
    if (!strcmp(name, "IntegrationKey"))
        return c->key;
    if (!strcmp(name, "PartitionMap"))
        return "";
    if (!strcmp(name, "QueryFilterExpression"))
        return c->m->source_filter ? c->m->source_filter : "";
    if (!strcmp(name, "EnableBatchLookup"))
        return "Yes";
    if (!strcmp(name, "IsDelete"))
        return c->deletes ? "Yes" : "No";
    if (!strcmp(name, "IsDebugMode"))
        return "No";
    return NULL;
}

static void describe(struct emu *e, struct config *c)
{
    const struct dv_table *t = c->m->t;
    char text[300], a[37], b[37];
    size_t n = 0;

    snprintf(text, sizeof(text), "project %s %s", c->m->label, c->m->set);
    emu_guid(e, text, a);
    snprintf(text, sizeof(text), "project2 %s %s", c->m->label, c->m->set);
    emu_guid(e, text, b);
    snprintf(c->project, sizeof(c->project), "DWM-%s-%s", a, b);
    snprintf(c->url, sizeof(c->url), "%s://127.0.0.1:%d", emu_scheme, e->ports[EMU_DATAVERSE]);
    c->key[0] = '\0';
    for (size_t i = 0; t->n_keys && i < t->keys[0].n && n < sizeof(c->key); i++) {
        int col = t->keys[0].cols[i];

        n += (size_t)snprintf(c->key + n, sizeof(c->key) - n, "%s%s%s", i ? "," : "", t->cols[col].name,
                              col == t->company ? ".cdm_companycode" : "");
    }
}

bool emu_dualwrite_fno_odata(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    static const char PATH[] = "/data/DualWriteProjectConfigurations";
    static const char *const NAMES[] = {
        "ProjectName",    "ExternalEntityName", "InternalEntityName",    "ExternalEnvironmentUrl", "Status",
        "IntegrationKey", "PartitionMap",       "QueryFilterExpression", "EnableBatchLookup",      "IsDelete",
        "IsDebugMode"
    };
    const char *filter = emu_query(q, "$filter"), *select = emu_query(q, "$select");
    struct dv_fnode *tree = NULL;
    char msg[300];
    size_t n = 0;

    if (strcmp(q->path, PATH) != 0)
        return false;
    dw_tick_states(e);
    if (strcmp(q->method, "GET") != 0) {
        emu_fno_error(r, q, 405, "The requested resource does not support http method '%.10s'.", q->method);
        return true;
    }
    if (filter && !(tree = dv_filter_parse(q->arena, q, filter, msg, sizeof(msg)))) {
        emu_fno_error(r, q, 400, "%s", msg);
        return true;
    }
    r->status = 200;
    emu_add_header(r, q, "Content-Type", "application/json; odata.metadata=minimal; odata.streaming=true");
    strbuf_addf(&r->body, "{\"@odata.context\":\"%s://%s/data/$metadata#DualWriteProjectConfigurations\",\"value\":[",
                emu_scheme, q->host ? q->host : "localhost");
    for (size_t i = 0; i < e->dv->dw->n; i++)
        for (int deletes = 0; deletes < 2 && e->dv->dw->maps[i]->state != DW_STOPPED; deletes++) {
            struct config c = { .e = e, .m = e->dv->dw->maps[i], .deletes = deletes != 0 };
            struct dv_meta_object o = { .out = &r->body, .select = select, .n = 1 };

            describe(e, &c);
            if (!dv_meta_filter(tree, config_property, &c))
                continue;
            strbuf_addf(&r->body, "%s{\"@odata.etag\":\"W/\\\"%zu%d\\\"\"", n++ ? "," : "", i, deletes);
            for (size_t k = 0; k < COUNT(NAMES); k++)
                dv_meta_text(&o, NAMES[k], config_property(&c, NAMES[k]));
            strbuf_addc(&r->body, '}');
        }
    strbuf_adds(&r->body, "]}");
    return true;
}

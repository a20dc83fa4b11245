/* cmd_map.c -- map show, and finding the map that an argument names. */
#include "loader/map_commands.h"
#include "loader/map_store.h"

#include "base/file.h"
#include "map/bind.h"
#include "map/filter.h"

enum ec map_argument(struct app *app, const char *text, struct map **ret, const struct config_map **ret_cfg,
                     struct err *reterr)
{
    struct arena a = { 0 };
    const struct config_map *cfg = config_map_find(&app->cfg, text);
    const char *path = text;
    enum ec rc;

    if (cfg && !cfg->file) {
        arena_release(&a);
        return err_set(reterr, EC_CONFIG, "[map.%s] names no map document (file = maps/....json)", cfg->alias);
    }
    if (cfg)
        path = workspace_path(&app->ws, &a, "%s", cfg->file);
    else if (!file_exists(path))
        path = workspace_path(&app->ws, &a, "%s", text);
    if (!cfg && !file_exists(path))
        path = workspace_path(&app->ws, &a, "maps/%s.json", text);
    if (!cfg && !file_exists(path)) {
        rc = err_set(reterr, EC_USAGE, "'%s' is neither a map of this workspace nor a file", text);
        err_hint(reterr, "name an alias of dmfsync.ini, or the path of a map document");
    } else {
        rc = map_read_file(path, ret, reterr);
        if (rc && cfg)
            rc = err_ctx(reterr, rc, "[map.%s]", cfg->alias);
        if (!rc && ret_cfg)
            *ret_cfg = cfg;
    }
    arena_release(&a);
    return rc;
}

/* ---- filters ---- */

struct show {
    struct app *app;
    const struct map *m;
    const struct config_map *cfg; /* NULL = a file that no section names */
    struct schema schema;
    bool has_schema;
    struct binding *b; /* NULL = not bound: why */
    struct err why;
};

/* What the metadata knows of an F&O field: its public name, its enum. */
static bool fno_name(void *arg, struct cell field, struct cell *ret_name, struct cell *ret_enum)
{
    const struct fno_entity *e = arg;
    const struct fno_field *f = e ? fno_field_find(e, field) : NULL;

    if (!f)
        return false;
    *ret_name = f->property;
    if (f->en)
        *ret_enum = f->en->name;
    return true;
}

static void show_filter(struct show *s, const char *label, const char *name, struct cell text, bool xpp)
{
    struct output *out = &s->app->out;
    struct json *o = out_object(out, NULL, name);
    struct arena a = { 0 };
    struct strbuf other = STRBUF(0);
    struct filter *f = NULL;
    struct err e = { 0 };
    void *entity = s->has_schema ? (void *)schema_entity(&s->schema, s->m->label) : NULL;
    enum ec rc = xpp ? filter_parse_xpp(text, &a, &f, &e) : filter_parse_odata(text, &a, &f, &e);

    if (!rc)
        rc = xpp ? filter_to_odata(f, fno_name, entity, &other, &e) : filter_to_xpp(f, NULL, NULL, &other, &e);
    out_cell(out, o, "text", f || rc ? text : CELL_ABSENT);
    out_str(out, o, xpp ? "odata" : "xpp", other.len ? other.buf : NULL);
    out_str(out, o, "problem", rc ? e.msg : NULL);
    if (f || rc)
        out_line(out, "%-17s %.*s", label, (int)text.len, text.ptr);
    else
        out_line(out, "%-17s (none)", label);
    if (other.len)
        out_line(out, "%-17s %s", xpp ? "  in OData" : "  in X++", other.buf);
    if (rc)
        out_line(out, "%-17s %s", "  problem", e.msg);
    strbuf_release(&other);
    arena_release(&a);
}

/* ---- the key, when there is metadata ---- */

static void bind_it(struct show *s)
{
    struct arena a = { 0 };
    struct bind_settings set = { .alias = cell_of(s->cfg ? s->cfg->alias : "map"),
                                 .key = s->cfg ? s->cfg->key : NULL };
    struct map_pair *masters = arena_zalloc(&a, ((s->cfg ? s->cfg->n_masters : 0) + 1) * sizeof(*masters));
    struct map_pair *compare = arena_zalloc(&a, ((s->cfg ? s->cfg->n_compare : 0) + 1) * sizeof(*compare));

    for (size_t i = 0; s->cfg && i < s->cfg->n_compare; i++)
        compare[i] = (struct map_pair){ cell_of(s->cfg->compare[i].name), cell_of(s->cfg->compare[i].value) };
    for (size_t i = 0; s->cfg && i < s->cfg->n_masters; i++)
        masters[i] = (struct map_pair){ cell_of(s->cfg->masters[i].name), cell_of(s->cfg->masters[i].value) };
    set.field_master = masters;
    set.compare = compare;
    set.n_compare = s->cfg ? s->cfg->n_compare : 0;
    set.n_field_master = s->cfg ? s->cfg->n_masters : 0;
    s->has_schema = !schema_load(&s->schema, workspace_path(&s->app->ws, &a, ".dmfsync/metadata.json"), &s->why);
    if (!s->has_schema) {
        err_set(&s->why, EC_STATE, "no metadata has been saved in this workspace yet");
    } else if (!schema_entity(&s->schema, s->m->label) || !schema_table(&s->schema, s->m->set)) {
        err_set(&s->why, EC_STATE, "the saved metadata does not hold this map's entity and table");
    } else {
        (void)bind_map(s->m, &s->schema, &set, &s->b, &s->why);
    }
    arena_release(&a);
}

static void show_key(struct show *s)
{
    struct output *out = &s->app->out;
    struct strbuf key = STRBUF(0);

    for (size_t i = 0; s->b && i < s->b->n_key; i++)
        strbuf_addf(&key, "%s" CELL_FMT, i ? ", " : "", CELL_ARG(s->b->fields[s->b->key[i]].name));
    out_str(out, NULL, "key", s->b ? strbuf_str(&key) : NULL);
    out_cell(out, NULL, "key_evidence", s->b ? s->b->key_evidence : CELL_ABSENT);
    out_str(out, NULL, "key_problem", s->b ? NULL : s->why.msg);
    if (s->b)
        out_line(out, "%-17s %s (" CELL_FMT ")", "key", strbuf_str(&key), CELL_ARG(s->b->key_evidence));
    else
        out_line(out, "%-17s not known: %s", "key", s->why.msg);
    strbuf_release(&key);
}

/* ---- fields ---- */

static void show_value_map(struct show *s, const struct json *t, struct json *o, struct strbuf *text)
{
    struct json *list = out_array(&s->app->out, o, "entries");
    const struct json *pairs = json_iget(t, "valueMap");

    for (const struct json *p = pairs && pairs->type == JSON_OBJECT ? pairs->child : NULL; p; p = p->next) {
        struct json *e = out_object(&s->app->out, list, NULL);
        bool turned = s->m->reversed_legs;
        struct cell fno = turned ? json_text(p) : p->name, dv = turned ? p->name : json_text(p);

        out_cell(&s->app->out, e, "fno", fno);
        out_cell(&s->app->out, e, "dataverse", dv);
        strbuf_addf(text, "%s" CELL_FMT " : " CELL_FMT, p == pairs->child ? "" : ", ", CELL_ARG(fno), CELL_ARG(dv));
    }
}

static void show_transforms(struct show *s, const struct map_field *f, struct json *o, struct strbuf *text)
{
    struct json *list = out_array(&s->app->out, o, "transforms");
    const struct json *ts = json_iget(f->doc, "valueTransforms");

    for (const struct json *t = ts && ts->type == JSON_ARRAY ? ts->child : NULL; t; t = t->next) {
        struct cell type = json_text(json_iget(t, "transformType")), value = json_text(json_iget(t, "defaultValue"));
        struct json *e = out_object(&s->app->out, list, NULL);

        out_cell(&s->app->out, e, "type", type);
        strbuf_adds(text, text->len ? "; " : "");
        if (cell_ieq(type, CELL_LIT("ValueMap"))) {
            show_value_map(s, t, e, text);
        } else if (cell_ieq(type, CELL_LIT("Default"))) {
            out_cell(&s->app->out, e, "value", value);
            strbuf_addf(text, "default " CELL_FMT, CELL_ARG(cell_absent(value) ? CELL_LIT("null") : value));
        } else {
            strbuf_addf(text, "'" CELL_FMT "', which is not known", CELL_ARG(type));
        }
    }
}

static void show_fields(struct show *s)
{
    static const char *const HEADERS[] = { "F&O", "", "Dataverse", "transform" };
    struct output *out = &s->app->out;
    struct table *t = table_new(out, HEADERS, COUNT(HEADERS), "llll");
    struct json *list = out_array(out, NULL, "fields");

    for (size_t i = 0; i < s->m->n; i++) {
        const struct map_field *f = &s->m->fields[i];
        struct json *o = out_object(out, list, NULL);
        struct strbuf text = STRBUF(0);

        out_cell(out, o, "fno", f->source);
        out_str(out, o, "sign", map_sign(f));
        out_cell(out, o, "dataverse", f->destination);
        out_bool(out, o, "system_generated", f->system_generated);
        show_transforms(s, f, o, &text);
        table_cell(t, CELL_FMT, CELL_ARG(cell_absent(f->source) ? CELL_LIT("none") : f->source));
        table_cell(t, "%s", map_sign(f));
        table_cell(t, CELL_FMT, CELL_ARG(cell_absent(f->destination) ? CELL_LIT("none") : f->destination));
        table_cell(t, "%s", strbuf_str(&text));
        strbuf_release(&text);
    }
    table_print(t);
}

/* ---- lookups: fields that share the first part of their path find one row together ---- */

static void add_lookup(struct show *s, size_t first, struct table *t, struct json *list)
{
    const struct map_field *f = &s->m->fields[first];
    struct json *o = out_object(&s->app->out, list, NULL), *parts = out_array(&s->app->out, o, "parts");
    struct strbuf fields = STRBUF(0), targets = STRBUF(0);
    struct cell related = CELL_ABSENT;

    for (size_t i = first; i < s->m->n; i++) {
        const struct map_field *g = &s->m->fields[i];
        struct json *p;

        if (g->n_path < 2 || !cell_ieq(g->path[0].name, f->path[0].name))
            continue;
        p = out_object(&s->app->out, parts, NULL);
        out_cell(&s->app->out, p, "fno", g->source);
        out_cell(&s->app->out, p, "path", g->destination);
        strbuf_addf(&fields, "%s" CELL_FMT, fields.len ? ", " : "",
                    CELL_ARG(cell_absent(g->source) ? CELL_LIT("none") : g->source));
        if (cell_blank(related))
            related = g->related_entity;
        for (size_t k = 1; k < g->n_path; k++)
            if (!cell_absent(g->path[k].target))
                strbuf_addf(&targets, "%s" CELL_FMT, targets.len ? " or " : "", CELL_ARG(g->path[k].target));
    }
    out_cell(&s->app->out, o, "lookup", f->path[0].name);
    out_cell(&s->app->out, o, "related", cell_blank(related) ? CELL_ABSENT : related);
    out_str(&s->app->out, o, "targets", targets.len ? targets.buf : NULL);
    table_cell(t, CELL_FMT, CELL_ARG(f->path[0].name));
    if (targets.len)
        table_cell(t, "%s", targets.buf);
    else
        table_cell(t, CELL_FMT, CELL_ARG(cell_blank(related) ? CELL_LIT("(not named)") : related));
    table_cell(t, "%s", strbuf_str(&fields));
    strbuf_release(&fields);
    strbuf_release(&targets);
}

static void show_lookups(struct show *s)
{
    static const char *const HEADERS[] = { "lookup", "finds a row of", "by F&O's" };
    struct table *t = table_new(&s->app->out, HEADERS, COUNT(HEADERS), "lll");
    struct json *list = out_array(&s->app->out, NULL, "lookups");
    size_t n = 0;

    for (size_t i = 0; i < s->m->n; i++) {
        bool seen = s->m->fields[i].n_path < 2;

        for (size_t k = 0; k < i && !seen; k++)
            seen = s->m->fields[k].n_path > 1 && cell_ieq(s->m->fields[k].path[0].name, s->m->fields[i].path[0].name);
        if (seen)
            continue;
        if (!n++)
            out_line(&s->app->out, "%s", "");
        add_lookup(s, i, t, list);
    }
    if (!n && !s->app->out.json)
        out_line(&s->app->out, "no lookups");
    table_print(t);
}

/* ---- the whole ---- */

static const char *direction_of(const struct map *m)
{
    static const char *const WORDS[] = { "none", "to Dataverse", "to F&O", "both ways" };
    unsigned d = 0;

    for (size_t i = 0; i < m->n; i++)
        d |= (unsigned)m->fields[i].dir;
    return WORDS[d & 3];
}

/* A dual-write map has one; which end it calls its source is told, since exports of other tools turn it round. */
static void show_leg(struct app *app, const struct map *m)
{
    const struct json *leg = json_at(json_iget(m->doc, "legs"), 0);
    struct json *o = out_object(&app->out, out_array(&app->out, NULL, "legs"), NULL);
    struct cell id = json_text(json_iget(leg, "id"));
    const char *source = m->reversed_legs ? "Dataverse" : "F&O";

    out_cell(&app->out, o, "id", id);
    out_cell(&app->out, o, "fno_entity", m->label);
    out_cell(&app->out, o, "dataverse_set", m->set);
    out_str(&app->out, o, "source", source);
    out_line(&app->out,
             "%-17s " CELL_FMT ": F&O entity '" CELL_FMT "', Dataverse table set " CELL_FMT " (source: %s)", "leg",
             CELL_ARG(cell_blank(id) ? CELL_LIT("-") : id), CELL_ARG(m->label), CELL_ARG(m->set), source);
}

enum ec cmd_map_show(struct app *app, struct err *reterr)
{
    struct show s = { .app = app };
    struct map *m = NULL;
    enum ec rc = map_argument(app, app->opt->args[0], &m, &s.cfg, reterr);
    struct cell version;

    if (rc)
        return rc;
    s.m = m;
    bind_it(&s);
    version = map_stored_version(cell_cstr(&app->out.arena, m->file), &app->out.arena);
    out_cell(&app->out, NULL, "map", m->name);
    out_str(&app->out, NULL, "alias", s.cfg ? s.cfg->alias : NULL);
    out_cell(&app->out, NULL, "file", m->file);
    out_cell(&app->out, NULL, "version", version);
    out_str(&app->out, NULL, "direction", direction_of(m));
    out_line(&app->out, "%-17s " CELL_FMT, "map", CELL_ARG(m->name));
    out_line(&app->out, "%-17s %s", "alias", s.cfg ? s.cfg->alias : "(no section names this file)");
    out_line(&app->out, "%-17s " CELL_FMT, "version",
             CELL_ARG(cell_absent(version) ? CELL_LIT("not known") : version));
    out_line(&app->out, "%-17s %s", "direction", direction_of(m));
    show_leg(app, m);
    show_filter(&s, "F&O filter", "fno_filter", m->source_filter, true);
    show_filter(&s, "Dataverse filter", "dataverse_filter", m->reversed_filter, false);
    show_key(&s);
    out_line(&app->out, "%s", "");
    show_fields(&s);
    show_lookups(&s);
    binding_free(s.b);
    schema_release(&s.schema);
    map_free(m);
    return EC_OK;
}

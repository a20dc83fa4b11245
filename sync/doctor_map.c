/* doctor_map.c -- what each map's two sides can do, found and stored; its key with the evidence; its source; its gaps. */
#include "base/clock.h"
#include "base/file.h"
#include "erp/erp_probe.h"
#include "loader/public/source.h"
#include "sync/doctor.h"

#include <stdio.h>

struct caps {
    bool odata_read, odata_write, dmf, unique_key, tracking, modified_time, etags, etags_known, bulk;
};

static bool has_modified_time(const struct fno_entity *e)
{
    for (size_t i = 0; i < e->n; i++)
        if (cell_ieq(e->fields[i].property, CELL_LIT("ModifiedDateTime")) ||
            cell_ieq(e->fields[i].property, CELL_LIT("ModifiedDateTime1")))
            return true;
    return false;
}

/* What reading one record tells; a refusal is the third kind of sign-in failure. */
static void probe(struct doctor *d, struct map_ctx *m, struct caps *c)
{
    struct arena a = { 0 };
    struct erp_probe p = { 0 };
    struct err e = { 0 };
    bool listed = true;

    if (!d->fno_in)
        return;
    if (c->odata_read && erp_probe_entity(d->app->erp, m->b->entity, &p, &e)) {
        doctor_error(d, m->cfg->alias, &e);
    } else if (c->odata_read && !p.readable) {
        c->odata_read = false;
        doctor_fail(d, EC_AUTH, m->cfg->alias,
                    arena_printf(&a, "signed in to F&O, but lacking privilege to read '" CELL_FMT "' (HTTP 403)",
                                 CELL_ARG(m->b->entity->label)),
                    "give the user of the Microsoft Entra ID application a role with the entity's view and maintain "
                    "privileges");
    }
    c->etags = p.etags;
    c->etags_known = p.found;
    if (erp_probe_listed(d->app->erp, m->b->entity->label, &listed, &e)) {
        doctor_error(d, m->cfg->alias, &e);
    } else if (!listed) {
        c->dmf = false;
        doctor_fail(
            d, EC_CONFIG, m->cfg->alias,
            arena_printf(&a, "'" CELL_FMT "' is in F&O's metadata but not in data management's entity list",
                         CELL_ARG(m->b->entity->label)),
            "F&O: Data management > Framework parameters > Entity settings > Refresh entity list, then again");
    }
    arena_release(&a);
}

static void key_of(struct doctor *d, const struct map_ctx *m)
{
    const struct dv_table *t = m->b->table;
    struct arena a = { 0 };

    for (size_t i = 0; i < t->n_keys; i++)
        if (!t->keys[i].active)
            doctor_fail(
                d, EC_CONFIG, m->cfg->alias,
                arena_printf(&a, "alternate key " CELL_FMT " of " CELL_FMT " is not Active: its index is not built",
                             CELL_ARG(t->keys[i].name), CELL_ARG(t->logical)),
                "wait for the index, or look for duplicate rows and reactivate the key (ReactivateEntityKey)");
    arena_release(&a);
}

static void put(struct doctor *d, const struct map_ctx *m, const struct caps *c)
{
    struct output *o = &d->app->out;
    struct json *v = out_object(o, d->capabilities, NULL);
    struct strbuf key = STRBUF(0);

    for (size_t i = 0; i < m->b->n_key; i++)
        strbuf_addf(&key, "%s" CELL_FMT, i ? ", " : "", CELL_ARG(m->b->fields[m->b->key[i]].name));
    out_str(o, v, "map", m->cfg->alias);
    out_bool(o, v, "fno_odata_read", c->odata_read);
    out_bool(o, v, "fno_odata_write", c->odata_write);
    out_bool(o, v, "fno_dmf", c->dmf);
    out_bool(o, v, "fno_modified_time", c->modified_time);
    if (c->etags_known)
        out_bool(o, v, "fno_etags", c->etags);
    else
        out_str(o, v, "fno_etags", NULL);
    out_bool(o, v, "dataverse_bulk_messages", c->bulk);
    out_bool(o, v, "dataverse_change_tracking", c->tracking);
    out_bool(o, v, "dataverse_unique_key", c->unique_key);
    out_str(o, v, "key", strbuf_str(&key));
    out_cell(o, v, "key_evidence", m->b->key_evidence);
    strbuf_release(&key);
}

static void one_map(struct doctor *d, struct map_ctx *m)
{
    const struct fno_entity *e = m->b->entity;
    const struct dv_table *t = m->b->table;
    struct caps c = { .odata_read = e->on_odata,
                      .odata_write = e->on_odata && !e->read_only,
                      .dmf = e->on_dmf,
                      .unique_key = m->b->alternate_key != NULL,
                      .tracking = t->change_tracking,
                      .modified_time = has_modified_time(e),
                      .bulk = t->create_multiple && t->update_multiple };
    struct arena a = { 0 };
    const char *text;

    probe(d, m, &c);
    put(d, m, &c);
    text = arena_printf(&a, "F&O %s%s%s%s; Dataverse %s, change tracking %s; key by " CELL_FMT,
                        c.odata_read ? "OData" : "no OData", c.odata_write ? "" : " (read-only)",
                        c.dmf ? ", DMF" : ", no DMF", c.etags_known ? (c.etags ? ", etags" : ", no etags") : "",
                        c.bulk ? "bulk messages" : "$batch only", c.tracking ? "on" : "OFF",
                        CELL_ARG(m->b->key_evidence));
    if (c.tracking)
        doctor_fine(d, m->cfg->alias, text);
    else
        doctor_fail(
            d, EC_CONFIG, m->cfg->alias, text,
            "turn change tracking on for the table in Dataverse (table properties), or sync cannot follow it");
    if (!c.dmf && m->cfg->source && e->on_dmf == false)
        doctor_fail(
            d, EC_CONFIG, m->cfg->alias,
            arena_printf(&a, "'" CELL_FMT "' is not enabled for data management, and the map has a source to load",
                         CELL_ARG(e->label)),
            "name another entity with load_entity, or refresh F&O's entity list");
    key_of(d, m);
    arena_release(&a);
}

static void source_of(struct doctor *d, struct map_ctx *m)
{
    struct arena a = { 0 };
    struct source *s = NULL;
    struct err e = { 0 };

    if (!m->cfg->source)
        return;
    if (source_open(m, &s, &e))
        doctor_error(d, m->cfg->alias, &e);
    else
        doctor_fine(d, m->cfg->alias, arena_printf(&a, "source %s: %zu columns bound", m->cfg->source, s->n));
    source_close(s);
    arena_release(&a);
}

static void gaps(struct doctor *d)
{
    struct arena a = { 0 };

    for (size_t i = 0; i < d->p->deps.n_gaps; i++) {
        const struct deps_gap *g = &d->p->deps.gaps[i];

        doctor_fail(d, EC_CONFIG, "lookup",
                    arena_printf(&a, CELL_FMT " of " CELL_FMT " has no map for " CELL_FMT, CELL_ARG(g->field),
                                 CELL_ARG(g->b->map->name), CELL_ARG(g->target)),
                    "add that map ('plan' names it), or remove the field from a custom version of this one");
    }
    arena_release(&a);
}

/* Beside the metadata; appears complete, so that it needs no lock. */
static void store(struct doctor *d)
{
    struct strbuf text = STRBUF(0);
    struct arena a = { 0 };
    struct err e = { 0 };
    char now[32];

    clock_format_utc(clock_utc_ms(), now);
    strbuf_addf(&text, "{\"found_at\":\"%s\",\"maps\":", now);
    json_write(&text, d->capabilities);
    strbuf_adds(&text, "}\n");
    if (workspace_folders(&d->app->ws, &e) ||
        file_write_atomic(workspace_path(&d->app->ws, &a, ".dmfsync/capabilities.json"), text.buf, text.len, 0600,
                          &e))
        doctor_error(d, "capabilities", &e);
    strbuf_release(&text);
    arena_release(&a);
}

void doctor_maps(struct doctor *d)
{
    for (size_t i = 0; i < d->p->n; i++) {
        one_map(d, &d->p->maps[i]);
        source_of(d, &d->p->maps[i]);
    }
    gaps(d);
    if (d->fno_in && d->dv_in)
        store(d);
}

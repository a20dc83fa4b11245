/*
 * dv_maps.c -- dual-write's own tables: which versions of which maps are saved, and which of them run. Sources: tables
 * msdyn_dualwriteentitymap (one row per saved version) and msdyn_dualwriteruntimeconfig (an active row per map whose plug-in
 * is armed; its msdyn_unsecure is JSON with EntityMapVersion) as Microsoft's published dual-write tools read them.
 */
#include "dv/dv_parts.h"

#include <stdlib.h>
#include <string.h>

enum { IDS_PER_CALL = 40, MAX_ROWS = 20000 };

#define MAPS "msdyn_dualwriteentitymap"
#define RUNTIME "msdyn_dualwriteruntimeconfig"
/* Documents are large: the list goes without them. */
#define LIST_COLUMNS "msdyn_dualwriteentitymapid,msdyn_name,msdyn_version,createdon,statecode"
#define ALL_COLUMNS                                                                     \
    "msdyn_dualwriteentitymapid,solutionid,msdyn_name,msdyn_displayname,msdyn_mapping," \
    "msdyn_properties,msdyn_version,createdon,modifiedon,statecode,statuscode,ismanaged"

static enum ec take_map(void *arg, const struct json *row, struct err *reterr)
{
    struct dv_maps *m = arg;
    struct dv_map_row *r;

    if (m->n == MAX_ROWS)
        return err_set(reterr, EC_LIMIT, "more than %d saved versions of maps", MAX_ROWS);
    if (m->n == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 256;
        m->rows = xrealloc(m->rows, m->cap * sizeof(*m->rows));
    }
    r = &m->rows[m->n++];
    *r = (struct dv_map_row){ .id = cell_dup(&m->arena, json_member(row, "msdyn_dualwriteentitymapid")),
                              .name = cell_dup(&m->arena, json_member(row, "msdyn_name")),
                              .version = cell_dup(&m->arena, json_member(row, "msdyn_version")),
                              .created = cell_dup(&m->arena, json_member(row, "createdon")),
                              .active = json_i64(json_get(row, "statecode"), 0) == 0 };
    return EC_OK;
}

static struct cell version_of(struct arena *a, const struct json *v)
{
    struct cell part[] = { json_text(json_iget(v, "Major")), json_text(json_iget(v, "Minor")),
                           json_text(json_iget(v, "Build")), json_text(json_iget(v, "Revision")) };

    if (!v || v->type != JSON_OBJECT)
        return cell_dup(a, json_text(v)); /* a text, or absent */
    return cell_printf(a, CELL_FMT "." CELL_FMT "." CELL_FMT "." CELL_FMT, CELL_ARG(part[0]), CELL_ARG(part[1]),
                       CELL_ARG(part[2]), CELL_ARG(part[3]));
}

static enum ec take_running(void *arg, const struct json *row, struct err *reterr)
{
    struct dv_maps *m = arg;
    struct cell text = json_member(row, "msdyn_unsecure");
    struct json *v = NULL;
    struct arena a = { 0 };
    struct dv_running_map *r;

    if (m->n_running == MAX_ROWS)
        return err_set(reterr, EC_LIMIT, "more than %d running maps", MAX_ROWS);
    if (m->n_running == m->cap_running) {
        m->cap_running = m->cap_running ? m->cap_running * 2 : 64;
        m->running = xrealloc(m->running, m->cap_running * sizeof(*m->running));
    }
    r = &m->running[m->n_running++];
    *r = (struct dv_running_map){ .logical = cell_dup(&m->arena, json_member(row, "msdyn_internalentityname")),
                                  .label = cell_dup(&m->arena, json_member(row, "msdyn_externalentityname")) };
    /* A row whose JSON cannot be read still says that the map runs. */
    if (text.len && !json_parse("msdyn_unsecure", text.ptr, text.len, NULL, &a, &v, NULL)) {
        r->set = cell_dup(&m->arena, json_text(json_iget(v, "SourceEntityName")));
        r->version = version_of(&m->arena, json_iget(v, "EntityMapVersion"));
    }
    arena_release(&a);
    return EC_OK;
}

/* The set of a table as the metadata names it, not the logical name with an s. */
static enum ec set_of(struct dv *d, const char *logical, struct arena *a, const char **ret, struct err *reterr)
{
    struct json *v = NULL;
    int status = 0;
    char *url =
        arena_printf(a, DV_API "EntityDefinitions(LogicalName='%s')?$select=LogicalName,EntitySetName", logical);
    enum ec rc = dv_get_json(d, url, "table definition", a, &v, &status, reterr);

    if (!rc && status == 404)
        rc = err_set(reterr, EC_NOTFOUND, "the environment has no table %s: dual-write is not installed", logical);
    if (!rc && cell_blank(json_member(v, "EntitySetName")))
        rc = err_set(reterr, EC_DATAVERSE, "the definition of table %s names no entity set", logical);
    if (!rc)
        *ret = cell_cstr(a, json_member(v, "EntitySetName"));
    return rc;
}

enum ec dv_maps_read(struct dv *d, struct dv_maps *ret, struct err *reterr)
{
    struct dv_maps m = { 0 };
    struct arena a = { 0 };
    const char *set = NULL;
    enum ec rc = set_of(d, MAPS, &a, &set, reterr);

    if (!rc)
        rc = dv_scan(d, set, LIST_COLUMNS, NULL, false, take_map, &m, NULL, reterr);
    if (!rc)
        rc = set_of(d, RUNTIME, &a, &set, reterr);
    if (!rc)
        rc = dv_scan(d, set, "msdyn_internalentityname,msdyn_externalentityname,msdyn_unsecure,statecode",
                     "statecode eq 0", false, take_running, &m, NULL, reterr);
    if (rc) {
        rc = err_ctx(reterr, rc, "maps of the environment");
        dv_maps_release(&m);
    } else {
        *ret = m;
    }
    arena_release(&a);
    return rc;
}

void dv_maps_release(struct dv_maps *m)
{
    free(m->rows);
    free(m->running);
    arena_release(&m->arena);
    *m = (struct dv_maps){ 0 };
}

enum ec dv_map_documents(struct dv *d, const struct cell *ids, size_t n, json_row_fn *row, void *arg,
                         struct err *reterr)
{
    struct arena a = { 0 };
    const char *set = NULL;
    enum ec rc = n ? set_of(d, MAPS, &a, &set, reterr) : EC_OK;

    for (size_t from = 0; from < n && !rc; from += IDS_PER_CALL) {
        struct strbuf filter = STRBUF(0);

        for (size_t k = from; k < n && k < from + IDS_PER_CALL; k++) {
            uint8_t bin[16];

            if (!dv_guid(ids[k], bin))
                rc = err_set(reterr, EC_DATAVERSE, "a map row has the id '" CELL_FMT "'", CELL_ARG(ids[k]));
            strbuf_addf(&filter, "%smsdyn_dualwriteentitymapid eq " CELL_FMT, k > from ? " or " : "",
                        CELL_ARG(ids[k]));
        }
        if (!rc)
            rc = dv_scan(d, set, ALL_COLUMNS, strbuf_str(&filter), false, row, arg, NULL, reterr);
        strbuf_release(&filter);
    }
    arena_release(&a);
    return rc;
}

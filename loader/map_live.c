/* map_live.c -- the live version among the saved ones. */
#include "loader/map_live.h"

#include <stdlib.h>

/* "accounts - Customers V3" out of a row's name, as written. */
static bool parts_of(const struct dv_map_row *r, struct cell *ret_label, struct cell *ret_set)
{
    const char *open = r->name.len ? memchr(r->name.ptr, '[', r->name.len) : NULL;
    const char *shut = r->name.len ? memrchr(r->name.ptr, ']', r->name.len) : NULL;
    struct cell in, set;
    const char *dash;

    if (!open || !shut || shut < open)
        return false;
    in = (struct cell){ open + 1, (size_t)(shut - open - 1) };
    dash = memmem(in.ptr, in.len, " - ", 3); /* a set's name has no blanks: the first one parts them */
    if (!dash)
        return false;
    set = (struct cell){ in.ptr, (size_t)(dash - in.ptr) };
    *ret_set = set;
    *ret_label = (struct cell){ dash + 3, in.len - set.len - 3 };
    return set.len && ret_label->len;
}

static bool is_version_of(const struct dv_map_row *r, struct cell label, struct cell set)
{
    struct cell l, s;

    return r->active && parts_of(r, &l, &s) && cell_ieq(l, label) && cell_ieq(s, set);
}

static const char *name_of(struct dv_maps *m, struct cell label, struct cell set)
{
    return arena_printf(&m->arena, CELL_FMT " (" CELL_FMT ")", CELL_ARG(label), CELL_ARG(set));
}

static enum ec by_version(struct dv_maps *m, struct cell version, struct live_map *ret, struct err *reterr)
{
    const struct dv_map_row *found = NULL;
    const char *name = name_of(m, ret->label, ret->set);

    for (size_t i = 0; i < m->n; i++) {
        const struct dv_map_row *r = &m->rows[i];

        if (!is_version_of(r, ret->label, ret->set) || map_version_compare(r->version, version) != 0)
            continue;
        if (found) {
            err_set(reterr, EC_STATE,
                    "%s: version " CELL_FMT " runs, but both '" CELL_FMT "' and '" CELL_FMT "' are saved as it", name,
                    CELL_ARG(version), CELL_ARG(found->name), CELL_ARG(r->name));
            return err_hint(reterr, "import the document that is meant with 'dmfsync map import'");
        }
        found = r;
    }
    if (!found) {
        err_set(reterr, EC_STATE, "%s: version " CELL_FMT " runs, but no saved map has it", name, CELL_ARG(version));
        return err_hint(reterr, "save the map in dual-write, or refresh its solution");
    }
    ret->row = found;
    ret->evidence =
        cell_printf(&m->arena, "version " CELL_FMT " runs, by its runtime row%s", CELL_ARG(version),
                    map_version_parked(version) ? "; it is the parked number 9.9.9.9, and yet it runs" : "");
    return EC_OK;
}

/* The version that runtime rows name. *ret_found: there is one. */
static enum ec running_version(struct dv_maps *m, const struct live_map *want, struct cell *ret, bool *ret_found,
                               struct err *reterr)
{
    *ret_found = false;
    for (size_t i = 0; i < m->n_running; i++) {
        const struct dv_running_map *r = &m->running[i];

        if (!cell_ieq(r->label, want->label) || !cell_ieq(r->set, want->set) || cell_blank(r->version))
            continue;
        if (*ret_found && map_version_compare(*ret, r->version) != 0) {
            err_set(reterr, EC_STATE, "%s: runtime rows name two versions, " CELL_FMT " and " CELL_FMT,
                    name_of(m, want->label, want->set), CELL_ARG(*ret), CELL_ARG(r->version));
            return err_hint(reterr, "stop and start the map; a database copy leaves such rows behind");
        }
        *ret = r->version;
        *ret_found = true;
    }
    return EC_OK;
}

static enum ec by_date(struct dv_maps *m, struct live_map *ret, struct err *reterr)
{
    const struct dv_map_row *best = NULL, *highest = NULL;
    size_t versions = 0, parked = 0;
    const char *more = "";

    for (size_t i = 0; i < m->n; i++) {
        const struct dv_map_row *r = &m->rows[i];
        int c;

        if (!is_version_of(r, ret->label, ret->set))
            continue;
        versions++;
        if (map_version_parked(r->version)) {
            parked++;
            continue;
        }
        c = best ? cell_cmp(best->created, r->created) : -1;
        if (c < 0 || (c == 0 && map_version_compare(best->version, r->version) < 0))
            best = r;
        if (!highest || map_version_compare(highest->version, r->version) < 0)
            highest = r;
    }
    if (!versions) {
        err_set(reterr, EC_NOTFOUND, "%s: the environment has no saved map of this name",
                name_of(m, ret->label, ret->set));
        return err_hint(reterr, "save the map on the dual-write page, or look up its name there");
    }
    if (!best) {
        err_set(reterr, EC_STATE, "%s: only the parked version 9.9.9.9 is saved, and it does not run",
                name_of(m, ret->label, ret->set));
        return err_hint(reterr, "import it by file if it is the one that is meant");
    }
    if (map_version_compare(best->version, highest->version) < 0)
        more = arena_printf(&m->arena, "; " CELL_FMT " is higher, but was saved earlier", CELL_ARG(highest->version));
    ret->row = best;
    ret->evidence =
        cell_printf(&m->arena, "version " CELL_FMT " is the newest saved one%s%s; no runtime row names it",
                    CELL_ARG(best->version), parked ? " that is not parked" : "", more);
    return EC_OK;
}

enum ec live_map_find(struct dv_maps *maps, struct cell label, struct cell set, struct live_map *ret,
                      struct err *reterr)
{
    struct live_map found = { .label = label, .set = set };
    struct cell version = CELL_ABSENT;
    bool runs = false;
    enum ec rc = running_version(maps, &found, &version, &runs, reterr);

    if (!rc)
        rc = runs ? by_version(maps, version, &found, reterr) : by_date(maps, &found, reterr);
    if (!rc)
        *ret = found;
    return rc;
}

bool live_map_named(struct dv_maps *maps, const char *text, struct cell *ret_label, struct cell *ret_set)
{
    for (size_t i = 0; i < maps->n; i++) {
        struct map probe = { 0 };
        bool yes;

        if (!parts_of(&maps->rows[i], &probe.label, &probe.set))
            continue;
        probe.name = cell_of(name_of(maps, probe.label, probe.set));
        yes = map_named(&probe, text);
        if (yes) {
            *ret_label = probe.label;
            *ret_set = probe.set;
            return true;
        }
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    const struct live_map *x = a, *y = b;
    int c = cell_cmp(x->set, y->set);

    return c ? c : cell_cmp(x->label, y->label);
}

size_t live_map_all(struct dv_maps *maps, struct live_map **ret, struct arena *a)
{
    struct live_map *list = arena_zalloc(a, (maps->n + 1) * sizeof(*list));
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < maps->n; i++)
        if (maps->rows[i].active && parts_of(&maps->rows[i], &list[n].label, &list[n].set)) {
            list[n].label = cell_dup(a, list[n].label);
            list[n].set = cell_lower(a, list[n].set);
            n++;
        }
    if (n)
        qsort(list, n, sizeof(*list), by_name);
    for (size_t i = 0; i < n; i++)
        if (!kept || !cell_ieq(list[kept - 1].label, list[i].label) || !cell_ieq(list[kept - 1].set, list[i].set))
            list[kept++] = list[i];
    *ret = list;
    return kept;
}

struct fetch {
    struct import *i;
    const struct live_map *list;
    size_t n;
};

static enum ec take_document(void *arg, const struct json *row, struct err *reterr)
{
    struct fetch *f = arg;
    size_t at = f->i->n;

    (void)reterr;
    for (size_t k = 0; k < f->n; k++)
        if (cell_ieq(json_member(row, "msdyn_dualwriteentitymapid"), f->list[k].row->id)) {
            import_row(f->i, "Dataverse", row);
            f->i->maps[at].chosen = true;
            f->i->maps[at].note = cell_dup(&f->i->arena, f->list[k].evidence);
            break;
        }
    return EC_OK;
}

enum ec live_map_fetch(struct dv *d, const struct live_map *list, size_t n, struct import *i, struct err *reterr)
{
    struct fetch f = { i, list, n };
    struct cell *ids = xcalloc(n + 1, sizeof(*ids));
    size_t before = i->n;
    enum ec rc;

    for (size_t k = 0; k < n; k++)
        ids[k] = list[k].row->id;
    rc = dv_map_documents(d, ids, n, take_document, &f, reterr);
    if (!rc && i->n - before < n)
        rc = err_set(reterr, EC_DATAVERSE, "%zu of %zu map rows were not in the answer", n - (i->n - before), n);
    free(ids);
    return rc;
}

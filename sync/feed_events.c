#include "sync/feed_events.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "sync/feed_parts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILE = 16 << 20, MAX_FILES = 10000, MAX_PARTS = 16 };
struct intake {
    struct pair *p;
    bool *maps;
    struct event_counts *c;
    struct arena a;
};

/* A row that holds the key's cells alone. */
static enum ec put_key(struct intake *in, struct map_ctx *m, const struct cell *cells, struct err *reterr)
{
    struct feed_counts unused = { 0 };
    struct taking t = { .m = m, .c = &unused };
    enum ec rc = feed_put(&t, FEED_FNO, bind_key_digest(m->b, cells, &in->a), bind_key_text(m->b, cells, &in->a),
                          cells, CELL_ABSENT, reterr);

    arena_release(&t.a);
    if (rc)
        return rc;
    in->maps[m - in->p->maps] = true;
    in->c->taken++;
    return EC_OK;
}

/* {"map":"customers","key":"usmf|C-0042"}; *ret_ok false = not one of ours. */
static enum ec own_form(struct intake *in, const struct json *v, bool *ret_ok, struct err *reterr)
{
    struct cell name = json_member(v, "map"), key = json_member(v, "key"), parts[MAX_PARTS];
    struct map_ctx *m = cell_blank(name) ? NULL : pair_map(in->p, cell_cstr(&in->a, name));
    struct cell *cells;
    size_t n;

    *ret_ok = m && m->state && !cell_blank(key);
    if (!*ret_ok)
        return EC_OK;
    n = key_split(&in->a, key, parts, COUNT(parts));
    *ret_ok = n == m->b->n_key;
    if (!*ret_ok)
        return EC_OK;
    cells = arena_zalloc(&in->a, (m->b->n + 1) * sizeof(*cells));
    for (size_t i = 0; i < n; i++) {
        const char *why;

        if (canon_cell(&m->b->fields[m->b->key[i]].rule, NULL, parts[i], &in->a, &cells[m->b->key[i]], &why) !=
            CANON_FINE)
            *ret_ok = false;
    }
    return *ret_ok ? put_key(in, m, cells, reterr) : EC_OK;
}

struct attributes {
    const struct json *list; /* [{"key":"mserp_dataareaid","value":"usmf"},..] */
    struct arena *a;
};

static struct cell attribute(void *arg, const struct fno_field *f)
{
    struct attributes *at = arg;
    struct cell property = f ? f->property : CELL_LIT("dataAreaId");
    struct cell name = cell_printf(at->a, "mserp_" CELL_FMT, CELL_ARG(cell_lower(at->a, property)));

    for (const struct json *v = at->list ? at->list->child : NULL; v; v = v->next)
        if (cell_ieq(json_member(v, "key"), name) || cell_ieq(json_member(v, "Key"), name)) {
            struct cell value = json_member(v, json_get(v, "value") ? "value" : "Value");

            return f ? value : cell_lower(at->a, value);
        }
    return CELL_ABSENT;
}

static const struct json *target_of(const struct json *v)
{
    const struct json *list = json_get(v, "InputParameters");

    for (const struct json *p = list ? list->child : NULL; p; p = p->next)
        if (cell_is(json_member(p, "key"), "Target"))
            return json_get(p, "value");
    return NULL;
}

static bool of_entity(const struct map_ctx *m, struct cell name, struct arena *a)
{
    return cell_ieq(name, cell_printf(a, "mserp_" CELL_FMT, CELL_ARG(cell_lower(a, m->b->entity->aot)))) ||
           cell_ieq(name, cell_printf(a, "mserp_" CELL_FMT, CELL_ARG(cell_lower(a, m->b->entity->set))));
}

/* A RemoteExecutionContext. Events of Dataverse's own tables say nothing that change tracking does not tell in the same round. */
static enum ec context_form(struct intake *in, const struct json *v, bool *ret_ok, struct err *reterr)
{
    struct cell name = json_member(v, "PrimaryEntityName");
    const struct json *target = target_of(v);
    struct attributes at = { .a = &in->a, .list = target ? json_get(target, "Attributes") : NULL };
    bool any = false;
    enum ec rc = EC_OK;

    *ret_ok = !cell_blank(name);
    for (size_t i = 0; *ret_ok && i < in->p->n && !rc; i++) {
        struct map_ctx *m = &in->p->maps[i];
        struct bind_fault faults[2];
        struct cell *cells;
        bool *keys;

        if (!m->state || !of_entity(m, name, &in->a))
            continue;
        cells = arena_zalloc(&in->a, (m->b->n + 1) * sizeof(*cells));
        keys = arena_zalloc(&in->a, m->b->n + 1);
        for (size_t k = 0; k < m->b->n_key; k++)
            keys[m->b->key[k]] = true;
        any = true;
        if (bind_some_from_fno(m->b, keys, attribute, &at, &in->a, cells, faults, COUNT(faults)) ||
            cell_blank(cells[m->b->key[m->b->n_key - 1]]))
            *ret_ok = false; /* it does not say whose event it is */
        else
            rc = put_key(in, m, cells, reterr);
    }
    in->c->foreign += *ret_ok && !any;
    return rc;
}

static enum ec one_event(struct intake *in, const struct json *v, bool *ret_ok, struct err *reterr)
{
    enum ec rc;

    in->c->events++;
    rc = own_form(in, v, ret_ok, reterr);
    return rc || *ret_ok ? rc : context_form(in, v, ret_ok, reterr);
}

static enum ec each(struct intake *in, const struct json *v, bool *ret_ok, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (v->type != JSON_ARRAY)
        return one_event(in, v, ret_ok, reterr);
    for (const struct json *e = v->child; e && !rc && *ret_ok; e = e->next)
        rc = one_event(in, e, ret_ok, reterr);
    return rc;
}

/* One text, or one per line. */
static enum ec parse(struct intake *in, const char *name, const struct strbuf *text, bool *ret_ok, struct err *reterr)
{
    struct json *v = NULL;
    const char *p = strbuf_str(text), *end = p + text->len;
    enum ec rc = EC_OK;

    *ret_ok = true;
    if (!json_parse(name, p, text->len, NULL, &in->a, &v, NULL))
        return each(in, v, ret_ok, reterr);
    while (p < end && !rc && *ret_ok) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;

        if (stop > p && strspn(p, " \t\r") < (size_t)(stop - p)) {
            if (json_parse(name, p, (size_t)(stop - p), NULL, &in->a, &v, NULL))
                *ret_ok = false;
            else
                rc = each(in, v, ret_ok, reterr);
        }
        p = stop + 1;
    }
    return rc;
}

static enum ec all_begin(struct pair *p, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < p->n && !rc; i++)
        if (p->maps[i].state)
            rc = store_begin(p->maps[i].state, reterr);
    return rc;
}

static enum ec all_end(struct pair *p, enum ec rc, struct err *reterr)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->maps[i].state && store_in_transaction(p->maps[i].state))
            rc = store_end(p->maps[i].state, rc, reterr);
    return rc;
}

/* The keys are stored first: a file that is taken twice after a kill does no harm. */
static enum ec take_file(struct intake *in, const char *dir, const char *name, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    char *path, *bad;
    struct err why = { 0 };
    bool ok = false;
    enum ec rc;

    arena_reset(&in->a);
    path = arena_printf(&in->a, "%s/%s", dir, name);
    in->c->files++;
    ok = !file_read(path, MAX_FILE, &text, &why);
    rc = ok ? all_begin(in->p, reterr) : EC_OK;
    if (ok && !rc) {
        rc = parse(in, name, &text, &ok, reterr);
        rc = all_end(in->p, rc ? rc : ok ? EC_OK : EC_FORMAT, rc ? reterr : &why);
        if (!ok)
            rc = EC_OK;
    }
    strbuf_release(&text);
    if (rc)
        return rc;
    if (ok)
        return unlink(path) ? err_set(reterr, EC_IO, "'%s' cannot be removed", path) : EC_OK;
    in->c->bad++;
    bad = arena_printf(&in->a, "%s/bad", dir);
    (void)mkdir(bad, 0700);
    log_warn("feed", "the event file '%s' is not understood; it is put into '%s'", path, bad);
    if (rename(path, arena_printf(&in->a, "%s/%s", bad, name)))
        return err_set(reterr, EC_IO, "'%s' cannot be moved to '%s'", path, bad);
    return EC_OK;
}

static int by_name(const struct dirent **x, const struct dirent **y)
{
    return strcmp((*x)->d_name, (*y)->d_name);
}

static int visible(const struct dirent *d)
{
    return d->d_name[0] != '.' && (d->d_type == DT_REG || d->d_type == DT_UNKNOWN);
}

enum ec feed_events(struct pair *p, bool *ret_maps, struct event_counts *ret, struct err *reterr)
{
    struct intake in = { .p = p, .maps = ret_maps, .c = ret };
    struct dirent **list = NULL;
    struct arena a = { 0 };
    const char *dir = p->app->cfg.sync_events ? workspace_path(&p->app->ws, &a, "%s", p->app->cfg.sync_events) : NULL;
    int n = dir ? scandir(dir, &list, visible, by_name) : 0;
    enum ec rc = EC_OK;

    *ret = (struct event_counts){ 0 };
    if (n < 0) {
        rc = err_set(reterr, EC_CONFIG, "the folder of data events '%s' cannot be read", dir);
        err_hint(reterr, "make it, or take 'events' out of [sync]");
    }
    for (int i = 0; i < n; i++) {
        if (!rc && i < MAX_FILES && !stop_requested())
            rc = take_file(&in, dir, list[i]->d_name, reterr);
        free(list[i]);
    }
    free(list);
    if (ret->files)
        log_info("feed", "%llu event files: %llu events, %llu keys, %llu of no map here, %llu files not understood",
                 (unsigned long long)ret->files, (unsigned long long)ret->events, (unsigned long long)ret->taken,
                 (unsigned long long)ret->foreign, (unsigned long long)ret->bad);
    arena_release(&in.a);
    arena_release(&a);
    return rc;
}

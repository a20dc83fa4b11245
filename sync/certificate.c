/* certificate.c -- puts a certificate together and signs it. */
#include "sync/certificate.h"
#include "base/clock.h"
#include "base/log.h"
#include "data/sign.h"
#include "sync/delta_row.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_LISTED = 10000 }; /* differences per map that are listed; all are counted */

struct certificate {
    struct app *app;
    struct output out; /* builds JSON; out.data is the document */
};

void certificate_section_hash(const struct json *section, char ret[static 65])
{
    struct sha256 *s = sha256_new();
    struct strbuf text = STRBUF(0);

    json_write(&text, section);
    sha256_add(s, text.buf, text.len);
    sha256_hex(s, ret);
    strbuf_release(&text);
}

void certificate_signed_text(const struct json *sections, struct strbuf *out)
{
    strbuf_adds(out, "dmfsync certificate " CERTIFICATE_FORMAT "\n");
    json_write(out, sections);
}

enum ec certificate_root(const char *path, const struct canon_rule *rules, const uint16_t *compared, size_t n,
                         char ret[static 65], struct err *reterr)
{
    struct leaf_file *f = NULL;
    struct leaf_walk *w = NULL;
    struct arena a = { 0 };
    struct strbuf row = STRBUF(0);
    struct sha256 *s = sha256_new();
    bool more = true;
    enum ec rc = leaf_open(path, &f, reterr);

    for (size_t i = 0; i < n && !rc; i++)
        if (compared[i] >= leaf_cells(f))
            rc = err_set(reterr, EC_STATE, "snapshot '%s' has other fields than the certificate", path);
    if (!rc)
        rc = leaf_walk_new(f, NULL, false, &w, reterr);
    while (!rc && more) {
        struct leaf_pair p;

        rc = leaf_walk_next(w, true, &p, &more, reterr);
        if (rc || !more)
            break;
        arena_reset(&a);
        strbuf_reset(&row);
        digest_text(rules, p.a.cells, compared, n, &a, &row);
        sha256_add(s, row.buf, row.len);
    }
    sha256_hex(s, ret);
    leaf_walk_free(w);
    leaf_close(f);
    strbuf_release(&row);
    arena_release(&a);
    return rc;
}

/* ---- head ---- */

static void put_operator(struct output *o, struct json *head)
{
    const struct passwd *pw = getpwuid(getuid());
    char host[256] = "";

    if (gethostname(host, sizeof(host) - 1))
        host[0] = 0;
    out_cell(o, head, "operator", cell_printf(&o->arena, "%s@%s", pw && pw->pw_name ? pw->pw_name : "?", host));
}

void certificate_begin(struct app *app, struct certificate **ret)
{
    struct certificate *c = xcalloc(1, sizeof(*c));
    struct output *o = &c->out;
    struct json *head;
    char now[32];

    c->app = app;
    o->data = json_new(&o->arena, JSON_OBJECT, CELL_ABSENT);
    head = out_object(o, o->data, "head");
    clock_format_utc(clock_utc_ms(), now);
    out_str(o, head, "what", "dmfsync parity certificate");
    out_str(o, head, "format", CERTIFICATE_FORMAT);
    out_str(o, head, "version", DMFSYNC_VERSION);
    out_int(o, head, "canon", CANON_VERSION);
    out_str(o, head, "made_at", now);
    put_operator(o, head);
    out_str(o, head, "fno", app->cfg.fno.url);
    out_str(o, head, "dataverse", app->cfg.dataverse.url);
    *ret = c;
}

void certificate_free(struct certificate *c)
{
    if (!c)
        return;
    arena_release(&c->out.arena);
    free(c);
}

/* ---- one map ---- */

static void put_fields(struct certificate *c, struct json *map, const struct binding *b)
{
    struct json *list = out_array(&c->out, map, "fields");

    for (size_t k = 0; k < b->n_compared; k++) {
        const struct bound_field *f = &b->fields[b->compared[k]];
        const struct canon_rule *r = &f->rule;
        struct json *v = out_object(&c->out, list, NULL);

        out_cell(&c->out, v, "name", f->name);
        out_int(&c->out, v, "cell", b->compared[k]);
        out_str(&c->out, v, "rule", canon_rule_text(r, &c->out.arena));
        out_int(&c->out, v, "type", r->type);
        out_int(&c->out, v, "scale", r->scale);
        out_bool(&c->out, v, "strict", r->strict);
        out_int(&c->out, v, "letters", r->letters);
        out_bool(&c->out, v, "day", r->day);
        out_int(&c->out, v, "round", r->round);
        out_cell(&c->out, v, "zero", r->zero);
        out_str(&c->out, v, "direction",
                f->dir == DIR_TO_DV    ? "to dataverse"
                : f->dir == DIR_TO_FNO ? "to fno"
                                       : "both");
    }
}

static enum ec put_snapshot(struct certificate *c, struct map_ctx *m, struct json *map, const char *name,
                            const struct snapshot *s, struct err *reterr)
{
    struct json *v = out_object(&c->out, map, name);
    const char *token = s->cursor ? strstr(s->cursor, "deltatoken=") : NULL;
    char root[65], sum[64];
    enum ec rc = certificate_root(s->path, m->b->rules, m->b->compared, m->b->n_compared, root, reterr);

    if (rc)
        return rc;
    digest_format_sum(s->sum, sum);
    out_str(&c->out, v, "snapshot", strrchr(s->path, '/') + 1);
    out_str(&c->out, v, "began_at", s->began_at);
    out_str(&c->out, v, "ended_at", s->ended_at);
    out_int(&c->out, v, "rows", (int64_t)s->rows);
    out_int(&c->out, v, "excluded", (int64_t)s->excluded);
    out_str(&c->out, v, "digest", sum);
    out_str(&c->out, v, "root", root);
    out_str(&c->out, v, "cursor", token ? token : "");
    return EC_OK;
}

static enum ec put_feed_cursors(struct certificate *c, struct map_ctx *m, struct json *map, struct err *reterr)
{
    struct json *list = out_array(&c->out, map, "cursors");
    struct query *q =
        store_query(m->state, "select side, company, value, moved_at from cursor order by side, company");

    while (query_step(q)) {
        struct json *v = out_object(&c->out, list, NULL);
        const char *value = query_get_str(q, 2), *token = strstr(value, "deltatoken=");

        out_cell(&c->out, v, "side", query_get_cell(q, 0));
        out_cell(&c->out, v, "company", query_get_cell(q, 1));
        out_str(&c->out, v, "value", token ? token : strstr(value, "://") ? "" : value);
        out_cell(&c->out, v, "moved_at", query_get_cell(q, 3));
    }
    return query_done(q, reterr);
}

struct proving_cells {
    struct certificate *c;
    struct json *list;
    uint64_t n;
};

static enum ec changed_cell(void *arg, const struct proof_cell *cell, struct err *reterr)
{
    struct proving_cells *p = arg;
    struct json *v;

    (void)reterr;
    if (!strcmp(cell->class, "defaulted") || ++p->n > MAX_LISTED)
        return EC_OK;
    v = out_object(&p->c->out, p->list, NULL);
    out_str(&p->c->out, v, "class", cell->class);
    out_int(&p->c->out, v, "line", (int64_t)cell->place.line);
    out_cell(&p->c->out, v, "key", cell->key);
    out_cell(&p->c->out, v, "field", cell->field);
    out_cell(&p->c->out, v, "source", cell->source);
    out_cell(&p->c->out, v, "fno", cell->fno);
    return EC_OK;
}

/* The other proof: what became of the loaded files' cells in F&O. */
static enum ec put_proof(struct certificate *c, struct map_ctx *m, struct json *map, struct json *differences,
                         const struct snapshot *fno, struct err *reterr)
{
    struct proof_counts n = { 0 };
    struct proving_cells p = { .c = c };
    int64_t run_id = load_last_run(m);
    struct arena a = { 0 };
    char *file = run_id ? load_source_file(m, run_id, &a) : NULL;
    struct json *v;
    enum ec rc = EC_OK;

    if (file && file_exists(file)) {
        p.list = out_array(&c->out, differences, "source");
        rc = proof_source(m, run_id, fno, changed_cell, &p, &n, reterr);
        v = out_object(&c->out, map, "source");
        out_str(&c->out, v, "file", m->cfg->source);
        out_int(&c->out, v, "run", run_id);
        out_int(&c->out, v, "rows", (int64_t)n.rows);
        out_int(&c->out, v, "kept_cells", (int64_t)n.kept);
        out_int(&c->out, v, "defaulted_cells", (int64_t)n.defaulted_cells);
        out_int(&c->out, v, "changed_cells", (int64_t)n.changed_cells);
        out_int(&c->out, v, "changed_rows", (int64_t)n.changed_rows);
        out_int(&c->out, v, "missing_rows", (int64_t)n.missing_rows);
    }
    arena_release(&a);
    return rc;
}

static enum ec put_differences(struct certificate *c, struct map_ctx *m, struct json *section, struct err *reterr)
{
    struct output *o = &c->out;
    struct json *list = out_array(o, section, "keys");
    struct delta_reader *r = NULL;
    struct delta_row d;
    int *fields = arena_alloc(&o->arena, (m->b->n + 1) * sizeof(*fields));
    uint64_t n = 0;
    bool more = true;
    enum ec rc = delta_reader_new(m, NULL, &r, reterr);

    while (!rc && more) {
        struct json *v, *list_fields;
        size_t differ;

        rc = delta_reader_next(r, &d, &more, reterr);
        if (rc || !more || ++n > MAX_LISTED)
            continue;
        v = out_object(o, list, NULL);
        out_cell(o, v, "key", d.key);
        out_str(o, v, "class", d.class);
        out_str(o, v, "note", d.note);
        if (!d.fno || !d.dv)
            continue;
        list_fields = out_array(o, v, "fields");
        differ = diff_fields(m->b, d.fno, d.dv, fields, m->b->n);
        for (size_t i = 0; i < differ; i++) {
            struct json *f = out_object(o, list_fields, NULL);

            out_cell(o, f, "field", m->b->fields[fields[i]].name);
            out_cell(o, f, "fno", d.fno[fields[i]]);
            out_cell(o, f, "dataverse", d.dv[fields[i]]);
        }
    }
    delta_reader_free(r);
    out_int(o, section, "all", (int64_t)n);
    out_int(o, section, "listed", (int64_t)(n > MAX_LISTED ? MAX_LISTED : n));
    return rc;
}

enum ec certificate_map(struct certificate *c, struct map_ctx *m, const struct comparison *cmp, struct err *reterr)
{
    struct output *o = &c->out;
    struct arena a = { 0 };
    struct verdict_row v;
    struct json *map = out_object(o, o->data, arena_printf(&o->arena, "map %s", m->cfg->alias));
    struct json *differences = out_object(o, o->data, arena_printf(&o->arena, "differences %s", m->cfg->alias));
    struct json *list, *counts = NULL;
    struct cell companies[1024];
    size_t n = map_companies(m, companies, COUNT(companies));
    char hash[65];
    enum ec rc = verdict_latest(m, &a, &v, reterr);

    if (!rc)
        rc = json_parse("verdict", v.data, strlen(v.data), NULL, &o->arena, &counts, reterr);
    if (rc)
        goto out;
    bind_hash(m->b, hash);
    out_cell(o, map, "name", m->map->name);
    out_str(o, map, "map_hash", hash);
    out_cell(o, map, "fno_filter", m->map->source_filter);
    out_cell(o, map, "dataverse_filter", m->map->reversed_filter);
    list = out_array(o, map, "companies");
    for (size_t i = 0; i < n; i++)
        json_append(list, json_new(&o->arena, JSON_STRING, cell_dup(&o->arena, companies[i])));
    put_fields(c, map, m->b);
    rc = put_snapshot(c, m, map, "fno", &cmp->fno, reterr);
    if (!rc)
        rc = put_snapshot(c, m, map, "dataverse", &cmp->dv, reterr);
    if (!rc)
        rc = put_feed_cursors(c, m, map, reterr);
    if (rc)
        goto out;
    json_set(&o->arena, map, "counts", counts);
    rc = put_proof(c, m, map, differences, &cmp->fno, reterr);
    if (!rc)
        rc = put_differences(c, m, differences, reterr);
out:
    arena_release(&a);
    return rc ? err_ctx(reterr, rc, "certificate of map '%s'", m->cfg->alias) : EC_OK;
}

enum ec certificate_write(struct certificate *c, const char *path, const char *key_path, struct err *reterr)
{
    struct output *o = &c->out;
    struct sign_key *key = NULL;
    struct strbuf text = STRBUF(0);
    struct json *sections = json_new(&o->arena, JSON_OBJECT, CELL_ABSENT), *signature;
    char hex[SIGN_HEX + 1], public[SIGN_KEY_HEX + 1];
    enum ec rc = sign_key_read(key_path, &key, reterr);

    if (rc)
        return rc;
    for (const struct json *s = o->data->child; s; s = s->next) {
        char hash[65];

        certificate_section_hash(s, hash);
        json_set(&o->arena, sections, cell_cstr(&o->arena, s->name),
                 json_new(&o->arena, JSON_STRING, cell_of(arena_strdup(&o->arena, hash))));
    }
    json_set(&o->arena, o->data, "sections", sections);
    certificate_signed_text(sections, &text);
    rc = sign_octets(key, text.buf, text.len, hex, reterr);
    if (!rc) {
        sign_key_public(key, public);
        signature = out_object(o, o->data, "signature");
        out_str(o, signature, "algorithm", "Ed25519");
        out_str(o, signature, "public_key", public);
        out_str(o, signature, "value", hex);
        strbuf_reset(&text);
        json_write_pretty(&text, o->data);
        rc = file_write_atomic(path, text.buf, text.len, 0644, reterr);
    }
    sign_key_free(key);
    strbuf_release(&text);
    return rc ? err_ctx(reterr, rc, "certificate '%s'", path) : EC_OK;
}

#include "loader/public/dict.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_SETS = 512, CACHE = 8192, MAX_PARTS = 16 };

/* One target table with one list of key columns: a lookup of a map names both. */
struct key_set {
    const struct dv_table *t;
    char *columns; /* joined by ',' */
    size_t n;
    bool loaded;
};
/* Direct-mapped: most rows look up the same few groups, terms and currencies. */
struct cached {
    uint64_t hash;
    char *question, *answer;
    size_t question_len, answer_len;
};
struct dict {
    struct pair *p;
    const struct dict_source *source; /* NULL = Dataverse */
    struct store *s;
    char *path;
    struct key_set sets[MAX_SETS];
    size_t n;
    char organization[40];
    bool lazy;
    struct err failed; /* of a lazy question */
    struct cached cache[CACHE];
};

static const struct store_schema DICT_SCHEMA = {
    .application_id = 0x646d6664, /* "dmfd" */
    .version = 1,
    .steps =
        (const char *const[]){
            "create table entry(set_no integer not null, id text not null, company text not null, key text not null,"
            " parts blob not null, primary key(set_no, id)) without rowid;"
            "create index entry_key on entry(set_no, company, key);" },
};

enum ec dict_open_from(struct pair *p, const struct dict_source *source, struct dict **ret, struct err *reterr)
{
    struct dict *d = xcalloc(1, sizeof(*d));
    struct arena a = { 0 };
    struct dv_whoami who = { 0 };
    enum ec rc;

    d->p = p;
    d->source = source;
    d->path = xstrdup(workspace_path(&p->app->ws, &a, ".dmfsync/tmp/dict-%ld.db", (long)getpid()));
    arena_release(&a);
    (void)unlink(d->path);
    rc = store_open(d->path, STORE_BUILD, &DICT_SCHEMA, &d->s, reterr);
    /* One transaction for the file's whole life: nobody else reads it, and a commit for each row would be most of the work. */
    if (!rc)
        rc = store_begin(d->s, reterr);
    if (!rc && !source)
        rc = dv_whoami(p->app->dv, &who, reterr);
    if (rc) {
        dict_close(d);
        return rc;
    }
    snprintf(d->organization, sizeof(d->organization), "%s", who.organization_id);
    *ret = d;
    return EC_OK;
}

enum ec dict_open(struct pair *p, struct dict **ret, struct err *reterr)
{
    return dict_open_from(p, NULL, ret, reterr);
}

const struct dict_source *dict_source(const struct dict *d)
{
    return d->source;
}

static void cache_drop(struct dict *d)
{
    for (size_t i = 0; i < CACHE; i++) {
        free(d->cache[i].question);
        free(d->cache[i].answer);
        d->cache[i] = (struct cached){ 0 };
    }
}

void dict_close(struct dict *d)
{
    if (!d)
        return;
    if (d->s && store_in_transaction(d->s))
        (void)store_commit(d->s, NULL);
    store_close(d->s);
    if (d->path)
        (void)unlink(d->path);
    free(d->path);
    for (size_t i = 0; i < d->n; i++)
        free(d->sets[i].columns);
    cache_drop(d);
    free(d);
}

void dict_eager(struct dict *d)
{
    d->lazy = false;
}

void dict_lazy(struct dict *d)
{
    d->lazy = true;
}

enum ec dict_failed(const struct dict *d, struct err *reterr)
{
    if (d->failed.code && reterr)
        *reterr = d->failed;
    return d->failed.code;
}

const char *dict_organization(const struct dict *d)
{
    return d->organization;
}

static char *join_columns(const struct cell *columns, size_t n)
{
    struct strbuf b = STRBUF(0);

    for (size_t i = 0; i < n; i++) {
        if (i)
            strbuf_addc(&b, ',');
        strbuf_add(&b, columns[i].ptr, columns[i].len);
    }
    return strbuf_detach(&b, NULL);
}

/* Index of the key set, made when it is new; -1 = too many (a workspace with over 500 kinds of lookup). */
static int set_no(struct dict *d, const struct dv_table *t, const struct cell *columns, size_t n)
{
    char *joined = join_columns(columns, n);

    for (size_t i = 0; i < d->n; i++)
        if (d->sets[i].t == t && !strcmp(d->sets[i].columns, joined)) {
            free(joined);
            return (int)i;
        }
    if (d->n == MAX_SETS) {
        free(joined);
        return -1;
    }
    d->sets[d->n] = (struct key_set){ .t = t, .columns = joined, .n = n };
    return (int)d->n++;
}

static struct cell fold_key(struct arena *a, const struct cell *parts, size_t n)
{
    static const struct canon_rule KEY = { .type = CANON_KEY };
    struct cell folded[MAX_PARTS];

    for (size_t i = 0; i < n && i < MAX_PARTS; i++) {
        folded[i] = canon_fold(&KEY, parts[i], a);
        if (cell_absent(folded[i]))
            folded[i] = CELL_LIT("");
    }
    return key_join(a, folded, n > MAX_PARTS ? MAX_PARTS : n);
}

static enum ec store_entry(struct dict *d, int no, struct cell company, const struct cell *parts, size_t n,
                           struct cell id, struct err *reterr)
{
    struct query *q =
        store_query(d->s, "insert or replace into entry(set_no, id, company, key, parts) values(?1, ?2, ?3, ?4, ?5)");
    struct strbuf packed = STRBUF(0);
    struct arena a = { 0 };
    enum ec rc;

    row_pack(&packed, parts, n);
    query_int(q, 1, no);
    query_cell(q, 2, cell_lower(&a, id));
    query_cell(q, 3, cell_absent(company) ? CELL_LIT("") : company);
    query_cell(q, 4, fold_key(&a, parts, n));
    query_blob(q, 5, packed.buf, packed.len);
    rc = query_run(q, reterr);
    strbuf_release(&packed);
    arena_release(&a);
    return rc;
}

/* ---- reading a target table ---- */

struct part_path { /* a key column of the target, or a lookup of it and a column of that table */
    struct cell column;
    const struct dv_table *nested;
    struct cell nested_column;
};
struct loading {
    struct dict *d;
    int no;
    const struct dv_table *t;
    struct part_path parts[MAX_PARTS];
    size_t n;
    uint64_t rows;
};

static enum ec take_row(void *arg, const struct json *rec, struct err *reterr)
{
    struct loading *l = arg;
    struct arena a = { 0 };
    struct cell parts[MAX_PARTS], id = json_member(rec, cell_cstr(&a, l->t->pk)), company = CELL_ABSENT;
    enum ec rc = EC_OK;

    if (cell_blank(id)) {
        rc = err_set(reterr, EC_DATAVERSE, "a row of '" CELL_FMT "' came without its id", CELL_ARG(l->t->set));
        goto out;
    }
    if (l->t->company) {
        const char *name = arena_printf(&a, "_" CELL_FMT "_value", CELL_ARG(l->t->company->name));
        const struct pair_company *c = pair_company_by_id(l->d->p, json_member(rec, name));

        if (!c)
            goto out; /* a row without company, or of one that F&O does not have, is nobody's lookup target */
        company = c->code;
    }
    for (size_t i = 0; i < l->n; i++) {
        if (!l->parts[i].nested) {
            parts[i] = json_member(rec, cell_cstr(&a, l->parts[i].column));
        } else {
            const char *name = arena_printf(&a, "_" CELL_FMT "_value", CELL_ARG(l->parts[i].column));
            struct cell nested_id = json_member(rec, name);

            if (cell_absent(nested_id) ||
                !dict_by_id(l->d, l->parts[i].nested, &l->parts[i].nested_column, 1, nested_id, &a, &parts[i]))
                parts[i] = CELL_ABSENT;
        }
    }
    rc = store_entry(l->d, l->no, company, parts, l->n, id, reterr);
    l->rows++;
out:
    arena_release(&a);
    return rc;
}

static enum ec load_set(struct dict *d, const struct dv_table *t, const struct cell *columns, size_t n, bool fresh,
                        int depth, struct err *reterr);

/* "msdyn_hierarchy.msdyn_name" -> lookup column and the column of its target, whose dictionary is loaded first. */
static enum ec split_path(struct dict *d, const struct dv_table *t, struct cell path, bool fresh, int depth,
                          struct part_path *ret, struct err *reterr)
{
    const char *dot = memchr(path.ptr, '.', path.len);
    const struct dv_column *c;

    *ret = (struct part_path){ .column = path };
    if (!dot)
        return EC_OK;
    ret->column.len = (size_t)(dot - path.ptr);
    ret->nested_column = (struct cell){ dot + 1, path.len - ret->column.len - 1 };
    c = dv_column_find(t, ret->column);
    ret->nested = c && c->n_navs ? schema_table_logical(&d->p->schema, c->navs[0].target) : NULL;
    if (!ret->nested || depth > 4)
        return err_set(reterr, EC_CONFIG, "lookup path '" CELL_FMT "' cannot be followed from table '" CELL_FMT "'",
                       CELL_ARG(path), CELL_ARG(t->logical));
    return load_set(d, ret->nested, &ret->nested_column, 1, fresh, depth + 1, reterr);
}

static enum ec load_set(struct dict *d, const struct dv_table *t, const struct cell *columns, size_t n, bool fresh,
                        int depth, struct err *reterr)
{
    struct loading l = { .d = d, .t = t, .n = n, .no = set_no(d, t, columns, n) };
    struct strbuf select = STRBUF(0);
    struct arena a = { 0 };
    struct query *q;
    enum ec rc = EC_OK;

    if (l.no < 0 || n > MAX_PARTS)
        return err_set(reterr, EC_LIMIT, "too many kinds of lookup in one workspace");
    if ((d->sets[l.no].loaded || d->lazy) && !fresh)
        return EC_OK;
    strbuf_add(&select, t->pk.ptr, t->pk.len);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = split_path(d, t, columns[i], fresh, depth, &l.parts[i], reterr);
        if (!rc)
            strbuf_addf(&select, l.parts[i].nested ? ",_" CELL_FMT "_value" : "," CELL_FMT,
                        CELL_ARG(l.parts[i].column));
    }
    if (t->company)
        strbuf_addf(&select, ",_" CELL_FMT "_value", CELL_ARG(t->company->name));
    if (rc)
        goto out;
    q = store_query(d->s, "delete from entry where set_no = ?1");
    query_int(q, 1, l.no);
    rc = query_run(q, reterr);
    if (!rc && d->source)
        rc = d->source->scan(d->source->arg, t, select.buf, take_row, &l, reterr);
    else if (!rc)
        rc = dv_scan(d->p->app->dv, cell_cstr(&a, t->set), select.buf, NULL, false, take_row, &l, NULL, reterr);
    d->sets[l.no].loaded = !rc; /* half a table is read again */
    if (!rc) {
        cache_drop(d);
        log_debug("dict", "%llu rows of " CELL_FMT " by %s", (unsigned long long)l.rows, CELL_ARG(t->set),
                  d->sets[l.no].columns);
    }
out:
    strbuf_release(&select);
    arena_release(&a);
    return rc;
}

enum ec dict_load(struct dict *d, const struct binding *b, bool fresh, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < b->n_lookups && !rc; i++)
        if (!b->lookups[i].self)
            rc = load_set(d, b->lookups[i].target, b->lookups[i].columns, b->lookups[i].n, fresh, 0, reterr);
    return rc;
}

enum ec dict_load_self(struct dict *d, const struct binding *b, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < b->n_lookups && !rc; i++)
        if (b->lookups[i].self)
            rc = load_set(d, b->lookups[i].target, b->lookups[i].columns, b->lookups[i].n, true, 0, reterr);
    return rc;
}

enum ec dict_expect_self(struct dict *d, const struct binding *b, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < b->n_lookups && !rc; i++) {
        struct query *q;
        int no;

        if (!b->lookups[i].self)
            continue;
        no = set_no(d, b->lookups[i].target, b->lookups[i].columns, b->lookups[i].n);
        if (no < 0)
            return err_set(reterr, EC_LIMIT, "too many kinds of lookup in one workspace");
        q = store_query(d->s, "delete from entry where set_no = ?1");
        query_int(q, 1, no);
        rc = query_run(q, reterr);
        d->sets[no].loaded = true;
    }
    cache_drop(d);
    return rc;
}

void dict_stale(struct dict *d, const struct dv_table *t)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->sets[i].t == t)
            d->sets[i].loaded = false;
}

enum ec dict_add(struct dict *d, const struct dv_table *t, struct cell company, const struct cell *parts, size_t n,
                 struct cell id, struct err *reterr)
{
    enum ec rc = EC_OK;

    /* Under every list of columns of that table with as many parts: the caller's are in the order of its lookup. */
    for (size_t i = 0; i < d->n && !rc; i++)
        if (d->sets[i].t == t && d->sets[i].n == n)
            rc = store_entry(d, (int)i, company, parts, n, id, reterr);
    return rc;
}

/* ---- asking ---- */

static struct cached *slot(struct dict *d, struct cell question, uint64_t *ret_hash)
{
    struct digest h = digest_bytes(question.ptr, question.len);

    *ret_hash = h.lo;
    return &d->cache[h.lo % CACHE];
}

static bool cached_answer(struct dict *d, struct cell question, struct arena *a, struct cell *ret)
{
    uint64_t hash;
    struct cached *c = slot(d, question, &hash);

    if (!c->question || c->hash != hash || c->question_len != question.len ||
        memcmp(c->question, question.ptr, question.len))
        return false;
    *ret = (struct cell){ arena_dup(a, c->answer, c->answer_len), c->answer_len };
    return true;
}

static void cache_put(struct dict *d, struct cell question, struct cell answer)
{
    uint64_t hash;
    struct cached *c = slot(d, question, &hash);

    free(c->question);
    free(c->answer);
    c->hash = hash;
    c->question = memcpy(xmalloc(question.len + 1), question.ptr, question.len);
    c->question_len = question.len;
    c->answer = memcpy(xmalloc(answer.len + 1), answer.ptr, answer.len);
    c->answer_len = answer.len;
}

/* One row by id or by key, asked for now. Only plain key columns: nested paths are loaded up front. */
static bool ask(struct dict *d, int no, const struct dv_table *t, const struct cell *columns, size_t n,
                struct cell id, struct cell company, const struct cell *parts)
{
    struct loading l = { .d = d, .t = t, .n = n, .no = no };
    struct strbuf select = STRBUF(0), filter = STRBUF(0);
    struct arena a = { 0 };
    const char *sep = "";
    enum ec rc = EC_OK;

    strbuf_add(&select, t->pk.ptr, t->pk.len);
    for (size_t i = 0; i < n && !rc; i++) {
        rc = split_path(d, t, columns[i], false, 0, &l.parts[i], &d->failed);
        strbuf_addf(&select, l.parts[i].nested ? ",_%.*s_value" : ",%.*s", CELL_ARG(l.parts[i].column));
        if (cell_absent(id) && !l.parts[i].nested) {
            strbuf_addf(&filter, "%s%.*s eq '", sep, CELL_ARG(l.parts[i].column));
            for (size_t k = 0; k < parts[i].len; k++) {
                if (parts[i].ptr[k] == '\'')
                    strbuf_addc(&filter, '\'');
                strbuf_addc(&filter, parts[i].ptr[k]);
            }
            strbuf_addc(&filter, '\'');
            sep = " and ";
        }
    }
    if (t->company) {
        const struct pair_company *c = cell_absent(id) ? pair_company(d->p, company) : NULL;

        strbuf_addf(&select, ",_%.*s_value", CELL_ARG(t->company->name));
        if (c && !cell_absent(c->dv_id))
            strbuf_addf(&filter, "%s_%.*s_value eq %.*s", sep, CELL_ARG(t->company->name), CELL_ARG(c->dv_id));
    }
    if (!cell_absent(id))
        strbuf_addf(&filter, "%.*s eq %.*s", CELL_ARG(t->pk), CELL_ARG(id));
    if (!rc)
        rc = dv_scan(d->p->app->dv, cell_cstr(&a, t->set), select.buf, strbuf_str(&filter), false, take_row, &l, NULL,
                     &d->failed);
    strbuf_release(&select);
    strbuf_release(&filter);
    arena_release(&a);
    return !rc && l.rows > 0;
}

/* What the table holds; absent when it holds nothing, false when it could not be read. */
static bool stored_parts(struct dict *d, int no, struct cell id, struct arena *a, struct cell *ret)
{
    struct query *q = store_query(d->s, "select parts from entry where set_no = ?1 and id = ?2");

    query_int(q, 1, no);
    query_cell(q, 2, id);
    if (query_step(q)) {
        struct cell blob = query_get_blob(q, 0);

        *ret = (struct cell){ arena_dup(a, blob.ptr, blob.len), blob.len };
    }
    return !query_done(q, NULL);
}

static bool stored_id(struct dict *d, int no, struct cell company, struct cell key, struct arena *a, struct cell *ret)
{
    struct query *q = store_query(d->s, "select id from entry where set_no = ?1 and company = ?2 and key = ?3");

    query_int(q, 1, no);
    query_cell(q, 2, company);
    query_cell(q, 3, key);
    if (query_step(q))
        *ret = cell_dup(a, query_get_cell(q, 0));
    return !query_done(q, NULL);
}

bool dict_by_id(struct dict *d, const struct dv_table *t, const struct cell *columns, size_t n, struct cell id,
                struct arena *a, struct cell *ret_parts)
{
    int no = set_no(d, t, columns, n);
    struct cell question, packed = CELL_ABSENT;

    if (no < 0)
        return false;
    id = cell_lower(a, id);
    question = cell_printf(a, "i%d|" CELL_FMT, no, CELL_ARG(id));
    if (!cached_answer(d, question, a, &packed)) {
        if (!stored_parts(d, no, id, a, &packed))
            return false;
        if (cell_absent(packed) && (!d->lazy || !ask(d, no, t, columns, n, id, CELL_ABSENT, NULL) ||
                                    !stored_parts(d, no, id, a, &packed) || cell_absent(packed)))
            return false;
        cache_put(d, question, packed);
    }
    return row_unpack(packed.ptr, packed.len, ret_parts, n);
}

bool dict_by_key(struct dict *d, const struct dv_table *t, const struct cell *columns, size_t n, struct cell company,
                 const struct cell *parts, struct arena *a, struct cell *ret_id)
{
    int no = set_no(d, t, columns, n);
    struct cell key = fold_key(a, parts, n), question, id = CELL_ABSENT;

    if (no < 0)
        return false;
    if (cell_absent(company))
        company = CELL_LIT("");
    question = cell_printf(a, "k%d|%.*s|%.*s", no, (int)company.len, company.ptr, (int)key.len, key.ptr);
    if (!cached_answer(d, question, a, &id)) {
        if (!stored_id(d, no, company, key, a, &id))
            return false;
        if (cell_absent(id) && (!d->lazy || !ask(d, no, t, columns, n, CELL_ABSENT, company, parts) ||
                                !stored_id(d, no, company, key, a, &id) || cell_absent(id)))
            return false;
        cache_put(d, question, id);
    }
    *ret_id = id;
    return true;
}

void dict_forgive(struct dict *d)
{
    d->failed = (struct err){ 0 };
}

enum ec dict_want(struct dict *d, const struct bound_lookup *l, const struct cell *ids, size_t n, struct err *reterr)
{
    struct loading ld = { .d = d, .t = l->target, .n = l->n, .no = set_no(d, l->target, l->columns, l->n) };
    struct strbuf select = STRBUF(0);
    struct arena a = { 0 };
    struct cell *ask_for = arena_zalloc(&a, (n + 1) * sizeof(*ask_for));
    size_t k = 0;
    enum ec rc = EC_OK;

    if (ld.no < 0 || l->n > MAX_PARTS)
        rc = err_set(reterr, EC_LIMIT, "too many kinds of lookup in one workspace");
    for (size_t i = 0; i < n && !rc && d->lazy; i++) {
        struct cell id = cell_lower(&a, ids[i]), packed = CELL_ABSENT;
        bool twice = cell_blank(id) || !stored_parts(d, ld.no, id, &a, &packed) || !cell_absent(packed);

        for (size_t j = 0; j < k && !twice; j++)
            twice = cell_eq(ask_for[j], id);
        if (!twice)
            ask_for[k++] = id;
    }
    for (size_t i = 0; i < l->n && !rc && k; i++) {
        rc = split_path(d, l->target, l->columns[i], false, 0, &ld.parts[i], reterr);
        strbuf_addf(&select, ld.parts[i].nested ? "%s_%.*s_value" : "%s%.*s", i ? "," : "",
                    CELL_ARG(ld.parts[i].column));
    }
    if (l->target->company)
        strbuf_addf(&select, ",_%.*s_value", CELL_ARG(l->target->company->name));
    if (!rc && k)
        rc = dv_find(d->p->app->dv, l->target, l->target->pk, ask_for, k, CELL_ABSENT, CELL_ABSENT,
                     strbuf_str(&select), take_row, &ld, reterr);
    strbuf_release(&select);
    arena_release(&a);
    return rc;
}

/* What the cache says about an id or a key is not so any more. */
static void evict(struct dict *d, int no, struct cell company, const struct cell *parts, size_t n, struct cell id)
{
    struct arena a = { 0 };
    struct cell key = fold_key(&a, parts, n);
    struct cell questions[2] = { cell_printf(&a, "i%d|" CELL_FMT, no, CELL_ARG(cell_lower(&a, id))),
                                 cell_printf(&a, "k%d|%.*s|%.*s", no, (int)company.len, company.ptr, (int)key.len,
                                             key.ptr) };

    for (int i = 0; i < 2; i++) {
        uint64_t hash;
        struct cached *c = slot(d, questions[i], &hash);

        free(c->question);
        free(c->answer);
        *c = (struct cached){ 0 };
    }
    arena_release(&a);
}

enum ec dict_saw(struct dict *d, const struct binding *b, const struct cell *row, struct cell id, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < b->n_lookups && !rc && !cell_blank(id); i++) {
        const struct bound_lookup *l = &b->lookups[i];
        struct cell parts[MAX_PARTS];
        size_t n = 0;
        int no;

        if (!l->self || l->n > MAX_PARTS)
            continue;
        for (; n < l->n; n++) {
            int at = binding_field(b, l->columns[n]);

            if (at < 0 || b->fields[at].kind != BOUND_PLAIN)
                break;
            parts[n] = row[at];
        }
        no = set_no(d, l->target, l->columns, l->n);
        if (n == l->n && no >= 0) {
            rc = store_entry(d, no, l->striped && b->striped ? row[0] : CELL_LIT(""), parts, n, id, reterr);
            evict(d, no, l->striped && b->striped ? row[0] : CELL_LIT(""), parts, n, id);
        }
    }
    return rc;
}

#include "loader/build.h"

#include "base/clock.h"
#include "base/file.h"
#include "data/csv.h"
#include "data/json.h"
#include "loader/lineage.h"
#include "loader/public/wave.h"
#include "loader/source_stream.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char INDEX_NAME[] = "packages.json", REJECTS_NAME[] = "rejects.csv";

/* A package that is being filled. */
struct open_package {
    struct arena arena;
    char company[16];
    int pass;
    int64_t slice;
    char *name, *path;
    struct dmf_writer *w;
    struct dmf_package package;
    struct package_form *forms; /* one per entity */
    size_t *maps; /* index of the map of each entity */
    struct lineage **lines;
    uint64_t *rows;
    size_t n;
    struct open_package *next;
};
struct building {
    struct pair *p;
    const char *dir;
    bool together;
    struct deflate_pool *pool;
    struct dmf_format format;
    const char *format_name;
    struct map_ctx **maps; /* selected, with a source, in wave order */
    size_t n_maps;
    struct source **sources; /* of each; alone, or all at once where packages are shared */
    struct source *src; /* of the map at work */
    size_t map;
    struct open_package *open;
    struct strbuf rejects;
    FILE *rejects_file;
    struct build *out;
};

/* ---- the folder ---- */

static bool ends_with(const char *name, const char *tail)
{
    size_t n = strlen(name), t = strlen(tail);

    return n > t && !strcmp(name + n - t, tail);
}

static bool ours(const char *name)
{
    return !strcmp(name, INDEX_NAME) || !strcmp(name, REJECTS_NAME) || ends_with(name, ".zip") ||
           ends_with(name, ".lines.zst") || ends_with(name, ".part") ||
           (!strncmp(name, "data-", 5) && strlen(name) == sizeof("data-XXXXXX") - 1 && !strchr(name, '.'));
}

/* What an earlier build left goes; a folder with anything else in it is not touched. */
static enum ec clear_folder(const char *dir, struct err *reterr)
{
    struct arena a = { 0 };
    DIR *d;
    struct dirent *e;
    bool index = file_exists(arena_printf(&a, "%s/%s", dir, INDEX_NAME));
    enum ec rc = dir_make(dir, 0700, reterr);

    if (rc)
        goto out;
    d = opendir(dir);
    if (!d) {
        rc = err_errno(reterr, EC_IO, errno, "open folder '%s'", dir);
        goto out;
    }
    while (!rc && (e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (!index || !ours(e->d_name)) {
            rc = err_set(reterr, EC_STATE, "folder '%s' holds '%s', which is of no earlier build", dir, e->d_name);
            err_hint(reterr, "give an empty folder, or a new one, with --out");
        }
    }
    if (!rc) {
        rewinddir(d);
        while ((e = readdir(d)))
            if (ours(e->d_name))
                (void)unlink(arena_printf(&a, "%s/%s", dir, e->d_name));
        rc = file_write_atomic(arena_printf(&a, "%s/%s", dir, INDEX_NAME), "{}\n", 3, 0600, reterr);
    }
    closedir(d);
out:
    arena_release(&a);
    return rc;
}

/* ---- packages ---- */

static void package_free(struct open_package *o)
{
    for (size_t i = 0; i < o->n; i++)
        lineage_abandon(o->lines[i]);
    dmf_writer_abandon(o->w);
    arena_release(&o->arena);
    free(o);
}

/* The entities of a package: that of the map at work, or of all maps that have rows of such a company. */
static void choose_entities(const struct building *b, struct open_package *o)
{
    struct dmf_entity *e = arena_zalloc(&o->arena, b->n_maps * sizeof(*e));
    size_t n = b->n_maps;

    o->forms = arena_zalloc(&o->arena, n * sizeof(*o->forms));
    o->lines = arena_zalloc(&o->arena, n * sizeof(struct lineage *));
    o->rows = arena_zalloc(&o->arena, n * sizeof(*o->rows));
    o->maps = arena_zalloc(&o->arena, n * sizeof(*o->maps));
    for (size_t i = 0; i < n; i++) {
        if (b->together
                ? b->maps[i]->b->striped != (o->company[0] != 0) || (o->pass == 2 && !b->sources[i]->has_later)
                : i != b->map)
            continue;
        package_form(b->sources[i], o->pass, o->company, &b->format, b->format_name, &o->arena, &o->forms[o->n]);
        e[o->n] = o->forms[o->n].entity;
        if (b->together) {
            e[o->n].level = b->maps[i]->wave;
            e[o->n].sequence = (int)o->n + 1;
        }
        o->maps[o->n++] = i;
    }
    o->package = o->forms[0].package;
    o->package.entities = e;
    o->package.n = o->n;
    if (b->together)
        o->package.project = o->package.description =
            cell_printf(&o->arena, "DMFSYNC_all%s%s", o->company[0] ? "_" : "", o->company);
}

static enum ec begin_package(struct building *b, const char *company, int pass, int64_t slice,
                             struct open_package **ret, struct err *reterr)
{
    struct open_package *o = xcalloc(1, sizeof(*o));
    const char *pass_text = pass == 2 ? "-pass2" : "";
    enum ec rc;

    snprintf(o->company, sizeof(o->company), "%s", company);
    o->pass = pass;
    o->slice = slice;
    choose_entities(b, o);
    if (b->together)
        o->name = arena_printf(&o->arena, "%s%s.zip", company[0] ? company : "shared", pass_text);
    else
        o->name = arena_printf(&o->arena, "%s%s%s-%04lld%s.zip", b->maps[b->map]->cfg->alias, company[0] ? "-" : "",
                               company, (long long)slice, pass_text);
    o->path = arena_printf(&o->arena, "%s/%s", b->dir, o->name);
    rc = dmf_writer_new(&o->package, &b->format, b->dir, &o->w, reterr);
    if (!rc) {
        dmf_writer_use_pool(o->w, b->pool);
        dmf_writer_leave_out_empty(o->w);
    }
    for (size_t i = 0; i < o->n && !rc; i++)
        rc = lineage_new(o->path, i, b->sources[o->maps[i]]->path, &o->lines[i], reterr);
    if (rc) {
        package_free(o);
        return rc;
    }
    o->next = b->open;
    b->open = o;
    *ret = o;
    return EC_OK;
}

static void note_package(struct building *b, const struct open_package *o, const struct dmf_result *r)
{
    struct build *out = b->out;
    struct strbuf maps = STRBUF(0);
    struct build_package *k;

    out->packages = xrealloc(out->packages, (out->n + 1) * sizeof(*out->packages));
    k = &out->packages[out->n++];
    *k = (struct build_package){ .file = arena_dup(&out->arena, o->name, strlen(o->name)),
                                 .pass = o->pass,
                                 .wave = b->together    ? 1
                                         : o->pass == 2 ? wave_of_second_pass(b->maps[b->map])
                                                        : b->maps[b->map]->wave,
                                 .slice = o->slice,
                                 .rows = r->rows,
                                 .octets = r->octets,
                                 .format = b->format_name };
    for (size_t i = 0; i < o->n; i++)
        if (o->rows[i])
            strbuf_addf(&maps, "%s%s", maps.len ? "," : "", b->maps[o->maps[i]]->cfg->alias);
    k->maps = arena_dup(&out->arena, strbuf_str(&maps), maps.len);
    strbuf_release(&maps);
    snprintf(k->company, sizeof(k->company), "%s", o->company);
    snprintf(k->digest, sizeof(k->digest), "%s", r->digest);
    if (!out->compressor) /* the name lives in the pool, which goes before the build's result does */
        out->compressor = arena_strdup(&out->arena, r->compressor);
}

static enum ec end_package(struct building *b, struct open_package *o, struct err *reterr)
{
    struct dmf_result r = { 0 };
    enum ec rc = EC_OK;
    size_t at = 0;
    uint64_t rows = 0;

    for (struct open_package **p = &b->open; *p; p = &(*p)->next)
        if (*p == o) {
            *p = o->next;
            break;
        }
    for (size_t i = 0; i < o->n; i++)
        rows += o->rows[i];
    if (!rows) { /* all that came were refused: no package, since one without rows fails in F&O */
        package_free(o);
        return EC_OK;
    }
    /* The lineage of the k-th entity that is in the package; one without rows is not. */
    for (size_t i = 0; i < o->n && !rc; i++) {
        if (o->rows[i]) {
            lineage_entity(o->lines[i], o->path, at++);
            rc = lineage_close(o->lines[i], reterr);
        } else {
            lineage_abandon(o->lines[i]);
        }
        o->lines[i] = NULL;
    }
    if (!rc) {
        rc = dmf_writer_finish(o->w, o->path, &r, reterr);
        o->w = NULL;
    }
    if (!rc)
        note_package(b, o, &r);
    package_free(o);
    return rc;
}

static struct open_package *find_open(const struct building *b, struct cell company, int pass)
{
    if (b->open && b->open->pass == pass &&
        cell_is(company, b->open->company)) /* rows of one company stand together */
        return b->open;
    for (struct open_package *o = b->open; o; o = o->next)
        if (o->pass == pass && cell_is(company, o->company))
            return o;
    return NULL;
}

static int64_t slices_of(const struct building *b, const char *company, int pass)
{
    int64_t n = 0;

    for (size_t i = 0; i < b->out->n; i++)
        n += b->out->packages[i].pass == pass && !strcmp(b->out->packages[i].company, company) &&
             !strcmp(b->out->packages[i].maps, b->maps[b->map]->cfg->alias);
    return n;
}

static bool full(const struct building *b, const struct open_package *o, uint64_t octets)
{
    /* of a shared package what does not fit into a zip is refused when it is ended */
    return !b->together && package_full(&b->p->app->cfg, o->rows[0], octets);
}

/* ---- rows ---- */

static enum ec reject(struct building *b, const struct source_row *r, struct cell field, struct cell code,
                      struct cell why, struct cell value, struct err *reterr)
{
    struct strbuf *t = &b->rejects;
    char line[24];

    b->out->maps[b->map].rejected++;
    b->out->rejected++;
    strbuf_reset(t);
    csv_add(t, cell_of(b->src->path), ',');
    snprintf(line, sizeof(line), ",%llu,", (unsigned long long)r->line);
    strbuf_adds(t, line);
    csv_add(t, field, ',');
    strbuf_addc(t, ',');
    csv_add(t, code, ',');
    strbuf_addc(t, ',');
    csv_add(t, why, ',');
    strbuf_addc(t, ',');
    csv_add(t, value, ',');
    strbuf_addc(t, '\n');
    if (fwrite(t->buf, 1, t->len, b->rejects_file) != t->len)
        return err_errno(reterr, EC_IO, errno, "write '%s/%s'", b->dir, REJECTS_NAME);
    return EC_OK;
}

/* One row into one package. EC_FORMAT: the format cannot carry it; *ret_field says what. */
static enum ec add_row(struct building *b, struct open_package *o, const struct source_row *r, struct arena *a,
                       size_t *ret_field, struct err *reterr)
{
    struct package_form *f;
    size_t field = 0, e = 0;
    enum ec rc;

    while (o->maps[e] != b->map)
        e++;
    f = &o->forms[e];
    rc = package_row(o->w, e, f, b->src, r, a, &field, reterr);
    *ret_field = f->n ? f->fields[field] : 0;
    if (!rc)
        rc = lineage_add(o->lines[e], r->line, r->offset, reterr);
    o->rows[e] += !rc;
    return rc;
}

static bool moves_to_xml(const struct building *b)
{
    return b->format.kind == DMF_CSV && !strcmp(b->p->app->cfg.unfit, "xml");
}

/* The lookup of the second pass that its package could not carry: the row is refused before its first pass is packed. */
static size_t unfit_lookup(const struct building *b, const struct source_row *r)
{
    size_t i = 0;

    while (i < b->src->n && !(b->src->fields[i].later && dmf_cell_refused(&b->format, r->values[i])))
        i++;
    return i;
}

static enum ec refuse_format(struct building *b, const struct source_row *r, size_t field, struct err *reterr)
{
    struct cell staging = b->src->fields[field].f->staging;
    struct err why = { 0 };

    err_set(&why, EC_FORMAT, CELL_FMT " holds %s", CELL_ARG(staging), dmf_cell_refused(&b->format, r->values[field]));
    return reject(b, r, staging, CELL_LIT("format"), cell_of(why.msg), r->values[field], reterr);
}

static enum ec pack_row(struct building *b, struct source_row *r, struct arena *a, bool *ret_unfit,
                        struct err *reterr)
{
    int passes = package_second_pass(b->src, r) ? 2 : 1;
    size_t unfit = passes == 2 ? unfit_lookup(b, r) : b->src->n;

    if (unfit < b->src->n) {
        *ret_unfit = moves_to_xml(b);
        return *ret_unfit ? EC_OK : refuse_format(b, r, unfit, reterr);
    }
    for (int pass = 1; pass <= passes; pass++) {
        struct open_package *o = find_open(b, r->company, pass);
        struct err why = { 0 };
        size_t field;
        enum ec rc = EC_OK;

        if (!o) {
            char *company = cell_cstr(a, r->company);

            rc = begin_package(b, company, pass, slices_of(b, company, pass) + 1, &o, reterr);
        }
        if (rc)
            return rc;
        rc = add_row(b, o, r, a, &field, &why);
        if (rc == EC_FORMAT) {
            *ret_unfit = moves_to_xml(b);
            if (*ret_unfit)
                return EC_OK;
            return reject(b, r, b->src->fields[field].f->staging, CELL_LIT("format"), cell_of(why.msg),
                          r->values[field], reterr);
        }
        if (rc) {
            *reterr = why;
            return rc;
        }
        b->out->maps[b->map].packed += pass == 1;
        if (full(b, o, dmf_writer_octets(o->w, 0)))
            rc = end_package(b, o, reterr);
        if (rc)
            return rc;
    }
    return EC_OK;
}

/* Octets of text in the data file. near: to be exact; else there may be fewer. */
static size_t file_octets(const struct building *b, const char *text, size_t n, bool near)
{
    if (!b->format.utf16)
        return n;
    return 2 * (near ? cell_utf16_units((struct cell){ text, n }) : n);
}

/* Rows of one company that are good and written down, into as many packages as they fill. */
static enum ec pack_made(struct building *b, const struct source_run *run, struct err *reterr)
{
    struct cell company = cell_of(run->company);
    size_t i = 0, from = run->from;

    while (i < run->n) {
        struct open_package *o = find_open(b, company, 1);
        size_t e = 0, first = i, begin = from;
        uint64_t octets;
        bool near; /* some row may be the last that fits */
        enum ec rc = EC_OK;

        if (!o)
            rc = begin_package(b, run->company, 1, slices_of(b, run->company, 1) + 1, &o, reterr);
        if (rc)
            return rc;
        while (o->maps[e] != b->map)
            e++;
        octets = dmf_writer_octets(o->w, e);
        near = full(b, o, octets + 2 * (run->made[run->n - 1].end - from));
        do {
            rc = lineage_add(o->lines[e], run->line + run->lines[i].line, run->offset + run->lines[i].offset, reterr);
            o->rows[e]++;
            octets += file_octets(b, run->text + from, run->made[i].end - from, near);
            from = run->made[i++].end;
        } while (!rc && i < run->n && !full(b, o, octets));
        if (!rc)
            rc = dmf_writer_made(o->w, e, run->text, begin, run->made + first, i - first, reterr);
        b->out->maps[b->map].packed += i - first;
        if (!rc && full(b, o, dmf_writer_octets(o->w, 0)))
            rc = end_package(b, o, reterr);
        if (rc)
            return rc;
    }
    return EC_OK;
}

static enum ec pack_run(struct building *b, struct source_run *run, struct arena *a, bool *ret_unfit,
                        struct err *reterr)
{
    struct source_row *r = &run->row;

    b->out->maps[b->map].rows += run->n;
    if (run->kind == RUN_MADE)
        return pack_made(b, run, reterr);
    if (run->kind == RUN_OTHER_COMPANY || r->verdict == SOURCE_OTHER_COMPANY) {
        b->out->maps[b->map].other_companies += run->n;
        return EC_OK;
    }
    return r->verdict == SOURCE_GOOD ? pack_row(b, r, a, ret_unfit, reterr)
                                     : reject(b, r, r->field, cell_of(r->code), cell_of(r->why), r->value, reterr);
}

static enum ec pack_rows(struct building *b, bool *ret_unfit, struct err *reterr)
{
    struct build_map *m = &b->out->maps[b->map];
    struct source_stream *st = NULL;
    struct arena a = { 0 };
    bool more = true;
    enum ec rc = source_stream_new(b->src, deflate_workers(b->pool), &b->format, &st, reterr);

    while (!rc && !*ret_unfit && more) {
        struct source_run run;
        uint64_t before = m->rows;

        arena_reset(&a);
        rc = source_stream_next(st, &a, &run, &more, reterr);
        if (!rc && more)
            rc = pack_run(b, &run, &a, ret_unfit, reterr);
        if (!rc && before / 8192 != m->rows / 8192) {
            progress_update(&b->p->app->out, m->alias, "pack", (int64_t)m->rows, -1, "");
            if (stop_requested())
                rc = err_set(reterr, EC_STOPPED, "stopped while packing '%s'", b->src->path);
        }
    }
    source_stream_free(st);
    arena_release(&a);
    return rc;
}

/* ---- maps ---- */

static int by_import_order(const void *x, const void *y)
{
    const struct build_package *a = x, *b = y;
    int c;

    if (a->wave != b->wave)
        return a->wave < b->wave ? -1 : 1;
    if (a->pass != b->pass) /* second passes of a wave when all its rows are there */
        return a->pass < b->pass ? -1 : 1;
    c = strcmp(a->maps, b->maps);
    if (!c)
        c = strcmp(a->company, b->company);
    return c ? c : (a->slice > b->slice) - (a->slice < b->slice);
}

/* Where the build stood before a map (or all, together), so that it can begin again in another format. */
struct mark {
    size_t packages;
    long rejects;
    uint64_t rejected;
};

static enum ec go_back(struct building *b, const struct mark *m, struct err *reterr)
{
    struct arena a = { 0 };
    enum ec rc = EC_OK;

    while (b->open) {
        struct open_package *o = b->open;

        b->open = o->next;
        package_free(o);
    }
    for (size_t i = m->packages; i < b->out->n; i++) {
        (void)unlink(arena_printf(&a, "%s/%s", b->dir, b->out->packages[i].file));
        (void)unlink(arena_printf(&a, "%s/%s.lines.zst", b->dir, b->out->packages[i].file));
    }
    b->out->n = m->packages;
    b->out->rejected = m->rejected;
    if (fflush(b->rejects_file) || ftruncate(fileno(b->rejects_file), m->rejects) ||
        fseek(b->rejects_file, m->rejects, SEEK_SET))
        rc = err_errno(reterr, EC_IO, errno, "truncate '%s/%s'", b->dir, REJECTS_NAME);
    arena_release(&a);
    return rc;
}

static void close_sources(struct building *b)
{
    for (size_t i = 0; i < b->n_maps; i++) {
        source_close(b->sources[i]);
        b->sources[i] = NULL;
    }
    b->src = NULL;
}

static enum ec open_sources(struct building *b, size_t from, size_t to, struct err *reterr)
{
    enum ec rc = EC_OK;

    close_sources(b);
    for (size_t i = from; i < to && !rc; i++) {
        rc = source_open(b->maps[i], &b->sources[i], reterr);
        if (!rc)
            source_values_only(b->sources[i]);
    }
    return rc;
}

/* Maps from..to into packages that they share, or one map into its own. */
static enum ec pack_maps(struct building *b, size_t from, size_t to, bool *ret_unfit, struct err *reterr)
{
    enum ec rc = open_sources(b, from, to, reterr);

    for (b->map = from; b->map < to && !rc && !*ret_unfit; b->map++) {
        struct build_map *m = &b->out->maps[b->map];

        *m = (struct build_map){ .alias = b->maps[b->map]->cfg->alias, .moved_to_xml = m->moved_to_xml };
        b->src = b->sources[b->map];
        rc = pack_rows(b, ret_unfit, reterr);
    }
    b->map = from;
    while (!rc && !*ret_unfit && b->open)
        rc = end_package(b, b->open, reterr);
    close_sources(b);
    return rc;
}

static enum ec pack_or_move(struct building *b, size_t from, size_t to, struct err *reterr)
{
    const struct config *cfg = &b->p->app->cfg;
    struct mark m = { b->out->n, ftell(b->rejects_file), b->out->rejected };
    bool unfit = false;
    enum ec rc = package_format(cfg, &b->format, reterr);

    b->format_name = cfg->data_format;
    if (!rc)
        rc = pack_maps(b, from, to, &unfit, reterr);
    if (rc || !unfit)
        return rc;
    rc = go_back(b, &m, reterr);
    package_format_xml(&b->format, &b->format_name);
    for (size_t i = from; i < to; i++)
        b->out->maps[i].moved_to_xml = true;
    unfit = false;
    return rc ? rc : pack_maps(b, from, to, &unfit, reterr);
}

static enum ec write_index(const struct building *b, struct err *reterr)
{
    struct arena a = { 0 };
    struct strbuf text = STRBUF(0);
    struct jsonw w = { .out = &text };
    enum ec rc;

    jw_begin(&w, '{');
    jw_pi64(&w, "schema", 1);
    jw_ps(&w, "compressor", b->out->compressor ? b->out->compressor : "");
    jw_name(&w, "packages");
    jw_begin(&w, '[');
    for (size_t i = 0; i < b->out->n; i++) {
        const struct build_package *k = &b->out->packages[i];

        jw_begin(&w, '{');
        jw_ps(&w, "file", k->file);
        jw_ps(&w, "maps", k->maps);
        jw_ps(&w, "company", k->company);
        jw_pi64(&w, "wave", k->wave);
        jw_pi64(&w, "pass", k->pass);
        jw_pi64(&w, "slice", k->slice);
        jw_pi64(&w, "rows", (int64_t)k->rows);
        jw_pi64(&w, "octets", (int64_t)k->octets);
        jw_ps(&w, "format", k->format);
        jw_ps(&w, "digest", k->digest);
        jw_end(&w, '}');
    }
    jw_end(&w, ']');
    jw_end(&w, '}');
    strbuf_addc(&text, '\n');
    rc = file_write_atomic(arena_printf(&a, "%s/%s", b->dir, INDEX_NAME), text.buf, text.len, 0600, reterr);
    strbuf_release(&text);
    arena_release(&a);
    return rc;
}

static enum ec open_rejects(struct building *b, struct err *reterr)
{
    char *path = arena_printf(&b->out->arena, "%s/%s", b->dir, REJECTS_NAME);

    b->rejects_file = fopen(path, "we");
    if (!b->rejects_file || fputs("file,line,field,code,message,value\n", b->rejects_file) < 0)
        return err_errno(reterr, EC_IO, errno, "create '%s'", path);
    return EC_OK;
}

enum ec build_packages(struct pair *p, const char *dir, bool together, struct build *ret, struct err *reterr)
{
    struct building b = { .p = p, .dir = dir, .together = together, .out = ret };
    enum ec rc = clear_folder(dir, reterr);

    *ret = (struct build){ 0 };
    b.maps = arena_zalloc(&ret->arena, (p->n + 1) * sizeof(*b.maps));
    for (size_t i = 0; i < p->n; i++)
        if (p->maps[i].selected && p->maps[i].cfg->source)
            b.maps[b.n_maps++] = &p->maps[i];
    ret->maps = arena_zalloc(&ret->arena, (b.n_maps + 1) * sizeof(*ret->maps));
    ret->n_maps = b.n_maps;
    b.sources = arena_zalloc(&ret->arena, (b.n_maps + 1) * sizeof(struct source *));
    if (!rc)
        rc = package_pool(p->app, &b.pool, reterr);
    if (!rc)
        rc = open_rejects(&b, reterr);
    for (size_t i = 0; i < b.n_maps && !rc; i += together ? b.n_maps : 1)
        rc = pack_or_move(&b, i, together ? b.n_maps : i + 1, reterr);
    while (b.open) { /* an error */
        struct open_package *o = b.open;

        b.open = o->next;
        package_free(o);
    }
    if (b.rejects_file && fclose(b.rejects_file) && !rc)
        rc = err_errno(reterr, EC_IO, errno, "write '%s/%s'", dir, REJECTS_NAME);
    if (ret->n)
        qsort(ret->packages, ret->n, sizeof(*ret->packages), by_import_order);
    if (!rc)
        rc = write_index(&b, reterr);
    deflate_pool_free(b.pool);
    strbuf_release(&b.rejects);
    progress_clear(&p->app->out);
    return rc;
}

void build_release(struct build *b)
{
    free(b->packages);
    arena_release(&b->arena);
    *b = (struct build){ 0 };
}

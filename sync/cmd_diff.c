/* cmd_diff.c -- the command `diff`: differing keys as signs, JSON lines or CSV; source against F&O. */
#include "sync/compare.h"
#include "sync/delta_row.h"
#include "sync/sync_commands.h"

enum format { AS_SIGNS, AS_JSONL, AS_CSV };

static void fields_text(struct map_ctx *m, const struct delta_row *d, struct strbuf *out)
{
    int f[512];
    size_t n = d->fno && d->dv ? diff_fields(m->b, d->fno, d->dv, f, COUNT(f)) : 0;

    for (size_t i = 0; i < n && i < COUNT(f); i++)
        strbuf_addf(out, "%s" CELL_FMT "='" CELL_FMT "'|'" CELL_FMT "'", i ? " " : "",
                    CELL_ARG(m->b->fields[f[i]].name), CELL_ARG(d->fno[f[i]]), CELL_ARG(d->dv[f[i]]));
}

static void print_json(struct map_ctx *m, const struct delta_row *d, struct strbuf *out)
{
    struct jsonw w = { .out = out };
    int f[512];
    size_t n = d->fno && d->dv ? diff_fields(m->b, d->fno, d->dv, f, COUNT(f)) : 0;

    jw_begin(&w, '{');
    jw_ps(&w, "map", m->cfg->alias);
    jw_ps(&w, "sign", delta_sign(d->class));
    jw_ps(&w, "class", d->class);
    jw_pstr(&w, "key", d->key);
    jw_name(&w, "fields");
    jw_begin(&w, '[');
    for (size_t i = 0; i < n && i < COUNT(f); i++) {
        jw_begin(&w, '{');
        jw_pstr(&w, "field", m->b->fields[f[i]].name);
        jw_pstr(&w, "fno", d->fno[f[i]]);
        jw_pstr(&w, "dataverse", d->dv[f[i]]);
        jw_end(&w, '}');
    }
    jw_end(&w, ']');
    jw_end(&w, '}');
    strbuf_addc(out, '\n');
}

static void print_csv(struct map_ctx *m, const struct delta_row *d, struct strbuf *out)
{
    int f[512];
    size_t n = d->fno && d->dv ? diff_fields(m->b, d->fno, d->dv, f, COUNT(f)) : 0;

    for (size_t i = 0; i < (n ? n : 1) && i < COUNT(f); i++) {
        const struct cell cells[] = { cell_of(m->cfg->alias),
                                      cell_of(delta_sign(d->class)),
                                      d->key,
                                      n ? m->b->fields[f[i]].name : CELL_ABSENT,
                                      n ? d->fno[f[i]] : CELL_ABSENT,
                                      n ? d->dv[f[i]] : CELL_ABSENT };

        for (size_t k = 0; k < COUNT(cells); k++) {
            if (k)
                strbuf_addc(out, ',');
            csv_add(out, cells[k], ',');
        }
        strbuf_adds(out, "\r\n");
    }
}

static enum ec print_delta(struct map_ctx *m, enum format format, uint64_t *ret_n, struct err *reterr)
{
    struct output *o = &m->pair->app->out;
    struct delta_reader *r = NULL;
    struct delta_row d;
    bool more = true;
    enum ec rc = delta_reader_new(m, NULL, &r, reterr);

    if (!rc && format == AS_SIGNS && !o->json) {
        struct strbuf head = STRBUF(0);

        strbuf_addf(&head, "# + fno, - dataverse, master=%s  (" CELL_FMT ")\n",
                    m->cfg->master_dataverse ? "dataverse" : "fno", CELL_ARG(m->map->name));
        out_raw(o, head.buf, head.len);
        strbuf_release(&head);
    }
    while (!rc && more) {
        struct strbuf line = STRBUF(0);

        rc = delta_reader_next(r, &d, &more, reterr);
        if (rc || !more)
            break;
        ++*ret_n;
        if (format == AS_JSONL) {
            print_json(m, &d, &line);
        } else if (format == AS_CSV) {
            print_csv(m, &d, &line);
        } else if (!o->json) {
            strbuf_addf(&line, "%s " CELL_FMT, delta_sign(d.class), CELL_ARG(d.key));
            if (d.fno && d.dv) {
                strbuf_adds(&line, "  ");
                fields_text(m, &d, &line);
            }
            if (d.note[0])
                strbuf_addf(&line, "  (%s)", d.note);
            strbuf_addc(&line, '\n');
        }
        out_raw(o, strbuf_str(&line), line.len);
        strbuf_release(&line);
    }
    delta_reader_free(r);
    return rc;
}

struct source_diff {
    struct map_ctx *m;
    uint64_t n;
};

static enum ec source_cell(void *arg, const struct source_place *place, struct cell key, struct cell field,
                           struct cell source, struct cell fno, struct err *reterr)
{
    struct source_diff *s = arg;
    struct strbuf line = STRBUF(0);

    (void)reterr;
    s->n++;
    strbuf_addf(&line, "* %s:%llu " CELL_FMT "  " CELL_FMT "='" CELL_FMT "'|'" CELL_FMT "'\n", s->m->cfg->source,
                (unsigned long long)place->line, CELL_ARG(key), CELL_ARG(field), CELL_ARG(source), CELL_ARG(fno));
    if (!s->m->pair->app->out.json)
        out_raw(&s->m->pair->app->out, line.buf, line.len);
    strbuf_release(&line);
    return EC_OK;
}

static enum ec against_source(struct map_ctx *m, struct json *list, struct err *reterr)
{
    struct output *o = &m->pair->app->out;
    struct source_diff s = { .m = m };
    struct arena a = { 0 };
    struct snapshot fno;
    struct proof_counts c = { 0 };
    int64_t run_id = load_last_run(m);
    struct json *v;
    enum ec rc;

    if (!run_id) {
        out_line(o, "%s: nothing was loaded from files", m->cfg->alias);
        return EC_OK;
    }
    rc = snapshot_fno(m, FROM_ODATA, false, &a, &fno, reterr);
    if (!rc)
        rc = proof_source(m, run_id, &fno, source_cell, &s, &c, reterr);
    if (!rc) {
        v = out_object(o, list, NULL);
        out_str(o, v, "map", m->cfg->alias);
        out_int(o, v, "rows", (int64_t)c.rows);
        out_int(o, v, "kept_cells", (int64_t)c.kept);
        out_int(o, v, "defaulted_cells", (int64_t)c.defaulted_cells);
        out_int(o, v, "changed_rows", (int64_t)c.changed_rows);
        out_int(o, v, "missing_rows", (int64_t)c.missing_rows);
        out_line(o, "%s: %llu rows, %llu cells kept, %llu defaulted, %llu rows changed, %llu missing", m->cfg->alias,
                 (unsigned long long)c.rows, (unsigned long long)c.kept, (unsigned long long)c.defaulted_cells,
                 (unsigned long long)c.changed_rows, (unsigned long long)c.missing_rows);
        if (c.changed_rows || c.missing_rows)
            out_status(o, EC_DIFFERENT);
        rc = snapshot_prune(m, 2, reterr);
    }
    arena_release(&a);
    return rc;
}

enum ec cmd_diff(struct app *app, struct err *reterr)
{
    const char *name = option_value(app, "--format"), *against = option_value(app, "--against");
    bool stored = option_given(app, "--stored");
    enum format format = AS_SIGNS;
    struct pair *p = NULL;
    struct dict *d = NULL;
    struct json *list;
    int64_t recheck;
    enum ec rc = option_int(app, "--recheck", 0, 0, INT64_MAX, &recheck, reterr);

    if (!rc && name && strcmp(name, "signs")) {
        format = !strcmp(name, "jsonl") ? AS_JSONL : AS_CSV;
        if (format == AS_CSV && strcmp(name, "csv"))
            rc = err_set(reterr, EC_USAGE, "--format %s is not known: signs, jsonl or csv", name);
    }
    if (!rc && against && strcmp(against, "source"))
        rc = err_set(reterr, EC_USAGE, "--against %s is not known: source", against);
    if (!rc)
        rc = pair_open(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);
    if (!rc)
        rc = pair_companies(p, reterr);
    if (!rc && !against && !stored)
        rc = dict_open(p, &d, reterr);
    list = out_array(&app->out, NULL, "maps");
    if (!rc && format == AS_CSV)
        out_raw(&app->out, "map,sign,key,field,fno,dataverse\r\n", 34);
    for (size_t i = 0; !rc && i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];
        struct arena a = { 0 };
        struct comparison c;
        uint64_t n = 0;

        if (!m->selected)
            continue;
        if (against) {
            rc = against_source(m, list, reterr);
            continue;
        }
        if (!stored) {
            rc = compare_map(m, d, (uint64_t)recheck, &a, &c, reterr);
            if (!rc)
                rc = verdict_output(m, list, c.verdict, &c.diff, c.checked_at, reterr);
            progress_clear(&app->out);
        }
        if (!rc)
            rc = print_delta(m, format, &n, reterr);
        if (!rc && n)
            out_status(&app->out, EC_DIFFERENT);
        if (!rc && !stored)
            rc = snapshot_prune(m, 2, reterr);
        arena_release(&a);
    }
    dict_close(d);
    pair_close(p);
    return rc;
}

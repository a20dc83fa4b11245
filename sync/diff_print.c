/* diff_print.c -- differing keys in the form asked for. Texts of rows are data: escaped in each form, never cut in the first three. */
#include "sync/diff_print.h"
#include "base/clock.h"
#include "data/csv.h"
#include "sync/report.h"

#include <stdio.h>

enum { MAX_HTML_KEYS = 20000, MAX_FIELDS = 512 };

extern const char css_report_page[];

bool diff_format_of(const char *word, enum diff_format *ret)
{
    static const char *const WORDS[DIFF_FORMATS] = { "signs", "jsonl", "csv", "html" };

    for (int i = 0; i < DIFF_FORMATS; i++)
        if (!strcmp(word, WORDS[i]))
            return *ret = (enum diff_format)i, true;
    return false;
}

bool delta_is_red(const char *class)
{
    return !strcmp(class, "differ") || !strncmp(class, "only_", 5) || !strcmp(class, "error");
}

struct printing {
    struct map_ctx *m;
    struct strbuf line;
    int fields[MAX_FIELDS];
    size_t n; /* of the row at hand */
};

static void find_fields(struct printing *p, const struct delta_row *d)
{
    p->n = d->fno && d->dv ? diff_fields(p->m->b, d->fno, d->dv, p->fields, MAX_FIELDS) : 0;
    if (p->n > MAX_FIELDS)
        p->n = MAX_FIELDS;
}

/* ---- signs ---- */

/* A row is one line, and a terminal obeys no data. */
static void add_plain(struct strbuf *out, struct cell c)
{
    if (cell_absent(c)) {
        strbuf_adds(out, "null");
        return;
    }
    strbuf_addc(out, '\'');
    for (size_t i = 0; i < c.len; i++) {
        unsigned char ch = (unsigned char)c.ptr[i];

        if (ch == '\n')
            strbuf_adds(out, "\\n");
        else if (ch == '\t')
            strbuf_adds(out, "\\t");
        else if (ch < ' ' || ch == 0x7f)
            strbuf_addf(out, "\\x%02x", ch);
        else
            strbuf_addc(out, (char)ch);
    }
    strbuf_addc(out, '\'');
}

static void print_signs(struct printing *p, const struct delta_row *d)
{
    struct strbuf *out = &p->line;

    strbuf_addf(out, "%s " CELL_FMT, delta_sign(d->class), CELL_ARG(d->key));
    for (size_t i = 0; i < p->n; i++) {
        strbuf_addf(out, "%s" CELL_FMT "=", i ? " " : "  ", CELL_ARG(p->m->b->fields[p->fields[i]].name));
        add_plain(out, d->fno[p->fields[i]]);
        strbuf_addc(out, '|');
        add_plain(out, d->dv[p->fields[i]]);
    }
    if (d->note[0])
        strbuf_addf(out, "  (%s)", d->note);
    strbuf_addc(out, '\n');
}

/* ---- JSON lines ---- */

static void print_json(struct printing *p, const struct delta_row *d)
{
    struct jsonw w = { .out = &p->line };

    jw_begin(&w, '{');
    jw_ps(&w, "map", p->m->cfg->alias);
    jw_ps(&w, "sign", delta_sign(d->class));
    jw_ps(&w, "class", d->class);
    jw_pstr(&w, "company", d->company);
    jw_pstr(&w, "key", d->key);
    if (!cell_blank(d->dv_id))
        jw_pstr(&w, "dataverse_id", d->dv_id);
    if (d->note[0])
        jw_ps(&w, "note", d->note);
    jw_name(&w, "fields");
    jw_begin(&w, '[');
    for (size_t i = 0; i < p->n; i++) {
        const struct bound_field *f = &p->m->b->fields[p->fields[i]];

        jw_begin(&w, '{');
        jw_pstr(&w, "field", f->name);
        jw_pstr(&w, "fno", d->fno[p->fields[i]]);
        jw_pstr(&w, "dataverse", d->dv[p->fields[i]]);
        jw_ps(&w, "rule", canon_type_name(f->rule.type));
        jw_end(&w, '}');
    }
    jw_end(&w, ']');
    jw_end(&w, '}');
    strbuf_addc(&p->line, '\n');
}

/* ---- CSV ---- */

static void print_csv(struct printing *p, const struct delta_row *d)
{
    for (size_t i = 0; i < (p->n ? p->n : 1); i++) {
        const struct cell cells[] = { cell_of(p->m->cfg->alias),
                                      cell_of(delta_sign(d->class)),
                                      d->key,
                                      p->n ? p->m->b->fields[p->fields[i]].name : CELL_ABSENT,
                                      p->n ? d->fno[p->fields[i]] : CELL_ABSENT,
                                      p->n ? d->dv[p->fields[i]] : CELL_ABSENT,
                                      cell_of(d->class),
                                      d->note[0] ? cell_of(d->note) : CELL_ABSENT };

        for (size_t k = 0; k < COUNT(cells); k++) {
            if (k)
                strbuf_addc(&p->line, ',');
            csv_add(&p->line, cells[k], ',');
        }
        strbuf_adds(&p->line, "\r\n");
    }
}

/* ---- HTML ---- */

static void html_value(struct strbuf *out, struct cell c)
{
    if (cell_absent(c))
        strbuf_adds(out, "<td class=zero>null</td>");
    else if (!c.len)
        strbuf_adds(out, "<td class=zero>empty</td>");
    else {
        strbuf_adds(out, "<td class=text><bdi>");
        html_text(out, c, 1000);
        strbuf_adds(out, "</bdi></td>");
    }
}

static void html_row(struct printing *p, const struct delta_row *d)
{
    struct strbuf *out = &p->line;
    size_t rows = p->n ? p->n : 1;
    bool hot = delta_is_red(d->class);

    for (size_t i = 0; i < rows; i++) {
        strbuf_adds(out, "<tr>");
        if (!i) {
            strbuf_addf(out, "<td class=\"%s\" rowspan=%zu>", hot ? "hot" : "word", rows);
            html_str(out, delta_sign(d->class));
            strbuf_adds(out, " ");
            for (const char *c = d->class; *c; c++)
                strbuf_addc(out, *c == '_' ? ' ' : *c);
            if (d->note[0]) {
                strbuf_adds(out, "<span class=small>");
                html_str(out, d->note);
                strbuf_adds(out, "</span>");
            }
            strbuf_addf(out, "</td><td class=key rowspan=%zu><bdi>", rows);
            html_text(out, d->key, 300);
            strbuf_adds(out, "</bdi></td>");
        }
        if (p->n) {
            strbuf_adds(out, "<td>");
            html_text(out, p->m->b->fields[p->fields[i]].name, 0);
            strbuf_addf(out, "<span class=small>%s</span></td>",
                        canon_type_name(p->m->b->fields[p->fields[i]].rule.type));
            html_value(out, d->fno[p->fields[i]]);
            html_value(out, d->dv[p->fields[i]]);
        } else {
            strbuf_addf(out, "<td class=zero>the record</td><td>%s</td><td>%s</td>", d->fno ? "there" : "not there",
                        d->dv ? "there" : "not there");
        }
        strbuf_adds(out, "</tr>\n");
    }
}

static void html_counts(struct strbuf *out, const struct diff_counts *c)
{
    const struct {
        const char *name;
        uint64_t n;
    } TILES[] = { { "F&amp;O", c->fno_rows },
                  { "Dataverse", c->dataverse_rows },
                  { "equal", c->equal },
                  { "differ", c->differ },
                  { "only in F&amp;O", c->only_fno },
                  { "only in Dataverse", c->only_dataverse },
                  { "waiting, in flight", c->waiting + c->in_flight },
                  { "waived", c->waived },
                  { "errors", c->errors } };

    strbuf_adds(out, "<dl class=tiles>");
    for (size_t i = 0; i < COUNT(TILES); i++) {
        strbuf_addf(out, "<div class=tile><dt>%s</dt><dd>", TILES[i].name);
        html_number(out, (int64_t)TILES[i].n);
        strbuf_adds(out, "</dd></div>");
    }
    strbuf_adds(out, "</dl>");
}

static void html_map_begin(struct printing *p, const struct diff_result *res)
{
    struct strbuf *out = &p->line;

    strbuf_adds(out, "<section><h2>");
    html_text(out, p->m->map->name, 0);
    strbuf_addf(out, "</h2><p class=sub>master: %s; alias ", p->m->cfg->master_dataverse ? "Dataverse" : "F&amp;O");
    html_str(out, p->m->cfg->alias);
    strbuf_adds(out, "</p>");
    if (res)
        html_counts(out, &res->all);
    strbuf_adds(out, "<div class=scroll><table><thead><tr><th>class</th><th>key</th><th>field</th><th>F&amp;O</th>"
                     "<th>Dataverse</th></tr></thead><tbody>\n");
}

static void html_map_end(struct printing *p, uint64_t n)
{
    struct strbuf *out = &p->line;

    if (!n)
        strbuf_adds(out, "<tr><td colspan=5 class=zero>Both sides hold the same.</td></tr>\n");
    strbuf_adds(out, "</tbody></table></div>");
    if (n > MAX_HTML_KEYS) {
        strbuf_adds(out, "<p class=note>Shown are ");
        html_number(out, MAX_HTML_KEYS);
        strbuf_adds(out, " of ");
        html_number(out, (int64_t)n);
        strbuf_adds(out, " keys; <code>--format csv</code> has all of them.</p>");
    }
    strbuf_adds(out, "</section>\n");
}

/* ---- */

static void flush(struct output *o, struct strbuf *line)
{
    out_raw(o, strbuf_str(line), line->len);
    strbuf_reset(line);
}

void diff_print_begin(struct output *o, enum diff_format f, bool source)
{
    struct strbuf out = STRBUF(0);
    char now[32];

    if (f == DIFF_CSV)
        strbuf_adds(&out, source ? "map,class,file,line,key,field,source,fno\r\n"
                                 : "map,sign,key,field,fno,dataverse,class,note\r\n");
    if (f == DIFF_HTML) {
        clock_format_utc(clock_utc_ms(), now);
        strbuf_adds(&out,
                    "<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport "
                    "content=\"width=device-width\"><meta http-equiv=Content-Security-Policy content=\"default-src "
                    "'none'; style-src 'unsafe-inline'\"><title>dmfsync: differences</title><style>");
        strbuf_adds(&out, css_report_page);
        strbuf_addf(&out, "</style></head><body><main><h1>dmfsync: what differs</h1><p class=sub>%s (UTC)</p>\n",
                    now);
    }
    flush(o, &out);
    strbuf_release(&out);
}

void diff_print_end(struct output *o, enum diff_format f)
{
    static const char END[] = "</main></body></html>\n";

    if (f == DIFF_HTML)
        out_raw(o, END, sizeof(END) - 1);
}

static void print_row(struct printing *p, enum diff_format f, const struct delta_row *d, uint64_t n)
{
    struct output *o = &p->m->pair->app->out;

    find_fields(p, d);
    switch (f) {
    case DIFF_JSONL: print_json(p, d); break;
    case DIFF_CSV: print_csv(p, d); break;
    case DIFF_HTML:
        if (n <= MAX_HTML_KEYS)
            html_row(p, d);
        break;
    case DIFF_SIGNS:
        if (!o->json)
            print_signs(p, d);
        break;
    case DIFF_FORMATS: break;
    }
    flush(o, &p->line);
}

enum ec diff_print_map(struct map_ctx *m, enum diff_format f, const struct diff_result *res, uint64_t *ret_red,
                       struct err *reterr)
{
    struct output *o = &m->pair->app->out;
    struct printing p = { .m = m, .line = STRBUF(0) };
    struct delta_reader *r = NULL;
    struct delta_row d;
    uint64_t n = 0;
    bool more = true;
    enum ec rc = delta_reader_new(m, NULL, &r, reterr);

    *ret_red = 0;
    if (!rc && f == DIFF_SIGNS && !o->json)
        strbuf_addf(&p.line, "# + fno, - dataverse, master=%s  (" CELL_FMT ")\n",
                    m->cfg->master_dataverse ? "dataverse" : "fno", CELL_ARG(m->map->name));
    if (!rc && f == DIFF_HTML)
        html_map_begin(&p, res);
    flush(o, &p.line);
    while (!rc && more) {
        rc = delta_reader_next(r, &d, &more, reterr);
        if (rc || !more)
            break;
        print_row(&p, f, &d, ++n);
        *ret_red += delta_is_red(d.class);
    }
    if (!rc && f == DIFF_HTML)
        html_map_end(&p, n);
    flush(o, &p.line);
    delta_reader_free(r);
    strbuf_release(&p.line);
    return rc;
}

/* ---- source against F&O ---- */

void diff_print_source_begin(struct map_ctx *m, enum diff_format f)
{
    struct strbuf out = STRBUF(0);

    if (f == DIFF_SIGNS && !m->pair->app->out.json)
        strbuf_addf(&out, "# source '|' F&O: + missing in F&O, * changed, = defaulted  (" CELL_FMT ")\n",
                    CELL_ARG(m->map->name));
    if (f == DIFF_HTML) {
        strbuf_adds(&out, "<section><h2>");
        html_text(&out, m->map->name, 0);
        strbuf_adds(&out, "</h2><p class=sub>");
        html_str(&out, m->cfg->source);
        strbuf_adds(&out,
                    "</p><div class=scroll><table><thead><tr><th>class</th><th class=r>line</th><th>key</th><th>field"
                    "</th><th>source</th><th>F&amp;O</th></tr></thead><tbody>\n");
    }
    flush(&m->pair->app->out, &out);
    strbuf_release(&out);
}

void diff_print_source_end(struct map_ctx *m, enum diff_format f)
{
    static const char END[] = "</tbody></table></div></section>\n";

    if (f == DIFF_HTML)
        out_raw(&m->pair->app->out, END, sizeof(END) - 1);
}

static void source_json(struct strbuf *out, const struct map_ctx *m, const struct proof_cell *c)
{
    struct jsonw w = { .out = out };

    jw_begin(&w, '{');
    jw_ps(&w, "map", m->cfg->alias);
    jw_ps(&w, "class", c->class);
    jw_ps(&w, "file", m->cfg->source);
    jw_pi64(&w, "line", (int64_t)c->place.line);
    jw_pstr(&w, "key", c->key);
    jw_pstr(&w, "field", c->field);
    jw_pstr(&w, "source", c->source);
    jw_pstr(&w, "fno", c->fno);
    jw_end(&w, '}');
    strbuf_addc(out, '\n');
}

static void source_csv(struct strbuf *out, const struct map_ctx *m, const struct proof_cell *c)
{
    char line[24];
    const struct cell cells[] = { cell_of(m->cfg->alias),
                                  cell_of(c->class),
                                  cell_of(m->cfg->source),
                                  CELL_ABSENT,
                                  c->key,
                                  c->field,
                                  c->source,
                                  c->fno };

    snprintf(line, sizeof(line), "%llu", (unsigned long long)c->place.line);
    for (size_t k = 0; k < COUNT(cells); k++) {
        if (k)
            strbuf_addc(out, ',');
        csv_add(out, k == 3 ? cell_of(line) : cells[k], ',');
    }
    strbuf_adds(out, "\r\n");
}

static void source_html(struct strbuf *out, const struct proof_cell *c)
{
    strbuf_addf(out, "<tr><td class=\"%s\">%s</td><td class=r>%llu</td><td class=key><bdi>",
                strcmp(c->class, "defaulted") ? "hot" : "word", c->class, (unsigned long long)c->place.line);
    html_text(out, c->key, 300);
    strbuf_adds(out, "</bdi></td><td>");
    html_text(out, c->field, 0);
    strbuf_adds(out, "</td>");
    html_value(out, c->source);
    html_value(out, c->fno);
    strbuf_adds(out, "</tr>\n");
}

static void source_signs(struct strbuf *out, const struct map_ctx *m, const struct proof_cell *c)
{
    bool missing = !strcmp(c->class, "missing");

    strbuf_addf(out, "%s %s:%llu " CELL_FMT,
                missing                       ? "+"
                : strcmp(c->class, "changed") ? "="
                                              : "*",
                m->cfg->source, (unsigned long long)c->place.line, CELL_ARG(c->key));
    if (!missing) {
        strbuf_addf(out, "  " CELL_FMT "=", CELL_ARG(c->field));
        add_plain(out, c->source);
        strbuf_addc(out, '|');
        add_plain(out, c->fno);
    }
    strbuf_addc(out, '\n');
}

void diff_print_source(struct map_ctx *m, enum diff_format f, const struct proof_cell *c)
{
    struct strbuf out = STRBUF(0);

    switch (f) {
    case DIFF_JSONL: source_json(&out, m, c); break;
    case DIFF_CSV: source_csv(&out, m, c); break;
    case DIFF_HTML: source_html(&out, c); break;
    case DIFF_SIGNS:
        if (!m->pair->app->out.json)
            source_signs(&out, m, c);
        break;
    case DIFF_FORMATS: break;
    }
    flush(&m->pair->app->out, &out);
    strbuf_release(&out);
}

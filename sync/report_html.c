/* report_html.c -- the page for the steering meeting: the answer first, then what to do, then the evidence. */
#include "base/clock.h"
#include "sync/report.h"
#include "sync/report_parts.h"

#include <stdio.h>

extern const char css_report_page[];
extern const char DMFSYNC_VERSION[];

void html_age(struct strbuf *out, int64_t ms)
{
    int64_t min = ms / 60000;

    if (ms < 0)
        strbuf_adds(out, "in the future"); /* a clock was wrong */
    else if (min < 1)
        strbuf_adds(out, "just now");
    else if (min < 120)
        strbuf_addf(out, "%lld min ago", (long long)min);
    else if (min < 48 * 60)
        strbuf_addf(out, "%lld h ago", (long long)(min / 60));
    else
        strbuf_addf(out, "%lld days ago", (long long)(min / 1440));
}

void html_duration(struct strbuf *out, int64_t ms)
{
    int64_t s = (ms + 500) / 1000;

    if (ms < 1000)
        strbuf_addf(out, "%lld ms", (long long)(ms < 0 ? 0 : ms));
    else if (s < 120)
        strbuf_addf(out, "%lld s", (long long)s);
    else if (s < 7200)
        strbuf_addf(out, "%lld min", (long long)(s / 60));
    else
        strbuf_addf(out, "%lld h %02lld min", (long long)(s / 3600), (long long)(s / 60 % 60));
}

void html_time(struct strbuf *out, int64_t ms)
{
    char t[32];

    if (!ms) {
        strbuf_adds(out, "\xe2\x80\x93");
        return;
    }
    clock_format_utc(ms, t);
    strbuf_addf(out, "%.10s %.5s", t, t + 11);
}

void html_count(struct strbuf *out, int64_t n, bool hot)
{
    strbuf_addf(out, "<td class=\"r%s\">", !n ? " zero" : hot ? " hot" : "");
    html_number(out, n);
    strbuf_adds(out, "</td>");
}

void html_map(struct strbuf *out, const struct report *r, const char *alias)
{
    for (size_t i = 0; i < r->n_maps; i++)
        if (!strcmp(r->maps[i].alias, alias)) {
            strbuf_adds(out, "<bdi>");
            html_text(out, cell_of(r->maps[i].name), 80);
            strbuf_adds(out, "</bdi>");
            return;
        }
    html_str(out, alias);
}

/* "Customers V3 (accounts)": the entity, and the table under it. */
void html_name(struct strbuf *out, const char *name)
{
    const char *open = strrchr(name, '(');
    bool both = open && open > name + 1 && open[-1] == ' ' && name[strlen(name) - 1] == ')';
    struct cell entity = both ? (struct cell){ name, (size_t)(open - 1 - name) } : cell_of(name);

    strbuf_adds(out, "<bdi>");
    html_text(out, entity, 80);
    strbuf_adds(out, "</bdi>");
    if (!both)
        return;
    strbuf_adds(out, "<span class=\"small\"><bdi>");
    html_text(out, (struct cell){ open + 1, strlen(open) - 2 }, 80);
    strbuf_adds(out, "</bdi></span>");
}

static void head(struct report *r, struct strbuf *out)
{
    const char *slash = strrchr(r->app->ws.dir, '/'), *name = slash && slash[1] ? slash + 1 : r->app->ws.dir;

    strbuf_adds(out,
                "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                "content=\"width=device-width,initial-scale=1\"><meta http-equiv=\"Content-Security-Policy\" "
                "content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=\"referrer\" "
                "content=\"no-referrer\"><meta name=\"color-scheme\" content=\"light dark\"><meta name=\"generator\" "
                "content=\"dmfsync ");
    html_str(out, DMFSYNC_VERSION);
    strbuf_adds(out, "\"><title>Agreement of both sides: ");
    html_str(out, name);
    strbuf_adds(out, "</title><style>\n");
    strbuf_adds(out, css_report_page);
    strbuf_adds(out, "</style></head><body><main><header><h1>Finance &amp; Operations and Dataverse: <bdi>");
    html_str(out, name);
    strbuf_adds(out, "</bdi></h1><p class=\"sub\">");
    html_str(out, r->app->cfg.fno.url ? r->app->cfg.fno.url : "no F&O address");
    strbuf_adds(out, " and ");
    html_str(out, r->app->cfg.dataverse.url ? r->app->cfg.dataverse.url : "no Dataverse address");
    strbuf_adds(out, "<br>State of ");
    html_time(out, r->now_ms);
    strbuf_adds(out, " UTC</p></header>\n");
}

static void answer(struct report *r, struct report_summary *s, struct strbuf *out)
{
    static const char *const CLASS[] = { "yes", "no", "unproven" };
    size_t blocks = 0, rest = 0;
    int64_t oldest = 0;

    for (size_t i = 0; i < s->n; i++)
        *(s->v[i].blocks ? &blocks : &rest) += 1;
    for (size_t i = 0; i < r->n_maps; i++)
        if (r->maps[i].has_verdict && (!oldest || r->maps[i].checked_ms < oldest))
            oldest = r->maps[i].checked_ms;
    strbuf_addf(out, "<div class=\"answer %s\" id=\"answer\"><p class=\"ask\">May we go live?</p><p class=\"say\">",
                CLASS[s->answer]);
    html_str(out, s->headline);
    strbuf_adds(out, "</p><p class=\"why\">");
    if (blocks)
        strbuf_addf(out, "%zu thing%s stand%s against it; see <a href=\"#next\">what to do next</a>. ", blocks,
                    blocks == 1 ? "" : "s", blocks == 1 ? "s" : "");
    else if (rest)
        strbuf_addf(out,
                    "Nothing stands against it; %zu thing%s to look at under <a href=\"#next\">what to do next</a>. ",
                    rest, rest == 1 ? "" : "s");
    if (oldest) {
        strbuf_adds(out, "Every row of both sides was compared field by field; the oldest verdict is of ");
        html_time(out, oldest);
        strbuf_adds(out, " UTC (");
        html_age(out, r->now_ms - oldest);
        strbuf_adds(out, ").");
    }
    strbuf_adds(out, "</p></div>\n");
}

static void tile(struct strbuf *out, const char *what, int64_t n, int64_t of, int64_t small_n, const char *small)
{
    strbuf_addf(out, "<div class=\"tile\"><dt>%s</dt><dd>", what);
    html_number(out, n);
    if (of >= 0) {
        strbuf_adds(out, " of ");
        html_number(out, of);
    }
    strbuf_adds(out, "<small>");
    if (small_n >= 0) {
        html_number(out, small_n);
        strbuf_addc(out, ' ');
    }
    strbuf_addf(out, "%s</small></dd></div>", small);
}

static void tiles(struct report *r, struct report_summary *s, struct strbuf *out)
{
    int64_t keys = 0, equal = 0, drift = 0, soft = 0, waiting = 0;

    for (size_t i = 0; i < r->n_maps; i++) {
        struct report_map *m = &r->maps[i];

        keys += m->n.keys;
        equal += m->n.equal;
        drift += report_drift(&m->n);
        soft += m->n.waived;
        waiting += m->conflicts + m->parked + m->poison;
    }
    strbuf_adds(out, "<dl class=\"tiles\">");
    tile(out, "Maps at parity", (int64_t)s->green, (int64_t)r->n_maps, -1, "fresh verdicts only");
    tile(out, "Records compared", keys, -1, equal, "equal");
    tile(out, "Records that differ", drift, -1, soft, "more are waived");
    tile(out, "Rows not arrived", r->error_rows, -1, r->error_kinds ? r->error_kinds : -1,
         r->error_kinds ? (r->error_kinds == 1 ? "cause" : "causes") : "of the last loads");
    tile(out, "Waiting", waiting, -1, -1, "conflicts, parked and refused changes");
    tile(out, "Throttled calls", r->total.throttled[0] + r->total.throttled[1], -1, (int64_t)r->n_days, "days back");
    strbuf_adds(out, "</dl>\n");
}

static void todo_item(struct report *r, const struct report_finding *f, struct strbuf *out)
{
    strbuf_adds(out, "<li>");
    if (f->map) {
        strbuf_adds(out, "<b>");
        html_map(out, r, f->map);
        strbuf_adds(out, "</b>: ");
    }
    strbuf_adds(out, "<bdi>");
    html_text(out, cell_of(f->text), 400);
    strbuf_adds(out, "</bdi>");
    if (f->todo) {
        strbuf_adds(out, "<span class=\"small\">");
        if (!strncmp(f->todo, "dmfsync ", 8)) { /* "COMMAND, then COMMAND": each in a box of its own */
            const char *p = f->todo, *cut;

            while ((cut = strstr(p, ", then "))) {
                strbuf_adds(out, "<code>");
                html_text(out, (struct cell){ p, (size_t)(cut - p) }, 0);
                strbuf_adds(out, "</code>, then ");
                p = cut + 7;
            }
            strbuf_adds(out, "<code>");
            html_str(out, p);
            strbuf_adds(out, "</code>");
        } else {
            html_str(out, f->todo);
        }
        strbuf_adds(out, "</span>");
    }
    strbuf_adds(out, "</li>");
}

static void next(struct report *r, struct report_summary *s, struct strbuf *out)
{
    size_t shown = 0;

    strbuf_adds(out, "<section id=\"next\"><h2>What to do next</h2>");
    if (!s->n) {
        strbuf_adds(out, "<p class=\"quiet\">Nothing. Keep the nightly comparison running.</p></section>\n");
        return;
    }
    for (int blocks = 1; blocks >= 0; blocks--) {
        bool any = false;

        for (size_t i = 0; i < s->n; i++) {
            if (s->v[i].blocks != (bool)blocks || shown >= 60)
                continue;
            if (!any)
                strbuf_addf(out, "<h3>%s</h3><ol class=\"todo\">",
                            blocks ? "Stands against going live" : "To look at");
            any = true;
            shown++;
            todo_item(r, &s->v[i], out);
        }
        if (any)
            strbuf_adds(out, "</ol>");
    }
    if (shown < s->n)
        strbuf_addf(out, "<p class=\"note\">%zu more; the table of maps has all of them.</p>", s->n - shown);
    strbuf_adds(out, "</section>\n");
}

static void pill(const struct report_map *m, struct strbuf *out)
{
    const char *c = "n", *word = "none";

    if (m->has_verdict) {
        c = m->word == VERDICT_DRIFT ? "d" : m->word == VERDICT_UNKNOWN || m->stale ? "u" : "p";
        word = verdict_name(m->word);
    }
    strbuf_addf(out, "<span class=\"pill %s\">%s%s</span>", c, word, m->has_verdict && m->stale ? ", old" : "");
}

static void map_row(struct report *r, const struct report_map *m, struct strbuf *out)
{
    strbuf_adds(out, "<tr><th scope=\"row\">");
    html_name(out, m->name);
    strbuf_adds(out, "</th><td class=\"word\">");
    pill(m, out);
    if (m->has_verdict && m->since_ms) {
        char day[16];

        report_day_name(m->since_ms / REPORT_DAY_MS, day);
        strbuf_addf(out, "<span class=\"small\">since %s</span>", day);
    }
    strbuf_adds(out, "</td>");
    html_count(out, m->n.fno_rows, false);
    html_count(out, m->n.dataverse_rows, false);
    strbuf_adds(out, "<td class=\"r\">");
    html_number(out, m->n.equal);
    svg_share(out, &m->n);
    strbuf_adds(out, "</td>");
    html_count(out, m->n.differ + m->n.errors, true);
    html_count(out, m->n.only_fno, true);
    html_count(out, m->n.only_dataverse, true);
    html_count(out, m->n.waiting + m->n.in_flight, false);
    html_count(out, m->n.waived, false);
    strbuf_adds(out, "<td class=\"word\">");
    html_text(out, cell_of(m->gate), 20);
    strbuf_adds(out, "</td><td class=\"when\">");
    html_time(out, m->checked_ms);
    if (m->has_verdict) {
        strbuf_adds(out, "<span class=\"small\">");
        html_age(out, r->now_ms - m->checked_ms);
        strbuf_adds(out, "</span>");
    }
    strbuf_adds(out, "</td></tr>\n");
}

static void maps(struct report *r, struct strbuf *out)
{
    strbuf_adds(
        out, "<section id=\"maps\"><h2>Verdict per map</h2><p class=\"note\">The counts are those of each map's last "
             "comparison. Waiting and waived records are not drift; they are listed below.</p><div "
             "class=\"scroll\"><table><thead><tr><th>Map</th><th>Verdict</th><th class=\"r\">F&amp;O rows</th><th "
             "class=\"r\">Dataverse rows</th><th class=\"r\">Equal</th><th class=\"r\">Unequal</th><th "
             "class=\"r\">Only F&amp;O</th><th class=\"r\">Only Dataverse</th><th class=\"r\">Waiting</th><th "
             "class=\"r\">Waived</th><th>Gate</th><th>Compared (UTC)</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_maps; i++)
        map_row(r, &r->maps[i], out);
    strbuf_adds(out, "</tbody></table></div></section>\n");
}

static void company_row(const struct report_map *m, const struct report_company *c, bool first, struct strbuf *out)
{
    strbuf_adds(out, "<tr><th scope=\"row\">");
    if (first)
        html_name(out, m->name);
    strbuf_adds(out, "</th><td class=\"word\">");
    if (c->company[0])
        html_text(out, cell_of(c->company), 12);
    else
        strbuf_adds(out, "shared");
    strbuf_addf(out, "</td><td class=\"word\"><span class=\"pill %s\">%s</span></td>",
                report_drift(&c->n) ? "d" : "p", report_drift(&c->n) ? "drift" : "parity");
    html_count(out, c->n.fno_rows, false);
    html_count(out, c->n.dataverse_rows, false);
    html_count(out, c->n.equal, false);
    html_count(out, c->n.differ + c->n.errors, true);
    html_count(out, c->n.only_fno, true);
    html_count(out, c->n.only_dataverse, true);
    html_count(out, c->n.waiting + c->n.in_flight, false);
    html_count(out, c->n.waived, false);
    strbuf_adds(out, "</tr>\n");
}

/* Companies that differ come whatever their number; of the others a map shows the first ones. */
static void companies(struct report *r, struct strbuf *out)
{
    enum { SHOWN = 12 };
    bool any = false;

    for (size_t i = 0; i < r->n_maps; i++)
        any |= r->maps[i].n_companies > 0;
    if (!any)
        return;
    strbuf_adds(
        out,
        "<section id=\"companies\"><h2>Per company</h2><div class=\"scroll\"><table><thead><tr><th>Map</th>"
        "<th>Company</th><th>Verdict</th><th class=\"r\">F&amp;O rows</th><th class=\"r\">Dataverse rows</th><th "
        "class=\"r\">Equal</th><th class=\"r\">Unequal</th><th class=\"r\">Only F&amp;O</th><th class=\"r\">Only "
        "Dataverse</th><th class=\"r\">Waiting</th><th class=\"r\">Waived</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_maps; i++) {
        struct report_map *m = &r->maps[i];
        size_t fine = 0, left = 0;
        bool first = true;

        for (size_t k = 0; k < m->n_companies; k++) {
            if (!report_drift(&m->companies[k].n) && ++fine > SHOWN) {
                left++;
                continue;
            }
            company_row(m, &m->companies[k], first, out);
            first = false;
        }
        if (left)
            strbuf_addf(
                out, "<tr class=\"more\"><td></td><td colspan=\"10\">%zu more companies at parity</td></tr>\n", left);
    }
    strbuf_adds(out, "</tbody></table></div></section>\n");
}

static void over_time(struct report *r, struct strbuf *out)
{
    strbuf_addf(out,
                "<section id=\"time\"><h2>Drift over time</h2><p class=\"note\">The last %zu days, UTC. A day shows "
                "its worst "
                "verdict.</p>",
                r->n_days);
    svg_calendar(r, out);
    svg_drift(r, out);
    strbuf_adds(out, "</section>\n");
}

static void words(struct report *r, struct strbuf *out)
{
    strbuf_adds(
        out,
        "<section id=\"words\"><h2>What the words mean</h2><dl class=\"words\"><dt>parity</dt><dd>Both sides hold "
        "the same records, field by field, within the map's filters and companies.</dd><dt>drift</dt><dd>At least "
        "one record differs or is missing on one side. The map's gate shuts: nothing is synchronised until it is "
        "settled.</dd><dt>unknown</dt><dd>A side could not be read whole; nothing is claimed.</dd><dt>old</dt><dd>");
    strbuf_adds(out, "The verdict is older than ");
    html_duration(out, r->app->cfg.verdict_max_age_ms);
    strbuf_adds(
        out,
        " (verdict_max_age) and opens no gate.</dd><dt>waiting</dt><dd>A conflict, a parked change or a reported "
        "deletion that is known and handled; also records that changed during the comparison.</dd><dt>waived</dt>"
        "<dd>A difference that was accepted by name, with a reason and an end date.</dd><dt>gate</dt><dd>Whether "
        "record-by-record synchronisation may work on the map.</dd></dl></section>\n");
}

void report_html(struct report *r, struct strbuf *out)
{
    struct report_summary s;
    char now[32];

    report_judge(r, &s);
    clock_format_utc(r->now_ms, now);
    head(r, out);
    answer(r, &s, out);
    tiles(r, &s, out);
    next(r, &s, out);
    maps(r, out);
    over_time(r, out);
    companies(r, out);
    html_errors(r, out);
    html_lists(r, out);
    html_services(r, out);
    words(r, out);
    strbuf_adds(out, "<footer>Made by dmfsync ");
    html_str(out, DMFSYNC_VERSION);
    strbuf_addf(
        out,
        " at %s from the workspace's own records. Times are UTC. This page loads nothing from any network.</footer>"
        "</main></body></html>\n",
        now);
}

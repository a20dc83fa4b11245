/* report_tables.c -- the page's evidence: failed rows by cause, what differs, conflicts, parked rows, waivers, the services. */
#include "base/clock.h"
#include "sync/report_parts.h"

static void text_cell(struct strbuf *out, const char *class, const char *text, size_t max)
{
    strbuf_addf(out, "<td class=\"%s\"><bdi>", class);
    html_text(out, cell_of(text), max);
    strbuf_adds(out, "</bdi></td>");
}

/* The day of a time as it is on record. */
static void html_day(struct strbuf *out, const char *at)
{
    size_t n = strlen(at);

    html_text(out, (struct cell){ at, n < 10 ? n : 10 }, 0);
}

void html_errors(struct report *r, struct strbuf *out)
{
    strbuf_adds(out, "<section id=\"errors\"><h2>Rows that did not arrive, by cause</h2>");
    if (!r->n_errors) {
        strbuf_adds(out, "<p class=\"quiet\">None: every row of the last loads arrived, or was left out on "
                         "purpose.</p></section>\n");
        return;
    }
    strbuf_adds(
        out,
        "<p class=\"note\">Of each map's last load. What differs from row to row is shown as *. "
        "<code>dmfsync errors MAP</code> lists each row with file and line.</p><div class=\"scroll\"><table><thead>"
        "<tr><th class=\"r\">Rows</th><th>Map</th><th>Where</th><th>Cause</th><th>First "
        "row</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_errors; i++) {
        const struct report_error *e = &r->errors[i];

        strbuf_adds(out, "<tr>");
        html_count(out, e->rows, false);
        strbuf_adds(out, "<td>");
        html_map(out, r, e->alias);
        strbuf_addf(out, "</td><td class=\"word\">%s<span class=\"small\">",
                    strcmp(e->side, "dataverse") ? "F&amp;O" : "Dataverse");
        html_text(out, cell_of(e->stage), 20);
        strbuf_adds(out, "</span></td><td class=\"text\"><bdi>");
        if (e->field[0]) {
            html_text(out, cell_of(e->field), 60);
            strbuf_adds(out, ": ");
        }
        html_text(out, cell_of(e->message), 260);
        strbuf_adds(out, "</bdi>");
        if (e->code[0]) {
            strbuf_adds(out, "<span class=\"small\">");
            html_text(out, cell_of(e->code), 60);
            strbuf_adds(out, "</span>");
        }
        strbuf_adds(out, "</td><td class=\"key\"><bdi>");
        html_text(out, cell_of(e->key), 60);
        strbuf_adds(out, "</bdi>");
        if (e->line > 0)
            strbuf_addf(out, "<span class=\"small\">line %lld</span>", (long long)e->line);
        strbuf_adds(out, "</td></tr>\n");
    }
    strbuf_adds(out, "</tbody></table></div>");
    if (r->error_kinds > (int64_t)r->n_errors)
        strbuf_addf(out, "<p class=\"note\">%lld more causes.</p>",
                    (long long)(r->error_kinds - (int64_t)r->n_errors));
    strbuf_adds(out, "</section>\n");
}

static void list_begin(struct strbuf *out, const char *id, const char *title, const char *empty,
                       const struct report_list *l, const char *const *heads)
{
    strbuf_addf(out, "<section id=\"%s\"><h2>%s</h2>", id, title);
    if (!l->n) {
        strbuf_addf(out, "<p class=\"quiet\">%s</p></section>\n", empty);
        return;
    }
    strbuf_adds(out, "<div class=\"scroll\"><table><thead><tr>");
    for (; *heads; heads++)
        strbuf_addf(out, "<th>%s</th>", *heads);
    strbuf_adds(out, "</tr></thead><tbody>\n");
}

static void list_end(struct strbuf *out, const struct report_list *l, const char *command)
{
    if (!l->n)
        return;
    strbuf_adds(out, "</tbody></table></div>");
    if (l->total > (int64_t)l->n) {
        strbuf_adds(out, "<p class=\"note\">");
        html_number(out, l->total - (int64_t)l->n);
        strbuf_addf(out, " more; <code>%s</code> has all of them.</p>", command);
    }
    strbuf_adds(out, "</section>\n");
}

static void item_begin(struct report *r, const struct report_item *x, struct strbuf *out)
{
    strbuf_adds(out, "<tr><td>");
    html_map(out, r, x->alias);
    strbuf_adds(out, "</td>");
    text_cell(out, "key", x->key, 90);
}

static void differing(struct report *r, struct strbuf *out)
{
    static const char *const HEADS[] = { "Map", "Record", "How", "Fields", NULL };

    list_begin(out, "differ", "Records that differ", "None.", &r->drift, HEADS);
    for (size_t i = 0; i < r->drift.n; i++) {
        const struct report_item *x = &r->drift.v[i];

        item_begin(r, x, out);
        strbuf_addf(out, "<td class=\"word\">%s</td>",
                    !strcmp(x->a, "only_fno")         ? "only in F&amp;O"
                    : !strcmp(x->a, "only_dataverse") ? "only in Dataverse"
                    : !strcmp(x->a, "error")          ? "cannot be read"
                                                      : "differs");
        text_cell(out, "text", x->b[0] ? x->b : x->c, 160);
        strbuf_adds(out, "</tr>\n");
    }
    list_end(out, &r->drift, "dmfsync diff MAP --stored");
}

static void conflicts(struct report *r, struct strbuf *out)
{
    static const char *const HEADS[] = { "Map", "Record", "Field", "F&amp;O", "Dataverse", "Since", NULL };

    list_begin(out, "conflicts", "Conflicts that wait for a decision", "None.", &r->conflicts, HEADS);
    for (size_t i = 0; i < r->conflicts.n; i++) {
        const struct report_item *x = &r->conflicts.v[i];

        item_begin(r, x, out);
        text_cell(out, "key", x->a, 60);
        text_cell(out, "key", x->b, 60);
        text_cell(out, "key", x->c, 60);
        strbuf_adds(out, "<td class=\"when\">");
        html_day(out, x->at);
        strbuf_adds(out, "</td></tr>\n");
    }
    list_end(out, &r->conflicts, "dmfsync conflicts list");
}

static void parked(struct report *r, struct strbuf *out)
{
    static const char *const HEADS[] = { "Map", "Record", "State", "Why", "Since", NULL };

    list_begin(out, "parked", "Parked and refused changes", "None.", &r->parked, HEADS);
    for (size_t i = 0; i < r->parked.n; i++) {
        const struct report_item *x = &r->parked.v[i];

        item_begin(r, x, out);
        strbuf_addf(out, "<td class=\"word\">%s</td>", strcmp(x->a, "poison") ? "waits for its parent" : "refused");
        text_cell(out, "text", x->b, 240);
        strbuf_adds(out, "<td class=\"when\">");
        html_day(out, x->at);
        strbuf_adds(out, "</td></tr>\n");
    }
    list_end(out, &r->parked, "dmfsync parked");
}

static void waivers(struct report *r, struct strbuf *out)
{
    static const char *const HEADS[] = { "Map", "Record", "Field", "Reason", "Until", NULL };

    list_begin(out, "waivers", "Accepted differences (waivers)", "None.", &r->waivers, HEADS);
    for (size_t i = 0; i < r->waivers.n; i++) {
        const struct report_item *x = &r->waivers.v[i];
        int64_t until = 0;

        item_begin(r, x, out);
        text_cell(out, "key", x->a[0] ? x->a : "all", 60);
        text_cell(out, "text", x->b, 240);
        strbuf_adds(out, "<td class=\"when\">");
        html_day(out, x->c);
        if (clock_parse_utc(x->c, strlen(x->c), &until) && until + REPORT_DAY_MS <= r->now_ms)
            strbuf_adds(out, "<span class=\"small\">over: it counts again</span>");
        strbuf_adds(out, "</td></tr>\n");
    }
    list_end(out, &r->waivers, "dmfsync waive list");
}

void html_lists(struct report *r, struct strbuf *out)
{
    differing(r, out);
    conflicts(r, out);
    parked(r, out);
    waivers(r, out);
}

static void rate(struct strbuf *out, int64_t rows, int64_t ms)
{
    strbuf_adds(out, "<td class=\"r\">");
    if (rows > 0 && ms > 0) {
        html_number(out, rows * 1000 / ms);
        strbuf_adds(out, "<span class=\"small\">");
        html_number(out, rows);
        strbuf_adds(out, " in ");
        html_duration(out, ms);
        strbuf_adds(out, "</span>");
    } else {
        strbuf_adds(out, "\xe2\x80\x93");
    }
    strbuf_adds(out, "</td>");
}

static void speeds(struct report *r, struct strbuf *out)
{
    bool any = false;

    for (size_t i = 0; i < r->n_maps; i++)
        any |= r->maps[i].load_rows > 0 || r->maps[i].read_rows > 0;
    if (!any)
        return;
    strbuf_adds(
        out,
        "<h3>Rows per second</h3><div class=\"scroll\"><table><thead><tr><th>Map</th><th class=\"r\">Loaded into "
        "F&amp;O</th><th class=\"r\">Read for the comparison</th><th class=\"r\">Changes not applied yet</th><th "
        "class=\"r\">The oldest of them</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_maps; i++) {
        const struct report_map *m = &r->maps[i];

        if (m->load_rows <= 0 && m->read_rows <= 0 && !m->pending)
            continue;
        strbuf_adds(out, "<tr><th scope=\"row\">");
        html_name(out, m->name);
        strbuf_adds(out, "</th>");
        rate(out, m->load_rows, m->load_ms);
        rate(out, m->read_rows, m->read_ms);
        html_count(out, m->pending, false);
        strbuf_adds(out, "<td class=\"r\">");
        if (m->oldest_pending_ms)
            html_age(out, r->now_ms - m->oldest_pending_ms);
        else
            strbuf_adds(out, "\xe2\x80\x93");
        strbuf_adds(out, "</td></tr>\n");
    }
    strbuf_adds(out, "</tbody></table></div>");
}

static void pair_of(struct strbuf *out, const int64_t v[2], bool hot)
{
    strbuf_addf(out, "<td class=\"r%s\">", !v[0] && !v[1] ? " zero" : hot ? " hot" : "");
    html_number(out, v[0]);
    strbuf_adds(out, " / ");
    html_number(out, v[1]);
    strbuf_adds(out, "</td>");
}

static void commands(struct report *r, struct strbuf *out)
{
    strbuf_adds(
        out,
        "<h3>Last commands</h3><div class=\"scroll\"><table><thead><tr><th>Begun (UTC)</th><th>Command</th><th "
        "class=\"r\">Took</th><th class=\"r\">Status</th><th class=\"r\">Calls F&amp;O / Dataverse</th><th "
        "class=\"r\">Repeated</th><th class=\"r\">Throttled</th><th class=\"r\">Waited</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_activity; i++) {
        const struct report_activity *x = &r->activity[i];

        strbuf_adds(out, "<tr><td class=\"when\">");
        html_time(out, x->started_ms);
        strbuf_adds(out, "</td><td>");
        html_text(out, cell_of(x->command), 40);
        strbuf_adds(out, "</td><td class=\"r\">");
        html_duration(out, x->ended_ms - x->started_ms);
        strbuf_addf(out, "</td><td class=\"r\">%lld</td>", (long long)x->status);
        pair_of(out, x->calls, false);
        pair_of(out, x->retries, false);
        pair_of(out, x->throttled, true);
        strbuf_adds(out, "<td class=\"r\">");
        html_duration(out, x->waited_ms[0] + x->waited_ms[1]);
        strbuf_adds(out, "</td></tr>\n");
    }
    strbuf_adds(out, "</tbody></table></div>");
}

static void runs(struct report *r, struct strbuf *out)
{
    strbuf_adds(
        out,
        "<h3>Last runs</h3><div class=\"scroll\"><table><thead><tr><th>Begun (UTC)</th><th class=\"r\">Run</th><th>"
        "Kind</th><th>State</th><th>Ended (UTC)</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_runs; i++) {
        const struct report_run *x = &r->runs[i];

        strbuf_adds(out, "<tr><td class=\"when\">");
        html_time(out, x->started_ms);
        strbuf_addf(out, "</td><td class=\"r\">%lld</td><td>", (long long)x->id);
        html_text(out, cell_of(x->kind), 20);
        strbuf_adds(out, "</td><td>");
        html_text(out, cell_of(x->state), 20);
        strbuf_adds(out, "</td><td class=\"when\">");
        html_time(out, x->ended_ms);
        strbuf_adds(out, "</td></tr>\n");
    }
    strbuf_adds(out, "</tbody></table></div>");
}

void html_services(struct report *r, struct strbuf *out)
{
    const struct report_activity *t = &r->total;

    strbuf_adds(out, "<section id=\"services\"><h2>Throughput and throttling</h2>");
    if (t->calls[0] || t->calls[1]) {
        strbuf_adds(out, "<p class=\"note\">In the last ");
        strbuf_addf(out, "%zu days: ", r->n_days);
        html_number(out, t->calls[0]);
        strbuf_adds(out, " calls to F&amp;O (");
        html_number(out, t->throttled[0]);
        strbuf_adds(out, " throttled), ");
        html_number(out, t->calls[1]);
        strbuf_adds(out, " to Dataverse (");
        html_number(out, t->throttled[1]);
        strbuf_adds(out, " throttled); waited ");
        html_duration(out, t->waited_ms[0] + t->waited_ms[1]);
        strbuf_adds(out, " for both.</p>");
        svg_service(r, out);
    } else {
        strbuf_adds(out, "<p class=\"quiet\">No call to a service is on record yet.</p>");
    }
    speeds(r, out);
    if (r->n_activity)
        commands(r, out);
    if (r->n_runs)
        runs(r, out);
    strbuf_adds(out, "</section>\n");
}

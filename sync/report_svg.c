/*
 * report_svg.c -- the charts. Each is stretched to the width that the page gives it; what is written beside it is HTML, so that
 * letters keep their size on a phone and on paper. Colours come from the page's style sheet, and every state has a form of its own
 * besides its colour.
 */
#include "sync/report_parts.h"

#include <stdio.h>

static const char *word_class(int word)
{
    return word == VERDICT_PARITY ? "p" : word == VERDICT_DRIFT ? "d" : word == VERDICT_UNKNOWN ? "u" : "n";
}

static void day_rect(struct strbuf *out, struct report *r, const struct report_day *d, size_t i, size_t run)
{
    static const double TOP[] = { 0, 25, 50, 85 }; /* a lower block for each milder state */
    double top = TOP[d->word == VERDICT_DRIFT     ? 0
                     : d->word == VERDICT_UNKNOWN ? 1
                     : d->word == VERDICT_PARITY  ? 2
                                                  : 3];
    char day[16];

    report_day_name(r->first_day + (int64_t)i, day);
    strbuf_addf(out, "<rect class=\"%s\" x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%.0f\"><title>%s: ",
                word_class(d->word), (double)i + 0.08, top, (double)run - 0.16, 100 - top, day);
    if (d->word == VERDICT_DRIFT)
        strbuf_addf(out, "drift, %lld rows", (long long)d->drift);
    else
        strbuf_adds(out, d->word < 0 ? "not compared" : verdict_name((enum verdict_word)d->word));
    strbuf_adds(out, "</title></rect>");
}

static void strip(struct report *r, struct report_map *m, struct strbuf *out)
{
    size_t red = 0, green = 0;

    for (size_t i = 0; i < r->n_days; i++) {
        red += m->days[i].word == VERDICT_DRIFT;
        green += m->days[i].word == VERDICT_PARITY;
    }
    strbuf_addf(
        out, "<svg class=\"strip\" viewBox=\"0 0 %zu 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"",
        r->n_days);
    html_str(out, m->name);
    strbuf_addf(out, ": %zu days at parity, %zu with drift, of %zu\">", green, red, r->n_days);
    for (size_t i = 0, run; i < r->n_days; i += run) {
        const struct report_day *d = &m->days[i];

        /* Long histories: equal days in one piece, except those with drift, which have numbers of their own. */
        for (run = 1;
             r->n_days > 120 && i + run < r->n_days && m->days[i + run].word == d->word && d->word != VERDICT_DRIFT;)
            run++;
        day_rect(out, r, d, i, run);
    }
    strbuf_adds(out, "</svg>");
}

/* Names of the first days of months (or of the first and last day) under a chart, placed in percent. */
static void axis(struct report *r, struct strbuf *out)
{
    char day[16];
    double last = -100;

    strbuf_adds(out, "<div class=\"axis\" aria-hidden=\"true\">");
    for (size_t i = 0; i < r->n_days; i++) {
        double at = 100.0 * (double)i / (double)r->n_days;

        report_day_name(r->first_day + (int64_t)i, day);
        if ((i && strcmp(day + 8, "01") && strcmp(day + 8, "15")) || at - last < 11 || (at > 85))
            continue;
        strbuf_addf(out, "<span style=\"left:%.2f%%\">%s</span>", at, i ? day + 5 : day);
        last = at;
    }
    report_day_name(r->first_day + (int64_t)r->n_days - 1, day);
    strbuf_addf(out, "<span class=\"end\">%s</span></div>", day);
}

void svg_calendar(struct report *r, struct strbuf *out)
{
    strbuf_adds(out, "<div class=\"calendar\">");
    for (size_t i = 0; i < r->n_maps; i++) {
        struct report_map *m = &r->maps[i];

        strbuf_adds(out, "<div class=\"name\">");
        html_name(out, m->name);
        strbuf_adds(out, "</div>");
        strip(r, m, out);
    }
    strbuf_adds(out, "<div></div>");
    axis(r, out);
    strbuf_adds(
        out,
        "</div><p class=\"legend\"><i class=\"p\"></i>parity <i class=\"d\"></i>drift <i class=\"u\"></i>unknown "
        "<i class=\"n\"></i>not compared</p>");
}

static void head(struct strbuf *out, int64_t top, const char *unit)
{
    strbuf_adds(out, "<div class=\"chart\"><div class=\"scale\" aria-hidden=\"true\"><span>");
    html_number(out, top);
    strbuf_addf(out, "</span><span>0</span></div><div><p class=\"unit\">%s</p>", unit);
}

void svg_drift(struct report *r, struct strbuf *out)
{
    int64_t top = 0, last = -1;
    size_t red = 0;

    for (size_t i = 0; i < r->n_days; i++) {
        int64_t sum = 0;

        for (size_t k = 0; k < r->n_maps; k++)
            sum += r->maps[k].days[i].drift;
        red += sum > 0;
        top = sum > top ? sum : top;
        last = sum ? (int64_t)i : last;
    }
    if (!top) {
        strbuf_addf(out, "<p class=\"quiet\">No row differed on any of the last %zu days.</p>", r->n_days);
        return;
    }
    head(out, top, "rows that differed, all maps, the day's worst");
    strbuf_addf(out,
                "<svg class=\"bars\" viewBox=\"0 0 %zu 100\" preserveAspectRatio=\"none\" role=\"img\" "
                "aria-label=\"rows that "
                "differed per day: %zu days with drift, at most %lld rows\">",
                r->n_days, red, (long long)top);
    for (size_t i = 0; i < r->n_days; i++) {
        int64_t sum = 0;
        double h;
        char day[16];

        for (size_t k = 0; k < r->n_maps; k++)
            sum += r->maps[k].days[i].drift;
        if (!sum)
            continue;
        h = 100.0 * (double)sum / (double)top;
        h = h < 2 ? 2 : h;
        report_day_name(r->first_day + (int64_t)i, day);
        strbuf_addf(out,
                    "<rect class=\"d\" x=\"%.2f\" y=\"%.2f\" width=\"0.84\" height=\"%.2f\"><title>%s: %lld "
                    "rows</title></rect>",
                    (double)i + 0.08, 100 - h, h, day, (long long)sum);
    }
    strbuf_adds(out, "</svg>");
    axis(r, out);
    strbuf_adds(out, "</div></div>");
}

void svg_service(struct report *r, struct strbuf *out)
{
    int64_t top = 0;

    for (size_t i = 0; i < r->n_days; i++) {
        int64_t sum = r->service_days[i].calls[0] + r->service_days[i].calls[1];

        top = sum > top ? sum : top;
    }
    if (!top)
        return;
    head(out, top, "calls per day");
    strbuf_addf(out,
                "<svg class=\"bars\" viewBox=\"0 0 %zu 100\" preserveAspectRatio=\"none\" role=\"img\" "
                "aria-label=\"calls to both "
                "services per day, at most %lld; throttled ones are marked\">",
                r->n_days, (long long)top);
    for (size_t i = 0; i < r->n_days; i++) {
        const struct report_service_day *d = &r->service_days[i];
        double fno = 100.0 * (double)d->calls[0] / (double)top, dv = 100.0 * (double)d->calls[1] / (double)top;
        double no = 100.0 * (double)(d->throttled[0] + d->throttled[1]) / (double)top;
        char day[16];

        if (!d->calls[0] && !d->calls[1])
            continue;
        no = no > 0 && no < 2 ? 2 : no;
        report_day_name(r->first_day + (int64_t)i, day);
        strbuf_addf(out,
                    "<g><title>%s: F&amp;O %lld, Dataverse %lld, throttled %lld</title><rect class=\"f\" x=\"%.2f\" "
                    "y=\"%.2f\" "
                    "width=\"0.84\" height=\"%.2f\"/><rect class=\"v\" x=\"%.2f\" y=\"%.2f\" width=\"0.84\" "
                    "height=\"%.2f\"/>",
                    day, (long long)d->calls[0], (long long)d->calls[1],
                    (long long)(d->throttled[0] + d->throttled[1]), (double)i + 0.08, 100 - fno, fno,
                    (double)i + 0.08, 100 - fno - dv, dv);
        if (no > 0)
            strbuf_addf(out, "<rect class=\"d\" x=\"%.2f\" y=\"%.2f\" width=\"0.84\" height=\"%.2f\"/>",
                        (double)i + 0.08, 100 - no, no);
        strbuf_adds(out, "</g>");
    }
    strbuf_adds(out, "</svg>");
    axis(r, out);
    strbuf_adds(out, "</div></div><p class=\"legend\"><i class=\"f\"></i>F&amp;O <i class=\"v\"></i>Dataverse <i "
                     "class=\"d\"></i>throttled (429)</p>");
}

void svg_share(struct strbuf *out, const struct report_counts *n)
{
    double equal = n->keys ? 100.0 * (double)n->equal / (double)n->keys : 0;
    double soft = n->keys ? 100.0 * (double)(n->waiting + n->waived + n->in_flight) / (double)n->keys : 0;
    double bad = n->keys ? 100.0 * (double)report_drift(n) / (double)n->keys : 0;

    bad = bad > 0 && bad < 3 ? 3 : bad;
    soft = soft > 0 && soft < 3 ? 3 : soft;
    if (equal + soft + bad > 100)
        equal = 100 - soft - bad;
    strbuf_addf(out,
                "<svg class=\"share\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" role=\"img\" "
                "aria-label=\"%lld of %lld "
                "equal\"><rect class=\"n\" width=\"100\" height=\"10\"/><rect class=\"p\" width=\"%.2f\" "
                "height=\"10\"/><rect "
                "class=\"u\" x=\"%.2f\" width=\"%.2f\" height=\"10\"/><rect class=\"d\" x=\"%.2f\" width=\"%.2f\" "
                "height=\"10\"/></svg>",
                (long long)n->equal, (long long)n->keys, equal, equal, soft, equal + soft, bad);
}

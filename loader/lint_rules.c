/* lint_rules.c -- rules that rows break: counts, values, samples, and what to do. */
#include "loader/lint_profile.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_RULES = 1024, VALUE_SHOWN = 60, VALUES_SHOWN = 10 };

static const struct {
    const char *code, *todo;
} REMEDIES[] = {
    { "csv",
      "correct the line: a field with a quote, delimiter or line break stands in quotes, quotes in it are doubled" },
    { "company", "fill DATAAREAID with a legal entity of F&O, or give const.DATAAREAID or one company in companies" },
    { "company_dataverse",
      "create the company in Dataverse (create_companies = yes in the map of Legal entities) or leave it "
      "out of companies" },
    { "company_team", "set the company's default owning team in Dataverse: rows are owned by it" },
    { "date", "correct the value, or the pattern of dates in source_format (date:M/d/yyyy H:mm)" },
    { "date_range", "correct the value, or leave it empty where it means no date" },
    { "decimal", "correct the value, or decimal: and group: in source_format" },
    { "decimal_range", "correct the value" },
    { "integer", "correct the value" },
    { "guid", "correct the value" },
    { "enum", "use the elements' names; labels need enum:label in source_format" },
    { "value_map", "add the element to the map's value map ('map enums' proposes it), or correct the value" },
    { "value", "correct the value" },
    { "length", "shorten the text, or make the column longer" },
    { "range", "correct the value, or widen the column's range" },
    { "control", "remove the character" },
    { "key", "fill the key field" },
    { "format",
      "set data_format = XML-Element, which carries every text, or csv_quotes = doubled where F&O reads that" },
    { "duplicate", "keep one of the rows" },
    { "key_collation", "give one of them another key: the services take both for the same record" },
    { "orphan", "add the row to the parent's source, load the parent first, or correct the value" },
    { "orphan_unchecked", "run lint with both services reachable" },
    { "blanks", "trim the value: F&O drops trailing blanks, and keys and lookups compare without them" },
    { "formula", "make sure that it is text: a spreadsheet would run it" },
    { "non_bmp", "check that F&O and its reports show the character" },
    { "invisible", "remove the character, or two texts that look alike will differ" },
    { "precision", "round in the source, or expect the rounded value on the other side" },
    { "doubled_quote", "make sure that the environment's CSV format reads doubled qualifiers, else use XML-Element" },
};

static const char *todo_of(const char *code)
{
    for (size_t i = 0; i < COUNT(REMEDIES); i++)
        if (!strcmp(REMEDIES[i].code, code))
            return REMEDIES[i].todo;
    return "correct the value";
}

static bool keeps_values(const char *code)
{
    return !strcmp(code, "enum") || !strcmp(code, "value_map") || !strcmp(code, "company") ||
           !strcmp(code, "orphan") || !strcmp(code, "company_dataverse") || !strcmp(code, "company_team");
}

static struct lint_rule *rule_of(struct lint_profile *p, const struct lint_fault *f)
{
    struct lint_rule *r;
    char field[80];

    snprintf(field, sizeof(field), CELL_FMT, CELL_ARG(f->field));
    for (size_t i = 0; i < p->n_rules; i++)
        if (!strcmp(p->rules[i]->code, f->code) && !strcmp(p->rules[i]->field, field))
            return p->rules[i];
    if (p->n_rules == MAX_RULES)
        return p->rules[MAX_RULES - 1]; /* codes times fields: a table of a hundred columns stays far below */
    r = xcalloc(1, sizeof(*r));
    snprintf(r->code, sizeof(r->code), "%s", f->code);
    snprintf(r->field, sizeof(r->field), "%s", field);
    r->severity = f->severity;
    r->why = xstrdup(f->why ? f->why : "");
    p->rules = xrealloc(p->rules, (p->n_rules + 1) * sizeof(struct lint_rule *));
    p->rules[p->n_rules++] = r;
    return r;
}

bool lint_wants_sample(const struct lint_profile *p, const char *code, struct cell field)
{
    for (size_t i = 0; i < p->n_rules; i++)
        if (!strcmp(p->rules[i]->code, code) && cell_is(field, p->rules[i]->field))
            return p->rules[i]->n_samples < p->want_samples;
    return p->want_samples > 0;
}

void lint_add_place(struct lint_profile *p, uint64_t row, uint64_t line, uint64_t offset)
{
    if (p->n_places == LINT_MAX_PLACES)
        p->everywhere = true;
    if (p->everywhere)
        return;
    if (!p->places)
        p->places = xcalloc(LINT_MAX_PLACES, sizeof(*p->places));
    p->places[p->n_places++] = (struct lint_place){ row, line, offset };
}

static void add_value(struct lint_rule *r, struct cell v, uint64_t n)
{
    for (size_t i = 0; i < r->n_values; i++)
        if (cell_is(v, r->values[i].text)) {
            r->values[i].n += n;
            return;
        }
    if (r->n_values == LINT_MAX_VALUES) {
        r->other_values += n;
        return;
    }
    r->values = xrealloc(r->values, (r->n_values + 1) * sizeof(*r->values));
    r->values[r->n_values].text = xcalloc(1, v.len + 1);
    if (v.len)
        memcpy(r->values[r->n_values].text, v.ptr, v.len);
    r->values[r->n_values++].n = n;
}

/* Cut at a character's end. */
static int shown_octets(struct cell v)
{
    size_t n = v.len > VALUE_SHOWN ? VALUE_SHOWN : v.len;

    return (int)utf8_valid_prefix(v.ptr, n);
}

void profile_add(struct lint_profile *p, const struct lint_fault *f, uint64_t n, uint64_t line, struct cell key)
{
    struct lint_rule *r = rule_of(p, f);

    r->n += n;
    if (keeps_values(f->code))
        add_value(r, cell_absent(f->value) ? CELL_LIT("") : f->value, n);
    if (r->n_samples < p->want_samples && r->n_samples < LINT_MAX_SAMPLES) {
        struct strbuf b = STRBUF(0);

        strbuf_addf(&b, "%s:%llu", p->file, (unsigned long long)line);
        if (!cell_absent(key))
            strbuf_addf(&b, " (" CELL_FMT ")", CELL_ARG(key));
        strbuf_addf(&b, ": %s", f->why);
        if (!cell_absent(f->value))
            strbuf_addf(&b, ": '%.*s'%s", shown_octets(f->value), f->value.ptr,
                        f->value.len > VALUE_SHOWN ? ".." : "");
        r->samples[r->n_samples++] = strbuf_detach(&b, NULL);
    }
}

static void print_values(struct output *out, const struct lint_rule *r, struct json *ro)
{
    struct json *list = out_array(out, ro, "values");
    struct strbuf text = STRBUF(0);

    for (size_t i = 0; i < r->n_values; i++) {
        struct json *v = out_object(out, list, NULL);

        out_str(out, v, "value", r->values[i].text);
        out_int(out, v, "rows", (int64_t)r->values[i].n);
        if (i < VALUES_SHOWN)
            strbuf_addf(&text, "%s'%.60s' %llu", i ? ", " : "", r->values[i].text,
                        (unsigned long long)r->values[i].n);
    }
    out_int(out, ro, "other_values_rows", (int64_t)r->other_values);
    if (r->n_values > VALUES_SHOWN)
        strbuf_addf(&text, " and %zu%s more values", r->n_values - VALUES_SHOWN, r->other_values ? " or" : "");
    if (r->n_values)
        out_line(out, "      values: %s", strbuf_str(&text));
    strbuf_release(&text);
}

static void print_rule(struct lint_profile *p, const struct lint_rule *r, struct json *rules)
{
    struct output *out = &p->m->pair->app->out;
    struct json *ro = out_object(out, rules, NULL), *samples;
    const char *severity = r->severity == LINT_ERROR ? "error" : "warning";
    double share = p->rows ? 100.0 * (double)r->n / (double)p->rows : 0;

    out_str(out, ro, "rule", r->code);
    out_str(out, ro, "field", r->field);
    out_str(out, ro, "severity", severity);
    out_int(out, ro, "rows", (int64_t)r->n);
    out_str(out, ro, "share", arena_printf(&out->arena, "%.4f%%", share));
    out_str(out, ro, "why", r->why);
    out_str(out, ro, "todo", todo_of(r->code));
    samples = out_array(out, ro, "samples");
    out_line(out, "  %-8s %-16s %-28s %8llu rows  %7.3f %%  %s", severity, r->code, r->field,
             (unsigned long long)r->n, share, r->why);
    print_values(out, r, ro);
    for (size_t k = 0; k < r->n_samples; k++) {
        out_line(out, "      %s", r->samples[k]);
        json_append(samples, json_new(&out->arena, JSON_STRING, cell_dup(&out->arena, cell_of(r->samples[k]))));
    }
    out_line(out, "      -> %s", todo_of(r->code));
}

void lint_print(struct lint_profile *p, struct json *list)
{
    struct output *out = &p->m->pair->app->out;
    struct json *o = out_object(out, list, NULL), *rules;

    out_str(out, o, "map", p->m->cfg->alias);
    out_str(out, o, "file", p->file);
    out_int(out, o, "rows", (int64_t)p->rows);
    out_int(out, o, "rejected", (int64_t)p->bad.set);
    out_int(out, o, "blocked", (int64_t)p->blocked);
    out_int(out, o, "warned", (int64_t)p->warned);
    out_int(out, o, "other_companies", (int64_t)p->other);
    out_str(out, o, "reject_file", p->reject_path);
    rules = out_array(out, o, "rules");
    out_line(out, "%s: %llu rows in %s, %llu would be rejected%s", p->m->cfg->alias, (unsigned long long)p->rows,
             p->file, (unsigned long long)p->bad.set, p->other ? ", some are of companies not listed" : "");
    for (int severity = LINT_ERROR; severity <= LINT_WARNING; severity++)
        for (size_t i = 0; i < p->n_rules; i++)
            if ((int)p->rules[i]->severity == severity)
                print_rule(p, p->rules[i], rules);
    if (p->reject_path)
        out_line(out,
                 "  the %llu rows are in %s: correct them there, then check with 'dmfsync lint --rejects FILE %s'",
                 (unsigned long long)p->reject_rows, p->reject_path, p->m->cfg->alias);
}

void lint_release(struct lint_profile *p)
{
    for (size_t i = 0; i < p->n_rules; i++) {
        struct lint_rule *r = p->rules[i];

        for (size_t k = 0; k < r->n_samples; k++)
            free(r->samples[k]);
        for (size_t k = 0; k < r->n_values; k++)
            free(r->values[k].text);
        free(r->values);
        free(r->why);
        free(r);
    }
    free(p->rules);
    free(p->companies);
    free(p->places);
    free(p->reject_path);
    mask_release(&p->bad);
    mask_release(&p->duplicates);
    spill_free(p->keys);
}

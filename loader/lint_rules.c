/* lint_rules.c -- rules that rows break: counts, values, samples, and what to do. */
#include "loader/lint_profile.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_RULES = 1024, VALUE_SHOWN = 60, VALUES_SHOWN = 10 };

static const struct {
    const char *code, *todo;
    const char *why; /* of all its rows together, where their own reasons differ */
} REMEDIES[] = {
    { "csv",
      "correct the line: a field with a quote, delimiter or line break stands in quotes, quotes in it are doubled; "
      "a file in another encoding needs encoding: in source_format",
      "the line cannot be split into fields" },
    { "company", "fill DATAAREAID with a legal entity of F&O, or give const.DATAAREAID or one company in companies",
      "the company is blank or unknown" },
    { "company_dataverse",
      "create the company in Dataverse (create_companies = yes in the map of Legal entities) or leave it "
      "out of companies",
      NULL },
    { "company_team", "set the company's default owning team in Dataverse: rows are owned by it", NULL },
    { "date", "correct the value, or the pattern of dates in source_format (date:M/d/yyyy H:mm)", "not a date" },
    { "date_range", "correct the value, or leave it empty where it means no date", "a date out of range" },
    { "decimal", "correct the value, or decimal: and group: in source_format", "not a number" },
    { "decimal_range", "correct the value", "a number out of range" },
    { "integer", "correct the value", "not a whole number, or one out of range" },
    { "guid", "correct the value", "not a GUID" },
    { "enum", "use the elements' names; labels need enum:label in source_format", "no element of the enum" },
    { "value_map", "add the element to the map's value map ('map enums' proposes it), or correct the value",
      "not in the value map" },
    { "value", "correct the value", "not of the field's type" },
    { "length", "shorten the text, or make the column longer", "longer than the column holds" },
    { "range", "correct the value, or widen the column's range", "outside the column's range" },
    { "control", "remove the character", "a control character" },
    { "key", "fill the key field", "a field of the key is blank" },
    { "format",
      "set data_format = XML-Element, which carries every text, or csv_quotes = doubled where F&O reads that",
      "text that the data format does not carry" },
    { "duplicate", "keep one of the rows", "the same key as an earlier line" },
    { "key_collation", "give one of them another key: the services take both for the same record",
      "a key that differs from an earlier one in case or accents only" },
    { "orphan", "add the row to the parent's source, load the parent first, or correct the value", NULL },
    { "orphan_unchecked", "run lint with both services reachable", NULL },
    { "blanks", "trim the value: F&O drops trailing blanks, and keys and lookups compare without them",
      "blanks around the value" },
    { "formula", "make sure that it is text: a spreadsheet would run it", NULL },
    { "non_bmp", "check that F&O and its reports show the character", NULL },
    { "invisible", "remove the character, or two texts that look alike will differ", "an invisible character" },
    { "precision", "round in the source, or expect the rounded value on the other side",
      "more decimals than the column keeps" },
    { "doubled_quote", "make sure that the environment's CSV format reads doubled qualifiers, else use XML-Element",
      NULL },
};

static const char *todo_of(const char *code)
{
    for (size_t i = 0; i < COUNT(REMEDIES); i++)
        if (!strcmp(REMEDIES[i].code, code))
            return REMEDIES[i].todo;
    return "correct the value";
}

/* The reason of the first row is not told of rows that have another one. */
static const char *why_of(const struct lint_rule *r)
{
    for (size_t i = 0; r->various && i < COUNT(REMEDIES); i++)
        if (!strcmp(REMEDIES[i].code, r->code) && REMEDIES[i].why)
            return REMEDIES[i].why;
    return r->various ? "various reasons" : r->why;
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
    r->various = r->various || (f->why && strcmp(r->why, f->why) != 0);
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
            strbuf_addf(&text, "%s'%.*s' %llu", i ? ", " : "", shown_octets(cell_of(r->values[i].text)),
                        r->values[i].text, (unsigned long long)r->values[i].n);
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
    out_str(out, ro, "why", why_of(r));
    out_str(out, ro, "todo", todo_of(r->code));
    samples = out_array(out, ro, "samples");
    out_line(out, "  %-8s %-17s %-28s %8llu row%s  %7.3f %%  %s", severity, r->code, r->field,
             (unsigned long long)r->n, r->n == 1 ? " " : "s", share, why_of(r));
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
    out_line(out, "%s: %llu rows in %s, %llu would be rejected%s%s", p->m->cfg->alias, (unsigned long long)p->rows,
             p->file, (unsigned long long)p->bad.set,
             p->blocked ? arena_printf(&out->arena, ", %llu wait for companies that Dataverse is not ready for",
                                       (unsigned long long)p->blocked)
                        : "",
             p->other ? ", some are of companies not listed" : "");
    for (int severity = LINT_ERROR; severity <= LINT_WARNING; severity++)
        for (size_t i = 0; i < p->n_rules; i++)
            if ((int)p->rules[i]->severity == severity)
                print_rule(p, p->rules[i], rules);
    if (p->reject_path)
        out_line(out, "  %s %llu row%s in %s: correct there, then check with 'dmfsync lint --rejects %s %s'",
                 p->reject_rows == 1 ? "the" : "all", (unsigned long long)p->reject_rows,
                 p->reject_rows == 1 ? " is" : "s are", p->reject_path, p->reject_path, p->m->cfg->alias);
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

/*
 * The two steps of an imported entity: file -> staging, staging -> target.
 *
 * Staging reads the whole file, converts each cell to its field's type and refuses what does not convert, and rows
 * whose key stands in the file twice (DMF1959). The target step then writes row by row through the entity, as the
 * service does without set-based processing; one row's error does not stop the next.
 */
#include "emu_dmf_parts.h"

#include "emu_fno.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A data file of any format. */
struct source {
    struct dmf_csv *csv;
    struct dmf_xml *xml;
    struct dmf_xlsx *xlsx;
};

static bool source_open(struct emu *e, int64_t job, zip_t *z, const struct dmf_entity *d, const struct emu_entity *en,
                        struct source *s, char *msg, size_t msg_size)
{
    const struct emu_format *f = dmf_format(e, d->format);
    zip_int64_t at = dmf_member(z, d->file);

    if (!f) {
        snprintf(msg, msg_size, "The source data format %s does not exist.", d->format);
        return false;
    }
    if (at < 0) {
        snprintf(msg, msg_size, "DMF2052: The file %s of entity %s was not found in the package.", d->file, d->label);
        return false;
    }
    if (!strcmp(f->type, "csv")) {
        s->csv = dmf_csv_open(z, at, f, d, EMU_KNOB(e, fno_csv_doubled_quotes) != 0, msg, msg_size);
        return s->csv != NULL;
    }
    if (!strcmp(f->type, "excel")) {
        struct strbuf spill = { 0 };

        dmf_job_path(e, job, ".xlsx", &spill);
        s->xlsx = dmf_xlsx_open(z, at, strbuf_str(&spill), d, msg, msg_size);
        strbuf_release(&spill);
        return s->xlsx != NULL;
    }
    s->xml = dmf_xml_open(z, at, !strcmp(f->type, "xml-attribute"), en->aot, d, msg, msg_size);
    return s->xml != NULL;
}

static enum dmf_read source_next(struct source *s, struct dmf_cell *cells, int64_t *line, char *msg, size_t msg_size)
{
    if (s->csv)
        return dmf_csv_next(s->csv, cells, line, msg, msg_size);
    return s->xlsx ? dmf_xlsx_next(s->xlsx, cells, line, msg, msg_size)
                   : dmf_xml_next(s->xml, cells, line, msg, msg_size);
}

/* What staging one entity needs. */
struct staging {
    struct emu *e;
    int64_t job;
    int ord;
    const struct emu_entity *en;
    const struct dmf_entity *d;
    const struct emu_field **fields; /* per map */
    struct dmf_cell *cells;
    struct strbuf row, key, record;
    struct dmf_counts *c;
};

/* Key of the current row from its raw cells: folded for comparing, as it stands for reports. */
static void row_key(struct staging *s, int64_t line)
{
    bool any = false;

    strbuf_reset(&s->key);
    strbuf_reset(&s->record);
    for (size_t k = 0; k < s->en->n; k++) {
        if (!s->en->fields[k].key)
            continue;
        if (any) {
            strbuf_addc(&s->key, DMF_KEY_SEPARATOR);
            strbuf_addc(&s->record, DMF_KEY_SEPARATOR);
        }
        any = true;
        for (size_t i = 0; i < s->d->n_maps; i++)
            if (s->fields[i] == &s->en->fields[k]) {
                const char *p = s->cells[i].p;
                size_t n = s->cells[i].n;

                while (n && p[n - 1] == ' ')
                    n--;
                if (memchr(p, '\0', n))
                    n = strlen(p);
                dmf_fold(&s->key, p, n);
                strbuf_add(&s->record, p, n);
                if (!n && s->fields[i]->sequence) /* to be numbered: no key yet, so no duplicate either */
                    strbuf_addf(&s->key, "\x1e%lld", (long long)line);
                break;
            }
    }
}

static void row_failed(struct staging *s, int64_t line, const char *field, const char *text)
{
    s->c->failed++;
    dmf_error_add(
        s->e, s->job, s->ord,
        &(struct dmf_error){
            .stage = "staging", .record = strbuf_str(&s->record), .field = field, .text = text, .line = line });
}

static void stage_row(struct staging *s, int64_t line)
{
    char msg[DMF_MSG];
    sqlite3_stmt *q;

    strbuf_reset(&s->row);
    for (size_t i = 0; i < s->d->n_maps; i++) {
        const struct dmf_cell *c = &s->cells[i];

        /* One octet says whether a value follows; values have no NUL in them. */
        strbuf_addc(&s->row, c->n ? 'v' : 'b');
        if (c->n && !dmf_value_in(s->fields[i], c->p, c->n, &s->row, msg, sizeof(msg))) {
            row_failed(s, line, s->fields[i]->name, msg);
            return;
        }
        strbuf_addc(&s->row, '\0');
    }
    q = emu_select(
        s->e, "insert or ignore into dmf_staging(job, ord, line, key, record, row) values(?1, ?2, ?3, ?4, ?5, ?6)",
        "iiitt", s->job, (int64_t)s->ord, line, strbuf_str(&s->key), strbuf_str(&s->record));
    sqlite3_bind_blob64(q, 6, strbuf_str(&s->row), s->row.len, SQLITE_STATIC);
    emu_step(s->e, q);
    if (sqlite3_changes(s->e->db)) {
        s->c->staged++;
        return;
    }
    row_failed(s, line, "", "DMF1959: The source file has more than one record with the same key.");
}

static void stage_rows(struct staging *s, struct source *src)
{
    char msg[DMF_MSG];
    int64_t line = 0;
    enum dmf_read got;

    while ((got = source_next(src, s->cells, &line, msg, sizeof(msg))) == DMF_ROW || got == DMF_BAD_ROW) {
        s->c->rows++;
        row_key(s, line);
        if (got == DMF_ROW)
            stage_row(s, line);
        else
            row_failed(s, line, "", msg);
    }
    if (got == DMF_BAD_FILE) {
        /* A file that cannot be read to its end leaves nothing in staging. */
        emu_exec(s->e, "delete from dmf_staging where job = ?1 and ord = ?2", "ii", s->job, (int64_t)s->ord);
        emu_exec(s->e, "delete from dmf_error where job = ?1 and ord = ?2", "ii", s->job, (int64_t)s->ord);
        *s->c = (struct dmf_counts){ .broken = true };
        dmf_error_add(s->e, s->job, s->ord,
                      &(struct dmf_error){ .stage = "staging", .record = "", .field = "", .text = msg });
    }
}

/* Fields of the maps, in their order; every name was checked when the job was submitted. */
static const struct emu_field **map_fields(struct arena *a, const struct emu_entity *en, const struct dmf_entity *d)
{
    const struct emu_field **f = arena_zalloc(a, (d->n_maps + 1) * sizeof(*f));

    for (size_t i = 0; i < d->n_maps; i++)
        f[i] = emu_field_by_name(en, d->maps[i].field);
    return f;
}

/* The entity of the kept package; NULL with a message when the package cannot be read any more. */
static const struct dmf_entity *reopen(struct emu *e, int64_t job, int ord, struct arena *a, zip_t **z, char *msg,
                                       size_t msg_size)
{
    struct strbuf path = { 0 };
    struct dmf_manifest m;
    enum dmf_package got;

    dmf_job_path(e, job, ".zip", &path);
    got = dmf_package_open(strbuf_str(&path), EMU_KNOB(e, fno_manifest_order_strict) != 0, a, z, &m, msg, msg_size);
    strbuf_release(&path);
    return got == DMF_PACKAGE_OK && (size_t)ord < m.n ? &m.entities[ord] : NULL;
}

void dmf_stage(struct emu *e, int64_t job, int ord, struct dmf_counts *c)
{
    struct arena a = { 0 };
    zip_t *z = NULL;
    struct source src = { 0 };
    char msg[DMF_MSG] = "The package cannot be read.";
    struct staging s = { .e = e, .job = job, .ord = ord, .c = c };

    s.d = reopen(e, job, ord, &a, &z, msg, sizeof(msg));
    s.en = s.d ? emu_entity_by_label(&e->tenant, s.d->label) : NULL;
    if (!s.en)
        goto broken;
    if (!s.d->n_maps) /* nothing is mapped: nothing is read, and nothing is wrong */
        goto out;
    if (!source_open(e, job, z, s.d, s.en, &src, msg, sizeof(msg)))
        goto broken;
    s.fields = map_fields(&a, s.en, s.d);
    s.cells = arena_zalloc(&a, (s.d->n_maps + 1) * sizeof(*s.cells));
    stage_rows(&s, &src);
    goto out;
broken:
    c->broken = true;
    dmf_error_add(e, job, ord, &(struct dmf_error){ .stage = "staging", .record = "", .field = "", .text = msg });
out:
    dmf_csv_close(src.csv);
    dmf_xml_close(src.xml);
    dmf_xlsx_close(src.xlsx);
    strbuf_release(&s.row);
    strbuf_release(&s.key);
    strbuf_release(&s.record);
    zip_discard(z);
    arena_release(&a);
}

/* The job's faults: every n-th row fails, the job ends at a row. Rows are counted over the whole job. */
struct faults {
    int64_t fail_every, stop_at, seen;
};

static struct faults job_faults(struct emu *e, int64_t job)
{
    sqlite3_stmt *s = emu_select(e, "select fail_every, stop_at, rows_seen from dmf_job where no = ?1", "i", job);
    struct faults f = { 0 };

    if (emu_step(e, s))
        f = (struct faults){ sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1), sqlite3_column_int64(s, 2) };
    sqlite3_reset(s);
    return f;
}

static void target_failed(struct emu *e, int64_t job, int ord, sqlite3_stmt *row, const char *text)
{
    dmf_error_add(e, job, ord,
                  &(struct dmf_error){ .stage = "target",
                                       .record = emu_text(row, 2),
                                       .field = "",
                                       .text = text,
                                       .line = sqlite3_column_int64(row, 0) });
}

/* Unpacks a staged row; a blank cell is NULL, which leaves defaults and number sequences to the entity. */
static void unpack(const char *row, size_t n, const struct emu_field **fields, size_t n_maps,
                   struct emu_value *values)
{
    const char *p = row, *end = row + n;

    for (size_t i = 0; i < n_maps; i++) {
        values[i] = (struct emu_value){ fields[i]->name, p < end && *p == 'v' ? p + 1 : NULL };
        p += p < end ? strlen(p) + 1 : 0;
    }
}

/* ---- "Truncate entity data" of the project: the target's rows go first ---- */
struct truncation {
    struct arena a;
    const struct emu_entity *en;
    struct emu_value *keys; /* n rows of n_key values */
    size_t n, cap, n_key;
};

static bool collect_key(void *arg, const struct emu_fno_row *row)
{
    struct truncation *t = arg;

    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 1024;
        t->keys = xrealloc(t->keys, t->cap * t->n_key * sizeof(*t->keys));
    }
    for (size_t i = 0, k = 0; i < t->en->n; i++)
        if (t->en->fields[i].key)
            t->keys[t->n * t->n_key + k++] =
                (struct emu_value){ t->en->fields[i].name,
                                    arena_strdup(&t->a, row->values[i] ? row->values[i] : "") };
    t->n++;
    return true;
}

static void truncate_target(struct emu *e, int64_t job, const struct emu_entity *en, const char *company)
{
    struct truncation t = { .en = en };
    char msg[DMF_MSG];

    if (!emu_int(e,
                 "select count(*) from dmf_project p join dmf_job j on j.project = p.Name where j.no = ?1 and "
                 "p.TruncateEntityData = 'Yes'",
                 "i", job))
        return;
    for (size_t i = 0; i < en->n; i++)
        t.n_key += en->fields[i].key;
    emu_fno_scan(e, en, company, 0, collect_key, &t);
    for (size_t i = 0; i < t.n; i++) /* a row that others refer to stays */
        (void)emu_fno_delete(e, en, company, t.keys + i * t.n_key, t.n_key, msg, sizeof(msg));
    free(t.keys);
    arena_release(&t.a);
}

void dmf_target(struct emu *e, int64_t job, int ord, struct dmf_counts *c)
{
    struct arena a = { 0 };
    zip_t *z = NULL;
    char msg[DMF_MSG] = "";
    const struct dmf_entity *d = reopen(e, job, ord, &a, &z, msg, sizeof(msg));
    const struct emu_entity *en = d ? emu_entity_by_label(&e->tenant, d->label) : NULL;
    const struct emu_field **fields;
    struct emu_value *values;
    char company[8] = "";
    struct faults f = job_faults(e, job);
    sqlite3_stmt *s = emu_select(e, "select company from dmf_job where no = ?1", "i", job);

    if (emu_step(e, s))
        snprintf(company, sizeof(company), "%s", emu_text(s, 0));
    sqlite3_reset(s);
    zip_discard(z);
    if (!en) {
        arena_release(&a);
        return;
    }
    fields = map_fields(&a, en, d);
    values = arena_zalloc(&a, (d->n_maps + 1) * sizeof(*values));
    truncate_target(e, job, en, en->shared ? NULL : company);
    s = emu_select(e, "select line, key, record, row from dmf_staging where job = ?1 and ord = ?2 order by line",
                   "ii", job, (int64_t)ord);
    while (!c->stopped && emu_step(e, s)) {
        f.seen++;
        if (f.stop_at && f.seen >= f.stop_at) {
            c->stopped = true;
            sqlite3_reset(s);
            break;
        }
        if (f.fail_every && f.seen % f.fail_every == 0) {
            c->failed++;
            target_failed(e, job, ord, s,
                          "Import to target failed due to an update conflict as more than one process is trying to "
                          "update the same record at the same time.");
            continue;
        }
        unpack(sqlite3_column_blob(s, 3), (size_t)sqlite3_column_bytes(s, 3), fields, d->n_maps, values);
        switch (emu_fno_write(e, en, en->shared ? NULL : company, values, d->n_maps, msg, sizeof(msg))) {
        case EMU_FNO_REFUSED:
            c->failed++;
            target_failed(e, job, ord, s, msg);
            break;
        case EMU_FNO_CREATED: c->created++; break;
        case EMU_FNO_UPDATED:
        case EMU_FNO_UNCHANGED: c->updated++; break; /* the service counts a row without a difference as updated */
        }
    }
    emu_exec(e, "update dmf_job set rows_seen = ?2 where no = ?1", "ii", job, f.seen);
    arena_release(&a);
}

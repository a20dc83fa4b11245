/*
 * What a job says about its errors: GetExecutionErrors, the staging error file, the target error keys file.
 *
 * GetExecutionErrors looks like JSON and is not: quotes and line breaks inside messages stand as they are (observed
 * on live environments), and RecordId joins the parts of a key in a way that nobody has documented. The layout of the
 * two files is not documented either, hence a knob for each of these.
 */
#include "emu_dmf_parts.h"

#include "emu_blob.h"
#include "emu_fno.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* The parts of a kept key, joined. */
static void add_record(struct strbuf *out, const char *record, char separator)
{
    for (; *record; record++)
        strbuf_addc(out, *record == DMF_KEY_SEPARATOR ? separator : *record);
}

void dmf_execution_errors(struct dmf_call *c)
{
    struct strbuf out = { 0 };
    struct dmf_job j;
    sqlite3_stmt *s;
    bool first = true;

    if (!dmf_call_job(c, &j))
        return;
    strbuf_addc(&out, '[');
    s = emu_select(
        c->e,
        "select x.stage, x.record, x.field, x.text, n.entity from dmf_error x join dmf_job_entity n on n.job = x.job "
        "and n.ord = x.ord where x.job = ?1 and not ?2 order by x.no",
        "ii", j.no, EMU_KNOB(c->e, fno_errors_absent));
    for (; emu_step(c->e, s); first = false) {
        strbuf_adds(&out, first ? "{\"RecordId\":\"" : ",{\"RecordId\":\"");
        add_record(&out, emu_text(s, 1), (char)EMU_KNOB(c->e, fno_recordid_separator));
        strbuf_addf(&out, "\",\"Field\":\"%s\",\"ErrorMessage\":\"%s", emu_text(s, 2), emu_text(s, 3));
        if (*emu_text(s, 1) && !strcmp(emu_text(s, 0), "target")) {
            strbuf_adds(&out, "\r\nThe record \"");
            add_record(&out, emu_text(s, 1), (char)EMU_KNOB(c->e, fno_recordid_separator));
            strbuf_addf(&out, "\" of the entity \"%s\" was not written to the target.", emu_text(s, 4));
        }
        strbuf_adds(&out, "\"}");
    }
    strbuf_addc(&out, ']');
    dmf_answer(c, strbuf_str(&out), out.len);
    strbuf_release(&out);
}

/* ---- files of keys ---- */
enum { LAYOUT_CSV, LAYOUT_BARS, LAYOUT_TABS };
enum { READ_MINUTES = 60 };

static void add_quoted(struct strbuf *out, const char *p, size_t n)
{
    bool quote = n && (memchr(p, '"', n) || memchr(p, ',', n) || memchr(p, '\r', n) || memchr(p, '\n', n));

    if (quote)
        strbuf_addc(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"')
            strbuf_addc(out, '"');
        strbuf_addc(out, p[i]);
    }
    if (quote)
        strbuf_addc(out, '"');
}

static void add_key_line(struct strbuf *out, const char *record, int64_t layout)
{
    for (const char *p = record;;) {
        size_t n = strcspn(p, (const char[]){ DMF_KEY_SEPARATOR, '\0' });

        if (layout == LAYOUT_CSV)
            add_quoted(out, p, n);
        else
            strbuf_add(out, p, n);
        p += n;
        if (!*p++)
            break;
        strbuf_addc(out, layout == LAYOUT_CSV ? ',' : layout == LAYOUT_BARS ? '|' : '\t');
    }
    strbuf_adds(out, layout == LAYOUT_BARS ? "\n" : "\r\n");
}

static void add_header(struct strbuf *out, const struct emu_entity *en)
{
    bool any = false;

    for (size_t i = 0; i < en->n; i++)
        if (en->fields[i].key) {
            strbuf_addf(out, "%s%s", any ? "," : "", en->fields[i].name);
            any = true;
        }
    strbuf_adds(out, "\r\n");
}

/* Writes the keys of the rows that failed in `stage` to `path`. */
static bool write_keys(struct emu *e, int64_t job, int64_t ord, const char *stage, const struct emu_entity *en,
                       const char *path)
{
    int64_t layout = EMU_KNOB(e, fno_key_files_layout);
    struct strbuf text = { 0 }, wide = { 0 };
    const struct strbuf *out = &text;
    FILE *f = fopen(path, "w");
    bool ok = f != NULL;
    sqlite3_stmt *s = emu_select(
        e, "select record from dmf_error where job = ?1 and ord = ?2 and stage = ?3 and line > 0 order by no", "iit",
        job, ord, stage);

    if (layout == LAYOUT_CSV) {
        strbuf_adds(&text, "\xef\xbb\xbf");
        add_header(&text, en);
    } else if (layout == LAYOUT_TABS) {
        strbuf_add(&wide, "\xff\xfe", 2);
        out = &wide;
    }
    while (emu_step(e, s)) {
        add_key_line(&text, emu_text(s, 0), layout);
        if (layout == LAYOUT_TABS) {
            dmf_utf16(&wide, strbuf_str(&text), text.len);
            strbuf_reset(&text);
        }
        if (ok && out->len > 1 << 16) {
            ok = fwrite(out->buf, 1, out->len, f) == out->len;
            strbuf_reset(&text);
            strbuf_reset(&wide);
        }
    }
    ok = ok && fwrite(strbuf_str(out), 1, out->len, f) == out->len;
    if (f)
        ok = !fclose(f) && ok;
    strbuf_release(&text);
    strbuf_release(&wide);
    return ok;
}

/* The entity of parameter entityName in the job; ord -1 = refused or not part of it. */
static int64_t entity_ord(struct dmf_call *c, int64_t job)
{
    sqlite3_stmt *s = emu_select(c->e, "select ord from dmf_job_entity where job = ?1 and entity = ?2", "it", job,
                                 dmf_arg(c, "entityName"));
    int64_t ord = -1;

    if (emu_step(c->e, s))
        ord = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    if (ord < 0)
        dmf_refuse(c, 400, "Entity %s is not part of the execution %s.", dmf_arg(c, "entityName"),
                   dmf_arg(c, "executionId"));
    return ord;
}

/* Rows of the stage that have failed, and are known by now: an entity under way has no file yet. */
static int64_t failed_rows(struct dmf_call *c, int64_t job, int64_t ord, const char *stage)
{
    if (EMU_KNOB(c->e, fno_key_files_absent))
        return 0;
    return emu_int(
        c->e,
        "select count(*) from dmf_error x join dmf_job_entity n on n.job = x.job and n.ord = x.ord where x.job = ?1 "
        "and x.ord = ?2 and x.stage = ?3 and x.line > 0 and n.state > iif(?3 = 'staging', 1, 2)",
        "iit", job, ord, stage);
}

/* The kept URL of a key file, made on first use. "" = there is none. */
static const char *key_file_url(struct dmf_call *c, int64_t job, int64_t ord, const char *stage)
{
    const struct emu_entity *en = emu_entity_by_label(&c->e->tenant, dmf_arg(c, "entityName"));
    struct strbuf path = { 0 }, url = { 0 };
    const char *ret = "";
    char guid[37];
    sqlite3_stmt *s;

    if (!en || !failed_rows(c, job, ord, stage))
        return "";
    s = emu_select(c->e,
                   "select url from dmf_key_file where job = ?1 and ord = ?2 and stage = ?3 and url is not null",
                   "iit", job, ord, stage);
    if (emu_step(c->e, s))
        ret = arena_strdup(c->q->arena, emu_text(s, 0));
    sqlite3_reset(s);
    if (*ret)
        return ret;
    dmf_job_path(c->e, job, ".keys", &path);
    emu_guid(c->e, arena_printf(c->q->arena, "keys|%s|%lld|%s", dmf_arg(c, "executionId"), (long long)ord, stage),
             guid);
    if (write_keys(c->e, job, ord, stage, en, strbuf_str(&path)) &&
        emu_blob_make(c->e, arena_printf(c->q->arena, "%s.txt", guid), strbuf_str(&path), READ_MINUTES, &url)) {
        ret = arena_strdup(c->q->arena, strbuf_str(&url));
        emu_exec(c->e,
                 "insert into dmf_key_file(job, ord, stage, url, ready_ms) values(?1, ?2, ?3, ?4, 0) on "
                 "conflict(job, ord, stage) do "
                 "update set url = excluded.url",
                 "iitt", job, ord, stage, ret);
    }
    (void)unlink(strbuf_str(&path));
    strbuf_release(&path);
    strbuf_release(&url);
    return ret;
}

void dmf_staging_error_url(struct dmf_call *c)
{
    struct dmf_job j;
    int64_t ord;
    const char *url;

    if (!dmf_call_job(c, &j) || (ord = entity_ord(c, j.no)) < 0)
        return;
    url = key_file_url(c, j.no, ord, "staging");
    dmf_answer(c, url, strlen(url));
}

void dmf_generate_keys(struct dmf_call *c)
{
    struct dmf_job j;
    int64_t ord;

    if (!dmf_call_job(c, &j) || (ord = entity_ord(c, j.no)) < 0)
        return;
    if (!failed_rows(c, j.no, ord, "target")) {
        dmf_answer_bool(c, false);
        return;
    }
    /* The file is made in the background; its URL stays empty for a moment. */
    emu_exec(c->e, "insert or ignore into dmf_key_file(job, ord, stage, ready_ms) values(?1, ?2, 'target', ?3)",
             "iii", j.no, ord, emu_now_ms(c->e) + EMU_KNOB(c->e, d2_ms));
    dmf_answer_bool(c, true);
}

void dmf_keys_url(struct dmf_call *c)
{
    struct dmf_job j;
    int64_t ord;
    const char *url = "";

    if (!dmf_call_job(c, &j) || (ord = entity_ord(c, j.no)) < 0)
        return;
    if (emu_int(
            c->e,
            "select count(*) from dmf_key_file where job = ?1 and ord = ?2 and stage = 'target' and ready_ms <= ?3",
            "iii", j.no, ord, emu_now_ms(c->e)))
        url = key_file_url(c, j.no, ord, "target");
    dmf_answer(c, url, strlen(url));
}

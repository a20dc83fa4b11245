/*
 * Exports: data files, change positions, the package.
 *
 * A full push writes all rows (of the job's company; of shared entities every row). An incremental push writes the
 * rows that changed after the position kept per project, entity and company, whole rows, and never deletes; the first
 * one is full. The position moves when the export runs, whether or not anybody downloads the package ("Enable change
 * tracking for entities"). The package is laid out as the two real exports that the format was read from: both
 * documents UTF-16LE with BOM, without declaration, without line breaks.
 */
#include "emu_dmf_parts.h"

#include "emu_blob.h"
#include "emu_fno.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_MINUTES = 60, FLUSH_AT = 1 << 16 };

const char *dmf_export_file(struct arena *a, const struct dmf_entity *d, const struct emu_format *f)
{
    struct strbuf name = { 0 };
    const char *ret;

    for (const char *p = d->label; *p; p++)
        if (!strchr("\\/:*?\"<>|", *p)) /* dropped, not replaced: Country/regions -> Countryregions */
            strbuf_addc(&name, *p);
    strbuf_adds(&name, f && !strncmp(f->type, "xml", 3) ? ".xml" : f && !strcmp(f->type, "excel") ? ".xlsx" : ".csv");
    ret = arena_strdup(a, strbuf_str(&name));
    strbuf_release(&name);
    return ret;
}

/* A data file being written. */
struct writer {
    struct emu *e;
    const struct emu_entity *en;
    const struct emu_format *f;
    FILE *file;
    bool utf16, ok;
    char element[128];
    struct strbuf text, wide, cell;
    int64_t rows;
};

static void flush(struct writer *w, bool all)
{
    const struct strbuf *out = &w->text;

    if (!all && w->text.len < FLUSH_AT)
        return;
    if (w->utf16) {
        dmf_utf16(&w->wide, strbuf_str(&w->text), w->text.len);
        out = &w->wide;
    }
    w->ok = w->ok && fwrite(strbuf_str(out), 1, out->len, w->file) == out->len;
    strbuf_reset(&w->text);
    strbuf_reset(&w->wide);
}

static void csv_cell(struct writer *w, const char *p, size_t n)
{
    char d = *w->f->delimiter, t = w->f->qualifier && *w->f->qualifier ? *w->f->qualifier : '"';

    if (!n || (!memchr(p, d, n) && !memchr(p, t, n) && !memchr(p, '\r', n) && !memchr(p, '\n', n))) {
        strbuf_add(&w->text, p, n);
        return;
    }
    strbuf_addc(&w->text, t);
    for (size_t i = 0; i < n; i++) {
        if (p[i] == t)
            strbuf_addc(&w->text, t);
        strbuf_addc(&w->text, p[i]);
    }
    strbuf_addc(&w->text, t);
}

static void xml_text(struct strbuf *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        switch (p[i]) {
        case '&': strbuf_adds(out, "&amp;"); break;
        case '<': strbuf_adds(out, "&lt;"); break;
        case '>': strbuf_adds(out, "&gt;"); break;
        case '"': strbuf_adds(out, "&quot;"); break;
        case '\r': strbuf_adds(out, "&#xD;"); break;
        case '\n': strbuf_adds(out, "&#xA;"); break;
        case '\t': strbuf_adds(out, "&#x9;"); break;
        default:
            if ((unsigned char)p[i] >= 0x20) /* other control characters do not exist in XML */
                strbuf_addc(out, p[i]);
        }
}

static bool is_excel(const struct writer *w)
{
    return !strcmp(w->f->type, "excel");
}

static bool is_csv(const struct writer *w)
{
    return !strcmp(w->f->type, "csv");
}

static void excel_cell(struct writer *w, const char *p, size_t n)
{
    strbuf_adds(&w->text, "<c t=\"inlineStr\"><is><t xml:space=\"preserve\">");
    xml_text(&w->text, p, n);
    strbuf_adds(&w->text, "</t></is></c>");
}

static void write_head(struct writer *w)
{
    const char *bom = w->utf16 || is_csv(w) ? "\xef\xbb\xbf" : "";

    /* UTF-8 sources of CSV carry a BOM as well; U+FEFF becomes the right octets in either encoding. */
    strbuf_adds(&w->text, bom);
    if (is_excel(w)) {
        dmf_xlsx_begin(&w->text);
        strbuf_adds(&w->text, "<row>");
        for (size_t i = 0; i < w->en->n; i++)
            excel_cell(w, w->en->fields[i].name, strlen(w->en->fields[i].name));
        strbuf_adds(&w->text, "</row>");
        return;
    }
    if (!is_csv(w)) {
        strbuf_adds(&w->text, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<Document>");
        return;
    }
    for (size_t i = 0; i < w->en->n; i++) {
        if (i)
            strbuf_addc(&w->text, *w->f->delimiter);
        strbuf_adds(&w->text, w->en->fields[i].name);
    }
    strbuf_adds(&w->text, w->f->row_end ? w->f->row_end : "\r\n");
}

static bool write_row(void *arg, const struct emu_fno_row *row)
{
    struct writer *w = arg;
    bool attributes = !strcmp(w->f->type, "xml-attribute");

    w->rows++;
    if (is_excel(w))
        strbuf_adds(&w->text, "<row>");
    else if (!is_csv(w))
        strbuf_addf(&w->text, attributes ? "\r\n  <%s" : "\r\n  <%s>", w->element);
    for (size_t i = 0; i < w->en->n; i++) {
        const struct emu_field *f = &w->en->fields[i];

        strbuf_reset(&w->cell);
        dmf_value_out(w->e, f, row->values[i] ? row->values[i] : "", is_csv(w), &w->cell);
        if (is_excel(w)) {
            excel_cell(w, strbuf_str(&w->cell), w->cell.len);
        } else if (is_csv(w)) {
            if (i)
                strbuf_addc(&w->text, *w->f->delimiter);
            csv_cell(w, strbuf_str(&w->cell), w->cell.len);
        } else if (attributes) {
            strbuf_addf(&w->text, " %s=\"", f->name);
            xml_text(&w->text, strbuf_str(&w->cell), w->cell.len);
            strbuf_addc(&w->text, '"');
        } else if (w->cell.len) {
            strbuf_addf(&w->text, "<%s>", f->name);
            xml_text(&w->text, strbuf_str(&w->cell), w->cell.len);
            strbuf_addf(&w->text, "</%s>", f->name);
        } else {
            strbuf_addf(&w->text, "<%s />", f->name);
        }
    }
    if (is_csv(w))
        strbuf_adds(&w->text, w->f->row_end ? w->f->row_end : "\r\n");
    else if (is_excel(w))
        strbuf_adds(&w->text, "</row>");
    else if (attributes)
        strbuf_adds(&w->text, " />");
    else
        strbuf_addf(&w->text, "</%s>", w->element);
    flush(w, false);
    return w->ok;
}

static void data_path(const struct emu *e, int64_t job, int ord, struct strbuf *out)
{
    char suffix[32];

    snprintf(suffix, sizeof(suffix), "-%d.data", ord);
    dmf_job_path(e, job, suffix, out);
}

/* One row of dmf_job_entity together with its job. */
struct export
{
    const struct emu_entity *en;
    const struct emu_format *f;
    const char *project, *company;
    bool incremental;
};

static bool export_of(struct emu *e, int64_t job, int ord, struct arena *a, struct export *x)
{
    sqlite3_stmt *s = emu_select(
        e,
        "select n.entity, n.format, n.refresh, j.project, j.company from dmf_job_entity n join dmf_job j on "
        "j.no = n.job where n.job = ?1 and n.ord = ?2",
        "ii", job, (int64_t)ord);

    if (!emu_step(e, s))
        return false;
    x->en = emu_entity_by_label(&e->tenant, emu_text(s, 0));
    x->f = dmf_format(e, emu_text(s, 1));
    x->incremental = !strcmp(emu_text(s, 2), "IncrementalPush");
    x->project = arena_strdup(a, emu_text(s, 3));
    x->company = arena_strdup(a, emu_text(s, 4));
    sqlite3_reset(s);
    return x->en && x->f;
}

/* Name of the worksheet: the label with '_' for blanks. */
static void sheet_name(const char *label, char ret[static 64])
{
    snprintf(ret, 64, "%.31s", label);
    for (char *p = ret; *p; p++)
        if (strchr(" \\/:*?[]<>&\"", *p))
            *p = '_';
}

/* The worksheet at `path` becomes a workbook at the same place. */
static bool wrap_excel(struct emu *e, int64_t job, int ord, const struct emu_entity *en, const char *path)
{
    struct strbuf sheet = { 0 };
    char name[64];
    bool ok;

    dmf_job_path(e, job, "", &sheet);
    strbuf_addf(&sheet, "-%d.sheet", ord);
    sheet_name(en->label, name);
    ok = !rename(path, strbuf_str(&sheet)) && dmf_xlsx_build(strbuf_str(&sheet), name, path);
    (void)unlink(strbuf_str(&sheet));
    strbuf_release(&sheet);
    return ok;
}

void dmf_export_entity(struct emu *e, int64_t job, int ord, struct dmf_counts *c)
{
    struct arena a = { 0 };
    struct export x;
    struct writer w = { .e = e, .ok = true };
    struct strbuf path = { 0 };
    int64_t after = 0, now;

    if (!export_of(e, job, ord, &a, &x)) {
        c->broken = true;
        goto out;
    }
    data_path(e, job, ord, &path);
    w.en = x.en;
    w.f = x.f;
    w.utf16 = x.f->encoding && !strcmp(x.f->encoding, "utf-16le");
    snprintf(w.element, sizeof(w.element), "%s", x.en->aot);
    for (char *p = w.element; *p; p++)
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    w.file = fopen(strbuf_str(&path), "w");
    if (!w.file) {
        c->broken = true;
        goto out;
    }
    now = emu_fno_change_number(e);
    if (x.incremental)
        after = emu_int(e, "select change from dmf_position where project = ?1 and entity = ?2 and company = ?3",
                        "ttt", x.project, x.en->label, x.en->shared ? "" : x.company);
    write_head(&w);
    emu_fno_scan(e, x.en, x.en->shared ? NULL : x.company, after, write_row, &w);
    if (is_excel(&w))
        dmf_xlsx_end(&w.text);
    else if (!is_csv(&w))
        strbuf_adds(&w.text, "\r\n</Document>");
    flush(&w, true);
    w.ok = !fclose(w.file) && w.ok;
    if (is_excel(&w))
        w.ok = w.ok && wrap_excel(e, job, ord, x.en, strbuf_str(&path));
    if (x.incremental)
        emu_exec(e, "insert or replace into dmf_position(project, entity, company, change) values(?1, ?2, ?3, ?4)",
                 "ttti", x.project, x.en->label, x.en->shared ? "" : x.company, now);
    if (!w.rows && EMU_KNOB(e, fno_export_zero_rows_no_file))
        (void)unlink(strbuf_str(&path));
    *c = (struct dmf_counts){ .rows = w.rows, .staged = w.rows, .created = w.rows, .broken = !w.ok };
out:
    if (c->broken)
        dmf_error_add(
            e, job, ord,
            &(struct dmf_error){
                .stage = "staging", .record = "", .field = "", .text = "The export file could not be written." });
    strbuf_release(&w.text);
    strbuf_release(&w.wide);
    strbuf_release(&w.cell);
    strbuf_release(&path);
    arena_release(&a);
}

/* ---- the package ---- */
static void element(struct strbuf *out, const char *name, const char *text)
{
    if (!*text) {
        strbuf_addf(out, "<%s />", name);
        return;
    }
    strbuf_addf(out, "<%s>", name);
    xml_text(out, text, strlen(text));
    strbuf_addf(out, "</%s>", name);
}

static void nil(struct strbuf *out, const char *name)
{
    strbuf_addf(out, "<%s i:nil=\"true\" />", name);
}

static void add_maps(struct strbuf *out, const struct emu_entity *en)
{
    strbuf_adds(out, "<EntityMapList>");
    for (size_t i = 0; i < en->n; i++) {
        strbuf_adds(out, "<EntityMap>");
        element(out, "ArrayIndex", "0");
        element(out, "EntityField", en->fields[i].name);
        nil(out, "EntityFieldConversionList");
        element(out, "IsAutoDefault", "false");
        element(out, "IsAutoGenerated", "false");
        element(out, "IsDefaultValueEqualNull", "false");
        element(out, "UseTextQualifier", "false");
        element(out, "XMLField", en->fields[i].name);
        strbuf_adds(out, "</EntityMap>");
    }
    strbuf_adds(out, "</EntityMapList>");
}

static const char *boolean(sqlite3_stmt *s, int column)
{
    return sqlite3_column_int(s, column) ? "true" : "false";
}

static void add_entity(struct emu *e, struct strbuf *out, sqlite3_stmt *s, const char *job)
{
    const struct emu_entity *en = emu_entity_by_label(&e->tenant, emu_text(s, 0));
    const struct emu_format *f = dmf_format(e, emu_text(s, 4));
    char guid[37], text[128], sheet[64];

    snprintf(text, sizeof(text), "sample|%s|%s", job, emu_text(s, 0));
    emu_guid(e, text, guid);
    for (char *p = guid; *p; p++)
        *p = (char)(*p >= 'a' && *p <= 'f' ? *p - 32 : *p);
    strbuf_adds(out, "<DataManagementPackageEntityData>");
    element(out, "Disable", "false");
    add_maps(out, en);
    element(out, "EntityName", en->label);
    nil(out, "EntityTransformList");
    if (f && !strcmp(f->type, "excel")) {
        sheet_name(en->label, sheet);
        strbuf_addf(out, "<ExcelSheetName>%s$</ExcelSheetName>", sheet);
    } else {
        element(out, "ExcelSheetName", "");
    }
    element(out, "ExecutionUnit", emu_text(s, 1));
    element(out, "FailExecutionUnitOnError", boolean(s, 8));
    element(out, "FailLevelOnError", boolean(s, 7));
    element(out, "InputFilePath", emu_text(s, 5));
    element(out, "LevelInExecutionUnit", emu_text(s, 2));
    element(out, "QueryData", "");
    nil(out, "QueryFilter");
    element(out, "RunBusinessLogic", boolean(s, 9));
    element(out, "RunBusinessValidation", boolean(s, 10));
    snprintf(text, sizeof(text), "{%s}", guid);
    element(out, "SampleFilePath", text);
    element(out, "SequenceInLevel", emu_text(s, 3));
    element(out, "SourceFormat", emu_text(s, 4));
    element(out, "TargetEntity", en->aot);
    element(out, "ValidationStatus", "Yes");
    strbuf_adds(out, "</DataManagementPackageEntityData>");
}

#define NAMESPACES                                            \
    " xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" " \
    "xmlns=\"http://schemas.microsoft.com/dynamics/2015/01/DataManagement\">"

/* A document in the encoding of exports; libzip frees the copy. */
static bool add_document(struct emu *e, zip_t *z, const char *name, const struct strbuf *xml)
{
    struct strbuf out = { 0 };
    zip_source_t *src;
    zip_int64_t at;
    size_t n;
    char *p;

    if (EMU_KNOB(e, fno_export_xml_utf8)) {
        strbuf_adds(&out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>");
        strbuf_add(&out, xml->buf, xml->len);
    } else {
        strbuf_add(&out, "\xff\xfe", 2);
        dmf_utf16(&out, xml->buf, xml->len);
    }
    p = strbuf_detach(&out, &n);
    src = zip_source_buffer(z, p, n, 1);
    at = src ? zip_file_add(z, name, src, ZIP_FL_ENC_UTF_8) : -1;
    if (at < 0)
        zip_source_free(src);
    return at >= 0 && !zip_file_set_dostime(z, (zip_uint64_t)at, 0, 0x21, 0);
}

static bool add_data(struct emu *e, zip_t *z, int64_t job, int ord, const char *name)
{
    struct strbuf path = { 0 };
    zip_source_t *src = NULL;
    zip_int64_t at = -1;
    bool ok = true;

    data_path(e, job, ord, &path);
    if (!access(strbuf_str(&path), R_OK)) {
        src = zip_source_file(z, strbuf_str(&path), 0, -1);
        at = src ? zip_file_add(z, name, src, ZIP_FL_ENC_UTF_8) : -1;
        ok = at >= 0 && !zip_set_file_compression(z, (zip_uint64_t)at, ZIP_CM_DEFLATE, 1) &&
             !zip_file_set_dostime(z, (zip_uint64_t)at, 0, 0x21, 0);
        if (at < 0)
            zip_source_free(src);
    }
    strbuf_release(&path);
    return ok;
}

static void remove_data(struct emu *e, int64_t job)
{
    struct strbuf path = { 0 };
    sqlite3_stmt *s = emu_select(e, "select ord from dmf_job_entity where job = ?1", "i", job);

    while (emu_step(e, s)) {
        data_path(e, job, sqlite3_column_int(s, 0), &path);
        (void)unlink(strbuf_str(&path));
    }
    strbuf_release(&path);
}

static bool build(struct emu *e, int64_t job, const char *id, const char *project, const char *path)
{
    struct strbuf manifest = { 0 }, header = { 0 };
    int zerr = 0;
    zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &zerr);
    sqlite3_stmt *s =
        emu_select(e,
                   "select entity, unit, level, sequence, format, file, 0, fail_level, fail_unit, run_logic, "
                   "run_validation, ord from dmf_job_entity where job = ?1 order by ord",
                   "i", job);
    bool ok = z != NULL;

    strbuf_adds(&header, "<DataManagementPackageHeader" NAMESPACES);
    element(&header, "Description", project);
    element(&header, "ManifestType",
            "Microsoft.Dynamics.AX.Framework.Tools.DataManagement.Serialization.DataManagementPackageManifest");
    element(&header, "PackageType", "DefinitionGroup");
    element(&header, "PackageVersion", "2");
    strbuf_adds(&header, "</DataManagementPackageHeader>");
    strbuf_adds(&manifest, "<DataManagementPackageManifest" NAMESPACES);
    element(&manifest, "DefinitionGroupName", project);
    element(&manifest, "Description", project);
    strbuf_adds(&manifest, "<PackageEntityList>");
    while (emu_step(e, s)) {
        add_entity(e, &manifest, s, id);
        ok = ok && add_data(e, z, job, sqlite3_column_int(s, 11), emu_text(s, 5));
    }
    strbuf_adds(&manifest, "</PackageEntityList>");
    element(&manifest, "ProjectCategory", "1");
    nil(&manifest, "RulesData");
    strbuf_adds(&manifest, "</DataManagementPackageManifest>");
    ok = ok && add_document(e, z, "Manifest.xml", &manifest) && add_document(e, z, "PackageHeader.xml", &header);
    strbuf_release(&header);
    strbuf_release(&manifest);
    if (ok && !zip_close(z))
        return true;
    if (z)
        zip_discard(z);
    return false;
}

bool dmf_export_finish(struct emu *e, int64_t job)
{
    struct arena a = { 0 };
    struct strbuf path = { 0 }, url = { 0 };
    const char *id = "", *project = "";
    char guid[37];
    sqlite3_stmt *s = emu_select(e, "select id, project from dmf_job where no = ?1", "i", job);
    bool ok;

    if (emu_step(e, s)) {
        id = arena_strdup(&a, emu_text(s, 0));
        project = arena_strdup(&a, emu_text(s, 1));
    }
    sqlite3_reset(s);
    dmf_job_path(e, job, ".out", &path);
    emu_guid(e, arena_printf(&a, "export|%s", id), guid);
    ok = build(e, job, id, project, strbuf_str(&path)) &&
         emu_blob_make(e, arena_printf(&a, "%s.zip", guid), strbuf_str(&path), READ_MINUTES, &url);
    if (ok)
        emu_exec(e, "update dmf_job set url = ?2 where no = ?1", "it", job, strbuf_str(&url));
    (void)unlink(strbuf_str(&path));
    remove_data(e, job);
    strbuf_release(&path);
    strbuf_release(&url);
    arena_release(&a);
    return ok;
}

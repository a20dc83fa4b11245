/*
 * Excel data files, in both directions.
 *
 * Written as real exports are: one worksheet, a header row of upper-case field names, all cells inline strings. Read
 * more widely: inline and shared strings, plain values, cells left out. A workbook is a zip inside the package; since
 * a zip has to be seekable, it is unpacked into a file first. Shared strings are kept in memory, rows are streamed.
 */
#include "emu_dmf_parts.h"

#include <libxml/xmlreader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { XLSX_COLUMNS = 255, XLSX_ROW_MAX = 4 << 20, XLSX_STRINGS_MAX = 256 << 20, XLSX_ROWS = 1048576 };
enum { XLSX_XML = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING };

struct dmf_xlsx {
    char path[4096]; /* the unpacked workbook */
    zip_t *z;
    zip_file_t *file;
    xmlTextReader *reader;
    struct arena strings;
    const char **shared;
    size_t n_shared, cap_shared;
    struct strbuf row;
    size_t at[XLSX_COLUMNS], n[XLSX_COLUMNS], columns; /* of the current row */
    size_t n_columns; /* of the header row */
    const struct dmf_entity *d;
    int *map_column;
    int64_t line;
};

static int read_member(void *arg, char *buf, int n)
{
    zip_int64_t got = zip_fread(arg, buf, (zip_uint64_t)n);

    return got < 0 ? -1 : (int)got;
}

static bool unpack(zip_t *z, zip_int64_t index, const char *path)
{
    char buf[1 << 16];
    zip_file_t *f = zip_fopen_index(z, (zip_uint64_t)index, 0);
    FILE *out = f ? fopen(path, "w") : NULL;
    zip_int64_t got = -1;
    bool ok = out != NULL;

    while (ok && (got = zip_fread(f, buf, sizeof(buf))) > 0)
        ok = fwrite(buf, 1, (size_t)got, out) == (size_t)got;
    if (out)
        ok = !fclose(out) && ok && got == 0;
    if (f)
        zip_fclose(f);
    return ok;
}

static xmlTextReader *open_part(zip_t *z, const char *name, zip_file_t **ret_file)
{
    zip_int64_t at = zip_name_locate(z, name, ZIP_FL_NOCASE);
    xmlTextReader *r = NULL;

    *ret_file = at >= 0 ? zip_fopen_index(z, (zip_uint64_t)at, 0) : NULL;
    if (*ret_file)
        r = xmlReaderForIO(read_member, NULL, *ret_file, name, NULL, XLSX_XML);
    if (!r && *ret_file) {
        zip_fclose(*ret_file);
        *ret_file = NULL;
    }
    return r;
}

static void close_part(xmlTextReader *r, zip_file_t *f)
{
    xmlFreeTextReader(r);
    if (f)
        zip_fclose(f);
}

static bool on_element(xmlTextReader *r, const char *name)
{
    return xmlTextReaderNodeType(r) == XML_READER_TYPE_ELEMENT &&
           !strcmp((const char *)xmlTextReaderConstLocalName(r), name);
}

static bool next_node(xmlTextReader *r)
{
    return xmlTextReaderRead(r) == 1 && xmlTextReaderNodeType(r) != XML_READER_TYPE_DOCUMENT_TYPE;
}

/* Texts of all <t> inside the element that the reader stands on, up to its end. */
static bool texts_inside(xmlTextReader *r, struct strbuf *out, size_t max)
{
    int depth = xmlTextReaderDepth(r);
    bool in_text = false;

    if (xmlTextReaderIsEmptyElement(r) == 1)
        return true;
    while (next_node(r)) {
        int type = xmlTextReaderNodeType(r);

        if (type == XML_READER_TYPE_END_ELEMENT) {
            if (xmlTextReaderDepth(r) == depth)
                return true;
            in_text = false;
        } else if (type == XML_READER_TYPE_ELEMENT) {
            const char *name = (const char *)xmlTextReaderConstLocalName(r);

            in_text = (!strcmp(name, "t") || !strcmp(name, "v")) && xmlTextReaderIsEmptyElement(r) != 1;
        } else if (in_text && xmlTextReaderConstValue(r)) {
            strbuf_adds(out, (const char *)xmlTextReaderConstValue(r));
        }
        if (out->len > max)
            return false;
    }
    return false;
}

static bool load_shared(struct dmf_xlsx *x)
{
    zip_file_t *f;
    xmlTextReader *r = open_part(x->z, "xl/sharedStrings.xml", &f);
    struct strbuf text = { 0 };
    bool ok = true;

    while (ok && r && next_node(r)) {
        if (!on_element(r, "si"))
            continue;
        strbuf_reset(&text);
        ok = texts_inside(r, &text, XLSX_ROW_MAX) && x->strings.used_octets < XLSX_STRINGS_MAX;
        if (x->n_shared == x->cap_shared) {
            x->cap_shared = x->cap_shared ? 2 * x->cap_shared : 1024;
            x->shared = xrealloc(x->shared, x->cap_shared * sizeof(*x->shared));
        }
        x->shared[x->n_shared++] = arena_strdup(&x->strings, strbuf_str(&text));
    }
    close_part(r, f);
    strbuf_release(&text);
    return ok;
}

static bool attribute(xmlTextReader *r, const char *name, char *out, size_t size)
{
    xmlChar *v = xmlTextReaderGetAttribute(r, (const xmlChar *)name);

    snprintf(out, size, "%s", v ? (const char *)v : "");
    xmlFree(v);
    return *out != '\0';
}

/* Path of the worksheet called `sheet` ("" = the first); the manifest's name ends in '$'. */
static bool find_sheet(struct dmf_xlsx *x, const char *sheet, char *out, size_t size)
{
    zip_file_t *f;
    xmlTextReader *r = open_part(x->z, "xl/workbook.xml", &f);
    char id[128] = "", name[128], target[512] = "";
    size_t n = strlen(sheet);

    n -= n && sheet[n - 1] == '$';
    while (!*id && r && next_node(r))
        if (on_element(r, "sheet") && attribute(r, "name", name, sizeof(name)) &&
            (!n || (strlen(name) == n && !strncasecmp(name, sheet, n))))
            attribute(r, "r:id", id, sizeof(id));
    close_part(r, f);
    r = *id ? open_part(x->z, "xl/_rels/workbook.xml.rels", &f) : NULL;
    if (!r)
        return false;
    while (!*target && next_node(r))
        if (on_element(r, "Relationship") && attribute(r, "Id", name, sizeof(name)) && !strcmp(name, id))
            attribute(r, "Target", target, sizeof(target));
    close_part(r, f);
    snprintf(out, size, "%s%s", *target == '/' ? "" : "xl/", target + (*target == '/'));
    return *target != '\0';
}

static size_t column_of(const char *reference, size_t dflt)
{
    size_t c = 0;

    for (; *reference >= 'A' && *reference <= 'Z' && c < XLSX_COLUMNS; reference++)
        c = c * 26 + (size_t)(*reference - 'A') + 1;
    return c ? c - 1 : dflt;
}

static bool read_cell(struct dmf_xlsx *x, size_t *column)
{
    char reference[16], type[16];
    size_t start = x->row.len, c;

    attribute(x->reader, "r", reference, sizeof(reference));
    attribute(x->reader, "t", type, sizeof(type));
    c = column_of(reference, *column);
    if (c >= XLSX_COLUMNS || !texts_inside(x->reader, &x->row, XLSX_ROW_MAX))
        return false;
    if (!strcmp(type, "s")) {
        size_t i = (size_t)strtoul(strbuf_str(&x->row) + start, NULL, 10);

        if (i >= x->n_shared)
            return false;
        x->row.len = start;
        strbuf_adds(&x->row, x->shared[i]);
    }
    x->at[c] = start;
    x->n[c] = x->row.len - start;
    if (c >= x->columns)
        x->columns = c + 1;
    *column = c + 1;
    return true;
}

static enum dmf_read read_row(struct dmf_xlsx *x)
{
    size_t column = 0;
    int depth;

    do {
        if (!next_node(x->reader))
            return xmlTextReaderReadState(x->reader) == XML_TEXTREADER_MODE_EOF ? DMF_END : DMF_BAD_FILE;
    } while (!on_element(x->reader, "row"));
    strbuf_reset(&x->row);
    strbuf_reserve(&x->row, 16);
    memset(x->n, 0, sizeof(x->n));
    memset(x->at, 0, sizeof(x->at));
    x->columns = 0;
    x->line++;
    depth = xmlTextReaderDepth(x->reader);
    if (xmlTextReaderIsEmptyElement(x->reader) == 1)
        return DMF_ROW;
    while (next_node(x->reader)) {
        if (xmlTextReaderNodeType(x->reader) == XML_READER_TYPE_END_ELEMENT && xmlTextReaderDepth(x->reader) == depth)
            return DMF_ROW;
        if (on_element(x->reader, "c") && !read_cell(x, &column))
            return DMF_BAD_FILE;
    }
    return DMF_BAD_FILE;
}

void dmf_xlsx_close(struct dmf_xlsx *x)
{
    if (!x)
        return;
    close_part(x->reader, x->file);
    zip_discard(x->z);
    (void)unlink(x->path);
    free(x->shared);
    free(x->map_column);
    arena_release(&x->strings);
    strbuf_release(&x->row);
    free(x);
}

struct dmf_xlsx *dmf_xlsx_open(zip_t *z, zip_int64_t index, const char *spill, const struct dmf_entity *d, char *msg,
                               size_t msg_size)
{
    struct dmf_xlsx *x = xcalloc(1, sizeof(*x));
    struct dmf_cell header[XLSX_COLUMNS];
    char sheet[600];
    int zerr = 0;

    snprintf(x->path, sizeof(x->path), "%s", spill);
    x->d = d;
    x->map_column = xcalloc(d->n_maps + 1, sizeof(*x->map_column));
    snprintf(msg, msg_size, "DMF040: The Excel file %s could not be read.", d->file);
    if (!unpack(z, index, x->path) || !(x->z = zip_open(x->path, ZIP_RDONLY, &zerr)) || !load_shared(x))
        goto bad;
    if (!find_sheet(x, d->sheet, sheet, sizeof(sheet)) || !(x->reader = open_part(x->z, sheet, &x->file))) {
        snprintf(msg, msg_size, "DMF040: The worksheet %s was not found in the Excel file %s.", d->sheet, d->file);
        goto bad;
    }
    switch (read_row(x)) {
    case DMF_ROW: break;
    case DMF_END: snprintf(msg, msg_size, "FF004: The header row is missing."); goto bad;
    default: goto bad;
    }
    for (size_t i = 0; i < x->columns; i++)
        header[i] = (struct dmf_cell){ strbuf_str(&x->row) + x->at[i], x->n[i], false };
    x->n_columns = x->columns;
    if (!dmf_match_header(header, x->columns, d, x->map_column, msg, msg_size))
        goto bad;
    return x;
bad:
    dmf_xlsx_close(x);
    return NULL;
}

enum dmf_read dmf_xlsx_next(struct dmf_xlsx *x, struct dmf_cell *cells, int64_t *ret_line, char *msg, size_t msg_size)
{
    enum dmf_read got = read_row(x);

    *ret_line = x->line;
    if (got == DMF_BAD_FILE)
        snprintf(msg, msg_size, "DMF040: The Excel file %s could not be read, row %lld.", x->d->file,
                 (long long)x->line + 1);
    for (size_t i = 0; i < x->d->n_maps && got == DMF_ROW; i++) {
        size_t j = x->map_column[i] < 0 ? XLSX_COLUMNS : (size_t)x->map_column[i];

        cells[i] = j < x->columns ? (struct dmf_cell){ strbuf_str(&x->row) + x->at[j], x->n[j], false }
                                  : (struct dmf_cell){ "", 0, true };
    }
    return got;
}

/* ---- writing ---- */
void dmf_xlsx_begin(struct strbuf *out)
{
    strbuf_adds(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?><worksheet "
                     "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>");
}

void dmf_xlsx_end(struct strbuf *out)
{
    strbuf_adds(out, "</sheetData></worksheet>");
}

static bool add_text(zip_t *z, const char *name, const char *text)
{
    zip_source_t *src = zip_source_buffer(z, text, strlen(text), 0);
    zip_int64_t at = src ? zip_file_add(z, name, src, ZIP_FL_ENC_UTF_8) : -1;

    if (at < 0)
        zip_source_free(src);
    return at >= 0 && !zip_file_set_dostime(z, (zip_uint64_t)at, 0, 0x21, 0);
}

#define OPEN_XML "http://schemas.openxmlformats.org/"
#define DECLARATION "<?xml version=\"1.0\" encoding=\"utf-8\"?>"

bool dmf_xlsx_build(const char *sheet_xml, const char *sheet_name, const char *path)
{
    static const char TYPES[] = DECLARATION
        "<Types xmlns=\"" OPEN_XML "package/2006/content-types\"><Default Extension=\"rels\" "
        "ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" "
        "ContentType=\"application/xml\"/><Override PartName=\"/xl/workbook.xml\" "
        "ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/><Override "
        "PartName=\"/xl/worksheets/sheet1.xml\" "
        "ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/></Types>";
    static const char RELS[] = DECLARATION
        "<Relationships xmlns=\"" OPEN_XML "package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"" OPEN_XML
        "officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>";
    static const char BOOK_RELS[] = DECLARATION
        "<Relationships xmlns=\"" OPEN_XML "package/2006/relationships\"><Relationship Id=\"rId1\" Type=\"" OPEN_XML
        "officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>";
    struct strbuf book = { 0 };
    int zerr = 0;
    zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &zerr);
    zip_source_t *src = z ? zip_source_file(z, sheet_xml, 0, -1) : NULL;
    zip_int64_t at = src ? zip_file_add(z, "xl/worksheets/sheet1.xml", src, ZIP_FL_ENC_UTF_8) : -1;
    bool ok = at >= 0;

    if (src && at < 0)
        zip_source_free(src);
    strbuf_addf(&book,
                DECLARATION "<workbook xmlns=\"" OPEN_XML "spreadsheetml/2006/main\" xmlns:r=\"" OPEN_XML
                            "officeDocument/2006/relationships\"><sheets><sheet name=\"%.31s\" sheetId=\"1\" "
                            "r:id=\"rId1\"/></sheets></workbook>",
                sheet_name);
    ok = ok && !zip_set_file_compression(z, (zip_uint64_t)at, ZIP_CM_DEFLATE, 1) &&
         !zip_file_set_dostime(z, (zip_uint64_t)at, 0, 0x21, 0) && add_text(z, "[Content_Types].xml", TYPES) &&
         add_text(z, "_rels/.rels", RELS) && add_text(z, "xl/workbook.xml", strbuf_str(&book)) &&
         add_text(z, "xl/_rels/workbook.xml.rels", BOOK_RELS);
    if (!ok || zip_close(z)) {
        if (z)
            zip_discard(z);
        ok = false;
    }
    strbuf_release(&book);
    return ok;
}

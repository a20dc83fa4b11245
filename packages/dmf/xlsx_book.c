/* Where the parts of a workbook are: relationships, the list of sheets, and what styles make of numbers. */
#include "dmf/xlsx_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_RELATIONS = 10000, MAX_SHEETS = 10000, MAX_STYLES = 65536, MAX_FORMAT_ID = 65535 };

static int64_t fill_part(void *arg, void *buf, size_t n, struct err *reterr)
{
    return dmf_member_read(arg, buf, n, reterr);
}

enum ec xlsx_part_open(struct xlsx_part *p, struct dmf_zip *zip, int64_t member, struct err *reterr)
{
    enum ec rc = dmf_member_open(zip, member, &p->m, reterr);

    if (!rc)
        rc = xml_stream_open(&p->in, p->m.name, fill_part, &p->m, reterr);
    return rc;
}

void xlsx_part_close(struct xlsx_part *p)
{
    xml_stream_close(&p->in);
    dmf_member_close(&p->m);
}

bool xlsx_attribute(struct xml_stream *in, const char *name, char *out, size_t size)
{
    bool found = false;

    *out = 0;
    while (!found && xmlTextReaderMoveToNextAttribute(in->reader) == 1) {
        const char *value = (const char *)xmlTextReaderConstValue(in->reader);

        if (strcmp(xml_name(in), name) != 0 || xmlTextReaderIsNamespaceDecl(in->reader) == 1)
            continue;
        found = value != NULL;
        snprintf(out, size, "%s", value ? value : "");
    }
    (void)xmlTextReaderMoveToElement(in->reader);
    return found;
}

/* ---- relationships ---- */

struct relation {
    char *id, *type; /* type: the last word of the URI, "worksheet" */
    char *target; /* name of the member */
};
struct relations {
    struct relation *v;
    size_t n, cap;
};

/* "../x" and "x" from the folder of `base`, "/x" from the root. NULL = it leads out of the workbook. */
static char *resolve(const char *base, const char *target, struct arena *a)
{
    size_t folder = strrchr(base, '/') ? (size_t)(strrchr(base, '/') - base) + 1 : 0;
    char *out = arena_alloc(a, folder + strlen(target) + 2);
    size_t n = 0;

    if (*target == '/')
        target++;
    else
        memcpy(out, base, n = folder);
    while (*target) {
        size_t k = strcspn(target, "/");

        if (k == 2 && !memcmp(target, "..", 2)) {
            if (!n)
                return NULL;
            for (n--; n && out[n - 1] != '/'; n--)
                ;
        } else if (k && !(k == 1 && *target == '.')) {
            memcpy(out + n, target, k);
            n += k;
            if (target[k])
                out[n++] = '/';
        }
        target += k + (target[k] != 0);
    }
    out[n] = 0;
    return out;
}

static struct relation *one_more(struct relations *r, struct arena *a)
{
    if (r->n == r->cap) {
        struct relation *v = arena_alloc(a, (r->cap * 2 + 8) * sizeof(*v));

        if (r->n)
            memcpy(v, r->v, r->n * sizeof(*v));
        r->v = v;
        r->cap = r->cap * 2 + 8;
    }
    return &r->v[r->n++];
}

/* The relationships of `part`; none when it has no such file. */
static enum ec read_relations(struct dmf_zip *zip, const char *part, struct arena *a, struct relations *ret,
                              struct err *reterr)
{
    const char *slash = strrchr(part, '/');
    int folder = slash ? (int)(slash - part) + 1 : 0;
    int64_t at = dmf_zip_find(zip, cell_of(arena_printf(a, "%.*s_rels/%s.rels", folder, part, part + folder)));
    struct xlsx_part p = { 0 };
    int got = 0;
    enum ec rc;

    *ret = (struct relations){ 0 };
    if (at < 0)
        return EC_OK;
    rc = xlsx_part_open(&p, zip, at, reterr);
    while (!rc && (got = xml_stream_next(&p.in, reterr)) == 1) {
        char id[256], type[256], target[1024], mode[20];
        struct relation *r;

        if (xml_type(&p.in) != XML_READER_TYPE_ELEMENT || strcmp(xml_name(&p.in), "Relationship") != 0)
            continue;
        if (!xlsx_attribute(&p.in, "Id", id, sizeof(id)) || !xlsx_attribute(&p.in, "Type", type, sizeof(type)) ||
            !xlsx_attribute(&p.in, "Target", target, sizeof(target)) ||
            (xlsx_attribute(&p.in, "TargetMode", mode, sizeof(mode)) && !strcmp(mode, "External")))
            continue; /* links to other places are of no concern */
        if (ret->n == MAX_RELATIONS) {
            rc = xml_stream_fail(&p.in, "more relationships than a workbook has", reterr);
            break;
        }
        r = one_more(ret, a);
        r->id = arena_strdup(a, id);
        r->type = arena_strdup(a, strrchr(type, '/') ? strrchr(type, '/') + 1 : type);
        r->target = resolve(part, target, a);
        if (!r->target)
            rc = xml_stream_fail(&p.in, "a relationship leads out of the workbook", reterr);
    }
    if (!rc && got < 0)
        rc = xml_stream_code(&p.in);
    xlsx_part_close(&p);
    return rc;
}

static const struct relation *related(const struct relations *r, const char *id, const char *type)
{
    for (size_t i = 0; i < r->n; i++)
        if ((!id || !strcmp(r->v[i].id, id)) && !strcmp(r->v[i].type, type))
            return &r->v[i];
    return NULL;
}

/* ---- the list of sheets ---- */

struct choice {
    const char *wanted; /* "" = any */
    size_t wanted_n;
    char *named, *first_visible, *first; /* targets */
    size_t worksheets;
};

static void consider(struct choice *c, const char *name, const char *state, char *target)
{
    c->worksheets++;
    if (!c->first)
        c->first = target;
    if (!c->first_visible && (!*state || !strcmp(state, "visible")))
        c->first_visible = target;
    if (!c->named && c->wanted_n && cell_ieq(cell_of(name), (struct cell){ c->wanted, c->wanted_n }))
        c->named = target;
}

/* A name with other characters than letters stands in quotes, and a '$' says that it is a sheet: 'My sheet$'. */
static void set_wanted(struct choice *c, const char *wanted)
{
    size_t n = wanted ? strlen(wanted) : 0;

    if (n > 1 && wanted[0] == '\'' && wanted[n - 1] == '\'')
        wanted++, n -= 2;
    if (n && wanted[n - 1] == '$')
        n--;
    c->wanted = wanted;
    c->wanted_n = n;
}

static enum ec read_sheets(struct dmf_zip *zip, int64_t at, const struct relations *rels, struct xlsx_book *b,
                           struct choice *c, struct err *reterr)
{
    struct xlsx_part p = { 0 };
    size_t sheets = 0;
    int got = 0;
    enum ec rc = xlsx_part_open(&p, zip, at, reterr);

    while (!rc && (got = xml_stream_next(&p.in, reterr)) == 1) {
        char name[256], id[256], state[20];
        const struct relation *r;

        if (xml_type(&p.in) != XML_READER_TYPE_ELEMENT)
            continue;
        if (!strcmp(xml_name(&p.in), "workbookPr")) {
            (void)xlsx_attribute(&p.in, "date1904", state, sizeof(state));
            b->from_1904 = !strcmp(state, "1") || !strcmp(state, "true") || !strcmp(state, "on");
        }
        if (strcmp(xml_name(&p.in), "sheet") != 0)
            continue;
        if (++sheets > MAX_SHEETS) {
            rc = xml_stream_fail(&p.in, "more sheets than a workbook has", reterr);
            break;
        }
        (void)xlsx_attribute(&p.in, "name", name, sizeof(name));
        (void)xlsx_attribute(&p.in, "state", state, sizeof(state));
        (void)xlsx_attribute(&p.in, "id", id, sizeof(id));
        r = related(rels, id, "worksheet"); /* charts and dialogs are sheets, too */
        if (r)
            consider(c, name, state, r->target);
    }
    if (!rc && got < 0)
        rc = xml_stream_code(&p.in);
    xlsx_part_close(&p);
    return rc;
}

static enum ec find_sheet(struct dmf_zip *zip, const char *what, const struct choice *c, struct xlsx_book *b,
                          struct err *reterr)
{
    const char *target = c->named ? c->named : c->first_visible ? c->first_visible : c->first;

    if (!target)
        return err_set(reterr, EC_FORMAT, "%s has no worksheet", what);
    if (c->wanted_n && !c->named && c->worksheets > 1) {
        err_set(reterr, EC_FORMAT, "%s has %zu worksheets, and none is named '%.*s'", what, c->worksheets,
                (int)(c->wanted_n < 200 ? c->wanted_n : 200), c->wanted);
        return err_hint(reterr, "name the worksheet as the manifest's ExcelSheetName does, or keep one worksheet");
    }
    b->sheet = dmf_zip_find(zip, cell_of(target));
    return b->sheet >= 0 ? EC_OK : err_set(reterr, EC_FORMAT, "%s has no '%.200s', its worksheet", what, target);
}

enum ec xlsx_book_read(struct dmf_zip *zip, const char *what, const char *wanted, struct arena *a,
                       struct xlsx_book *ret, struct err *reterr)
{
    struct relations rels;
    const struct relation *r;
    const char *path = "xl/workbook.xml";
    struct choice c = { 0 };
    int64_t at;
    enum ec rc = read_relations(zip, "", a, &rels, reterr);

    if (rc)
        return rc;
    r = related(&rels, NULL, "officeDocument");
    if (r)
        path = r->target;
    at = dmf_zip_find(zip, cell_of(path));
    if (at < 0) {
        err_set(reterr, EC_FORMAT, "%s is not an Excel workbook: it has no '%.200s'", what, path);
        return err_hint(reterr, "save it as an Excel workbook (.xlsx), not in the binary format");
    }
    set_wanted(&c, wanted);
    rc = read_relations(zip, path, a, &rels, reterr);
    if (!rc)
        rc = read_sheets(zip, at, &rels, ret, &c, reterr);
    if (!rc)
        rc = find_sheet(zip, what, &c, ret, reterr);
    if (rc)
        return rc;
    r = related(&rels, NULL, "sharedStrings");
    ret->strings = r ? dmf_zip_find(zip, cell_of(r->target)) : -1;
    r = related(&rels, NULL, "styles");
    ret->styles = r ? dmf_zip_find(zip, cell_of(r->target)) : -1;
    return ret->styles < 0 ? EC_OK : xlsx_styles_read(zip, ret, a, reterr);
}

/* ---- styles ---- */

static bool number_of(struct xml_stream *in, const char *name, int64_t *ret)
{
    char text[24];

    return xlsx_attribute(in, name, text, sizeof(text)) && cell_to_i64(cell_of(text), ret);
}

static enum ec read_style(struct xml_stream *in, const unsigned char *formats, struct xlsx_book *b,
                          struct err *reterr)
{
    int64_t id = 0;

    if (b->n_kinds == MAX_STYLES)
        return xml_stream_fail(in, "more cell styles than a workbook has", reterr);
    (void)number_of(in, "numFmtId", &id);
    b->kinds[b->n_kinds++] = id >= 0 && id <= MAX_FORMAT_ID ? formats[id] : XLSX_NUMBER;
    return EC_OK;
}

enum ec xlsx_styles_read(struct dmf_zip *zip, struct xlsx_book *b, struct arena *a, struct err *reterr)
{
    unsigned char *formats = arena_alloc(a, MAX_FORMAT_ID + 1);
    struct xlsx_part p = { 0 };
    bool in_cells = false;
    int got = 0;
    enum ec rc = xlsx_part_open(&p, zip, b->styles, reterr);

    b->kinds = arena_zalloc(a, MAX_STYLES);
    for (unsigned i = 0; i <= MAX_FORMAT_ID; i++)
        formats[i] = (unsigned char)xlsx_builtin_kind(i);
    while (!rc && (got = xml_stream_next(&p.in, reterr)) == 1) {
        int type = xml_type(&p.in);
        const char *name = xml_name(&p.in);
        char code[1024];
        int64_t id;

        if (type == XML_READER_TYPE_END_ELEMENT && !strcmp(name, "cellXfs"))
            in_cells = false;
        if (type != XML_READER_TYPE_ELEMENT)
            continue;
        if (!strcmp(name, "cellXfs"))
            in_cells = xmlTextReaderIsEmptyElement(p.in.reader) != 1;
        else if (!strcmp(name, "xf") && in_cells)
            rc = read_style(&p.in, formats, b, reterr);
        else if (!strcmp(name, "numFmt") && number_of(&p.in, "numFmtId", &id) && id >= 0 && id <= MAX_FORMAT_ID &&
                 xlsx_attribute(&p.in, "formatCode", code, sizeof(code)))
            formats[id] = (unsigned char)xlsx_format_kind(code);
    }
    if (!rc && got < 0)
        rc = xml_stream_code(&p.in);
    xlsx_part_close(&p);
    return rc;
}

/*
 * Reading a data package: the zip, PackageHeader.xml and Manifest.xml.
 *
 * Both documents are .NET data contracts. Such a reader takes the children of an element in alphabetical order and
 * skips, without a word, what it does not expect at that place; so a manifest with children in another order loses
 * them (an entity without its map stages nothing and still succeeds). The emulator does the same unless told
 * otherwise.
 */
#include "emu_dmf_parts.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DM_NS "http://schemas.microsoft.com/dynamics/2015/01/DataManagement"
#define NIL_NS "http://www.w3.org/2001/XMLSchema-instance"
#define MANIFEST_TYPE \
    "Microsoft.Dynamics.AX.Framework.Tools.DataManagement.Serialization.DataManagementPackageManifest"

enum { XML_MAX_OCTETS = 64 << 20, ENTITIES_MAX = 2000, MAPS_MAX = 4000 };

struct reading {
    struct arena *a;
    bool strict;
    char *msg;
    size_t msg_size;
};

static bool refuse(struct reading *r, const char *before, const char *quoted, const char *after)
{
    snprintf(r->msg, r->msg_size, "%s%s%s", before, quoted, after);
    return false;
}

zip_int64_t dmf_member(zip_t *z, const char *name)
{
    return *name && !strchr(name, '/') ? zip_name_locate(z, name, ZIP_FL_NOCASE) : -1;
}

/* Parses one member; NULL with a message when it is not a document that could be meant. */
static xmlDoc *load(struct reading *r, zip_t *z, const char *name)
{
    zip_int64_t at = dmf_member(z, name), got;
    zip_stat_t st;
    zip_file_t *f = NULL;
    char *text = NULL;
    xmlDoc *doc = NULL;

    if (at < 0) {
        refuse(r, "Could not find file 'C:\\Packages\\Unzipped\\", name, "'.");
        return NULL;
    }
    if (zip_stat_index(z, (zip_uint64_t)at, 0, &st) || !(st.valid & ZIP_STAT_SIZE) || st.size > XML_MAX_OCTETS) {
        refuse(r, "The file ", name, " in the package is too large.");
        return NULL;
    }
    text = xmalloc(st.size + 1);
    f = zip_fopen_index(z, (zip_uint64_t)at, 0);
    got = f ? zip_fread(f, text, st.size) : -1;
    if (got == (zip_int64_t)st.size)
        doc =
            xmlReadMemory(text, (int)st.size, name, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (doc && (doc->intSubset || !xmlDocGetRootElement(doc))) { /* a DTD is refused by the service's reader, too */
        xmlFreeDoc(doc);
        doc = NULL;
    }
    if (!doc)
        refuse(r, "There is an error in XML document ", name, ". Data at the root level is invalid.");
    if (f)
        zip_fclose(f);
    free(text);
    return doc;
}

static bool named(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && n->ns && !xmlStrcmp(n->ns->href, (const xmlChar *)DM_NS) &&
           !xmlStrcmp(n->name, (const xmlChar *)name);
}

static const char *text_of(struct reading *r, xmlNode *n)
{
    xmlChar *nil = xmlGetNsProp(n, (const xmlChar *)"nil", (const xmlChar *)NIL_NS), *c;
    bool is_nil = nil && (!xmlStrcmp(nil, (const xmlChar *)"true") || !xmlStrcmp(nil, (const xmlChar *)"1"));
    const char *text;

    xmlFree(nil);
    if (is_nil)
        return "";
    c = xmlNodeGetContent(n);
    text = arena_strdup(r->a, c ? (const char *)c : "");
    xmlFree(c);
    return text;
}

/*
 * Finds the members `names[0..n)` (alphabetical) among the children, into nodes[]. A child that does not stand behind
 * the one read before it is skipped in strict reading; so is everything unknown.
 */
static void members(struct reading *r, xmlNode *parent, const char *const *names, size_t n, xmlNode **nodes)
{
    size_t next = 0;

    memset(nodes, 0, n * sizeof(*nodes));
    for (xmlNode *c = parent->children; c; c = c->next)
        for (size_t i = r->strict ? next : 0; i < n; i++)
            if (named(c, names[i]) && !nodes[i]) {
                nodes[i] = c;
                next = i + 1;
                break;
            }
}

static bool get_bool(struct reading *r, xmlNode *n, bool dflt, bool *ret)
{
    const char *t = n ? text_of(r, n) : "";

    *ret = dflt;
    if (!*t)
        return true;
    if (!strcmp(t, "true") || !strcmp(t, "1"))
        *ret = true;
    else if (!strcmp(t, "false") || !strcmp(t, "0"))
        *ret = false;
    else
        return refuse(r, "There is an error in XML document Manifest.xml. The string '", t,
                      "' is not a valid Boolean value.");
    return true;
}

static bool get_int(struct reading *r, xmlNode *n, int64_t dflt, int64_t *ret)
{
    const char *t = n ? text_of(r, n) : "";
    char *end;

    *ret = dflt;
    if (!*t)
        return true;
    errno = 0;
    *ret = strtol(t, &end, 10);
    if (errno || *end || end == t || *ret < INT32_MIN || *ret > INT32_MAX)
        return refuse(r, "There is an error in XML document Manifest.xml. The value '", t,
                      "' cannot be parsed as the type 'Int32'.");
    return true;
}

static const char *const MAP_NAMES[] = { "ArrayIndex",       "EntityField",     "EntityFieldConversionList",
                                         "IsAutoDefault",    "IsAutoGenerated", "IsDefaultValueEqualNull",
                                         "UseTextQualifier", "XMLField" };
enum { MA_INDEX, MA_FIELD, MA_CONVERSION, MA_DEFAULT, MA_GENERATED, MA_NULL, MA_QUALIFIER, MA_COLUMN };

static bool read_maps(struct reading *r, xmlNode *list, struct dmf_entity *d)
{
    xmlNode *m[COUNT(MAP_NAMES)];
    size_t n = 0;

    for (xmlNode *c = list ? list->children : NULL; c; c = c->next)
        n += named(c, "EntityMap");
    if (n > MAPS_MAX)
        return refuse(r, "Entity ", d->label, " has too many field maps.");
    d->maps = arena_zalloc(r->a, (n + 1) * sizeof(*d->maps));
    for (xmlNode *c = list ? list->children : NULL; c; c = c->next) {
        struct dmf_map *map = &d->maps[d->n_maps];

        if (!named(c, "EntityMap"))
            continue;
        members(r, c, MAP_NAMES, COUNT(MAP_NAMES), m);
        map->field = m[MA_FIELD] ? text_of(r, m[MA_FIELD]) : "";
        map->column = m[MA_COLUMN] ? text_of(r, m[MA_COLUMN]) : "";
        if (!get_bool(r, m[MA_DEFAULT], false, &map->auto_default) ||
            !get_bool(r, m[MA_GENERATED], false, &map->auto_generated) ||
            !get_bool(r, m[MA_QUALIFIER], false, &map->qualifier))
            return false;
        /* "XMLField tags must be mapped for the mapping to load": a map without its two ends is no map. */
        if (*map->field && (*map->column || map->auto_default || map->auto_generated))
            d->n_maps++;
    }
    return true;
}

static const char *const ENTITY_NAMES[] = {
    "DefaultRefreshType",  "Disable",          "EntityMapList",         "EntityName",
    "EntityTransformList", "ExcelSheetName",   "ExecutionUnit",         "FailExecutionUnitOnError",
    "FailLevelOnError",    "InputFilePath",    "LevelInExecutionUnit",  "QueryData",
    "QueryFilter",         "RunBusinessLogic", "RunBusinessValidation", "SampleFilePath",
    "SequenceInLevel",     "SkipStaging",      "SourceFormat",          "TargetEntity",
    "ValidationStatus",
};
enum {
    EN_REFRESH,
    EN_DISABLE,
    EN_MAPS,
    EN_NAME,
    EN_TRANSFORMS,
    EN_SHEET,
    EN_UNIT,
    EN_FAIL_UNIT,
    EN_FAIL_LEVEL,
    EN_FILE,
    EN_LEVEL,
    EN_QUERY,
    EN_FILTER,
    EN_LOGIC,
    EN_VALIDATION,
    EN_SAMPLE,
    EN_SEQUENCE,
    EN_SKIP,
    EN_FORMAT,
    EN_TARGET,
    EN_STATUS
};

static bool read_entity(struct reading *r, xmlNode *node, struct dmf_entity *d)
{
    xmlNode *m[COUNT(ENTITY_NAMES)];

    members(r, node, ENTITY_NAMES, COUNT(ENTITY_NAMES), m);
    d->label = m[EN_NAME] ? text_of(r, m[EN_NAME]) : "";
    d->file = m[EN_FILE] ? text_of(r, m[EN_FILE]) : "";
    d->format = m[EN_FORMAT] ? text_of(r, m[EN_FORMAT]) : "";
    d->sheet = m[EN_SHEET] ? text_of(r, m[EN_SHEET]) : "";
    return get_bool(r, m[EN_DISABLE], false, &d->disable) && get_bool(r, m[EN_FAIL_LEVEL], false, &d->fail_level) &&
           get_bool(r, m[EN_FAIL_UNIT], false, &d->fail_unit) && get_bool(r, m[EN_LOGIC], true, &d->run_logic) &&
           get_bool(r, m[EN_VALIDATION], true, &d->run_validation) && get_int(r, m[EN_UNIT], 1, &d->unit) &&
           get_int(r, m[EN_LEVEL], 1, &d->level) && get_int(r, m[EN_SEQUENCE], 1, &d->sequence) &&
           read_maps(r, m[EN_MAPS], d);
}

static bool read_manifest(struct reading *r, xmlDoc *doc, struct dmf_manifest *m)
{
    static const char *const NAMES[] = { "DefinitionGroupName", "Description", "PackageEntityList", "ProjectCategory",
                                         "RulesData" };
    xmlNode *root = xmlDocGetRootElement(doc), *c[COUNT(NAMES)];
    size_t n = 0;

    if (!named(root, "DataManagementPackageManifest"))
        return refuse(
            r,
            "There is an error in XML document Manifest.xml. Expecting element 'DataManagementPackageManifest' "
            "from namespace '" DM_NS "'. Encountered 'Element' with name '",
            (const char *)root->name, "'.");
    members(r, root, NAMES, COUNT(NAMES), c);
    m->project = c[0] ? text_of(r, c[0]) : "";
    m->description = c[1] ? text_of(r, c[1]) : "";
    for (xmlNode *e = c[2] ? c[2]->children : NULL; e; e = e->next)
        n += named(e, "DataManagementPackageEntityData");
    if (n > ENTITIES_MAX)
        return refuse(r, "The package has too many entities.", "", "");
    m->entities = arena_zalloc(r->a, (n + 1) * sizeof(*m->entities));
    for (xmlNode *e = c[2] ? c[2]->children : NULL; e; e = e->next)
        if (named(e, "DataManagementPackageEntityData") && !read_entity(r, e, &m->entities[m->n++]))
            return false;
    return true;
}

static bool check_header(struct reading *r, xmlDoc *doc)
{
    static const char *const NAMES[] = { "Description", "ManifestType", "PackageType", "PackageVersion" };
    xmlNode *root = xmlDocGetRootElement(doc), *c[COUNT(NAMES)];
    const char *type;
    int64_t version;

    if (!named(root, "DataManagementPackageHeader"))
        return refuse(
            r,
            "There is an error in XML document PackageHeader.xml. Expecting element 'DataManagementPackageHeader' "
            "from namespace '" DM_NS "'. Encountered 'Element' with name '",
            (const char *)root->name, "'.");
    members(r, root, NAMES, COUNT(NAMES), c);
    type = c[1] ? text_of(r, c[1]) : "";
    if (strcmp(type, MANIFEST_TYPE) != 0)
        return refuse(r, "The manifest type '", type, "' of the data package is not supported.");
    type = c[2] ? text_of(r, c[2]) : "";
    if (strcmp(type, "DefinitionGroup") != 0)
        return refuse(r, "The package type '", type, "' of the data package is not supported.");
    if (!get_int(r, c[3], 0, &version))
        return false;
    if (version != 1 && version != 2)
        return refuse(r, "The version of the data package is not supported.", "", "");
    return true;
}

enum dmf_package dmf_package_open(const char *path, bool strict, struct arena *a, zip_t **ret_zip,
                                  struct dmf_manifest *ret_m, char *msg, size_t msg_size)
{
    struct reading r = { .a = a, .strict = strict, .msg = msg, .msg_size = msg_size };
    struct dmf_manifest m = { 0 };
    xmlDoc *header = NULL, *manifest = NULL;
    int zerr = 0;
    zip_t *z = zip_open(path, ZIP_RDONLY, &zerr);
    bool ok;

    if (!z) {
        snprintf(msg, msg_size, "End of Central Directory record could not be found.");
        return DMF_PACKAGE_NOT_ZIP;
    }
    ok = (header = load(&r, z, "PackageHeader.xml")) && check_header(&r, header) &&
         (manifest = load(&r, z, "Manifest.xml")) && read_manifest(&r, manifest, &m);
    xmlFreeDoc(header);
    xmlFreeDoc(manifest);
    if (!ok) {
        zip_discard(z);
        return DMF_PACKAGE_REFUSED;
    }
    *ret_zip = z;
    *ret_m = m;
    return DMF_PACKAGE_OK;
}

/*
 * PackageHeader.xml and Manifest.xml as F&O writes them (UTF-16LE with BOM, mostly without declaration) and as tools
 * do (UTF-8). The documents are small, so they become trees; a DOCTYPE stops the parser before it is looked into, which
 * leaves no entities to expand.
 */
#include "dmf/dmf_parts.h"
#include "dmf/xml_stream.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* A tree takes some hundred octets per tag or attribute. Real manifests have ten thousand tags per 100 entities. */
enum { MAX_ENTITIES = 5000, MAX_FIELDS = 10000, MAX_TAGS = 2000000 };

/* A second line behind the guard: should a DOCTYPE ever get past it, the parser stops there. */
static void refuse_doctype(void *arg, const xmlChar *name, const xmlChar *external_id, const xmlChar *system_id)
{
    xmlParserCtxt *c = arg;

    (void)name, (void)external_id, (void)system_id;
    c->_private = c; /* the mark that xml_load() looks for */
    xmlStopParser(c);
}

static void quiet(void *arg, xmlError *e)
{
    (void)arg, (void)e;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static enum ec xml_load(const char *what, const char *p, size_t n, xmlDoc **ret, struct err *reterr)
{
    size_t bom;
    const char *encoding = dmf_xml_encoding(p, n, &bom), *why;
    struct xml_guard guard;
    xmlParserCtxt *c;
    xmlDoc *doc;
    bool doctype;
    enum ec rc = EC_OK;

    xml_guard_begin(&guard, encoding);
    p += bom, n -= bom;
    why = xml_guard_pass(&guard, p, n);
    if (why)
        return err_set(reterr, EC_FORMAT, "%s has %s", what, why);
    if (guard.tags > MAX_TAGS)
        return err_set(reterr, EC_LIMIT, "%s has more than %d tags and attributes", what, MAX_TAGS);
    (void)pthread_once(&once, xmlInitParser);
    c = xmlNewParserCtxt();
    BUG_IF(!c, "libxml2 gave no parser");
    c->sax->internalSubset = refuse_doctype;
    xmlSetStructuredErrorFunc(NULL, quiet); /* of this thread */
    doc = n <= INT32_MAX ? xmlCtxtReadMemory(c, p, (int)n, NULL, encoding,
                                             XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING)
                         : NULL;
    doctype = c->_private != NULL;
    if (doctype) {
        rc = err_set(reterr, EC_FORMAT, "%s has a DOCTYPE, which a data package never has", what);
    } else if (!doc || !c->wellFormed || !xmlDocGetRootElement(doc)) {
        char msg[160];

        snprintf(msg, sizeof(msg), "%s", c->lastError.message ? c->lastError.message : "no document");
        msg[strcspn(msg, "\r\n")] = 0;
        rc = err_set(reterr, EC_FORMAT, "%s, line %d: not well-formed XML: %s", what, c->lastError.line, msg);
    }
    xmlFreeParserCtxt(c);
    if (rc)
        xmlFreeDoc(doc);
    else
        *ret = doc;
    return rc;
}

/* Of our namespace, or of none: tools that write packages by hand often leave it out. */
static bool named(const xmlNode *n, const char *name)
{
    return n->type == XML_ELEMENT_NODE && !strcmp((const char *)n->name, name) &&
           (!n->ns || !n->ns->href || !strcmp((const char *)n->ns->href, DMF_NAMESPACE));
}

static const xmlNode *child(const xmlNode *parent, const char *name)
{
    for (const xmlNode *c = parent ? parent->children : NULL; c; c = c->next)
        if (named(c, name))
            return c;
    return NULL;
}

/* Text of a child element; absent when there is none or it is nil. */
static struct cell text(const xmlNode *parent, const char *name, struct arena *a)
{
    const xmlNode *n = child(parent, name);
    xmlChar *nil, *s;
    bool is_nil;
    struct cell c;

    if (!n)
        return CELL_ABSENT;
    nil = xmlGetNsProp((xmlNode *)n, (const xmlChar *)"nil", (const xmlChar *)DMF_NIL_NAMESPACE);
    is_nil = nil && (!strcmp((const char *)nil, "true") || !strcmp((const char *)nil, "1"));
    xmlFree(nil);
    if (is_nil)
        return CELL_ABSENT;
    s = xmlNodeGetContent((xmlNode *)n);
    c = cell_dup(a, cell_of(s ? (const char *)s : ""));
    xmlFree(s);
    return c;
}

static int number(const xmlNode *parent, const char *name, struct arena *a)
{
    int64_t v;

    return cell_to_i64(text(parent, name, a), &v) && v >= INT32_MIN && v <= INT32_MAX ? (int)v : 1;
}

static bool truth(const xmlNode *parent, const char *name, struct arena *a)
{
    struct cell c = text(parent, name, a);

    return cell_ieq(c, CELL_LIT("true")) || cell_is(c, "1");
}

static size_t count(const xmlNode *list, const char *name)
{
    size_t n = 0;

    for (const xmlNode *c = list ? list->children : NULL; c; c = c->next)
        n += named(c, name);
    return n;
}

static enum ec read_fields(const char *what, const xmlNode *list, struct arena *a, struct dmf_entity *e,
                           struct err *reterr)
{
    size_t n = count(list, "EntityMap");

    if (n > MAX_FIELDS)
        return err_set(reterr, EC_LIMIT, "%s: entity '" CELL_FMT "' has %zu field maps, more than %d", what,
                       CELL_ARG(e->label), n, MAX_FIELDS);
    e->fields = arena_zalloc(a, (n + 1) * sizeof(*e->fields));
    for (const xmlNode *c = list ? list->children : NULL; c; c = c->next) {
        struct dmf_field f = { 0 };

        if (!named(c, "EntityMap"))
            continue;
        f.staging = cell_upper(a, text(c, "EntityField", a));
        f.file = text(c, "XMLField", a);
        f.auto_generated = truth(c, "IsAutoGenerated", a);
        if (!cell_blank(f.staging)) /* a map without its target maps nothing */
            e->fields[e->n++] = f;
    }
    return EC_OK;
}

static enum ec read_entity(const char *what, const xmlNode *node, struct arena *a, struct dmf_entity *e,
                           struct err *reterr)
{
    e->label = text(node, "EntityName", a);
    if (cell_blank(e->label))
        return err_set(reterr, EC_FORMAT, "%s, line %ld: an entity without EntityName", what,
                       xmlGetLineNo((xmlNode *)node));
    e->aot = text(node, "TargetEntity", a);
    if (cell_blank(e->aot))
        e->aot = CELL_ABSENT;
    e->input_file = text(node, "InputFilePath", a);
    e->source_format = text(node, "SourceFormat", a);
    e->sheet = text(node, "ExcelSheetName", a);
    e->unit = number(node, "ExecutionUnit", a);
    e->level = number(node, "LevelInExecutionUnit", a);
    e->sequence = number(node, "SequenceInLevel", a);
    e->disabled = truth(node, "Disable", a);
    return read_fields(what, child(node, "EntityMapList"), a, e, reterr);
}

enum ec dmf_manifest_parse(const char *what, const char *p, size_t n, struct arena *a, struct dmf_package *ret,
                           struct err *reterr)
{
    struct dmf_package pkg = { 0 };
    const xmlNode *root, *list;
    xmlDoc *doc = NULL;
    size_t entities;
    enum ec rc = xml_load(what, p, n, &doc, reterr);

    if (rc)
        return rc;
    root = xmlDocGetRootElement(doc);
    if (!named(root, "DataManagementPackageManifest")) {
        rc = err_set(reterr, EC_FORMAT, "%s begins with '%.60s', not with DataManagementPackageManifest", what,
                     (const char *)root->name);
        goto out;
    }
    pkg.project = text(root, "DefinitionGroupName", a);
    pkg.description = text(root, "Description", a);
    list = child(root, "PackageEntityList");
    entities = count(list, "DataManagementPackageEntityData");
    if (entities > MAX_ENTITIES) {
        rc = err_set(reterr, EC_LIMIT, "%s has %zu entities, more than %d", what, entities, MAX_ENTITIES);
        goto out;
    }
    pkg.entities = arena_zalloc(a, (entities + 1) * sizeof(*pkg.entities));
    for (const xmlNode *c = list ? list->children : NULL; c && !rc; c = c->next)
        if (named(c, "DataManagementPackageEntityData"))
            rc = read_entity(what, c, a, &pkg.entities[pkg.n++], reterr);
out:
    xmlFreeDoc(doc);
    if (!rc)
        *ret = pkg;
    return rc;
}

enum ec dmf_header_parse(const char *what, const char *p, size_t n, struct err *reterr)
{
    struct arena a = { 0 };
    struct cell type, version;
    const xmlNode *root;
    xmlDoc *doc = NULL;
    enum ec rc = xml_load(what, p, n, &doc, reterr);

    if (rc)
        return rc;
    root = xmlDocGetRootElement(doc);
    type = text(root, "PackageType", &a);
    version = text(root, "PackageVersion", &a);
    if (!named(root, "DataManagementPackageHeader"))
        rc = err_set(reterr, EC_FORMAT, "%s begins with '%.60s', not with DataManagementPackageHeader", what,
                     (const char *)root->name);
    else if (!cell_is(text(root, "ManifestType", &a), DMF_MANIFEST_TYPE) || !cell_is(type, "DefinitionGroup"))
        rc =
            err_set(reterr, EC_FORMAT, "%s: package type '" CELL_FMT "' is not a data package", what, CELL_ARG(type));
    else if (!cell_is(version, "1") && !cell_is(version, "2"))
        rc = err_set(reterr, EC_FORMAT, "%s: package version '" CELL_FMT "' is not known", what, CELL_ARG(version));
    arena_release(&a);
    xmlFreeDoc(doc);
    return rc;
}

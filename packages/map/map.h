/*
 * map.h -- one dual-write map: the JSON document as it is, and what it says.
 * Layer: map. Source: the shape of msdyn_dualwriteentitymap.msdyn_mapping as found in Microsoft's published solutions; field
 * pairs in "Dual-write mapping reference". Errors: EC_FORMAT with file, leg and field; EC_IO. Lossless: unknown keys stay in
 * `doc` and are written back. Threads: immutable after reading.
 */
#ifndef MAP_MAP_H
#define MAP_MAP_H

#include "data/cell.h"
#include "data/json.h"

enum map_dir { DIR_TO_DV = 1, DIR_TO_FNO = 2, DIR_BOTH = 3 };
struct map_pair {
    struct cell key, value;
}; /* value-map entry: F&O element -> Dataverse text */
struct map_seg {
    struct cell name;
    struct cell target; /* polymorphic: Target(key); absent otherwise */
};
struct map_field {
    size_t index; /* position in the document */
    const struct json *doc; /* the object there: transforms in full, members that are not known */
    enum map_dir dir;
    struct cell source; /* F&O staging name; absent = constant towards Dataverse */
    struct cell destination; /* column or path as written; absent = constant towards F&O */
    struct map_seg *path; /* destination split at dots; n_path 1 = plain column */
    size_t n_path;
    struct cell related_entity; /* destinationLookupFieldRelatedEntity (entity set), absent = none */
    bool system_generated;
    bool has_map; /* transformType ValueMap */
    struct map_pair *pairs;
    size_t n_pairs;
    bool has_default; /* transformType Default */
    struct cell default_value; /* absent = null */
    struct cell unknown_transform; /* another transformType: bind refuses it; absent = none */
};
struct map {
    struct arena arena; /* owns everything */
    struct json *doc; /* the document, for writing back */
    struct cell file; /* where it came from, for messages */
    struct cell name; /* "Customers V3 (accounts)": standard name built from label and set */
    struct cell label; /* F&O entity label (sourceSchema) */
    struct cell set; /* Dataverse entity set (destinationSchema) */
    struct cell source_filter; /* X++ range expression, absent or blank = none */
    struct cell reversed_filter; /* OData $filter, absent or blank = none */
    bool reversed_legs; /* source is CRM: fields were turned round on reading */
    struct map_field *fields;
    size_t n;
};
/* Reads a bare mapping document (other forms: map/import.h). A JSON string holding JSON is decoded. */
enum ec map_read_file(const char *path, struct map **ret, struct err *reterr);
enum ec map_read_text(const char *what, const char *p, size_t n, struct map **ret, struct err *reterr);
void map_free(struct map *m);
/* "1", "2", "3" and the words for them, any case. */
bool map_direction(struct cell text, enum map_dir *ret);
/* Laid out for version control: two-space indent, LF, member order kept, fields in document order. */
enum ec map_write_file(const struct map *m, const char *path, struct err *reterr);
void map_write_text(const struct map *m, struct strbuf *out);
/*
 * One spelling of what services and exports spell in several ways, so that the same map gives the same file: directions
 * as 1, 2, 3; yes and no as JSON's true and false. Everything else stays.
 */
void map_normalise(struct map *m);
/* "=", ">", "<", with a transform "><", ">>", "<<": the signs of dual-write's own mapping page. */
const char *map_sign(const struct map_field *f);
/* "accounts--customers-v3" */
char *map_stem(const struct map *m, struct arena *a);
/* Does `text` name this map? Full name, "[label] - [set]", or the file's stem, ignoring case. */
bool map_named(const struct map *m, const char *text);
bool map_dir_to_dv(enum map_dir d);
bool map_dir_to_fno(enum map_dir d);

#endif

/* dmf_parts.h -- what the files of dmf/ share. Layer: dmf, private to it. */
#ifndef DMF_DMF_PARTS_H
#define DMF_DMF_PARTS_H

#include "data/canon.h"
#include "dmf/dmf.h"

#include <zip.h>

#define DMF_NAMESPACE "http://schemas.microsoft.com/dynamics/2015/01/DataManagement"
#define DMF_NIL_NAMESPACE "http://www.w3.org/2001/XMLSchema-instance"
#define DMF_HEADER_NAME "PackageHeader.xml"
#define DMF_MANIFEST_NAME "Manifest.xml"
#define DMF_COMMENT "dmfsync; " /* of the zip, followed by the compressor's name */
#define DMF_MANIFEST_TYPE \
    "Microsoft.Dynamics.AX.Framework.Tools.DataManagement.Serialization.DataManagementPackageManifest"

/* What writing found out about an entity. */
struct dmf_written {
    bool *qualified; /* per field: a value stands in text qualifiers */
    uint64_t rows;
};
/* The two documents, UTF-8. EC_FORMAT when a name holds a character that XML does not have. */
enum ec dmf_header_text(const struct dmf_package *p, struct strbuf *out, struct err *reterr);
enum ec dmf_manifest_text(const struct dmf_package *p, const struct dmf_written *w, struct strbuf *out,
                          struct err *reterr);
/*
 * Appends the text escaped for XML, line ends and tabs as references where a reader would normalise them. NULL, or why
 * the text cannot stand in XML 1.0 (then some of it may have been appended).
 */
const char *dmf_xml_escape(struct strbuf *out, struct cell text);

/* Reads the documents from memory. Unknown elements are passed over; a DOCTYPE is refused before it is looked into. */
enum ec dmf_header_parse(const char *what, const char *p, size_t n, struct err *reterr);
enum ec dmf_manifest_parse(const char *what, const char *p, size_t n, struct arena *a, struct dmf_package *ret,
                           struct err *reterr);

/* The columns of a data file by staging name; XML brings new ones with any row. */
struct dmf_columns {
    struct cell *staging;
    size_t n, cap;
    const struct dmf_entity *entity;
    struct arena a;
};
/* Index of the column that the file calls `file_name`, added when new. */
size_t dmf_columns_add(struct dmf_columns *c, struct cell file_name);
int dmf_columns_find(const struct dmf_columns *c, struct cell staging);

struct dmf_xml_rows;
/* Gives octets: their number, 0 at the end, -1 with *reterr filled. */
typedef int64_t dmf_fill(void *arg, void *buf, size_t n, struct err *reterr);
/* fill gives the octets of the data file; everything else as dmf_rows_next(). */
enum ec dmf_xml_rows_open(const char *name, dmf_fill *fill, void *arg, struct dmf_columns *columns,
                          struct dmf_xml_rows **ret, struct err *reterr);
enum ec dmf_xml_rows_next(struct dmf_xml_rows *x, struct arena *a, struct cell **ret_cells, size_t *ret_n,
                          const char **ret_fault, bool *ret_more, struct err *reterr);
void dmf_xml_rows_close(struct dmf_xml_rows *x);

static inline struct cell field_column(const struct dmf_field *f)
{
    return cell_blank(f->file) ? f->staging : f->file;
}

#endif

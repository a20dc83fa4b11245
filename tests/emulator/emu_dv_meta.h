/*
 * emu_dv_meta.h -- what the two files of the definitions share: JSON objects that follow a $select, filters on them.
 */
#ifndef EMU_DV_META_H
#define EMU_DV_META_H

#include "emu_dv.h"
#include "emu_dv_filter.h"

struct dv_meta_object {
    struct strbuf *out;
    const char *select; /* NULL = everything */
    size_t n; /* members so far */
};
bool dv_meta_wants(const struct dv_meta_object *o, const char *name);
void dv_meta_raw(struct dv_meta_object *o, const char *name, const char *json);
void dv_meta_text(struct dv_meta_object *o, const char *name, const char *text); /* NULL = null */
void dv_meta_bool(struct dv_meta_object *o, const char *name, bool v);
void dv_meta_id(struct dv_op *op, struct dv_meta_object *o, const char *what); /* MetadataId: always there */
void dv_meta_label(struct strbuf *out, const char *text);

/* `known`: " Name Name ... " with blanks on both sides. */
bool dv_meta_check_select(struct dv_op *op, const char *select, const char *known, const char *type);
bool dv_meta_read_filter(struct dv_op *op, const char *known, const char *type, struct dv_fnode **ret);
bool dv_meta_filter(const struct dv_fnode *n, const char *(*get)(const void *, const char *), const void *arg);

/* Objects of a table's columns; cast NULL = all, else "String" and the like. */
size_t dv_meta_attributes(struct dv_op *op, struct strbuf *out, const struct dv_table *t, const char *cast,
                          const char *select, const char *expand, const struct dv_fnode *filter);
bool dv_meta_attribute_path(struct dv_op *op, const struct dv_table *t, const char *rest); /* behind "/Attributes" */

#endif

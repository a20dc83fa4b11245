/* synapse_parts.h -- the folder's files: which there are, and the columns of each. Layer: sync, private to synapse*.c. */
#ifndef SYNC_SYNAPSE_PARTS_H
#define SYNC_SYNAPSE_PARTS_H

#include "data/json.h"
#include "sync/synapse.h"

struct synapse_folder {
    const char *name, *path;
};
struct synapse {
    struct arena a;
    const char *dir, *tmp;
    struct synapse_folder *folders; /* in the order of time, without the one that is being written */
    size_t n;
    char as_of[32];
};
enum ec synapse_open(const char *dir, const char *tmp, struct synapse **ret, struct err *reterr);
void synapse_close(struct synapse *s);
/* The table's attributes and files in one folder; *ret_n_files 0 = nothing of it there. */
struct synapse_files {
    struct cell *attributes;
    size_t n;
    bool *booleans; /* n */
    char **paths;
    size_t n_files;
    enum { SYNC_NOT_TOLD, SYNC_GOING_ON, SYNC_COMPLETED } initial;
};
enum ec synapse_files_of(const struct synapse *s, size_t folder, struct cell table, struct arena *a,
                         struct synapse_files *ret, struct err *reterr);
/* As dict_source: the table's rows as they are after the last folder. */
enum ec synapse_scan(void *synapse, const struct dv_table *t, const char *select, json_row_fn *row, void *row_arg,
                     struct err *reterr);

#endif

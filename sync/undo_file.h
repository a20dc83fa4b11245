/* undo_file.h -- one CSV file in .dmfsync/undo/: written beside, published whole. Layer: sync, private to undo. */
#ifndef SYNC_UNDO_FILE_H
#define SYNC_UNDO_FILE_H

#include "loader/public/load.h"
#include "store/leaf.h"

struct undo_file {
    int fd; /* 0 = not open */
    char *path, *part;
    struct strbuf out;
    bool begun; /* the row has a cell */
};
enum ec undo_file_open(struct map_ctx *m, struct undo_file *f, struct arena *a, struct err *reterr, const char *fmt,
                       ...) PRINTF_LIKE(5, 6);
void undo_file_cell(struct undo_file *f, struct cell text);
enum ec undo_file_row(struct undo_file *f, struct err *reterr);
/* With `rows` the file appears, without it the one that was there goes. *ret_path "" = no file. `rc` = what went wrong before. */
enum ec undo_file_close(struct undo_file *f, bool rows, enum ec rc, char **ret_path, struct err *reterr);

#endif

/*
 * leaf_sql.h -- leaf files in SQL: the table-valued function delta(A, B), tables over one file, and packed rows as cells.
 * Layer: store. For `dmfsync sql` and for the loadable extension, which is this file and what it stands on, compiled with
 * DMFSYNC_EXTENSION (then SQLite is called as the host gives it). Nothing here is named by the schema of any file.
 *
 *   delta(A, B)              the merge of two leaf files, keys that differ or are on one side only; A and B are paths
 *   create virtual table temp.T using delta('SQL', 'SQL')
 *                            the same under a name, where T without arguments gives the rows of the first statement, and A and B
 *                            are put through the second (?1 to path) before they are taken for paths
 *   create virtual table temp.T using dmfsync_rows('FILE')
 *                            all rows of one leaf file, a column per field
 *   dmfsync_cell(ROW, N)     cell N (from 0) of a packed row
 *   dmfsync_json(ROW, FILE)  a packed row as a JSON object, with the names of FILE's fields
 */
#ifndef STORE_LEAF_SQL_H
#define STORE_LEAF_SQL_H

#include <sqlite3.h>

int leaf_sql_register(sqlite3 *db); /* an SQLite code */

#endif

/*
 * sql_views.h -- what `dmfsync sql` and the loadable extension add to a map's state.db, in the schema `temp`: nothing is written.
 * Layer: sync; stands on store alone, since the extension is made of it.
 *
 *   delta           the stored delta, rows as JSON; delta(A, B) compares two snapshots: fno, dataverse (the newest of the side), an id
 *                   of main.snapshot, a file's name, a path
 *   snapshot        all rows of the newest snapshots, a column per field; snapshot_fno and snapshot_dataverse: one side
 *   baseline        the merge base as it is now
 *   ledger          where the source rows are: packages as ranges, each row apart that did not simply land
 *
 * They hide tables of the same name, which stay main.delta, main.snapshot and main.baseline.
 */
#ifndef SYNC_SQL_VIEWS_H
#define SYNC_SQL_VIEWS_H

#include "store/sqlite_host.h"
#include "base/strbuf.h"

/* `db` has a state.db as `main`. ret_notes: why a view is not there, a line each. EC_DB. */
enum ec sql_views_open(sqlite3 *db, struct strbuf *ret_notes, struct err *reterr);

#endif

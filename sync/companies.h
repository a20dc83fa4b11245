/*
 * companies.h -- the map of the companies themselves (legal entities -> cdm_companies): F&O's are never made by us, Dataverse's only
 * where the settings say so, and the rest waits until each has its owning team. Layer: sync.
 */
#ifndef SYNC_COMPANIES_H
#define SYNC_COMPANIES_H

#include "loader/public/pair.h"

bool companies_map(const struct map_ctx *m);
/* Companies that F&O has and Dataverse has not are only created when the settings say so (create_companies). */
bool companies_may_write(const struct map_ctx *m);
/*
 * Reads both sides' companies again until each wanted one has its default owning team: it appears some time after the row, and
 * without it rows would belong to the wrong owner. EC_DATAVERSE after five minutes, naming the company.
 */
enum ec companies_await_teams(struct map_ctx *m, struct err *reterr);

#endif

/*
 * canon_quick.h -- cells that are seen to be canonical, or nearly, without the full look of canon_cell().
 * Layer: data. It never says otherwise than canon_cell() would (tests/unit/test_canon_quick.c plants cells of every kind); what
 * it does not recognise goes there.
 */
#ifndef DATA_CANON_QUICK_H
#define DATA_CANON_QUICK_H

#include "data/canon.h"

/*
 * `in` is valid UTF-8 without control characters but tab, LF and CR; `plain`: nor LF, nor CR, nor an octet from 0xCC on, so that it
 * surely is in normal form C. True: *ret is the canonical cell, borrowed from `in`. As the services write: no pattern of dates.
 */
bool canon_quick(const struct canon_rule *rule, struct cell in, bool plain, struct cell *ret);

#endif

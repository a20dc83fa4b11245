/*
 * text_width.h -- how many columns of a terminal a text takes.
 * Layer: cli. Without locales (the program never calls setlocale), so the wide ranges of East Asian scripts are known
 * here.
 */
#ifndef CLI_TEXT_WIDTH_H
#define CLI_TEXT_WIDTH_H

#include "data/cell.h"

size_t text_width(struct cell c);
/* The longest prefix that takes at most `width` columns. */
struct cell text_cut(struct cell c, size_t width);

#endif

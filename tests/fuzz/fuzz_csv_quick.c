/*
 * fuzz_csv_quick.c -- any octets as a CSV file, through the quick reader and through libcsv alone: the same rows, cells, places
 * and faults. Octet 0 chooses the delimiter, octet 1 the row ceiling and how the file is fed, the rest is the file.
 */
#include "csv_pair.h"
#include "fuzz_must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char DELIMITERS[] = ",;\t|";
    struct csv_dialect d = { 0 };

    if (n < 2)
        return 0;
    d.delimiter = DELIMITERS[data[0] % 4];
    d.max_row_octets = data[1] & 1 ? 40 : 0;
    MUST(csv_pair_same((const char *)data + 2, n - 2, &d, (size_t)(data[1] >> 1) + 1));
    return 0;
}

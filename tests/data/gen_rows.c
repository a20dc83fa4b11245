/*
 * gen_rows.c -- rows of a customers file for measurements: 22 columns, some 215 octets a row, of one company.
 *
 *   gen_rows [--company C] ROWS >FILE
 *
 * Every row is good. An eighth of the names are quoted with doubled quotes in them, a fifth quoted for a comma; three in a hundred
 * notes go over several lines; names are of many languages. A row follows from its number alone.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const FIRST[] = { "Ana",    "Björn", "Chloé",  "Dmitri",    "Éva",    "Fatima", "Günther",
                                     "Hélène", "Iñaki", "Jürgen", "Katarzyna", "Łukasz", "María",  "Nguyễn",
                                     "Øyvind", "Péter", "Quinn",  "Renée",     "Søren",  "Tomáš",  "Ümit",
                                     "Věra",   "Wei",   "Xenia",  "Yusuf",     "Zoë" };
static const char *const FIRM[] = { "Contoso",
                                    "Fabrikam",
                                    "Adventure Works",
                                    "Northwind",
                                    "Tailspin",
                                    "Wingtip",
                                    "Litware",
                                    "Proseware",
                                    "Alpine Ski House",
                                    "Fourth Coffee",
                                    "Graphic Design",
                                    "Humongous Insurance",
                                    "Lucerne Publishing",
                                    "Margie's Travel",
                                    "Trey Research",
                                    "Woodgrove Bank",
                                    "東京商事",
                                    "Société Générale d'Import" };
static const char *const FORM[] = { "GmbH", "Ltd.", "Inc.", "S.A.", "AB", "Oy", "A/S", "BV", "Sp. z o.o.", "Pty" };
static const char *const COUNTRY[] = { "DEU", "GBR", "USA", "FRA", "SWE", "FIN",
                                       "DNK", "NLD", "POL", "AUS", "BRA", "CAN" };
static const char *const CURRENCY[] = { "EUR", "GBP", "USD", "EUR", "SEK", "EUR",
                                        "DKK", "EUR", "PLN", "AUD", "BRL", "CAD" };
static const char *const STATE[] = { "", "", "", "KENT", "WA", "NY", "BY", "HH", "SP", "QC", "NSW", "" };
static const char *const GROUP[] = { "10", "20", "30", "40", "80", "90", "INTER", "RETAIL" };
static const char *const TERMS[] = { "NET10", "NET15", "NET30", "NET45", "NET60", "COD" };
static const char *const HOLD[] = {
    "No", "No", "No", "No", "No", "Invoice", "All", "Payment", "Requisition", "Never"
};
static const char *const METHOD[] = { "CASH", "CHECK", "WIRE", "CARD" };

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9U;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBU;
    return x ^ x >> 31;
}
#define PICK(list, h) ((list)[(size_t)(h) % COUNT(list)])

static void put_name(uint64_t h, uint64_t g)
{
    unsigned q = (unsigned)(h >> 20) % 100;

    if (q < 12)
        printf("\"%s \"\"%s\"\" %s\",", PICK(FIRM, h >> 8), PICK(FIRST, g), PICK(FORM, h >> 12));
    else if (q < 30)
        printf("\"%s, %s %s\",", PICK(FIRM, h >> 8), PICK(FIRST, g), PICK(FORM, h >> 12));
    else
        printf("%s %s %s,", PICK(FIRM, h >> 8), PICK(FIRST, g), PICK(FORM, h >> 12));
}

static void put_memo(uint64_t g, uint64_t k)
{
    unsigned s = (unsigned)(k >> 30) % 100;

    if (s < 3)
        printf("\"%s Street %u\nBuilding %c\nFloor %u\",", PICK(FIRST, k), (unsigned)(k >> 40) % 400,
               'A' + (int)(k % 20), (unsigned)(g % 12));
    else if (s < 23)
        printf("\"Note: said \"\"%s\"\", see ticket %u\",", PICK(FIRST, k >> 3), (unsigned)(k % 99999));
    else if (s < 60)
        printf("\"%s Street %u, %u\",", PICK(FIRST, k), (unsigned)(k >> 40) % 400, (unsigned)(g % 90));
    else
        printf("contact%u@example%u.com,", (unsigned)(g % 10000000), (unsigned)(k % 977));
}

static void put_row(uint64_t id, const char *company)
{
    uint64_t h = mix(id * 0x9E3779B97F4A7C15U + 1), g = mix(h + 7), k = mix(g + 13);
    unsigned c = (unsigned)(h % COUNT(COUNTRY));

    printf("C-%010llu,%s,", (unsigned long long)id, company);
    put_name(h, g);
    printf("%s,%s,%s,%llu.%02llu,%s,%s,", (g >> 5) % 10 ? "Organization" : "Person", PICK(GROUP, g >> 8), CURRENCY[c],
           (unsigned long long)((k >> 10) % 100000), (unsigned long long)(k % 100), (g >> 9) & 1 ? "Yes" : "No",
           (g >> 11) & 3 ? "Good" : "");
    put_memo(g, k);
    printf("%s%09u,%s,%s,%s,%s,%s,%s,%u,", COUNTRY[c], (unsigned)(g >> 30) % 1000000000, (g >> 12) & 7 ? "No" : "Yes",
           PICK(HOLD, g >> 16), COUNTRY[c], STATE[c], PICK(METHOD, h >> 30), PICK(TERMS, k >> 7),
           (unsigned)(k >> 50) % 60);
    printf("%s%08u,+%u %07u,", COUNTRY[c], (unsigned)(h >> 33) % 100000000, (unsigned)(h % 90 + 1),
           (unsigned)(k >> 20) % 10000000);
    if ((g >> 50) % 4)
        printf("V-%08u", (unsigned)(k % 100000000));
    printf(",20%02u-%02u-%02uT%02u:%02u:%02uZ,en-%s\r\n", (unsigned)(h >> 3) % 26, (unsigned)(h >> 11) % 12 + 1,
           (unsigned)(h >> 17) % 28 + 1, (unsigned)(g >> 3) % 24, (unsigned)(g >> 13) % 60, (unsigned)(k >> 3) % 60,
           (h >> 40) & 1 ? "us" : "gb");
}

int main(int argc, char **argv)
{
    const char *company = "usmf";
    uint64_t n;
    int at = 1;

    if (argc > 2 && !strcmp(argv[1], "--company")) {
        company = argv[2];
        at = 3;
    }
    if (at + 1 != argc || !(n = strtoull(argv[at], NULL, 10))) {
        fprintf(stderr, "usage: gen_rows [--company C] ROWS\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    printf("CUSTOMERACCOUNT,DATAAREAID,ORGANIZATIONNAME,PARTYTYPE,CUSTOMERGROUPID,SALESCURRENCYCODE,CREDITLIMIT,"
           "CREDITLIMITISMANDATORY,CREDITRATING,SALESMEMO,IDENTIFICATIONNUMBER,ISONETIMECUSTOMER,ONHOLDSTATUS,"
           "PARTYCOUNTRY,"
           "PARTYSTATE,PAYMENTMETHOD,PAYMENTTERMS,PAYMENTTERMSBASEDAYS,TAXEXEMPTNUMBER,PRIMARYCONTACTPHONE,"
           "VENDORACCOUNT,"
           "ADDRESSVALIDFROM,LANGUAGEID\r\n");
    for (uint64_t i = 0; i < n; i++)
        put_row(i * 2, company);
    return fflush(stdout) || ferror(stdout) ? 1 : 0;
}

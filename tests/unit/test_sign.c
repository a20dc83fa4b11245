/* test_sign.c -- Ed25519 with files: what is signed is verified, what was changed is not; files that are no such keys. */
#include "base/file.h"
#include "data/sign.h"
#include "check.h"

#include <unistd.h>

/* RFC 8032, 7.1, test 2: one octet 0x72. */
static const char PRIVATE[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
                              "-----END PRIVATE KEY-----\n";
static const char PUBLIC_HEX[] = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
static char dir[] = "/tmp/dmfsync-sign.XXXXXX";

static const char *put(const char *name, const char *text, struct arena *a)
{
    struct err e = { 0 };
    char *path = arena_printf(a, "%s/%s", dir, name);

    CHECK_OK(file_write_atomic(path, text, strlen(text), 0600, &e), &e);
    return path;
}

static void signing(void **state)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct sign_key *k = NULL;
    char hex[SIGN_HEX + 1], public[SIGN_KEY_HEX + 1], from_file[SIGN_KEY_HEX + 1];
    const char *path = put("key.pem", PRIVATE, &a);

    (void)state;
    CHECK_OK(sign_key_read(path, &k, &e), &e);
    sign_key_public(k, public);
    CHECK_STR(public, PUBLIC_HEX, "the public part");
    CHECK_OK(sign_public_read(path, from_file, &e), &e);
    CHECK_STR(from_file, PUBLIC_HEX, "out of the private one's file");
    CHECK_OK(sign_octets(k, "r", 1, hex, &e), &e);
    CHECK_STR(hex,
              "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2e"
              "aeb4302"
              "aeeb00d291612bb0c00",
              "RFC 8032's signature");
    CHECK(sign_verify(cell_of(public), "r", 1, cell_of(hex)), "as it was signed");
    CHECK(!sign_verify(cell_of(public), "s", 1, cell_of(hex)), "another text");
    CHECK(!sign_verify(cell_of(public), "r", 0, cell_of(hex)), "a shorter text");
    for (size_t i = 0; i < SIGN_HEX; i += 9) {
        char was = hex[i];

        hex[i] = was == '0' ? '1' : '0';
        CHECK(!sign_verify(cell_of(public), "r", 1, cell_of(hex)), "another signature, digit %zu", i);
        hex[i] = was;
    }
    CHECK(!sign_verify(CELL_ABSENT, "r", 1, cell_of(hex)), "no key");
    CHECK(!sign_verify(cell_of(public), "r", 1, CELL_LIT("")), "no signature");
    CHECK(!sign_verify(cell_of("zz"), "r", 1, cell_of(hex)), "a key that is none");
    hex[0] = 'g';
    CHECK(!sign_verify(cell_of(public), "r", 1, cell_of(hex)), "not hex");
    sign_key_free(k);
    sign_key_free(NULL);
    arena_release(&a);
}

static void files(void **state)
{
    static const struct {
        const char *name, *text;
    } CASES[] = {
        { "empty", "" },
        { "nothing", "hello\n" },
        { "cut off", "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n" },
        { "another curve", "-----BEGIN PRIVATE KEY-----\n"
                           "MC4CAQAwBQYDK2VuBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
                           "-----END PRIVATE KEY-----\n" }, /* X25519: for agreeing on keys, not for signing */
    };
    struct arena a = { 0 };
    char hex[SIGN_KEY_HEX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *path = put("bad.pem", CASES[i].text, &a);
        struct sign_key *k = NULL;
        struct err e = { 0 };

        CHECK(sign_key_read(path, &k, &e) == EC_CONFIG && !k && e.hint[0], "%s", CASES[i].name);
        CHECK(sign_public_read(path, hex, &e) == EC_CONFIG, "%s, public", CASES[i].name);
    }
    CHECK(sign_public_read(arena_printf(&a, "%s/none", dir), hex, NULL) != EC_OK, "no file");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(signing), cmocka_unit_test(files) };
    int failed;

    if (!mkdtemp(dir))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)dir_empty(dir, NULL);
    (void)rmdir(dir);
    return failed;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SHA-1 of libmd, which DBUS_COOKIE_SHA1 uses: the test vectors of RFC 3174, section 7.3, and texts
 * of 0, 55 and 56 bytes, in pieces of 1 to 200 bytes. The vector of a million bytes is passed byte
 * by byte only.
 */

#include <sha1.h>
#include <string.h>

#include "test/unit/suite.h"

static const struct {
        const char *text;
        unsigned repeat;
        uint8_t digest[SHA1_DIGEST_LENGTH];
} vectors[] = {
        {"", 1, {0xda, 0x39, 0xa3, 0xee, 0x5e, 0x6b, 0x4b, 0x0d, 0x32, 0x55,
                 0xbf, 0xef, 0x95, 0x60, 0x18, 0x90, 0xaf, 0xd8, 0x07, 0x09}},
        {"abc", 1, {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
                    0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d}},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         1,
         {0x84, 0x98, 0x3e, 0x44, 0x1c, 0x3b, 0xd2, 0x6e, 0xba, 0xae,
          0x4a, 0xa1, 0xf9, 0x51, 0x29, 0xe5, 0xe5, 0x46, 0x70, 0xf1}},
        {"a", 1000000, {0x34, 0xaa, 0x97, 0x3c, 0xd4, 0xc4, 0xda, 0xa4, 0xf6, 0x1e,
                        0xeb, 0x2b, 0xdb, 0xad, 0x27, 0x31, 0x65, 0x34, 0x01, 0x6f}},
        {"0123456701234567012345670123456701234567012345670123456701234567",
         10,
         {0xde, 0xa3, 0x56, 0xa2, 0xcd, 0xdd, 0x90, 0xc7, 0xa7, 0xec,
          0xed, 0xc5, 0xeb, 0xb5, 0x63, 0x93, 0x4f, 0x46, 0x04, 0x52}},
        {"0123456789012345678901234567890123456789012345678901234",
         1,
         {0x9f, 0x3a, 0x4c, 0xe7, 0xf6, 0x6b, 0x1b, 0x74, 0xc3, 0x4d,
          0xa2, 0xc5, 0xd7, 0x32, 0xc3, 0x9f, 0x81, 0xe0, 0xf8, 0xdf}},
        {"01234567890123456789012345678901234567890123456789012345",
         1,
         {0x0a, 0x40, 0xb8, 0xfb, 0xda, 0xaf, 0xb7, 0xc2, 0x96, 0x51,
          0x61, 0x8a, 0xc1, 0x5d, 0x27, 0xe7, 0x72, 0x28, 0x71, 0x30}},
};

START_TEST(digest_is_that_of_the_standard) {
        for (size_t piece = 1; piece <= 200; piece++) {
                uint8_t digest[SHA1_DIGEST_LENGTH];
                SHA1_CTX sha1;

                if (vectors[_i].repeat > 1000 && piece > 1)
                        break;
                SHA1Init(&sha1);
                for (unsigned n = 0; n < vectors[_i].repeat; n++)
                        for (size_t at = 0, size = strlen(vectors[_i].text); at < size; at += piece)
                                SHA1Update(&sha1, (const uint8_t *)vectors[_i].text + at,
                                           size - at < piece ? size - at : piece);
                SHA1Final(digest, &sha1);
                ck_assert_mem_eq(digest, vectors[_i].digest, SHA1_DIGEST_LENGTH);
        }
}
END_TEST

int main(void) {
        TCase *tcase = tcase_create("all");

        tcase_add_loop_test(tcase, digest_is_that_of_the_standard, 0,
                            sizeof(vectors) / sizeof(vectors[0]));
        return suite_run("sha1", tcase);
}

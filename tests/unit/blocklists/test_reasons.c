/* Why lines were not taken: counted, kept as text, in the store, and read back from any text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/stat.h>

#include "blocklists/layout.h"
#include "blocklists/reasons.h"
#include "blocklists/seal.h"
#include "tests/support/store_fixture.h"

static void written_and_read(void **state)
{
    struct bl_reasons malformed = {0}, unused = {0};
    char text[BL_REASONS_TEXT_MAX];
    const char *at = text;
    struct bl_reason_line line;

    (void)state;
    bl_reasons_note(&malformed, "an empty label", 1);
    bl_reasons_note(&unused, "a pattern", UINT32_MAX);
    bl_reasons_note(&malformed, "an empty label", 2);
    bl_reasons_write(&malformed, &unused, text);
    assert_string_equal(text, "!3 an empty label\n-4294967295 a pattern\n");
    assert_true(bl_reasons_are_whole(text));
    assert_true(bl_reasons_next(&at, &line) && line.malformed && line.count == 3);
    assert_true(bl_reasons_next(&at, &line) && !line.malformed && line.count == UINT32_MAX);
    assert_int_equal(line.reason_len, strlen("a pattern"));
    assert_memory_equal(line.reason, "a pattern", 9);
    assert_false(bl_reasons_next(&at, &line));
}

static void bounded(void **state)
{
    static char names[2 * BL_REASONS_MAX][600];
    struct bl_reasons reasons = {0};
    char text[BL_REASONS_TEXT_MAX];
    uint64_t total = 0;

    (void)state;
    for (unsigned i = 0; i < 2 * BL_REASONS_MAX; i++) {
        memset(names[i], 'a' + (int)(i % 26), sizeof names[i] - 1);
        names[i][0] = (char)('A' + i);
        bl_reasons_note(&reasons, names[i], 1);
    }
    assert_int_equal(reasons.count, BL_REASONS_MAX);
    for (unsigned i = 0; i < reasons.count; i++)
        total += reasons.each[i].count;
    assert_int_equal(total, 2 * BL_REASONS_MAX);
    assert_string_equal(reasons.each[BL_REASONS_MAX - 1].reason, "other reasons");
    bl_reasons_write(&reasons, &reasons, text);
    assert_true(strlen(text) > BL_REASONS_TEXT_MAX / 2 && bl_reasons_are_whole(text));
}

static void damaged_texts(void **state)
{
    static const char *const texts[] = {"3 a\n",     "!3 a",    "!3a\n",
                                        "! a\n",     "!-3 a\n", "\n",
                                        "!3 a\n\n",  "!3 a\n?", "-1234567890123456789 a\n",
                                        "!3 a\n-4 b"};
    static char large[BL_REASONS_TEXT_MAX + 16];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (bl_reasons_are_whole(texts[i]))
            fail_msg("\"%s\" is no row of reasons", texts[i]);
    memset(large, 'x', sizeof large - 1);
    memcpy(large, "!1 ", 3);
    large[sizeof large - 2] = '\n';
    assert_false(bl_reasons_are_whole(large));
    for (size_t i = 0; i + 5 <= sizeof large; i += 5)
        memcpy(large + i, "!1 a\n", 6);
    assert_false(bl_reasons_are_whole(large));
}

/* Opens the staged store with one octet of it changed, rightly signed; NULL where it is refused. */
static struct bl_store *changed_open(int fd, const char *near, size_t before, uint8_t octet)
{
    struct bl_store *store = NULL;
    struct stat status;
    uint8_t *bytes, *found;
    size_t len;
    char path[64];

    assert_int_equal(fstat(fd, &status), 0);
    len = (size_t)status.st_size - BL_TRAILER_SIZE;
    bytes = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(bytes != MAP_FAILED);
    found = memmem(bytes, len, near, strlen(near));
    assert_non_null(found);
    *(found - before) = octet;
    assert_int_equal(bl_seal_bytes(bytes, len, bytes + len + BL_TRAILER_SHA256), 0);
    assert_int_equal(bl_seal_sum(bytes + len), 0);
    munmap(bytes, (size_t)status.st_size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    (void)bl_store_open(path, &store, NULL);
    return store;
}

static void in_the_store(void **state)
{
    static const struct fixture_list lists[] = {{"games", BL_TIER_SCHOOL, "play.test # #"}};
    struct bl_store *store = fixture_store(lists, 1, NULL), *again;
    int fd;

    (void)state;
    assert_string_equal(bl_store_source(store, 0)->reasons, "!2 a mark\n");
    again = fixture_store(NULL, 0, store); /* carried over by the next import */
    assert_string_equal(bl_store_source(again, 0)->reasons, "!2 a mark\n");
    bl_store_close(again);
    bl_store_close(store);

    /* As stores from before have it: the octet is 0, and whatever follows is not looked at. */
    fd = fixture_compile(lists, 1, NULL);
    store = changed_open(fd, "fixture:0", BL_SOURCE_FIXED - BL_SOURCE_HAS_REASONS, 0);
    assert_non_null(store);
    assert_string_equal(bl_store_source(store, 0)->reasons, "");
    assert_int_equal(bl_store_verify(store, NULL), 0);
    bl_store_close(store);
    close(fd);

    fd = fixture_compile(lists, 1, NULL);
    assert_null(changed_open(fd, "!2 a mark", 0, 'x'));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(written_and_read),
                                       cmocka_unit_test(bounded), cmocka_unit_test(damaged_texts),
                                       cmocka_unit_test(in_the_store)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

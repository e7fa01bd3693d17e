/* Stores that are damaged, forged, cut off or of another version. */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "blocklists/layout.h"
#include "blocklists/lists.h"
#include "blocklists/seal.h"
#include "tests/unit/blocklists/store.h"

/* A file with a store in it that has something of everything. */
static size_t store_bytes(uint8_t **out_bytes)
{
    static const struct fixture_list lists[] = {
        {"gambling", BL_TIER_SCHOOL,
         "casino.test$AAAA|HTTPS *.poker.test =only.test 192.0.2.0/24 www.casino.test"},
        {"games", BL_TIER_NATIONAL, "@chess.casino.test$~A casino.test 2001:db8::/32"},
    };
    int fd = fixture_compile(lists, 2, NULL);
    struct stat status;

    assert_int_equal(fstat(fd, &status), 0);
    *out_bytes = malloc((size_t)status.st_size);
    assert_int_equal(pread(fd, *out_bytes, (size_t)status.st_size, 0), status.st_size);
    close(fd);
    return (size_t)status.st_size;
}

static void name_use(const struct bl_store *store, const struct bl_name *name)
{
    static const unsigned types[] = {0, TYPE_A, TYPE_AAAA, TYPE_HTTPS, UINT16_MAX, BL_ALL_TYPES};

    for (const uint8_t *at = name->wire; *at; at += 1 + *at)
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            bl_fact fact = bl_store_find(store, at, bl_name_length(at), types[i]).fact;

            assert_true(fact < bl_store_fact_count(store));
            assert_true(types[i] == BL_ALL_TYPES || !bl_store_fact_by_type(store, fact));
            (void)fact_text(store, fact);
        }
}

/* Whatever was opened can be asked. */
static void store_use(const struct bl_store *store)
{
    static const char *const names[] = {"a.chess.casino.test", "a.poker.test", "a.only.test"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bl_name name = name_of(names[i]);

        name_use(store, &name);
    }
}

static int open_bytes(const uint8_t *bytes, size_t len, bool verify, struct bl_error *error)
{
    char path[32];
    struct bl_store *store = NULL;
    int fd = memfd_create("store", MFD_CLOEXEC), rc;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rc = bl_store_open(path, &store, error);
    if (rc == 0)
        store_use(store);
    if (rc == 0 && verify)
        rc = bl_store_verify(store, error);
    bl_store_close(store);
    close(fd);
    return rc;
}

static void refuses_what_is_no_store(void **state)
{
    struct bl_error error = {""};
    struct bl_store *store = NULL;
    uint8_t *bytes;
    size_t len = store_bytes(&bytes);

    (void)state;
    assert_int_equal(open_bytes(bytes, len, true, &error), 0);
    assert_int_equal(bl_store_open("/nonexistent/7.mdb", &store, &error), -ENOENT);
    assert_int_equal(bl_store_open("/", &store, &error), -EBADMSG);
    assert_int_equal(open_bytes(bytes, 0, false, &error), -EBADMSG);
    for (size_t cut = 1; cut < len; cut += cut < 300 ? 1 : 4001)
        assert_int_equal(open_bytes(bytes, len - cut, false, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "cut off"));
    /* Another version, rightly signed. */
    bytes[len - BL_TRAILER_SIZE + BL_TRAILER_VERSION] ^= 0x40;
    assert_int_equal(open_bytes(bytes, len, false, &error), -EBADMSG);
    free(bytes);
    assert_null(store);
}

static void says_when_another_version_made_it(void **state)
{
    struct bl_error error = {""};
    struct bl_seal seal;
    uint8_t *bytes;
    size_t len = store_bytes(&bytes);
    const char *path = "a copy";
    int fd = memfd_create(path, MFD_CLOEXEC);

    (void)state;
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(bl_seal_read(fd, path, &seal, &error), 0);
    assert_int_equal(seal.lmdb_len, len - BL_TRAILER_SIZE);
    assert_int_equal(bl_seal_write(fd, path, &seal, &error), 0);
    assert_int_equal(pread(fd, bytes, len, 0), (ssize_t)len);
    assert_int_equal(open_bytes(bytes, len, true, &error), 0);
    bl_put32(bytes + len - BL_TRAILER_SIZE + BL_TRAILER_VERSION, 77);
    bl_seal_sum(bytes + len - BL_TRAILER_SIZE);
    assert_int_equal(open_bytes(bytes, len, false, &error), -EPROTO);
    assert_non_null(strstr(error.text, "format 77"));
    close(fd);
    free(bytes);
}

/* Damage that the trailer vouches for: none of it may crash, and what opens must not verify unless
 * it is the same store still. */
static void survives_any_damage(void **state)
{
    uint8_t *bytes, *copy;
    size_t len = store_bytes(&bytes);
    uint32_t random = 7;
    unsigned opened = 0;

    (void)state;
    copy = malloc(len);
    for (unsigned round = 0; round < 1500; round++) {
        struct bl_error error = {""};
        size_t at = next_random(&random) % (len - BL_TRAILER_SIZE);

        memcpy(copy, bytes, len);
        if (round % 2) /* most of the file is free room: aim at the heads of pages too */
            at = at / 4096 * 4096 + at % 64;
        copy[at] ^= (uint8_t)(1u << next_random(&random) % 8);
        /* Whoever makes a store by hand can sign it too: the checks behind the sum must hold alone.
         */
        if (round % 3) {
            assert_int_equal(bl_seal_bytes(copy, len - BL_TRAILER_SIZE,
                                           copy + len - BL_TRAILER_SIZE + BL_TRAILER_SHA256),
                             0);
            bl_seal_sum(copy + len - BL_TRAILER_SIZE);
            opened += open_bytes(copy, len, true, &error) == 0;
        } else {
            assert_int_equal(open_bytes(copy, len, true, &error), -EBADMSG);
            assert_true(strlen(error.text) > 10);
        }
    }
    assert_true(opened < 1500);
    free(copy);
    free(bytes);
}

/* The two values of types, octet by octet, rightly signed: refused, or nothing in them leads
 * outside when it is asked. */
static void survives_damage_to_types(void **state)
{
    static const uint8_t conditions[] = {0, 2, TYPE_AAAA, 0, TYPE_HTTPS, 0, 1, 1, TYPE_A, 0};
    uint8_t *bytes, *copy, *values[2];
    size_t len = store_bytes(&bytes);
    unsigned refused = 0;

    (void)state;
    copy = malloc(len);
    values[0] = memmem(bytes, len, conditions, sizeof conditions);
    assert_non_null(values[0]);
    values[1] = NULL;
    /* fact, type 0, fact; the same fact, type AAAA, … */
    for (size_t at = 0; !values[1] && at + 12 < len; at++)
        if (bytes[at] != 0 && bytes[at + 1] == 0 && bytes[at] == bytes[at + 6] &&
            bl_get16(bytes + at + 2) == 0 && bl_get16(bytes + at + 8) == TYPE_AAAA &&
            bytes[at + 7] == 0)
            values[1] = bytes + at;
    assert_non_null(values[1]);
    for (unsigned value = 0; value < 2; value++)
        for (size_t i = 0; i < 24; i++)
            for (unsigned octet = 0; octet < 256; octet += i % 2 ? 51 : 1) {
                struct bl_error error = {""};

                memcpy(copy, bytes, len);
                copy[(size_t)(values[value] - bytes) + i] = (uint8_t)octet;
                assert_int_equal(bl_seal_bytes(copy, len - BL_TRAILER_SIZE,
                                               copy + len - BL_TRAILER_SIZE + BL_TRAILER_SHA256),
                                 0);
                bl_seal_sum(copy + len - BL_TRAILER_SIZE);
                refused += open_bytes(copy, len, false, &error) == -EBADMSG;
            }
    assert_true(refused > 1000);
    free(copy);
    free(bytes);
}

/* Each fact sent to each other one for the names below, rightly signed: none is asked for a type
 * and says what holds for no type. */
static void survives_facts_led_astray(void **state)
{
    static const uint8_t none[BL_FACT_SIZE];
    uint8_t *bytes, *facts = NULL;
    size_t len = store_bytes(&bytes);
    unsigned count = 0, refused = 0;

    (void)state;
    /* How many facts and rules, then the fact of nothing, then the one that has the first rule. */
    for (size_t at = 4096; !facts && at + 32 < len; at++)
        if (bl_get32(bytes + at) > 4 && bl_get32(bytes + at) < 32 &&
            bl_get32(bytes + at + 4) < 64 && bl_get32(bytes + at + 4) > 4 &&
            memcmp(bytes + at + 8, none, sizeof none) == 0 && bl_get32(bytes + at + 20) == 0 &&
            bytes[at + 24] > 0) {
            count = bl_get32(bytes + at);
            facts = bytes + at + BL_FACTS_HEAD;
        }
    assert_non_null(facts);
    for (unsigned fact = 1; fact < count; fact++) {
        uint8_t *below = facts + fact * (size_t)BL_FACT_SIZE + 6;
        uint16_t right = bl_get16(below);

        for (unsigned i = 0; i < count; i++) {
            struct bl_error error = {""};

            bl_put16(below, (uint16_t)i);
            assert_int_equal(bl_seal_bytes(bytes, len - BL_TRAILER_SIZE,
                                           bytes + len - BL_TRAILER_SIZE + BL_TRAILER_SHA256),
                             0);
            bl_seal_sum(bytes + len - BL_TRAILER_SIZE);
            refused += open_bytes(bytes, len, false, &error) == -EBADMSG;
        }
        bl_put16(below, right);
    }
    assert_true(refused > count);
    free(bytes);
}

/* What look-ups find, and how much categories have, in numbers. */
static void numbers_tell(const struct bl_store *store, char text[4096])
{
    static const char *const names[] = {"casino.test", "www.casino.test", "a.poker.test",
                                        "only.test",   "a.only.test",     "a.chess.casino.test",
                                        "poker.test"};
    static const unsigned types[] = {0, TYPE_A, TYPE_AAAA, TYPE_HTTPS, BL_ALL_TYPES};
    static const uint8_t inside4[4] = {192, 0, 2, 7}, inside6[16] = {0x20, 1, 0x0d, 0xb8};
    enum { NAMES = sizeof names / sizeof *names, TYPES = sizeof types / sizeof *types };
    size_t len = 0;

    for (size_t i = 0; i < NAMES * TYPES + 2; i++) {
        struct bl_name name = name_of(names[i / TYPES % NAMES]);
        bl_fact fact = i == NAMES * TYPES ? bl_store_find_address(store, inside4, 4, NULL)
                       : i > NAMES * TYPES
                           ? bl_store_find_address(store, inside6, 16, NULL)
                           : bl_store_find(store, name.wire, name.len, types[i % TYPES]).fact;
        size_t count;
        const struct bl_fact_rule *rules = bl_store_fact(store, fact, &count);

        for (size_t j = 0; j < count; j++)
            len += (size_t)snprintf(text + len, 4096 - len, "%u %u %u %u %u %u,", rules[j].category,
                                    rules[j].depth, rules[j].tier, rules[j].action,
                                    rules[j].important, rules[j].condition);
        len += (size_t)snprintf(text + len, 4096 - len, "\n");
    }
    for (unsigned i = 0; i < bl_store_category_count(store); i++) {
        const struct bl_category *category = bl_store_category(store, i);

        len += (size_t)snprintf(
            text + len, 4096 - len, "%llu %llu %llu\n", (unsigned long long)category->names,
            (unsigned long long)category->addresses, (unsigned long long)category->whole);
    }
    assert_true(len < 4096);
}

/* Whether a store that somebody signed opens, verifies, and answers something else than `right`;
 * then it must be refused, here and for adoption. */
static bool is_forged(const char *state, const uint8_t *bytes, size_t len, const char *right)
{
    char path[32], text[4096];
    struct bl_store *store = NULL;
    struct bl_error error = {""};
    uint64_t generation;
    int fd = memfd_create("store", MFD_CLOEXEC);
    bool forged = false;

    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (bl_store_open(path, &store, NULL) == 0 && bl_store_verify(store, NULL) == 0) {
        numbers_tell(store, text);
        forged = strcmp(text, right) != 0;
    }
    if (forged) {
        assert_int_equal(bl_store_facts_verify(store, &error), -EBADMSG);
        assert_non_null(strstr(error.text, " it says") ? error.text
                                                       : strstr(error.text, " of its entries"));
        assert_int_equal(bl_lists_adopt(state, fd, 3, &generation, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "the new generation was refused"));
    }
    bl_store_close(store);
    close(fd);
    return forged;
}

/* The entries of a store by hand may say one thing, and what look-ups go by another: what lists
 * lose, and what is sealed, is judged by the entries. */
static void refuses_what_does_not_follow(void **state)
{
    struct bl_error error = {""};
    struct bl_store *store;
    uint8_t *bytes, *page;
    char right[4096], folder[FOLDER_ROOM], path[32];
    size_t len = store_bytes(&bytes);
    unsigned forged = 0;
    int fd = memfd_create("store", MFD_CLOEXEC);

    (void)state;
    folder_make(folder);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(bl_store_open(path, &store, &error), 0);
    assert_int_equal(bl_store_facts_verify(store, &error), 0);
    numbers_tell(store, right);
    bl_store_close(store);
    close(fd);
    /* All values but the table are in one page, with the names of categories. */
    page = memmem(bytes, len, "gambling", sizeof "gambling");
    assert_non_null(page);
    page = bytes + (page - bytes) / 4096 * 4096;
    for (size_t at = 16; at < 4096; at++) {
        if (page[at] == 0 && page[at - 1] == 0)
            continue;
        page[at] ^= 1;
        assert_int_equal(bl_seal_bytes(bytes, len - BL_TRAILER_SIZE,
                                       bytes + len - BL_TRAILER_SIZE + BL_TRAILER_SHA256),
                         0);
        bl_seal_sum(bytes + len - BL_TRAILER_SIZE);
        forged += is_forged(folder, bytes, len, right);
        page[at] ^= 1;
    }
    assert_true(forged > 20);
    folder_drop(folder);
    free(bytes);
}

/* Cut while it is mapped: the look-up comes back, and says that its answer means nothing. */
static void survives_being_cut(void **state)
{
    struct bl_name name = name_of("casino.test");
    struct bl_store *store = NULL, *other = fixture_store(two_lists, 2, NULL);
    struct bl_error error = {""};
    char path[64];
    int fd = fixture_compile(two_lists, 2, NULL), wake_fd = eventfd(0, EFD_NONBLOCK);
    eventfd_t wakes = 0;

    (void)state;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(bl_store_guard(wake_fd, &error), 0);
    assert_int_equal(bl_store_open(path, &store, &error), 0);
    assert_int_equal(futimens(fd, NULL), 0);
    assert_int_equal(bl_store_look(store), BL_LOOK_TOUCHED);
    assert_int_equal(bl_store_look(store), BL_LOOK_SAME); /* told once */
    assert_int_equal(bl_store_compare(store, &error), 0);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(bl_store_compare(store, &error), -EBADMSG);
    assert_false(bl_store_is_damaged(store));
    assert_int_equal(bl_store_find(store, name.wire, name.len, TYPE_A).fact, BL_FACT_NONE);
    assert_true(bl_store_is_damaged(store));
    assert_int_equal(eventfd_read(wake_fd, &wakes), 0);
    assert_int_equal(bl_store_look(store), BL_LOOK_DAMAGED);
    assert_int_equal(bl_store_look(other), BL_LOOK_SAME);
    assert_false(bl_store_is_damaged(other));
    assert_int_equal(bl_store_guard(-1, &error), 0);
    bl_store_close(store);
    bl_store_close(other);
    close(wake_fd);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_store),
        cmocka_unit_test(says_when_another_version_made_it),
        cmocka_unit_test(survives_any_damage),
        cmocka_unit_test(survives_damage_to_types),
        cmocka_unit_test(survives_facts_led_astray),
        cmocka_unit_test(refuses_what_does_not_follow),
        cmocka_unit_test(survives_being_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

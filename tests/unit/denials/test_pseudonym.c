#include "fixture.h"

#include <errno.h>
#include <sys/stat.h>

#include "resolver/denials/pseudonym.h"

static char folder[PATH_MAX], keys[PATH_MAX + 8];
static const int64_t day_s = 86400;
static const int64_t now_s = 1794830400;

static int setup(void **state)
{
    (void)state;
    folder_make(folder);
    snprintf(keys, sizeof(keys), "%s/keys", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

static struct address host(const char *text)
{
    struct address address;

    assert_int_equal(address_parse(text, 0, &address), 0);
    return address;
}

static struct pseudonyms *open_at(int64_t at_s, unsigned worker, uint32_t *out_number)
{
    struct pseudonyms *pseudonyms;
    struct bl_error error = {""};

    assert_int_equal(pseudonym_keys_settle(keys, 90 * day_s, at_s, out_number, &error), 0);
    assert_int_equal(pseudonyms_open(keys, *out_number, worker, &pseudonyms, &error), 0);
    return pseudonyms;
}

static void one_device_one_pseudonym(void **state)
{
    const struct address client = host("10.1.2.3"), other = host("10.1.2.4"),
                         wide = host("2001:db8::7");
    struct address found;
    char text[ADDRESS_TEXT_MAX], again[ADDRESS_TEXT_MAX];
    uint32_t number;
    struct stat status;
    (void)state;

    struct pseudonyms *one = open_at(now_s, 0, &number), *two = open_at(now_s, 1, &number);
    const struct address a = pseudonym_of(one, &client), b = pseudonym_of(two, &client),
                         c = pseudonym_of(one, &other), d = pseudonym_of(two, &wide);
    assert_true(address_equal(&a, &b)); /* whichever worker */
    assert_false(address_equal(&a, &c));
    address_text(&a, text);
    assert_memory_equal(text, "device-", 7);
    assert_int_equal(strlen(text), 16);
    assert_int_equal(address_parse(text, 0, &found), 0);
    assert_true(address_equal(&a, &found));
    assert_null(strstr(address_text(&d, again), "2001"));

    pseudonyms_close(one);
    pseudonyms_close(two);
    one = open_at(now_s + day_s, 0, &number);
    found = pseudonym_of(one, &client);
    assert_true(address_equal(&a, &found)); /* also after a restart */
    pseudonyms_close(one);

    assert_int_equal(pseudonym_reveal(keys, &a, &found, NULL), 0);
    assert_true(address_equal(&found, &client));
    assert_int_equal(pseudonym_reveal(keys, &d, &found, NULL), 0);
    assert_true(address_equal(&found, &wide));
    found = host("device-0000-0000");
    assert_int_equal(pseudonym_reveal(keys, &found, &found, NULL), -ENOENT);

    assert_int_equal(stat(keys, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    snprintf(again, sizeof(again), "%u.key", number);
    strcat(strcat(keys, "/"), again);
    assert_int_equal(stat(keys, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void count_each(void *user, const struct address *pseudonym)
{
    (void)pseudonym;
    ++*(unsigned *)user;
}

static void keys_rotate_and_go(void **state)
{
    const struct address client = host("10.1.2.3");
    struct address before, after, found;
    uint32_t first, second;
    unsigned count = 0, listed = 0;
    (void)state;

    struct pseudonyms *old = open_at(now_s, 0, &first);
    before = pseudonym_of(old, &client);
    pseudonyms_close(old);
    struct pseudonyms *fresh = open_at(now_s + 91 * day_s, 0, &second);
    assert_int_equal(second, first + 1);
    after = pseudonym_of(fresh, &client);
    assert_false(address_equal(&before, &after));
    assert_int_equal(pseudonym_each(keys, &client, count_each, &listed, NULL), 0);
    assert_int_equal(listed, 2);

    /* While records of the first key's time are left, it stays. */
    assert_int_equal(pseudonym_keys_destroy(keys, now_s + 90 * day_s, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(pseudonym_reveal(keys, &before, &found, NULL), 0);
    assert_int_equal(pseudonym_keys_destroy(keys, now_s + 92 * day_s, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(pseudonym_reveal(keys, &before, &found, NULL), -ENOENT);
    assert_int_equal(pseudonym_reveal(keys, &after, &found, NULL), 0);
    pseudonyms_close(fresh);
}

/* Pseudonyms are turned off: the key in use stays for the records of before, and no longer. */
static void a_retired_key_goes_too(void **state)
{
    const struct address client = host("10.1.2.3");
    struct address one, two, found;
    char path[PATH_MAX + 32];
    uint32_t number;
    unsigned count = 0;
    bool noted = true;
    (void)state;

    assert_int_equal(pseudonym_keys_retire(keys, now_s, &noted, NULL), 0); /* none was ever made */
    assert_false(noted);
    struct pseudonyms *pseudonyms = open_at(now_s, 0, &number);
    one = pseudonym_of(pseudonyms, &client);
    pseudonyms_close(pseudonyms);
    assert_int_equal(pseudonym_keys_retire(keys, now_s + 5 * day_s, &noted, NULL), 0);
    assert_true(noted);
    assert_int_equal(pseudonym_keys_retire(keys, now_s + 7 * day_s, &noted, NULL), 0);
    assert_false(noted); /* the first time counts */
    assert_int_equal(pseudonym_keys_destroy(keys, now_s + 4 * day_s, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(pseudonym_reveal(keys, &one, &found, NULL), 0);

    /* On again: the same key, which nothing destroys any more. */
    pseudonyms = open_at(now_s + 8 * day_s, 0, &number);
    assert_int_equal(number, 1);
    two = pseudonym_of(pseudonyms, &client);
    assert_true(address_equal(&one, &two));
    pseudonyms_close(pseudonyms);
    assert_int_equal(pseudonym_keys_destroy(keys, now_s + 20 * day_s, &count, NULL), 0);
    assert_int_equal(count, 0);

    /* A note that was cut is none: nothing goes by it, and it is written again. */
    snprintf(path, sizeof(path), "%s/retired", keys);
    assert_int_equal(pseudonym_keys_retire(keys, now_s + 9 * day_s, &noted, NULL), 0);
    assert_int_equal(truncate(path, 9), 0);
    assert_int_equal(pseudonym_keys_destroy(keys, now_s + 20 * day_s, &count, NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(pseudonym_keys_retire(keys, now_s + 10 * day_s, &noted, NULL), 0);
    assert_true(noted);
    assert_int_equal(pseudonym_keys_destroy(keys, now_s + 10 * day_s, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(pseudonym_reveal(keys, &one, &found, NULL), -ENOENT);
    snprintf(path, sizeof(path), "%s/1-0.devices", keys);
    assert_int_equal(access(path, F_OK), -1);

    /* On once more: another key, though of the same number. */
    pseudonyms = open_at(now_s + 30 * day_s, 0, &number);
    two = pseudonym_of(pseudonyms, &client);
    assert_false(address_equal(&one, &two));
    pseudonyms_close(pseudonyms);
}

/* A kill, or fewer workers than before, left a gap among the files of devices. */
static void no_device_outlives_its_key(void **state)
{
    const struct address client = host("10.1.2.3");
    struct pseudonyms *devices[3];
    char path[PATH_MAX + 32];
    uint32_t number, next;
    unsigned count = 0;
    (void)state;

    assert_int_equal(pseudonym_keys_settle(keys, day_s, now_s, &number, NULL), 0);
    for (unsigned worker = 0; worker < 3; worker++) {
        assert_int_equal(pseudonyms_open(keys, number, worker, &devices[worker], NULL), 0);
        pseudonym_of(devices[worker], &client);
        pseudonyms_close(devices[worker]);
    }
    snprintf(path, sizeof(path), "%s/%u-0.devices", keys, number);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pseudonym_keys_settle(keys, day_s, now_s + 2 * day_s, &next, NULL), 0);
    assert_int_equal(pseudonym_keys_destroy(keys, now_s + 3 * day_s, &count, NULL), 0);
    assert_int_equal(count, 1);
    for (unsigned worker = 0; worker < 3; worker++) {
        snprintf(path, sizeof(path), "%s/%u-%u.devices", keys, number, worker);
        assert_int_equal(access(path, F_OK), -1);
    }
}

/* More devices than there are places: pseudonyms all the same. */
static void too_many_devices(void **state)
{
    char text[64];
    uint32_t number;
    (void)state;

    struct pseudonyms *pseudonyms = open_at(now_s, 0, &number);
    for (unsigned i = 0; i < 40000; i++) {
        snprintf(text, sizeof(text), "10.%u.%u.7", i >> 8, i & 255);
        const struct address client = host(text), one = pseudonym_of(pseudonyms, &client);
        const struct address two = pseudonym_of(pseudonyms, &client);
        assert_true(address_equal(&one, &two));
        assert_int_equal(one.bytes[0], 1);
    }
    pseudonyms_close(pseudonyms);
}

static void cut_keys_are_told(void **state)
{
    struct bl_error error = {""};
    struct pseudonyms *pseudonyms;
    uint32_t number;
    char path[PATH_MAX + 32];
    (void)state;

    assert_int_equal(pseudonym_keys_settle(keys, day_s, now_s, &number, &error), 0);
    snprintf(path, sizeof(path), "%s/%u.key", keys, number);
    assert_int_equal(truncate(path, 20), 0);
    assert_int_equal(pseudonyms_open(keys, number, 0, &pseudonyms, &error), -EBADMSG);
    assert_non_null(strstr(error.text, ".key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_device_one_pseudonym, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_rotate_and_go, setup, teardown),
        cmocka_unit_test_setup_teardown(a_retired_key_goes_too, setup, teardown),
        cmocka_unit_test_setup_teardown(no_device_outlives_its_key, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_keys_are_told, setup, teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

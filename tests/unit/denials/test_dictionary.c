#include "fixture.h"

#include "resolver/denials/dictionary.h"

static char folder[PATH_MAX];
static MDB_env *env;
static MDB_txn *txn;
static MDB_dbi values;
static struct dictionary dictionary;

/* Every string comes with this key: what chance does once in many lives, each look-up meets here.
 */
static const uint64_t one_for_all = 42;

static int setup(void **state)
{
    char path[PATH_MAX + 8];
    (void)state;

    folder_make(folder);
    snprintf(path, sizeof(path), "%s/d.mdb", folder);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 1), 0);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "names", MDB_CREATE | MDB_INTEGERKEY, &values), 0);
    assert_int_equal(dictionary_init(&dictionary, 64, 123), 0);
    assert_int_equal(dictionary_load(&dictionary, txn, values, 0), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dictionary_fini(&dictionary);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    folder_drop(folder);
    return 0;
}

static uint32_t number_of(const char *text)
{
    uint32_t id, attribute;

    if (!dictionary_find(&dictionary, one_for_all, text, strlen(text), &id, &attribute))
        assert_int_equal(dictionary_add(&dictionary, txn, one_for_all, text, strlen(text), 7, &id),
                         0);
    return id;
}

static void same_hash_different_strings(void **state)
{
    static const char *const names[] = {"lesson.test", "casino.test", "lesson.tes", ""};
    uint32_t ids[4], attribute, id;
    (void)state;

    for (int i = 0; i < 4; i++)
        ids[i] = number_of(names[i]);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            assert_int_not_equal(ids[i], ids[j]);
    for (int i = 0; i < 4; i++) {
        assert_true(
            dictionary_find(&dictionary, one_for_all, names[i], strlen(names[i]), &id, &attribute));
        assert_int_equal(id, ids[i]);
        assert_int_equal(attribute, 7);
    }
    assert_false(dictionary_find(&dictionary, one_for_all, "other.test", 10, &id, &attribute));
}

/* More strings than a place has ways: some are forgotten, none is taken for another. */
static void forgotten_but_never_confused(void **state)
{
    char text[32], found[32];
    (void)state;

    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 20; i++) {
            snprintf(text, sizeof(text), "name%d.test", i);
            uint32_t id = number_of(text);
            MDB_val key = {sizeof(id), &id}, value;
            assert_int_equal(mdb_get(txn, values, &key, &value), 0);
            size_t len = value.mv_size - sizeof(struct segment_value);
            assert_true(len < sizeof(found));
            memcpy(found, (const uint8_t *)value.mv_data + sizeof(struct segment_value), len);
            found[len] = '\0';
            assert_string_equal(found, text);
        }
    assert_true(dictionary.next > 20); /* and so some have two numbers */
}

/* A ring that went round many times, and what the table in LMDB teaches again. */
static void many_strings_and_learning_again(void **state)
{
    char text[64];
    uint32_t id, other, attribute;
    (void)state;

    for (int i = 0; i < 5000; i++) {
        int len = snprintf(text, sizeof(text), "a-rather-long-name-%d.of.a.school.test", i % 700);
        uint64_t key = dictionary_key(&dictionary, text, (size_t)len);
        if (!dictionary_find(&dictionary, key, text, (size_t)len, &id, &attribute))
            assert_int_equal(
                dictionary_add(&dictionary, txn, key, text, (size_t)len, (uint32_t)i % 700, &id),
                0);
        MDB_val number = {sizeof(id), &id}, value;
        assert_int_equal(mdb_get(txn, values, &number, &value), 0);
        assert_int_equal(value.mv_size, sizeof(struct segment_value) + (size_t)len);
        assert_memory_equal((uint8_t *)value.mv_data + sizeof(struct segment_value), text,
                            (size_t)len);
        if (i % 1000 == 999)
            assert_int_equal(dictionary_load(&dictionary, txn, values, dictionary.next), 0);
    }
    int len = snprintf(text, sizeof(text), "the-last.test");
    uint64_t key = dictionary_key(&dictionary, text, (size_t)len);
    assert_int_equal(dictionary_add(&dictionary, txn, key, text, (size_t)len, 9, &id), 0);
    assert_int_equal(dictionary_load(&dictionary, txn, values, dictionary.next), 0);
    assert_true(dictionary_find(&dictionary, key, text, (size_t)len, &other, &attribute));
    assert_int_equal(other, id);
    assert_int_equal(attribute, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_hash_different_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(forgotten_but_never_confused, setup, teardown),
        cmocka_unit_test_setup_teardown(many_strings_and_learning_again, setup, teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

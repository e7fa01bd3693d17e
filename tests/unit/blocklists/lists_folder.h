/* A state folder in which lists come into force. */
#ifndef TESTS_UNIT_BLOCKLISTS_LISTS_FOLDER_H
#define TESTS_UNIT_BLOCKLISTS_LISTS_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>

#include "blocklists/lists.h"
#include "tests/support/store_fixture.h"

static char folder[FOLDER_ROOM];

static inline int state_make(void **state)
{
    (void)state;
    folder_make(folder);
    return 0;
}

static inline int state_drop(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

static inline struct bl_store *store_in_force(uint64_t *out_generation)
{
    struct bl_error error = {""};
    char path[BL_PATH_MAX];
    struct bl_store *store = NULL;

    if (bl_lists_current(folder, out_generation, path, &error) < 0)
        return NULL;
    if (bl_store_open(path, &store, &error) < 0)
        fixture_fail(path, error.text);
    assert_int_equal(bl_store_generation(store), *out_generation);
    return store;
}

/* Compiles one list on top of what is in force, and adopts it. */
static inline int adopt(const char *words, unsigned keep, uint64_t *out_generation,
                        struct bl_error *error)
{
    struct fixture_list list = {"gambling", BL_TIER_SCHOOL, words};
    uint64_t generation;
    struct bl_store *base = store_in_force(&generation);
    int fd = fixture_compile(&list, 1, base);
    int rc = bl_lists_adopt(folder, fd, keep, out_generation, error);

    close(fd);
    bl_store_close(base);
    return rc;
}

static inline bool is_listed(const char *text)
{
    uint64_t generation;
    struct bl_store *store = store_in_force(&generation);
    struct bl_found found = {0};
    struct bl_name name;

    assert_non_null(store);
    bl_name_parse(text, strlen(text), &name);
    found = bl_store_find(store, name.wire, name.len, BL_ALL_TYPES);
    bl_store_close(store);
    return found.fact != BL_FACT_NONE;
}

/* How many files of STATE/lists begin with this. */
static inline unsigned files_count(const char *prefix)
{
    char path[128];
    unsigned count = 0;
    struct dirent *item;
    DIR *listing;

    snprintf(path, sizeof path, "%s/lists", folder);
    listing = opendir(path);
    while (listing && (item = readdir(listing)))
        count += strncmp(item->d_name, prefix, strlen(prefix)) == 0;
    if (listing)
        closedir(listing);
    return count;
}

#define in_a_folder(test) cmocka_unit_test_setup_teardown(test, state_make, state_drop)

#endif

/* state.mdb with damage in any place: refused with a sentence, or read and written without harm,
 * but never the end of the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/policy/grants.h"
#include "resolver/policy/moments.h"
#include "resolver/policy/state.h"
#include "resolver/policy/state_check.h"
#include "tests/support/folder.h"

enum { PAGE = 4096, HEADS = 200, ENTRIES = 120 };

static char folder[FOLDER_ROOM], path[80];
static const struct actor MARY = {.user = "root", .login = "mary", .role = "manager"};

static struct change *change_of(struct state *state)
{
    struct change *change = NULL;

    assert_int_equal(change_begin(state, &MARY, INT64_C(1795428900000), &change, NULL), 0);
    return change;
}

static void grant_put(struct change *change, int number)
{
    char name[64];
    json_t *grant;

    snprintf(name, sizeof name, "n%d.test", number);
    grant = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "deny", "target_kind", "name",
                      "target", name, "group", "pupils", "state", "active", "reason", "r", "by",
                      "mary");
    assert_int_equal(grant_add(change, grant, NULL), 0);
    assert_int_equal(change_log(change, "deny", name, NULL, grant, "r", NULL), 0);
    json_decref(grant);
}

/* Trees of two levels, a value with pages of its own, free pages: everything that a file can have.
 */
static void file_make(void)
{
    static char text[3 * PAGE];
    struct state *state = NULL;
    struct change *change;

    assert_int_equal(state_open(folder, true, &state, NULL), 0);
    for (int i = 0; i < ENTRIES; i += 30) {
        change = change_of(state);
        for (int j = i; j < i + 30; j++)
            grant_put(change, j);
        assert_int_equal(moments_note_lists(change, (uint64_t)i + 1, NULL), 0);
        memset(text, 'x', sizeof text);
        assert_int_equal(change_put(change, TABLE_FAULTS, &i, sizeof i, text, sizeof text, NULL),
                         0);
        assert_int_equal(change_commit(change, NULL), 0);
    }
    change = change_of(state);
    for (int i = 0; i < ENTRIES; i += 60)
        assert_int_equal(change_delete(change, TABLE_FAULTS, &i, sizeof i, NULL), 0);
    assert_int_equal(change_commit(change, NULL), 0);
    state_close(state);
}

static int group_make(void **state)
{
    (void)state;
    folder_make(folder);
    snprintf(path, sizeof path, "%s/state.mdb", folder);
    file_make();
    return 0;
}

static int group_remove(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

static uint8_t *file_load(size_t *out_len)
{
    int fd = open(path, O_RDONLY);
    struct stat status;
    uint8_t *octets;

    assert_int_equal(fstat(fd, &status), 0);
    octets = malloc((size_t)status.st_size);
    assert_int_equal(read(fd, octets, (size_t)status.st_size), status.st_size);
    close(fd);
    *out_len = (size_t)status.st_size;
    return octets;
}

static void file_save(const uint8_t *octets, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, octets, len), (ssize_t)len);
    close(fd);
}

/* Everything that the daemon does with it: reads, proves, writes. */
static void file_use(struct state *state)
{
    static const enum state_table LISTS[] = {TABLE_GRANTS, TABLE_PAST, TABLE_VERSIONS};
    struct change *change = NULL;
    struct policy_rules *rules = NULL;
    struct moment_found found;
    uint64_t count, broken;
    json_t *list;
    char head[65];

    if (change_begin(state, &MARY, 0, &change, NULL) < 0)
        return;
    for (size_t i = 0; i < sizeof LISTS / sizeof *LISTS; i++) {
        list = NULL;
        (void)grants_read(change, LISTS[i], &list, NULL);
        json_decref(list);
    }
    (void)changes_verify(change, &count, &broken, head, NULL);
    (void)moments_find(change, INT64_MAX, &found, NULL);
    if (policy_rules_read_at(change, 1, 1, &rules, NULL) == 0)
        policy_rules_free(rules);
    (void)moments_note_lists(change, 7, NULL);
    if (policy_rules_read(change, &rules, NULL) == 0)
        policy_rules_free(rules);
    grant_put(change, 9999);
    (void)change_commit(change, NULL);
}

static void sound_file(void **unused)
{
    struct bl_error error = {0};
    struct state *state = NULL;

    (void)unused;
    assert_int_equal(state_check(path, &error), 0);
    assert_int_equal(state_check("/there-is-no-such-file", NULL), 0);
    for (int i = 0; i < 20; i++) { /* as transactions go on, free pages are used again */
        struct change *change;
        assert_int_equal(state_open(folder, true, &state, &error), 0);
        change = change_of(state);
        grant_put(change, 1000 + i);
        assert_int_equal(change_delete(change, TABLE_GRANTS, "\0\0\0\5", 4, NULL), 0);
        assert_int_equal(change_commit(change, NULL), 0);
        state_close(state);
        if (state_check(path, &error) < 0)
            fail_msg("after transaction %d: %s", i, error.text);
    }
}

/* One octet after the other in what LMDB trusts (the heads of pages, with the places of entries),
 * and single bits all over the file. */
static void damaged_octets(void **unused)
{
    size_t len, refused = 0, tried = 0;
    uint8_t *octets = file_load(&len);
    uint64_t seed = 7;

    (void)unused;
    for (size_t at = 0; at < len; at++) {
        struct bl_error error = {0};
        struct state *state = NULL;
        bool is_head = at % PAGE < 40 || (at < 2 * PAGE && at % PAGE < HEADS);
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        if ((seed >> 33) % (is_head ? 4 : 997))
            continue;
        uint8_t flip = (uint8_t)(is_head && seed >> 63 ? 0xff : 1u << (seed >> 60 & 7));
        octets[at] ^= flip;
        file_save(octets, len);
        octets[at] ^= flip;
        tried++;
        if (state_open(folder, true, &state, &error) == 0) {
            file_use(state);
        } else {
            refused++;
            assert_true(error.text[0]);
        }
        state_close(state);
    }
    file_save(octets, len);
    free(octets);
    assert_true(tried > 500);
    assert_true(refused > tried / 4);
}

static void cut_files(void **unused)
{
    size_t len;
    uint8_t *octets = file_load(&len);

    (void)unused;
    for (size_t cut = 1; cut < len; cut += len / 37) {
        struct bl_error error = {0};
        struct state *state = NULL;
        file_save(octets, cut);
        assert_int_equal(state_open(folder, true, &state, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "is damaged"));
    }
    file_save(octets, len);
    free(octets);
}

/* Pages of zeros, and pages that took each other's place: what disks and copies do. */
static void damaged_pages(void **unused)
{
    size_t len;
    uint8_t *octets = file_load(&len), *damaged = malloc(len);

    (void)unused;
    for (size_t page = 0; page < len / PAGE; page++) {
        for (int kind = 0; kind < 2; kind++) {
            struct state *state = NULL;
            memcpy(damaged, octets, len);
            if (kind)
                memcpy(damaged + page * PAGE, octets + (page * 7 + 3) % (len / PAGE) * PAGE, PAGE);
            else
                memset(damaged + page * PAGE, 0, PAGE);
            file_save(damaged, len);
            if (state_open(folder, true, &state, NULL) == 0)
                file_use(state);
            state_close(state);
        }
    }
    file_save(octets, len);
    free(octets);
    free(damaged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_file),
        cmocka_unit_test(damaged_octets),
        cmocka_unit_test(cut_files),
        cmocka_unit_test(damaged_pages),
    };

    return cmocka_run_group_tests(tests, group_make, group_remove);
}

/* The change log proved whole, and the file that holds it damaged or full. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/policy/school.h"

static int verify(struct school *school, uint64_t *out_broken)
{
    struct change *change;
    uint64_t count;
    char head[65];
    int code;

    assert_int_equal(change_begin(school->state, NULL, 0, &change, NULL), 0);
    code = changes_verify(change, &count, out_broken, head, NULL);
    change_abort(change);
    return code;
}

static void every_octet_counts(void **state)
{
    struct school *school = *state;
    uint64_t broken;

    for (int i = 0; i < 4; i++)
        assert_done(school, act_grant, grant_request("allow", "chess.test", 60 + i));
    assert_int_equal(verify(school, &broken), 0);
    for (uint8_t number = 1; number <= 4; number++) {
        uint8_t key[8] = {[7] = number}, entry[4096];
        struct change *change;
        MDB_val value;
        size_t len = 1;
        for (size_t at = 0; at < len; at++) {
            assert_int_equal(change_begin(school->state, &school->actor, 0, &change, NULL), 0);
            assert_int_equal(change_get(change, TABLE_CHANGES, key, sizeof key, &value), 0);
            len = value.mv_size;
            assert_true(len < sizeof entry);
            memcpy(entry, value.mv_data, len);
            entry[at] ^= 0x20;
            assert_int_equal(change_put(change, TABLE_CHANGES, key, sizeof key, entry, len, NULL),
                             0);
            uint64_t count, found = 0;
            char head[65];
            assert_int_equal(changes_verify(change, &count, &found, head, NULL), -EBADMSG);
            assert_int_equal(found, number);
            change_abort(change);
        }
    }
    assert_int_equal(verify(school, &broken), 0);
}

static void nothing_is_taken_out(void **state)
{
    struct school *school = *state;
    struct change *change;
    uint8_t second[8] = {[7] = 2}, last[8] = {[7] = 3}, next[8] = {[7] = 4};
    uint64_t count, broken;
    char head[65];
    MDB_val value;

    for (int i = 0; i < 3; i++)
        assert_done(school, act_grant, grant_request("allow", "chess.test", 60 + i));
    assert_int_equal(change_begin(school->state, &school->actor, 0, &change, NULL), 0);
    assert_int_equal(change_delete(change, TABLE_CHANGES, second, sizeof second, NULL), 0);
    assert_int_equal(changes_verify(change, &count, &broken, head, NULL), -EBADMSG);
    assert_int_equal(broken, 2);
    change_abort(change);
    assert_int_equal(change_begin(school->state, &school->actor, 0, &change, NULL), 0);
    assert_int_equal(change_delete(change, TABLE_CHANGES, last, sizeof last, NULL), 0);
    assert_int_equal(changes_verify(change, &count, &broken, head, NULL), -EBADMSG);
    change_abort(change);
    assert_int_equal(change_begin(school->state, &school->actor, 0, &change, NULL), 0);
    assert_int_equal(change_get(change, TABLE_CHANGES, last, sizeof last, &value), 0);
    assert_int_equal(
        change_put(change, TABLE_CHANGES, next, sizeof next, value.mv_data, value.mv_size, NULL),
        0);
    assert_int_equal(changes_verify(change, &count, &broken, head, NULL), -EBADMSG);
    change_abort(change);
}

static int head_verify(struct act *act, const json_t *request, json_t *reply,
                       struct bl_error *error)
{
    return act_changes_verify(act, json_string_value(json_object_get(request, "head")), reply,
                              error);
}

/* Whoever can write the file can cut the log and its head alike: the chain is whole then, and only
 * a hash that was kept elsewhere tells. */
static void a_head_on_paper(void **state)
{
    struct school *school = *state;
    struct change *change;
    uint8_t second[8] = {[7] = 2}, last[8] = {[7] = 3}, head[8 + 32] = {[7] = 2};
    char paper[3][65];
    struct bl_error error = {0};
    json_t *reply = NULL;
    MDB_val value;

    for (int i = 0; i < 3; i++) {
        assert_done(school, act_grant, grant_request("allow", "chess.test", 60 + i));
        assert_int_equal(act_do(school, head_verify, json_object(), &reply, &error), 0);
        snprintf(paper[i], sizeof paper[i], "%s",
                 json_string_value(json_object_get(reply, "head")));
        json_decref(reply);
    }
    for (int i = 0; i < 3; i++)
        assert_done(school, head_verify, json_pack("{s:s}", "head", paper[i]));
    assert_int_equal(change_begin(school->state, &school->actor, 0, &change, NULL), 0);
    assert_int_equal(change_get(change, TABLE_CHANGES, second, sizeof second, &value), 0);
    memcpy(head + 8, value.mv_data, 32);
    assert_int_equal(change_delete(change, TABLE_CHANGES, last, sizeof last, NULL), 0);
    assert_int_equal(change_put(change, TABLE_META, "head", 4, head, sizeof head, NULL), 0);
    assert_int_equal(change_commit(change, NULL), 0);
    assert_done(school, head_verify, json_object());
    assert_done(school, head_verify, json_pack("{s:s}", "head", paper[0]));
    assert_done(school, head_verify, json_pack("{s:s}", "head", paper[1]));
    assert_refused(school, head_verify, json_pack("{s:s}", "head", paper[2]), -EBADMSG,
                   "no entry has the hash that was given");
    /* What is written on does not bring it back. */
    assert_done(school, act_grant, grant_request("allow", "chess.test", 62));
    assert_done(school, act_grant, grant_request("allow", "chess.test", 63));
    assert_refused(school, head_verify, json_pack("{s:s}", "head", paper[2]), -EBADMSG,
                   "no entry has the hash that was given");
}

static void damaged_files(void **state)
{
    struct school *school = *state;
    struct state *other = NULL;
    struct bl_error error = {0};
    char path[100];
    int fd;

    assert_done(school, act_grant, grant_request("allow", "chess.test", 60));
    state_close(school->state);
    school->state = NULL;
    snprintf(path, sizeof path, "%s/state.mdb", school->folder);
    assert_int_equal(truncate(path, 9000), 0);
    assert_int_equal(state_open(school->folder, true, &other, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "is damaged"));
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(write(fd, "not a database, but long enough to be looked at", 47) == 47);
    assert_int_equal(ftruncate(fd, 40000), 0);
    close(fd);
    assert_int_equal(state_open(school->folder, true, &other, &error), -EBADMSG);
    unlink(path);
    assert_int_equal(state_open(school->folder, false, &other, &error), -ENOENT);
}

/* Two values that fit the map one by one and not together, in one change. */
static int much_put(struct school *school, struct bl_error *error)
{
    enum { MUCH = 40 << 20 };
    struct change *change;
    char *much = calloc(1, MUCH);
    int code;

    assert_non_null(much);
    memset(much, 'x', MUCH);
    assert_int_equal(change_begin(school->state, &school->actor, school->now_ms, &change, error),
                     0);
    code = change_put(change, TABLE_PAST, "zz1", 3, much, MUCH, error);
    if (code == 0)
        code = change_put(change, TABLE_PAST, "zz2", 3, much, MUCH, error);
    if (code == 0)
        code = change_commit(change, error);
    else
        change_abort(change);
    free(much);
    return code;
}

/* LMDB's map does not grow by itself (Knot 1885, MDB_MAP_FULL for ever): what does not fit is
 * refused whole and said, nothing is lost by it, and there is room when it is tried again. */
static void the_map_is_full(void **state)
{
    struct school *school = *state;
    struct bl_error error = {0};
    struct change *change;
    MDB_val value;

    assert_done(school, act_grant, grant_request("allow", "chess.test", 60));
    assert_int_equal(much_put(school, &error), -ENOSPC);
    assert_non_null(strstr(error.text, "nothing was changed"));
    assert_done(school, act_grant, grant_request("allow", "draughts.test", 60));
    assert_int_equal(much_put(school, &error), 0);
    state_close(school->state);
    assert_int_equal(state_open(school->folder, true, &school->state, &error), 0);
    assert_int_equal(change_begin(school->state, NULL, 0, &change, &error), 0);
    assert_int_equal(change_get(change, TABLE_PAST, "zz2", 3, &value), 0);
    assert_int_equal(value.mv_size, 40 << 20);
    change_abort(change);
    assert_done(school, act_grant, grant_request("allow", "go.test", 60));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_SCHOOL(every_octet_counts), IN_A_SCHOOL(nothing_is_taken_out),
        IN_A_SCHOOL(a_head_on_paper),    IN_A_SCHOOL(damaged_files),
        IN_A_SCHOOL(the_map_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

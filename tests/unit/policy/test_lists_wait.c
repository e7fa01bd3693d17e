/* Lists that wait for a second manager: what is left on the disk, what is shown, and what ends it.
 */
#include <dirent.h>
#include <errno.h>

#include "blocklists/guard.h"
#include "resolver/policy/acts_lists.h"
#include "tests/support/store_fixture.h"
#include "tests/unit/policy/school.h"

/* Puts a list of games in force, and stages another one on top of it. */
static int lists_make(struct school *school, const char *words, const char *staged_words)
{
    struct fixture_list list = {"games", BL_TIER_SCHOOL, words};
    struct bl_store *base = NULL;
    uint64_t generation;
    char path[BL_PATH_MAX];
    int fd;

    if (bl_lists_current(school->folder, &generation, path, NULL) == 0)
        assert_int_equal(bl_store_open(path, &base, NULL), 0);
    fd = fixture_compile(&list, 1, base);
    bl_store_close(base);
    assert_int_equal(bl_lists_adopt(school->folder, fd, 3, &generation, NULL), 0);
    close(fd);
    assert_int_equal(bl_lists_current(school->folder, &generation, path, NULL), 0);
    assert_int_equal(bl_store_open(path, &base, NULL), 0);
    list.words = staged_words;
    fd = fixture_compile(&list, 1, base);
    bl_store_close(base);
    return fd;
}

/* How many files in the folder of the lists begin with this. */
static size_t files_count(const struct school *school, const char *begin)
{
    char path[FOLDER_ROOM + 8];
    const struct dirent *item;
    size_t count = 0;
    DIR *folder;

    snprintf(path, sizeof path, "%s/lists", school->folder);
    folder = opendir(path);
    assert_non_null(folder);
    while ((item = readdir(folder)))
        count += strncmp(item->d_name, begin, strlen(begin)) == 0;
    closedir(folder);
    return count;
}

static struct change *change_of(struct school *school)
{
    struct change *change;

    assert_int_equal(change_begin(school->state, &school->actor, school->now_ms, &change, NULL), 0);
    return change;
}

/* Asks for what is staged: the request, or NULL where it was refused. */
static json_t *ask(struct school *school, int staged, const char *reason)
{
    const struct lists_wanted wanted = {.fd = staged};
    struct lists_weighed weighed;
    struct bl_guard guard = {0};
    json_t *reply = json_object(), *grant;
    struct change *change;

    assert_int_equal(
        act_lists_weigh(school->folder, school->config, &wanted, &guard, &weighed, NULL), 0);
    assert_int_equal(json_array_size(weighed.loosens), 1);
    change = change_of(school);
    if (act_lists_ask(change, &wanted, &weighed, reason, reply, NULL) == 0)
        assert_int_equal(change_commit(change, NULL), 0);
    else
        change_abort(change);
    lists_weighed_fini(&weighed);
    grant = json_incref(json_object_get(reply, "grant"));
    json_decref(reply);
    return grant;
}

static int approve(struct school *school, const json_t *grant, const char *login,
                   struct lists_word *out_word, struct bl_error *error)
{
    json_t *request = json_pack("{s:O, s:s}", "id", json_object_get(grant, "id"), "reason", "fine");
    struct change *change;
    int code;

    actor_set(school, login);
    change = change_of(school);
    code = act_lists_approve(change, request, out_word, error);
    if (code == 0)
        assert_int_equal(change_commit(change, NULL), 0);
    else
        change_abort(change);
    json_decref(request);
    return code;
}

/* As when they cannot be put in force: gives the state that the request has then, or "". */
static const char *settle(struct school *school, const struct lists_word *word)
{
    struct change *change = change_of(school);
    const char *state = "";
    json_t *grant;

    assert_int_equal(act_lists_settle(change, word, 0, "it failed", NULL), 0);
    if (grant_get(change, word->id, &grant, NULL) == 0) {
        assert_string_equal(json_string_value(json_object_get(grant, "state")), "pending");
        state = "pending";
        json_decref(grant);
    }
    assert_int_equal(change_commit(change, NULL), 0);
    return state;
}

/* A request that cannot be made leaves nothing on the disk: lists are large. */
static void leaves_nothing(void **state)
{
    struct school *school = *state;
    int staged = lists_make(school, "a.test b.test", "b.test");
    char long_reason[700];

    memset(long_reason, 'x', sizeof long_reason);
    long_reason[sizeof long_reason - 1] = '\0';
    assert_null(ask(school, staged, "\xff"));
    assert_null(ask(school, staged, long_reason)); /* as one that a resolver refuses */
    assert_int_equal(files_count(school, "staging-"), 0);
    assert_int_equal(files_count(school, "waiting-"), 0);
    json_decref(ask(school, staged, "tidied up"));
    assert_int_equal(files_count(school, "staging-"), 0);
    assert_int_equal(files_count(school, "waiting-"), 1);
    close(staged);
}

/* Whoever confirms it was shown all that it would loosen, by what is granted and configured now. */
static void shows_all(void **state)
{
    struct school *school = *state;
    int staged = lists_make(school, "a.test b.test", "b.test c.test");
    json_t *grant = ask(school, staged, "tidied up");
    json_t *grants = json_pack("[{s:s, s:s, s:s, s:s}]", "kind", "allow", "state", "active",
                               "target_kind", "category", "target", "games");
    struct bl_error error = {0};

    assert_non_null(grants);
    assert_int_equal(act_lists_look(school->folder, school->config, NULL, grant, &error), 0);
    assert_int_equal(act_lists_look(school->folder, school->config, grants, grant, &error),
                     -EINVAL);
    assert_non_null(strstr(error.text, "more by now than when it was asked for (games: 1 entry "
                                       "would be allowed to those who are allowed the category"));
    json_decref(grants);
    json_decref(grant);
    close(staged);
}

/* What failed waits again, but not behind lists that are in force since. */
static void ends_when_overtaken(void **state)
{
    struct school *school = *state;
    int staged = lists_make(school, "a.test b.test", "b.test");
    json_t *grant = ask(school, staged, "tidied up");
    struct bl_error error = {0};
    struct lists_word word;

    assert_int_equal(approve(school, grant, "mary", &word, &error), -EPERM);
    assert_non_null(strstr(error.text, "it was you"));
    assert_int_equal(approve(school, grant, "john", &word, &error), 0);
    assert_string_equal(settle(school, &word), "pending");
    assert_int_equal(approve(school, grant, "john", &word, &error), 0);
    close(lists_make(school, "a.test b.test d.test", "b.test"));
    assert_string_equal(settle(school, &word), "");
    json_decref(grant);
    close(staged);
}

/* A timer is no manager: one who confirmed what it asked for would be the only one. */
static void takes_two_people(void **state)
{
    struct school *school = *state;
    int staged = lists_make(school, "a.test b.test", "b.test");
    struct bl_error error = {0};
    struct lists_word word;
    json_t *grant;

    school->actor.role = "system";
    grant = ask(school, staged, "lists update");
    assert_int_equal(approve(school, grant, "john", &word, &error), -EPERM);
    assert_non_null(strstr(error.text, "no manager has asked for it yet"));
    json_decref(grant);
    close(staged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_SCHOOL(leaves_nothing),
        IN_A_SCHOOL(shows_all),
        IN_A_SCHOOL(ends_when_overtaken),
        IN_A_SCHOOL(takes_two_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

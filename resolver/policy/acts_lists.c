#include "resolver/policy/acts_lists.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/policy/acts.h"
#include "resolver/policy/acts_find.h"
#include "resolver/policy/grants.h"
#include "resolver/policy/lists_loosened.h"

enum { LOOSENED_MOST = 200, WAITING_MOST = 64 };

static void loosened_add(void *user, const char *sentence)
{
    json_t *loosens = user;

    if (json_array_size(loosens) < LOOSENED_MOST)
        json_array_append_new(loosens, json_string(sentence));
}

/* The lists in force: NULL where there are none yet. */
static int current_open(const char *state, uint64_t *out_generation, struct bl_store **out_store,
                        struct bl_error *error)
{
    char path[BL_PATH_MAX];
    int code = bl_lists_current(state, out_generation, path, error);

    *out_store = NULL;
    if (code == -ENOENT) {
        *out_generation = 0;
        return 0;
    }
    return code < 0 ? code : bl_lists_open(path, *out_generation, out_store, error);
}

static int descriptor_open(int fd, struct bl_store **out_store, struct bl_error *error)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return bl_store_open(path, out_store, error);
}

/* Copied, so that nobody alters it while it is looked at or waits. */
static int staged_open(const char *state, const struct lists_wanted *wanted,
                       const struct bl_guard *guard, struct lists_weighed *weighed,
                       struct bl_store **out_store, struct bl_error *error)
{
    int code = bl_lists_wait(state, wanted->fd, guard, &weighed->fd, error);

    if (code == 0)
        code = bl_lists_hash(weighed->fd, weighed->sha256, error);
    return code < 0 ? code : descriptor_open(weighed->fd, out_store, error);
}

static int older_open(const char *state, const struct lists_wanted *wanted,
                      struct lists_weighed *weighed, struct bl_store **out_store,
                      struct bl_error *error)
{
    int code = 0;

    weighed->generation = wanted->generation;
    if (!weighed->generation)
        code = bl_lists_before(state, &weighed->generation, error);
    return code < 0 ? code : bl_lists_open_kept(state, weighed->generation, out_store, error);
}

static int stores_weigh(const struct config *config, const struct lists_wanted *wanted,
                        const struct bl_guard *guard, const struct bl_store *before,
                        const struct bl_store *after, json_t *loosens, struct bl_error *error)
{
    int code = wanted->fd < 0 ? bl_guard_check(guard, before, after, error) : 0;

    if (code < 0 ||
        (wanted->is_refresh && !wanted->allow_shrink && lists_are_refreshed(config, before, after)))
        return code;
    return lists_loosened(config, wanted->grants, before, after, loosened_add, loosens, error);
}

int act_lists_weigh(const char *state, const struct config *config,
                    const struct lists_wanted *wanted, const struct bl_guard *guard,
                    struct lists_weighed *out_weighed, struct bl_error *error)
{
    struct lists_weighed weighed = {.fd = -1, .loosens = json_array()};
    struct bl_store *before = NULL, *after = NULL;
    int code = current_open(state, &weighed.base, &before, error);

    if (code < 0) { /* what is damaged can be compared with nothing */
        loosened_add(weighed.loosens, error->text);
        code = 0;
    }
    if (wanted->fd >= 0)
        code = staged_open(state, wanted, guard, &weighed, &after, error);
    else
        code = older_open(state, wanted, &weighed, &after, error);
    if (code == 0 && before)
        code = stores_weigh(config, wanted, guard, before, after, weighed.loosens, error);
    bl_store_close(before);
    bl_store_close(after);
    if (code == 0 && weighed.fd >= 0 && json_array_size(weighed.loosens) && fsync(weighed.fd) < 0)
        code = bl_error_set(error, -errno, "the lists cannot be kept: %s", bl_disk_text(errno));
    if (code < 0 && weighed.fd >= 0)
        bl_lists_wait_drop(state);
    if (code < 0)
        lists_weighed_fini(&weighed);
    else
        *out_weighed = weighed;
    return code;
}

void lists_weighed_fini(struct lists_weighed *weighed)
{
    if (weighed->fd >= 0)
        close(weighed->fd);
    weighed->fd = -1;
    json_decref(weighed->loosens);
}

static bool is_lists(const json_t *grant, const char *state)
{
    const char *kind = text_of(grant, "kind"), *its = text_of(grant, "state");

    return kind && its && strcmp(kind, "lists") == 0 && strcmp(its, state) == 0;
}

static void title_make(uint32_t id, char title[32])
{
    snprintf(title, 32, "request %" PRIu32, id);
}

static uint32_t id_of(const json_t *grant)
{
    return (uint32_t)json_integer_value(json_object_get(grant, "id"));
}

/* Ends what waits, each with an entry that says why. */
static int waiting_end(struct change *change, const char *why, struct bl_error *error)
{
    json_t *grants, *grant;
    char title[32];
    size_t index;
    int code = grants_read(change, TABLE_GRANTS, &grants, error);

    if (code < 0)
        return code;
    json_array_foreach(grants, index, grant)
    {
        if (code < 0 || !is_lists(grant, "pending"))
            continue;
        title_make(id_of(grant), title);
        code = grant_end(change, grant, "superseded", error);
        if (code == 0)
            code = change_log(change, "lists-superseded", title, grant, NULL, why, error);
    }
    json_decref(grants);
    return code;
}

int act_lists_overtake(struct change *change, uint64_t now, struct bl_error *error)
{
    char why[80];

    snprintf(why, sizeof why, "generation %" PRIu64 " is in force meanwhile", now);
    return waiting_end(change, why, error);
}

static json_t *request_new(const struct change *change, const struct lists_wanted *wanted,
                           const struct lists_weighed *weighed, const char *reason)
{
    const struct actor *actor = change_actor(change);
    json_t *grant = json_pack(
        "{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:O}", "kind", "lists", "state",
        "pending", "at", (json_int_t)change_now_ms(change), "by", actor->login, "user", actor->user,
        "role", actor->role, "reason", reason ? reason : "", "target",
        wanted->fd < 0 ? "rollback" : "import", "base", (json_int_t)weighed->base, "allow_shrink",
        (int)wanted->allow_shrink, "loosens", weighed->loosens);

    if (grant && wanted->fd < 0)
        json_object_set_new(grant, "generation", json_integer((json_int_t)weighed->generation));
    else if (grant)
        json_object_set_new(grant, "sha256", json_string(weighed->sha256));
    return grant;
}

int act_lists_ask(struct change *change, const struct lists_wanted *wanted,
                  const struct lists_weighed *weighed, const char *reason, json_t *reply,
                  struct bl_error *error)
{
    json_t *grant = request_new(change, wanted, weighed, reason);
    char title[32];
    int code = reason && *reason ? act_reason_check(reason, error) : 0;

    if (code == 0 && !grant)
        code = bl_error_set(error, -EINVAL, "the reason is no UTF-8 text");
    if (code == 0)
        code = waiting_end(change, "others were asked for since", error);
    if (code == 0)
        code = grant_add(change, grant, error);
    title_make(id_of(grant), title);
    if (code == 0)
        code = change_log(change, "lists-asked", title, NULL, grant, reason, error);
    if (code == 0 && weighed->fd >= 0) /* what is on record is on the disk */
        code = bl_lists_wait_as(change_folder(change), weighed->fd, id_of(grant), error);
    if (code == 0)
        json_object_set(reply, "grant", grant);
    else
        bl_lists_wait_drop(change_folder(change));
    json_decref(grant);
    return code;
}

static struct lists_word word_of(const json_t *grant)
{
    const char *sha256 = text_of(grant, "sha256"), *reason = text_of(grant, "reason");
    struct lists_word word = {
        .id = id_of(grant),
        .base = (uint64_t)json_integer_value(json_object_get(grant, "base")),
        .generation = (uint64_t)json_integer_value(json_object_get(grant, "generation")),
        .allow_shrink = json_is_true(json_object_get(grant, "allow_shrink")),
    };

    snprintf(word.sha256, sizeof word.sha256, "%s", sha256 ? sha256 : "");
    snprintf(word.reason, sizeof word.reason, "%s", reason ? reason : "");
    return word;
}

static int waiting_open(const char *state, const struct lists_word *word,
                        struct bl_store **out_store)
{
    int fd, code;

    if (word->generation)
        return bl_lists_open_kept(state, word->generation, out_store, NULL);
    code = bl_lists_wait_open(state, word->id, &fd, NULL);
    if (code < 0)
        return code;
    code = descriptor_open(fd, out_store, NULL);
    close(fd);
    return code;
}

int act_lists_look(const char *state, const struct config *config, const json_t *grants,
                   const json_t *grant, struct bl_error *error)
{
    struct lists_word word = word_of(grant);
    struct bl_store *before = NULL, *after = NULL;
    json_t *loosens = json_array();
    const char *unshown;
    uint64_t base;
    int code = 0;

    if (current_open(state, &base, &before, NULL) == 0 && before && base == word.base &&
        waiting_open(state, &word, &after) == 0)
        code = lists_loosened(config, grants, before, after, loosened_add, loosens, error);
    bl_store_close(before);
    bl_store_close(after);
    unshown = code == 0 ? act_unshown_find(grant, loosens) : NULL;
    if (unshown)
        code = bl_error_set(error, -EINVAL,
                            "it would loosen more by now than when it was asked for (%s): "
                            "please have somebody ask for it again",
                            unshown);
    json_decref(loosens);
    return code == -EBADMSG ? 0 : code; /* whoever puts it in force says so */
}

int act_lists_approve(struct change *change, const json_t *request, struct lists_word *out_word,
                      struct bl_error *error)
{
    json_int_t id = json_integer_value(json_object_get(request, "id"));
    const char *login = change_actor(change)->login, *reason = text_of(request, "reason"), *by,
               *role;
    json_t *grant, *before;
    char title[32];
    int code = act_reason_check(reason, error);

    if (code == 0)
        code = grant_get(change, (uint32_t)id, &grant, error);
    if (code < 0)
        return code;
    before = json_deep_copy(grant);
    by = text_of(grant, "by");
    role = text_of(grant, "role");
    title_make((uint32_t)id, title);
    if (!is_lists(grant, "pending"))
        code = bl_error_set(error, -EINVAL, "this one does not wait for approval");
    else if (role && act_is_of_nobody(role))
        code = bl_error_set(error, -EPERM,
                            "no manager has asked for it yet, and it takes two: please have one "
                            "run `chalkgate lists update`, and another one approve that");
    else if (by && strcmp(by, login) == 0)
        code = bl_error_set(error, -EPERM,
                            "it was you who asked for it; please have another manager confirm it");
    if (code == 0) {
        json_object_set_new(grant, "state", json_string("approved"));
        json_object_set_new(grant, "approved_by", json_string(login));
        code = grant_replace(change, grant, error);
    }
    if (code == 0)
        code = change_log(change, "approve", title, before, grant, reason, error);
    if (code == 0)
        *out_word = word_of(grant);
    json_decref(before);
    json_decref(grant);
    return code;
}

bool act_lists_approved_find(struct change *change, struct lists_word *out_word)
{
    json_t *grants, *grant;
    bool found = false;
    size_t index;

    if (grants_read(change, TABLE_GRANTS, &grants, NULL) < 0)
        return false;
    json_array_foreach(grants, index, grant)
    {
        if (found || !is_lists(grant, "approved"))
            continue;
        *out_word = word_of(grant);
        found = true;
    }
    json_decref(grants);
    return found;
}

/* Whether what is in force is what was asked for. */
static bool is_followed(const struct lists_word *word, uint64_t current, const char *path)
{
    char sha256[BL_LISTS_HASH_TEXT];
    int fd;
    bool is;

    if (word->generation)
        return current == word->generation;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    is = fd >= 0 && bl_lists_hash(fd, sha256, NULL) == 0 && strcmp(sha256, word->sha256) == 0;
    if (fd >= 0)
        close(fd);
    return is;
}

static int waiting_adopt(const char *state, const struct lists_word *word, unsigned keep,
                         const struct bl_guard *guard, uint64_t *out_generation,
                         struct bl_error *error)
{
    char sha256[BL_LISTS_HASH_TEXT];
    int fd, code = bl_lists_wait_open(state, word->id, &fd, error);

    if (code < 0)
        return code;
    code = bl_lists_hash(fd, sha256, error);
    if (code == 0 && strcmp(sha256, word->sha256) != 0)
        code = bl_error_set(error, -EBADMSG,
                            "what waits in %s/lists is not what was asked for: please import again",
                            state);
    if (code == 0)
        code = bl_lists_adopt_guarded(state, fd, keep, guard, out_generation, error);
    close(fd);
    return code;
}

int lists_word_follow(const char *state, const struct lists_word *word, unsigned keep,
                      const struct bl_guard *guard, uint64_t *out_generation,
                      struct bl_error *error)
{
    char path[BL_PATH_MAX];
    uint64_t current = 0;
    int code = bl_lists_current(state, &current, path, error);

    if (code == 0 && is_followed(word, current, path)) {
        *out_generation = current;
        return 0;
    }
    if (code == 0 && current != word->base)
        return bl_error_set(error, -ESTALE,
                            "the lists in force changed meanwhile (generation %" PRIu64
                            ", not %" PRIu64 "): please ask for it again",
                            current, word->base);
    return word->generation
               ? bl_lists_rollback_guarded(state, word->generation, guard, out_generation, error)
               : waiting_adopt(state, word, keep, guard, out_generation, error);
}

/* Whether other lists than those it was compared with are in force by now. */
static bool is_overtaken(struct change *change, const struct lists_word *word)
{
    char path[BL_PATH_MAX];
    uint64_t current;

    return bl_lists_current(change_folder(change), &current, path, NULL) == 0 &&
           current != word->base;
}

/* It waits again; or it is past, as nobody could tell any more what it loosens. */
static int word_fail(struct change *change, const struct lists_word *word, json_t *grant,
                     const char *fault, struct bl_error *error)
{
    bool is_past = is_overtaken(change, word);
    char title[32];
    int code;

    title_make(word->id, title);
    json_object_del(grant, "approved_by");
    json_object_del(grant, "approved_at");
    json_object_set_new(grant, "state", json_string("pending"));
    code = is_past ? grant_end(change, grant, "superseded", error)
                   : grant_rewrite(change, grant, error);
    return code < 0 ? code
                    : change_log(change, is_past ? "lists-superseded" : "lists-failed", title, NULL,
                                 grant, fault, error);
}

int act_lists_settle(struct change *change, const struct lists_word *word, uint64_t generation,
                     const char *fault, struct bl_error *error)
{
    json_t *grant;
    int code = grant_get(change, word->id, &grant, error);

    if (code < 0)
        return code;
    if (fault) {
        code = word_fail(change, word, grant, fault, error);
    } else {
        code = grant_end(change, grant, "approved", error);
        if (code == 0)
            code = act_lists(change, word->generation ? "lists-rollback" : "lists-adopt",
                             word->base, generation, word->reason, error);
    }
    json_decref(grant);
    return code;
}

void lists_waiting_sweep(struct change *change)
{
    uint32_t ids[WAITING_MOST];
    json_t *grants, *grant;
    size_t index, count = 0;

    if (grants_read(change, TABLE_GRANTS, &grants, NULL) < 0)
        return;
    json_array_foreach(grants, index, grant)
    {
        if (count < WAITING_MOST && (is_lists(grant, "pending") || is_lists(grant, "approved")))
            ids[count++] = id_of(grant);
    }
    json_decref(grants);
    bl_lists_wait_keep(change_folder(change), ids, count);
}

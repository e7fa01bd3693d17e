/* Reloads that wait for a second manager. */
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/acts.h"
#include "resolver/policy/grants.h"
#include "resolver/policy/loosened.h"

enum { LOOSENED_MOST = 200, DIGEST_TEXT = 2 * SHA256_DIGEST_LENGTH + 1 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* The one that waits, or NULL: a new reference. */
static int waiting_find(struct act *act, json_t **out_grant, struct bl_error *error)
{
    json_t *grants, *grant;
    size_t index;
    int code = grants_read(act->change, TABLE_GRANTS, &grants, error);

    *out_grant = NULL;
    if (code < 0)
        return code;
    json_array_foreach(grants, index, grant)
    {
        if (!*out_grant && strcmp(text_of(grant, "kind"), "reload") == 0)
            *out_grant = json_incref(grant);
    }
    json_decref(grants);
    return 0;
}

static int waiting_add(struct act *act, const char *sha256, json_t *loosens, const char *reason,
                       json_t *reply, struct bl_error *error)
{
    const struct actor *actor = change_actor(act->change);
    json_t *grant =
        json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:O}", "kind", "reload", "state",
                  "pending", "at", (json_int_t)change_now_ms(act->change), "by", actor->login,
                  "user", actor->user, "role", actor->role, "reason", reason, "target",
                  act->config->path, "sha256", sha256, "loosens", loosens);
    char title[64];
    int code;

    if (!grant)
        return bl_error_set(error, -EINVAL, "the reason is no UTF-8 text");
    code = grant_add(act->change, grant, error);
    snprintf(title, sizeof title, "request %lld",
             (long long)json_integer_value(json_object_get(grant, "id")));
    if (code == 0)
        code = change_log(act->change, "reload-asked", title, NULL, grant, reason, error);
    if (code == 0)
        json_object_set(reply, "grant", grant);
    json_decref(grant);
    return code;
}

/* Of the effective configuration: a remark or another order of keys makes no difference. */
static int digest_make(const struct config *config, char out_text[DIGEST_TEXT],
                       struct bl_error *error)
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    int code = out ? config_print(config, out) : -ENOMEM;

    if (out && fclose(out) != 0)
        code = -ENOMEM;
    if (code == 0) {
        SHA256((const uint8_t *)text, len, hash);
        for (int i = 0; i < SHA256_DIGEST_LENGTH; i++)
            snprintf(out_text + 2 * i, 3, "%02x", hash[i]);
    }
    free(text);
    return code < 0 ? bl_error_set(error, code, "no memory to compare the configurations") : 0;
}

static void loosened_add(void *user, const char *sentence)
{
    json_t *loosens = user;

    if (json_array_size(loosens) < LOOSENED_MOST)
        json_array_append_new(loosens, json_string(sentence));
}

bool act_is_of_nobody(const char *role)
{
    return strcmp(role, "system") == 0;
}

static int ask(struct act *act, json_t *loosens, const char *reason, json_t *reply,
               struct bl_error *error)
{
    char sha256[DIGEST_TEXT];
    json_t *waiting = NULL;
    int code = digest_make(act->config, sha256, error);

    if (code == 0)
        code = waiting_find(act, &waiting, error);
    if (code == 0 && waiting && strcmp(text_of(waiting, "sha256"), sha256) == 0 &&
        (!act_is_of_nobody(text_of(waiting, "role")) ||
         act_is_of_nobody(change_actor(act->change)->role))) {
        json_object_set_new(reply, "grant", waiting);
        return 0;
    }
    if (code == 0 && waiting)
        code = grant_end(act->change, waiting, "superseded", error);
    json_decref(waiting);
    return code < 0 ? code : waiting_add(act, sha256, loosens, reason, reply, error);
}

static const char IN_FORCE[] = "config";

int act_config_keep(struct act *act, struct bl_error *error)
{
    char sha256[DIGEST_TEXT];
    int code = digest_make(act->config, sha256, error);

    return code < 0 ? code
                    : change_put(act->change, TABLE_META, IN_FORCE, sizeof IN_FORCE - 1, sha256,
                                 DIGEST_TEXT - 1, error);
}

/* What is on record as in force has been approved, or needed nobody: also where a crash came before
 * it was kept for the next start. */
static int is_in_force(const struct act *act, bool *out_is, struct bl_error *error)
{
    char sha256[DIGEST_TEXT];
    MDB_val kept;
    int code = digest_make(act->config, sha256, error);

    if (code == 0)
        *out_is = change_get(act->change, TABLE_META, IN_FORCE, sizeof IN_FORCE - 1, &kept) == 0 &&
                  kept.mv_size == DIGEST_TEXT - 1 &&
                  memcmp(kept.mv_data, sha256, DIGEST_TEXT - 1) == 0;
    return code;
}

int act_reload_ask(struct act *act, const struct config *before, const char *reason, json_t *reply,
                   struct bl_error *error)
{
    json_t *loosens;
    bool is_kept = false;
    int code = is_in_force(act, &is_kept, error);

    if (code < 0 || is_kept)
        return code;
    loosens = json_array();
    code = policy_loosened(before, act->config, change_now_ms(act->change) / 1000, loosened_add,
                           loosens, error);
    if (code == 0 && json_array_size(loosens))
        code = ask(act, loosens, reason, reply, error);
    json_decref(loosens);
    return code;
}

int act_reload_approve(struct act *act, uint32_t id, struct bl_error *error)
{
    const char *login = change_actor(act->change)->login;
    char sha256[DIGEST_TEXT];
    json_t *grant;
    int code = digest_make(act->config, sha256, error);

    if (code == 0)
        code = grant_get(act->change, id, &grant, error);
    if (code < 0)
        return code;
    if (act_is_of_nobody(text_of(grant, "role")))
        code = bl_error_set(error, -EPERM,
                            "no manager has asked for it yet, and it takes two: please have one "
                            "run `chalkgate reload --reason TEXT`, and another one approve that");
    else if (strcmp(text_of(grant, "by"), login) == 0)
        code = bl_error_set(error, -EPERM,
                            "it was you who asked for it; please have another manager confirm it");
    else if (strcmp(text_of(grant, "sha256"), sha256) != 0)
        code = bl_error_set(error, -EINVAL,
                            "the configuration has been edited since %s asked; please look at it "
                            "and reload it anew",
                            text_of(grant, "by"));
    if (code == 0) {
        json_object_set_new(grant, "approved_by", json_string(login));
        code = grant_end(act->change, grant, "approved", error);
    }
    json_decref(grant);
    return code;
}

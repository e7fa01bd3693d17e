#include "resolver/policy/acts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "resolver/policy/acts_find.h"
#include "resolver/policy/acts_lists.h"
#include "resolver/policy/grants.h"
#include "resolver/policy/moments.h"
#include "resolver/policy/versions.h"

enum { REASON_MOST = 500, APPROVER_MOST = 200 };

/* A reason is not asked for politeness: a decision that nobody can explain later is none. */
int act_reason_check(const char *reason, struct bl_error *error)
{
    if (!reason || strspn(reason, " \t\n") == strlen(reason))
        return bl_error_set(error, -EINVAL,
                            "please say why, with --reason TEXT; it is kept with "
                            "the change");
    if (strlen(reason) > REASON_MOST)
        return bl_error_set(error, -EINVAL, "a reason may have at most %d characters", REASON_MOST);
    for (const char *at = reason; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return bl_error_set(error, -EINVAL,
                                "the reason should be one line, without control characters");
    }
    return 0;
}

static int reason_check(const json_t *request, struct bl_error *error)
{
    return act_reason_check(text_of(request, "reason"), error);
}

static int version_make(struct act *act, const char *action, const char *target, const char *reason,
                        struct bl_error *error)
{
    char description[1024];
    bool changed = false;

    snprintf(description, sizeof description, "%s %s%s%s", action, target,
             reason && *reason ? ": " : "", reason ? reason : "");
    return version_update(act->change, act->config, act->calendar, description, &changed, error);
}

int act_configuration(struct act *act, struct bl_error *error)
{
    bool changed = false;

    return version_update(act->change, act->config, act->calendar, "the configuration", &changed,
                          error);
}

int act_note(struct act *act, const char *action, const char *target, const json_t *before,
             const json_t *after, const char *reason, struct bl_error *error)
{
    int code = version_make(act, action, target, reason, error);

    return code < 0 ? code : change_log(act->change, action, target, before, after, reason, error);
}

int act_lists(struct change *change, const char *action, uint64_t before, uint64_t now,
              const char *reason, struct bl_error *error)
{
    json_t *older = json_pack("{s:I}", "generation", (json_int_t)before);
    json_t *newer = json_pack("{s:I}", "generation", (json_int_t)now);
    char target[40];
    int code;

    snprintf(target, sizeof target, "generation %llu", (unsigned long long)now);
    code = change_log(change, action, target, older, newer, reason, error);
    if (code == 0)
        code = change_number_set(change, "generation", (uint32_t)now, error);
    if (code == 0)
        code = moments_note_lists(change, now, error);
    if (code == 0)
        code = act_lists_overtake(change, now, error);
    json_decref(older);
    json_decref(newer);
    return code;
}

bool act_lists_are_noted(struct change *change, uint64_t generation)
{
    return change_number(change, "generation") == (uint32_t)generation;
}

int act_lists_find(struct change *change, uint64_t generation, struct bl_error *error)
{
    return act_lists_are_noted(change, generation)
               ? 0
               : act_lists(change, "lists-found", change_number(change, "generation"), generation,
                           "in force, though no entry says how it came; `lists show` has who "
                           "imported what",
                           error);
}

static int act_record(struct act *act, const char *action, const char *target, const json_t *before,
                      const json_t *after, const char *reason, struct bl_error *error)
{
    act->changed = true;
    return act_note(act, action, target, before, after, reason, error);
}

/* Kept while a grant waits for approval: its time begins when it is approved, or later. */
static void duration_keep(json_t *grant, const json_t *request)
{
    json_t *seconds = json_object_get(request, "seconds");

    if (seconds)
        json_object_set(grant, "seconds", seconds);
}

static json_t *grant_new(const struct act *act, const char *kind, const json_t *request)
{
    const struct actor *actor = change_actor(act->change);
    const char *approved_by = text_of(request, "approved_by");
    json_int_t now_ms = change_now_ms(act->change);
    json_t *grant =
        json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "kind", kind, "state", "active", "at", now_ms,
                  "by", actor->login, "user", actor->user, "reason", text_of(request, "reason"));

    if (grant && approved_by && *approved_by)
        json_object_set_new(grant, "approved_by", json_string(approved_by));
    return grant;
}

/* "chess.test for pupils", "t.smith at 10.1.0.5", "request 7": for the change log and the version's
 * description.
 */
static void grant_title(const json_t *grant, char *text, size_t size)
{
    const char *target = text_of(grant, "target"), *kind = text_of(grant, "target_kind");
    const char *group = text_of(grant, "group"), *device = text_of(grant, "device");
    const char *user = text_of(grant, "session_user");
    bool plain = !kind || strcmp(kind, "name") == 0;

    if (user) {
        snprintf(text, size, "%s at %s", user, text_of(grant, "address"));
        return;
    }
    if (target && !device && !group) { /* a reload, or lists */
        snprintf(text, size, "request %lld",
                 (long long)json_integer_value(json_object_get(grant, "id")));
        return;
    }
    snprintf(text, size, "%s%s%s%s%s", target ? (plain ? "" : kind) : "",
             target && !plain ? ":" : "", target ? target : "", target ? " for " : "",
             device  ? device
             : group ? group
                     : "");
}

/* The grant, with its end in words. */
static void grant_reply(const struct act *act, json_t *grant, json_t *reply)
{
    const json_t *end = json_object_get(grant, "end");
    char text[CALENDAR_TEXT_MAX];

    if (json_is_integer(end))
        json_object_set_new(
            grant, "until_text",
            json_string(calendar_text(act->calendar, json_integer_value(end) / 1000, false, text)));
    json_object_set(reply, "grant", grant);
}

static int grant_finish(struct act *act, const char *action, json_t *grant, json_t *reply,
                        struct bl_error *error)
{
    char title[600];
    int code = grants_sweep(act->change, error);

    if (code == 0)
        code = grant_add(act->change, grant, error);
    grant_title(grant, title, sizeof title);
    if (code == 0)
        code = act_record(act, action, title, NULL, grant, text_of(grant, "reason"), error);
    if (code == 0)
        grant_reply(act, grant, reply);
    return code;
}

static int grant_fill(struct act *act, const json_t *request, bool deny, json_t *grant,
                      json_t *reply, struct bl_error *error)
{
    json_t *end = NULL;
    int64_t start_ms = 0;
    int code = reason_check(request, error);

    if (code == 0)
        code = act_target_find(act, text_of(request, "target"), deny, grant, reply, error);
    if (code == 0)
        code = act_holder_find(act, request, grant, error);
    if (code == 0)
        code = act_start_find(act, request, &start_ms, error);
    if (code == 0)
        code = act_end_find(act, request, start_ms, true, &end, error);
    if (code < 0)
        return code;
    if (end)
        json_object_set_new(grant, "end", end);
    if (start_ms > change_now_ms(act->change))
        json_object_set_new(grant, "start", json_integer(start_ms));
    if (!deny && act->config->roles.requires_approval) {
        json_object_set_new(grant, "state", json_string("pending"));
        duration_keep(grant, request);
    }
    return 0;
}

int act_grant(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *kind = text_of(request, "kind"), *approver = text_of(request, "approved_by");
    bool deny = kind && strcmp(kind, "deny") == 0;
    json_t *grant;
    int code;

    if (!kind || (!deny && strcmp(kind, "allow") != 0))
        return bl_error_set(error, -EINVAL, "a grant allows or denies");
    if (approver && strlen(approver) > APPROVER_MOST)
        return bl_error_set(error, -EINVAL, "who approved it may have at most %d characters",
                            APPROVER_MOST);
    grant = grant_new(act, kind, request);
    if (!grant)
        return reason_check(request, error) < 0
                   ? -EINVAL
                   : bl_error_set(error, -ENOMEM, "no memory for the grant");
    code = grant_fill(act, request, deny, grant, reply, error);
    if (code == 0)
        code = grant_finish(act, kind, grant, reply, error);
    json_decref(grant);
    return code;
}

int act_block_device(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *device = text_of(request, "device");
    json_t *grant, *end = NULL;
    int code = reason_check(request, error);

    if (code < 0)
        return code;
    if (!device || !*device)
        return bl_error_set(error, -EINVAL, "which device? A MAC address, an address or a name");
    grant = grant_new(act, "block", request);
    if (!grant)
        return bl_error_set(error, -ENOMEM, "no memory for the block");
    code = act_device_find(act, device, grant, error);
    if (code == 0)
        code = act_end_find(act, request, change_now_ms(act->change), false, &end, error);
    if (end)
        json_object_set_new(grant, "end", end);
    if (code == 0)
        code = grant_finish(act, "block-device", grant, reply, error);
    json_decref(grant);
    return code;
}

static int grant_asked(struct act *act, const json_t *request, json_t **out_grant,
                       struct bl_error *error)
{
    json_int_t id = json_integer_value(json_object_get(request, "id"));
    int code = reason_check(request, error);

    if (code < 0)
        return code;
    if (id < 1 || id > UINT32_MAX)
        return bl_error_set(error, -EINVAL, "which one? `chalkgate grants` shows their numbers");
    code = grants_sweep(act->change, error);
    return code < 0 ? code : grant_get(act->change, (uint32_t)id, out_grant, error);
}

/* Taking back what tightens loosens: that needs a second word, too, where the school wants one. */
static int revoke_check(const struct act *act, const json_t *grant, struct bl_error *error)
{
    const char *kind = text_of(grant, "kind");
    const char *by = text_of(grant, "by");
    bool tightens = kind && (strcmp(kind, "deny") == 0 || strcmp(kind, "block") == 0);

    if (tightens && act->config->roles.requires_approval && by &&
        strcmp(by, change_actor(act->change)->login) == 0)
        return bl_error_set(error, -EPERM,
                            "the school wants a second manager to take back what you have denied; "
                            "please ask one");
    return 0;
}

int act_revoke(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    json_t *grant, *before;
    char title[600];
    int code = grant_asked(act, request, &grant, error);

    if (code < 0)
        return code;
    before = json_deep_copy(grant);
    code = revoke_check(act, grant, error);
    if (code == 0) {
        json_object_set_new(grant, "revoked_by", json_string(change_actor(act->change)->login));
        json_object_set_new(grant, "revoked_at", json_integer(change_now_ms(act->change)));
        code = grant_end(act->change, grant, "revoked", error);
    }
    grant_title(grant, title, sizeof title);
    if (code == 0)
        code = act_record(act, "revoke", title, before, grant, text_of(request, "reason"), error);
    if (code == 0)
        grant_reply(act, grant, reply);
    json_decref(before);
    json_decref(grant);
    return code;
}

/* The configuration and the lists may be others since somebody asked. */
static int approval_target_check(struct act *act, json_t *grant, json_t *reply,
                                 struct bl_error *error)
{
    const char *kind = text_of(grant, "target_kind"), *group = text_of(grant, "group");
    char target[BL_NAME_TEXT_MAX + 16];
    int code;

    if (strcmp(text_of(grant, "kind"), "session") == 0)
        return act_session_approve(act, grant, error);
    snprintf(target, sizeof target, "%s:%s", kind ? kind : "", text_of(grant, "target"));
    code = act_target_find(act, target, false, grant, reply, error);
    if (code == 0 && group)
        code = act_group_find(act, group, grant, error);
    return code < 0 ? bl_error_wrap(error, code, "it cannot be approved any more") : 0;
}

static int approval_check(const struct act *act, const json_t *grant, struct bl_error *error)
{
    const char *state = text_of(grant, "state"), *by = text_of(grant, "by");

    if (!state || strcmp(state, "pending") != 0)
        return bl_error_set(error, -EINVAL, "this one does not wait for approval");
    if (strcmp(text_of(grant, "kind"), "reload") == 0)
        return bl_error_set(error, -EINVAL, "a reload is approved while chalkgated runs");
    if (strcmp(text_of(grant, "kind"), "lists") == 0)
        return bl_error_set(error, -EINVAL, "lists are approved while chalkgated runs");
    if (by && strcmp(by, change_actor(act->change)->login) == 0)
        return bl_error_set(error, -EPERM,
                            "it was you who asked for it; please have another manager confirm it");
    return 0;
}

/* Beside whoever approved it in words of whoever asked. */
static void approver_add(const struct act *act, json_t *grant)
{
    const char *said = text_of(grant, "approved_by"), *login = change_actor(act->change)->login;

    json_object_set_new(grant, "approved_by",
                        said ? json_sprintf("%s, confirmed by %s", said, login)
                             : json_string(login));
}

int act_approve(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    json_t *grant, *before, *seconds;
    int64_t start_ms, now_ms = change_now_ms(act->change);
    char title[600];
    int code = grant_asked(act, request, &grant, error);

    if (code < 0)
        return code;
    before = json_deep_copy(grant);
    code = approval_check(act, grant, error);
    if (code == 0)
        code = approval_target_check(act, grant, reply, error);
    if (code == 0) {
        seconds = json_object_get(grant, "seconds");
        start_ms = json_integer_value(json_object_get(grant, "start"));
        start_ms = start_ms > now_ms ? start_ms : now_ms;
        if (seconds)
            json_object_set_new(grant, "end",
                                json_integer(start_ms + json_integer_value(seconds) * 1000));
        json_object_del(grant, "seconds");
        json_object_set_new(grant, "state", json_string("active"));
        approver_add(act, grant);
        code = grant_replace(act->change, grant, error);
    }
    grant_title(grant, title, sizeof title);
    if (code == 0)
        code = act_record(act, "approve", title, before, grant, text_of(request, "reason"), error);
    if (code == 0)
        grant_reply(act, grant, reply);
    json_decref(before);
    json_decref(grant);
    return code;
}

#include "resolver/policy/acts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "resolver/devices/devices.h"
#include "resolver/policy/grants.h"
#include "resolver/policy/versions.h"

enum { REASON_MOST = 500, APPROVER_MOST = 200 };

static const int64_t YEARS_100_S = INT64_C(100) * 366 * 86400;

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* A reason is not asked for politeness: a decision that nobody can explain later is none. */
static int reason_check(const json_t *request, struct bl_error *error)
{
    const char *reason = text_of(request, "reason");

    if (!reason || strspn(reason, " \t\n") == strlen(reason))
        return bl_error_set(error, -EINVAL,
                            "please say why, with --reason TEXT; it is kept with "
                            "the change");
    if (strlen(reason) > REASON_MOST)
        return bl_error_set(error, -EINVAL, "a reason may have at most %d characters", REASON_MOST);
    return 0;
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

/* When it begins: now, or when the request says so. */
static int start_find(const struct act *act, const json_t *request, int64_t *out_start_ms,
                      struct bl_error *error)
{
    const json_t *from = json_object_get(request, "from");
    int64_t now_ms = change_now_ms(act->change), value = json_integer_value(from);

    if (from && (value < 0 || value > now_ms / 1000 + YEARS_100_S))
        return bl_error_set(error, -EINVAL, "that is no time at which it could begin");
    *out_start_ms = from && value * 1000 > now_ms ? value * 1000 : now_ms;
    return 0;
}

/* `start_ms`: from when on a length counts. */
static int end_find(const struct act *act, const json_t *request, int64_t start_ms,
                    bool may_be_permanent, json_t **out_end, struct bl_error *error)
{
    const json_t *seconds = json_object_get(request, "seconds");
    const json_t *until = json_object_get(request, "until");
    bool permanent = json_is_true(json_object_get(request, "permanent"));
    int64_t now_ms = change_now_ms(act->change), end_ms;

    if (!!seconds + !!until + permanent != 1)
        return bl_error_set(error, -EINVAL, "please say for how long: --for 45m%s--until TIME%s",
                            may_be_permanent ? ", " : " or ",
                            may_be_permanent ? " or --permanent" : "");
    if (permanent && !may_be_permanent)
        return bl_error_set(error, -EINVAL, "this needs an end: --for or --until");
    *out_end = NULL;
    if (permanent)
        return 0;
    if (seconds) {
        int64_t value = json_integer_value(seconds);
        if (value < 1 || value > YEARS_100_S)
            return bl_error_set(error, -EINVAL, "it must last at least a second");
        end_ms = start_ms + value * 1000;
    } else {
        int64_t value = json_integer_value(until);
        if (value > INT64_MAX / 1000 || value < 0 || value * 1000 <= now_ms)
            return bl_error_set(error, -EINVAL, "its end has passed already");
        end_ms = value * 1000;
        if (end_ms <= start_ms)
            return bl_error_set(error, -EINVAL,
                                "it would end before it begins; please give a "
                                "later --until or an earlier --from");
    }
    *out_end = json_integer(end_ms);
    return 0;
}

/* Kept while a grant waits for approval: its time begins when it is approved, or later. */
static void duration_keep(json_t *grant, const json_t *request)
{
    json_t *seconds = json_object_get(request, "seconds");

    if (seconds)
        json_object_set(grant, "seconds", seconds);
}

static int category_target(const struct act *act, const char *name, bool deny, json_t *grant,
                           struct bl_error *error)
{
    int index = config_category_find(act->config, name);

    if (index < 0)
        return bl_error_set(error, -EINVAL, "there is no category \"%.80s\"", name);
    if (act->config->categories[index].sealed && !deny)
        return bl_error_set(error, -EPERM,
                            "category \"%s\" is sealed: it is denied to everyone, and nobody can "
                            "allow it",
                            name);
    json_object_set_new(grant, "target_kind", json_string("category"));
    json_object_set_new(grant, "target", json_string(name));
    return 0;
}

static bool fact_is_sealed(const struct act *act, bl_fact fact)
{
    size_t count;
    const struct bl_fact_rule *rules = bl_store_fact(act->store, fact, &count);

    for (size_t i = 0; i < count; i++) {
        const char *name = bl_store_category(act->store, rules[i].category)->name;
        int index = config_category_find(act->config, name);
        if (rules[i].action == BL_BLOCK && index >= 0 && act->config->categories[index].sealed)
            return true;
    }
    return false;
}

/* An exception that changes nothing is often a name mistyped: said, not refused. */
static int name_target(const struct act *act, const char *text, bool deny, json_t *grant,
                       json_t *reply, struct bl_error *error)
{
    char written[BL_NAME_TEXT_MAX];
    struct bl_name name;
    struct bl_found found = {0};
    enum bl_name_fault fault = bl_name_parse(text, strlen(text), &name);

    if (fault != BL_NAME_FINE)
        return bl_error_set(error, -EINVAL, "\"%.255s\" is no name: %s", text,
                            bl_name_fault_text(fault));
    bl_name_text(name.wire, written);
    if (act->store)
        found = bl_store_find(act->store, name.wire, name.len, BL_ALL_TYPES);
    if (act->store && !deny && fact_is_sealed(act, found.fact))
        return bl_error_set(error, -EPERM,
                            "%s is in a sealed category: it is denied to everyone, and nobody can "
                            "allow it",
                            written);
    if (act->store && !deny && found.fact == BL_FACT_NONE)
        json_object_set_new(reply, "warning",
                            json_sprintf("%s is on no list, so allowing it changes nothing unless "
                                         "a rule of the configuration denies it",
                                         written));
    json_object_set_new(grant, "target_kind", json_string("name"));
    json_object_set_new(grant, "target", json_string(written));
    return 0;
}

static int target_find(const struct act *act, const char *target, bool deny, json_t *grant,
                       json_t *reply, struct bl_error *error)
{
    if (!target || !*target)
        return bl_error_set(error, -EINVAL,
                            "what is it about? A name, category:NAME or service:NAME");
    if (strncmp(target, "category:", 9) == 0)
        return category_target(act, target + 9, deny, grant, error);
    if (strncmp(target, "service:", 8) == 0) {
        if (config_service_find(act->config, target + 8) < 0)
            return bl_error_set(error, -EINVAL, "there is no service \"%.80s\"", target + 8);
        json_object_set_new(grant, "target_kind", json_string("service"));
        json_object_set_new(grant, "target", json_string(target + 8));
        return 0;
    }
    if (strncmp(target, "name:", 5) == 0)
        target += 5;
    return name_target(act, target, deny, grant, reply, error);
}

static bool device_is_fixed(const struct act *act, const char *name)
{
    for (size_t i = 0; i < act->config->device_count; i++) {
        if (strcmp(act->config->devices[i].name, name) == 0)
            return true;
    }
    return false;
}

/* By the name that it gives itself. Two may give the same: then which one is a person's to say. */
static int device_named(const struct act *act, const char *name, uint8_t mac[MAC_LEN],
                        struct bl_error *error)
{
    size_t count = act->devices ? devices_named(act->devices, name, mac) : 0;

    if (count == 1)
        return 0;
    if (count > 1)
        return bl_error_set(error, -EINVAL,
                            "%zu devices call themselves \"%.80s\": please give the MAC address of "
                            "the one that is meant; `chalkgate devices %.80s` shows them",
                            count, name, name);
    return bl_error_set(
        error, -EINVAL,
        "no device \"%.80s\": please give a MAC address, an address, or a name that "
        "`chalkgate devices` shows",
        name);
}

/* A device is named by its MAC address, an address it has, its name in the configuration, or the
 * one that it gives itself. */
static int device_find(const struct act *act, const char *text, json_t *grant,
                       struct bl_error *error)
{
    struct address address;
    struct device device;
    uint8_t mac[MAC_LEN];
    char written[ADDRESS_TEXT_MAX];
    bool has_mac = mac_parse(text, mac);
    int code = 0;

    json_object_set_new(grant, "device", json_string(text));
    if (has_mac) {
        json_object_set_new(grant, "mac", json_string(mac_text(mac, written)));
    } else if (address_parse(text, 0, &address) == 0) {
        json_object_set_new(grant, "address", json_string(address_text(&address, written)));
        if (act->devices && devices_find(act->devices, &address, &device) && device.has_mac)
            json_object_set_new(grant, "mac", json_string(mac_text(device.mac, written)));
    } else if (!device_is_fixed(act, text)) {
        code = device_named(act, text, mac, error);
        if (code == 0)
            json_object_set_new(grant, "mac", json_string(mac_text(mac, written)));
    }
    return code;
}

static int group_find(const struct act *act, const char *name, json_t *grant,
                      struct bl_error *error)
{
    if (config_group_find(act->config, name) < 0)
        return bl_error_set(error, -EINVAL, "there is no group \"%.80s\"", name);
    json_object_set_new(grant, "group", json_string(name));
    return 0;
}

static int holder_find(const struct act *act, const json_t *request, json_t *grant,
                       struct bl_error *error)
{
    const char *group = text_of(request, "group"), *device = text_of(request, "device");

    if (!group == !device)
        return bl_error_set(error, -EINVAL,
                            "for whom? Please name one of --group NAME and --device DEVICE");
    return group ? group_find(act, group, grant, error) : device_find(act, device, grant, error);
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

/* "allow chess.test for pupils", for the change log and the version's description. */
static void grant_title(const json_t *grant, char *text, size_t size)
{
    const char *target = text_of(grant, "target"), *kind = text_of(grant, "target_kind");
    const char *group = text_of(grant, "group"), *device = text_of(grant, "device");
    bool plain = !kind || strcmp(kind, "name") == 0;

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
        code = target_find(act, text_of(request, "target"), deny, grant, reply, error);
    if (code == 0)
        code = holder_find(act, request, grant, error);
    if (code == 0)
        code = start_find(act, request, &start_ms, error);
    if (code == 0)
        code = end_find(act, request, start_ms, true, &end, error);
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
    code = device_find(act, device, grant, error);
    if (code == 0)
        code = end_find(act, request, change_now_ms(act->change), false, &end, error);
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
static int approval_target_check(const struct act *act, json_t *grant, json_t *reply,
                                 struct bl_error *error)
{
    const char *kind = text_of(grant, "target_kind"), *group = text_of(grant, "group");
    char target[BL_NAME_TEXT_MAX + 16];
    int code;

    snprintf(target, sizeof target, "%s:%s", kind ? kind : "", text_of(grant, "target"));
    code = target_find(act, target, false, grant, reply, error);
    if (code == 0 && group)
        code = group_find(act, group, grant, error);
    return code < 0 ? bl_error_wrap(error, code, "it cannot be approved any more") : 0;
}

static int approval_check(const struct act *act, const json_t *grant, struct bl_error *error)
{
    const char *state = text_of(grant, "state"), *by = text_of(grant, "by");

    if (!state || strcmp(state, "pending") != 0)
        return bl_error_set(error, -EINVAL, "this one does not wait for approval");
    if (strcmp(text_of(grant, "kind"), "reload") == 0)
        return bl_error_set(error, -EINVAL, "a reload is approved while chalkgated runs");
    if (by && strcmp(by, change_actor(act->change)->login) == 0)
        return bl_error_set(error, -EPERM,
                            "it was you who asked for it; please have another manager confirm it");
    return 0;
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
        json_object_set_new(grant, "approved_by", json_string(change_actor(act->change)->login));
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

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/devices/devices.h"
#include "resolver/policy/acts.h"
#include "resolver/policy/acts_find.h"
#include "resolver/policy/grants.h"
#include "resolver/policy/loosened.h"

enum { LOOSENED_MOST = 200, SENTENCE_MAX = 400 };

static bool has_word(const json_t *grant, const char *key, const char *word)
{
    const char *text = text_of(grant, key);

    return text && strcmp(text, word) == 0;
}

/* Which sessions: those at an address, of a user, and in a state; NULL: whatever it is. */
struct sessions {
    const char *address, *user, *state;
    const json_t *but; /* this one is another matter; may be NULL */
};

static bool is_among(const json_t *grant, const struct sessions *which)
{
    return has_word(grant, "kind", "session") &&
           (!which->address || has_word(grant, "address", which->address)) &&
           (!which->user || has_word(grant, "session_user", which->user)) &&
           (!which->state || has_word(grant, "state", which->state)) &&
           !(which->but &&
             json_equal(json_object_get(which->but, "id"), json_object_get(grant, "id")));
}

static int sessions_end(struct act *act, const struct sessions *which, const char *as,
                        size_t *out_count, struct bl_error *error)
{
    json_t *grants, *grant;
    size_t index, count = 0;
    int code = grants_read(act->change, TABLE_GRANTS, &grants, error);

    if (code < 0)
        return code;
    json_array_foreach(grants, index, grant)
    {
        if (code < 0 || !is_among(grant, which))
            continue;
        code = grant_end(act->change, grant, as, error);
        count++;
    }
    json_decref(grants);
    *out_count = count;
    return code;
}

static int64_t session_length_ms(const struct act *act, const json_t *request)
{
    json_int_t seconds = json_integer_value(json_object_get(request, "seconds"));
    json_int_t until = json_integer_value(json_object_get(request, "until"));

    if (seconds > 0 && seconds < INT32_MAX)
        return seconds * 1000;
    if (until > 0 && until < INT64_MAX / 1000)
        return until * 1000 - change_now_ms(act->change);
    return 0;
}

static json_t *session_new(const struct act *act, const struct address *address,
                           const json_t *request, int64_t length_ms)
{
    const struct actor *actor = change_actor(act->change);
    json_int_t now_ms = change_now_ms(act->change);
    const char *reason = text_of(request, "reason");
    char at[ADDRESS_TEXT_MAX], mac_words[MAC_TEXT_MAX];
    struct device device;
    json_t *session = json_pack(
        "{s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s}", "kind", "session", "state", "active",
        "at", now_ms, "end", (json_int_t)(now_ms + length_ms), "by", actor->login, "user",
        actor->user, "reason", reason ? reason : "", "address", address_text(address, at),
        "session_user", text_of(request, "user"), "group", text_of(request, "group"));

    if (session && act->devices && devices_find(act->devices, address, &device) && device.has_mac)
        json_object_set_new(session, "mac", json_string(mac_text(device.mac, mac_words)));
    return session;
}

/* It comes from log-on scripts and RADIUS, and is shown in terminals. */
static bool user_is_fine(const char *user)
{
    for (const char *at = user; at && *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return false;
    }
    return user && *user && strlen(user) <= 100;
}

static bool is_automatic(const struct act *act, const char *group)
{
    const struct config_roles *roles = &act->config->roles;
    const struct actor *actor = change_actor(act->change);

    if (strcmp(actor->user, actor->login) != 0) /* by the hand of whoever signed on */
        return false;
    for (size_t i = 0; i < roles->signer_count; i++) {
        const struct config_signer *signer = &roles->signers[i];
        for (size_t j = 0; strcmp(signer->name, actor->user) == 0 && j < signer->group_count; j++) {
            if (strcmp(act->config->groups[signer->groups[j]].name, group) == 0)
                return true;
        }
    }
    return false;
}

static void loosened_add(void *user, const char *sentence)
{
    json_t *loosens = user, *known;
    size_t index;

    json_array_foreach(loosens, index, known)
    {
        if (strcmp(json_string_value(known), sentence) == 0)
            return;
    }
    if (index < LOOSENED_MOST)
        json_array_append_new(loosens, json_string(sentence));
}

/* What is granted or denied beside the configuration differs between groups, too. */
static int grants_compare(struct act *act, const struct config_group *from,
                          const struct config_group *to, json_t *loosens, struct bl_error *error)
{
    char sentence[SENTENCE_MAX];
    json_t *grants, *grant;
    size_t index;
    int code = from == to ? 0 : grants_read(act->change, TABLE_GRANTS, &grants, error);

    if (from == to || code < 0)
        return code;
    json_array_foreach(grants, index, grant)
    {
        bool given = has_word(grant, "kind", "allow") && has_word(grant, "group", to->name);
        bool taken =
            from && has_word(grant, "kind", "deny") && has_word(grant, "group", from->name);
        if (!has_word(grant, "state", "active") || (!given && !taken))
            continue;
        snprintf(sentence, sizeof sentence, "grant %lld, which %s %.255s, would %s",
                 (long long)json_integer_value(json_object_get(grant, "id")),
                 given ? "allows" : "denies", text_of(grant, "target"),
                 given ? "hold" : "no longer hold");
        loosened_add(loosens, sentence);
    }
    json_decref(grants);
    return 0;
}

static int place_compare(struct act *act, const struct address *address, const uint8_t *mac,
                         const struct config_group *to, int64_t at_s, json_t *loosens,
                         struct bl_error *error)
{
    const struct config_group *from = policy_group_fixed(act->config, act->devices, address, mac);
    int code = policy_loosened_move(act->config, from, to, at_s, loosened_add, loosens, error);

    return code < 0 ? code : grants_compare(act, from, to, loosens, error);
}

/* What the session would let its device do that the configuration does not: at this address, and at
 * the others that the device has. A session that is there already is no measure, for it ends. The
 * year that is looked at begins when it was asked for, so that the same is said in the same words
 * whenever this is done. */
static int session_compare(struct act *act, const struct address *address, const json_t *session,
                           json_t *loosens, struct bl_error *error)
{
    int group = config_group_find(act->config, text_of(session, "group"));
    const struct config_group *to = &act->config->groups[group];
    const char *text = text_of(session, "mac");
    int64_t at_s = json_integer_value(json_object_get(session, "at")) / 1000;
    struct device *all = NULL;
    size_t count = 0;
    uint8_t mac[MAC_LEN];
    bool has_mac = text && mac_parse(text, mac);
    int code = place_compare(act, address, has_mac ? mac : NULL, to, at_s, loosens, error);

    if (code == 0 && has_mac && devices_all(act->devices, &all, &count) < 0)
        code = bl_error_set(error, -ENOMEM, "no memory to look at the device's addresses");
    for (size_t i = 0; i < count && code == 0; i++) {
        if (all[i].has_mac && memcmp(all[i].mac, mac, MAC_LEN) == 0)
            code = place_compare(act, &all[i].address, mac, to, at_s, loosens, error);
    }
    free(all);
    return code;
}

/* Where a second manager is wanted for what the session loosens, it says so afterwards: it is
 * "pending", with its length and what it loosens. */
static int session_weigh(struct act *act, const struct address *address, const json_t *request,
                         json_t *session, struct bl_error *error)
{
    json_t *loosens, *seconds = json_object_get(request, "seconds");
    int code;

    if (!act->config->roles.requires_approval || is_automatic(act, text_of(session, "group")))
        return 0;
    loosens = json_array();
    code = session_compare(act, address, session, loosens, error);
    if (code == 0 && json_array_size(loosens)) {
        code = act_reason_check(text_of(session, "reason"), error);
        json_object_set_new(session, "state", json_string("pending"));
        json_object_set(session, "loosens", loosens);
        if (seconds)
            json_object_set(session, "seconds", seconds);
    }
    json_decref(loosens);
    return code;
}

/* In the place of what was at its address; one that waits leaves alone what is in force there. */
static int session_add(struct act *act, json_t *session, struct bl_error *error)
{
    bool waits = has_word(session, "state", "pending");
    const struct sessions before = {.address = text_of(session, "address"),
                                    .state = waits ? "pending" : NULL};
    char title[200];
    size_t ended;
    int code = sessions_end(act, &before, waits ? "superseded" : "revoked", &ended, error);

    snprintf(title, sizeof title, "%.100s at %s", text_of(session, "session_user"),
             text_of(session, "address"));
    if (code == 0)
        code = grant_add(act->change, session, error);
    if (code == 0)
        code = change_log(act->change, waits ? "session-asked" : "session-start", title, NULL,
                          session, text_of(session, "reason"), error);
    act->changed |= !waits;
    return code;
}

static int session_check(const struct act *act, const json_t *request, struct address *out_address,
                         struct bl_error *error)
{
    const char *where = text_of(request, "address"), *group = text_of(request, "group");
    const char *reason = text_of(request, "reason");

    if (!where)
        return bl_error_set(error, -EINVAL, "at which address? --address ADDRESS");
    if (address_parse(where, 0, out_address) < 0)
        return bl_error_set(error, -EINVAL, "\"%.80s\" is no address", where);
    if (!user_is_fine(text_of(request, "user")))
        return bl_error_set(error, -EINVAL,
                            "who signs on? --user NAME, of up to 100 characters, none of them a "
                            "control character");
    if (!group)
        return bl_error_set(error, -EINVAL, "of which group? --group NAME");
    if (config_group_find(act->config, group) < 0)
        return act_group_find(act, group, NULL, error);
    if (session_length_ms(act, request) <= 0)
        return bl_error_set(error, -EINVAL, "for how long? --for 8h or --until TIME");
    return reason && *reason ? act_reason_check(reason, error) : 0;
}

int act_session_start(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    struct address address;
    json_t *session;
    int code = session_check(act, request, &address, error);

    if (code == 0)
        code = grants_sweep(act->change, error);
    if (code < 0)
        return code;
    session = session_new(act, &address, request, session_length_ms(act, request));
    if (!session)
        return bl_error_set(error, -ENOMEM, "no memory for the session");
    code = session_weigh(act, &address, request, session, error);
    if (code == 0)
        code = session_add(act, session, error);
    if (code == 0)
        json_object_set(reply, "session", session);
    json_decref(session);
    return code;
}

/* Groups, grants and the device's addresses may be others since: then it would loosen more than
 * whoever confirms it was shown. */
static int session_look(struct act *act, const struct address *address, const json_t *session,
                        struct bl_error *error)
{
    json_t *loosens = json_array();
    int code = session_compare(act, address, session, loosens, error);
    const char *unshown = code == 0 ? act_unshown_find(session, loosens) : NULL;

    if (unshown)
        code = bl_error_set(error, -EINVAL,
                            "it would loosen more by now than when it was asked for (%s): "
                            "please have the session started anew",
                            unshown);
    json_decref(loosens);
    return code;
}

/* It follows whoever was at the address. */
static int session_device(const struct act *act, const struct address *address, json_t *session,
                          struct bl_error *error)
{
    const char *mac = text_of(session, "mac");
    char text[MAC_TEXT_MAX];
    struct device device;

    if (!act->devices || !devices_find(act->devices, address, &device) || !device.has_mac)
        return 0;
    mac_text(device.mac, text);
    if (mac && strcmp(mac, text) != 0)
        return bl_error_set(error, -EINVAL,
                            "another device has the address %s by now (%s, not %s): please "
                            "have the session started anew",
                            text_of(session, "address"), text, mac);
    json_object_set_new(session, "mac", json_string(text));
    return 0;
}

int act_session_approve(struct act *act, json_t *session, struct bl_error *error)
{
    const struct sessions before = {.address = text_of(session, "address"), .but = session};
    struct address address;
    size_t ended;
    int code = act_group_find(act, text_of(session, "group"), session, error);

    if (code < 0)
        return bl_error_wrap(error, code, "it cannot be approved any more");
    if (address_parse(before.address, 0, &address) < 0)
        return bl_error_set(error, -EINVAL, "\"%.80s\" is no address", before.address);
    code = session_device(act, &address, session, error);
    if (code == 0)
        code = session_look(act, &address, session, error);
    if (code < 0)
        return code;
    json_object_del(session, "loosens");
    return sessions_end(act, &before, "revoked", &ended, error);
}

int act_session_end(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *where = text_of(request, "address"), *user = text_of(request, "user");
    struct sessions which = {.user = user};
    struct address address;
    char at[ADDRESS_TEXT_MAX] = "";
    size_t count;
    int code;

    if (!where && !user)
        return bl_error_set(error, -EINVAL, "whose session? --address ADDRESS or --user NAME");
    if (where && address_parse(where, 0, &address) < 0)
        return bl_error_set(error, -EINVAL, "\"%.80s\" is no address", where);
    if (where)
        which.address = address_text(&address, at);
    code = sessions_end(act, &which, "revoked", &count, error);
    if (code == 0 && count == 0)
        return bl_error_set(error, -ENOENT, "nobody is signed on there");
    if (code == 0)
        code = change_log(act->change, "session-end", where ? at : user, NULL, NULL,
                          text_of(request, "reason"), error);
    act->changed = true;
    json_object_set_new(reply, "ended", json_integer((json_int_t)count));
    return code;
}

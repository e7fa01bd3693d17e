#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "resolver/devices/devices.h"
#include "resolver/policy/acts.h"
#include "resolver/policy/acts_find.h"
#include "resolver/policy/grants.h"

static bool is_session(const json_t *grant)
{
    const char *kind = text_of(grant, "kind");

    return kind && strcmp(kind, "session") == 0;
}

/* Ends the sessions at an address or of a user. */
static int sessions_end(struct act *act, const char *address, const char *user, size_t *out_count,
                        struct bl_error *error)
{
    json_t *grants, *grant;
    size_t index, count = 0;
    int code = grants_read(act->change, TABLE_GRANTS, &grants, error);

    if (code < 0)
        return code;
    json_array_foreach(grants, index, grant)
    {
        const char *at = text_of(grant, "address"), *who = text_of(grant, "session_user");
        if (code < 0 || !is_session(grant) || (address && (!at || strcmp(at, address) != 0)) ||
            (user && (!who || strcmp(who, user) != 0)))
            continue;
        code = grant_end(act->change, grant, "revoked", error);
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

int act_session_start(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *where = text_of(request, "address"), *user = text_of(request, "user");
    const char *group = text_of(request, "group"), *reason = text_of(request, "reason");
    int64_t length_ms = session_length_ms(act, request);
    struct address address;
    char title[200], at[ADDRESS_TEXT_MAX];
    json_t *session;
    size_t ended;
    int code;

    if (!where)
        return bl_error_set(error, -EINVAL, "at which address? --address ADDRESS");
    if (address_parse(where, 0, &address) < 0)
        return bl_error_set(error, -EINVAL, "\"%.80s\" is no address", where);
    if (!user_is_fine(user))
        return bl_error_set(error, -EINVAL,
                            "who signs on? --user NAME, of up to 100 characters, none of them a "
                            "control character");
    if (!group)
        return bl_error_set(error, -EINVAL, "of which group? --group NAME");
    if (config_group_find(act->config, group) < 0)
        return act_group_find(act, group, NULL, error);
    if (length_ms <= 0)
        return bl_error_set(error, -EINVAL, "for how long? --for 8h or --until TIME");
    if (reason && *reason && act_reason_check(reason, error) < 0)
        return -EINVAL;
    code = grants_sweep(act->change, error);
    if (code == 0)
        code = sessions_end(act, address_text(&address, at), NULL, &ended, error);
    if (code < 0)
        return code;
    session = session_new(act, &address, request, length_ms);
    if (!session)
        return bl_error_set(error, -ENOMEM, "no memory for the session");
    snprintf(title, sizeof title, "%.100s at %s", user, at);
    code = grant_add(act->change, session, error);
    if (code == 0)
        code = change_log(act->change, "session-start", title, NULL, session,
                          text_of(session, "reason"), error);
    if (code == 0)
        json_object_set(reply, "session", session);
    act->changed = true;
    json_decref(session);
    return code;
}

int act_session_end(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *where = text_of(request, "address"), *user = text_of(request, "user");
    struct address address;
    char at[ADDRESS_TEXT_MAX] = "";
    size_t count;
    int code;

    if (!where && !user)
        return bl_error_set(error, -EINVAL, "whose session? --address ADDRESS or --user NAME");
    if (where && address_parse(where, 0, &address) < 0)
        return bl_error_set(error, -EINVAL, "\"%.80s\" is no address", where);
    if (where)
        address_text(&address, at);
    code = sessions_end(act, where ? at : NULL, user, &count, error);
    if (code == 0 && count == 0)
        return bl_error_set(error, -ENOENT, "nobody is signed on there");
    if (code == 0)
        code = change_log(act->change, "session-end", where ? at : user, NULL, NULL,
                          text_of(request, "reason"), error);
    act->changed = true;
    json_object_set_new(reply, "ended", json_integer((json_int_t)count));
    return code;
}

#include "resolver/policy/acts_find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "resolver/config/faults.h"
#include "resolver/devices/devices.h"

static const int64_t YEARS_100_S = INT64_C(100) * 366 * 86400;

/* When it begins: now, or when the request says so. */
int act_start_find(const struct act *act, const json_t *request, int64_t *out_start_ms,
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
int act_end_find(const struct act *act, const json_t *request, int64_t start_ms,
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

static int unknown_say(const char *what, const char *name, const struct nearest *nearest,
                       struct bl_error *error)
{
    char meant[200];

    return bl_error_set(error, -EINVAL, "there is no %s \"%.80s\"%s", what, name,
                        nearest_text(nearest, meant, sizeof meant));
}

static int category_target(const struct act *act, const char *name, bool deny, json_t *grant,
                           struct bl_error *error)
{
    struct nearest nearest = {.wanted = name};
    int index = config_category_find(act->config, name);

    if (index < 0) {
        for (size_t i = 0; i < act->config->category_count; i++)
            nearest_offer(&nearest, act->config->categories[i].name);
        return unknown_say("category", name, &nearest, error);
    }
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

static int service_target(const struct act *act, const char *name, json_t *grant,
                          struct bl_error *error)
{
    struct nearest nearest = {.wanted = name};

    if (config_service_find(act->config, name) < 0) {
        for (size_t i = 0; i < act->config->service_count; i++)
            nearest_offer(&nearest, act->config->services[i].name);
        return unknown_say("service", name, &nearest, error);
    }
    json_object_set_new(grant, "target_kind", json_string("service"));
    json_object_set_new(grant, "target", json_string(name));
    return 0;
}

int act_target_find(const struct act *act, const char *target, bool deny, json_t *grant,
                    json_t *reply, struct bl_error *error)
{
    if (!target || !*target)
        return bl_error_set(error, -EINVAL,
                            "what is it about? A name, category:NAME or service:NAME");
    if (strncmp(target, "category:", 9) == 0)
        return category_target(act, target + 9, deny, grant, error);
    if (strncmp(target, "service:", 8) == 0)
        return service_target(act, target + 8, grant, error);
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
int act_device_find(const struct act *act, const char *text, json_t *grant, struct bl_error *error)
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

int act_group_find(const struct act *act, const char *name, json_t *grant, struct bl_error *error)
{
    struct nearest nearest = {.wanted = name};

    if (config_group_find(act->config, name) < 0) {
        for (size_t i = 0; i < act->config->group_count; i++)
            nearest_offer(&nearest, act->config->groups[i].name);
        return unknown_say("group", name, &nearest, error);
    }
    json_object_set_new(grant, "group", json_string(name));
    return 0;
}

int act_holder_find(const struct act *act, const json_t *request, json_t *grant,
                    struct bl_error *error)
{
    const char *group = text_of(request, "group"), *device = text_of(request, "device");

    if (!group == !device)
        return bl_error_set(error, -EINVAL,
                            "for whom? Please name one of --group NAME and --device DEVICE");
    return group ? act_group_find(act, group, grant, error)
                 : act_device_find(act, device, grant, error);
}

static bool is_shown(const json_t *grant, const char *sentence)
{
    const json_t *shown;
    size_t index;

    json_array_foreach(json_object_get(grant, "loosens"), index, shown)
    {
        const char *text = json_string_value(shown);
        if (text && strcmp(text, sentence) == 0)
            return true;
    }
    return false;
}

const char *act_unshown_find(const json_t *grant, const json_t *loosens)
{
    const json_t *sentence;
    size_t index;

    json_array_foreach(loosens, index, sentence)
    {
        if (!is_shown(grant, json_string_value(sentence)))
            return json_string_value(sentence);
    }
    return NULL;
}

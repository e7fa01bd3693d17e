/* Who comes to another policy, and who may have a say: addresses, devices, forwarders, managers. */
#include <stdio.h>
#include <string.h>

#include "resolver/devices/devices.h"
#include "resolver/policy/loosened_inside.h"

/* IPv6 prefixes speak of IPv6 only, ::/0 too. */
static bool is_v4(const uint8_t *bytes)
{
    static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(bytes, MAPPED, sizeof MAPPED) == 0;
}

static const struct config_group *group_of(const struct config *config,
                                           const struct address *address)
{
    const struct config_group *found = NULL;
    unsigned longest = 0;

    for (size_t i = 0; i < config->group_count; i++) {
        const struct config_group *group = &config->groups[i];
        for (size_t j = 0; j < group->subnet_count; j++) {
            if (!address_in_prefix(address, &group->subnets[j]) ||
                is_v4(address->bytes) != is_v4(group->subnets[j].bytes) ||
                (found && group->subnets[j].length < longest))
                continue;
            found = group;
            longest = group->subnets[j].length;
        }
    }
    return found;
}

static void address_compare(struct comparison *comparison, const struct address *address,
                            const struct address_prefix *prefix)
{
    const struct config_group *was = group_of(comparison->before.config, address);
    const struct config_group *is = group_of(comparison->after.config, address);
    char text[ADDRESS_TEXT_MAX];

    if (!is || (was && strcmp(was->name, is->name) == 0))
        return;
    if (was)
        loosened_tell(comparison, "%s: would be of the group %s and was of %s",
                      address_prefix_text(prefix, text), is->name, was->name);
    else
        loosened_tell(comparison, "%s: might ask for the first time, as group %s",
                      address_prefix_text(prefix, text), is->name);
}

static struct address prefix_first(const struct address_prefix *prefix)
{
    struct address address = {0};

    memcpy(address.bytes, prefix->bytes, sizeof address.bytes);
    return address;
}

/* The first address after the prefix; false where there is none. */
static bool address_after(const struct address_prefix *prefix, struct address *out)
{
    unsigned bit = prefix->length;

    *out = prefix_first(prefix);
    for (size_t i = 0; i < sizeof out->bytes; i++) {
        unsigned first = (unsigned)i * 8;
        if (first >= bit)
            out->bytes[i] = 0xff;
        else if (first + 8 > bit)
            out->bytes[i] |= (uint8_t)(0xff >> (bit - first));
    }
    for (size_t i = sizeof out->bytes; i-- > 0;) {
        if (++out->bytes[i] != 0)
            return true;
    }
    return false;
}

/* Groups of addresses change where a prefix begins and behind its end only. */
static void addresses_compare(struct comparison *comparison, const struct config *config)
{
    for (size_t i = 0; i < config->group_count; i++) {
        const struct config_group *group = &config->groups[i];
        for (size_t j = 0; j < group->subnet_count; j++) {
            struct address first = prefix_first(&group->subnets[j]), behind;
            address_compare(comparison, &first, &group->subnets[j]);
            if (address_after(&group->subnets[j], &behind)) {
                struct address_prefix single = {.length = 128};
                memcpy(single.bytes, behind.bytes, sizeof single.bytes);
                address_compare(comparison, &behind, &single);
            }
        }
    }
}

/* As client_device() of clients.c has it. */
static bool device_is_at(const struct config_device *device, struct devices *devices,
                         const struct address *address, const uint8_t *mac)
{
    struct device seen;

    if (device->mac.set && mac)
        return memcmp(device->mac.bytes, mac, MAC_LEN) == 0;
    for (size_t i = 0; i < device->address_count; i++) {
        if (address_equal_host(&device->addresses[i], address) ||
            (mac && devices && devices_find(devices, &device->addresses[i], &seen) &&
             seen.has_mac && memcmp(seen.mac, mac, MAC_LEN) == 0))
            return true;
    }
    return false;
}

const struct config_group *policy_group_fixed(const struct config *config, struct devices *devices,
                                              const struct address *address, const uint8_t *mac)
{
    for (size_t i = 0; i < config->device_count; i++) {
        const struct config_device *device = &config->devices[i];
        if (!device_is_at(device, devices, address, mac))
            continue;
        if (device->group != CONFIG_NONE)
            return &config->groups[device->group];
        break; /* it is the first one that matches */
    }
    return group_of(config, address);
}

static const struct config_device *device_of(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->device_count; i++) {
        if (strcmp(config->devices[i].name, name) == 0)
            return &config->devices[i];
    }
    return NULL;
}

static const char *device_group(const struct config *config, const struct config_device *device)
{
    return !device || device->group == CONFIG_NONE ? "" : config->groups[device->group].name;
}

static bool has_address(const struct config_device *device, const struct address *address)
{
    for (size_t i = 0; i < device->address_count; i++) {
        if (address_equal_host(&device->addresses[i], address))
            return true;
    }
    return false;
}

/* Whether somebody else may be the device now. Addresses are nobody's word where a MAC address is
 * known to be another's, but it need not be known. */
static bool device_is_other(const struct config_device *was, const struct config_device *is)
{
    if (was->mac.set != is->mac.set ||
        memcmp(was->mac.bytes, is->mac.bytes, sizeof was->mac.bytes) != 0)
        return true;
    for (size_t i = 0; i < is->address_count; i++) {
        if (!has_address(was, &is->addresses[i]))
            return true;
    }
    return false;
}

static void devices_compare(struct comparison *comparison, const struct config *config)
{
    for (size_t i = 0; i < config->device_count; i++) {
        const char *name = config->devices[i].name;
        const struct config_device *before = device_of(comparison->before.config, name);
        const struct config_device *after = device_of(comparison->after.config, name);
        const char *was = device_group(comparison->before.config, before);
        const char *is = device_group(comparison->after.config, after);
        if (strcmp(was, is) != 0)
            loosened_tell(comparison, "the device %s would be of %s%s and was of %s%s", name,
                          *is ? "the group " : "its subnet's group", is,
                          *was ? "the group " : "its subnet's group", was);
        else if (*is && device_is_other(before, after))
            loosened_tell(comparison, "another device would be %s, of the group %s", name, is);
    }
}

/* Whoever may tell a device's MAC address may tell any. */
static void forwarders_compare(struct comparison *comparison)
{
    const struct config *before = comparison->before.config, *after = comparison->after.config;
    char text[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < after->forwarder_count; i++) {
        const struct address_prefix *is = &after->forwarders[i];
        struct address first = prefix_first(is);
        bool covered = false;
        for (size_t j = 0; j < before->forwarder_count && !covered; j++)
            covered = before->forwarders[j].length <= is->length &&
                      address_in_prefix(&first, &before->forwarders[j]);
        if (!covered)
            loosened_tell(comparison, "%s would be believed about which device asks",
                          address_prefix_text(is, text));
    }
}

static bool is_manager(const struct config_roles *roles, const char *group)
{
    for (size_t i = 0; i < roles->manager_count; i++) {
        if (strcmp(roles->manager[i], group) == 0)
            return true;
    }
    return false;
}

static bool may_sign_on(const struct config *config, const char *user, const char *group)
{
    for (size_t i = 0; i < config->roles.signer_count; i++) {
        const struct config_signer *signer = &config->roles.signers[i];
        for (size_t j = 0; strcmp(signer->name, user) == 0 && j < signer->group_count; j++) {
            if (strcmp(config->groups[signer->groups[j]].name, group) == 0)
                return true;
        }
    }
    return false;
}

static void signers_compare(struct comparison *comparison)
{
    const struct config *after = comparison->after.config;

    for (size_t i = 0; i < after->roles.signer_count; i++) {
        const struct config_signer *signer = &after->roles.signers[i];
        for (size_t j = 0; j < signer->group_count; j++) {
            const char *group = after->groups[signer->groups[j]].name;
            if (!may_sign_on(comparison->before.config, signer->name, group))
                loosened_tell(comparison,
                              "sessions of the group %s that the user %s starts would wait for "
                              "nobody",
                              group, signer->name);
        }
    }
}

static void others_compare(struct comparison *comparison)
{
    const struct config *before = comparison->before.config, *after = comparison->after.config;
    char name[BL_NAME_TEXT_MAX];

    if (!after->roles.requires_approval)
        loosened_tell(comparison, "a second manager would no longer be asked");
    for (size_t i = 0; i < after->roles.manager_count; i++) {
        if (!is_manager(&before->roles, after->roles.manager[i]))
            loosened_tell(comparison, "members of %s might change the filter",
                          after->roles.manager[i]);
    }
    for (size_t i = 0; i < after->private_allowed_count; i++) {
        bool was = false;
        for (size_t j = 0; j < before->private_allowed_count && !was; j++)
            was = bl_name_equal(before->private_allowed[j], after->private_allowed[i]);
        if (!was)
            loosened_tell(comparison, "%s might have addresses of the inside",
                          (bl_name_text(after->private_allowed[i], name), name));
    }
}

void loosened_who(struct comparison *comparison)
{
    addresses_compare(comparison, comparison->before.config);
    addresses_compare(comparison, comparison->after.config);
    devices_compare(comparison, comparison->before.config);
    devices_compare(comparison, comparison->after.config);
    forwarders_compare(comparison);
    signers_compare(comparison);
    others_compare(comparison);
}

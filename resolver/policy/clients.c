/* Addresses that are not just ones of their subnet: devices with a group or grants of their own,
 * blocked devices, signed-on users. The usual school has none, or a handful; the table is then
 * empty and costs a comparison. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/inside.h"

enum {
    MAC_GROUPS_MAX = 64
}; /* more groups than this, and a device behind a forwarder needs a fixed one */

struct person {                    /* one address or MAC address, while it is looked into */
    const struct address *address; /* or NULL */
    const uint8_t *mac;            /* or NULL */
    const struct config_device *device;
};

static bool host_equal(const struct address *a, const struct address *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

const struct policy_neighbour *neighbour_find(const struct policy_rules *rules,
                                              const struct address *address)
{
    size_t from = 0, to = rules->neighbour_count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order =
            memcmp(rules->neighbours[middle].address.bytes, address->bytes, sizeof address->bytes);
        if (order == 0)
            return &rules->neighbours[middle];
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static bool mac_equal(const uint8_t *a, const uint8_t *b)
{
    return a && b && memcmp(a, b, MAC_LEN) == 0;
}

/* Whether the device that has this MAC address is, at this time, seen at `address`. */
static bool mac_is_at(const struct policy *policy, const uint8_t *mac,
                      const struct address *address)
{
    const struct policy_neighbour *neighbour = neighbour_find(policy->rules, address);

    return neighbour && mac_equal(neighbour->mac, mac);
}

/* A device that the configuration knows by its MAC address is nobody who merely has its address. */
static bool is_device(const struct policy *policy, const struct config_device *device,
                      const struct address *address, const uint8_t *mac)
{
    if (device->mac.set && mac)
        return mac_equal(device->mac.bytes, mac);
    for (size_t i = 0; i < device->address_count; i++) {
        if ((address && host_equal(&device->addresses[i], address)) ||
            mac_is_at(policy, mac, &device->addresses[i]))
            return true;
    }
    return false;
}

const struct config_device *client_device(const struct policy *policy,
                                          const struct address *address, const uint8_t *mac)
{
    const struct config *config = policy->config;

    for (size_t i = 0; i < config->device_count; i++) {
        if (is_device(policy, &config->devices[i], address, mac))
            return &config->devices[i];
    }
    return NULL;
}

bool device_matches(const struct policy *policy, const struct policy_grant *grant,
                    const struct address *address, const uint8_t *mac)
{
    const struct policy_device *device = &grant->device;
    const struct config_device *known;

    /* Where both MAC addresses are known they decide: the address may be another's by now. */
    if (device->has_mac && mac)
        return mac_equal(device->mac, mac);
    if (device->has_address && ((address && host_equal(&device->address, address)) ||
                                mac_is_at(policy, mac, &device->address)))
        return true;
    if (!grant->device_text || device->has_mac || device->has_address)
        return false;
    known = client_device(policy, address, mac);
    return known && strcmp(known->name, grant->device_text) == 0;
}

const uint8_t *client_mac(const struct policy *policy, const struct address *address,
                          const struct policy_neighbour **out_neighbour)
{
    const struct policy_neighbour *neighbour = neighbour_find(policy->rules, address);
    const struct config_device *device;

    if (out_neighbour)
        *out_neighbour = neighbour;
    if (neighbour)
        return neighbour->mac;
    device = client_device(policy, address, NULL);
    return device && device->mac.set ? device->mac.bytes : NULL;
}

const struct config_device *policy_device(const struct policy *policy, const struct address *client,
                                          const uint8_t *mac)
{
    return mac ? client_device(policy, NULL, mac)
               : client_device(policy, client, client_mac(policy, client, NULL));
}

/* The grants, denials and blocks for this device, and the sessions at it. */
static bool person_grants(struct policy *policy, const struct person *person, bool sessions,
                          uint32_t **out_grants, size_t *out_count)
{
    const struct policy_rules *rules = policy->rules;
    const uint32_t *held;
    uint32_t *grants = NULL;
    size_t held_count = policy_holders_find(policy, person->address, person->mac, &held), count = 0;

    for (size_t i = 0; i < held_count; i++) {
        const struct policy_grant *grant = &rules->grants[held[i]];
        bool is_session = grant->kind == GRANT_SESSION;
        if (is_session != sessions || (!is_session && !grant->device_text) ||
            !device_matches(policy, grant, person->address, person->mac))
            continue;
        grants = arena_grow(&policy->arena, grants, count, sizeof *grants);
        if (!grants)
            return false;
        grants[count++] = held[i];
    }
    *out_grants = grants;
    *out_count = count;
    return true;
}

static bool special_is(const struct special *special, uint16_t base, uint16_t session,
                       const uint32_t *grants, size_t count)
{
    return special->base == base && special->session == session && special->grant_count == count &&
           (!count || memcmp(special->grants, grants, count * sizeof *grants) == 0);
}

/* The group for a base with grants and a session's condition: the base itself where there is
 * nothing. */
static int special_of(struct policy *policy, uint16_t base, uint16_t session, uint32_t *grants,
                      size_t count, uint16_t *out_group)
{
    struct special *specials;

    *out_group = base;
    if (base == POLICY_NO_GROUP || (!session && !count))
        return 0;
    for (size_t i = 0; i < policy->special_count; i++) {
        if (special_is(&policy->specials[i], base, session, grants, count)) {
            *out_group = (uint16_t)(policy->config->group_count + i);
            return 0;
        }
    }
    if (policy->config->group_count + policy->special_count >= POLICY_NO_GROUP)
        return -EOVERFLOW;
    specials =
        arena_grow(&policy->arena, policy->specials, policy->special_count, sizeof *specials);
    if (!specials)
        return -ENOMEM;
    policy->specials = specials;
    *out_group = (uint16_t)(policy->config->group_count + policy->special_count);
    specials[policy->special_count++] =
        (struct special){.base = base, .session = session, .grants = grants, .grant_count = count};
    return 0;
}

/* The groups of a person: by session, the latest first; then the device's or that of `fallback`. */
static int person_groups(struct policy *policy, const struct person *person, uint16_t fallback,
                         struct client_group **out_groups, size_t *out_count)
{
    uint32_t *grants, *sessions;
    size_t grant_count, session_count, count = 0;
    struct client_group *groups;
    int code = 0;

    if (!person_grants(policy, person, false, &grants, &grant_count) ||
        !person_grants(policy, person, true, &sessions, &session_count))
        return -ENOMEM;
    groups = arena_take(&policy->arena, session_count + 1, sizeof *groups);
    if (!groups)
        return -ENOMEM;
    while (code == 0 && session_count-- > 0) {
        const struct policy_grant *session = &policy->rules->grants[sessions[session_count]];
        int base = config_group_find(policy->config, session->group);
        if (base < 0) /* a group that the configuration has lost since */
            continue;
        groups[count].condition = policy->grant_conditions[sessions[session_count]];
        code = special_of(policy, (uint16_t)base, groups[count].condition, grants, grant_count,
                          &groups[count].group);
        count++;
    }
    if (person->device && person->device->group != CONFIG_NONE)
        fallback = person->device->group;
    if (code == 0)
        code = special_of(policy, fallback, 0, grants, grant_count, &groups[count].group);
    *out_groups = groups;
    *out_count = count + 1;
    return code;
}

static uint32_t address_hash(const uint8_t bytes[16])
{
    uint64_t high, low;

    memcpy(&high, bytes, 8);
    memcpy(&low, bytes + 8, 8);
    high = (high ^ low) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)((high ^ low * UINT64_C(0xc2b2ae3d27d4eb4f)) >> 32);
}

static const struct client *client_find(const struct clients *clients, const uint8_t bytes[16])
{
    size_t slot;

    if (!clients->slot_count)
        return NULL;
    slot = address_hash(bytes) & (clients->slot_count - 1);
    while (clients->slots[slot] != UINT32_MAX) {
        const struct client *client = &clients->list[clients->slots[slot]];
        if (memcmp(client->bytes, bytes, 16) == 0)
            return client;
        slot = (slot + 1) & (clients->slot_count - 1);
    }
    return NULL;
}

static void client_index(struct clients *clients, uint32_t index)
{
    size_t slot = address_hash(clients->list[index].bytes) & (clients->slot_count - 1);

    while (clients->slots[slot] != UINT32_MAX)
        slot = (slot + 1) & (clients->slot_count - 1);
    clients->slots[slot] = index;
}

static int client_add(struct policy *policy, const struct address *address)
{
    struct clients *clients = &policy->clients;
    struct person person = {.address = address, .mac = client_mac(policy, address, NULL)};
    struct client client = {0};
    uint16_t subnet = policy_group_of(policy, address);
    int code;

    if (client_find(clients, address->bytes))
        return 0;
    person.device = client_device(policy, address, person.mac);
    memcpy(client.bytes, address->bytes, sizeof client.bytes);
    code = person_groups(policy, &person, subnet, &client.groups, &client.group_count);
    if (code < 0 || (client.group_count == 1 && client.groups[0].group == subnet))
        return code;
    clients->list[clients->count] = client;
    client_index(clients, (uint32_t)clients->count++);
    return 0;
}

/* A device behind a forwarder has no address of its own here: its group goes by its MAC address
 * and, where it has no fixed group, by the forwarder's subnet. */
static int mac_add(struct policy *policy, const uint8_t *mac)
{
    struct clients *clients = &policy->clients;
    struct person person = {.mac = mac, .device = client_device(policy, NULL, mac)};
    bool fixed = person.device && person.device->group != CONFIG_NONE;
    size_t bases = fixed ? 1 : policy->config->group_count;

    /* Nobody else's word for a MAC address is taken. */
    if (bases > MAC_GROUPS_MAX || !policy->config->forwarder_count)
        return 0;
    for (size_t i = 0; i < clients->mac_count; i++) {
        if (memcmp(clients->macs[i].mac, mac, MAC_LEN) == 0)
            return 0;
    }
    for (size_t i = 0; i < bases; i++) {
        struct client_group *groups;
        size_t count;
        struct client_mac entry = {.base = fixed ? POLICY_NO_GROUP : (uint16_t)i};
        int code = person_groups(policy, &person, (uint16_t)i, &groups, &count);
        if (code < 0)
            return code;
        struct client_mac *macs =
            arena_grow(&policy->arena, clients->macs, clients->mac_count, sizeof *macs);
        if (!macs)
            return -ENOMEM;
        clients->macs = macs;
        memcpy(entry.mac, mac, MAC_LEN);
        entry.group = groups[count - 1].group;
        macs[clients->mac_count++] = entry;
    }
    return 0;
}

static int devices_add(struct policy *policy)
{
    const struct config *config = policy->config;
    int code = 0;

    for (size_t i = 0; code == 0 && i < config->device_count; i++) {
        const struct config_device *device = &config->devices[i];
        for (size_t j = 0; code == 0 && j < device->address_count; j++)
            code = client_add(policy, &device->addresses[j]);
        if (code == 0 && device->mac.set)
            code = mac_add(policy, device->mac.bytes);
    }
    return code;
}

int policy_clients_build(struct policy *policy)
{
    struct policy_rules *rules = policy->rules;
    struct clients *clients = &policy->clients;
    size_t most = rules->neighbour_count + rules->grant_count, size = 4;
    int code = 0;

    for (size_t i = 0; i < policy->config->device_count; i++)
        most += policy->config->devices[i].address_count;
    policy_neighbours_sort(rules->neighbours, rules->neighbour_count);
    while (size < 2 * most)
        size *= 2;
    clients->list = arena_take(&policy->arena, most, sizeof *clients->list);
    clients->slots = arena_take(&policy->arena, size, sizeof *clients->slots);
    if (!clients->list || !clients->slots)
        return -ENOMEM;
    memset(clients->slots, 0xff, size * sizeof *clients->slots);
    clients->slot_count = size;
    code = policy_holders_build(policy);
    if (code == 0)
        code = devices_add(policy);
    for (size_t i = 0; code == 0 && i < rules->grant_count; i++) {
        const struct policy_device *device = &rules->grants[i].device;
        if (device->has_address)
            code = client_add(policy, &device->address);
        if (code == 0 && device->has_mac)
            code = mac_add(policy, device->mac);
    }
    for (size_t i = 0; code == 0 && i < rules->neighbour_count; i++)
        code = client_add(policy, &rules->neighbours[i].address);
    if (!clients->count)
        clients->slot_count = 0;
    return code;
}

static uint16_t mac_group(const struct clients *clients, const uint8_t *mac, uint16_t base)
{
    for (size_t i = 0; i < clients->mac_count; i++) {
        const struct client_mac *entry = &clients->macs[i];
        if (memcmp(entry->mac, mac, MAC_LEN) == 0 &&
            (entry->base == POLICY_NO_GROUP || entry->base == base))
            return entry->group;
    }
    return base;
}

static bool is_forwarder(const struct config *config, const struct address *client)
{
    for (size_t i = 0; i < config->forwarder_count; i++) {
        if (address_in_prefix(client, &config->forwarders[i]))
            return true;
    }
    return false;
}

const uint8_t *policy_told_mac(const struct policy *policy, const struct address *client,
                               const uint8_t *mac, size_t mac_len)
{
    return mac && mac_len == MAC_LEN && is_forwarder(policy->config, client) ? mac : NULL;
}

uint16_t policy_client_group(const struct policy_now *now, const struct address *client,
                             const uint8_t *mac, size_t mac_len)
{
    const struct policy *policy = now->policy;
    const struct client *special = client_find(&policy->clients, client->bytes);

    if (special) {
        const struct client_group *group = special->groups;
        while (!now->active[group->condition])
            group++;
        return group->group;
    }
    /* What a client claims of itself counts for nothing: it could claim another's group. */
    if (policy->clients.mac_count && policy_told_mac(policy, client, mac, mac_len))
        return mac_group(&policy->clients, mac, policy_group_of(policy, client));
    return policy_group_of(policy, client);
}

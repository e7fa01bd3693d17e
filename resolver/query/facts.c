#include <string.h>

#include "resolver/denials/denial.h"
#include "resolver/query/rebinding.h"
#include "resolver/query/reply.h"

static void fact_add(struct reply_facts *facts, bl_fact fact, size_t at, unsigned via,
                     unsigned matched)
{
    if (fact == BL_FACT_NONE)
        return;
    for (size_t i = 0; i < facts->count; i++)
        if (facts->items[i].fact == fact &&
            (facts->items[i].via == VIA_ADDRESS) == (via == VIA_ADDRESS))
            return; /* the first place that has it is the one that is told */
    if (facts->count == CACHE_FACTS_MAX) {
        facts->too_many = true;
        return;
    }
    facts->items[facts->count++] = (struct cache_fact){
        .fact = fact, .at = (uint16_t)at, .via = (uint8_t)via, .matched = (uint8_t)matched};
}

static void look_up_name(const struct bl_store *store, const uint8_t *message, size_t len,
                         size_t at, unsigned type, unsigned via, struct reply_facts *facts)
{
    struct bl_name name;
    struct bl_found found;

    if (dns_name_read(message, len, at, &name) < 0)
        return;
    facts->subjects++;
    found = bl_store_find(store, name.wire, name.len, type);
    fact_add(facts, found.fact, at, via, found.matched);
}

static void look_up_address(const struct bl_store *store, const uint8_t *message, size_t at,
                            size_t size, struct reply_facts *facts)
{
    if (address_is_private(message + at, size))
        facts->has_private = true;
    if (!bl_store_has_addresses(store))
        return;
    facts->subjects++;
    /* `matched` tells the family, so that the address can be found again for the record. */
    fact_add(facts, bl_store_find_address(store, message + at, size, NULL), at, VIA_ADDRESS,
             size == 16);
}

/* RFC 9460 section 2.2: priority, target, then parameters. */
static void look_up_service(const struct bl_store *store, const uint8_t *message,
                            const struct dns_record *record, unsigned type,
                            struct reply_facts *facts)
{
    struct dns_parameter parameter;
    struct dns_service service;

    if (record->data_len < 3)
        return;
    look_up_name(store, message, record->data + (size_t)record->data_len, record->data + 2u, type,
                 VIA_SERVICE, facts);
    dns_service_start(&service, message, record);
    while (dns_service_next(&service, &parameter)) {
        size_t step = parameter.hint_size;

        if (parameter.key == DNS_SERVICE_ECH)
            facts->has_ech = true;
        for (size_t hint = 0; step && hint + step <= parameter.len; hint += step)
            look_up_address(store, message, parameter.at + hint, step, facts);
    }
}

void reply_look_up(const struct bl_store *store, const uint8_t *message, size_t len, unsigned type,
                   struct reply_facts *out_facts)
{
    struct dns_record record;
    struct dns_walk walk;

    out_facts->count = out_facts->subjects = 0;
    out_facts->too_many = out_facts->has_ech = out_facts->has_private = false;
    if (dns_walk_start(&walk, message, len) < 0)
        return;
    while (dns_walk_next(&walk, &record) > 0 && record.section == 1) {
        if (record.type == DNS_CNAME)
            look_up_name(store, message, len, record.data, type, VIA_CNAME, out_facts);
        else if (record.type == DNS_HTTPS || record.type == DNS_SVCB)
            look_up_service(store, message, &record, type, out_facts);
        else if ((record.type == DNS_A && record.data_len == 4) ||
                 (record.type == DNS_AAAA && record.data_len == 16))
            look_up_address(store, message, record.data, record.data_len, out_facts);
    }
}

#include "resolver/query/local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/check.h"
#include "resolver/base/hash.h"
#include "resolver/query/answer.h"
#include "resolver/query/query.h"
#include "resolver/query/tally.h"

enum {
    LOCAL_TTL_S = 300,
    ARPA_TEXT_MAX = 80,
    PRIVATE_172 = 16, /* the first of 172.16.0.0/12 and how many: RFC 6303 section 4.1 */
    PRIVATE_172_COUNT = 16,
    SHARED_100 = 64, /* of 100.64.0.0/10: RFC 7793 */
    SHARED_100_COUNT = 64,
};

enum local_kind {
    LOCAL_NXDOMAIN,      /* the name and all below it do not exist */
    LOCAL_CANARY,        /* the same, to have a program not go round the filter */
    LOCAL_NODATA,        /* exist, without records */
    LOCAL_LOOPBACK,      /* 127.0.0.1 and ::1 */
    LOCAL_NXDOMAIN_ZONE, /* like NXDOMAIN, unless a forward-zone covers the name */
    LOCAL_IPV4ONLY,      /* RFC 8880; below it is nothing */
    LOCAL_IPV4ONLY_BACK, /* its addresses' name; likewise */
    LOCAL_ADDRESSES,     /* a record of the school's; the name alone */
    LOCAL_POINTER,       /* the PTR that follows from it; the name alone */
};

struct local_name {
    uint8_t kind;
    uint8_t name_len;
    uint8_t name[BL_NAME_MAX];
    const struct config_record *record;
};

/* The hash stands beside the number, so that a name which is none of these looks at no item. */
struct local_slot {
    uint32_t number; /* of the item, from 1 on; 0: empty */
    uint32_t hash;
};

struct local_names {
    struct local_name *items;
    size_t count, room;
    struct local_slot *table;
    uint32_t mask;
    uint64_t lengths[256 / 64]; /* a bit for each that a name has: most others need no look */
};

static const struct {
    const char *name;
    enum local_kind kind;
} SPECIAL_NAMES[] = {
    {"localhost", LOCAL_LOOPBACK},      /* RFC 6761 section 6.3 */
    {"invalid", LOCAL_NXDOMAIN},        /* RFC 6761 section 6.4 */
    {"test", LOCAL_NXDOMAIN_ZONE},      /* RFC 6761 section 6.2 */
    {"onion", LOCAL_NXDOMAIN},          /* RFC 7686 */
    {"local", LOCAL_NXDOMAIN_ZONE},     /* RFC 6762; schools with an old domain forward it */
    {"home.arpa", LOCAL_NXDOMAIN_ZONE}, /* RFC 8375 */
    {"ipv4only.arpa", LOCAL_IPV4ONLY},  /* RFC 8880 section 7 */
    {"170.0.0.192.in-addr.arpa", LOCAL_IPV4ONLY_BACK},
    {"171.0.0.192.in-addr.arpa", LOCAL_IPV4ONLY_BACK},
    {"resolver.arpa", LOCAL_NODATA},           /* RFC 9462 section 6.4: no way round by discovery */
    {"use-application-dns.net", LOCAL_CANARY}, /* Firefox asks before it turns on DNS over HTTPS */
    {"mask.icloud.com", LOCAL_CANARY},         /* Apple's private relay */
    {"mask-h2.icloud.com", LOCAL_CANARY},
    /* RFC 6303 and RFC 7793: reverse zones that mean something only inside. */
    {"10.in-addr.arpa", LOCAL_NXDOMAIN_ZONE},
    {"168.192.in-addr.arpa", LOCAL_NXDOMAIN_ZONE},
    {"0.in-addr.arpa", LOCAL_NXDOMAIN_ZONE},
    {"127.in-addr.arpa", LOCAL_NXDOMAIN_ZONE},
    {"254.169.in-addr.arpa", LOCAL_NXDOMAIN_ZONE},
    {"2.0.192.in-addr.arpa", LOCAL_NXDOMAIN_ZONE},
    {"100.51.198.in-addr.arpa", LOCAL_NXDOMAIN_ZONE},
    {"113.0.203.in-addr.arpa", LOCAL_NXDOMAIN_ZONE},
    {"255.255.255.255.in-addr.arpa", LOCAL_NXDOMAIN_ZONE},
    {"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
     LOCAL_NXDOMAIN_ZONE},
    {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
     LOCAL_NXDOMAIN_ZONE},
    {"c.f.ip6.arpa", LOCAL_NXDOMAIN_ZONE},
    {"d.f.ip6.arpa", LOCAL_NXDOMAIN_ZONE},
    {"8.e.f.ip6.arpa", LOCAL_NXDOMAIN_ZONE},
    {"9.e.f.ip6.arpa", LOCAL_NXDOMAIN_ZONE},
    {"a.e.f.ip6.arpa", LOCAL_NXDOMAIN_ZONE},
    {"b.e.f.ip6.arpa", LOCAL_NXDOMAIN_ZONE},
    {"8.b.d.0.1.0.0.2.ip6.arpa", LOCAL_NXDOMAIN_ZONE},
};

static struct local_name *name_find(const struct local_names *names, const uint8_t *name,
                                    size_t len)
{
    uint32_t hash;

    if (!(names->lengths[len / 64] >> len % 64 & 1))
        return NULL;
    hash = (uint32_t)hash_octets(0, name, len);
    for (uint32_t at = hash & names->mask; names->table[at].number; at = (at + 1) & names->mask) {
        struct local_name *item = &names->items[names->table[at].number - 1];
        if (names->table[at].hash == hash && item->name_len == len &&
            memcmp(item->name, name, len) == 0)
            return item;
    }
    return NULL;
}

/* The first entry of a name stays: records come before special names, and may replace them. */
static void name_add(struct local_names *names, const uint8_t *wire, size_t len,
                     enum local_kind kind, const struct config_record *record)
{
    struct local_name *item;
    uint32_t hash, at;

    if (name_find(names, wire, len) || !EXPECT(names->count < names->room))
        return;
    item = &names->items[names->count++];
    *item = (struct local_name){.kind = (uint8_t)kind, .name_len = (uint8_t)len, .record = record};
    memcpy(item->name, wire, len);
    names->lengths[len / 64] |= 1ull << len % 64;
    hash = (uint32_t)hash_octets(0, wire, len);
    at = hash & names->mask;
    while (names->table[at].number)
        at = (at + 1) & names->mask;
    names->table[at] = (struct local_slot){(uint32_t)names->count, hash};
}

static void text_add(struct local_names *names, const char *text, enum local_kind kind,
                     const struct config_record *record)
{
    struct bl_name name;

    if (bl_name_parse(text, strlen(text), &name) == BL_NAME_FINE)
        name_add(names, name.wire, name.len, kind, record);
}

/* RFC 1035 section 3.5 and RFC 3596 section 2.5. */
static void pointer_add(struct local_names *names, const struct address *address,
                        const struct config_record *record)
{
    const uint8_t *b = address->bytes;
    char text[ARPA_TEXT_MAX], *at = text;

    if (address_is_v4(address)) {
        snprintf(text, sizeof text, "%u.%u.%u.%u.in-addr.arpa", b[15], b[14], b[13], b[12]);
    } else {
        for (int i = 15; i >= 0; i--)
            at += snprintf(at, 5, "%x.%x.", b[i] & 15u, b[i] >> 4u);
        snprintf(at, sizeof text - (size_t)(at - text), "ip6.arpa");
    }
    text_add(names, text, LOCAL_POINTER, record);
}

/* The reverse zones of `count` networks of 16 bits that follow one another. */
static void networks_add(struct local_names *names, unsigned first, unsigned count, unsigned above)
{
    for (unsigned i = first; i < first + count; i++) {
        char text[32];
        snprintf(text, sizeof text, "%u.%u.in-addr.arpa", i, above);
        text_add(names, text, LOCAL_NXDOMAIN_ZONE, NULL);
    }
}

int local_create(const struct config *config, struct local_names **out_names)
{
    size_t special_count = sizeof SPECIAL_NAMES / sizeof *SPECIAL_NAMES;
    struct local_names *names = calloc(1, sizeof *names);
    size_t slots = 64;

    if (!names)
        return -ENOMEM;
    names->room = special_count + PRIVATE_172_COUNT + SHARED_100_COUNT + config->record_count;
    for (size_t i = 0; i < config->record_count; i++)
        names->room += config->records[i].address_count;
    while (slots < 2 * names->room)
        slots *= 2;
    names->mask = (uint32_t)slots - 1;
    names->items = calloc(names->room, sizeof *names->items);
    names->table = calloc(slots, sizeof *names->table);
    if (!names->items || !names->table) {
        local_free(names);
        return -ENOMEM;
    }
    for (size_t i = 0; i < config->record_count; i++) {
        const struct config_record *record = &config->records[i];
        name_add(names, record->wire, bl_name_length(record->wire), LOCAL_ADDRESSES, record);
        for (size_t k = 0; k < record->address_count; k++)
            pointer_add(names, &record->addresses[k], record);
    }
    for (size_t i = 0; i < special_count; i++)
        text_add(names, SPECIAL_NAMES[i].name, SPECIAL_NAMES[i].kind, NULL);
    networks_add(names, PRIVATE_172, PRIVATE_172_COUNT, 172);
    networks_add(names, SHARED_100, SHARED_100_COUNT, 100);
    *out_names = names;
    return 0;
}

void local_free(struct local_names *names)
{
    if (!names)
        return;
    free(names->items);
    free(names->table);
    free(names);
}

static void write_record_addresses(struct dns_writer *writer, const struct query *query,
                                   const struct config_record *record, uint32_t ttl_s)
{
    for (size_t i = 0; i < record->address_count; i++) {
        const struct address *address = &record->addresses[i];
        bool is_v4 = address_is_v4(address);
        if (query->question.type == (is_v4 ? DNS_A : DNS_AAAA))
            dns_write_record(writer, 1, query->question.type, ttl_s,
                             address->bytes + (is_v4 ? 12 : 0), is_v4 ? 4 : 16);
    }
}

static void write_fixed(struct dns_writer *writer, const struct query *query, unsigned kind,
                        uint32_t ttl_s)
{
    static const uint8_t loopback_v4[4] = {127, 0, 0, 1}, loopback_v6[16] = {[15] = 1};
    static const uint8_t ipv4only[2][4] = {{192, 0, 0, 170}, {192, 0, 0, 171}};
    static const uint8_t ipv4only_name[] = "\x08ipv4only\x04"
                                           "arpa";

    if (kind == LOCAL_IPV4ONLY && query->question.type == DNS_A)
        for (unsigned i = 0; i < 2; i++)
            dns_write_record(writer, 1, DNS_A, ttl_s, ipv4only[i], 4);
    if (kind == LOCAL_IPV4ONLY_BACK && query->question.type == DNS_PTR)
        dns_write_record(writer, 1, DNS_PTR, ttl_s, ipv4only_name, sizeof ipv4only_name);
    if (kind == LOCAL_LOOPBACK && query->question.type == DNS_A)
        dns_write_record(writer, 1, DNS_A, ttl_s, loopback_v4, 4);
    if (kind == LOCAL_LOOPBACK && query->question.type == DNS_AAAA)
        dns_write_record(writer, 1, DNS_AAAA, ttl_s, loopback_v6, 16);
}

/* RFC 8482 section 4.2: one small record instead of everything. */
static void answer_any(struct pipeline *pipeline, struct query *query)
{
    static const uint8_t hinfo[] = "\x07RFC8482";
    struct dns_writer writer;

    answer_start(query, &writer, DNS_NOERROR);
    dns_write_record(&writer, 1, 13, answer_ttl(pipeline, query, LOCAL_TTL_S), hinfo, sizeof hinfo);
    answer_end(pipeline, query, &writer, DNS_NOERROR, NULL, 0);
}

/* Whether a name that the item is, or covers, does not exist. */
static bool is_missing_name(const struct local_name *item, size_t asked_len)
{
    switch (item->kind) {
    case LOCAL_NXDOMAIN:
    case LOCAL_CANARY:
    case LOCAL_NXDOMAIN_ZONE:
        return true;
    case LOCAL_IPV4ONLY:
    case LOCAL_IPV4ONLY_BACK:
        return asked_len != item->name_len;
    default:
        return false;
    }
}

static void answer_local(struct pipeline *pipeline, struct query *query,
                         const struct local_name *item)
{
    bool is_missing = is_missing_name(item, query->question.asked_len);
    unsigned rcode = is_missing ? DNS_NXDOMAIN : DNS_NOERROR;
    uint32_t ttl_s = answer_ttl(pipeline, query, LOCAL_TTL_S);
    struct dns_writer writer;
    size_t empty;

    answer_start(query, &writer, rcode);
    empty = writer.len;
    if (item->kind == LOCAL_ADDRESSES)
        write_record_addresses(&writer, query, item->record, ttl_s);
    else if (item->kind == LOCAL_POINTER && query->question.type == DNS_PTR)
        dns_write_record(&writer, 1, DNS_PTR, ttl_s, item->record->wire,
                         bl_name_length(item->record->wire));
    else if (!is_missing)
        write_fixed(&writer, query, item->kind, ttl_s);
    if (writer.len == empty)
        dns_write_soa(&writer, ttl_s);
    answer_end(pipeline, query, &writer, rcode, NULL, 0);
}

bool local_has_record(const struct local_names *names, const uint8_t *name, size_t len)
{
    const struct local_name *item = name_find(names, name, len);

    return item && item->kind >= LOCAL_ADDRESSES;
}

/* The first one from the left that is, or covers, the name. */
static const struct local_name *name_covering(const struct local_names *names, const uint8_t *name,
                                              size_t len)
{
    for (size_t at = 0; name[at]; at += name[at] + 1u) {
        const struct local_name *item = name_find(names, name + at, len - at);
        if (item && (at == 0 || item->kind < LOCAL_ADDRESSES))
            return item;
    }
    return NULL;
}

static void record_describe(const struct config_record *record, char *text, size_t size)
{
    char address[ADDRESS_TEXT_MAX];
    size_t len;

    snprintf(text, size, "a record of the school's own:");
    for (size_t i = 0; i < record->address_count; i++) {
        len = strlen(text);
        snprintf(text + len, size - len, " %s", address_text(&record->addresses[i], address));
    }
}

bool local_describe(const struct local_names *names, const uint8_t *name, size_t len, bool has_zone,
                    char *text, size_t size)
{
    static const char *const WORDS[] = {
        [LOCAL_NXDOMAIN] = "a name that by its standard does not exist outside: nxdomain",
        [LOCAL_CANARY] = "a canary, nxdomain so that browsers and phones keep to this resolver",
        [LOCAL_NODATA] = "of this resolver's own, without records, so that nothing goes round it",
        [LOCAL_LOOPBACK] = "the device itself: 127.0.0.1 and ::1",
        [LOCAL_NXDOMAIN_ZONE] = "a zone of the inside that no forward-zone covers: nxdomain",
        [LOCAL_IPV4ONLY] = "the addresses that RFC 8880 gives it",
        [LOCAL_IPV4ONLY_BACK] = "ipv4only.arpa, the name that RFC 8880 gives this address",
        [LOCAL_POINTER] = "the name of a record of the school's own",
    };
    const struct local_name *item = name_covering(names, name, len);

    if (!item || (item->kind == LOCAL_NXDOMAIN_ZONE && has_zone))
        return false;
    if (item->kind == LOCAL_ADDRESSES)
        record_describe(item->record, text, size);
    else if ((item->kind == LOCAL_IPV4ONLY || item->kind == LOCAL_IPV4ONLY_BACK) &&
             is_missing_name(item, len))
        snprintf(text, size, "below a name of RFC 8880's, where nothing is: nxdomain");
    else
        snprintf(text, size, "%s", WORDS[item->kind]);
    return true;
}

bool local_answer(struct pipeline *pipeline, struct query *query)
{
    const struct dns_question *question = &query->question;
    const struct local_name *item =
        name_covering(pipeline->world->local, question->name, question->asked_len);

    if (item && item->kind == LOCAL_NXDOMAIN_ZONE &&
        exchange_has_zone(pipeline->exchanges, question->name))
        item = NULL;
    if (!item && question->type != DNS_ANY)
        return false;
    COUNT(pipeline->counters, local);
    if (item && item->kind == LOCAL_CANARY)
        tally_add(pipeline->tallies, policy_group_name(pipeline->world->policy, query->group),
                  TALLY_CANARY);
    if (item)
        answer_local(pipeline, query, item);
    else
        answer_any(pipeline, query);
    return true;
}

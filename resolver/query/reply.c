#include "resolver/query/reply.h"

#include <errno.h>
#include <string.h>

#include "resolver/base/hash.h"

enum {
    NAMES_MAX = 32,
    POINTER_REACH = 0x4000,
    POINTER_TO_QUESTION = 0xc000 | DNS_HEADER,
};

/* A reply being written anew. */
struct rewrite {
    struct reply *reply;
    const uint8_t *bytes; /* the upstream's */
    size_t len;
    const struct reply_question *question;
    const struct reply_limits *limits;
    bool has_question; /* its name stands behind the header, where pointers to it lead */
    uint32_t question_hash;
    struct dns_writer writer;
    uint16_t names[NAMES_MAX];    /* where names stand in what was written */
    uint8_t name_lens[NAMES_MAX]; /* how long they are, expanded */
    size_t name_count, target_count;
    uint32_t least_ttl_s;
};

static uint32_t name_hash(const uint8_t *name, size_t len)
{
    return (uint32_t)hash_octets(0, name, len);
}

static bool has_question(const uint8_t *bytes, size_t len, const struct reply_question *question)
{
    uint8_t name[BL_NAME_MAX];

    if (len < DNS_HEADER + (size_t)question->name_len)
        return false;
    dns_lower(name, bytes + DNS_HEADER, question->name_len);
    return memcmp(name, question->name, question->name_len) == 0;
}

/* Whether an owner is the question's name by a pointer to it. Nearly all are, and need not be put
 * together again. `at`: of a name that the walk has skipped, so that both octets are there. */
static bool is_question(const struct rewrite *rewrite, size_t at)
{
    return rewrite->has_question && dns_read_16(rewrite->bytes + at) == POINTER_TO_QUESTION;
}

/* Reads all records, so that a message broken anywhere is refused as a whole. */
static int records_read(struct rewrite *rewrite)
{
    struct reply *reply = rewrite->reply;
    struct dns_walk walk;
    struct bl_name owner;
    int more;

    reply->record_count = 0;
    if (dns_walk_start(&walk, rewrite->bytes, rewrite->len) < 0)
        return -EBADMSG;
    for (;;) {
        struct dns_record *record = &reply->records[reply->record_count];
        if (reply->record_count == REPLY_RECORDS_MAX)
            return -EBADMSG;
        more = dns_walk_next(&walk, record);
        if (more <= 0)
            return more;
        if (is_question(rewrite, record->owner))
            reply->owners[reply->record_count] = rewrite->question_hash;
        else if (dns_name_read(rewrite->bytes, rewrite->len, record->owner, &owner) < 0)
            return -EBADMSG;
        else
            reply->owners[reply->record_count] = name_hash(owner.wire, owner.len);
        reply->record_count++;
    }
}

static void options_read(struct reply *reply, const uint8_t *bytes, const struct dns_record *opt)
{
    size_t at = opt->data, end = at + opt->data_len;

    while (end - at >= 4) {
        size_t size = dns_read_16(bytes + at + 2);
        if (end - at - 4 < size)
            return;
        if (dns_read_16(bytes + at) == DNS_OPTION_EDE && size >= 2 && reply->ede < 0)
            reply->ede = dns_read_16(bytes + at + 4);
        if (dns_read_16(bytes + at) == DNS_OPTION_COOKIE && !reply->cookie_len) {
            reply->cookie = (uint16_t)(at + 4);
            reply->cookie_len = (uint16_t)size;
        }
        at += 4 + size;
    }
}

static bool is_asked_name(const struct rewrite *rewrite, const struct bl_name *name)
{
    return name->len == rewrite->question->name_len &&
           memcmp(name->wire, rewrite->question->name, name->len) == 0;
}

static bool owner_is(const struct rewrite *rewrite, size_t index, const struct bl_name *name,
                     uint32_t hash)
{
    size_t at = rewrite->reply->records[index].owner;
    struct bl_name owner;

    if (rewrite->reply->owners[index] != hash)
        return false;
    if (is_question(rewrite, at))
        return is_asked_name(rewrite, name);
    return dns_name_read(rewrite->bytes, rewrite->len, at, &owner) > 0 &&
           bl_name_equal(owner.wire, name->wire);
}

static void name_note(struct rewrite *rewrite, size_t at, size_t len)
{
    if (rewrite->name_count == NAMES_MAX || at >= POINTER_REACH)
        return;
    rewrite->names[rewrite->name_count] = (uint16_t)at;
    rewrite->name_lens[rewrite->name_count++] = (uint8_t)len;
}

/* Writes a name, ending in a pointer to the longest tail of it that already stands in the message.
 * Octets are compared as they are: nobody's spelling is changed. Only names of a tail's length are
 * read again, or a reply of thousands of long names would cost seconds. */
static void write_name(struct rewrite *rewrite, const struct bl_name *name)
{
    struct dns_writer *writer = &rewrite->writer;

    for (size_t at = 0; name->wire[at]; at += name->wire[at] + 1u) {
        for (size_t i = 0; i < rewrite->name_count; i++) {
            struct bl_name known;
            if (rewrite->name_lens[i] != name->len - at ||
                dns_name_expand(writer->message, writer->len, rewrite->names[i], &known) < 0 ||
                memcmp(known.wire, name->wire + at, known.len) != 0)
                continue;
            dns_write_16(writer, 0xc000u | rewrite->names[i]);
            return;
        }
        name_note(rewrite, writer->len, name->len - at);
        dns_write_bytes(writer, name->wire + at, name->wire[at] + 1u);
    }
    dns_write_bytes(writer, "", 1);
}

/* NULL: the question's. */
static void write_owner(struct rewrite *rewrite, const struct bl_name *name)
{
    if (!name || is_asked_name(rewrite, name))
        dns_write_16(&rewrite->writer, POINTER_TO_QUESTION);
    else
        write_name(rewrite, name);
}

/* Where names stand in the data of the types whose names may be compressed, RFC 1035 and RFC 3597
 * section 4: octets before the first name, how many names; the rest is copied. */
static bool data_has_names(unsigned type, size_t *out_before, unsigned *out_names)
{
    switch (type) {
    case DNS_NS:
    case DNS_CNAME:
    case DNS_PTR:
    case DNS_DNAME:
        *out_before = 0, *out_names = 1;
        return true;
    case DNS_SOA:
    case 17: /* RP */
    case 14: /* MINFO */
        *out_before = 0, *out_names = 2;
        return true;
    case DNS_MX:
    case 18: /* AFSDB */
    case 21: /* RT */
    case 36: /* KX */
        *out_before = 2, *out_names = 1;
        return true;
    case DNS_SRV:
        *out_before = 6, *out_names = 1;
        return true;
    default:
        return false;
    }
}

static int write_data(struct rewrite *rewrite, const struct dns_record *record)
{
    struct dns_writer *writer = &rewrite->writer;
    size_t before, at = record->data, end = at + record->data_len, len_at = writer->len;
    unsigned names;

    dns_write_16(writer, record->data_len);
    if (!data_has_names(record->type, &before, &names)) {
        dns_write_bytes(writer, rewrite->bytes + at, record->data_len);
        return 0;
    }
    if (record->data_len < before)
        return -EBADMSG;
    dns_write_bytes(writer, rewrite->bytes + at, before);
    at += before;
    while (names--) {
        struct bl_name name;
        int after = dns_name_expand(rewrite->bytes, end, at, &name);
        if (after < 0)
            return -EBADMSG;
        /* Only the types of RFC 1035 may be compressed when sent, RFC 3597 section 4. */
        if (record->type <= DNS_MX)
            write_name(rewrite, &name);
        else
            dns_write_bytes(writer, name.wire, name.len);
        at = (size_t)after;
    }
    dns_write_bytes(writer, rewrite->bytes + at, end - at);
    if (!writer->failed)
        dns_put_16(writer->message + len_at, (unsigned)(writer->len - len_at - 2));
    return 0;
}

static uint32_t ttl_limited(const struct reply_limits *limits, uint32_t ttl_s)
{
    /* RFC 8767 section 4: a TTL with the highest bit set is a large one, and so gets the limit. */
    if (ttl_s > limits->max_ttl)
        return limits->max_ttl;
    return ttl_s < limits->min_ttl ? limits->min_ttl : ttl_s;
}

static void write_head(struct rewrite *rewrite, const struct bl_name *owner, unsigned type,
                       uint32_t ttl_s, unsigned section)
{
    struct dns_writer *writer = &rewrite->writer;
    uint8_t *count = writer->message + 4 + 2 * section;
    struct reply *reply = rewrite->reply;

    if (reply->ttl_count == REPLY_RECORDS_MAX) {
        writer->failed = true;
        return;
    }
    write_owner(rewrite, owner);
    dns_write_16(writer, type);
    dns_write_16(writer, rewrite->question->class);
    reply->ttls[reply->ttl_count++] = (uint16_t)writer->len;
    dns_write_32(writer, ttl_s);
    if (ttl_s < rewrite->least_ttl_s)
        rewrite->least_ttl_s = ttl_s;
    dns_put_16(count, dns_read_16(count) + 1u);
}

static int write_record(struct rewrite *rewrite, size_t index, unsigned section)
{
    const struct dns_record *record = &rewrite->reply->records[index];
    const struct bl_name *name = NULL;
    struct bl_name owner;

    if (!is_question(rewrite, record->owner)) {
        if (dns_name_read(rewrite->bytes, rewrite->len, record->owner, &owner) < 0)
            return -EBADMSG;
        name = &owner;
    }
    write_head(rewrite, name, record->type, ttl_limited(rewrite->limits, record->ttl), section);
    return write_data(rewrite, record);
}

/* RFC 9460 section 2.2: a service's target of its own, where "." stands for the owner itself. */
static bool leads_elsewhere(const struct rewrite *rewrite, const struct dns_record *record)
{
    if (record->type == DNS_CNAME)
        return true;
    return (record->type == DNS_HTTPS || record->type == DNS_SVCB) && record->data_len > 2 &&
           rewrite->bytes[record->data + 2] != 0;
}

static bool is_signature_of(const struct rewrite *rewrite, size_t index, unsigned type)
{
    const struct dns_record *record = &rewrite->reply->records[index];

    return record->type == DNS_RRSIG && record->data_len > 18 &&
           dns_read_16(rewrite->bytes + record->data) == type;
}

/* Writes the answer records that belong to `name` with this type, and their signatures when asked
 * for. Returns how many of the type there were, the first one's index, or -EBADMSG. */
static int write_set(struct rewrite *rewrite, const struct bl_name *name, unsigned type,
                     bool only_one, size_t *out_first)
{
    uint32_t hash = name_hash(name->wire, name->len);
    int found = 0;

    for (size_t i = 0; i < rewrite->reply->record_count && !rewrite->writer.failed; i++) {
        const struct dns_record *record = &rewrite->reply->records[i];
        bool is_signature;
        if (record->section != 1 || record->class != rewrite->question->class)
            continue;
        is_signature = rewrite->question->wants_dnssec && is_signature_of(rewrite, i, type);
        if ((record->type != type && !is_signature) || !owner_is(rewrite, i, name, hash))
            continue;
        if (record->type == type) {
            if (only_one && found)
                continue;
            if (!found++)
                *out_first = i;
        }
        if (write_record(rewrite, i, 1) < 0)
            return -EBADMSG;
        if (leads_elsewhere(rewrite, record) && ++rewrite->target_count > REPLY_TARGETS_MAX)
            return -EBADMSG;
    }
    return found;
}

static int alias_target(const struct rewrite *rewrite, size_t index, struct bl_name *out_target)
{
    const struct dns_record *record = &rewrite->reply->records[index];
    int after = dns_name_read(rewrite->bytes, record->data + (size_t)record->data_len, record->data,
                              out_target);

    return after == record->data + record->data_len ? 0 : -EBADMSG;
}

/* The signatures of the set that begins with record `index`, whose owner is `name`. */
static int write_signatures(struct rewrite *rewrite, const struct bl_name *name, size_t index)
{
    uint32_t hash = name_hash(name->wire, name->len);

    for (size_t i = 0; rewrite->question->wants_dnssec && i < rewrite->reply->record_count; i++)
        if (rewrite->reply->records[i].section == 1 &&
            is_signature_of(rewrite, i, rewrite->reply->records[index].type) &&
            owner_is(rewrite, i, name, hash) && write_record(rewrite, i, 1) < 0)
            return -EBADMSG;
    return 0;
}

/* A DNAME above `name` (RFC 6672): writes it and, where the upstream left it out, the alias that
 * follows from it. 1 and the new name, 0 when there is none. */
static int follow_dname(struct rewrite *rewrite, struct bl_name *name)
{
    for (size_t i = 0; i < rewrite->reply->record_count; i++) {
        const struct dns_record *record = &rewrite->reply->records[i];
        struct bl_name owner, target, alias;
        size_t kept;
        if (record->section != 1 || record->type != DNS_DNAME ||
            record->class != rewrite->question->class ||
            dns_name_read(rewrite->bytes, rewrite->len, record->owner, &owner) < 0 ||
            owner.len >= name->len || !bl_name_is_below(name->wire, owner.wire))
            continue;
        if (alias_target(rewrite, i, &target) < 0)
            return -EBADMSG;
        kept = (size_t)name->len - owner.len;
        if (kept + target.len > BL_NAME_MAX)
            return -EBADMSG; /* YXDOMAIN at its source, RFC 6672 section 2.2 */
        memcpy(alias.wire, name->wire, kept);
        memcpy(alias.wire + kept, target.wire, target.len);
        alias.len = (uint8_t)(kept + target.len);
        if (write_record(rewrite, i, 1) < 0 || write_signatures(rewrite, &owner, i) < 0)
            return -EBADMSG;
        write_head(rewrite, name, DNS_CNAME, ttl_limited(rewrite->limits, record->ttl), 1);
        dns_write_16(&rewrite->writer, alias.len);
        dns_write_bytes(&rewrite->writer, alias.wire, alias.len);
        rewrite->target_count++;
        *name = alias;
        return 1;
    }
    return 0;
}

/* Writes the chain from the question's name to its end, and leaves that in `name`, which is the
 * question's before. 1 when records of the type asked stand at its end, 0 when they do not,
 * -EBADMSG when it loops or is too long. */
static int write_chain(struct rewrite *rewrite, struct bl_name *name)
{
    const struct reply_question *question = rewrite->question;

    for (unsigned hops = 0; hops <= REPLY_CHAIN_MAX; hops++) {
        size_t first = 0;
        int found = write_set(rewrite, name, question->type, false, &first);
        if (found != 0)
            return found < 0 ? found : 1;
        found = question->type == DNS_CNAME ? 0 : write_set(rewrite, name, DNS_CNAME, true, &first);
        if (found > 0)
            found = alias_target(rewrite, first, name) < 0 ? -EBADMSG : 1;
        else if (found == 0)
            found = follow_dname(rewrite, name);
        if (found <= 0)
            return found;
    }
    return -EBADMSG;
}

static uint32_t soa_minimum(const struct rewrite *rewrite, const struct dns_record *record)
{
    if (record->data_len < 20)
        return 0;
    return dns_read_32(rewrite->bytes + record->data + record->data_len - 4);
}

/* A negative answer's SOA gives it its life (RFC 2308 section 5): without one it is not kept. */
static int write_authority(struct rewrite *rewrite, const struct bl_name *last, bool negative)
{
    struct reply *reply = rewrite->reply;
    bool has_soa = false;

    for (size_t i = 0; i < reply->record_count; i++) {
        struct dns_record *record = &reply->records[i];
        struct bl_name owner;
        bool is_proof = record->type == DNS_NSEC || record->type == DNS_NSEC3 ||
                        is_signature_of(rewrite, i, DNS_NSEC) ||
                        is_signature_of(rewrite, i, DNS_NSEC3);
        bool is_soa = negative && record->type == DNS_SOA && !has_soa;
        if (record->section != 2 || record->class != rewrite->question->class)
            continue;
        is_proof |= negative && is_signature_of(rewrite, i, DNS_SOA);
        if (!is_soa && !(is_proof && rewrite->question->wants_dnssec))
            continue;
        if (dns_name_read(rewrite->bytes, rewrite->len, record->owner, &owner) < 0)
            return -EBADMSG;
        if (is_soa && !bl_name_is_below(last->wire, owner.wire) &&
            !bl_name_is_below(rewrite->question->name, owner.wire))
            continue;
        if (is_soa) {
            uint32_t minimum_s = soa_minimum(rewrite, record);
            has_soa = true;
            if (record->ttl > minimum_s)
                record->ttl = minimum_s;
            if (record->ttl > rewrite->limits->negative_ttl)
                record->ttl = rewrite->limits->negative_ttl;
        }
        if (write_record(rewrite, i, 2) < 0)
            return -EBADMSG;
    }
    if (negative && !has_soa)
        rewrite->least_ttl_s = 0;
    return 0;
}

static void write_start(struct rewrite *rewrite, unsigned flags)
{
    const struct reply_question *question = rewrite->question;
    struct reply *reply = rewrite->reply;

    rewrite->writer = (struct dns_writer){.message = reply->message, .room = sizeof reply->message};
    dns_write_head(&rewrite->writer, 0, DNS_QR | DNS_RA | DNS_RD | (flags & DNS_RCODE),
                   question->name, question->name_len, question->type, question->class);
    name_note(rewrite, DNS_HEADER, question->name_len);
}

int reply_read(struct reply *reply, const uint8_t *bytes, size_t len,
               const struct reply_question *question, const struct reply_limits *limits)
{
    struct rewrite rewrite = {.reply = reply,
                              .bytes = bytes,
                              .len = len,
                              .question = question,
                              .limits = limits,
                              .has_question = has_question(bytes, len, question),
                              .question_hash = name_hash(question->name, question->name_len),
                              .least_ttl_s = limits->max_ttl};
    struct bl_name last;
    unsigned flags;
    int answered;

    reply->ttl_count = 0;
    reply->ttl_s = 0;
    reply->ede = -1;
    reply->cookie_len = 0;
    if (records_read(&rewrite) < 0)
        return -EBADMSG;
    flags = dns_read_16(bytes + 2);
    reply->rcode = flags & DNS_RCODE;
    reply->authentic = (flags & DNS_AD) != 0;
    for (size_t i = 0; i < reply->record_count; i++)
        if (reply->records[i].section == 3 && reply->records[i].type == DNS_OPT) {
            options_read(reply, bytes, &reply->records[i]);
            reply->rcode |= reply->records[i].ttl >> 24 << 4;
        }
    write_start(&rewrite, flags);
    last.len = question->name_len;
    memcpy(last.wire, question->name, question->name_len);
    answered = write_chain(&rewrite, &last);
    if (answered < 0 || write_authority(&rewrite, &last, !answered) < 0 || rewrite.writer.failed)
        return -EBADMSG;
    reply->has_targets = rewrite.target_count > 0;
    reply->len = rewrite.writer.len;
    reply->ttl_s = rewrite.least_ttl_s;
    return 0;
}

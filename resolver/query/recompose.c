#include "resolver/query/recompose.h"

#include <errno.h>
#include <string.h>

enum {
    KEY_MANDATORY = 0,
    KEY_ECH = 5,
    TO_QUESTION = 0xc000 | DNS_HEADER,
    POINTER_REACH = 0x4000,
};

/* What is being written. A chain stands in order, so the owners met are the question's name and the
 * last alias's target. */
struct rewriting {
    struct dns_writer *writer;
    const struct recompose *how;
    struct bl_name question, target;
    size_t question_at, target_at; /* where they stand in what is written; 0: nowhere */
};

/* The mandatory keys but `ech`: an empty list is not allowed (RFC 9460 section 8), so none is
 * written. */
static size_t mandatory_write(const uint8_t *keys, size_t len, uint8_t *out)
{
    size_t at = 4;

    for (size_t i = 0; i + 2 <= len; i += 2)
        if (dns_read_16(keys + i) != KEY_ECH) {
            memcpy(out + at, keys + i, 2);
            at += 2;
        }
    if (at == 4)
        return 0;
    dns_put_16(out, KEY_MANDATORY);
    dns_put_16(out + 2, (unsigned)(at - 4));
    return at;
}

/* The end of the target name, which is never compressed (RFC 9460 section 2.2); 0: broken. */
static size_t target_end(const uint8_t *data, size_t len)
{
    size_t at = 2;

    while (at < len && data[at] <= BL_LABEL_MAX) {
        if (data[at] == 0)
            return at + 1;
        at += data[at] + 1u;
    }
    return 0;
}

int recompose_service(const uint8_t *data, size_t len, uint8_t *out)
{
    size_t at = target_end(data, len), written = at;

    if (!at)
        return -EBADMSG;
    memcpy(out, data, at);
    while (at < len) {
        size_t size;
        unsigned key;
        if (len - at < 4)
            return -EBADMSG;
        key = dns_read_16(data + at);
        size = dns_read_16(data + at + 2);
        if (len - at - 4 < size)
            return -EBADMSG;
        if (key == KEY_MANDATORY) {
            written += mandatory_write(data + at + 4, size, out + written);
        } else if (key != KEY_ECH) {
            memcpy(out + written, data + at, size + 4);
            written += size + 4;
        }
        at += size + 4;
    }
    return (int)written;
}

static void write_owner(struct rewriting *rewriting, const struct bl_name *owner)
{
    struct dns_writer *writer = rewriting->writer;
    uint8_t lowered[BL_NAME_MAX];

    dns_lower(lowered, owner->wire, owner->len);
    if (rewriting->target_at && bl_name_equal(lowered, rewriting->target.wire))
        dns_write_16(writer, 0xc000u | (unsigned)rewriting->target_at);
    else if (rewriting->question_at && bl_name_equal(lowered, rewriting->question.wire))
        dns_write_16(writer, 0xc000u | (unsigned)rewriting->question_at);
    else
        dns_write_bytes(writer, owner->wire, owner->len);
}

static uint32_t ttl_of(const struct recompose *how, uint32_t ttl_s)
{
    ttl_s = ttl_s > how->age_s ? ttl_s - how->age_s : 0;
    if (how->stale_s)
        ttl_s = how->stale_s;
    return ttl_s < how->limit_s ? ttl_s : how->limit_s;
}

static int write_target(struct rewriting *rewriting, const struct dns_record *record)
{
    const struct recompose *how = rewriting->how;
    struct dns_writer *writer = rewriting->writer;
    size_t end = record->data + (size_t)record->data_len;
    struct bl_name target;

    if (dns_name_expand(how->message, end, record->data, &target) < 0)
        return -EBADMSG;
    dns_write_16(writer, target.len);
    if (writer->len < POINTER_REACH) {
        rewriting->target_at = writer->len;
        dns_lower(rewriting->target.wire, target.wire, target.len);
    }
    dns_write_bytes(writer, target.wire, target.len);
    return 0;
}

/* Two names, then five numbers. */
static int write_soa(struct rewriting *rewriting, const struct dns_record *record)
{
    const uint8_t *message = rewriting->how->message;
    struct dns_writer *writer = rewriting->writer;
    size_t end = record->data + (size_t)record->data_len;
    struct bl_name server, mailbox;
    int after = dns_name_expand(message, end, record->data, &server);

    if (after >= 0)
        after = dns_name_expand(message, end, (size_t)after, &mailbox);
    if (after < 0 || end - (size_t)after != 20)
        return -EBADMSG;
    dns_write_16(writer, server.len + mailbox.len + 20u);
    dns_write_bytes(writer, server.wire, server.len);
    dns_write_bytes(writer, mailbox.wire, mailbox.len);
    dns_write_bytes(writer, message + after, 20);
    return 0;
}

static int write_service(struct rewriting *rewriting, const struct dns_record *record)
{
    struct dns_writer *writer = rewriting->writer;
    int len;

    if (writer->failed || writer->room - writer->len < 2u + record->data_len) {
        writer->failed = true;
        return 0;
    }
    len = recompose_service(rewriting->how->message + record->data, record->data_len,
                            writer->message + writer->len + 2);
    if (len < 0)
        return -EBADMSG;
    dns_write_16(writer, (unsigned)len);
    writer->len += (size_t)len;
    return 0;
}

static int write_data(struct rewriting *rewriting, const struct dns_record *record)
{
    bool is_service = record->type == DNS_HTTPS || record->type == DNS_SVCB;

    if (record->type == DNS_CNAME)
        return write_target(rewriting, record);
    if (record->type == DNS_SOA)
        return write_soa(rewriting, record);
    if (is_service && rewriting->how->without_ech)
        return write_service(rewriting, record);
    dns_write_16(rewriting->writer, record->data_len);
    dns_write_bytes(rewriting->writer, rewriting->how->message + record->data, record->data_len);
    return 0;
}

static bool is_proof(unsigned type)
{
    return type == DNS_RRSIG || type == DNS_NSEC || type == DNS_NSEC3;
}

static void count_record(struct dns_writer *writer, unsigned section)
{
    uint8_t *count = writer->message + 4 + 2 * section;

    if (!writer->failed)
        dns_put_16(count, dns_read_16(count) + 1u);
}

static void write_alias(struct rewriting *rewriting)
{
    const struct recompose *how = rewriting->how;

    dns_write_record(rewriting->writer, 1, DNS_CNAME,
                     how->alias_ttl_s < how->limit_s ? how->alias_ttl_s : how->limit_s, how->alias,
                     how->alias_len);
    /* What is kept answers for the alias's target: its question stands where the target does. */
    rewriting->question_at = rewriting->writer->len - how->alias_len;
}

int recompose_records(struct dns_writer *writer, const struct recompose *how)
{
    struct rewriting rewriting = {.writer = writer, .how = how, .question_at = DNS_HEADER};
    struct dns_record record;
    struct bl_name owner;
    struct dns_walk walk;
    int more;

    if (dns_walk_start(&walk, how->message, how->len) < 0 ||
        dns_name_read(how->message, how->len, DNS_HEADER, &rewriting.question) < 0)
        return -EBADMSG;
    if (how->alias)
        write_alias(&rewriting);
    while ((more = dns_walk_next(&walk, &record)) > 0 && !writer->failed) {
        if (is_proof(record.type))
            continue;
        if (dns_name_expand(how->message, how->len, record.owner, &owner) < 0)
            return -EBADMSG;
        write_owner(&rewriting, &owner);
        dns_write_16(writer, record.type);
        dns_write_16(writer, record.class);
        dns_write_32(writer, ttl_of(how, record.ttl));
        if (write_data(&rewriting, &record) < 0)
            return -EBADMSG;
        count_record(writer, record.section);
    }
    return more < 0 ? -EBADMSG : 0;
}

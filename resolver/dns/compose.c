#include "resolver/dns/message.h"

#include <string.h>

enum { POINTER_TO_QUESTION = 0xc000 | DNS_HEADER };

void dns_put_16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

void dns_put_32(uint8_t *bytes, uint32_t value)
{
    dns_put_16(bytes, value >> 16);
    dns_put_16(bytes + 2, value & 0xffff);
}

void dns_write_bytes(struct dns_writer *writer, const void *bytes, size_t len)
{
    if (writer->failed || writer->room - writer->len < len) {
        writer->failed = true;
        return;
    }
    if (len) /* memcpy takes no NULL, not even for nothing */
        memcpy(writer->message + writer->len, bytes, len);
    writer->len += len;
}

void dns_write_16(struct dns_writer *writer, unsigned value)
{
    uint8_t bytes[2];

    dns_put_16(bytes, value);
    dns_write_bytes(writer, bytes, sizeof bytes);
}

void dns_write_32(struct dns_writer *writer, uint32_t value)
{
    uint8_t bytes[4];

    dns_put_32(bytes, value);
    dns_write_bytes(writer, bytes, sizeof bytes);
}

/* Room for `len` octets at once; NULL: there is none. What has one length whoever asks is put
 * straight into it: octets written one by one somewhere else, and copied from there as words, would
 * have the processor wait until they are all in its cache. */
static uint8_t *room_take(struct dns_writer *writer, size_t len)
{
    uint8_t *at = writer->message + writer->len;

    if (writer->failed || writer->room - writer->len < len) {
        writer->failed = true;
        return NULL;
    }
    writer->len += len;
    return at;
}

void dns_write_head(struct dns_writer *writer, unsigned id, unsigned flags, const uint8_t *name,
                    size_t name_len, unsigned type, unsigned class)
{
    uint8_t *at = room_take(writer, DNS_HEADER + (name_len ? name_len + 4 : 0));

    if (!at)
        return;
    dns_put_16(at, id);
    dns_put_16(at + 2, flags);
    dns_put_16(at + 4, name_len ? 1 : 0);
    memset(at + 6, 0, DNS_HEADER - 6);
    if (name_len == 0)
        return;
    at += DNS_HEADER;
    memcpy(at, name, name_len);
    dns_put_16(at + name_len, type);
    dns_put_16(at + name_len + 2, class);
}

void dns_write_answer_head(struct dns_writer *writer, const struct dns_question *question,
                           unsigned rcode)
{
    unsigned flags =
        DNS_QR | DNS_RA | (question->flags & (DNS_OPCODE | DNS_RD | DNS_CD)) | (rcode & DNS_RCODE);

    /* What could not be read is not repeated: its name has no length. */
    dns_write_head(writer, question->id, flags, question->asked, question->asked_len,
                   question->type, question->class);
}

static void count_record(struct dns_writer *writer, unsigned section)
{
    uint8_t *count = writer->message + 4 + 2 * section;

    if (!writer->failed)
        dns_put_16(count, dns_read_16(count) + 1u);
}

void dns_write_record(struct dns_writer *writer, unsigned section, unsigned type, uint32_t ttl,
                      const void *data, size_t len)
{
    dns_write_16(writer, POINTER_TO_QUESTION);
    dns_write_16(writer, type);
    dns_write_16(writer, DNS_CLASS_IN);
    dns_write_32(writer, ttl);
    dns_write_16(writer, (unsigned)len);
    dns_write_bytes(writer, data, len);
    count_record(writer, section);
}

void dns_write_soa(struct dns_writer *writer, uint32_t ttl)
{
    /* localhost. nobody.invalid. serial 1, refresh 1 h, retry 20 min, expire 7 d, minimum = ttl. */
    uint8_t data[] = "\x09localhost\0\x06nobody\x07invalid\0"
                     "\0\0\0\x01\0\0\x0e\x10\0\0\x04\xb0\0\x09\x3a\x80\0\0\0\0";
    size_t len = sizeof data - 1;

    dns_put_32(data + len - 4, ttl);
    dns_write_record(writer, 2, DNS_SOA, ttl, data, len);
}

void dns_write_opt(struct dns_writer *writer, uint8_t wants_dnssec, unsigned rcode,
                   const uint8_t *options, size_t options_len)
{
    uint8_t *at = room_take(writer, 11);

    if (!at)
        return;
    at[0] = 0; /* the root's name */
    dns_put_16(at + 1, DNS_OPT);
    dns_put_16(at + 3, DNS_UDP_MAX);
    /* Extended rcode, version 0, DO: RFC 6891 section 6.1.3, RFC 3225. */
    dns_put_32(at + 5, (uint32_t)(rcode >> 4) << 24 | (wants_dnssec ? DNS_EDNS_DO : 0u));
    dns_put_16(at + 9, (unsigned)options_len);
    dns_write_bytes(writer, options, options_len);
    count_record(writer, 3);
}

void dns_write_bad_key(struct dns_writer *writer, const uint8_t *message, size_t len,
                       size_t tsig_at)
{
    enum { BADKEY = 17, SIGNED_AT = 8 }; /* octets of time and fudge */
    struct bl_name name;
    int end = dns_name_expand(message, len, tsig_at, &name);
    const uint8_t *data;
    size_t algorithm_len;

    if (end < 0) {
        writer->failed = true;
        return;
    }
    data = message + end + 10;
    algorithm_len = bl_name_length(data);
    dns_write_bytes(writer, name.wire, name.len);
    dns_write_16(writer, DNS_TSIG);
    dns_write_16(writer, DNS_CLASS_ANY);
    dns_write_32(writer, 0);
    dns_write_16(writer, (unsigned)algorithm_len + SIGNED_AT + 8);
    dns_write_bytes(writer, data, algorithm_len + SIGNED_AT);
    /* RFC 8945 section 5.3.2: no MAC. */
    dns_write_16(writer, 0);
    dns_write_bytes(writer, message, 2); /* the id */
    dns_write_16(writer, BADKEY);
    dns_write_16(writer, 0);
    count_record(writer, 3);
}

size_t dns_option_ede(uint8_t *options, size_t room, enum dns_ede code, const char *text)
{
    size_t text_len = strlen(text);

    if (room < 6)
        return 0;
    if (text_len > room - 6)
        text_len = room - 6;
    dns_put_16(options, DNS_OPTION_EDE);
    dns_put_16(options + 2, (unsigned)(2 + text_len));
    dns_put_16(options + 4, code);
    memcpy(options + 6, text, text_len);
    return 6 + text_len;
}

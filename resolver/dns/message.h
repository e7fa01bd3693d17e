/* DNS messages in place: the question of a client, the walk over an upstream's reply, and
 * composing.
 *
 * Text forms and everything that is not on the query path go through ldns; here are the few shapes
 * that a forwarder meets millions of times, without allocation. The tests compare this code with
 * ldns.
 *
 * Every function takes any bytes: a length is checked before an octet is read, compression pointers
 * only point backwards (RFC 9267), and every loop is bounded by the message. Any thread; no state.
 */
#ifndef RESOLVER_DNS_MESSAGE_H
#define RESOLVER_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/name.h"

enum {
    DNS_HEADER = 12,
    DNS_POINTERS_MAX = 127, /* in one name: as many as it can have labels */
    DNS_UDP_PLAIN = 512,    /* what fits a client without EDNS, RFC 1035 section 2.3.4 */
    DNS_UDP_MAX = 1232, /* what we send and ask for at most: never fragmented, DNS flag day 2020 */
    DNS_MESSAGE_MAX = 65535,
};

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_DNAME = 39,
    DNS_OPT = 41,
    DNS_DS = 43,
    DNS_RRSIG = 46,
    DNS_NSEC = 47,
    DNS_DNSKEY = 48,
    DNS_NSEC3 = 50,
    DNS_SVCB = 64,
    DNS_HTTPS = 65,
    DNS_NXNAME = 128,
    DNS_TKEY = 249,
    DNS_TSIG = 250,
    DNS_IXFR = 251,
    DNS_AXFR = 252,
    DNS_MAILB = 253,
    DNS_MAILA = 254,
    DNS_ANY = 255,
};

enum { DNS_CLASS_IN = 1, DNS_CLASS_ANY = 255 };

enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
    DNS_NOTAUTH = 9,
    DNS_BADVERS = 16,
    DNS_BADCOOKIE = 23,
};

/* Bits of the header's second 16-bit word, RFC 1035 section 4.1.1 and RFC 4035 section 3. */
enum dns_flags {
    DNS_QR = 0x8000,
    DNS_OPCODE = 0x7800,
    DNS_AA = 0x0400,
    DNS_TC = 0x0200,
    DNS_RD = 0x0100,
    DNS_RA = 0x0080,
    DNS_AD = 0x0020,
    DNS_CD = 0x0010,
    DNS_RCODE = 0x000f,
};

enum { DNS_EDNS_DO = 0x8000 };

enum dns_option {
    DNS_OPTION_NSID = 3,
    DNS_OPTION_ECS = 8,
    DNS_OPTION_COOKIE = 10,
    DNS_OPTION_KEEPALIVE = 11,
    DNS_OPTION_PADDING = 12,
    DNS_OPTION_EDE = 15,
    DNS_OPTION_DEVICE = 65001, /* dnsmasq's add-mac */
};

enum dns_ede { /* RFC 8914 */
               DNS_EDE_OTHER = 0,
               DNS_EDE_STALE = 3,
               DNS_EDE_FORGED = 4,
               DNS_EDE_CACHED_ERROR = 13,
               DNS_EDE_NOT_READY = 14,
               DNS_EDE_BLOCKED = 15,
               DNS_EDE_CENSORED = 16,
               DNS_EDE_FILTERED = 17,
               DNS_EDE_PROHIBITED = 18,
               DNS_EDE_NO_REACHABLE_AUTHORITY = 22,
               DNS_EDE_NETWORK_ERROR = 23,
};

struct dns_question {
    uint16_t id;
    uint16_t flags; /* the header's second word */
    uint16_t type, class;
    uint8_t asked_len;                            /* octets of the name, the root's included */
    uint8_t has_edns, edns_version, wants_dnssec; /* DO */
    uint8_t cookie_len;                           /* 0, 8 or 16 to 40: RFC 7873 section 4 */
    uint8_t wants_keepalive;
    uint8_t wants_ede;          /* sent one: can read the structured form */
    uint16_t udp_size;          /* what the client takes; 512 without EDNS, never below 512 */
    uint16_t tsig_at;           /* where the record stands that signs it; 0: none does */
    uint8_t asked[BL_NAME_MAX]; /* as it was asked: an answer repeats it octet for octet */
    uint8_t name[BL_NAME_MAX];  /* lower-cased */
    uint8_t cookie[40];
    uint8_t device[8]; /* the MAC address of option 65001, RFC-less; device_len octets */
    uint8_t device_len;
};

/* What to do with bytes that claim to be a question. */
enum dns_question_verdict {
    DNS_QUESTION_FINE,
    DNS_QUESTION_SILENCE, /* no header, or a reply: an answer could start a loop */
    DNS_QUESTION_FORMERR, /* id and flags of *out are set, the rest is not */
    DNS_QUESTION_NOTIMP,  /* an opcode we do not serve; likewise */
    DNS_QUESTION_BADVERS, /* an EDNS version above 0, RFC 6891 section 6.1.3; the question is set */
    DNS_QUESTION_NOTAUTH, /* signed by a key (TSIG), of which we have none; likewise */
};

enum dns_question_verdict dns_question_parse(const uint8_t *message, size_t len,
                                             struct dns_question *out_question);

/* Walking a reply. */
struct dns_record {
    uint16_t owner; /* offset of the owner name (perhaps compressed) */
    uint16_t type, class;
    uint32_t ttl;
    uint16_t ttl_at; /* offset of the TTL */
    uint16_t data, data_len;
    uint8_t section; /* 1 answer, 2 authority, 3 additional */
};

struct dns_walk {
    const uint8_t *message;
    size_t len, at;
    uint16_t left[4]; /* records not yet seen, by section; [0] is the question's count */
    uint8_t section;
};

/* Starts after the question. 0, or -EBADMSG when header or question are broken or QDCOUNT is not 1.
 */
int dns_walk_start(struct dns_walk *walk, const uint8_t *message, size_t len);

/* The next record: 1, 0 at the end (trailing octets are no error, they are not used), -EBADMSG. */
int dns_walk_next(struct dns_walk *walk, struct dns_record *out_record);

/* The parameters of an HTTPS or SVCB record, RFC 9460 section 2.2, in place. */
enum { DNS_SERVICE_IPV4HINT = 4, DNS_SERVICE_ECH = 5, DNS_SERVICE_IPV6HINT = 6 };

struct dns_parameter {
    unsigned key;
    size_t at, len;   /* its value in the message */
    size_t hint_size; /* 4 or 16: the value is a row of addresses of so many octets; 0: it is not */
};

struct dns_service {
    const uint8_t *message;
    size_t at, end;
};

void dns_service_start(struct dns_service *service, const uint8_t *message,
                       const struct dns_record *record);

/* The next one; false at the end, and where the rest is broken. */
bool dns_service_next(struct dns_service *service, struct dns_parameter *out_parameter);

/* The address hints of all parameters, one by one. */
struct dns_hints {
    struct dns_service service;
    struct dns_parameter parameter; /* whose hints are at hand */
    size_t taken;                   /* octets of it */
};

void dns_hints_start(struct dns_hints *hints, const uint8_t *message,
                     const struct dns_record *record);

/* The next one, of 4 or 16 octets; NULL at the end, and where the rest is broken. */
const uint8_t *dns_hints_next(struct dns_hints *hints, size_t *out_size);

/* Expands the name at `at` into wire form; returns the offset after it in the message, or -EBADMSG.
 * Pointers must point backwards, before the run of labels they continue, and are DNS_POINTERS_MAX
 * at most: 16 KB of them would lead on 8,000 times, in each of a reply's records. dns_name_read()
 * also lower-cases it. */
int dns_name_expand(const uint8_t *message, size_t len, size_t at, struct bl_name *out_name);
int dns_name_read(const uint8_t *message, size_t len, size_t at, struct bl_name *out_name);

/* Skips a name: the offset after it, or -EBADMSG. */
int dns_name_skip(const uint8_t *message, size_t len, size_t at);

/* Composing. A struct dns_writer never writes past `room`; when something did not fit, `failed` is
 * set. */
struct dns_writer {
    uint8_t *message;
    size_t len, room;
    bool failed;
};

void dns_write_16(struct dns_writer *writer, unsigned value);
void dns_write_32(struct dns_writer *writer, uint32_t value);
void dns_write_bytes(struct dns_writer *writer, const void *bytes, size_t len);

/* Header and question, as the first of a message; counts of records zero. A `name_len` of 0: no
 * question. */
void dns_write_head(struct dns_writer *writer, unsigned id, unsigned flags, const uint8_t *name,
                    size_t name_len, unsigned type, unsigned class);

/* Those of an answer to `question`: QR, RA, the client's RD and CD. */
void dns_write_answer_head(struct dns_writer *writer, const struct dns_question *question,
                           unsigned rcode);

/* One record whose owner is the question's name. Adds one to the count of `section` (1 to 3). */
void dns_write_record(struct dns_writer *writer, unsigned section, unsigned type, uint32_t ttl,
                      const void *data, size_t len);

/* The SOA that makes a negative answer of ours cacheable for `ttl` seconds, RFC 2308 section 5. */
void dns_write_soa(struct dns_writer *writer, uint32_t ttl);

/* The OPT record, with DO or without: call last. `options` is finished option bytes
 * (dns_option_ede). */
void dns_write_opt(struct dns_writer *writer, uint8_t wants_dnssec, unsigned rcode,
                   const uint8_t *options, size_t options_len);

/* Behind all else, for a question that is signed: the TSIG record that says that its key is not
 * known here. `message` is the question as it came, its record at `tsig_at`. */
void dns_write_bad_key(struct dns_writer *writer, const uint8_t *message, size_t len,
                       size_t tsig_at);

/* An extended error option (RFC 8914 section 2) as bytes; returns their count. Text is cut to fit.
 */
size_t dns_option_ede(uint8_t *options, size_t room, enum dns_ede code, const char *text);

uint16_t dns_read_16(const uint8_t *bytes);
uint32_t dns_read_32(const uint8_t *bytes);
void dns_put_16(uint8_t *bytes, unsigned value);
void dns_put_32(uint8_t *bytes, uint32_t value);

/* Lower-cases `len` octets of a wire name; length octets are below 64 and are not letters. */
void dns_lower(uint8_t *to, const uint8_t *from, size_t len);

#endif

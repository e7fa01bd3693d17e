#include "wire.h"

#include <ctype.h>
#include <ldns/ldns.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

static void put_16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned get_16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static size_t hex_read(const char *text, uint8_t out[WIRE_MAX])
{
    size_t len = 0;
    unsigned value;
    for (; len < WIRE_MAX && sscanf(text, "%2x", &value) == 1 && text[1]; text += 2)
        out[len++] = (uint8_t)value;
    return len;
}

static ldns_rdf *name_parse(const char *text)
{
    ldns_rdf *name = NULL;
    if (ldns_str2rdf_dname(&name, text) != LDNS_STATUS_OK)
        script_fail("'%s' is no domain name", text);
    return name;
}

struct asking {
    unsigned id, bufsize, class, opcode, version, flags;
    bool edns, dnssec;
    uint8_t options[64];
    size_t options_len;
};

static void option_add(struct asking *asking, unsigned code, const char *data, size_t len)
{
    uint8_t *at = asking->options + asking->options_len;
    put_16(at, code);
    put_16(at + 2, (unsigned)len);
    memcpy(at + 4, data, len);
    asking->options_len += 4 + len;
}

static bool asking_flag(struct asking *asking, const char *word)
{
    if (strcmp(word, "noedns") == 0)
        asking->edns = false;
    else if (strcmp(word, "do") == 0)
        asking->dnssec = true;
    else if (strcmp(word, "cd") == 0)
        asking->flags |= 0x0010;
    else if (strcmp(word, "ad") == 0)
        asking->flags |= 0x0020;
    else if (strcmp(word, "nord") == 0)
        asking->flags &= ~0x0100u;
    else if (strcmp(word, "qr") == 0)
        asking->flags |= 0x8000;
    else if (strcmp(word, "ecs") == 0) /* RFC 7871: 192.0.2.0/24 */
        option_add(asking, 8, "\0\1\30\0\300\0\2", 7);
    else if (strcmp(word, "cookie") == 0) /* RFC 7873: the client's half */
        option_add(asking, 10, "\1\2\3\4\5\6\7\10", 8);
    else if (strcmp(word, "keepalive") == 0) /* RFC 7828 */
        option_add(asking, 11, "", 0);
    else if (strcmp(word, "wants-ede") == 0) /* the structured form of extended errors */
        option_add(asking, 15, "\0\0", 2);
    else
        return strcmp(word, "tcp") == 0;
    return true;
}

static bool asking_number(struct asking *asking, const char *word)
{
    const struct {
        const char *key;
        unsigned *field;
    } numbers[] = {
        {"id", &asking->id},         {"bufsize", &asking->bufsize}, {"class", &asking->class},
        {"opcode", &asking->opcode}, {"version", &asking->version},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const char *value = word_value(word, numbers[i].key);
        if (value) {
            *numbers[i].field = (unsigned)strtoul(value, NULL, 0);
            return true;
        }
    }
    return false;
}

size_t wire_question(const char *name, const char *type, char *words, uint8_t out[WIRE_MAX])
{
    struct asking asking = {
        .id = 0x1234, .bufsize = 1232, .class = 1, .flags = 0x0100, .edns = true};
    for (char *word; (word = word_next(&words));) {
        if (word_value(word, "octets"))
            return hex_read(word_value(word, "octets"), out);
        if (word_value(word, "device")) { /* dnsmasq's add-mac */
            size_t mac_len = hex_read(word_value(word, "device"), out);
            if (mac_len > 8)
                script_fail("a MAC address has fewer octets");
            option_add(&asking, 65001, (const char *)out, mac_len);
            continue;
        }
        if (!asking_flag(&asking, word) && !asking_number(&asking, word))
            script_fail("an ask knows no '%s'", word);
    }
    ldns_rdf *owner = name_parse(name);
    ldns_rr_type number = ldns_get_rr_type_by_name(type);
    if (!number && strcmp(type, "TYPE0") != 0)
        script_fail("'%s' is no type", type);

    memset(out, 0, 12);
    put_16(out, asking.id);
    put_16(out + 2, asking.flags | asking.opcode << 11);
    put_16(out + 4, 1);
    size_t len = 12;
    memcpy(out + len, ldns_rdf_data(owner), ldns_rdf_size(owner));
    len += ldns_rdf_size(owner);
    ldns_rdf_deep_free(owner);
    put_16(out + len, number);
    put_16(out + len + 2, asking.class);
    len += 4;
    if (!asking.edns)
        return len;
    put_16(out + 10, 1);
    uint8_t *opt = out + len;
    memset(opt, 0, 11);
    put_16(opt + 1, 41);
    put_16(opt + 3, asking.bufsize);
    opt[6] = (uint8_t)asking.version;
    opt[7] = asking.dnssec ? 0x80 : 0;
    put_16(opt + 9, (unsigned)asking.options_len);
    memcpy(opt + 11, asking.options, asking.options_len);
    return len + 11 + asking.options_len;
}

void wire_describe(const uint8_t *packet, size_t len, char *out, size_t size)
{
    ldns_pkt *parsed = NULL;
    if (ldns_wire2pkt(&parsed, packet, len) != LDNS_STATUS_OK ||
        ldns_rr_list_rr_count(ldns_pkt_question(parsed)) != 1) {
        snprintf(out, size, "(no question that ldns can read, %zu octets)", len);
        ldns_pkt_free(parsed);
        return;
    }
    ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(parsed), 0);
    char *name = ldns_rdf2str(ldns_rr_owner(question));
    char *type = ldns_rr_type2str(ldns_rr_get_type(question));
    size_t name_len = strlen(name);
    if (name_len > 1 && name[name_len - 1] == '.')
        name[--name_len] = '\0';
    for (char *letter = name; *letter; letter++)
        *letter =
            (char)tolower((unsigned char)*letter); /* case is mixed on purpose on the way out */
    snprintf(out, size, "%s %s", name, type);
    free(name);
    free(type);
    ldns_pkt_free(parsed);
}

/* How a reply differs from a plain good one. */
struct replying {
    unsigned rcode, flags;
    const char *name; /* where no record names the question */
    bool wrong_id, wrong_name, wrong_type, wrong_class, header_only, noedns;
    enum { COOKIE_NONE, COOKIE_RIGHT, COOKIE_WRONG, COOKIE_ECHOED } cookie;
    size_t cut;
    unsigned ede; /* RFC 8914; 0: none */
};

static bool replying_word(struct replying *replying, const char *word)
{
    ldns_lookup_table *rcode = ldns_lookup_by_name(ldns_rcodes, word);
    const char *cut = word_value(word, "cut"), *ede = word_value(word, "ede");
    if (rcode)
        replying->rcode = (unsigned)rcode->id;
    else if (cut)
        replying->cut = strtoul(cut, NULL, 10);
    else if (ede)
        replying->ede = (unsigned)strtoul(ede, NULL, 10);
    else if (strcmp(word, "tc") == 0)
        replying->flags |= 0x0200;
    else if (strcmp(word, "ad") == 0)
        replying->flags |= 0x0020;
    else if (strcmp(word, "wrong-id") == 0)
        replying->wrong_id = true;
    else if (strcmp(word, "wrong-name") == 0)
        replying->wrong_name = true;
    else if (strcmp(word, "wrong-type") == 0)
        replying->wrong_type = true;
    else if (strcmp(word, "wrong-class") == 0)
        replying->wrong_class = true;
    else if (strcmp(word, "header-only") == 0)
        replying->header_only = true;
    else if (strcmp(word, "noedns") == 0)
        replying->noedns = true;
    else if (strcmp(word, "badcookie") == 0) /* 23, of which the header has the low four bits */
        replying->rcode = 23, replying->cookie = COOKIE_RIGHT;
    else if (strcmp(word, "cookie") == 0)
        replying->cookie = COOKIE_RIGHT;
    else if (strcmp(word, "wrong-cookie") == 0)
        replying->cookie = COOKIE_WRONG;
    else if (strcmp(word, "echoes-cookie") == 0)
        replying->cookie = COOKIE_ECHOED;
    else
        return false;
    return true;
}

/* Reads the words before the first record; gives what is left, beginning with a name. */
static char *replying_read(struct replying *replying, char *text)
{
    *replying = (struct replying){.flags = 0x8180};
    for (;;) {
        char *begin = text + strspn(text, " \t\n");
        size_t len = strcspn(begin, " \t\n");
        char word[64];
        snprintf(word, sizeof(word), "%.*s", (int)len, begin);
        if (len == 0 || len >= sizeof(word) || !replying_word(replying, word))
            return begin;
        text = begin + len;
    }
}

void wire_reply_name(const char *text, char *out, size_t size)
{
    char copy[4096];
    struct replying replying;
    snprintf(copy, sizeof(copy), "%s", text);
    const char *begin = replying_read(&replying, copy);
    snprintf(out, size, "%.*s", (int)strcspn(begin, " \t\n;"), begin);
    for (char *letter = out; *letter; letter++)
        *letter = (char)tolower((unsigned char)*letter);
}

/* Adds one record's text, "authority …" and "additional …" going there. A lone name adds nothing.
 */
static void record_add(ldns_pkt *reply, char *part)
{
    ldns_pkt_section section = LDNS_SECTION_ANSWER;
    if (strncmp(part, "authority ", 10) == 0) {
        section = LDNS_SECTION_AUTHORITY;
        part += 10;
    } else if (strncmp(part, "additional ", 11) == 0) {
        section = LDNS_SECTION_ADDITIONAL;
        part += 11;
    }
    if (!strpbrk(part, " \t"))
        return;
    ldns_rr *record = NULL;
    ldns_status status = ldns_rr_new_frm_str(&record, part, 60, NULL, NULL);
    if (status != LDNS_STATUS_OK)
        script_fail("'%s' is no record: %s", part, ldns_get_errorstr_by_id(status));
    ldns_pkt_push_rr(reply, section, record);
}

/* The COOKIE option of a server: the half that the packet has, and one of its own (or none). */
static void cookie_add(ldns_pkt *reply, const uint8_t *packet, size_t len,
                       const struct replying *replying)
{
    size_t at = 12;
    uint8_t option[4 + 24] = {0, 10, 0, 24};
    while (packet[at])
        at += packet[at] + 1u;
    at += 5 + 11;
    if (len < at + 12 || get_16(packet + at) != 10)
        script_fail("what went upstream has no cookie");
    memcpy(option + 4, packet + at + 4, 8);
    memset(option + 12, 'S', 16);
    if (replying->cookie == COOKIE_WRONG)
        option[4] ^= 1;
    if (replying->cookie == COOKIE_ECHOED)
        option[3] = 8;
    ldns_pkt_set_edns_data(reply,
                           ldns_rdf_new_frm_data(LDNS_RDF_TYPE_UNKNOWN, 4u + option[3], option));
}

static void ede_add(ldns_pkt *reply, unsigned ede)
{
    uint8_t option[] = {0, 15, 0, 2, (uint8_t)(ede >> 8), (uint8_t)ede};
    ldns_pkt_set_edns_data(reply,
                           ldns_rdf_new_frm_data(LDNS_RDF_TYPE_UNKNOWN, sizeof(option), option));
}

/* The reply as ldns composes it, names compressed as a real server's are. */
static size_t reply_compose(const uint8_t *packet, size_t packet_len,
                            const struct replying *replying, char *records, uint8_t out[WIRE_MAX])
{
    ldns_pkt *asked = NULL, *reply = ldns_pkt_new();
    if (ldns_wire2pkt(&asked, packet, packet_len) != LDNS_STATUS_OK)
        script_fail("ldns cannot read what went upstream");
    ldns_pkt_push_rr(reply, LDNS_SECTION_QUESTION,
                     ldns_rr_clone(ldns_rr_list_rr(ldns_pkt_question(asked), 0)));
    ldns_pkt_free(asked);
    for (char *part; (part = part_next(&records));)
        record_add(reply, part);
    if (!replying->noedns)
        ldns_pkt_set_edns_udp_size(reply, 1232);
    ldns_pkt_set_edns_extended_rcode(reply, (uint8_t)(replying->rcode >> 4));
    if (replying->cookie != COOKIE_NONE)
        cookie_add(reply, packet, packet_len, replying);
    else if (replying->ede)
        ede_add(reply, replying->ede);

    uint8_t *wire = NULL;
    size_t len = 0;
    ldns_status status = ldns_pkt2wire(&wire, reply, &len);
    if (status != LDNS_STATUS_OK || len > WIRE_MAX)
        script_fail("ldns cannot write this reply: %s", ldns_get_errorstr_by_id(status));
    ldns_pkt_free(reply);
    memcpy(out, wire, len);
    free(wire);
    return len;
}

size_t wire_reply(const uint8_t *packet, size_t packet_len, char *text, uint8_t out[WIRE_MAX])
{
    struct replying replying;
    char *records = replying_read(&replying, text);
    size_t len = reply_compose(packet, packet_len, &replying, records, out);
    memcpy(out, packet, 2);
    put_16(out + 2, replying.flags | (replying.rcode & 15));
    if (replying.header_only) {
        memset(out + 4, 0, 8);
        len = 12;
    }
    if (replying.wrong_id)
        out[1] ^= 0x55;
    if (replying.wrong_name)
        out[13] = out[13] == 'q' ? 'p' : 'q';
    if (replying.wrong_type || replying.wrong_class) {
        size_t at = 12;
        while (out[at])
            at += out[at] + 1u;
        out[at + (replying.wrong_type ? 2 : 4)] ^= 0x10;
    }
    return replying.cut && replying.cut < len ? replying.cut : len;
}

/* What an answer says, as the words of an `answer` line compare it. */
struct told {
    char rcode[32];
    char addresses[4096]; /* "192.0.2.1 2001:db8::1", in the order of the answer */
    char aliases[4096]; /* targets of CNAME and DNAME records, each with a space before and after */
    char data[8192];    /* of all other records, spaces inside turned into commas */
    int64_t ttl;        /* the least of the answer, or the negative answer's; −1: none */
    unsigned records, ede, keepalive, cookie; /* the cookie's octets */
    bool soa, edns, has_ede, has_keepalive;
    unsigned flags;
    char ede_text[512];
    size_t len;
};

static void text_add(char *text, size_t size, const char *more)
{
    size_t len = strlen(text);
    snprintf(text + len, size - len, "%s%s", len ? " " : "", more);
}

static void told_add(struct told *told, const ldns_rr *record)
{
    ldns_rr_type type = ldns_rr_get_type(record);
    char *data = ldns_rr_rd_count(record) ? ldns_rdf2str(ldns_rr_rdf(record, 0)) : NULL;
    if (type == LDNS_RR_TYPE_A || type == LDNS_RR_TYPE_AAAA) {
        text_add(told->addresses, sizeof(told->addresses), data);
    } else if (type == LDNS_RR_TYPE_CNAME || type == LDNS_RR_TYPE_DNAME) {
        data[strlen(data) - 1] = '\0';
        text_add(told->aliases, sizeof(told->aliases), data);
    } else {
        char *text = ldns_rr2str(record);
        char *at = strstr(text, "\tIN\t");
        for (char *letter = text; *letter; letter++)
            if (*letter == '\t' || *letter == ' ')
                *letter = ',';
        text[strcspn(text, "\n")] = '\0';
        text_add(told->data, sizeof(told->data), at ? at + 4 : text);
        free(text);
    }
    free(data);
    if (told->ttl < 0 || ldns_rr_ttl(record) < told->ttl)
        told->ttl = ldns_rr_ttl(record);
    told->records++;
}

/* Extended errors, RFC 8914 section 2; the first one counts. */
static void told_options(struct told *told, const ldns_rdf *options)
{
    const uint8_t *at = ldns_rdf_data(options);
    size_t len = ldns_rdf_size(options);
    while (len >= 4) {
        unsigned code = get_16(at);
        size_t size = get_16(at + 2);
        if (size > len - 4)
            script_fail("the answer's EDNS options are broken");
        if (code == 10)
            told->cookie = (unsigned)size;
        if (code == 11 && size == 2) {
            told->has_keepalive = true;
            told->keepalive = get_16(at + 4);
        }
        if (code == 15 && size >= 2 && !told->has_ede) {
            told->has_ede = true;
            told->ede = get_16(at + 4);
            snprintf(told->ede_text, sizeof(told->ede_text), "%.*s", (int)size - 2,
                     (const char *)at + 6);
        }
        at += 4 + size;
        len -= 4 + size;
    }
}

static void told_read(const uint8_t *answer, size_t len, struct told *told)
{
    *told = (struct told){.ttl = -1, .len = len};
    ldns_pkt *packet = NULL;
    ldns_status status = ldns_wire2pkt(&packet, answer, len);
    if (status != LDNS_STATUS_OK)
        script_fail("ldns cannot read the answer (%zu octets): %s", len,
                    ldns_get_errorstr_by_id(status));
    unsigned rcode =
        (unsigned)ldns_pkt_get_rcode(packet) | (unsigned)ldns_pkt_edns_extended_rcode(packet) << 4;
    ldns_lookup_table *word = ldns_lookup_by_id(ldns_rcodes, (int)rcode);
    snprintf(told->rcode, sizeof(told->rcode), "%s",
             rcode == 16 ? "BADVERS"
             : word      ? word->name
                         : "?");
    told->flags = get_16(answer + 2);
    ldns_rr_list *records = ldns_pkt_answer(packet);
    for (size_t i = 0; i < ldns_rr_list_rr_count(records); i++)
        told_add(told, ldns_rr_list_rr(records, i));
    ldns_rr_list *authority = ldns_pkt_authority(packet);
    for (size_t i = 0; i < ldns_rr_list_rr_count(authority); i++) {
        const ldns_rr *record = ldns_rr_list_rr(authority, i);
        if (ldns_rr_get_type(record) != LDNS_RR_TYPE_SOA)
            continue;
        told->soa = true;
        if (told->ttl < 0)
            told->ttl = ldns_rr_ttl(record);
    }
    told->edns = ldns_pkt_edns(packet);
    if (told->edns && ldns_pkt_edns_data(packet))
        told_options(told, ldns_pkt_edns_data(packet));
    ldns_pkt_free(packet);
}

static void told_print(const struct told *told, char *out, size_t size)
{
    snprintf(out, size, "%s%s%s%s%s%s%s ttl=%lld%s", told->rcode, *told->addresses ? " " : "",
             told->addresses, *told->aliases ? " via " : "", told->aliases, *told->data ? " " : "",
             told->data, (long long)told->ttl, told->soa ? " soa" : "");
    size_t len = strlen(out);
    if (told->has_ede)
        snprintf(out + len, size - len, " ede=%u \"%s\"", told->ede, told->ede_text);
    len = strlen(out);
    snprintf(out + len, size - len, "%s%s (%zu octets)", told->flags & 0x0200 ? " tc" : "",
             told->edns ? "" : " noedns", told->len);
}

static bool list_has(const char *list, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = list; (at = strcasestr(at, word)); at++)
        if ((at == list || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
            return true;
    return false;
}

static bool number_is(const char *text, int64_t number)
{
    return strtoll(text, NULL, 10) == number;
}

/* Words of the form key=value: 1 true, 0 false, −1 no such key. */
static int told_value(const struct told *told, const char *word)
{
    const char *value;
    if ((value = word_value(word, "ede")))
        return strcmp(value, "none") == 0 ? !told->has_ede
                                          : told->has_ede && number_is(value, told->ede);
    if ((value = word_value(word, "text")))
        return strstr(told->ede_text, value) != NULL;
    if ((value = word_value(word, "ttl")))
        return number_is(value, told->ttl);
    if ((value = word_value(word, "cname")))
        return strcmp(value, "none") == 0 ? !*told->aliases : list_has(told->aliases, value);
    if ((value = word_value(word, "data")))
        return list_has(told->data, value);
    if ((value = word_value(word, "records")))
        return number_is(value, told->records);
    if ((value = word_value(word, "cookie")))
        return number_is(value, told->cookie);
    if ((value = word_value(word, "keepalive")))
        return strcmp(value, "none") == 0
                   ? !told->has_keepalive
                   : told->has_keepalive && number_is(value, told->keepalive);
    if ((value = word_value(word, "size")))
        return told->len <= strtoul(value, NULL, 10);
    return -1;
}

static int told_flag(const struct told *told, const char *word)
{
    static const struct {
        const char *word;
        unsigned flag;
    } flags[] = {{"tc", 0x0200}, {"aa", 0x0400}, {"ad", 0x0020}, {"cd", 0x0010}, {"ra", 0x0080}};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        bool is_set = (told->flags & flags[i].flag) != 0;
        if (strcmp(word, flags[i].word) == 0)
            return is_set;
        if (strncmp(word, "no", 2) == 0 && strcmp(word + 2, flags[i].word) == 0)
            return !is_set;
    }
    if (strcmp(word, "soa") == 0)
        return told->soa;
    if (strcmp(word, "edns") == 0)
        return told->edns;
    return strcmp(word, "noedns") == 0 ? !told->edns : -1;
}

void wire_expect(const uint8_t *answer, size_t len, char *expected)
{
    static struct told told;
    char line[1024], addresses[4096] = "", got[16384];
    snprintf(line, sizeof(line), "%s", expected);
    told_read(answer, len, &told);
    told_print(&told, got, sizeof(got));

    const char *rcode = word_must(&expected, "an rcode");
    if (strcmp(rcode, told.rcode) != 0)
        script_differ(line, "%s", got);
    for (char *word; (word = word_next(&expected));) {
        int right = told_value(&told, word);
        if (right < 0)
            right = told_flag(&told, word);
        if (right < 0 && !strpbrk(word, ".:"))
            script_fail("an answer knows no '%s'", word);
        if (right < 0)
            text_add(addresses, sizeof(addresses), word);
        if (right == 0)
            script_differ(line, "%s\n  because of: %s", got, word);
    }
    if (strcmp(addresses, told.addresses) != 0)
        script_differ(line, "%s\n  because of the addresses", got);
}

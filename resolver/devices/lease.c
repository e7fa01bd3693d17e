#include "resolver/devices/lease.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DUID_LLT = 1,
    DUID_LL = 3,
    HARDWARE_ETHERNET = 1,
    LOOK_LEN = 4096, /* of a file, to know its format */
};

void leases_free(struct leases *leases)
{
    free(leases->items);
    *leases = (struct leases){0};
}

static bool begins(const char *text, size_t len, const char *with)
{
    size_t with_len = strlen(with);

    return len >= with_len && memcmp(text, with, with_len) == 0;
}

static bool line_is_isc(const char *line, size_t len)
{
    static const char *const WORDS[] = {"lease ",       "ia-na ",       "ia-ta ",
                                        "ia-pd ",       "server-duid ", "authoring-byte-order ",
                                        "failover peer"};

    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        if (begins(line, len, WORDS[i]))
            return true;
    }
    return false;
}

/* The first line that says something decides. */
enum lease_format lease_recognise(const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        const char *line = text + at, *end = memchr(line, '\n', len - at);
        size_t line_len = end ? (size_t)(end - line) : len - at;
        at += line_len + 1;
        if (!line_len || *line == '#' || *line == '\r')
            continue;
        if (begins(line, line_len, "address,hwaddr,"))
            return LEASE_KEA4;
        if (begins(line, line_len, "address,duid,"))
            return LEASE_KEA6;
        if (begins(line, line_len, "duid ") || isdigit((unsigned char)*line))
            return LEASE_DNSMASQ;
        return line_is_isc(line, line_len) ? LEASE_ISC : LEASE_NONE;
    }
    return LEASE_NONE;
}

const char *lease_format_text(enum lease_format format)
{
    switch (format) {
    case LEASE_DNSMASQ:
        return "dnsmasq";
    case LEASE_KEA4:
        return "Kea (IPv4)";
    case LEASE_KEA6:
        return "Kea (IPv6)";
    case LEASE_ISC:
        return "ISC dhcpd";
    case LEASE_NONE:
        break;
    }
    return "none";
}

struct lease *lease_add(struct leases *leases)
{
    if (leases->count == leases->room) {
        /* Files that append hold many words about one address: those of a whole day may come. */
        size_t room = leases->room ? leases->room * 2 : 64;
        struct lease *items =
            room <= 16 * LEASES_MAX ? realloc(leases->items, room * sizeof *items) : NULL;
        if (!items) {
            leases->failed = true;
            return NULL;
        }
        leases->items = items;
        leases->room = room;
    }
    leases->items[leases->count] = (struct lease){.expires_s = INT64_MAX};
    return &leases->items[leases->count++];
}

void lease_name_take(struct lease *lease, const char *text, size_t len)
{
    struct address address;
    uint8_t mac[MAC_LEN];
    size_t used = 0;

    while (len && text[len - 1] == '.')
        len--;
    for (size_t i = 0; i < len && used < LEASE_NAME_MAX - 1; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x80 && (isalnum(c) || c == '-' || c == '_' || c == '.'))
            lease->name[used++] = (char)c;
        else if (used && lease->name[used - 1] != '-')
            lease->name[used++] = '-';
    }
    lease->name[used] = '\0';
    /* A device that calls itself after another's address is not to be taken for it. */
    if (address_parse(lease->name, 0, &address) == 0 || mac_parse(lease->name, mac))
        lease->name[0] = '\0';
}

bool lease_address_take(struct lease *lease, const char *text, size_t len)
{
    char copy[ADDRESS_TEXT_MAX];

    if (!len || len >= sizeof copy || memchr(text, '\0', len) || memchr(text, '@', len))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return address_parse(copy, 0, &lease->address) == 0 && lease->address.port == 0;
}

static int digit_of(char c)
{
    return isdigit((unsigned char)c) ? c - '0'
           : c >= 'a' && c <= 'f'    ? c - 'a' + 10
           : c >= 'A' && c <= 'F'    ? c - 'A' + 10
                                     : -1;
}

int lease_octets(const char *text, size_t len, uint8_t *octets, size_t room)
{
    size_t count = 0;

    for (size_t at = 0; at < len; at += 3) {
        if (count == room || at + 2 > len || (at + 2 < len && text[at + 2] != ':'))
            return -1;
        int high = digit_of(text[at]), low = digit_of(text[at + 1]);
        if (high < 0 || low < 0)
            return -1;
        octets[count++] = (uint8_t)(high << 4 | low);
    }
    return (int)count;
}

void lease_duid_take(struct lease *lease, const uint8_t *duid, size_t len)
{
    size_t at = len == 14 && duid[1] == DUID_LLT ? 8 : len == 10 && duid[1] == DUID_LL ? 4 : 0;

    if (!at || duid[0] || duid[2] || duid[3] != HARDWARE_ETHERNET || !mac_is_device(duid + at))
        return;
    memcpy(lease->mac, duid + at, MAC_LEN);
    lease->has_mac = true;
}

bool lease_number(const char *text, size_t len, int64_t *out_value)
{
    int64_t value = 0;

    if (!len || len > 12)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        value = value * 10 + (text[i] - '0');
    }
    *out_value = value;
    return true;
}

int leases_read(enum lease_format format, const char *text, size_t len, struct leases *leases)
{
    if (format == LEASE_DNSMASQ)
        lease_read_dnsmasq(text, len, leases);
    if (format == LEASE_KEA4 || format == LEASE_KEA6)
        lease_read_kea(text, len, leases);
    if (format == LEASE_ISC)
        lease_read_isc(text, len, leases);
    return leases->failed ? (leases->count >= 8 * LEASES_MAX ? -EFBIG : -ENOMEM) : 0;
}

/* By address; of one address the one said last comes last, as they lie in one array. */
static int lease_order(const void *a, const void *b)
{
    const struct lease *left = *(const struct lease *const *)a;
    const struct lease *right = *(const struct lease *const *)b;
    int order = memcmp(left->address.bytes, right->address.bytes, sizeof left->address.bytes);

    return order ? order : left < right ? -1 : left > right;
}

void leases_settle(struct leases *leases, int64_t now_s)
{
    struct lease **order = calloc(leases->count + 1, sizeof(struct lease *));
    struct lease *settled = calloc(leases->count + 1, sizeof *settled);
    size_t kept = 0, cut = 0;

    if (order && settled) {
        for (size_t i = 0; i < leases->count; i++)
            order[i] = &leases->items[i];
        qsort(order, leases->count, sizeof *order, lease_order);
        for (size_t i = 0; i < leases->count; i++) {
            const struct lease *lease = order[i];
            bool last = i + 1 == leases->count ||
                        memcmp(lease->address.bytes, order[i + 1]->address.bytes, 16) != 0;
            if (!last || lease->over || lease->expires_s <= now_s)
                continue;
            if (kept < LEASES_MAX)
                settled[kept++] = *lease;
            else
                cut++;
        }
        free(leases->items);
        leases->items = settled;
        leases->count = kept;
        leases->cut = cut;
        leases->room = leases->count;
        settled = NULL;
    } else {
        leases->failed = true;
    }
    free(order);
    free(settled);
}

static int file_take(const char *path, char **out_text, size_t *out_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code = 0;
    struct stat info;
    size_t len = 0;
    ssize_t got = 0;
    char *text = NULL;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &info) < 0)
        code = -errno;
    else if (!S_ISREG(info.st_mode))
        code = -EINVAL;
    else if (info.st_size > LEASE_FILE_MAX)
        code = -EFBIG;
    else if (!(text = malloc((size_t)info.st_size + 1)))
        code = -ENOMEM;
    while (code == 0 && len < (size_t)info.st_size) {
        got = read(fd, text + len, (size_t)info.st_size - len);
        if (got < 0)
            code = -errno;
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    close(fd);
    if (code < 0) {
        free(text);
        return code;
    }
    *out_text = text;
    *out_len = len;
    return 0;
}

/* One file of a lease file's family. *format is what the family is, once it is known. */
static int part_read(const char *path, enum lease_format *format, struct leases *leases)
{
    char *text = NULL;
    size_t len = 0;
    int code = file_take(path, &text, &len);

    if (code < 0)
        return code;
    enum lease_format found = lease_recognise(text, len < LOOK_LEN ? len : LOOK_LEN);
    if (found != LEASE_NONE)
        *format = found;
    code = found == LEASE_NONE && len > 0 ? -ENOMSG : leases_read(found, text, len, leases);
    free(text);
    return code;
}

/* While Kea cleans up, what it had is in files beside: .completed when that is done, else .2 and
 * .1; read in the order in which Kea reads them itself. */
static void kea_parts_read(const char *path, enum lease_format *format, struct leases *leases)
{
    static const char *const PARTS[] = {".2", ".1"};
    char name[PATH_MAX];

    if (snprintf(name, sizeof name, "%s.completed", path) >= (int)sizeof name)
        return;
    if (part_read(name, format, leases) == 0)
        return;
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        snprintf(name, sizeof name, "%s%s", path, PARTS[i]);
        (void)part_read(name, format, leases);
    }
}

int lease_file_read(const char *path, int64_t now_s, struct leases *out_leases,
                    enum lease_format *out_format, struct bl_error *error)
{
    struct leases leases = {0};
    enum lease_format format = LEASE_NONE, beside = LEASE_NONE;
    int code;

    kea_parts_read(path, &beside, &leases);
    if (beside != LEASE_KEA4 && beside != LEASE_KEA6)
        leases_free(&leases);
    code = part_read(path, &format, &leases);
    if (code == 0)
        leases_settle(&leases, now_s);
    if (code == 0 && leases.failed)
        code = -ENOMEM;
    if (code < 0) {
        leases_free(&leases);
        if (code == -ENOMSG)
            return bl_error_set(error, code,
                                "the lease file %s is none of dnsmasq, Kea or ISC dhcpd", path);
        return bl_error_set(error, code, "cannot read the lease file %s: %s", path,
                            strerror(-code));
    }
    *out_leases = leases;
    *out_format = format;
    return 0;
}

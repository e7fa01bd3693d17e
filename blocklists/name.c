#include "blocklists/name.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

/* What a text octet stands for: itself lower-cased where a name may hold it, else one of these. */
enum { OTHER = 0, DOT = 1, BEYOND_ASCII = 2 };

static const uint8_t meaning[256] = {
    ['-'] = '-', ['_'] = '_', ['.'] = DOT, ['0'] = '0', ['1'] = '1', ['2'] = '2',
    ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8',
    ['9'] = '9', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e',
    ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k',
    ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q',
    ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w',
    ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c',
    ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i',
    ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o',
    ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u',
    ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z', [128 ... 255] = BEYOND_ASCII,
};

static bool is_digits_and_dots(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] != '.' && (text[i] < '0' || text[i] > '9'))
            return false;
    return true;
}

/* The ASCII form; BAD_IDN stands for "there are octets beyond ASCII", which the caller sorts out.
 * The wire form is the text moved by one octet, with lengths where the dots were.
 */
static enum bl_name_fault parse_ascii(const char *text, size_t len, struct bl_name *out_name)
{
    uint8_t *wire = out_name->wire;
    size_t start = 0; /* of the current label in the text; its length octet's place on the wire */
    size_t end = len; /* of the text, without a dot at its end */

    for (size_t i = 0; i < len; i++) {
        uint8_t octet = meaning[(unsigned char)text[i]];

        if (octet > BEYOND_ASCII) {
            /* One octet must be left for the root. */
            if (i >= BL_NAME_MAX - 2)
                return BL_NAME_TOO_LONG;
            wire[i + 1] = octet;
            continue;
        }
        if (octet != DOT)
            return octet == BEYOND_ASCII ? BL_NAME_BAD_IDN : BL_NAME_BAD_CHARACTER;
        if (i == start)
            return BL_NAME_EMPTY_LABEL;
        if (i - start > BL_LABEL_MAX)
            return BL_NAME_LABEL_TOO_LONG;
        wire[start] = (uint8_t)(i - start);
        start = i + 1;
    }
    if (start == len) /* a dot at the end says only that the name is complete */
        end = len - 1;
    else if (len - start > BL_LABEL_MAX)
        return BL_NAME_LABEL_TOO_LONG;
    else
        wire[start] = (uint8_t)(len - start);
    /* Top-level labels are alphabetic (RFC 1123 section 2.1), so digits alone mean an IPv4 address.
     */
    if (end > wire[0] && wire[end] <= '9' && wire[end] >= '0' && is_digits_and_dots(text, len))
        return BL_NAME_IS_ADDRESS;
    if (end > BL_NAME_MAX - 2)
        return BL_NAME_TOO_LONG;
    wire[end + 1] = 0;
    out_name->len = (uint8_t)(end + 2);
    return BL_NAME_FINE;
}

bool bl_name_parse_ascii(const char *text, size_t len, struct bl_name *out_name)
{
    return len > 0 && parse_ascii(text, len, out_name) == BL_NAME_FINE;
}

/* The longest text worth mapping: 255 octets of A-labels come from fewer than four times as many of
 * UTF-8. */
enum { IDN_TEXT_MAX = 1024 };

static enum bl_name_fault parse_idn(const char *text, size_t len, struct bl_name *out_name)
{
    char copy[IDN_TEXT_MAX];
    uint8_t *ascii = NULL;
    enum bl_name_fault fault;
    int rc;

    if (len >= sizeof copy)
        return BL_NAME_TOO_LONG;
    if (memchr(text, '\0', len))
        return BL_NAME_BAD_CHARACTER;
    memcpy(copy, text, len);
    copy[len] = '\0';
    rc = idn2_lookup_u8((const uint8_t *)copy, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    switch (rc) {
    case IDN2_OK:
        fault = parse_ascii((const char *)ascii, strlen((const char *)ascii), out_name);
        break;
    case IDN2_TOO_BIG_DOMAIN:
        fault = BL_NAME_TOO_LONG;
        break;
    case IDN2_TOO_BIG_LABEL:
        fault = BL_NAME_LABEL_TOO_LONG;
        break;
    default:
        fault = BL_NAME_BAD_IDN;
    }
    idn2_free(ascii);
    return fault;
}

static bool is_ipv6(const char *text, size_t len)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (len >= sizeof copy || !memchr(text, ':', len))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

enum bl_name_fault bl_name_parse(const char *text, size_t len, struct bl_name *out_name)
{
    struct bl_name name;
    enum bl_name_fault fault;

    if (len == 0)
        return BL_NAME_EMPTY;
    if (len == 1 && text[0] == '.')
        return BL_NAME_ROOT;
    fault = parse_ascii(text, len, &name);
    if (fault == BL_NAME_BAD_IDN)
        fault = parse_idn(text, len, &name);
    else if (fault == BL_NAME_BAD_CHARACTER && is_ipv6(text, len))
        fault = BL_NAME_IS_ADDRESS;
    if (fault == BL_NAME_FINE) {
        out_name->len = name.len;
        memcpy(out_name->wire, name.wire, name.len);
    }
    return fault;
}

const char *bl_name_fault_text(enum bl_name_fault fault)
{
    switch (fault) {
    case BL_NAME_FINE:
        return "a domain name";
    case BL_NAME_EMPTY:
        return "there is no name";
    case BL_NAME_ROOT:
        return "the root \".\" would stand for every name there is";
    case BL_NAME_EMPTY_LABEL:
        return "not a domain name: an empty label";
    case BL_NAME_LABEL_TOO_LONG:
        return "not a domain name: a label is longer than 63 octets";
    case BL_NAME_TOO_LONG:
        return "not a domain name: longer than 255 octets";
    case BL_NAME_BAD_CHARACTER:
        return "not a domain name: a character that host names do not have";
    case BL_NAME_BAD_IDN:
        return "not a valid internationalised domain name";
    case BL_NAME_IS_ADDRESS:
        return "an address, not a domain name";
    }
    return "not a domain name";
}

size_t bl_name_text(const uint8_t *wire, char text[BL_NAME_TEXT_MAX])
{
    char *out = text;

    if (wire[0] == 0)
        *out++ = '.';
    while (wire[0] != 0) {
        for (unsigned i = 1; i <= wire[0]; i++) {
            uint8_t octet = wire[i];

            if (octet <= ' ' || octet >= 0x7f) {
                *out++ = '\\';
                *out++ = (char)('0' + octet / 100);
                *out++ = (char)('0' + octet / 10 % 10);
                *out++ = (char)('0' + octet % 10);
                continue;
            }
            if (strchr(".\\\"();@$", octet))
                *out++ = '\\';
            *out++ = (char)octet;
        }
        wire += wire[0] + 1;
        if (wire[0] != 0)
            *out++ = '.';
    }
    *out = '\0';
    return (size_t)(out - text);
}

bool bl_label_unicode(const uint8_t *label, uint32_t out_points[BL_LABEL_MAX + 1])
{
    char text[BL_LABEL_MAX + 1];
    uint32_t *points = NULL;
    size_t len = 0;

    if (label[0] < 5 || memcmp(label + 1, "xn--", 4) != 0)
        return false;
    memcpy(text, label + 1, label[0]);
    text[label[0]] = '\0';
    if (idn2_to_unicode_8z4z(text, &points, 0) != IDN2_OK)
        return false;
    /* Punycode never has fewer octets than code points. */
    for (; points[len] && len < BL_LABEL_MAX; len++)
        out_points[len] = points[len];
    out_points[len] = 0;
    idn2_free(points);
    return true;
}

static size_t utf8_put(uint32_t point, char *out)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

bool bl_name_unicode(const uint8_t *wire, char text[BL_NAME_TEXT_MAX])
{
    uint32_t points[BL_LABEL_MAX + 1];
    uint8_t one[BL_LABEL_MAX + 2] = {0};
    bool other = false;
    size_t len = 0;

    for (; wire[0] != 0; wire += wire[0] + 1) {
        if (len > 0)
            text[len++] = '.';
        if (bl_label_unicode(wire, points)) {
            other = true;
            for (const uint32_t *point = points; *point; point++)
                len += utf8_put(*point, text + len);
            continue;
        }
        memcpy(one, wire, wire[0] + 1u);
        one[wire[0] + 1] = 0;
        len += bl_name_text(one, text + len);
    }
    text[len] = '\0';
    return other;
}

size_t bl_name_length(const uint8_t *wire)
{
    size_t len = 1;

    while (*wire != 0) {
        len += *wire + 1u;
        wire += *wire + 1;
    }
    return len;
}

bool bl_name_equal(const uint8_t *a, const uint8_t *b)
{
    size_t len = bl_name_length(a);

    return len == bl_name_length(b) && memcmp(a, b, len) == 0;
}

bool bl_name_is_below(const uint8_t *name, const uint8_t *parent)
{
    size_t name_len = bl_name_length(name);
    size_t parent_len = bl_name_length(parent);

    /* Whole labels only: "notexample.test" is not below "example.test". */
    while (name_len > parent_len) {
        name_len -= *name + 1u;
        name += *name + 1;
    }
    return name_len == parent_len && memcmp(name, parent, parent_len) == 0;
}

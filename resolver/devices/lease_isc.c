/* ISC's dhcpd.leases(5): blocks, to which each change of a lease appends another one.
 *
 *   lease 10.0.0.5 { ends 2 2026/11/24 10:15:00; binding state active;
 *                    hardware ethernet 02:00:…; client-hostname "tablet"; }
 *   ia-na "\001…" { iaaddr 2001:db8::5 { binding state active; ends never; } }
 *
 * The text of ia-na is the IAID and the DUID. Times are UTC unless "epoch" stands before them.
 */
#include <ctype.h>
#include <string.h>

#include "resolver/base/civil.h"
#include "resolver/devices/lease.h"

enum { TOKEN_MAX = 256, WORDS_MAX = 8, DEPTH_MAX = 8, IAID_LEN = 4 };

enum token { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_SEMICOLON };

struct scan {
    const char *text;
    size_t at, len;
    char token[TOKEN_MAX]; /* octets of a word or string; what is longer is cut */
    size_t token_len;
};

static void octet_add(struct scan *scan, char octet)
{
    if (scan->token_len < TOKEN_MAX - 1)
        scan->token[scan->token_len++] = octet;
    scan->token[scan->token_len] = '\0';
}

/* Three octal digits behind a backslash are an octet, anything else stands for itself. */
static void escape_take(struct scan *scan)
{
    unsigned value = 0, digits = 0;

    while (digits < 3 && scan->at < scan->len && scan->text[scan->at] >= '0' &&
           scan->text[scan->at] <= '7') {
        value = value * 8 + (unsigned)(scan->text[scan->at++] - '0');
        digits++;
    }
    if (digits)
        octet_add(scan, (char)(unsigned char)value);
    else if (scan->at < scan->len)
        octet_add(scan, scan->text[scan->at++]);
}

static enum token string_take(struct scan *scan)
{
    while (scan->at < scan->len) {
        char c = scan->text[scan->at++];
        if (c == '"')
            return TOKEN_STRING;
        if (c == '\\')
            escape_take(scan);
        else
            octet_add(scan, c);
    }
    return TOKEN_END; /* it is being written */
}

static enum token token_take(struct scan *scan)
{
    char c;

    scan->token_len = 0;
    scan->token[0] = '\0';
    for (;;) {
        while (scan->at < scan->len && isspace((unsigned char)scan->text[scan->at]))
            scan->at++;
        if (scan->at >= scan->len)
            return TOKEN_END;
        if (scan->text[scan->at] != '#')
            break;
        while (scan->at < scan->len && scan->text[scan->at] != '\n')
            scan->at++;
    }
    c = scan->text[scan->at];
    if (c == '{' || c == '}' || c == ';' || c == '"')
        scan->at++;
    if (c == '"')
        return string_take(scan);
    if (c == '{' || c == '}' || c == ';')
        return c == '{' ? TOKEN_OPEN : c == '}' ? TOKEN_CLOSE : TOKEN_SEMICOLON;
    while (scan->at < scan->len && !isspace((unsigned char)scan->text[scan->at]) &&
           !strchr("{};\"", scan->text[scan->at]))
        octet_add(scan, scan->text[scan->at++]);
    return TOKEN_WORD;
}

/* A statement: up to its ';', '{' or '}'. */
struct words {
    char text[WORDS_MAX][TOKEN_MAX];
    size_t len[WORDS_MAX];
    size_t count;
};

static enum token statement_take(struct scan *scan, struct words *words)
{
    words->count = 0;
    for (;;) {
        size_t before = scan->at;
        enum token token = token_take(scan);
        /* A NUL in the text is no word's part for strchr(): stepped over, so that it ends. */
        if (token == TOKEN_WORD && scan->at == before)
            scan->at++;
        if (token != TOKEN_WORD && token != TOKEN_STRING)
            return token;
        if (words->count < WORDS_MAX) {
            memcpy(words->text[words->count], scan->token, scan->token_len + 1);
            words->len[words->count++] = scan->token_len;
        }
    }
}

static bool word_is(const struct words *words, size_t i, const char *text)
{
    return i < words->count && words->len[i] == strlen(text) &&
           memcmp(words->text[i], text, words->len[i]) == 0;
}

/* "2026/11/24" and "10:15:00" */
static bool time_take(const char *date, const char *clock, int64_t *out_s)
{
    int64_t part[6];
    const char *texts[6] = {date, NULL, NULL, clock, NULL, NULL};

    for (int i = 0; i < 6; i++) {
        const char *text = texts[i];
        size_t len = strcspn(text, "/:");
        if (!lease_number(text, len, &part[i]) || part[i] > 9999)
            return false;
        if (i % 3 < 2) {
            if (!text[len])
                return false;
            texts[i + 1] = text + len + 1;
        }
    }
    if (part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31)
        return false;
    *out_s = (int64_t)civil_days((int)part[0], (int)part[1], (int)part[2]) * 86400 +
             part[3] * 3600 + part[4] * 60 + part[5];
    return true;
}

static void ends_take(struct lease *lease, const struct words *words)
{
    int64_t value;

    if (word_is(words, 1, "never"))
        lease->expires_s = INT64_MAX;
    else if (word_is(words, 1, "epoch") && words->count > 2 &&
             lease_number(words->text[2], words->len[2], &value))
        lease->expires_s = value;
    else if (words->count > 3 && time_take(words->text[2], words->text[3], &value))
        lease->expires_s = value;
}

static void statement_use(struct lease *lease, const struct words *words)
{
    if (word_is(words, 0, "ends"))
        ends_take(lease, words);
    else if (word_is(words, 0, "binding") && word_is(words, 1, "state"))
        lease->over = !word_is(words, 2, "active");
    else if (word_is(words, 0, "client-hostname") && words->count > 1)
        lease_name_take(lease, words->text[1], words->len[1]);
    else if (word_is(words, 0, "hardware") && word_is(words, 1, "ethernet") && words->count > 2)
        lease->has_mac =
            lease_octets(words->text[2], words->len[2], lease->mac, MAC_LEN) == MAC_LEN &&
            mac_is_device(lease->mac);
}

/* Where a block stands: of a lease, of an ia-na around addresses, or of something else. */
struct place {
    struct lease lease;
    bool is_lease;
};

static void block_open(const struct words *words, const struct place *around, struct place *place)
{
    struct lease *lease = &place->lease;

    *place = (struct place){.lease.expires_s = INT64_MAX};
    if (word_is(words, 0, "lease") && words->count > 1) {
        place->is_lease = lease_address_take(lease, words->text[1], words->len[1]);
    } else if (word_is(words, 0, "iaaddr") && words->count > 1 && around) {
        *lease = around->lease; /* the MAC address of the DUID */
        place->is_lease = lease_address_take(lease, words->text[1], words->len[1]);
    } else if ((word_is(words, 0, "ia-na") || word_is(words, 0, "ia-ta")) && words->count > 1 &&
               words->len[1] > IAID_LEN) {
        lease_duid_take(lease, (const uint8_t *)words->text[1] + IAID_LEN,
                        words->len[1] - IAID_LEN);
    }
}

void lease_read_isc(const char *text, size_t len, struct leases *leases)
{
    struct scan scan = {.text = text, .len = len};
    struct place places[DEPTH_MAX];
    struct words words;
    size_t depth = 0;

    for (;;) {
        enum token token = statement_take(&scan, &words);
        struct lease *added;
        if (token == TOKEN_END || leases->failed)
            return;
        if (token == TOKEN_SEMICOLON && depth && places[depth - 1].is_lease) {
            statement_use(&places[depth - 1].lease, &words);
        } else if (token == TOKEN_OPEN) {
            if (depth == DEPTH_MAX) {
                leases->odd++;
                return;
            }
            block_open(&words, depth ? &places[depth - 1] : NULL, &places[depth]);
            depth++;
        } else if (token == TOKEN_CLOSE && depth) {
            depth--;
            added = places[depth].is_lease ? lease_add(leases) : NULL;
            if (added)
                *added = places[depth].lease;
        }
    }
}

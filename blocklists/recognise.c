/* Which format a list is in, by what its first lines show. */
#include "blocklists/reader.h"

#include <string.h>

enum kind { DOMAINS, HOSTS, ADBLOCK, DNSMASQ, UNBOUND, RPZ, CSV, ADDRESSES, KINDS };

static const struct format *const formats[KINDS] = {
    &format_domains, &format_hosts, &format_adblock, &format_dnsmasq,
    &format_unbound, &format_rpz,   &format_csv,     &format_addresses};

const char *const *bl_format_names(void)
{
    static const char *const names[KINDS + 1] = {"domains", "hosts", "adblock", "dnsmasq",
                                                 "unbound", "rpz",   "csv",     "addresses"};

    return names;
}

const struct format *format_find(const char *name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(formats[i]->name, name) == 0)
            return formats[i];
    return NULL;
}

static bool starts_with_any(struct slice line, const char *const *beginnings)
{
    for (; *beginnings; beginnings++)
        if (slice_starts(line, *beginnings))
            return true;
    return false;
}

static bool is_adblock(struct slice line)
{
    static const char *const beginnings[] = {"||", "@@", "[adblock", "[ublock", NULL};

    return starts_with_any(line, beginnings) || slice_has(line, "##") || slice_has(line, "#@#");
}

/* What nothing but the head of a zone file holds. */
static bool is_zone_head(struct slice line)
{
    static const char *const directives[] = {"$TTL", "$ORIGIN", NULL};

    if (starts_with_any(line, directives))
        return true;
    for (unsigned i = 0; i < 4; i++)
        if (slice_is(slice_word(&line), "SOA"))
            return true;
    return false;
}

/* "d 300 IN CNAME .": a type or class among the words after the first. */
static bool is_record(struct slice line)
{
    static const char *const words[] = {"CNAME", "IN", "A", "AAAA", "NS", "TXT", NULL};

    slice_word(&line);
    for (unsigned i = 0; i < 3; i++) {
        struct slice word = slice_word(&line);

        for (const char *const *known = words; *known; known++)
            if (slice_is(word, *known))
                return true;
    }
    return false;
}

/* An address, or what was meant for one: the reader of address lists says what is wrong with it. */
static bool is_like_address(struct slice word)
{
    struct slice host = slice_until(&word, '/');
    struct bl_prefix prefix;
    struct bl_name name;

    return slice_address(host, &prefix) || slice_is_range(host) ||
           bl_name_parse(host.at, host.len, &name) == BL_NAME_IS_ADDRESS;
}

static enum kind line_kind(struct slice line)
{
    static const char *const dnsmasq[] = {"address=/", "server=/", "local=/",
                                          "bogus-nxdomain=", NULL};
    static const char *const unbound[] = {"local-zone:", "local-data:", "server:", NULL};
    struct slice rest = line, word = slice_word(&rest);

    rest = slice_trim(rest);
    if (is_like_address(word))
        return rest.len > 0 && !strchr("#;-", rest.at[0]) ? HOSTS : ADDRESSES;
    if (slice_is(word, "0") && rest.len > 0)
        return HOSTS;
    if (is_adblock(line))
        return ADBLOCK;
    if (starts_with_any(line, dnsmasq))
        return DNSMASQ;
    if (starts_with_any(line, unbound))
        return UNBOUND;
    if (is_record(line))
        return RPZ;
    line = slice_without_comment(line, '#');
    if (memchr(line.at, ',', line.len) || memchr(line.at, ';', line.len) ||
        memchr(line.at, '\t', line.len))
        return CSV;
    return DOMAINS;
}

const struct format *format_recognise(const char *head, size_t len)
{
    struct slice rest = {head, len};
    unsigned votes[KINDS] = {0};
    enum kind best = DOMAINS;

    while (rest.len > 0) {
        struct slice line = slice_trim(slice_until(&rest, '\n'));

        if (line.len == 0 || strchr("#!;", line.at[0]))
            continue;
        if (is_zone_head(line))
            return &format_rpz;
        votes[line_kind(line)]++;
    }
    /* The reader of Adblock lists reads the plain and hosts lines that some mix in as well. */
    if (votes[ADBLOCK] > 0) {
        votes[ADBLOCK] += votes[DOMAINS] + votes[HOSTS];
        votes[DOMAINS] = votes[HOSTS] = 0;
    }
    /* Addresses strayed into lists of names are no wish to have them denied: only a list of nothing
     * else says that. */
    if (votes[DOMAINS] * 20 > votes[ADDRESSES])
        votes[ADDRESSES] = 0;
    for (enum kind kind = 0; kind < KINDS; kind++)
        if (votes[kind] > votes[best])
            best = kind;
    return formats[best];
}

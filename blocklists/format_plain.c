/* Plain names and hosts files: the two that turn up inside most other formats as well.
 */
#include "blocklists/reader.h"

#include <string.h>

static const char web_address[] = "a web address: DNS sees only the name in it";
static const char pattern[] = "a pattern inside a name, which DNS lists cannot say";

/* "d", ".d" (squid) and "*.d" all mean the name and what is below it. Publishers of wildcard lists
 * (OISD, HaGeZi) write "*.d" and mean d as well; only RPZ defines it otherwise. */
static int plain_name(struct reader *reader, struct slice text)
{
    struct rule rule = {BL_SUBTREE, reader->options->action, false};

    if (slice_starts(text, "*.")) {
        text.at += 2;
        text.len -= 2;
    } else if (text.len > 1 && text.at[0] == '.') {
        text.at++;
        text.len--;
    }
    if (memchr(text.at, '/', text.len))
        return reader_unused(reader, web_address);
    if (memchr(text.at, '*', text.len))
        return reader_unused(reader, pattern);
    if (slice_is_range(text))
        return reader_unused(reader, "addresses in a list of names");
    return reader_name(reader, text, &rule);
}

/* Names that hosts files hold for the machine itself. */
static bool is_own_name(struct slice name)
{
    static const char *const own[] = {"localhost",
                                      "localhost.localdomain",
                                      "local",
                                      "broadcasthost",
                                      "ip6-localhost",
                                      "ip6-loopback",
                                      "ip6-localnet",
                                      "ip6-mcastprefix",
                                      "ip6-allnodes",
                                      "ip6-allrouters",
                                      "ip6-allhosts",
                                      "localhost4",
                                      "localhost6",
                                      "0.0.0.0",
                                      "::1",
                                      "localhost4.localdomain4",
                                      "localhost6.localdomain6"};

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (slice_is(name, own[i]))
            return true;
    return false;
}

static int hosts_names(struct reader *reader, const struct bl_prefix *address, struct slice names)
{
    struct slice name;
    int rc = 0;

    while (rc == 0 && (name = slice_word(&names)).len > 0) {
        if (is_own_name(name))
            rc = reader_unused(reader, "the machine's own names");
        else if (!prefix_is_nowhere(address))
            rc = reader_unused(reader, "gives a name an address of its own");
        else
            rc = plain_name(reader, name);
    }
    return rc;
}

int reader_plain_line(struct reader *reader, struct slice line)
{
    const struct rule rule = {.scope = BL_SUBTREE, .action = reader->options->action};
    struct slice rest, first;
    struct bl_prefix address;

    /* Nearly every line is a name and nothing else, and need not be looked at for all the rest that
     * a line may be. Only a range of addresses can be read as a name as well. */
    if (bl_name_parse_ascii(line.at, line.len, &reader->entry.name) && !slice_is_range(line))
        return reader_parsed_name(reader, &rule);
    if (line.at[0] == '#' || line.at[0] == ';' || line.at[0] == '!' || slice_starts(line, "//"))
        return 0;
    rest = slice_without_comment(line, '#');
    first = slice_word(&rest);
    rest = slice_trim(rest);
    if (rest.len == 0)
        return plain_name(reader, first);
    /* Some publish "0 name", which systems read as 0.0.0.0. */
    if (slice_is(first, "0"))
        first = SLICE("0.0.0.0");
    if (slice_address(first, &address))
        return hosts_names(reader, &address, rest);
    return reader_reject(reader, "more than one word on a line");
}

const struct format format_domains = {.name = "domains", .line = reader_plain_line};
const struct format format_hosts = {.name = "hosts", .line = reader_plain_line};

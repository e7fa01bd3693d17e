/* dnsmasq's configuration, as block lists use it: address=, server=, local=, bogus-nxdomain=.
 */
#include <string.h>

#include "blocklists/reader.h"

/* "/a.test/b.test/TARGET": what the target makes of the names. NULL and *out_action, or why not. */
static const char *target_action(struct slice key, struct slice target, enum bl_action normal,
                                 enum bl_action *out_action)
{
    struct bl_prefix address;
    bool is_address_rule = slice_is(key, "address");

    *out_action = normal;
    if (target.len == 0)
        return NULL; /* never asked anywhere: NXDOMAIN */
    if (slice_is(target, "#")) {
        /* For address= the null address; for server= "as usual", an exception from a wider rule. */
        if (!is_address_rule)
            *out_action = BL_ALLOW;
        return NULL;
    }
    if (!is_address_rule)
        return "sends a name to a server of its own";
    if (!slice_address(target, &address))
        return "gives a name an answer of its own";
    return prefix_is_nowhere(&address) ? NULL : "gives a name an address of its own";
}

static int domain_take(struct reader *reader, struct slice domain, enum bl_action action)
{
    struct rule rule = {.scope = BL_SUBTREE, .action = action};

    if (slice_starts(domain, "*.")) { /* since 2.86, and for what is below only */
        domain = (struct slice){domain.at + 2, domain.len - 2};
        rule.scope = BL_BELOW;
    }
    if (domain.len > 1 && domain.at[0] == '.')
        domain = (struct slice){domain.at + 1, domain.len - 1};
    if (slice_is(domain, "#"))
        return reader_unused(reader, "stands for every name there is");
    if (domain.len == 0)
        return reader_unused(reader, "stands for names without a dot");
    if (memchr(domain.at, '*', domain.len))
        return reader_unused(reader, "a pattern inside a name, which DNS lists cannot say");
    return reader_name(reader, domain, &rule);
}

static int domains_take(struct reader *reader, struct slice key, struct slice value)
{
    const char *last = memrchr(value.at, '/', value.len);
    struct slice target = {last + 1, value.len - (size_t)(last + 1 - value.at)};
    struct slice domains = {value.at + 1, (size_t)(last - value.at)};
    enum bl_action action;
    const char *fault;
    int rc = 0;

    if (last == value.at)
        return reader_reject(reader, "no \"/\" ends the names");
    fault = target_action(key, target, reader->options->action, &action);
    if (fault)
        return reader_unused(reader, fault);
    while (rc == 0 && domains.len > 0)
        rc = domain_take(reader, slice_until(&domains, '/'), action);
    return rc;
}

static int dnsmasq_line(struct reader *reader, struct slice line)
{
    struct slice value = slice_without_comment(line, '#');
    struct slice key = slice_trim(slice_until(&value, '='));
    struct bl_prefix prefix;

    if (line.at[0] == '#')
        return 0;
    value = slice_trim(value);
    if (slice_is(key, "address") || slice_is(key, "server") || slice_is(key, "local"))
        return value.len > 0 && value.at[0] == '/' ? domains_take(reader, key, value)
                                                   : reader_unused(reader, "no rule about names");
    if (slice_is(key, "bogus-nxdomain"))
        return slice_prefix(value, &prefix)
                   ? reader_address(reader, &prefix, reader->options->action)
                   : reader_reject(reader, "not an address");
    return reader_unused(reader, "no rule about names");
}

const struct format format_dnsmasq = {.name = "dnsmasq", .line = dnsmasq_line};

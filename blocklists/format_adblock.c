/* Adblock syntax as filters for DNS use it (AdGuard, HaGeZi, OISD): "||d^", exceptions, a few
 * modifiers.
 *
 * A rule is taken when it means the same to a resolver as to a browser's blocker. What only a
 * browser can tell (page elements, third parties, kinds of request) is counted and left alone:
 * guessing would block sites that the list's makers did not mean.
 */
#include <string.h>

#include "blocklists/reader.h"
#include "blocklists/types.h"

static const char pattern[] = "a pattern inside a name, which DNS lists cannot say";

struct adblock_rule {
    struct rule rule;
    struct slice name;
    struct slice denyallow; /* names parted by '|' that the rule leaves out; empty for none */
    struct bl_types types;
    const char *malformed; /* what is wrong with a modifier; NULL: nothing */
};

/* Cosmetic rules: "a.test##.ad", "a.test#@#.ad", "a.test#?#…", "a.test#$#…", "a.test#%#…",
 * "a.test$$…". */
static bool is_cosmetic(struct slice line)
{
    static const char *const marks[] = {"##", "#@#", "#?#", "#$#", "#%#", "#@?#", "#@$#", "$$"};

    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (slice_has(line, marks[i]))
            return true;
    return false;
}

/* What "$dnsrewrite=…" makes of a name, where that is a refusal. */
static bool rewrite_is_block(struct slice value)
{
    struct bl_prefix address;

    if (slice_address(value, &address))
        return prefix_is_nowhere(&address);
    return slice_starts(value, "NXDOMAIN") || slice_starts(value, "REFUSED") ||
           slice_is(value, "NOERROR") || slice_is(value, "NOERROR;;");
}

/* "A|AAAA" or "~A|~CNAME". Where both are mixed, AdGuard takes the types that are named plainly and
 * not left out as well. NULL, or what is wrong. */
static const char *types_fault(struct slice names, struct bl_types *out_types)
{
    struct bl_types only = {0}, except = {.except = 1};
    const char *end = names.at + names.len;

    /* A separator at the end has an empty name behind it. */
    do {
        struct slice name = slice_until(&names, '|');
        bool is_left_out = slice_starts(name, "~");
        unsigned type = bl_type_number(name.at + is_left_out, name.len - is_left_out);

        if (type == 0)
            return "$dnstype takes types of question parted by \"|\": A, HTTPS, TYPE65";
        if (!bl_types_add(is_left_out ? &except : &only, type))
            return "$dnstype names more types than a rule can have here (32)";
    } while (names.at < end || end[-1] == '|');
    *out_types = only.count > 0 ? (struct bl_types){0} : except;
    for (unsigned i = 0; i < only.count; i++)
        if (bl_types_cover(&except, only.types[i]))
            (void)bl_types_add(out_types, only.types[i]);
    return out_types->count > 0 ? NULL : "$dnstype leaves out every type that it names";
}

/* One modifier: NULL when it is understood, or why the rule is not for us. */
static const char *modifier_fault(struct slice modifier, struct adblock_rule *rule)
{
    struct slice value = modifier;
    struct slice key = slice_until(&value, '=');

    if (modifier.len == 0)
        return NULL;
    if (slice_is(key, "important")) {
        rule->rule.important = true;
        return NULL;
    }
    if (slice_is(key, "all"))
        return NULL;
    if (slice_is(key, "denyallow") && rule->rule.action == BL_BLOCK && value.len > 0) {
        rule->denyallow = value;
        return NULL;
    }
    if (slice_is(key, "dnsrewrite"))
        return rule->rule.action == BL_BLOCK && rewrite_is_block(value)
                   ? NULL
                   : "gives a name an answer of its own";
    if (slice_is(key, "dnstype")) {
        if (!rule->malformed)
            rule->malformed = types_fault(value, &rule->types);
        return NULL;
    }
    if (slice_is(key, "client") || slice_is(key, "ctag"))
        return "for some clients only; groups say that here";
    if (slice_is(key, "badfilter"))
        return "takes back another rule, which our lists cannot say";
    return "a rule for browsers only";
}

/* "||d^", "|d^", "d" and their ends; NULL, or why it is not for us. */
static const char *target_fault(struct slice target, struct adblock_rule *rule)
{
    bool anchored = false, exact = false, ended = false;

    if (slice_starts(target, "||")) {
        anchored = true;
        target = (struct slice){target.at + 2, target.len - 2};
    } else if (slice_starts(target, "|")) {
        exact = true;
        target = (struct slice){target.at + 1, target.len - 1};
    }
    if (memchr(target.at, '/', target.len))
        return "a web address: DNS sees only the name in it";
    if (slice_ends(target, "|"))
        target.len--;
    if (slice_ends(target, "^")) {
        ended = true;
        target.len--;
    }
    /* "d^" without a start would match "bad^" too. */
    if (ended && !anchored && !exact)
        return pattern;
    if (memchr(target.at, ':', target.len))
        return "for one port only, which DNS does not see";
    rule->rule.scope = exact ? BL_EXACT : BL_SUBTREE;
    if (slice_starts(target, "*.")) {
        rule->rule.scope = anchored ? BL_BELOW : BL_SUBTREE;
        target = (struct slice){target.at + 2, target.len - 2};
    }
    if (target.len == 0 || memchr(target.at, '*', target.len) ||
        memchr(target.at, '^', target.len) || target.at[0] == '.' || target.at[0] == '-')
        return pattern;
    rule->name = target;
    return NULL;
}

static const char *rule_parse(struct slice line, enum bl_action action, struct adblock_rule *rule)
{
    const char *dollar, *fault;
    struct slice target = line, modifiers = {line.at + line.len, 0};

    *rule = (struct adblock_rule){.rule = {.action = action}};
    if (slice_starts(target, "@@")) {
        rule->rule.action = BL_ALLOW;
        target = (struct slice){target.at + 2, target.len - 2};
    }
    if (target.len > 1 && target.at[0] == '/' &&
        (slice_ends(target, "/") || slice_has(target, "/$")))
        return "a regular expression, which our lists cannot say";
    dollar = memrchr(target.at, '$', target.len);
    if (dollar) {
        modifiers.at = dollar + 1;
        modifiers.len = target.len - (size_t)(dollar + 1 - target.at);
        target.len = (size_t)(dollar - target.at);
    }
    while (modifiers.len > 0) {
        fault = modifier_fault(slice_trim(slice_until(&modifiers, ',')), rule);
        if (fault)
            return fault;
    }
    return target_fault(slice_trim(target), rule);
}

/* The names that "$denyallow" leaves out, as far as they are below the rule's. */
static int denyallow_take(struct reader *reader, struct slice names, const struct bl_types *types)
{
    const struct bl_name parent = reader->entry.name;
    const struct rule allow = {.scope = BL_SUBTREE, .action = BL_ALLOW, .types = types};
    int rc = 0;

    while (rc == 0 && names.len > 0) {
        struct slice text = slice_until(&names, '|');
        struct bl_name name;

        if (bl_name_parse(text.at, text.len, &name) != BL_NAME_FINE)
            rc = reader_reject(reader, "$denyallow takes domain names parted by \"|\"");
        else if (bl_name_is_below(name.wire, parent.wire))
            rc = reader_name(reader, text, &allow);
    }
    return rc;
}

static int adblock_line(struct reader *reader, struct slice line)
{
    struct adblock_rule rule;
    struct slice rest = line, first = slice_word(&rest);
    struct bl_prefix address;
    uint64_t taken = reader->report->taken;
    const char *fault;
    int rc;

    if (line.at[0] == '!' || line.at[0] == '[')
        return 0;
    if (line.at[0] == '#' && (line.len == 1 || !strchr("#@?$%", line.at[1])))
        return 0;
    /* Lists for DNS mix in lines of hosts files. */
    if (rest.len > 0 && (slice_address(first, &address) || slice_trim(rest).at[0] == '#'))
        return reader_plain_line(reader, line);
    if (is_cosmetic(line))
        return reader_unused(reader, "changes pages, which only a browser can");
    fault = rule_parse(line, reader->options->action, &rule);
    if (fault)
        return reader_unused(reader, fault);
    if (rule.malformed)
        return reader_reject(reader, rule.malformed);
    rule.rule.types = &rule.types;
    rc = reader_name(reader, rule.name, &rule.rule);
    if (rc == 0 && rule.denyallow.len > 0 && reader->report->taken > taken)
        rc = denyallow_take(reader, rule.denyallow, &rule.types);
    return rc;
}

const struct format format_adblock = {.name = "adblock", .line = adblock_line};

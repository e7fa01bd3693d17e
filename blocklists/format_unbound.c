/* Unbound's configuration, as block lists use it: local-zone, and local-data with null addresses.
 *
 * "local-zone: d redirect" says nothing alone: with "local-data: d A 0.0.0.0" on the next line it
 * blocks, with another address it is somebody's portal. So such a zone waits for one line.
 */
#include <string.h>

#include "blocklists/reader.h"

struct unbound_state {
    struct bl_name zone; /* the "redirect" zone that waits; len 0 for none */
    uint64_t line;
};

static struct slice word_unquoted(struct slice *rest)
{
    char quote;

    *rest = slice_trim(*rest);
    if (rest->len == 0 || (rest->at[0] != '"' && rest->at[0] != '\''))
        return slice_word(rest);
    quote = rest->at[0];
    *rest = (struct slice){rest->at + 1, rest->len - 1};
    return slice_until(rest, quote);
}

static bool zone_blocks(struct slice type)
{
    static const char *const types[] = {
        "deny",          "refuse",          "static",        "inform_deny", "always_deny",
        "always_refuse", "always_nxdomain", "always_nodata", "always_null", "inform_redirect"};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (slice_is(type, types[i]))
            return true;
    return false;
}

static int zone_take(struct reader *reader, struct slice name, enum bl_action action)
{
    const struct rule rule = {.scope = BL_SUBTREE, .action = action};

    return reader_name(reader, name, &rule);
}

static int zone_line(struct reader *reader, struct slice rest)
{
    struct unbound_state *state = reader->state;
    struct slice name = word_unquoted(&rest), type = word_unquoted(&rest);

    if (type.len == 0)
        return reader_reject(reader, "no type after the zone's name");
    if (slice_is(type, "redirect") &&
        bl_name_parse(name.at, name.len, &state->zone) == BL_NAME_FINE) {
        state->line = reader->number;
        return 0;
    }
    if (zone_blocks(type) || slice_is(type, "redirect"))
        return zone_take(reader, name, reader->options->action);
    if (slice_is(type, "always_transparent"))
        return zone_take(reader, name, BL_ALLOW);
    return reader_unused(reader, "a zone that is answered as usual");
}

/* The zone that waits has no data of its own: then it has no records at all, and blocks. */
static int zone_flush(struct reader *reader)
{
    struct unbound_state *state = reader->state;
    char text[BL_NAME_TEXT_MAX];
    struct reader line = *reader;
    int rc;

    if (state->zone.len == 0)
        return 0;
    line.number = state->line;
    line.line_taken = line.line_malformed = line.line_unused = false;
    line.line = (struct slice){text, bl_name_text(state->zone.wire, text)};
    state->zone.len = 0;
    rc = zone_take(&line, line.line, reader->options->action);
    reader->report->read++;
    return rc;
}

/* "d [TTL] [IN] A 0.0.0.0" */
static int data_line(struct reader *reader, struct slice rest)
{
    struct unbound_state *state = reader->state;
    struct rule rule = {.scope = BL_EXACT, .action = reader->options->action};
    struct slice record = word_unquoted(&rest), name = slice_word(&record), word;
    struct bl_name parsed;
    struct bl_prefix address;
    bool waits, nowhere;

    do
        word = slice_word(&record);
    while (slice_is(word, "IN") || slice_is_number(word));
    nowhere = (slice_is(word, "A") || slice_is(word, "AAAA")) &&
              slice_address(slice_trim(record), &address) && prefix_is_nowhere(&address);
    waits = state->zone.len > 0 && bl_name_parse(name.at, name.len, &parsed) == BL_NAME_FINE &&
            bl_name_equal(parsed.wire, state->zone.wire);
    if (waits)
        state->zone.len = 0;
    if (!nowhere)
        return reader_unused(reader, "gives a name an answer of its own");
    if (waits)
        rule.scope = BL_SUBTREE;
    return reader_name(reader, name, &rule);
}

static int unbound_line(struct reader *reader, struct slice line)
{
    struct slice rest = slice_without_comment(line, '#');
    struct slice key = slice_trim(slice_until(&rest, ':'));
    bool is_data = slice_is(key, "local-data");
    int rc;

    if (line.at[0] == '#' || (slice_is(key, "server") && slice_trim(rest).len == 0))
        return 0;
    rc = is_data ? data_line(reader, rest) : 0;
    if (rc == 0)
        rc = zone_flush(reader);
    if (rc < 0 || is_data)
        return rc;
    if (slice_is(key, "local-zone"))
        return zone_line(reader, rest);
    return reader_unused(reader, "no rule about names");
}

const struct format format_unbound = {.name = "unbound",
                                      .state_size = sizeof(struct unbound_state),
                                      .line = unbound_line,
                                      .end = zone_flush};

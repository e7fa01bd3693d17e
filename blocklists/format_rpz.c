/* Response policy zones (draft-vixie-dnsop-dns-rpz): the zone files that threat-intelligence feeds
 * publish.
 *
 * ldns reads the records; this file only gathers them from lines (parentheses, quotes) so that a
 * damaged one costs itself and nothing else, and so that a zone of any size is read in the memory
 * of one record. The trigger is the owner below the zone's name, the action what the record says.
 */
#include <stdbool.h> /* before ldns, which would make a bool of its own */

#include <errno.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

#include "blocklists/reader.h"

enum { RECORD_MAX = 16384, LABELS_OF_ADDRESS_MAX = 9 };

struct rpz_state {
    ldns_rdf *origin, *previous; /* as $ORIGIN says; the owner of the record before */
    struct bl_name apex;         /* of the SOA; len 0 until it came */
    uint32_t ttl;
    unsigned depth; /* of parentheses */
    bool overflow;
    size_t len;
    char record[RECORD_MAX];
};

static void rpz_fini(struct reader *reader)
{
    struct rpz_state *state = reader->state;

    ldns_rdf_deep_free(state->origin);
    ldns_rdf_deep_free(state->previous);
}

enum rpz_action { RPZ_BLOCK, RPZ_ALLOW, RPZ_REWRITE, RPZ_TCP_ONLY, RPZ_NO_RULE };

static bool wire_is(const uint8_t *wire, const char *text)
{
    struct bl_name name;

    return bl_name_parse(text, strlen(text), &name) == BL_NAME_FINE &&
           bl_name_equal(wire, name.wire);
}

static enum rpz_action cname_action(const uint8_t *target, const uint8_t *trigger)
{
    if (target[0] == 0)
        return RPZ_BLOCK; /* NXDOMAIN */
    if (target[0] == 1 && target[1] == '*' && target[2] == 0)
        return RPZ_BLOCK; /* NODATA; how a denial is answered is the group's business here */
    if (wire_is(target, "rpz-drop"))
        return RPZ_BLOCK;
    if (wire_is(target, "rpz-passthru") || bl_name_equal(target, trigger))
        return RPZ_ALLOW; /* the second as it was written before there was "rpz-passthru" */
    if (wire_is(target, "rpz-tcp-only"))
        return RPZ_TCP_ONLY;
    return RPZ_REWRITE;
}

static enum rpz_action record_action(const ldns_rr *rr, const uint8_t *trigger)
{
    struct bl_prefix address = {0};
    const ldns_rdf *rdf = ldns_rr_rd_count(rr) > 0 ? ldns_rr_rdf(rr, 0) : NULL;

    switch (ldns_rr_get_type(rr)) {
    case LDNS_RR_TYPE_CNAME:
        return rdf ? cname_action(ldns_rdf_data(rdf), trigger) : RPZ_NO_RULE;
    case LDNS_RR_TYPE_A:
    case LDNS_RR_TYPE_AAAA:
        if (!rdf || ldns_rdf_size(rdf) > sizeof address.address)
            return RPZ_NO_RULE;
        address.family = ldns_rdf_size(rdf) == 4 ? 4 : 6;
        memcpy(address.address, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
        return prefix_is_nowhere(&address) ? RPZ_BLOCK : RPZ_REWRITE;
    case LDNS_RR_TYPE_SOA:
    case LDNS_RR_TYPE_NS:
    case LDNS_RR_TYPE_RRSIG:
    case LDNS_RR_TYPE_NSEC:
    case LDNS_RR_TYPE_NSEC3:
    case LDNS_RR_TYPE_DNSKEY:
        return RPZ_NO_RULE;
    default:
        return RPZ_REWRITE;
    }
}

/* "24.0.2.0.192" and "48.zz.db8.2001" (prefix length, then the address backwards) as a prefix. */
static bool trigger_prefix(const uint8_t *trigger, struct bl_prefix *out_prefix)
{
    const uint8_t *labels[LABELS_OF_ADDRESS_MAX + 1];
    char text[128] = "", part[BL_LABEL_MAX + 2];
    size_t count = 0, len = 0;
    bool zeros = false, is_ipv4;

    for (const uint8_t *label = trigger; label[0] != 0 && label[label[0] + 1] != 0;
         label += label[0] + 1) { /* the last one is "rpz-ip" */
        if (count > LABELS_OF_ADDRESS_MAX || label[0] > 4)
            return false;
        zeros |= label[0] == 2 && memcmp(label + 1, "zz", 2) == 0;
        labels[count++] = label;
    }
    is_ipv4 = count == 5 && !zeros;
    for (size_t i = count; i-- > 1;) {
        bool is_zeros = labels[i][0] == 2 && memcmp(labels[i] + 1, "zz", 2) == 0;

        memcpy(part, labels[i] + 1, labels[i][0]);
        part[labels[i][0]] = '\0';
        /* "zz" is the "::" of the address: one colon comes from the label before, if there is one.
         */
        if (is_zeros)
            strcpy(part, i == count - 1 ? ":" : "");
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", part,
                                i > 1 || is_zeros ? (is_ipv4 ? "." : ":") : "");
    }
    if (count < 2)
        return false;
    memcpy(part, labels[0] + 1, labels[0][0]);
    part[labels[0][0]] = '\0';
    len += (size_t)snprintf(text + len, sizeof text - len, "/%s", part);
    return slice_prefix((struct slice){text, len}, out_prefix);
}

static bool last_label_is(const uint8_t *wire, const char *text)
{
    size_t len = strlen(text);

    if (wire[0] == 0)
        return false;
    while (wire[wire[0] + 1] != 0)
        wire += wire[0] + 1;
    return wire[0] == len && memcmp(wire + 1, text, len) == 0;
}

static int name_trigger(struct reader *reader, const uint8_t *trigger, enum bl_action action)
{
    struct rule rule = {.scope = BL_EXACT, .action = action};
    char text[BL_NAME_TEXT_MAX];

    /* In a policy zone "*.d" leaves d itself alone: the zone's makers write both where they mean
     * both. */
    if (trigger[0] == 1 && trigger[1] == '*') {
        rule.scope = BL_BELOW;
        trigger += 2;
    }
    if (trigger[0] == 0)
        return reader_unused(reader, "stands for every name there is");
    return reader_name(reader, (struct slice){text, bl_name_text(trigger, text)}, &rule);
}

static int trigger_take(struct reader *reader, const uint8_t *trigger, enum bl_action action)
{
    struct bl_prefix prefix;

    if (last_label_is(trigger, "rpz-ip"))
        return trigger_prefix(trigger, &prefix)
                   ? reader_address(reader, &prefix, action)
                   : reader_reject(reader, "not an address before \"rpz-ip\"");
    if (last_label_is(trigger, "rpz-client-ip"))
        return reader_unused(reader, "for some clients only; groups say that here");
    if (last_label_is(trigger, "rpz-nsdname") || last_label_is(trigger, "rpz-nsip"))
        return reader_unused(reader, "about name servers, which a forwarder does not see");
    return name_trigger(reader, trigger, action);
}

/* The labels of `owner` before the zone's name, as a whole name; false when it is outside. */
static bool owner_trigger(const struct rpz_state *state, const uint8_t *owner, size_t owner_len,
                          struct bl_name *out_trigger)
{
    const uint8_t *apex = state->apex.len > 0 ? state->apex.wire : (const uint8_t *)"";
    size_t keep;

    if (owner_len > BL_NAME_MAX || !bl_name_is_below(owner, apex))
        return false;
    keep = owner_len - bl_name_length(apex);
    memcpy(out_trigger->wire, owner, keep);
    out_trigger->wire[keep] = 0;
    out_trigger->len = (uint8_t)(keep + 1);
    return true;
}

static int rr_take(struct reader *reader, ldns_rr *rr)
{
    struct rpz_state *state = reader->state;
    const ldns_rdf *owner;
    struct bl_name trigger;

    ldns_rr2canonical(rr);
    owner = ldns_rr_owner(rr);
    if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA && state->apex.len == 0 &&
        ldns_rdf_size(owner) <= BL_NAME_MAX) {
        state->apex.len = (uint8_t)ldns_rdf_size(owner);
        memcpy(state->apex.wire, ldns_rdf_data(owner), state->apex.len);
    }
    if (!owner_trigger(state, ldns_rdf_data(owner), ldns_rdf_size(owner), &trigger))
        return reader_reject(reader, "a name outside of the zone");
    switch (record_action(rr, trigger.wire)) {
    case RPZ_BLOCK:
        return trigger_take(reader, trigger.wire, reader->options->action);
    case RPZ_ALLOW:
        return trigger_take(reader, trigger.wire, BL_ALLOW);
    case RPZ_REWRITE:
        return reader_unused(reader, "gives a name an answer of its own");
    case RPZ_TCP_ONLY:
        return reader_unused(reader, "makes clients ask by TCP");
    case RPZ_NO_RULE:
        break;
    }
    return 0;
}

static int record_take(struct reader *reader)
{
    struct rpz_state *state = reader->state;
    ldns_rr *rr = NULL;
    ldns_status status;
    int rc;

    state->record[state->len] = '\0';
    state->len = 0;
    if (state->overflow) {
        state->overflow = false;
        return reader_reject(reader, "a record of more than 16384 octets");
    }
    status = ldns_rr_new_frm_str(&rr, state->record, state->ttl, state->origin, &state->previous);
    if (status == LDNS_STATUS_SYNTAX_EMPTY)
        return 0;
    if (status != LDNS_STATUS_OK || !rr)
        return reader_reject(reader, "not a DNS record");
    rc = rr_take(reader, rr);
    ldns_rr_free(rr);
    return rc;
}

/* "$ORIGIN", "$TTL" and what else a zone file may be told. */
static int directive(struct reader *reader, struct slice line)
{
    struct rpz_state *state = reader->state;
    struct slice word = slice_word(&line), value = slice_word(&line);
    char text[BL_NAME_TEXT_MAX];
    const char *end;
    ldns_rdf *origin;

    if (value.len == 0 || value.len >= sizeof text)
        return reader_reject(reader, "a directive without its value");
    memcpy(text, value.at, value.len);
    text[value.len] = '\0';
    if (slice_is(word, "$TTL")) {
        state->ttl = ldns_str2period(text, &end);
        return 0;
    }
    if (!slice_is(word, "$ORIGIN"))
        return reader_unused(reader, "a directive that lists do not need");
    origin = ldns_dname_new_frm_str(text);
    if (!origin)
        return reader_reject(reader, "not a name after $ORIGIN");
    if (state->origin && !ldns_dname_str_absolute(text) &&
        ldns_dname_cat(origin, state->origin) != LDNS_STATUS_OK) {
        ldns_rdf_deep_free(origin);
        return reader_reject(reader, "not a name after $ORIGIN");
    }
    ldns_rdf_deep_free(state->origin);
    state->origin = origin;
    return 0;
}

/* Adds a line to the record, without comments and parentheses (RFC 1035 section 5.1). */
static void record_add(struct rpz_state *state, struct slice line)
{
    bool quoted = false;

    for (size_t i = 0; i < line.len; i++) {
        char octet = line.at[i];

        if (octet == ';' && !quoted)
            break;
        if (state->len + 4 > RECORD_MAX) {
            state->overflow = true;
            continue;
        }
        if (octet == '\\' && i + 1 < line.len) {
            state->record[state->len++] = octet;
            octet = line.at[++i];
        } else if (octet == '"') {
            quoted = !quoted;
        } else if (!quoted && octet == '(') {
            state->depth++;
            octet = ' ';
        } else if (!quoted && octet == ')') {
            state->depth -= state->depth > 0;
            octet = ' ';
        }
        state->record[state->len++] = octet;
    }
    state->record[state->len++] = ' ';
}

static int rpz_line(struct reader *reader, struct slice line)
{
    struct rpz_state *state = reader->state;

    if (state->len == 0) {
        if (line.at[0] == ';')
            return 0;
        if (line.at[0] == '$')
            return directive(reader, line);
        if (!state->origin && !(state->origin = ldns_dname_new_frm_str(".")))
            return bl_error_set(reader->error, -ENOMEM, "there is not enough memory for a zone");
        state->depth = 0;
        if (reader->indented) /* the owner of the record before */
            state->record[state->len++] = ' ';
    }
    record_add(state, line);
    return state->depth > 0 ? 0 : record_take(reader);
}

static int rpz_end(struct reader *reader)
{
    struct rpz_state *state = reader->state;

    if (state->len == 0)
        return 0;
    reader->report->read++;
    state->len = 0;
    return reader_reject(reader, "a record whose parentheses are never closed");
}

const struct format format_rpz = {.name = "rpz",
                                  .state_size = sizeof(struct rpz_state),
                                  .line = rpz_line,
                                  .end = rpz_end,
                                  .fini = rpz_fini};

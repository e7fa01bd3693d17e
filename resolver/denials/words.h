/* A denial in words: what is the same for the command, for those who collect denials elsewhere and
 * for one case. Names and words are hostile text (they come from queries and from journals): these
 * functions give valid UTF-8 whatever is in them; who prints escapes for where it goes.
 *
 * Any thread; no state.
 */
#ifndef RESOLVER_DENIALS_WORDS_H
#define RESOLVER_DENIALS_WORDS_H

#include <jansson.h>

#include "blocklists/name.h"
#include "blocklists/types.h"
#include "resolver/denials/records.h"

enum { DENIAL_TIME_MAX = 40, DENIAL_TYPE_MAX = BL_TYPE_TEXT_MAX };

/* "2026-11-23T11:15:02.123+00:00" (RFC 3339): local time with its zone. */
char *denial_time_text(int64_t wall_ms, char out[DENIAL_TIME_MAX]);

/* "AAAA", or "TYPE65280" (RFC 3597 section 5). */
char *denial_type_text(uint16_t type, char out[DENIAL_TYPE_MAX]);

/* What matched: a name of a list, an address, or "". */
char *denial_match_text(const struct denial_record *record, char out[BL_NAME_TEXT_MAX]);

const char *denial_via_text(uint8_t via);
const char *denial_transport_text(uint8_t transport);
const char *denial_severity_text(uint8_t severity);

/* Words of a legend may be anything a journal held; jansson wants UTF-8. */
json_t *denial_word_json(const char *word);

/* Adds what is known of a device to an object that has its address: "device_name", "mac",
 * "mac_private". */
void denial_device_tell(const struct denial_device *device, json_t *object);

/* {"time", "case", "group", "category", "title", "severity", "client", "name", "type", "matched",
 * "via", "transport", "observed", "count", "rule", "policy-version", "generation"} and what
 * denial_device_tell() adds; `rule` is the rule's word. A new reference; NULL: no memory. */
json_t *denial_record_json(const struct denial_record *record, const char *rule);

#endif

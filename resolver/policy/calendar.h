/* The school's time: which periods last at an instant, and when that next changes.
 *
 * Periods are told in local time, so a day of 23 or 25 hours moves their instants and not their
 * hours. A span that lies wholly in the hour left out in spring does not take place; one in the
 * hour that comes twice in autumn takes place twice. A span past midnight belongs to the day on
 * which it begins.
 *
 * Immutable once created; any thread. `config` is borrowed until calendar_free().
 */
#ifndef RESOLVER_POLICY_CALENDAR_H
#define RESOLVER_POLICY_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/config/config.h"
#include "resolver/policy/zone.h"

struct calendar;

int calendar_create(const struct config_calendar *config, struct calendar **out_calendar,
                    struct bl_error *error);
void calendar_free(struct calendar *calendar);

const struct zone *calendar_zone(const struct calendar *calendar);

/* Local civil day and second of the day at an instant. */
void calendar_local(const struct calendar *calendar, int64_t wall_s, int32_t *out_day,
                    int32_t *out_second);

bool calendar_is_school_day(const struct calendar *calendar, int32_t day);

/* Whether the period lasts at `wall_s`. */
bool calendar_in_period(const struct calendar *calendar, uint16_t period, int64_t wall_s);

/* The first instant after `wall_s` at which calendar_in_period() differs; where that is further
 * away than CALENDAR_HORIZON_S, an instant not before that horizon, at which to ask again. */
enum { CALENDAR_HORIZON_S = 8 * 86400 };
int64_t calendar_next_change(const struct calendar *calendar, uint16_t period, int64_t wall_s);

/* "2026-11-23T11:15" in the calendar's zone; with the zone's offset in an hour that comes twice;
 * and with seconds and offset where `exact`. */
enum { CALENDAR_TEXT_MAX = 64 };
char *calendar_text(const struct calendar *calendar, int64_t wall_s, bool exact,
                    char text[CALENDAR_TEXT_MAX]);

#endif

/* What goes out to the world: a denial, a number of denials of which there is no record, or an
 * entry of the change log, as octets for collectors that exist.
 *
 * Names, titles and reasons are hostile text. Each form escapes them for itself, here and nowhere
 * else: JSON as ASCII with \u escapes; syslog's parameters as RFC 5424 section 6.3.3 says, its
 * message and both without control characters; journald's fields with their length before them;
 * dnstap as protobuf's length-delimited fields.
 *
 * Any thread; no state. Functions return 0 or -ENOMEM.
 */
#ifndef RESOLVER_EXPORT_EVENT_H
#define RESOLVER_EXPORT_EVENT_H

#include <jansson.h>
#include <stdio.h>

#include "resolver/config/config.h"
#include "resolver/denials/feed.h"

enum event_kind { EVENT_DENIAL, EVENT_CHANGE, EVENT_COUNTED };

struct event {
    enum event_kind kind;
    json_t *object; /* a reference of its own; "event" comes first */
    int64_t wall_ms;
    uint8_t severity;                   /* enum config_severity */
    const struct denial_record *record; /* of a denial: borrowed for the call; else NULL */
};

/* Of a record that stays borrowed, or of an entry of the change log, whose fields are copied. */
int event_of_denial(const struct denial_record *record, struct event *out_event);
int event_of_change(const json_t *entry, struct event *out_event);

/* Of denials that were counted within an hour, but not itemised: {"event": "counted", "time",
 * "until", "group", "category", "title", "severity", "count"}. */
int event_of_counted(const struct feed_counted *counted, struct event *out_event);
void event_fini(struct event *event);

/* One line of JSON, its end included. */
int event_json(const struct event *event, FILE *out);

/* What a syslog message needs beside the event. */
struct event_syslog {
    int facility; /* RFC 5424 section 6.2.1: 0 to 23 */
    const char *host;
    unsigned pid;
};

/* One message of RFC 5424, without the frame of a stream. */
int event_syslog(const struct event *event, const struct event_syslog *syslog, FILE *out);

/* One datagram of the journal's native protocol. */
int event_journal(const struct event *event, const struct event_syslog *syslog, FILE *out);

/* One payload of dnstap: a denial. A change and a number of denials have none, as dnstap tells of
 * questions and answers only, and nothing is written for them. `config` tells how denied
 * questions are answered. Whether a message was written: 1 or 0. */
int event_dnstap(const struct event *event, const struct config *config, const char *host,
                 FILE *out);

/* "10.1.2.3 (pupils) was refused www.bets.example: Gambling, case K7Q-M2F9": one line for people.
 */
void event_sentence(const struct event *event, FILE *out);

#endif

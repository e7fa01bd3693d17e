/* The configuration: config.yaml, checked, as one structure.
 *
 * config_load() reads, checks and resolves everything; it tells all faults of a file at once, each
 * with file, line, column and the nearest valid word. A structure that it returns is whole: every
 * name in it points to something that is there. keys.c holds one table of all keys with type,
 * range, default and meaning; `chalkgated --print`, the manual page and the checks come from it.
 *
 * Immutable once loaded; any thread may read it. Strings are borrowed until config_free().
 */
#ifndef RESOLVER_CONFIG_CONFIG_H
#define RESOLVER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "blocklists/entry.h"
#include "blocklists/error.h"
#include "resolver/base/address.h"

enum { CONFIG_NONE = UINT16_MAX }; /* for indices: none */
enum { CONFIG_LEASES_MAX = 64 };   /* lease files */

enum config_severity { SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_URGENT };

/* How a denied question is answered. */
enum answer_kind { ANSWER_NXDOMAIN, ANSWER_NULL, ANSWER_ADDRESSES, ANSWER_NODATA, ANSWER_REFUSED };

struct config_answer {
    enum answer_kind kind;
    bool set;                  /* false: inherit (category, then group, then NXDOMAIN) */
    struct address *addresses; /* for ANSWER_ADDRESSES: the block page, either family */
    size_t address_count;
};

enum config_transport { TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS };

struct config_upstream {
    struct address address; /* with `host`: the port alone */
    const char *host;       /* "dns.quad9.net:853", whose addresses are asked for; or NULL */
    uint8_t host_wire[BL_NAME_MAX];
    enum config_transport transport;
    const char *tls_name; /* the name that its certificate must bear; NULL unless TRANSPORT_TLS */
};

enum {
    CONFIG_SERVERS_MAX = 32, /* upstreams, those of zones and bootstrap servers together */
    CONFIG_HOST_SERVERS = 4, /* as many an upstream by host counts for: two addresses a family */
};

struct config_source {    /* where a category's names come from, for `lists update` */
    const char *location; /* path or https URL */
    const char *format;   /* NULL: recognised by content */
    const char *sha256;   /* or NULL */
    enum bl_tier tier;
    enum bl_action action;
    uint32_t stale_s; /* older than this is a warning; 0: as config->lists_stale_s says */
};

struct config_category {
    const char *name;
    const char *title;
    enum config_severity severity;
    bool sealed;
    bool circumvention; /* names for going round the filter: the radar counts them */
    bool exempts_all;   /* its allow entries count for every category, not for this one only */
    struct config_answer answer;
    uint32_t keep_s; /* how long its denials are kept; 0: as retention says */
    struct config_source *sources;
    size_t source_count;
};

/* What a rule is about: categories, services and names, as in `deny: [gambling, service:tiktok,
 * x.test]`. A name stands for itself and all below it. */
struct config_targets {
    uint16_t *categories; /* indices into config->categories, ascending */
    size_t category_count;
    uint16_t *services; /* indices into config->services, ascending */
    size_t service_count;
    uint8_t (*names)[BL_NAME_MAX]; /* lower-cased wire names */
    size_t name_count;
};

struct config_service { /* a named bundle of names */
    const char *name;
    const char *title;
    uint8_t (*names)[BL_NAME_MAX];
    size_t name_count;
    bool shipped; /* from services.yaml, not from the school's file */
};

enum config_safe_search { SAFE_SEARCH_OFF, SAFE_SEARCH_MODERATE, SAFE_SEARCH_STRICT };

/* What differs in a group while periods last; of several that hold at once, the later one in the
 * file wins. */
struct config_schedule {
    uint16_t *during; /* indices into calendar.periods; holds while any of them lasts */
    size_t during_count;
    uint16_t *outside; /* holds while none of them lasts */
    size_t outside_count;
    struct config_targets deny, observe, allow;
    bool internet; /* false: every question is denied */
};

struct config_group {
    const char *name;
    const char *title;
    uint16_t extends; /* the group it inherits from; CONFIG_NONE. The lists below are effective
                         already */
    struct address_prefix *subnets;
    size_t subnet_count;
    struct config_targets deny, observe, allow;
    struct config_schedule *schedule;
    size_t schedule_count;
    struct config_answer answer;
    int safe_search;    /* enum config_safe_search */
    bool walled_garden; /* only what `allow` names is answered */
    uint16_t
        hours; /* the period that its days last, for reports; CONFIG_NONE: those of `reports` */
};

/* Days are counted from 1970-01-01 in the civil calendar, minutes from local midnight. */
struct config_dates {
    int32_t first, last; /* both included */
};

struct config_times {
    uint16_t from, to; /* minutes, 0 to 1440; `to` ≤ `from`: ends on the next day */
};

enum config_when { WHEN_SCHOOL_DAYS, WHEN_OTHER_DAYS, WHEN_ALWAYS };

struct config_period {
    const char *name;
    uint8_t days; /* a bit each, Monday is 1 */
    int when;     /* enum config_when */
    struct config_times *times;
    size_t time_count;
};

struct config_term {
    const char *name;
    struct config_dates dates;
};

enum config_school { SCHOOL_AS_USUAL, SCHOOL_OPEN, SCHOOL_CLOSED };

/* A day that differs: another timetable, or a school day that is none, or the reverse. */
struct config_exception {
    struct config_dates dates;
    int school;      /* enum config_school */
    uint16_t period; /* whose times differ; CONFIG_NONE */
    struct config_times *times;
    size_t time_count; /* 0: the period does not take place */
};

struct config_calendar {
    const char *time_zone;     /* "Europe/London"; NULL: the machine's */
    struct config_term *terms; /* none: every day that is no holiday is in term */
    size_t term_count;
    uint8_t week; /* days on which there is school, Monday is 1 */
    struct config_dates *holidays;
    size_t holiday_count;
    struct config_dates *inset_days;
    size_t inset_day_count;
    struct config_period *periods;
    size_t period_count;
    struct config_exception *exceptions;
    size_t exception_count;
};

enum { CONFIG_MAC_LEN = 6 };

struct config_mac {
    uint8_t bytes[CONFIG_MAC_LEN];
    bool set;
};

struct config_device { /* one that the school knows by name */
    const char *name;
    struct config_mac mac;
    struct address *addresses;
    size_t address_count;
    uint16_t group; /* CONFIG_NONE: that of its subnet */
};

/* So many refusals of a category from one device within a time. */
struct config_threshold {
    uint16_t category;
    unsigned count;
    uint32_t within_s;
};

struct config_alerts {
    const char **command; /* program and arguments; the alert is JSON on its standard input */
    size_t command_count;
    int severity;       /* enum config_severity: from there on each refusal alerts */
    uint32_t quiet_s;   /* for one device and category, after an alert */
    uint32_t timeout_s; /* then the command is ended and tried again later */
    struct config_threshold *thresholds;
    size_t threshold_count;
};

struct config_reports {
    const char *folder;   /* where nightly reports are kept; NULL: STATE/reports */
    const char **command; /* called with the file behind its arguments */
    size_t command_count;
    int audience;              /* 0 dsl, 1 head, 2 governors */
    struct config_times hours; /* outside them a look-up is out of hours */
};

enum config_export_form { EXPORT_SYSLOG, EXPORT_JOURNAL, EXPORT_JSON, EXPORT_DNSTAP };

/* Where denials and changes also go: one of file, socket, address and command. */
struct config_export {
    const char *name;
    int form;           /* enum config_export_form */
    const char *file;   /* of JSON lines */
    const char *socket; /* of the Unix kind: a datagram one for syslog and journal, else a stream */
    struct address address; /* port 0: none */
    int transport;          /* enum config_transport */
    const char *tls_name;   /* the name that its certificate must bear; NULL unless TRANSPORT_TLS */
    const char **command;   /* gets JSON lines on its standard input, as long as it runs */
    size_t command_count;
    bool denials, observed, changes; /* what goes there */
    int severity;                    /* enum config_severity: denials as severe as this or more */
    int facility;                    /* of syslog */
    uint32_t timeout_s;              /* for one step; then it begins anew later */
    uint32_t backlog_s;              /* what a collector missed longer ago is not sent any more */
    size_t rotate_size;              /* of a file; 0: no limit */
    bool rotate_daily;
    unsigned rotate_keep; /* files that were rotated */
    bool sync;            /* a file's lines are on the disk before they count as sent */
};

struct config_retention {
    uint32_t denials_s;   /* then the day's records go */
    uint32_t totals_s;    /* and then its totals */
    uint32_t questions_s; /* the same for allowed questions, where each is recorded */
    uint32_t counts_s;    /* the same for counts of allowed questions */
};

enum config_allowed { ALLOWED_NONE, ALLOWED_COUNTS, ALLOWED_ALL };

struct config_recording { /* what is recorded beside denials */
    int allowed;          /* enum config_allowed */
    unsigned least;       /* so many addresses must have asked before a name is counted on disk */
    bool pseudonyms;      /* records hold no addresses */
    uint32_t period_s;    /* then a new key makes new pseudonyms */
    const char *keys_folder; /* NULL: STATE/keys */
};

struct config_signer { /* a logon script's or RADIUS server's operating-system user */
    const char *name;
    uint16_t *groups; /* of which it starts sessions that need nobody's word */
    size_t group_count;
};

struct config_roles { /* names of operating-system groups */
    const char **manager;
    size_t manager_count;
    const char **viewer;
    size_t viewer_count;
    bool requires_approval; /* what loosens the policy waits for a second manager */
    struct config_signer *signers;
    size_t signer_count;
};

struct config_zone { /* conditional forwarding */
    const char *name;
    uint8_t wire[BL_NAME_MAX];
    struct config_upstream *upstreams;
    size_t upstream_count;
};

struct config_record { /* answered here */
    const char *name;
    uint8_t wire[BL_NAME_MAX];
    struct address *addresses;
    size_t address_count;
};

struct config_cache {
    size_t size;                             /* bytes, per worker */
    uint32_t min_ttl, max_ttl, negative_ttl; /* seconds */
    bool keep;                               /* over a restart */
};

struct config_limits {
    unsigned rate; /* answers a second over UDP to one network, for each worker; 0: no limit */
    unsigned in_flight_share; /* percent of the questions in flight for one client; 0: no limit */
};

struct config {
    const char *path;
    struct address *listen;
    size_t listen_count;
    unsigned workers;
    const char *state;
    const char *user; /* NULL: stay who we are */
    struct config_upstream *upstreams;
    size_t upstream_count;
    unsigned upstream_timeout_ms; /* for one try */
    struct address *bootstrap;    /* servers that are asked for the addresses of hosts */
    size_t bootstrap_count;
    struct config_cache cache;
    struct config_limits limits;
    const char *metrics_file; /* or NULL */
    uint32_t metrics_every_s;
    struct config_category *categories;
    size_t category_count;
    struct config_service *services;
    size_t service_count;
    struct config_group *groups;
    size_t group_count;
    struct config_device *devices;
    size_t device_count;
    const char **leases; /* lease files of DHCP servers, for names and addresses of devices */
    size_t lease_count;
    struct address_prefix *forwarders; /* whose word for a device's MAC address is taken */
    size_t forwarder_count;
    struct config_calendar calendar;
    struct config_roles roles;
    struct config_alerts alerts;
    struct config_reports reports;
    struct config_retention retention;
    struct config_export *exports;
    size_t export_count;
    struct config_recording recording;
    struct config_zone *forward_zones;
    size_t forward_zone_count;
    struct config_record *records;
    size_t record_count;
    struct config_answer answers[SEVERITY_URGENT + 1]; /* where neither category nor group says */
    struct config_answer answer;                       /* where nothing else does */
    uint32_t deny_ttl;                       /* seconds a denied answer may be kept by the client */
    const char *contact_uri;                 /* the same for programs: "mailto:…", or NULL */
    uint8_t (*private_allowed)[BL_NAME_MAX]; /* zones that may have addresses of the inside */
    size_t private_allowed_count;
    const char *contact; /* the school's words for extended errors and pages, or NULL */
    unsigned keep_generations;
    uint32_t lists_stale_s; /* a list that is older is a warning; 0: none is */
    int log_level;
};

/* A list of faults, all of one file. */
struct config_faults {
    struct bl_error *items;
    size_t count;
};

/* Reads `path`. Returns 0 and *out_config, or -EINVAL and *out_faults with at least one message
 * (free it with config_faults_free), or another negative errno with one message when the file
 * cannot be read. */
int config_load(const char *path, struct config **out_config, struct config_faults *out_faults);

/* The same for text that is there already; `path` is for messages and for relative paths. */
int config_load_text(const char *path, const char *text, size_t len, struct config **out_config,
                     struct config_faults *out_faults);
void config_free(struct config *config); /* NULL is fine */
void config_faults_free(struct config_faults *faults);

/* The effective configuration, defaults included, as YAML that config_load() accepts. 0 or -EIO. */
int config_print(const struct config *config, FILE *out);

/* The same as lines of the form `groups.pupils.deny: [games]`, in the order of the table of keys;
 * and what of them differs between two: `each` with '-' for what was and '+' for what is, sorted.
 * 0 or -ENOMEM. */
int config_lines(const struct config *config, void (*each)(void *user, const char *line),
                 void *user);
int config_difference(const struct config *before, const struct config *after,
                      void (*each)(void *user, char sign, const char *line), void *user);

/* What can be meant, and is more often a slip: calls `each` with a sentence for spans of time that
 * end before they begin and last for most of a day (a night of up to 18 hours is none). */
void config_doubts(const struct config *config, void (*each)(void *user, const char *sentence),
                   void *user);

/* All keys with type, range, default and meaning, as a Markdown list for the manual. 0 or -EIO. */
int config_keys_print(FILE *out);

/* The guard of this configuration over its lists (blocklists/guard.h): sealed categories may hardly
 * shrink, the others only where `allow_shrink`. Its names are borrowed from the configuration;
 * free() `sealed`. 0 or -ENOMEM. */
struct bl_guard;
int config_guard(const struct config *config, bool allow_shrink, struct bl_guard *out_guard);

int config_category_find(const struct config *config, const char *name); /* index or -ENOENT */
int config_group_find(const struct config *config, const char *name);
int config_service_find(const struct config *config, const char *name);
const char *config_severity_text(enum config_severity severity);
const char *config_answer_text(enum answer_kind kind);

#endif

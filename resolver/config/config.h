/* The configuration: config.yaml, checked, as one structure.
 *
 * config_load() reads, checks and resolves everything; it tells all faults of a file at once, each with
 * file, line, column and the nearest valid word. A structure that it returns is whole: every name in it
 * points to something that is there. keys.c holds one table of all keys with type, range, default and
 * meaning; `chalkgated --print`, the manual page and the checks come from it.
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

enum config_severity { SEVERITY_LOW, SEVERITY_MEDIUM, SEVERITY_HIGH, SEVERITY_URGENT };

/* How a denied question is answered. */
enum answer_kind { ANSWER_NXDOMAIN, ANSWER_NULL, ANSWER_ADDRESSES, ANSWER_NODATA, ANSWER_REFUSED };

struct config_answer {
    enum answer_kind kind;
    bool set;               /* false: inherit (category, then group, then NXDOMAIN) */
    struct address *addresses; /* for ANSWER_ADDRESSES: the block page, either family */
    size_t address_count;
};

enum config_transport { TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS };

struct config_upstream {
    struct address address;
    enum config_transport transport;
    const char *tls_name; /* the name that its certificate must bear; NULL unless TRANSPORT_TLS */
};

struct config_source { /* where a category's names come from, for `lists update` */
    const char *location; /* path or https URL */
    const char *format;   /* NULL: recognised by content */
    const char *sha256;   /* or NULL */
    enum bl_tier tier;
    enum bl_action action;
};

struct config_category {
    const char *name;
    const char *title;
    enum config_severity severity;
    bool sealed;
    struct config_answer answer;
    struct config_source *sources;
    size_t source_count;
};

struct config_group {
    const char *name;
    const char *title;
    struct address_prefix *subnets;
    size_t subnet_count;
    uint16_t *deny; /* indices into categories, ascending */
    size_t deny_count;
    uint16_t *observe;
    size_t observe_count;
    uint8_t (*allow)[BL_NAME_MAX]; /* wire names that are never denied, but by sealed categories */
    size_t allow_count;
    struct config_answer answer;
};

struct config_cache {
    size_t size; /* bytes, per worker */
    uint32_t min_ttl, max_ttl, negative_ttl; /* seconds */
};

struct config {
    const char *path;
    struct address *listen;
    size_t listen_count;
    unsigned workers;
    const char *state;
    const char *user;  /* NULL: stay who we are */
    struct config_upstream *upstreams;
    size_t upstream_count;
    unsigned upstream_timeout_ms; /* for one try */
    struct config_cache cache;
    struct config_category *categories;
    size_t category_count;
    struct config_group *groups;
    size_t group_count;
    uint32_t deny_ttl; /* seconds a denied answer may be kept by the client */
    const char *contact; /* the school's words for extended errors and pages, or NULL */
    unsigned keep_generations;
    int log_level;
};

/* A list of faults, all of one file. */
struct config_faults {
    struct bl_error *items;
    size_t count;
};

/* Reads `path`. Returns 0 and *out_config, or -EINVAL and *out_faults with at least one message (free it
 * with config_faults_free), or another negative errno with one message when the file cannot be read. */
int config_load(const char *path, struct config **out_config, struct config_faults *out_faults);
void config_free(struct config *config);
void config_faults_free(struct config_faults *faults);

/* The effective configuration, defaults included, as YAML that config_load() accepts. 0 or -EIO. */
int config_print(const struct config *config, FILE *out);

int config_category_find(const struct config *config, const char *name); /* index or -ENOENT */
int config_group_find(const struct config *config, const char *name);
const char *config_severity_text(enum config_severity severity);
const char *config_answer_text(enum answer_kind kind);

#endif

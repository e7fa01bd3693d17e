/* Composing what a client gets. Each function writes query->answer and query->answer_len. */
#ifndef RESOLVER_QUERY_ANSWER_H
#define RESOLVER_QUERY_ANSWER_H

#include "resolver/query/query.h"

/* A message of ours to be handed to a client. */
struct answer_source {
    const uint8_t *message;
    size_t len;
    const uint16_t *ttls; /* offsets */
    size_t ttl_count;
    uint32_t age_s;
    bool authentic;
    bool has_ech;
    bool stale; /* every TTL becomes ANSWER_STALE_TTL_S, RFC 8767 section 4, with EDE 3 */
};

enum { ANSWER_STALE_TTL_S = 30, ANSWER_ALIAS_TTL_S = 300, ANSWER_OPTIONS_MAX = 256 };

/* In the client's case, its TTLs counted down; for a question that stage rewrite turned into
 * another one as an alias of that. Groups that are filtered get no `ech`: with it a browser hides
 * from the network which site it is at. */
enum query_next answer_message(struct pipeline *pipeline, struct query *query,
                               const struct answer_source *source);

/* A denied question, in the form its rule asks for: records the denial, counts it, answers. */
struct denial_match {
    uint8_t via;            /* enum denial_via */
    const uint8_t *name;    /* the listed name that matched, or NULL */
    const uint8_t *subject; /* the whole name that was judged by it, or NULL */
    const uint8_t *address; /* 16 octets that matched, or NULL */
};

enum query_next answer_denied(struct pipeline *pipeline, struct query *query, struct ruling ruling,
                              const struct denial_match *match);

/* Records a question that would have been denied. */
void answer_observed(struct pipeline *pipeline, struct query *query, struct ruling ruling,
                     const struct denial_match *match);

/* An answer without records: FORMERR, NOTIMP, REFUSED, SERVFAIL, BADVERS. `ede` −1: no extended
 * error. */
enum query_next answer_error(struct pipeline *pipeline, struct query *query, unsigned rcode,
                             int ede, const char *text);

/* To a question that is signed: nobody shares a key with us. A resolver that answers from its cache
 * and by its rules cannot pass it on unchanged (RFC 8945 section 5.5), and an unsigned answer would
 * be of no use to whoever wants a signed one, so it is told what a server without the key tells
 * (sections 5.2.1 and 5.3.2). */
enum query_next answer_unknown_key(struct pipeline *pipeline, struct query *query);

/* The longest a client may keep what it gets now, `ttl_s` at most: until its group's next bell. */
uint32_t answer_ttl(const struct pipeline *pipeline, const struct query *query, uint32_t ttl_s);

/* Opens an answer, for stages that add records of their own, and closes it: OPT, size. */
void answer_start(struct query *query, struct dns_writer *writer, unsigned rcode);
enum query_next answer_end(struct pipeline *pipeline, struct query *query,
                           struct dns_writer *writer, unsigned rcode, const uint8_t *options,
                           size_t options_len);

#endif

/* How each upstream is doing, and which one to ask next.
 *
 * The fastest of those that answer is asked; one question in 32 goes to another one, so that a
 * server that became faster is found. Three tries in a row without an answer, while it answers
 * nothing else either, or without a useful one where another server had one (anybody can own names
 * that nobody answers for, or that every server calls broken), put a server aside for a second,
 * then two, four, up to ten; after that one client's question tries it again, and is not kept
 * waiting for it. When all are aside the one that has waited longest is asked all the same: we
 * never stop trying, so recovery needs no signal.
 *
 * Threads: a struct upstreams belongs to one worker; `status` reads the numbers with relaxed loads.
 */
#ifndef RESOLVER_UPSTREAM_HEALTH_H
#define RESOLVER_UPSTREAM_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/name.h"
#include "resolver/base/random.h"
#include "resolver/config/config.h"
#include "resolver/dns/cookie.h"

enum { UPSTREAMS_MAX = CONFIG_SERVERS_MAX };

struct upstream {
    struct address address;
    bool unknown;      /* named by host, and has no address yet: its port counts */
    bool is_bootstrap; /* asked for addresses of hosts, and perhaps for nothing else */
    char host[264];    /* as the configuration names it; "": by address */
    uint8_t transport; /* enum config_transport */
    char tls_name[BL_NAME_TEXT_MAX]; /* a copy: questions in flight outlive a configuration; "":
                                        none */
    uint32_t latency_us;             /* smoothed; 0: not known yet */
    uint32_t failed_in_row;
    uint32_t refused_in_row; /* for any reason: told in `status`, and counts for nothing else */
    int64_t aside_until_ms;  /* monotonic; 0: in use */
    int64_t heard_ms;        /* when it last answered well */
    int64_t plain_until_ms; /* asked without EDNS until then: it answers nothing else. 0: it does */
    /* RFC 7873 section 5.1: our half, chosen by chance for this server, and the one it gave us. */
    uint8_t cookie[COOKIE_MAX];
    uint8_t cookie_len;   /* 0: not chosen yet; COOKIE_CLIENT: the server gave none yet */
    uint8_t sends_cookie; /* its replies have ours in them: one without is not believed */
    uint64_t sent, answered, failed;
};

struct upstreams {
    struct upstream items[UPSTREAMS_MAX];
    size_t count;
};

/* Takes the servers of a configuration; those already known keep their history. At most
 * UPSTREAMS_MAX. */
void upstreams_set(struct upstreams *upstreams, const struct config_upstream *servers,
                   size_t count);

/* A place of a host's gets an address (its port stays), or NULL: loses it, with what was known. */
void upstream_set_address(struct upstream *upstream, const struct address *address);

/* Whether two stand for the same server, asked the same way. */
bool upstream_is_same(const struct upstream *a, const struct upstream *b);

/* The server to ask next: bits of `among` say which may be asked, bits of `tried` which already
 * were. When all were, the best of them again; −1 when `among` is empty. */
int upstream_choose(const struct upstreams *upstreams, uint32_t among, uint32_t tried,
                    int64_t now_ms, struct random_pool *random);

/* Whether it failed so often in a row that it is put aside, until it answers again; or has no
 * address.
 */
bool upstream_is_dead(const struct upstream *upstream);

/* Whether it has answered nothing of late but that it cannot tell. */
bool upstream_is_refusing(const struct upstream *upstream);

/* A question goes to it: where that tells whether a dead one lives again, it is the only one that
 * does for a while. */
void upstream_asked(struct upstream *upstream, int64_t now_ms);

void upstream_answered(struct upstream *upstream, int64_t took_ms);

/* A question that was sent `took_ms` ago has no answer yet, and others have been answered since: it
 * is alive, and perhaps nobody knows that one name. It counts as slow. */
void upstream_is_late(struct upstream *upstream, int64_t took_ms);

void upstream_failed(struct upstream *upstream, int64_t now_ms);

/* It said that it cannot tell (SERVFAIL, REFUSED …), which may be the name's fault; and then, that
 * another server could tell. */
void upstream_cannot_tell(struct upstream *upstream);
void upstream_is_blamed(struct upstream *upstream, int64_t now_ms);

/* How long to wait for an answer before another server is asked as well: four times the usual,
 * between 200 and `limit_ms`. */
int64_t upstream_patience_ms(const struct upstream *upstream, int64_t limit_ms);

#endif

/* Questions in flight to upstreams. No sockets here: net/ sends and receives, this matches and
 * decides.
 *
 * An exchange is one question for all the queries that wait for it (the same name, type, class, DO
 * and CD are joined), under one random id on one channel (net's socket, whose port is random). It
 * lives until its reply, or until its whole time is spent: try after try, to the next upstream each
 * time.
 *
 * Threads: a struct exchanges belongs to one worker.
 */
#ifndef RESOLVER_UPSTREAM_EXCHANGE_H
#define RESOLVER_UPSTREAM_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/base/random.h"
#include "resolver/config/config.h"
#include "resolver/dns/message.h"

struct query;
struct exchanges;

enum { EXCHANGE_PACKET_MAX = 12 + 255 + 4 + 11 + 32 };

struct exchange {
    /* Read by net. */
    uint8_t
        packet[EXCHANGE_PACKET_MAX]; /* the question as it goes out, without TCP's length prefix */
    uint16_t packet_len;
    uint16_t id;
    uint16_t server;   /* index into config->upstreams of the world it was begun in */
    uint8_t transport; /* enum config_transport of this try */
    struct address server_address;
    int64_t deadline_ms; /* of this try, monotonic */

    /* Set by net. */
    void *channel; /* the socket or connection this try went out on; exchange_sent() */
    struct exchange *channel_next, **channel_link; /* net's own: the exchanges of a connection */

    /* The module's own. */
    struct query *waiters, **waiters_end;
    struct exchange *hash_next, *id_next, *free_next;
    struct exchange *due_previous, *due_next;
    uint64_t key;
    struct dns_question question;
    int64_t begun_ms, sent_ms;
    uint8_t tries, flags;
    uint32_t tried; /* servers asked so far, a bit each */
    uint16_t waiter_count;
};

/* Net tells where a try went out. Matching wants the channel and the id. */
void exchange_sent(struct exchanges *exchanges, struct exchange *exchange, void *channel);

/* The exchange that waits on this channel for a message with the id of `bytes`, or NULL. The
 * question itself is checked by query_resume(). */
struct exchange *exchange_match(struct exchanges *exchanges, const void *channel,
                                const uint8_t *bytes, size_t len);

/* The next exchange whose deadline has passed, or NULL; and when the next one will be (INT64_MAX:
 * none). */
struct exchange *exchange_overdue(struct exchanges *exchanges, int64_t now_ms);
int64_t exchange_next_deadline(const struct exchanges *exchanges);

/* Takes the next waiting query off a finished exchange, or NULL. */
struct query *exchange_waiter(struct exchange *exchange);

/* Forgets an exchange: its id is free again. Its waiters have been taken. */
void exchange_end(struct exchanges *exchanges, struct exchange *exchange);

/* A query whose client has gone is taken off. */
void exchange_leave(struct exchange *exchange, struct query *query);

size_t exchange_count(const struct exchanges *exchanges);

#endif

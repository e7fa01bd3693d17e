/* A school for benchmarks: a state folder with a compiled list, a policy, a journal and a pipeline,
 * all from fixed seeds. The clock stands still and upstreams are played here, so a path is the same
 * instructions each time.
 */
#ifndef TESTS_BENCH_SCHOOL_H
#define TESTS_BENCH_SCHOOL_H

#include "resolver/query/query.h"
#include "resolver/query/verdicts.h"

struct school_options {
    uint64_t names;   /* on the list; 0: 1000 */
    unsigned groups;  /* 0: 1; at most 65536 */
    uint32_t clients; /* that ask in turn, spread over the groups; 0: 1 */
};

struct school {
    struct school_options options;
    unsigned worker; /* 0: the one that made the folder */
    char folder[64];
    struct world *world;
    struct journal *journal;
    struct asked *asked;
    struct counters counters;
    struct verdicts verdicts;
    struct pipeline *pipeline;
    struct moment moment;
    uint64_t random; /* behind the pipeline's random numbers */
    int channel;     /* its address stands for the socket towards the upstream */
    uint8_t answer[4096];
    uint8_t reply[512];
};

/* Ends the program when it cannot. */
void school_open(struct school *school, const struct school_options *options);

/* Another worker of the same school: the same world, with a journal, a cache and counters of its
 * own, as net/ gives each thread. Closed before the first one. */
void school_join(struct school *school, const struct school *first, unsigned worker);
void school_close(struct school *school);

/* Another world from the same folder; the caller's to unref. */
struct world *school_world(struct school *school);

/* The listed name of this number, and one that is on no list. */
void school_listed(uint64_t number, struct bl_name *out_name);
void school_unlisted(uint64_t number, struct bl_name *out_name);

/* The client of this number. */
struct address school_client(const struct school *school, uint32_t number);

/* A question as a datagram; returns its length. */
enum { SCHOOL_QUESTION_MAX = DNS_HEADER + BL_NAME_MAX + 4 + 11 };
size_t school_question(uint8_t packet[SCHOOL_QUESTION_MAX], uint16_t id, const struct bl_name *name,
                       unsigned type, bool edns);

/* Fills in what net/ would. */
struct query *school_query(struct school *school, const uint8_t *packet, size_t len,
                           const struct address *client);

/* The whole way of one question, an upstream's answer included. Returns the answer's rcode, or −1
 * when it was dropped. school->answer and *out_len have the answer. */
int school_ask(struct school *school, const uint8_t *packet, size_t len,
               const struct address *client, size_t *out_len);

/* An empty journal in place of the one that fills up: nobody moves its records here. */
void school_journal_renew(struct school *school);
enum { SCHOOL_JOURNAL_DENIALS = 40000 }; /* one journal file has room for more than these */

#endif

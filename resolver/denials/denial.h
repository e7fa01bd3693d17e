/* A denial: one refused (or observed) question, as the query path hands it to the record.
 *
 * journal_append() is called by the worker that answers, before the answer is sent: it copies the
 * record into the worker's mapped journal file (no system call, no lock, no allocation). A writer
 * thread moves journals into day segments. Numbers for groups, categories and rules mean what the
 * journal's last legend says, so a journal can be read after a crash, a reload or an upgrade
 * without anything else.
 */
#ifndef RESOLVER_DENIALS_DENIAL_H
#define RESOLVER_DENIALS_DENIAL_H

#include <stddef.h>
#include <stdint.h>

#include "resolver/base/address.h"

enum denial_via {               /* what matched */
                  VIA_QUESTION, /* the name asked */
                  VIA_CNAME,    /* a name of the answer's CNAME or DNAME chain */
                  VIA_SERVICE,  /* an SVCB or HTTPS target */
                  VIA_ADDRESS,  /* an address of the answer */
                  VIA_RULE,     /* no list: a rule of ours (canary name, rebinding, out of hours) */
};

enum denial_transport { OVER_UDP, OVER_TCP, OVER_TLS };

struct denial {
    int64_t wall_ms;
    struct address client;
    uint16_t group;    /* index in the legend */
    uint16_t category; /* index in the legend; UINT16_MAX where none */
    uint16_t qtype;
    uint8_t rule;      /* enum rule_kind of policy.h; the legend has its words */
    uint8_t via;       /* enum denial_via */
    uint8_t transport; /* enum denial_transport */
    uint8_t observed;  /* 1: let through and counted as "would have been denied" */
    uint8_t answer;    /* enum answer_kind of config.h, and 1: the form that the answer had; 0: not
                          known, as of what was observed */
    uint32_t policy_version;
    uint64_t generation;
    const uint8_t *qname; /* lower-cased wire name, borrowed for the call */
    const uint8_t
        *matched; /* wire name that matched; inside qname where it is a suffix of it; or NULL */
    const uint8_t *address; /* 16 octets (IPv4 mapped) that matched, or NULL */
    const uint8_t *mac;     /* MAC_LEN octets, as a trusted forwarder told; or NULL */
};

#endif

#include <stdbool.h> /* before ldns, which would make a bool of its own */

#include <arpa/inet.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/fetch_lookup.h"

enum { SERVER_MAX = 128, TRY_S = 2, ADDRESSES_MAX = 8 };

/* "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353" */
static ldns_rdf *server_parse(const char *server, uint16_t *out_port)
{
    char text[SERVER_MAX];
    char *address = text, *port = NULL;
    ldns_rdf *rdf;
    long number = 53;

    if (snprintf(text, sizeof text, "%s", server) >= (int)sizeof text)
        return NULL;
    if (text[0] == '[') {
        char *end = strchr(text, ']');

        if (!end)
            return NULL;
        *end = '\0';
        address = text + 1;
        port = end[1] == ':' ? end + 2 : NULL;
    } else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
        port = strchr(text, ':') + 1;
        port[-1] = '\0';
    }
    if (port)
        number = strtol(port, NULL, 10);
    if (number < 1 || number > 65535)
        return NULL;
    rdf =
        ldns_rdf_new_frm_str(strchr(address, ':') ? LDNS_RDF_TYPE_AAAA : LDNS_RDF_TYPE_A, address);
    *out_port = (uint16_t)number;
    return rdf;
}

static ldns_resolver *resolver_make(const char *server)
{
    struct timeval patience = {.tv_sec = TRY_S};
    ldns_resolver *resolver = ldns_resolver_new();
    uint16_t port = 53;
    ldns_rdf *address = server_parse(server, &port);

    if (!resolver || !address ||
        ldns_resolver_push_nameserver(resolver, address) != LDNS_STATUS_OK) {
        ldns_resolver_free(resolver);
        ldns_rdf_deep_free(address);
        return NULL;
    }
    ldns_rdf_deep_free(address);
    ldns_resolver_set_port(resolver, port);
    ldns_resolver_set_recursive(resolver, true);
    ldns_resolver_set_timeout(resolver, patience);
    ldns_resolver_set_retry(resolver, 2);
    return resolver;
}

/* Appends the addresses of one type to the text; returns how many there were. */
static unsigned addresses_ask(ldns_resolver *resolver, const ldns_rdf *host, ldns_rr_type type,
                              char *out, size_t size)
{
    ldns_pkt *reply = ldns_resolver_query(resolver, host, type, LDNS_RR_CLASS_IN, LDNS_RD);
    ldns_rr_list *records =
        reply ? ldns_pkt_rr_list_by_type(reply, type, LDNS_SECTION_ANSWER) : NULL;
    unsigned count = 0;

    for (size_t i = 0; records && i < ldns_rr_list_rr_count(records) && i < ADDRESSES_MAX; i++) {
        const ldns_rdf *rdf = ldns_rr_rdf(ldns_rr_list_rr(records, i), 0);
        char text[INET6_ADDRSTRLEN];
        size_t used = strlen(out);
        bool is_ipv6 = type == LDNS_RR_TYPE_AAAA;

        if (!rdf || ldns_rdf_size(rdf) != (is_ipv6 ? 16 : 4) ||
            !inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, ldns_rdf_data(rdf), text, sizeof text))
            continue;
        snprintf(out + used, size - used, is_ipv6 ? "%s[%s]" : "%s%s", used ? "," : "", text);
        count++;
    }
    ldns_rr_list_deep_free(records);
    ldns_pkt_free(reply);
    return count;
}

int host_lookup(const char *const *servers, const char *host, char *out_addresses, size_t size)
{
    ldns_rdf *name = ldns_dname_new_frm_str(host);
    unsigned count = 0;

    out_addresses[0] = '\0';
    for (; name && count == 0 && *servers; servers++) {
        ldns_resolver *resolver = resolver_make(*servers);

        if (!resolver)
            continue;
        count = addresses_ask(resolver, name, LDNS_RR_TYPE_A, out_addresses, size);
        count += addresses_ask(resolver, name, LDNS_RR_TYPE_AAAA, out_addresses, size);
        ldns_resolver_deep_free(resolver);
    }
    ldns_rdf_deep_free(name);
    return count > 0 ? 0 : -ENOENT;
}

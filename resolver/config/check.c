#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/config/read.h"

static void where_set(struct reader *reader, const char *noun, const char *name)
{
    snprintf(reader->where, sizeof reader->where, "%s \"%.80s\": ", noun, name);
}

/* "dns.school.test" or "dns.school.test:8853". */
static void host_check(struct reader *reader, struct config_upstream *upstream)
{
    size_t len = strcspn(upstream->host, ":");
    const char *port = upstream->host[len] ? upstream->host + len + 1 : NULL;
    struct address address;
    struct bl_name name;
    unsigned number = 0;

    if (address_parse(upstream->host, 1, &address) == 0) {
        reader_fault_of(reader, &upstream->host,
                        "%s is an address: please write it under \"address\"", upstream->host);
        return;
    }
    for (; port && *port >= '0' && *port <= '9' && number <= UINT16_MAX; port++)
        number = number * 10 + (unsigned)(*port - '0');
    if (bl_name_parse(upstream->host, len, &name) != BL_NAME_FINE ||
        (port && (*port || !number || number > UINT16_MAX))) {
        reader_fault_of(reader, &upstream->host,
                        "\"%s\" is no name of a server, as dns.example.org or dns.example.org:853",
                        upstream->host);
        return;
    }
    memcpy(upstream->host_wire, name.wire, name.len);
    upstream->address.port = (uint16_t)number;
    if (upstream->transport == TRANSPORT_TLS && !upstream->tls_name)
        upstream->tls_name = arena_text(reader->arena, upstream->host, len);
}

static bool has_address(struct reader *reader, const struct config_upstream *upstream)
{
    return reader_place_of(reader, &upstream->address) != NULL;
}

static void upstreams_check(struct reader *reader, struct config_upstream *upstreams, size_t count)
{
    char text[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < count; i++) {
        struct config_upstream *upstream = &upstreams[i];
        if (upstream->host && has_address(reader, upstream))
            reader_fault_of(
                reader, &upstream->host,
                "an upstream has an \"address\" or a \"host\", not both; the name that a "
                "certificate bears stands under \"tls-name\"");
        else if (upstream->host)
            host_check(reader, upstream);
        if (upstream->address.port == 0)
            upstream->address.port = upstream->transport == TRANSPORT_TLS ? 853 : 53;
        if (upstream->transport == TRANSPORT_TLS && !upstream->tls_name)
            reader_fault_of(reader, reader_whole(upstream),
                            "an upstream over tls needs the name that its "
                            "certificate bears: \"tls-name\"");
        if (upstream->transport != TRANSPORT_TLS && upstream->tls_name)
            reader_fault_of(reader, &upstream->tls_name,
                            "\"tls-name\" counts only with \"transport: tls\"");
        if (address_is_wildcard(&upstream->address) && has_address(reader, upstream))
            reader_fault_of(reader, &upstream->address, "%s is no server's address",
                            address_text(&upstream->address, text));
        for (size_t j = 0; j < i; j++) {
            if (has_address(reader, upstream) &&
                address_equal(&upstreams[j].address, &upstream->address))
                reader_fault_of(reader, &upstream->address, "upstream %s is there twice",
                                address_text_port(&upstream->address, text));
        }
    }
}

static bool address_is_own(const struct address *address, const struct ifaddrs *interfaces)
{
    if (address_is_loopback(address))
        return true;
    for (; interfaces; interfaces = interfaces->ifa_next) {
        struct address own;
        if (!interfaces->ifa_addr || (interfaces->ifa_addr->sa_family != AF_INET &&
                                      interfaces->ifa_addr->sa_family != AF_INET6))
            continue;
        address_from_sockaddr(interfaces->ifa_addr, &own);
        if (memcmp(own.bytes, address->bytes, sizeof own.bytes) == 0)
            return true;
    }
    return false;
}

/* An upstream that is ourselves would have each question go round for ever. */
static void loops_check(struct reader *reader, const struct config_upstream *upstreams,
                        size_t upstream_count, const struct ifaddrs *interfaces)
{
    const struct config *config = reader->config;
    char text[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < upstream_count; i++) {
        const struct address *address = &upstreams[i].address;
        for (size_t j = 0; j < config->listen_count; j++) {
            const struct address *listen = &config->listen[j];
            bool same_family = address_is_v4(listen) == address_is_v4(address);
            if (listen->port != address->port || upstreams[i].host)
                continue; /* a host's address is told later */
            if (!address_equal_host(listen, address) &&
                !(address_is_wildcard(listen) && same_family &&
                  address_is_own(address, interfaces)))
                continue;
            reader_fault_of(reader, address,
                            "upstream %s is this resolver itself: questions would "
                            "go round in a loop",
                            address_text_port(address, text));
            break;
        }
    }
}

static void listen_check(struct reader *reader)
{
    const struct config *config = reader->config;
    char text[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < config->listen_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (address_equal(&config->listen[i], &config->listen[j]))
                reader_fault_of(reader, &config->listen[i], "\"listen\" has %s twice",
                                address_text_port(&config->listen[i], text));
        }
    }
}

/* Places in the table of servers; 0 when no place is for a name. */
static size_t places_count(const struct config_upstream *upstreams, size_t count, bool *has_hosts)
{
    size_t places = 0;

    for (size_t i = 0; i < count; i++) {
        places += upstreams[i].host ? CONFIG_HOST_SERVERS : 1;
        *has_hosts = *has_hosts || upstreams[i].host;
    }
    return places;
}

/* Without servers of their own, names are asked for at upstreams that need no looking up. */
static void bootstrap_fill(struct reader *reader)
{
    struct config *config = reader->config;

    config->bootstrap =
        arena_take(reader->arena, config->upstream_count, sizeof *config->bootstrap);
    for (size_t i = 0; config->bootstrap && i < config->upstream_count; i++) {
        const struct config_upstream *upstream = &config->upstreams[i];
        if (!upstream->host && upstream->transport != TRANSPORT_TLS)
            config->bootstrap[config->bootstrap_count++] = upstream->address;
    }
    if (!config->bootstrap_count)
        reader_fault_of(reader, reader_whole(config->upstreams),
                        "an upstream by \"host\" needs somebody to ask for its address: please "
                        "name servers under \"bootstrap\", as bootstrap: [9.9.9.9]");
}

static void bootstrap_check(struct reader *reader)
{
    struct config *config = reader->config;
    bool has_hosts = false;
    size_t places = places_count(config->upstreams, config->upstream_count, &has_hosts);

    for (size_t i = 0; i < config->forward_zone_count; i++)
        places += places_count(config->forward_zones[i].upstreams,
                               config->forward_zones[i].upstream_count, &has_hosts);
    if (has_hosts && !config->bootstrap_count)
        bootstrap_fill(reader);
    if (has_hosts)
        places += config->bootstrap_count;
    if (places > CONFIG_SERVERS_MAX)
        reader_fault_of(reader, reader_whole(config->upstreams),
                        "%zu servers are named, more than %d (an upstream by \"host\" counts for "
                        "%d); please leave some out",
                        places, CONFIG_SERVERS_MAX, CONFIG_HOST_SERVERS);
}

static void servers_check(struct reader *reader)
{
    struct config *config = reader->config;
    struct ifaddrs *interfaces = NULL;

    if (getifaddrs(&interfaces) < 0)
        interfaces = NULL;
    listen_check(reader);
    upstreams_check(reader, config->upstreams, config->upstream_count);
    loops_check(reader, config->upstreams, config->upstream_count, interfaces);
    for (size_t i = 0; i < config->forward_zone_count; i++) {
        struct config_zone *zone = &config->forward_zones[i];
        where_set(reader, "zone", zone->name);
        upstreams_check(reader, zone->upstreams, zone->upstream_count);
        loops_check(reader, zone->upstreams, zone->upstream_count, interfaces);
        reader->where[0] = '\0';
    }
    if (interfaces)
        freeifaddrs(interfaces);
    bootstrap_check(reader);
}

struct owned_subnet {
    const struct address_prefix *prefix;
    const struct config_group *group;
};

/* IPv6 prefixes speak of IPv6 only, ::/0 too, although IPv4 is written inside it here. */
static bool prefix_is_v4(const struct address_prefix *prefix)
{
    struct address address = {0};

    memcpy(address.bytes, prefix->bytes, sizeof address.bytes);
    return address_is_v4(&address);
}

static int subnet_compare(const void *left, const void *right)
{
    const struct owned_subnet *a = left, *b = right;
    int order = prefix_is_v4(b->prefix) - prefix_is_v4(a->prefix);

    if (!order)
        order = memcmp(a->prefix->bytes, b->prefix->bytes, sizeof a->prefix->bytes);
    return order ? order : (int)a->prefix->length - (int)b->prefix->length;
}

static bool prefix_covers(const struct address_prefix *outer, const struct address_prefix *inner)
{
    struct address address;

    memcpy(address.bytes, inner->bytes, sizeof address.bytes);
    return prefix_is_v4(outer) == prefix_is_v4(inner) && outer->length <= inner->length &&
           address_in_prefix(&address, outer);
}

/* Sorted, each family by itself, a subnet's nearest enclosing one is on the stack of those still
 * open. */
static void subnets_compare(struct reader *reader, struct owned_subnet *subnets, size_t count)
{
    const struct owned_subnet *open[129];
    char text[ADDRESS_TEXT_MAX], outer_text[ADDRESS_TEXT_MAX];
    size_t depth = 0;

    for (size_t i = 0; i < count; i++) {
        const struct owned_subnet *subnet = &subnets[i], *outer;
        while (depth && !prefix_covers(open[depth - 1]->prefix, subnet->prefix))
            depth--;
        outer = depth ? open[depth - 1] : NULL;
        where_set(reader, "group", subnet->group->name);
        address_prefix_text(subnet->prefix, text);
        if (outer && outer->prefix->length == subnet->prefix->length) {
            const struct place *place = reader_place_of(reader, outer->prefix);
            reader_fault_of(reader, subnet->prefix,
                            "subnet %s belongs to group \"%s\" already "
                            "(line %u)",
                            text, outer->group->name, place ? place->line : 0);
            continue;
        }
        if (outer && outer->group == subnet->group)
            reader_fault_of(reader, subnet->prefix,
                            "subnet %s overlaps %s of the same group; leave one of them out", text,
                            address_prefix_text(outer->prefix, outer_text));
        open[depth++] = subnet;
    }
    reader->where[0] = '\0';
}

static void subnets_check(struct reader *reader)
{
    const struct config *config = reader->config;
    struct owned_subnet *subnets;
    size_t count = 0;

    for (size_t i = 0; i < config->group_count; i++)
        count += config->groups[i].subnet_count;
    subnets = arena_take(reader->arena, count, sizeof *subnets);
    if (!subnets)
        return;
    count = 0;
    for (size_t i = 0; i < config->group_count; i++) {
        for (size_t j = 0; j < config->groups[i].subnet_count; j++)
            subnets[count++] = (struct owned_subnet){.prefix = &config->groups[i].subnets[j],
                                                     .group = &config->groups[i]};
    }
    qsort(subnets, count, sizeof *subnets, subnet_compare);
    subnets_compare(reader, subnets, count);
}

static void schedule_check(struct reader *reader, const struct config_group *group)
{
    for (size_t i = 0; i < group->schedule_count; i++) {
        const struct config_schedule *schedule = &group->schedule[i];
        if (!schedule->during_count && !schedule->outside_count)
            reader_fault_of(reader, reader_whole(schedule),
                            "a schedule needs \"during\" or \"outside\" with periods");
    }
}

static void categories_check(struct reader *reader)
{
    struct config *config = reader->config;

    for (size_t i = 0; i < config->category_count; i++) {
        struct config_category *category = &config->categories[i];
        where_set(reader, "category", category->name);
        if (!category->title)
            category->title = category->name;
        for (size_t j = 0; j < category->source_count; j++) {
            const struct config_source *source = &category->sources[j];
            if (source->sha256 && (strlen(source->sha256) != 64 ||
                                   strspn(source->sha256, "0123456789abcdefABCDEF") != 64))
                reader_fault_of(reader, &source->sha256, "\"sha256\" wants 64 hexadecimal digits");
        }
    }
    for (size_t i = 0; i < config->service_count; i++) {
        if (!config->services[i].title)
            config->services[i].title = config->services[i].name;
    }
    reader->where[0] = '\0';
}

static void zone_check(struct reader *reader)
{
    const struct config_calendar *calendar = &reader->config->calendar;
    char path[200];

    if (!calendar->time_zone || strcmp(calendar->time_zone, "UTC") == 0)
        return;
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", calendar->time_zone);
    if (*calendar->time_zone == '/' || strstr(calendar->time_zone, "..") || access(path, R_OK) < 0)
        reader_fault_of(reader, &calendar->time_zone,
                        "this machine knows no time zone \"%s\" (as Europe/London)",
                        calendar->time_zone);
}

static int span_compare(const void *left, const void *right)
{
    const struct config_times *a = left, *b = right;

    return (int)a->from - (int)b->from;
}

/* Spans of one period must not run into each other, past midnight included. */
static void spans_check(struct reader *reader, const struct config_times *times, size_t count,
                        const void *place)
{
    struct config_times *sorted = arena_take(reader->arena, count, sizeof *sorted);

    if (!sorted)
        return;
    if (count)
        memcpy(sorted, times, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, span_compare);
    for (size_t i = 0; i + 1 < count; i++) {
        if (sorted[i].to > sorted[i + 1].from || sorted[i].to <= sorted[i].from)
            reader_fault_of(reader, place, "its times overlap at %02d:%02d",
                            sorted[i + 1].from / 60, sorted[i + 1].from % 60);
    }
}

static void leases_check(struct reader *reader)
{
    const struct config *config = reader->config;

    if (config->lease_count > CONFIG_LEASES_MAX)
        reader_fault_of(reader, &config->leases[CONFIG_LEASES_MAX],
                        "%zu lease files are named, more than %d; please leave some out",
                        config->lease_count, CONFIG_LEASES_MAX);
}

static void calendar_check(struct reader *reader)
{
    const struct config_calendar *calendar = &reader->config->calendar;

    zone_check(reader);
    for (size_t i = 0; i < calendar->period_count; i++) {
        where_set(reader, "period", calendar->periods[i].name);
        spans_check(reader, calendar->periods[i].times, calendar->periods[i].time_count,
                    &calendar->periods[i]);
    }
    reader->where[0] = '\0';
    for (size_t i = 0; i < calendar->exception_count; i++) {
        const struct config_exception *exception = &calendar->exceptions[i];
        if (exception->period == CONFIG_NONE && exception->school == SCHOOL_AS_USUAL)
            reader_fault_of(reader, reader_whole(exception),
                            "this exception changes nothing: it needs \"school\" or \"period\"");
        if (exception->period == CONFIG_NONE && exception->time_count)
            reader_fault_of(reader, reader_whole(exception), "\"times\" needs \"period\"");
        spans_check(reader, exception->times, exception->time_count, reader_whole(exception));
    }
}

/* What a form can be carried by. */
static void export_way_check(struct reader *reader, const struct config_export *export)
{
    bool has_address = export->address.port != 0;

    if ((export->file != NULL) + (export->socket != NULL) + has_address +
            (export->command_count > 0) !=
        1)
        reader_fault_of(reader, export,
                        "it needs one of \"file\", \"socket\", \"address\" and \"command\"");
    if (export->form != EXPORT_JSON && (export->file != NULL || export->command_count > 0))
        reader_fault_of(reader, export, "only \"form: json\" goes to a file or a command");
    if (!has_address)
        return;
    if (export->form == EXPORT_JOURNAL)
        reader_fault_of(reader, &export->address, "the journal is this machine's: no address");
    if (export->transport == TRANSPORT_UDP && export->form != EXPORT_SYSLOG)
        reader_fault_of(reader, &export->transport, "only syslog goes over udp");
    if (export->transport == TRANSPORT_TLS && export->tls_name == NULL)
        reader_fault_of(reader, &export->address,
                        "a collector over tls needs the name that its certificate bears: "
                        "\"tls-name\"");
    if (export->transport != TRANSPORT_TLS && export->tls_name != NULL)
        reader_fault_of(reader, &export->tls_name,
                        "\"tls-name\" counts only with \"transport: tls\"");
}

static void exports_check(struct reader *reader)
{
    const struct config *config = reader->config;

    for (size_t i = 0; i < config->export_count; i++) {
        struct config_export *export = &config->exports[i];
        where_set(reader, "export", export->name);
        bool is_local = export->file == NULL && export->command_count == 0 &&
                        reader_place_of(reader, &export->address) == NULL;
        if (is_local && export->socket == NULL && export->form == EXPORT_SYSLOG)
            export->socket = "/dev/log";
        if (is_local && export->socket == NULL && export->form == EXPORT_JOURNAL)
            export->socket = "/run/systemd/journal/socket";
        if (!is_local && export->address.port == 0 && export->form == EXPORT_SYSLOG)
            export->address.port = export->transport == TRANSPORT_TLS ? 6514 : 514;
        else if (reader_place_of(reader, &export->address) != NULL && export->address.port == 0)
            reader_fault_of(reader, &export->address, "the collector's port is missing");
        export_way_check(reader, export);
    }
    reader->where[0] = '\0';
}

void config_check(struct reader *reader)
{
    struct config *config = reader->config;

    servers_check(reader);
    subnets_check(reader);
    categories_check(reader);
    leases_check(reader);
    calendar_check(reader);
    exports_check(reader);
    for (size_t i = 0; i < config->group_count; i++) {
        struct config_group *group = &config->groups[i];
        where_set(reader, "group", group->name);
        if (!group->title)
            group->title = group->name;
        schedule_check(reader, group);
    }
    reader->where[0] = '\0';
    if (config->cache.min_ttl > config->cache.max_ttl)
        reader_fault_of(reader, &config->cache.min_ttl, "cache: \"min-ttl\" is above \"max-ttl\"");
    config_inherit(reader);
}

/* Denials as dnstap messages. What went over the wire is not on record: question and answer are
 * composed as they were, but for id, flags of EDNS and 0x20. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denials/denial.h"
#include "resolver/denials/words.h"
#include "resolver/dns/message.h"
#include "resolver/export/event.h"
#include <dnstap.pb-c.h>

enum { MESSAGE_ROOM = 512 };

static const uint8_t V4_PREFIX[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Octets of an address as dnstap has them: 4 or 16. */
static ProtobufCBinaryData address_data(const uint8_t *bytes)
{
    bool is_v4 = memcmp(bytes, V4_PREFIX, sizeof(V4_PREFIX)) == 0;

    return (ProtobufCBinaryData){is_v4 ? 4 : 16,
                                 (uint8_t *)(uintptr_t)(bytes + (is_v4 ? sizeof(V4_PREFIX) : 0))};
}

/* How it was answered; of records that do not tell, how the category, the group or else the school
 * has denied questions answered (config.h). */
static enum answer_kind answer_of(const struct config *config, const struct denial_record *record)
{
    if (record->answer > 0 && record->answer <= ANSWER_REFUSED + 1)
        return (enum answer_kind)(record->answer - 1);
    int category = config_category_find(config, record->category);
    int group = config_group_find(config, record->group);

    if (category >= 0 && config->categories[category].answer.set)
        return config->categories[category].answer.kind;
    if (group >= 0 && config->groups[group].answer.set)
        return config->groups[group].answer.kind;
    return config->answer.kind;
}

static Dnstap__Policy__Action action_of(enum answer_kind kind)
{
    switch (kind) {
    case ANSWER_NULL:
    case ANSWER_ADDRESSES:
        return DNSTAP__POLICY__ACTION__LOCAL_DATA;
    case ANSWER_NODATA:
    case ANSWER_REFUSED:
        return DNSTAP__POLICY__ACTION__NODATA;
    default:
        return DNSTAP__POLICY__ACTION__NXDOMAIN;
    }
}

static unsigned rcode_of(enum answer_kind kind)
{
    return kind == ANSWER_NXDOMAIN  ? DNS_NXDOMAIN
           : kind == ANSWER_REFUSED ? DNS_REFUSED
                                    : DNS_NOERROR;
}

static ProtobufCBinaryData message_write(const struct denial_record *record, unsigned flags,
                                         const char *code, uint8_t room[MESSAGE_ROOM])
{
    struct dns_writer writer = {.message = room, .room = MESSAGE_ROOM};
    size_t name_len = bl_name_length(record->qname);

    dns_write_head(&writer, 0, flags, record->qname, name_len, record->qtype, DNS_CLASS_IN);
    if (code != NULL) {
        uint8_t options[64];
        size_t len = dns_option_ede(options, sizeof(options), DNS_EDE_BLOCKED, code);
        dns_write_opt(&writer, 0, 0, options, len);
    }
    return (ProtobufCBinaryData){writer.len, room};
}

static void policy_fill(Dnstap__Policy *policy, const struct denial_record *record,
                        enum answer_kind answer)
{
    const uint8_t *name = record->matched != NULL ? record->matched : record->qname;

    policy->type = (char *)(uintptr_t) "chalkgate";
    policy->has_rule = record->category[0] != '\0';
    policy->rule =
        (ProtobufCBinaryData){strlen(record->category), (uint8_t *)(uintptr_t)record->category};
    policy->has_action = 1;
    policy->action = record->observed ? DNSTAP__POLICY__ACTION__PASS : action_of(answer);
    if (record->via == VIA_RULE)
        return;
    policy->has_match = policy->has_value = 1;
    policy->match =
        record->address != NULL ? DNSTAP__POLICY__MATCH__RESPONSE_IP : DNSTAP__POLICY__MATCH__QNAME;
    policy->value = record->address != NULL
                        ? address_data(record->address)
                        : (ProtobufCBinaryData){bl_name_length(name), (uint8_t *)(uintptr_t)name};
}

static void message_fill(Dnstap__Message *message, const struct denial_record *record)
{
    static const Dnstap__SocketProtocol protocols[] = {[OVER_UDP] = DNSTAP__SOCKET_PROTOCOL__UDP,
                                                       [OVER_TCP] = DNSTAP__SOCKET_PROTOCOL__TCP,
                                                       [OVER_TLS] = DNSTAP__SOCKET_PROTOCOL__DOT};

    message->query_address = address_data(record->client.bytes);
    message->has_query_address = message->has_socket_family = 1;
    message->socket_family = message->query_address.len == 4 ? DNSTAP__SOCKET_FAMILY__INET
                                                             : DNSTAP__SOCKET_FAMILY__INET6;
    message->has_socket_protocol = record->transport <= OVER_TLS;
    message->socket_protocol = protocols[record->transport <= OVER_TLS ? record->transport : 0];
    message->has_query_time_sec = message->has_query_time_nsec = 1;
    message->query_time_sec = (uint64_t)(record->wall_ms / 1000);
    message->query_time_nsec = (uint32_t)(record->wall_ms % 1000) * 1000000u;
}

static int packed_write(const Dnstap__Dnstap *dnstap, FILE *out)
{
    size_t len = dnstap__dnstap__get_packed_size(dnstap);
    uint8_t *bytes = malloc(len);

    if (bytes == NULL)
        return -ENOMEM;
    dnstap__dnstap__pack(dnstap, bytes);
    fwrite(bytes, 1, len, out);
    free(bytes);
    return ferror(out) ? -ENOMEM : 1;
}

int event_dnstap(const struct event *event, const struct config *config, const char *host,
                 FILE *out)
{
    Dnstap__Dnstap dnstap = DNSTAP__DNSTAP__INIT;
    Dnstap__Message message = DNSTAP__MESSAGE__INIT;
    Dnstap__Policy policy = DNSTAP__POLICY__INIT;
    const struct denial_record *record = event->record;
    uint8_t asked[MESSAGE_ROOM], answered[MESSAGE_ROOM];

    if (record == NULL)
        return 0;
    char *extra = json_dumps(event->object, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (extra == NULL)
        return -ENOMEM;
    enum answer_kind answer = answer_of(config, record);
    message_fill(&message, record);
    message.has_query_message = 1;
    message.query_message = message_write(record, DNS_RD, NULL, asked);
    /* What was only observed was answered by others: nothing is made up. */
    message.type = record->observed ? DNSTAP__MESSAGE__TYPE__CLIENT_QUERY
                                    : DNSTAP__MESSAGE__TYPE__CLIENT_RESPONSE;
    if (!record->observed) {
        message.has_response_message = message.has_response_time_sec = 1;
        message.has_response_time_nsec = 1;
        message.response_time_sec = message.query_time_sec;
        message.response_time_nsec = message.query_time_nsec;
        message.response_message =
            message_write(record, DNS_QR | DNS_RD | DNS_RA | rcode_of(answer),
                          json_string_value(json_object_get(event->object, "case")), answered);
    }
    policy_fill(&policy, record, answer);
    message.policy = &policy;
    dnstap.type = DNSTAP__DNSTAP__TYPE__MESSAGE;
    dnstap.message = &message;
    dnstap.has_identity = dnstap.has_version = dnstap.has_extra = 1;
    dnstap.identity = (ProtobufCBinaryData){strlen(host), (uint8_t *)(uintptr_t)host};
    dnstap.version = (ProtobufCBinaryData){sizeof("chalkgate " CHALKGATE_VERSION) - 1,
                                           (uint8_t *)(uintptr_t) "chalkgate " CHALKGATE_VERSION};
    dnstap.extra = (ProtobufCBinaryData){strlen(extra), (uint8_t *)(uintptr_t)extra};
    int code = packed_write(&dnstap, out);
    free(extra);
    return code;
}

#include "blocklists/types.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    uint16_t number;
    const char *name;
} known[] = {
    {1, "A"},        {2, "NS"},        {3, "MD"},         {4, "MF"},          {5, "CNAME"},
    {6, "SOA"},      {7, "MB"},        {8, "MG"},         {9, "MR"},          {10, "NULL"},
    {12, "PTR"},     {13, "HINFO"},    {14, "MINFO"},     {15, "MX"},         {16, "TXT"},
    {17, "RP"},      {18, "AFSDB"},    {19, "X25"},       {20, "ISDN"},       {21, "RT"},
    {22, "NSAP"},    {23, "NSAP-PTR"}, {24, "SIG"},       {25, "KEY"},        {26, "PX"},
    {27, "GPOS"},    {28, "AAAA"},     {29, "LOC"},       {30, "NXT"},        {31, "EID"},
    {32, "NIMLOC"},  {33, "SRV"},      {34, "ATMA"},      {35, "NAPTR"},      {36, "KX"},
    {37, "CERT"},    {38, "A6"},       {39, "DNAME"},     {40, "SINK"},       {41, "OPT"},
    {42, "APL"},     {43, "DS"},       {44, "SSHFP"},     {45, "IPSECKEY"},   {46, "RRSIG"},
    {47, "NSEC"},    {48, "DNSKEY"},   {49, "DHCID"},     {50, "NSEC3"},      {51, "NSEC3PARAM"},
    {52, "TLSA"},    {53, "SMIMEA"},   {55, "HIP"},       {56, "NINFO"},      {57, "RKEY"},
    {58, "TALINK"},  {59, "CDS"},      {60, "CDNSKEY"},   {61, "OPENPGPKEY"}, {62, "CSYNC"},
    {63, "ZONEMD"},  {64, "SVCB"},     {65, "HTTPS"},     {66, "DSYNC"},      {99, "SPF"},
    {100, "UINFO"},  {101, "UID"},     {102, "GID"},      {103, "UNSPEC"},    {104, "NID"},
    {105, "L32"},    {106, "L64"},     {107, "LP"},       {108, "EUI48"},     {109, "EUI64"},
    {128, "NXNAME"}, {249, "TKEY"},    {250, "TSIG"},     {251, "IXFR"},      {252, "AXFR"},
    {253, "MAILB"},  {254, "MAILA"},   {255, "ANY"},      {256, "URI"},       {257, "CAA"},
    {258, "AVC"},    {259, "DOA"},     {260, "AMTRELAY"}, {261, "RESINFO"},   {262, "WALLET"},
    {263, "CLA"},    {264, "IPN"},     {32768, "TA"},     {32769, "DLV"},
};

enum { KNOWN = sizeof known / sizeof known[0] };

unsigned bl_type_number(const char *text, size_t len)
{
    unsigned number = 0;
    size_t at = len > 4 && strncasecmp(text, "TYPE", 4) == 0 ? 4 : 0;

    for (size_t i = 0; i < KNOWN; i++)
        if (strlen(known[i].name) == len && strncasecmp(known[i].name, text, len) == 0)
            return known[i].number;
    for (; at < len; at++) {
        if (text[at] < '0' || text[at] > '9' || number > UINT16_MAX)
            return 0;
        number = number * 10 + (unsigned)(text[at] - '0');
    }
    return number <= UINT16_MAX ? number : 0;
}

char *bl_type_text(unsigned type, char out[BL_TYPE_TEXT_MAX])
{
    for (size_t i = 0; i < KNOWN; i++)
        if (known[i].number == type)
            return strcpy(out, known[i].name);
    snprintf(out, BL_TYPE_TEXT_MAX, "TYPE%u", type & UINT16_MAX);
    return out;
}

bool bl_types_cover(const struct bl_types *types, unsigned type)
{
    for (unsigned i = 0; i < types->count; i++)
        if (types->types[i] == type)
            return !types->except;
    return types->count == 0 || types->except;
}

bool bl_types_equal(const struct bl_types *a, const struct bl_types *b)
{
    return a->count == b->count && (a->count == 0 || a->except == b->except) &&
           memcmp(a->types, b->types, a->count * sizeof *a->types) == 0;
}

char *bl_types_text(const struct bl_types *types, char out[BL_TYPES_TEXT_MAX])
{
    char type[BL_TYPE_TEXT_MAX];
    size_t len = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < types->count; i++)
        len += (size_t)snprintf(out + len, BL_TYPES_TEXT_MAX - len, "%s%s",
                                i > 0           ? ", "
                                : types->except ? "all but "
                                                : "only ",
                                bl_type_text(types->types[i], type));
    return out;
}

bool bl_types_add(struct bl_types *types, unsigned type)
{
    unsigned at = types->count;

    while (at > 0 && types->types[at - 1] > type)
        at--;
    if (at > 0 && types->types[at - 1] == type)
        return true;
    if (types->count == BL_TYPES_MAX)
        return false;
    memmove(types->types + at + 1, types->types + at, (types->count - at) * sizeof *types->types);
    types->types[at] = (uint16_t)type;
    types->count++;
    return true;
}

int bl_conditions_add(struct bl_conditions *conditions, const struct bl_types *types)
{
    if (types->count == 0)
        return 0;
    for (unsigned i = 0; i < conditions->count; i++)
        if (bl_types_equal(&conditions->items[i], types))
            return (int)i + 1;
    if (conditions->count == BL_CONDITIONS_MAX)
        return -E2BIG;
    conditions->items[conditions->count] = *types;
    return (int)++conditions->count;
}

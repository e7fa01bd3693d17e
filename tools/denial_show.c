#include "tools/denial_show.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "blocklists/name.h"
#include "resolver/denials/denial.h"
#include "resolver/denials/journal.h"
#include "resolver/denials/words.h"
#include "resolver/policy/policy.h"
#include "tools/table.h"

static void local_of(int64_t wall_ms, struct tm *out)
{
    time_t seconds = (time_t)(wall_ms / 1000);

    memset(out, 0, sizeof(*out));
    localtime_r(&seconds, out);
}

char *show_time(int64_t wall_ms, char out[SHOW_TIME_MAX])
{
    return denial_time_text(wall_ms, out);
}

char *show_day(int64_t wall_ms, char out[SHOW_TIME_MAX])
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    struct tm local;

    local_of(wall_ms, &local);
    snprintf(out, SHOW_TIME_MAX, "%s %d %s %d", days[local.tm_wday], local.tm_mday,
             months[local.tm_mon], local.tm_year + 1900);
    return out;
}

char *show_type(uint16_t type, char out[SHOW_TYPE_MAX])
{
    return denial_type_text(type, out);
}

char *show_count(uint64_t count, char out[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, count), at = 0;

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

const char *show_via(uint8_t via)
{
    return denial_via_text(via);
}

const char *show_transport(uint8_t transport)
{
    return denial_transport_text(transport);
}

const char *show_severity(uint8_t severity)
{
    return denial_severity_text(severity);
}

const char *show_rule(uint8_t rule)
{
    static const char *const words[] = {
        [RULE_CATEGORY] = "category",     [RULE_SEALED] = "sealed",
        [RULE_LIST_ALLOW] = "list-allow", [RULE_EXCEPTION] = "exception",
        [RULE_UNFILTERED] = "unfiltered", [RULE_HOURS] = "hours",
        [RULE_GARDEN] = "walled-garden",  [RULE_SAFE_SEARCH] = "safe-search",
        [RULE_REBINDING] = "rebinding",   [RULE_TUNNEL] = "tunnel"};

    return rule < sizeof(words) / sizeof(words[0]) && words[rule] != NULL ? words[rule] : "";
}

/* The wide forms, U+FF1D and so on, are the same to a spreadsheet in Japanese. */
static bool is_formula(const char *text)
{
    static const char *const begins[] = {
        "=", "+", "-", "@", "\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"};

    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
        if (strncmp(text, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

void show_csv_cell(FILE *out, const char *text)
{
    char safe[8192];
    bool formula = is_formula(text_safe(text, safe, sizeof(safe)));

    /* Half of Europe has semicolons between cells: those are quoted, too. */
    if (!formula && strpbrk(safe, ",;\"") == NULL) {
        fputs(safe, out);
        return;
    }
    fputs(formula ? "\"'" : "\"", out);
    for (const char *at = safe; *at != '\0'; at++) {
        if (*at == '"')
            fputc('"', out);
        fputc(*at, out);
    }
    fputc('"', out);
}

void show_html(FILE *out, const char *text)
{
    char safe[2048];

    for (const char *at = text_safe(text, safe, sizeof(safe)); *at != '\0'; at++)
        switch (*at) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\'':
            fputs("&#39;", out);
            break;
        default:
            fputc(*at, out);
        }
}

void denial_csv_head(FILE *out)
{
    fputs("time,case,group,category,severity,client,name,type,matched,via,transport,observed,count,"
          "rule,policy-version,generation,device,mac\r\n",
          out);
}

void denial_csv(FILE *out, const struct denial_record *record)
{
    char time[SHOW_TIME_MAX], code[CASE_TEXT_MAX], client[ADDRESS_TEXT_MAX];
    char name[BL_NAME_TEXT_MAX], match[BL_NAME_TEXT_MAX], type[SHOW_TYPE_MAX];
    char mac[MAC_TEXT_MAX];

    bl_name_text(record->qname, name);
    const char *cells[] = {show_time(record->wall_ms, time),
                           denials_case_text(record->case_number, code),
                           record->group,
                           record->category,
                           show_severity(record->severity),
                           address_text(&record->client, client),
                           name,
                           show_type(record->qtype, type),
                           denial_match_text(record, match),
                           show_via(record->via),
                           show_transport(record->transport)};
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        show_csv_cell(out, cells[i]);
        fputc(',', out);
    }
    fprintf(out, "%s,%" PRIu32 ",%s,%" PRIu32 ",%" PRIu64 ",", record->observed ? "yes" : "no",
            record->count, show_rule(record->rule), record->policy_version, record->generation);
    show_csv_cell(out, record->device->name);
    fprintf(out, ",%s\r\n", record->device->has_mac ? mac_text(record->device->mac, mac) : "");
}

json_t *denial_json(const struct denial_record *record)
{
    return denial_record_json(record, show_rule(record->rule));
}

/* In a column: the name where there is one. */
static const char *device_of(const struct denial_record *record, char out[DENIAL_DEVICE_MAX])
{
    if (record->device->name[0] != '\0')
        text_safe(record->device->name, out, DENIAL_DEVICE_MAX);
    else
        address_text(&record->client, out);
    return out;
}

enum { GROUP_MAX = 12, CATEGORY_MAX = 16, CLIENT_MAX = 25, CASE_WIDTH = 8, NAME_MIN = 20 };

void denial_widths_init(struct denial_widths *widths, FILE *out)
{
    struct winsize size;

    *widths = (struct denial_widths){.group = 5, .category = 8, .client = 6, .line = 80};
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col >= 60)
        widths->line = size.ws_col;
}

static void width_see(int *width, size_t len, int most)
{
    if ((int)len > *width)
        *width = (int)len < most ? (int)len : most;
}

void denial_widths_see(struct denial_widths *widths, const struct denial_record *record)
{
    char device[DENIAL_DEVICE_MAX];

    width_see(&widths->group, strlen(record->group), GROUP_MAX);
    width_see(&widths->category, strlen(record->category) + (record->observed ? 1 : 0),
              CATEGORY_MAX);
    width_see(&widths->client, strlen(device_of(record, device)), CLIENT_MAX);
}

/* `text` in `width` columns, its beginning left out where it is too long (the end of a name says
 * most), or its end. */
static void cell(FILE *out, const char *text, int width, bool keep_end)
{
    int len = (int)strlen(text);

    if (len <= width)
        fprintf(out, "%-*s ", width, text);
    else if (keep_end)
        fprintf(out, "…%s ", text + len - width + 1);
    else
        fprintf(out, "%.*s… ", width - 1, text);
}

static int name_width(const struct denial_widths *widths)
{
    int width = widths->line - 9 - widths->group - 1 - widths->category - 1 - widths->client - 1 -
                1 - CASE_WIDTH;

    return width < NAME_MIN ? NAME_MIN : width;
}

void denial_line_head(FILE *out, const struct denial_widths *widths)
{
    cell(out, "Time", 8, false);
    cell(out, "Group", widths->group, false);
    cell(out, "Category", widths->category, false);
    cell(out, "Device", widths->client, false);
    cell(out, "Name", name_width(widths), false);
    fputs("Case\n", out);
}

void denial_line(FILE *out, const struct denial_widths *widths, const struct denial_record *record)
{
    char device[DENIAL_DEVICE_MAX], code[CASE_TEXT_MAX], word[256], text[256];
    char name[BL_NAME_TEXT_MAX + 64], match[BL_NAME_TEXT_MAX];
    struct tm local;

    local_of(record->wall_ms, &local);
    fprintf(out, "%02d:%02d:%02d ", local.tm_hour, local.tm_min, local.tm_sec);
    cell(out, text_safe(record->group, word, sizeof(word)), widths->group, false);
    snprintf(text, sizeof(text), "%s%s", record->observed ? "~" : "",
             text_safe(record->category, word, sizeof(word)));
    cell(out, text, widths->category, false);
    cell(out, device_of(record, device), widths->client, false);
    size_t len = bl_name_text(record->qname, name);
    if (record->via != VIA_QUESTION && denial_match_text(record, match)[0] != '\0')
        len += (size_t)snprintf(name + len, sizeof(name) - len, " > %s", match);
    if (record->count > 1 && len < sizeof(name))
        snprintf(name + len, sizeof(name) - len, " x%" PRIu32, record->count);
    cell(out, name, name_width(widths), true);
    fprintf(out, "%s\n", denials_case_text(record->case_number, code));
}

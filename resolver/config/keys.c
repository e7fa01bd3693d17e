#include "resolver/config/keys.h"

#include "resolver/base/log.h"
#include "resolver/config/config.h"

#define AT(type, field)           .offset = offsetof(struct type, field)
#define MANY(type, field, number) AT(type, field), .count_offset = offsetof(struct type, number)
#define EACH(type)                .size = sizeof(struct type)

const char *const SEVERITY_WORDS[] = {"low", "medium", "high", "urgent", NULL};
const char *const ANSWER_WORDS[] = {"nxdomain", "null", "addresses", "nodata", "refused", NULL};
const char *const DAY_WORDS[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun", NULL};
static const char *const TRANSPORT_WORDS[] = {"udp", "tcp", "tls", NULL};
static const char *const ACTION_WORDS[] = {"block", "allow", NULL};
static const char *const TIER_WORDS[] = {"school", "regional", "national", NULL};
static const char *const SAFE_SEARCH_WORDS[] = {"off", "moderate", "strict", NULL};
static const char *const WHEN_WORDS[] = {"school-days", "other-days", "always", NULL};
static const char *const SCHOOL_WORDS[] = {"as-usual", "open", "closed", NULL};
static const char *const AUDIENCE_WORDS[] = {"dsl", "head", "governors", "review", NULL};
static const char *const EXPORT_WORDS[] = {"syslog", "journal", "json", "dnstap", NULL};
static const char *const FACILITY_WORDS[] = {
    "kern",   "user",     "mail",   "daemon", "auth",   "syslog", "lpr",   "news",   "uucp",
    "cron",   "authpriv", "ftp",    "ntp",    "audit",  "alert",  "clock", "local0", "local1",
    "local2", "local3",   "local4", "local5", "local6", "local7", NULL};
static const char *const ALLOWED_WORDS[] = {"none", "counts", "all", NULL};
static const char *const LEVEL_WORDS[] = {"error", "warning", "notice", "info", "debug", NULL};

static const struct key upstream_keys[] = {
    {"address", KEY_ADDRESS, AT(config_upstream, address), .required = true, .or_else = "host",
     .least = 1, .meaning = "address of the server, with a port if it is not 53 (853 with tls)"},
    {"host", KEY_TEXT, AT(config_upstream, host), .most = 259,
     .meaning = "in place of an address: its name, as dns.quad9.net, looked up at the `bootstrap` "
                "servers; with a port if it is not 53 (853 with tls)"},
    {"transport", KEY_WORD, AT(config_upstream, transport), .words = TRANSPORT_WORDS,
     .fallback = "udp", .meaning = "how it is asked; over udp, long answers come by tcp"},
    {"tls-name", KEY_TEXT, AT(config_upstream, tls_name), .most = 253,
     .meaning = "the name that its certificate must bear; with transport tls needed for an "
                "address, and the host's own otherwise"},
    {0},
};

static const struct key cache_keys[] = {
    {"size", KEY_SIZE, AT(config_cache, size), .least = 64 << 10, .most = INT64_C(64) << 30,
     .fallback = "16MiB", .meaning = "memory for answers, for each worker"},
    {"min-ttl", KEY_SECONDS, AT(config_cache, min_ttl), .most = 3600, .fallback = "0s",
     .meaning = "answers are kept at least this long"},
    {"max-ttl", KEY_SECONDS, AT(config_cache, max_ttl), .least = 1, .most = 7 * 86400,
     .fallback = "1d", .meaning = "answers are kept at most this long"},
    {"negative-ttl", KEY_SECONDS, AT(config_cache, negative_ttl), .least = 1, .most = 86400,
     .fallback = "1h", .meaning = "\"no such name\" is kept at most this long"},
    {"keep", KEY_BOOL, AT(config_cache, keep), .fallback = "false",
     .meaning = "answers are kept over a restart, in a file of the state folder"},
    {0},
};

static const struct key limit_keys[] = {
    {"answers-per-second", KEY_COUNT, AT(config_limits, rate), .most = 1000000, .fallback = "2000",
     .meaning =
         "over UDP to one network (IPv4 /24, IPv6 /56), for each worker; beyond that devices "
         "are sent to TCP; 0: no limit"},
    {"in-flight-share", KEY_COUNT, AT(config_limits, in_flight_share), .most = 100,
     .fallback = "10",
     .meaning = "percent of all waiting questions that may be one device's; 0: no limit"},
    {0},
};

static const struct key source_keys[] = {
    {"location", KEY_LOCATION, AT(config_source, location), .required = true,
     .meaning = "path or https URL of the list"},
    {"format", KEY_TEXT, AT(config_source, format), .most = 40,
     .meaning = "the list's format, where it cannot be recognised by its content"},
    {"sha256", KEY_TEXT, AT(config_source, sha256), .most = 64,
     .meaning = "what the file's SHA-256 must be, in hexadecimal"},
    {"tier", KEY_WORD, AT(config_source, tier), .words = TIER_WORDS, .fallback = "school",
     .meaning = "who stands behind it: an allow entry beats blocks of its own tier or a lower one"},
    {"action", KEY_WORD, AT(config_source, action), .words = ACTION_WORDS, .fallback = "block",
     .meaning = "what its entries say unless they say it themselves"},
    {"stale-after", KEY_SECONDS, AT(config_source, stale_s), .most = INT64_C(20) * 366 * 86400,
     .fallback = "0s",
     .meaning = "its copy in force is a warning when it is older; 0s: as `lists` says"},
    {0},
};

static const struct key category_keys[] = {
    {"title", KEY_TEXT, AT(config_category, title), .most = 200,
     .meaning = "in words, for reports and for those who are refused"},
    {"severity", KEY_WORD, AT(config_category, severity), .words = SEVERITY_WORDS,
     .fallback = "medium", .meaning = "how serious a look-up is; urgent ones alert at once"},
    {"sealed", KEY_BOOL, AT(config_category, sealed), .fallback = "false",
     .meaning = "denied to everyone for good: no rule, grant or list can loosen it, and nothing "
                "starts without its lists; for good: it cannot be taken off again"},
    {"circumvention", KEY_BOOL, AT(config_category, circumvention), .fallback = "false",
     .meaning = "proxies, VPNs and the like: devices that try them again and again are told of"},
    {"exempts-all", KEY_BOOL, AT(config_category, exempts_all), .fallback = "false",
     .meaning = "allow entries of its lists count against every category, not only this one"},
    {"answer", KEY_ANSWER, AT(config_category, answer),
     .meaning = "how a denied question is answered, whatever the group says"},
    {"keep", KEY_SECONDS, AT(config_category, keep_s), .most = INT64_C(20) * 366 * 86400,
     .fallback = "0s",
     .meaning = "how long its refused look-ups are kept; 0s: as long as `retention` says"},
    {"sources", KEY_ITEMS, MANY(config_category, sources, source_count), EACH(config_source),
     .children = source_keys, .meaning = "lists that `lists update` keeps fresh"},
    {0},
};

static const struct key service_keys[] = {
    {"title", KEY_TEXT, AT(config_service, title), .most = 200, .meaning = "in words, for reports"},
    {"names", KEY_LIST, KEY_NAME, MANY(config_service, names, name_count), .required = true,
     .meaning = "the names it needs; each stands for those below it too"},
    {0},
};

static const struct key period_keys[] = {
    {"days", KEY_DAYS, AT(config_period, days), .fallback = "mon-fri",
     .meaning = "days of the week, as [mon-fri, sun]"},
    {"when", KEY_WORD, AT(config_period, when), .words = WHEN_WORDS, .fallback = "school-days",
     .meaning =
         "school-days: in term and no holiday or inset day; other-days: all the rest; always"},
    {"times", KEY_LIST, KEY_TIMES, MANY(config_period, times, time_count), .required = true,
     .meaning = "from and to, as [08:50-10:20, 10:40-12:10]; 22:00-06:00 ends on the next day, "
                "and is of the day on which it begins: `days`, `when` and exceptions are of that"},
    {0},
};

static const struct key term_keys[] = {
    {"", KEY_DATES, AT(config_term, dates), .required = true,
     .meaning = "first and last day, as 2026-09-03..2026-12-18"},
    {0},
};

static const struct key exception_keys[] = {
    {"date", KEY_DATES, AT(config_exception, dates), .required = true,
     .meaning = "the day, or several as 2026-12-17..2026-12-18"},
    {"school", KEY_WORD, AT(config_exception, school), .words = SCHOOL_WORDS,
     .fallback = "as-usual", .meaning = "open makes it a school day, closed makes it none"},
    {"period", KEY_PERIOD, AT(config_exception, period), .meaning = "the period that differs"},
    {"times", KEY_LIST, KEY_TIMES, MANY(config_exception, times, time_count),
     .meaning = "its times on that day; none: it does not take place"},
    {0},
};

static const struct key calendar_keys[] = {
    {"time-zone", KEY_TEXT, AT(config_calendar, time_zone), .most = 64,
     .meaning = "as Europe/London; the machine's own when not given"},
    {"school-week", KEY_DAYS, AT(config_calendar, week), .fallback = "mon-fri",
     .meaning = "days of the week on which there is school"},
    {"terms", KEY_MAP, MANY(config_calendar, terms, term_count), EACH(config_term), .noun = "term",
     .children = term_keys, .meaning = "when school is in; without any, all year"},
    {"holidays", KEY_LIST, KEY_DATES, MANY(config_calendar, holidays, holiday_count),
     .meaning = "half-terms and bank holidays, as [2026-10-26..2026-10-30, 2027-05-03]"},
    {"inset-days", KEY_LIST, KEY_DATES, MANY(config_calendar, inset_days, inset_day_count),
     .meaning = "days for staff only"},
    {"periods", KEY_MAP, MANY(config_calendar, periods, period_count), EACH(config_period),
     .noun = "period", .children = period_keys, .meaning = "named times of the day for schedules"},
    {"exceptions", KEY_ITEMS, MANY(config_calendar, exceptions, exception_count),
     EACH(config_exception), .children = exception_keys, .meaning = "days that differ"},
    {0},
};

static const struct key schedule_keys[] = {
    {"during", KEY_LIST, KEY_PERIOD, MANY(config_schedule, during, during_count),
     .meaning = "holds while one of these periods lasts"},
    {"outside", KEY_LIST, KEY_PERIOD, MANY(config_schedule, outside, outside_count),
     .meaning = "holds while none of these periods lasts"},
    {"deny", KEY_TARGETS, AT(config_schedule, deny), .meaning = "denied then, too"},
    {"observe", KEY_TARGETS, AT(config_schedule, observe), .meaning = "observed then"},
    {"allow", KEY_TARGETS, AT(config_schedule, allow), .meaning = "allowed then"},
    {"internet", KEY_BOOL, AT(config_schedule, internet), .fallback = "true",
     .meaning = "false: everything is denied then"},
    {0},
};

static const struct key group_keys[] = {
    {"title", KEY_TEXT, AT(config_group, title), .most = 200, .meaning = "in words, for reports"},
    {"extends", KEY_GROUP, AT(config_group, extends),
     .meaning = "starts from all that another group says, but for its subnets"},
    {"subnets", KEY_LIST, KEY_PREFIX, MANY(config_group, subnets, subnet_count),
     .meaning =
         "addresses of its devices; where subnets of groups overlap the longest prefix counts"},
    {"deny", KEY_TARGETS, AT(config_group, deny),
     .meaning = "categories, services (service:tiktok) and names that are denied"},
    {"observe", KEY_TARGETS, AT(config_group, observe),
     .meaning = "categories that are let through and recorded as \"would have been denied\""},
    {"allow", KEY_TARGETS, AT(config_group, allow),
     .meaning =
         "names, services and categories (category:games) that are never denied, unless sealed"},
    {"safe-search", KEY_WORD, AT(config_group, safe_search), .words = SAFE_SEARCH_WORDS,
     .fallback = "off", .meaning = "search engines are answered with their filtered form"},
    {"schedule", KEY_ITEMS, MANY(config_group, schedule, schedule_count), EACH(config_schedule),
     .children = schedule_keys, .meaning = "what differs in periods of the calendar"},
    {"walled-garden", KEY_BOOL, AT(config_group, walled_garden), .fallback = "false",
     .meaning = "only what `allow` names is answered"},
    {"hours", KEY_PERIOD, AT(config_group, hours),
     .meaning = "the period of the calendar outside which reports call a look-up out of hours; "
                "`reports: hours` when not given"},
    {"answer", KEY_ANSWER, AT(config_group, answer),
     .meaning = "how a denied question is answered where its category does not say"},
    {0},
};

static const struct key device_keys[] = {
    {"mac", KEY_MAC, AT(config_device, mac), .meaning = "its MAC address, as 02:00:5e:10:00:01"},
    {"addresses", KEY_LIST, KEY_ADDRESS, MANY(config_device, addresses, address_count),
     .meaning = "its fixed addresses, of either family"},
    {"group", KEY_GROUP, AT(config_device, group),
     .meaning = "its group, wherever it is; otherwise that of its subnet"},
    {0},
};

static const struct key zone_keys[] = {
    {"", KEY_ITEMS, MANY(config_zone, upstreams, upstream_count), EACH(config_upstream),
     .children = upstream_keys, .required = true, .meaning = "servers that know the zone"},
    {0},
};

static const struct key record_keys[] = {
    {"", KEY_LIST, KEY_ADDRESS, MANY(config_record, addresses, address_count), .required = true,
     .meaning = "its addresses, of either family"},
    {0},
};

static const struct key signer_keys[] = {
    {"", KEY_LIST, KEY_GROUP, MANY(config_signer, groups, group_count), .required = true,
     .meaning = "the groups of which it may start sessions that wait for nobody"},
    {0},
};

static const struct key roles_keys[] = {
    {"manager", KEY_LIST, KEY_TEXT, MANY(config_roles, manager, manager_count), .most = 32,
     .meaning = "operating-system groups whose members may change the filter"},
    {"viewer", KEY_LIST, KEY_TEXT, MANY(config_roles, viewer, viewer_count), .most = 32,
     .meaning = "operating-system groups whose members may read reports and records"},
    {"requires-approval", KEY_BOOL, AT(config_roles, requires_approval), .fallback = "false",
     .meaning =
         "what loosens the policy, by a grant, a session, lists, a reload or a restart, waits "
         "until a second manager confirms it; not what a timer fetches anew of the lists that the "
         "configuration subscribes to, as published lists lose some names each day"},
    {"automatic-sessions", KEY_MAP, MANY(config_roles, signers, signer_count), EACH(config_signer),
     .noun = "user", .children = signer_keys,
     .meaning = "operating-system users of logon scripts and RADIUS servers, each with the groups "
                "of which it may start sessions that wait for nobody, as long as no person signed "
                "on behind it; it has to be a manager all the same"},
    {0},
};

static const struct key answers_keys[] = {
    {"low", KEY_ANSWER, AT(config, answers[SEVERITY_LOW]),
     .meaning = "how a denied question of a category of this severity is answered, where neither "
                "it nor the group says"},
    {"medium", KEY_ANSWER, AT(config, answers[SEVERITY_MEDIUM]), .meaning = "likewise"},
    {"high", KEY_ANSWER, AT(config, answers[SEVERITY_HIGH]), .meaning = "likewise"},
    {"urgent", KEY_ANSWER, AT(config, answers[SEVERITY_URGENT]), .meaning = "likewise"},
    {0},
};

static const struct key lists_keys[] = {
    {"keep", KEY_COUNT, AT(config, keep_generations), .least = 1, .most = 1000, .fallback = "5",
     .meaning = "how many generations stay for `lists rollback`, and for `why --at` of the past"},
    {"stale-after", KEY_SECONDS, AT(config, lists_stale_s), .most = INT64_C(20) * 366 * 86400,
     .fallback = "30d",
     .meaning = "a list that was read longer ago is a warning in status and reports; 0s: never"},
    {0},
};

static const struct key threshold_keys[] = {
    {"category", KEY_CATEGORY, AT(config_threshold, category), .required = true,
     .meaning = "what is counted"},
    {"count", KEY_COUNT, AT(config_threshold, count), .least = 2, .most = 1000, .fallback = "20",
     .meaning = "as many from one device"},
    {"within", KEY_SECONDS, AT(config_threshold, within_s), .least = 1, .most = 86400,
     .fallback = "10m", .meaning = "in this time"},
    {0},
};

static const struct key alerts_keys[] = {
    {"command", KEY_LIST, KEY_TEXT, MANY(config_alerts, command, command_count), .most = 4000,
     .meaning = "program and arguments; each alert is one JSON object on its standard input"},
    {"severity", KEY_WORD, AT(config_alerts, severity), .words = SEVERITY_WORDS,
     .fallback = "urgent", .meaning = "refusals as severe as this or more alert at once"},
    {"quiet", KEY_SECONDS, AT(config_alerts, quiet_s), .most = 7 * 86400, .fallback = "1h",
     .meaning = "after an alert, none for the same device and category for so long"},
    {"timeout", KEY_SECONDS, AT(config_alerts, timeout_s), .least = 1, .most = 600,
     .fallback = "10s", .meaning = "a command that takes longer is ended and tried again later"},
    {"thresholds", KEY_ITEMS, MANY(config_alerts, thresholds, threshold_count),
     EACH(config_threshold), .children = threshold_keys,
     .meaning = "for less severe categories: so many from one device in a time alert"},
    {0},
};

static const struct key reports_keys[] = {
    {"folder", KEY_PATH, AT(config_reports, folder),
     .meaning = "where nightly reports are kept; `reports` in the state folder when not given"},
    {"command", KEY_LIST, KEY_TEXT, MANY(config_reports, command, command_count), .most = 4000,
     .meaning = "program and arguments; called with the nightly report's file behind them"},
    {"audience", KEY_WORD, AT(config_reports, audience), .words = AUDIENCE_WORDS, .fallback = "dsl",
     .meaning = "whom the nightly report is for"},
    {"hours", KEY_TIMES, AT(config_reports, hours), .fallback = "07:30-18:00",
     .meaning = "look-ups outside them, or on days without school, are out of hours"},
    {0},
};

static const struct key retention_keys[] = {
    {"denials", KEY_SECONDS, AT(config_retention, denials_s), .least = 86400,
     .most = INT64_C(20) * 366 * 86400, .fallback = "365d",
     .meaning = "how long refused look-ups are kept; a category may have its own `keep`"},
    {"totals", KEY_SECONDS, AT(config_retention, totals_s), .least = 86400,
     .most = INT64_C(20) * 366 * 86400, .fallback = "1826d",
     .meaning = "how long a day's totals are kept, which have no names and no addresses"},
    {"counts", KEY_SECONDS, AT(config_retention, counts_s), .least = 86400,
     .most = INT64_C(20) * 366 * 86400, .fallback = "35d",
     .meaning = "how long the most-asked names of each group and day are kept"},
    {"questions", KEY_SECONDS, AT(config_retention, questions_s), .least = 86400,
     .most = INT64_C(20) * 366 * 86400, .fallback = "30d",
     .meaning = "how long allowed look-ups are kept, where `recording` has each of them kept"},
    {0},
};

static const struct key recording_keys[] = {
    {"allowed", KEY_WORD, AT(config_recording, allowed), .words = ALLOWED_WORDS,
     .fallback = "counts",
     .meaning = "allowed look-ups: `none` keeps nothing of them, `counts` the names that a group "
                "asks most on a day and nothing about who, `all` each of them, with the device"},
    {"least-addresses", KEY_COUNT, AT(config_recording, least), .least = 1, .most = 32,
     .fallback = "5",
     .meaning = "with `counts`, a name is kept only on days when at least so many addresses of the "
                "group asked for it; a device may have several addresses"},
    {"pseudonyms", KEY_BOOL, AT(config_recording, pseudonyms), .fallback = "false",
     .meaning = "records hold a pseudonym such as device-7Q3K-M2F9 in place of a device's address; "
                "a manager may have it revealed, with a reason and on record"},
    {"pseudonym-period", KEY_SECONDS, AT(config_recording, period_s), .least = 86400,
     .most = INT64_C(20) * 366 * 86400, .fallback = "90d",
     .meaning =
         "how long a device keeps its pseudonym; an old key, and the one in use where pseudonyms "
         "are turned off, goes with the last record that needs it"},
    {"pseudonym-keys", KEY_PATH, AT(config_recording, keys_folder),
     .meaning =
         "folder of the keys, for the daemon's user only; `keys` in the state folder when not "
         "given"},
    {0},
};

static const struct key export_keys[] = {
    {"form", KEY_WORD, AT(config_export, form), .words = EXPORT_WORDS, .required = true,
     .meaning = "syslog (RFC 5424), journal (systemd's), json (a line each) or dnstap"},
    {"file", KEY_PATH, AT(config_export, file), .meaning = "json: a file, made with mode 0640"},
    {"socket", KEY_PATH, AT(config_export, socket),
     .meaning = "a Unix socket; for syslog /dev/log and for the journal its own where nothing is "
                "said"},
    {"address", KEY_ADDRESS, AT(config_export, address), .least = 1,
     .meaning = "a collector on the network, with its port (syslog has 514, over tls 6514)"},
    {"transport", KEY_WORD, AT(config_export, transport), .words = TRANSPORT_WORDS,
     .fallback = "tcp", .meaning = "how the address is spoken to; udp for syslog only"},
    {"tls-name", KEY_TEXT, AT(config_export, tls_name), .most = 253,
     .meaning = "the name that its certificate must bear; needed with transport tls"},
    {"command", KEY_LIST, KEY_TEXT, MANY(config_export, command, command_count), .most = 4000,
     .meaning = "json: a program and its arguments that reads lines from standard input"},
    {"denials", KEY_BOOL, AT(config_export, denials), .fallback = "true",
     .meaning =
         "refused look-ups go there, and how many there were, by hour, group and category, "
         "for which disk or writer left no record (event \"counted\"; dnstap has no form for "
         "it)"},
    {"observed", KEY_BOOL, AT(config_export, observed), .fallback = "true",
     .meaning = "and those only observed"},
    {"changes", KEY_BOOL, AT(config_export, changes), .fallback = "true",
     .meaning = "and entries of the change log (dnstap has no form for them)"},
    {"severity", KEY_WORD, AT(config_export, severity), .words = SEVERITY_WORDS, .fallback = "low",
     .meaning = "look-ups of categories as severe as this or more"},
    {"facility", KEY_WORD, AT(config_export, facility), .words = FACILITY_WORDS,
     .fallback = "authpriv", .meaning = "of syslog's messages"},
    {"timeout", KEY_SECONDS, AT(config_export, timeout_s), .least = 1, .most = 300,
     .fallback = "10s",
     .meaning = "a collector that takes nothing for so long is tried again later"},
    {"backlog", KEY_SECONDS, AT(config_export, backlog_s), .least = 3600, .most = 90 * 86400,
     .fallback = "7d",
     .meaning =
         "a collector that was away gets what it missed, by whole days, as far back as this; "
         "the rest is counted"},
    {"rotate-size", KEY_SIZE, AT(config_export, rotate_size), .most = INT64_C(1) << 40,
     .fallback = "64MiB", .meaning = "a file this long is put aside as FILE.1; 0: never"},
    {"rotate-daily", KEY_BOOL, AT(config_export, rotate_daily), .fallback = "true",
     .meaning = "and so is yesterday's"},
    {"rotate-keep", KEY_COUNT, AT(config_export, rotate_keep), .most = 1000, .fallback = "14",
     .meaning = "files put aside that are kept"},
    {"sync", KEY_BOOL, AT(config_export, sync), .fallback = "false",
     .meaning = "lines are on the disk before they count as written (fdatasync); otherwise a power "
                "cut may cost the last half minute of the file, though never of the record"},
    {0},
};

static const struct key logging_keys[] = {
    {"level", KEY_WORD, AT(config, log_level), .words = LEVEL_WORDS, .least = LOG_LEVEL_ERROR,
     .fallback = "notice", .meaning = "what goes to the log: messages as serious as this or more"},
    {0},
};

static const struct key metrics_keys[] = {
    {"file", KEY_PATH, AT(config, metrics_file),
     .meaning =
         "figures are written here in Prometheus' text form, for node_exporter's textfile "
         "collector; nothing listens on the network. They are those of `chalkgate status`, and "
         "answers by group, category and verdict (chalkgate_verdicts_total), how long they "
         "took (chalkgate_answer_seconds), alerts (chalkgate_alerts_*) and collectors "
         "(chalkgate_export_*); none is about a client or a name that was asked"},
    {"every", KEY_SECONDS, AT(config, metrics_every_s), .least = 1, .most = 3600, .fallback = "15s",
     .meaning = "how often"},
    {0},
};

/* Rows stand in the order in which they are read: what is referred to comes first. */
static const struct key root_keys[] = {
    {"listen", KEY_LIST, KEY_ADDRESS, MANY(config, listen, listen_count), .least = 1, .most = 53,
     .fallback = "0.0.0.0:53 [::]:53", .meaning = "addresses to answer on, over UDP and TCP"},
    {"workers", KEY_WORKERS, AT(config, workers), .least = 1, .most = 256, .fallback = "auto",
     .meaning = "threads that answer; auto: one for each processor"},
    {"state", KEY_PATH, AT(config, state), .fallback = "/var/lib/chalkgate",
     .meaning = "folder for compiled lists, records and policy changes"},
    {"user", KEY_TEXT, AT(config, user), .most = 32,
     .meaning = "operating-system user to become once the ports are bound"},
    {"upstreams", KEY_ITEMS, MANY(config, upstreams, upstream_count), EACH(config_upstream),
     .children = upstream_keys, .required = true,
     .meaning = "servers that allowed questions go to"},
    {"bootstrap", KEY_LIST, KEY_ADDRESS, MANY(config, bootstrap, bootstrap_count), .least = 1,
     .most = 53,
     .meaning = "servers that are asked for the addresses of upstreams by `host` and of servers "
                "that lists come from; otherwise the upstreams over udp and tcp that have an "
                "address"},
    {"upstream-timeout", KEY_MILLISECONDS, AT(config, upstream_timeout_ms), .least = 50,
     .most = 5000, .fallback = "400ms",
     .meaning = "how long a server is waited for before another is asked as well"},
    {"forward-zones", KEY_MAP, .form = FORM_DOMAIN, MANY(config, forward_zones, forward_zone_count),
     EACH(config_zone), .noun = "zone", .children = zone_keys,
     .meaning = "names that other servers know, such as the school's own domain"},
    {"records", KEY_MAP, .form = FORM_DOMAIN, MANY(config, records, record_count),
     EACH(config_record), .noun = "record", .children = record_keys,
     .meaning = "names that are answered here"},
    {"cache", KEY_OBJECT, AT(config, cache), .children = cache_keys, .meaning = "answers kept"},
    {"limits", KEY_OBJECT, AT(config, limits), .children = limit_keys,
     .meaning = "how much one device or network may ask"},
    {"answer", KEY_ANSWER, AT(config, answer), .fallback = "nxdomain",
     .meaning = "how a denied question is answered: nxdomain, null, nodata, refused or addresses"},
    {"answers", KEY_OBJECT, .children = answers_keys,
     .meaning = "the same by the severity of what was met, as a page for each"},
    {"deny-ttl", KEY_SECONDS, AT(config, deny_ttl), .most = 3600, .fallback = "10s",
     .meaning = "how long a device may keep a denied answer"},
    {"contact", KEY_TEXT, AT(config, contact), .most = 120,
     .meaning = "whom to ask about a refusal, told to devices that show it"},
    {"contact-uri", KEY_TEXT, AT(config, contact_uri), .most = 120,
     .meaning = "the same for programs, as mailto:office@school.example, tel: or https:"},
    {"private-answers-allowed", KEY_LIST, KEY_NAME,
     MANY(config, private_allowed, private_allowed_count),
     .meaning = "public names whose addresses may be private; those of forward-zones may anyway"},
    {"lists", KEY_OBJECT, .children = lists_keys, .meaning = "compiled lists"},
    {"metrics", KEY_OBJECT, .children = metrics_keys, .meaning = "figures for a monitoring system"},
    {"logging", KEY_OBJECT, .children = logging_keys, .meaning = "the technician's log"},
    {"calendar", KEY_OBJECT, AT(config, calendar), .children = calendar_keys,
     .meaning = "terms, holidays and periods of the day"},
    {"categories", KEY_MAP, MANY(config, categories, category_count), EACH(config_category),
     .noun = "category", .children = category_keys, .meaning = "kinds of content"},
    {"services", KEY_MAP, MANY(config, services, service_count), EACH(config_service),
     .noun = "service", .children = service_keys,
     .shipped_offset = offsetof(struct config_service, shipped),
     .meaning = "bundles of names, beside those that come with the program"},
    {"groups", KEY_MAP, MANY(config, groups, group_count), EACH(config_group), .noun = "group",
     .required = true, .children = group_keys,
     .meaning = "who may ask, and what; addresses in no group are refused"},
    {"devices", KEY_MAP, MANY(config, devices, device_count), EACH(config_device), .noun = "device",
     .children = device_keys, .meaning = "devices that the school knows by name"},
    {"leases", KEY_LIST, KEY_PATH, MANY(config, leases, lease_count),
     .meaning = "lease files of dnsmasq, Kea or ISC DHCP, for the names of devices"},
    {"forwarders", KEY_LIST, KEY_PREFIX, MANY(config, forwarders, forwarder_count),
     .meaning = "routers that forward questions and may tell the device's MAC address (EDNS option "
                "65001, dnsmasq's add-mac)"},
    {"roles", KEY_OBJECT, AT(config, roles), .children = roles_keys,
     .meaning = "who may change the filter and who may read"},
    {"alerts", KEY_OBJECT, AT(config, alerts), .children = alerts_keys,
     .meaning = "who is told of serious refusals at once"},
    {"reports", KEY_OBJECT, AT(config, reports), .children = reports_keys,
     .meaning = "the nightly report"},
    {"retention", KEY_OBJECT, AT(config, retention), .children = retention_keys,
     .meaning = "how long records are kept"},
    {"export", KEY_MAP, MANY(config, exports, export_count), EACH(config_export), .noun = "export",
     .children = export_keys, .meaning = "collectors that denials and changes also go to"},
    {"recording", KEY_OBJECT, AT(config, recording), .children = recording_keys,
     .meaning = "what is recorded beside refusals"},
    {0},
};

static const struct key shipped_keys[] = {
    {"services", KEY_MAP, MANY(config, services, service_count), EACH(config_service),
     .noun = "service", .children = service_keys, .meaning = "bundles of names"},
    {0},
};

const struct key config_root = {"", KEY_OBJECT, .children = root_keys};
const struct key services_root = {"", KEY_OBJECT, .children = shipped_keys};

size_t key_size(enum key_type type)
{
    static const size_t SIZES[] = {
        [KEY_BOOL] = sizeof(bool),
        [KEY_COUNT] = sizeof(unsigned),
        [KEY_WORKERS] = sizeof(unsigned),
        [KEY_SIZE] = sizeof(size_t),
        [KEY_SECONDS] = sizeof(uint32_t),
        [KEY_MILLISECONDS] = sizeof(unsigned),
        [KEY_TEXT] = sizeof(char *),
        [KEY_PATH] = sizeof(char *),
        [KEY_LOCATION] = sizeof(char *),
        [KEY_WORD] = sizeof(int),
        [KEY_CATEGORY] = sizeof(uint16_t),
        [KEY_GROUP] = sizeof(uint16_t),
        [KEY_PERIOD] = sizeof(uint16_t),
        [KEY_NAME] = BL_NAME_MAX,
        [KEY_ADDRESS] = sizeof(struct address),
        [KEY_PREFIX] = sizeof(struct address_prefix),
        [KEY_MAC] = sizeof(struct config_mac),
        [KEY_DATES] = sizeof(struct config_dates),
        [KEY_TIMES] = sizeof(struct config_times),
    };

    return SIZES[type];
}

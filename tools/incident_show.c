#include <string.h>
#include <time.h>

#include "tools/incident.h"
#include "tools/table.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

char *incident_moment(const json_t *record, const char *key, char out[32])
{
    time_t seconds = (time_t)json_integer_value(json_object_get(record, key));
    struct tm local = {0};

    localtime_r(&seconds, &local);
    strftime(out, 32, "%Y-%m-%d %H:%M", &local);
    return out;
}

void incident_json(const json_t *reply, const char *key)
{
    json_dumpf(key != NULL ? json_object_get(reply, key) : reply, stdout,
               JSON_INDENT(2) | JSON_ENSURE_ASCII);
    putchar('\n');
}

static void safe_put(FILE *out, const char *text)
{
    char safe[8192];

    fputs(text_safe(text, safe, sizeof(safe)), out);
}

static void notes_print(const json_t *notes, FILE *out)
{
    size_t index;
    json_t *note;
    char when[32];

    json_array_foreach(notes, index, note)
    {
        fprintf(out, "  %s  ", incident_moment(note, "time", when));
        safe_put(out, text_of(note, "by"));
        fprintf(out, "%s: ", strcmp(text_of(note, "kind"), "action") == 0 ? ", action" : "");
        safe_put(out, text_of(note, "text"));
        fputc('\n', out);
    }
}

static void cases_print(const json_t *cases, FILE *out)
{
    size_t index;
    json_t *item;

    json_array_foreach(cases, index, item)
    {
        fprintf(out, "  %s  %.19s  ", text_of(item, "case"), text_of(item, "time"));
        safe_put(out, text_of(item, "device"));
        fputs("  ", out);
        safe_put(out, text_of(item, "name"));
        fputs("  ", out);
        safe_put(out, text_of(item, "title"));
        fputc('\n', out);
    }
}

static void body_print(const json_t *incident, FILE *out)
{
    char when[32];

    fprintf(out, "Opened %s by ", incident_moment(incident, "opened", when));
    safe_put(out, text_of(incident, "opened_by"));
    fputc('\n', out);
    if (json_array_size(json_object_get(incident, "cases")) > 0)
        fputs("Cases\n", out);
    cases_print(json_object_get(incident, "cases"), out);
    fputs("Notes\n", out);
    notes_print(json_object_get(incident, "notes"), out);
    if (text_of(incident, "outcome")[0] != '\0') {
        fprintf(out, "Closed %s: ", incident_moment(incident, "closed", when));
        safe_put(out, text_of(incident, "outcome"));
        fputc('\n', out);
    }
}

void incident_print(const json_t *incident)
{
    printf("Incident %lld (%s): ", (long long)json_integer_value(json_object_get(incident, "id")),
           text_of(incident, "state"));
    safe_put(stdout, text_of(incident, "title"));
    putchar('\n');
    body_print(incident, stdout);
}

void incidents_print(const json_t *incidents)
{
    struct table *table = table_create();
    size_t index;
    json_t *incident;
    char when[32];

    table_column(table, "No", TABLE_RIGHT);
    table_column(table, "Opened", TABLE_LEFT);
    table_column(table, "By", TABLE_LEFT);
    table_column(table, "About", TABLE_LEFT);
    table_column(table, "Cases", TABLE_RIGHT);
    table_column(table, "State", TABLE_LEFT);
    json_array_foreach(incidents, index, incident)
    {
        table_cell(table, "%lld", (long long)json_integer_value(json_object_get(incident, "id")));
        table_cell(table, "%s", incident_moment(incident, "opened", when));
        table_cell(table, "%s", text_of(incident, "opened_by"));
        table_cell(table, "%s", text_of(incident, "title"));
        table_cell(table, "%zu", json_array_size(json_object_get(incident, "cases")));
        table_cell(table, "%s", text_of(incident, "state"));
    }
    table_print(table, stdout);
}

void extract_print(const json_t *reply, FILE *out)
{
    const json_t *extract = json_object_get(reply, "extract");
    json_int_t others = json_integer_value(json_object_get(extract, "cases_of_others_left_out"));
    char when[32];

    fprintf(out, "Extract of incident %lld: ",
            (long long)json_integer_value(json_object_get(extract, "incident")));
    safe_put(out, text_of(extract, "title"));
    fprintf(out, "\nMade %s by ", incident_moment(extract, "exported", when));
    safe_put(out, text_of(extract, "exported_by"));
    fputc('\n', out);
    body_print(extract, out);
    if (others > 0)
        fprintf(out, "%lld case%s of other devices %s left out.\n", (long long)others,
                others == 1 ? "" : "s", others == 1 ? "is" : "are");
    fprintf(out,
            "\nWhat it says: names that a device looked up. Apps and pages look up names by "
            "themselves;\n"
            "a device is not a person. The change log's entry %lld holds the SHA-256 of this "
            "extract:\n%s\n",
            (long long)json_integer_value(json_object_get(reply, "entry")),
            text_of(reply, "sha256"));
}

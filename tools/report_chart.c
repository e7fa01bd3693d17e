#include "tools/report_chart.h"

#include <inttypes.h>
#include <string.h>

#include "blocklists/name.h"
#include "tools/denial_show.h"

/* In pixels; across, everything is a share of the width there is, so that letters keep their size
 * on a telephone. */
enum { HEIGHT = 190, TOP = 18, AXIS = 24, ROW = 38 };

static uint64_t most_of(const struct chart_bar *bars, size_t count)
{
    uint64_t most = 0;

    for (size_t i = 0; i < count; i++)
        most = bars[i].value > most ? bars[i].value : most;
    return most;
}

/* The least round number that is not below. */
static uint64_t round_up(uint64_t value)
{
    static const uint64_t steps[] = {10, 15, 20, 30, 40, 50, 60, 80};
    uint64_t ten = 1;

    if (value <= 10)
        return value > 0 ? value : 1;
    for (;; ten *= 10)
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
            if (steps[i] * ten >= value)
                return steps[i] * ten;
}

/* Says in words what the bars show. */
static void open_svg(FILE *out, const char *id, const char *title, int height,
                     const struct chart_bar *bars, size_t count)
{
    char number[32];
    size_t top = 0;

    for (size_t i = 1; i < count; i++)
        top = bars[i].value > bars[top].value ? i : top;
    fprintf(out,
            "<svg role=\"img\" aria-labelledby=\"%s-t %s-d\" height=\"%d\"><title id=\"%s-t\">", id,
            id, height, id);
    show_html(out, title);
    fprintf(out, "</title><desc id=\"%s-d\">", id);
    if (count > 0) {
        fputs("Most: ", out);
        show_html(out, bars[top].label);
        fprintf(out, ", %s. All numbers stand in the table below.",
                show_count(bars[top].value, number));
    }
    fputs("</desc>", out);
}

static const char *shade_class(int shade)
{
    static const char *const classes[] = {"bar", "pale", "strong"};

    return classes[shade];
}

/* The number stands above its line, so that the columns have the whole width. */
static void scale_put(FILE *out, uint64_t top)
{
    int height = HEIGHT - TOP - AXIS;
    char number[32];

    for (int i = 0; i <= 2; i++) {
        int y = TOP + height * i / 2;
        fprintf(out, "<line class=\"grid\" x1=\"0\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/>", y, y);
    }
    fprintf(out, "<text class=\"num\" x=\"0\" y=\"%d\">%s</text>", TOP - 4,
            show_count(top, number));
}

void chart_columns(FILE *out, const char *id, const char *title, const struct chart_bar *bars,
                   size_t count, unsigned every)
{
    uint64_t top = round_up(most_of(bars, count));
    int height = HEIGHT - TOP - AXIS;
    double step = 100.0 / (double)(count > 0 ? count : 1);
    char number[32];

    open_svg(out, id, title, HEIGHT, bars, count);
    scale_put(out, top);
    for (size_t i = 0; i < count; i++) {
        double x = step * (double)i;
        double tall = top > 0 ? (double)bars[i].value * height / (double)top : 0;
        if (bars[i].value > 0 && tall < 1)
            tall = 1;
        fprintf(out,
                "<rect class=\"%s\" x=\"%.2f%%\" y=\"%.1f\" width=\"%.2f%%\" "
                "height=\"%.1f\"><title>",
                shade_class(bars[i].shade), x + step * 0.12, TOP + height - tall, step * 0.76,
                tall);
        show_html(out, bars[i].label);
        fprintf(out, ": %s</title></rect>", show_count(bars[i].value, number));
        if (i % every == 0) {
            fprintf(out, "<text class=\"%s\" x=\"%.2f%%\" y=\"%d\">", i == 0 ? "num" : "mid num",
                    i == 0 ? x : x + step / 2, HEIGHT - 6);
            show_html(out, bars[i].label);
            fputs("</text>", out);
        }
    }
    fputs("</svg>\n", out);
}

/* A label that fits: long names lose their beginning. */
static void label_put(FILE *out, const char *label)
{
    enum { FITS = 36 };
    char text[BL_NAME_TEXT_MAX + 8];
    size_t len = strlen(label);

    if (len <= FITS)
        snprintf(text, sizeof(text), "%s", label);
    else if (strchr(label, ' ') != NULL)
        snprintf(text, sizeof(text), "%.*s…", FITS - 1, label);
    else
        snprintf(text, sizeof(text), "…%s", label + len - FITS + 1);
    show_html(out, text);
}

/* A label to the left, the number to the right, the bar below both. */
void chart_rows(FILE *out, const char *id, const char *title, const struct chart_bar *bars,
                size_t count)
{
    uint64_t top = most_of(bars, count);
    char number[32];

    open_svg(out, id, title, (int)count * ROW + 4, bars, count);
    for (size_t i = 0; i < count; i++) {
        int y = (int)i * ROW;
        double wide = top > 0 ? (double)bars[i].value * 100 / (double)top : 0;
        fprintf(out, "<text x=\"0\" y=\"%d\">", y + 15);
        label_put(out, bars[i].label);
        fprintf(out, "</text><text class=\"end\" x=\"100%%\" y=\"%d\">%s</text>", y + 15,
                show_count(bars[i].value, number));
        fprintf(out,
                "<rect class=\"grid-bar\" x=\"0\" y=\"%d\" width=\"100%%\" height=\"10\"/>"
                "<rect class=\"%s\" x=\"0\" y=\"%d\" width=\"%.2f%%\" height=\"10\"/>",
                y + 21, shade_class(bars[i].shade), y + 21, wide < 0.4 ? 0.4 : wide);
    }
    fputs("</svg>\n", out);
}

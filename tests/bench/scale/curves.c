/* curves.c - draws figures of posse_bench: posse_curves reads its lines from standard input. */
#include "svg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 64, FIGURES = 4096 };

struct figure {
    char who[NAME];
    double size, value;
};

static void help(void)
{
    printf(
        "Usage: posse_curves SCENARIO TITLE X-TITLE Y-TITLE FILE <figures\n\n"
        "Draws, as an SVG, the figures of posse_bench whose name is SCENARIO, a dash and a\n"
        "number: one curve for each `who`, the number to the right. Both axes are logarithmic.\n");
}

/* The text after a key, up to the next quote. */
static const char *text_of(const char *line, const char *key, char text[NAME])
{
    const char *at = strstr(line, key);
    size_t length = at ? strcspn(at + strlen(key), "\"") : 0;
    if (!at || length >= NAME)
        return NULL;
    memcpy(text, at + strlen(key), length);
    text[length] = '\0';
    return text;
}

static bool parse(const char *line, const char *scenario, struct figure *figure)
{
    char name[NAME], *end;
    size_t length = strlen(scenario);
    const char *value = strstr(line, "\"value\":");
    if (!value || !text_of(line, "\"who\":\"", figure->who) ||
        !text_of(line, "\"scenario\":\"", name))
        return false;
    if (strncmp(name, scenario, length) != 0 || name[length] != '-')
        return false;
    figure->size = strtod(name + length + 1, &end);
    figure->value = strtod(value + strlen("\"value\":"), NULL);
    return end != name + length + 1 && *end == '\0' && figure->value > 0;
}

static unsigned curve_of(struct svg_chart *chart, const char *who)
{
    for (unsigned i = 0; i < chart->n; i++)
        if (strcmp(chart->series[i].name, who) == 0)
            return i;
    return svg_series(chart, "%s", who);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of the figures that are of the same curve and size as figure i; 0: one before i is. */
static double median_from(const struct figure *figures, size_t n, size_t i)
{
    double values[FIGURES];
    size_t same = 0;
    for (size_t k = 0; k < n; k++) {
        if (figures[k].size != figures[i].size || strcmp(figures[k].who, figures[i].who) != 0)
            continue;
        if (k < i)
            return 0;
        values[same++] = figures[k].value;
    }
    qsort(values, same, sizeof *values, ascending);
    return values[same / 2];
}

static size_t read_all(const char *scenario, struct figure *figures)
{
    char line[512];
    size_t n = 0;
    while (n < FIGURES && fgets(line, sizeof line, stdin))
        n += parse(line, scenario, &figures[n]);
    return n;
}

int main(int argc, char **argv)
{
    static struct figure figures[FIGURES];
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        help();
        return 0;
    }
    if (argc != 6) {
        fprintf(stderr, "posse_curves: wrong command line; see --help\n");
        return 2;
    }
    struct svg_chart chart = {
        .title = argv[2], .x_title = argv[3], .y_title = argv[4], .x_log = true, .y_log = true};
    size_t n = read_all(argv[1], figures);
    for (size_t i = 0; i < n; i++) {
        double median = median_from(figures, n, i);
        if (median > 0)
            svg_add(&chart, curve_of(&chart, figures[i].who), figures[i].size, median);
    }
    return svg_write(&chart, argv[5]) ? 0 : 1;
}

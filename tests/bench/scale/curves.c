/* curves.c - draws figures of posse_bench: posse_curves reads its lines from standard input. */
#include "svg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 64, FIGURES = 4096 };

struct figure {
    char who[2 * NAME];
    double size, value;
    bool per_second; /* the more, the better */
};

static void help(void)
{
    printf(
        "Usage: posse_curves SCENARIO[,SCENARIO] TITLE X-TITLE Y-TITLE FILE <figures\n\n"
        "Draws, as an SVG, the figures of posse_bench whose name is SCENARIO, a dash and a\n"
        "number: one curve for each `who`, the number to the right. Of several scenarios the last\n"
        "word of each is added to `who`. A point is the best of its figures: the highest if\n"
        "its unit is one a second, else the lowest. It is printed, too.\n"
        "Both axes are logarithmic, so what is 0 has no point.\n");
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

/* Of which of the scenarios, which commas part, a figure's name tells a size; its length, or 0. */
static size_t scenario_of(const char *name, const char *scenarios)
{
    for (const char *at = scenarios; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] != '\0')) {
        size_t length = strcspn(at, ",");
        if (strncmp(name, at, length) == 0 && name[length] == '-')
            return length;
    }
    return 0;
}

static bool parse(const char *line, const char *scenarios, struct figure *figure)
{
    char name[NAME], who[NAME], unit[NAME], *end;
    const char *value = strstr(line, "\"value\":");
    if (!value || !text_of(line, "\"who\":\"", who) || !text_of(line, "\"scenario\":\"", name) ||
        !text_of(line, "\"unit\":\"", unit))
        return false;
    size_t length = scenario_of(name, scenarios), units = strlen(unit);
    if (length == 0)
        return false;
    figure->size = strtod(name + length + 1, &end);
    figure->value = strtod(value + strlen("\"value\":"), NULL);
    if (end == name + length + 1 || *end != '\0' || figure->value <= 0)
        return false;
    name[length] = '\0';
    figure->per_second = units > 2 && strcmp(unit + units - 2, "/s") == 0;
    const char *word = strchr(scenarios, ',') ? strrchr(name, '-') : NULL;
    (void)snprintf(figure->who, sizeof figure->who, "%s%s%s", who, word ? ", " : "",
                   word ? word + 1 : "");
    return true;
}

static int order(const void *a, const void *b)
{
    const struct figure *x = a, *y = b;
    int who = strcmp(x->who, y->who);
    if (who != 0 || x->size != y->size)
        return who ? who : (x->size > y->size) - (x->size < y->size);
    return (x->value > y->value) - (x->value < y->value);
}

/* In order. */
static size_t read_all(const char *scenarios, struct figure *figures)
{
    char line[512];
    size_t n = 0;
    while (n < FIGURES && fgets(line, sizeof line, stdin))
        n += parse(line, scenarios, &figures[n]);
    qsort(figures, n, sizeof *figures, order);
    return n;
}

/* The figures of one size of one curve are neighbours, from the lowest to the highest. */
static void add_points(struct svg_chart *chart, const struct figure *figures, size_t n)
{
    unsigned curve = 0;
    for (size_t first = 0, end; first < n; first = end) {
        const struct figure *f = &figures[first];
        for (end = first + 1; end < n && figures[end].size == f->size; end++)
            if (strcmp(figures[end].who, f->who) != 0)
                break;
        if (first == 0 || strcmp(f[-1].who, f->who) != 0)
            curve = svg_series(chart, "%s", f->who);
        double best = f->per_second ? figures[end - 1].value : f->value;
        svg_add(chart, curve, f->size, best);
        printf("%-24s %9.0f %10.4g\n", f->who, f->size, best);
    }
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
    printf("%s: %s, %s\n", argv[2], argv[3], argv[4]);
    add_points(&chart, figures, n);
    printf("\n");
    return svg_write(&chart, argv[5]) ? 0 : 1;
}

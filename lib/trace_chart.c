/* Runs in: program.
 *
 * The lower part of the picture of a trace: how many tasks waited, and how much memory there was.
 */
#include "trace_svg.h"

static uint64_t most_of(const struct pi_trace *trace, int value)
{
    uint64_t most = 0;
    for (size_t i = 0; i < trace->n; i++)
        if (trace->events[i].kind == PI_TRACE_COUNTERS && trace->events[i].value[value] > most)
            most = trace->events[i].value[value];
    return most;
}

/* Steps: a number holds until the next one. */
static void draw_chart(const struct pi_picture *p, int value, int top, const char *class)
{
    uint64_t most = most_of(p->trace, value);
    pi_text_add(p->text, "<path class=\"%s\" d=\"M%d %d", class, LEFT, top + CHART);
    for (size_t i = 0; i < p->trace->n; i++) {
        const struct pi_trace_event *event = &p->trace->events[i];
        if (event->kind != PI_TRACE_COUNTERS)
            continue;
        double part = most > 0 ? (double)event->value[value] / (double)most : 0;
        uint64_t y = 100 * (uint64_t)top + (uint64_t)(100 * CHART * (1 - part));
        pi_text_add(p->text, "H" FIXED "V" FIXED, OF_FIXED(pi_x_of(p, event->at)), OF_FIXED(y));
    }
    pi_text_add(p->text, "H%dV%dz\"/>\n", LEFT + WIDTH, top + CHART);
}

void pi_trace_charts(const struct pi_picture *p)
{
    int memory = p->charts + CHART + CHART_GAP;
    draw_chart(p, 0, p->charts, "queue");
    draw_chart(p, 1, memory, "memory");
    pi_text_add(p->text,
                "<text text-anchor=\"end\" x=\"%d\" y=\"%d\">queue</text>"
                "<text class=\"small\" x=\"%d\" y=\"%d\">tasks that wait, at most %llu"
                "</text>\n",
                LEFT - 10, p->charts + CHART, LEFT, p->charts - 6,
                (unsigned long long)most_of(p->trace, 0));
    pi_text_add(p->text,
                "<text text-anchor=\"end\" x=\"%d\" y=\"%d\">memory</text>"
                "<text class=\"small\" x=\"%d\" y=\"%d\">shared memory, at most " FIXED " MB"
                "</text>\n",
                LEFT - 10, memory + CHART, LEFT, memory - 6,
                OF_FIXED(most_of(p->trace, 1) / 10000));
}

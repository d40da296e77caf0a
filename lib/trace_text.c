/* Runs in: program.
 *
 * The text of a trace as it grows, and the words in it. What comes from shared memory may be any
 * bytes: neither a reader of JSON nor a browser may take them for more than words.
 */
#include "base/utf8.h"
#include "os/symbol.h"
#include "pool/backend.h"
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FUNCTIONS 64 /* that are looked up; others are shown as numbers */

/* ---- growing ---- */

static bool make_room(struct pi_text *text, size_t more)
{
    size_t room = text->room ? text->room : 4096;
    while (room - text->length < more)
        room *= 2;
    char *at = text->failed ? NULL : realloc(text->at, room);
    if (at) {
        text->at = at;
        text->room = room;
    }
    text->failed |= !at;
    return !text->failed;
}

void pi_text_put(struct pi_text *text, const char *bytes, size_t size)
{
    if (text->room - text->length < size && !make_room(text, size))
        return;
    memcpy(text->at + text->length, bytes, size);
    text->length += size;
}

/* At most 1000 bytes at a time. */
void pi_text_add(struct pi_text *text, const char *format, ...)
{
    va_list arguments;
    if (text->room - text->length < 1024 && !make_room(text, 1024))
        return;
    va_start(arguments, format);
    int length = vsnprintf(text->at + text->length, 1024, format, arguments);
    va_end(arguments);
    text->length += length < 0 ? 0 : length < 1024 ? (size_t)length : 1023;
}

/* ---- words from outside ---- */

static void add_words(struct pi_text *text, const char *words,
                      void (*escape)(struct pi_text *, const char *, size_t))
{
    size_t left = strlen(words);
    while (left > 0) {
        size_t length = pi_utf8_printable(words, left);
        if (length == 0)
            pi_text_add(text, "?");
        else
            escape(text, words, length);
        words += length ? length : 1;
        left -= length ? length : 1;
    }
}

static void escape_json(struct pi_text *text, const char *at, size_t length)
{
    pi_text_add(text, "%s%.*s", *at == '"' || *at == '\\' ? "\\" : "", (int)length, at);
}

static void escape_xml(struct pi_text *text, const char *at, size_t length)
{
    switch (*at) {
    case '&': pi_text_add(text, "&amp;"); break;
    case '<': pi_text_add(text, "&lt;"); break;
    case '>': pi_text_add(text, "&gt;"); break;
    case '"': pi_text_add(text, "&quot;"); break;
    default: pi_text_add(text, "%.*s", (int)length, at);
    }
}

void pi_text_add_json(struct pi_text *text, const char *words)
{
    add_words(text, words, escape_json);
}

void pi_text_add_xml(struct pi_text *text, const char *words)
{
    add_words(text, words, escape_xml);
}

const char *pi_trace_time(uint64_t ns, char text[32])
{
    static const char *const units[] = {"ns", "\u00b5s", "ms", "s"};
    unsigned unit = 0;
    uint64_t part = 0; /* thousandths of the unit */
    for (; ns >= 1000 && unit < 3; unit++) {
        part = ns % 1000;
        ns /= 1000;
    }
    int digits = unit == 0 || ns >= 100 ? 0 : ns >= 10 ? 1 : 2;
    unsigned shown = (unsigned)part / (digits == 2 ? 10 : 100);
    if (digits == 0)
        snprintf(text, 32, "%llu %s", (unsigned long long)ns, units[unit]);
    else /* without a locale's comma */
        snprintf(text, 32, "%llu.%0*u %s", (unsigned long long)ns, digits, shown, units[unit]);
    return text;
}

/* ---- a run ---- */

/* NULL: nothing is looked up. Only what was there before the workers were forked is the same in
 * them. */
static bool is_known(posse_executor *e, uintptr_t address)
{
    return e && (!e->backend->kills || pi_os_code_has(&e->functions.code, address));
}

static void find_name(posse_executor *e, uintptr_t address, char name[PI_NAME_SIZE])
{
    struct pi_os_symbol symbol;
    if (is_known(e, address) && pi_os_symbol_find(address, &symbol) && symbol.name[0])
        snprintf(name, PI_NAME_SIZE, "%.*s", PI_NAME_SIZE - 1, symbol.name);
    else
        snprintf(name, PI_NAME_SIZE, "0x%llx", (unsigned long long)address);
}

/* A look reads a file, and most tasks have one of a few functions. */
void pi_trace_names(posse_executor *e, struct pi_trace *trace)
{
    struct {
        uint64_t address;
        char name[PI_NAME_SIZE];
    } known[MAX_FUNCTIONS + 1];
    unsigned n = 0;
    for (size_t i = 0; i < trace->n; i++) {
        struct pi_trace_event *event = &trace->events[i];
        unsigned at = 0;
        if (event->kind != PI_TRACE_RUN || event->name[0])
            continue;
        while (at < n && known[at].address != event->value[0])
            at++;
        if (at == n) {
            known[at].address = event->value[0];
            find_name(n < MAX_FUNCTIONS ? e : NULL, (uintptr_t)event->value[0], known[at].name);
            n += n < MAX_FUNCTIONS;
        }
        memcpy(event->name, known[at].name, sizeof event->name);
    }
}

const char *pi_trace_outcome(const struct pi_trace_event *event)
{
    switch (event->state) {
    case PI_DONE: return "done";
    case PI_FAILED: return "failed";
    case PI_CANCELLED: return "cancelled";
    case PI_TIMED_OUT: return "timed out";
    case PI_LOST: return "lost";
    case PI_PENDING: return "lost, runs again";
    default: return "running";
    }
}

/* Runs in: program, worker.
 *
 * The calls of posse_autopsy.h. A lost task's result is the record of its worker
 * (core/crash_record.h), which the task may have overwritten. So it is copied, and the copy is
 * checked.
 */
#include "core/crash_record.h"
#include "internal.h"
#include "os/saved_file.h"
#include "os/symbol.h"
#include "pool/block.h"
#include "pool/self.h"
#include "posse_autopsy.h"
#include "saved_arg.h"
#include "supervisor/crash_block.h"
#include "worker/note.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(POSSE_MAX_FRAMES == PI_OS_MAX_FRAMES, "all frames of a record are shown");
_Static_assert(sizeof(((posse_autopsy_report *)0)->note) == PI_NOTE_SIZE, "as is the whole note");

void posse_task_note(posse_task *task, const char *format, ...)
{
    char text[PI_NOTE_SIZE];
    if (!task || !format || !task->executor->crash_record || pi_check_task(task) != POSSE_OK)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    pi_note(task, text);
}

/* ---- the record ---- */

/* POSSE_OK: the task has ended as one that may have a record. */
static posse_status look(posse_future future, struct pi_seen *seen)
{
    posse_status status = pi_future_look(future, seen);
    if (status != POSSE_OK)
        return status;
    if (!pi_final(seen->word))
        return POSSE_TIMEOUT;
    pi_see_blocks(future.executor); /* the slot may name one */
    bool died = pi_state(seen->word) == PI_LOST || pi_state(seen->word) == PI_TIMED_OUT;
    return died && future.executor->autopsy ? POSSE_OK : POSSE_END;
}

/* Copies the record, and, unless it is NULL, the output behind it. */
static posse_status read_record(posse_future future, struct pi_crash_record *copy,
                                struct pi_crash_output *output)
{
    struct pi_seen seen;
    posse_status status = look(future, &seen);
    if (status != POSSE_OK)
        return status;
    struct pi_bytes record = pi_slot_result(future.executor, seen.slot);
    bool is_record =
        record.ref && record.bytes && record.size == pi_crash_block_size(future.executor);
    if (is_record)
        memcpy(copy, record.bytes, sizeof *copy);
    if (is_record && output && future.executor->keep_stderr)
        memcpy(output, (const char *)record.bytes + sizeof *copy, sizeof *output);
    status = pi_confirm(future, seen.slot, POSSE_OK);
    return status != POSSE_OK || (is_record && copy->magic == PI_CRASH_MAGIC) ? status : POSSE_END;
}

/* Words from outside do no harm to a terminal: control characters become question marks, also the
 * ones that UTF-8 writes as two bytes. `lines`: but not tabs and ends of lines. */
static void clean_bytes(char *text, size_t length, bool lines)
{
    unsigned char *at = (unsigned char *)text, *end = at + length;
    for (; at < end; at++) {
        bool kept = lines && (*at == '\n' || *at == '\t');
        if ((*at < ' ' && !kept) || *at == 0x7f)
            *at = '?';
        else if (*at == 0xc2 && at + 1 < end && at[1] >= 0x80 && at[1] < 0xa0)
            at[0] = at[1] = '?';
    }
}

static void clean(char *text) { clean_bytes(text, strlen(text), false); }

static void copy_note(posse_future future, const struct pi_crash_record *record, char *text)
{
    uint32_t place = pi_load_relaxed(&record->note) - 1; /* relaxed: it is a copy */
    if (place > 1)
        return;
    const struct pi_note *note = &record->notes[place];
    if (note->slot != future.slot || note->generation != future.generation)
        return; /* of an earlier task of that worker */
    memcpy(text, note->text, sizeof note->text - 1);
    clean(text);
}

static void copy_crash(const struct pi_os_crash *crash, posse_autopsy_report *report)
{
    uint32_t found = pi_load_relaxed(&crash->found); /* relaxed: it is a copy */
    if (found == 0 || !pi_os_crash_is_signal(crash->signal))
        return;
    report->signal = crash->signal;
    report->code = crash->code;
    report->address = crash->address;
    report->n_frames = found - 1 < PI_OS_MAX_FRAMES ? found - 1 : PI_OS_MAX_FRAMES;
    memcpy(report->frames, crash->frames, report->n_frames * sizeof *crash->frames);
}

static posse_status read_report(posse_future future, posse_autopsy_report *report)
{
    struct pi_crash_record record;
    *report = (posse_autopsy_report){.struct_size = sizeof *report};
    posse_status status = read_record(future, &record, NULL);
    if (status != POSSE_OK)
        return status;
    copy_crash(&record.crash, report);
    copy_note(future, &record, report->note);
    return POSSE_OK;
}

posse_status posse_autopsy(posse_future future, posse_autopsy_report *report)
{
    posse_autopsy_report seen;
    posse_status status = pi_sized_check(report);
    if (status != POSSE_OK)
        return status;
    status = read_report(future, &seen);
    pi_sized_write(report, &seen, sizeof seen);
    return status;
}

/* ---- names ---- */

/* A return address may be that of the next function, if the call was the last instruction. Only
 * what was there before the workers were forked is the same in them. */
static void name_frame(posse_executor *e, const posse_autopsy_report *report, size_t index,
                       posse_frame *frame)
{
    struct pi_os_symbol symbol;
    uint64_t back = index > 0, address = report->frames[index];
    *frame = (posse_frame){.struct_size = sizeof *frame, .address = address};
    if (!pi_os_code_has(&e->functions.code, (uintptr_t)(address - back)) ||
        !pi_os_symbol_find((uintptr_t)(address - back), &symbol))
        return;
    frame->in_module = symbol.in_module + back;
    frame->in_function = symbol.name[0] ? symbol.in_function + back : 0;
    snprintf(frame->module, sizeof frame->module, "%s", symbol.module);
    snprintf(frame->function, sizeof frame->function, "%s", symbol.name);
    clean(frame->module);
    clean(frame->function);
}

posse_status posse_autopsy_frame(posse_future future, size_t index, posse_frame *frame)
{
    posse_autopsy_report report;
    posse_frame named = {.struct_size = sizeof named};
    posse_status status = pi_sized_check(frame);
    if (status != POSSE_OK)
        return status;
    status = read_report(future, &report);
    if (status == POSSE_OK && index >= report.n_frames)
        status = POSSE_END;
    if (status == POSSE_OK)
        name_frame(future.executor, &report, index, &named);
    pi_sized_write(frame, &named, sizeof named);
    return status;
}

/* ---- in words ---- */

struct text {
    char *buffer;
    size_t capacity, length;
};

static void add(struct text *text, const char *format, ...) POSSE_PRINTF(2, 3);

static void add(struct text *text, const char *format, ...)
{
    va_list arguments;
    size_t at = text->length < text->capacity ? text->length : text->capacity;
    va_start(arguments, format);
    int length = vsnprintf(text->buffer ? text->buffer + at : NULL,
                           text->buffer ? text->capacity - at : 0, format, arguments);
    va_end(arguments);
    text->length += length > 0 ? (size_t)length : 0;
}

static void add_frame(struct text *text, size_t index, const posse_frame *frame)
{
    add(text, "  #%-2zu 0x%016llx", index, (unsigned long long)frame->address);
    if (frame->function[0])
        add(text, " %s+0x%llx", frame->function, (unsigned long long)frame->in_function);
    if (frame->module[0])
        add(text, " (%s+0x%llx)", frame->module, (unsigned long long)frame->in_module);
    add(text, "\n");
}

/* ---- stderr ---- */

/* The end of what the task wrote, in words; ends with 0. Its length. */
static size_t read_output(posse_future future, char text[PI_OUTPUT_SIZE + 1])
{
    struct pi_crash_record record;
    struct pi_crash_output output = {.size = 0};
    if (read_record(future, &record, &output) != POSSE_OK)
        output.size = 0;
    size_t length = output.size < PI_OUTPUT_SIZE ? output.size : PI_OUTPUT_SIZE;
    memcpy(text, output.text, length);
    text[length] = '\0';
    clean_bytes(text, length, true);
    return length;
}

size_t posse_autopsy_stderr(posse_future future, char *buffer, size_t capacity)
{
    char text[PI_OUTPUT_SIZE + 1];
    size_t length = read_output(future, text);
    if (buffer && capacity > 0)
        snprintf(buffer, capacity, "%s", text);
    return length;
}

/* ---- all in words ---- */

static void add_output(struct text *text, posse_future future)
{
    char output[PI_OUTPUT_SIZE + 1];
    size_t length = read_output(future, output);
    if (length > 0)
        add(text, "  stderr:\n%s%s", output, output[length - 1] == '\n' ? "" : "\n");
}

static void add_report(struct text *text, posse_executor *e, const posse_autopsy_report *report)
{
    posse_frame frame;
    if (report->signal)
        add(text, "  signal %d, code %d, address 0x%llx\n", report->signal, report->code,
            (unsigned long long)report->address);
    if (report->note[0])
        add(text, "  note: %s\n", report->note);
    for (size_t i = 0; i < report->n_frames; i++) {
        name_frame(e, report, i, &frame);
        add_frame(text, i, &frame);
    }
}

size_t posse_autopsy_text(posse_future future, char *buffer, size_t capacity)
{
    posse_autopsy_report report;
    struct text text = {buffer, buffer ? capacity : 0, 0};
    text.length = posse_describe(future, buffer, capacity);
    if (text.capacity > 0)
        clean(buffer); /* the name lies in shared memory */
    add(&text, "\n");
    if (read_report(future, &report) == POSSE_OK)
        add_report(&text, future.executor, &report);
    add_output(&text, future);
    return text.length;
}

/* ---- the argument ---- */

posse_status posse_autopsy_save(posse_future future, const char *path)
{
    struct pi_seen seen;
    if (!path)
        return pi_refuse(POSSE_INVALID, "path is NULL");
    posse_status status = look(future, &seen);
    if (status != POSSE_OK)
        return status;
    struct pi_bytes arg = pi_slot_arg(future.executor, seen.slot);
    if (!arg.bytes)
        return pi_confirm(future, seen.slot, POSSE_END); /* a task has overwritten it */
    struct pi_os_bytes copy = {malloc(arg.size ? arg.size : 1), arg.size};
    if (!copy.at)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    memcpy(copy.at, arg.bytes, copy.size);
    status = pi_confirm(future, seen.slot, POSSE_OK);
    struct pi_saved_arg head = {PI_SAVED_ARG, copy.size};
    if (status == POSSE_OK)
        status = pi_refuse_errno(pi_os_file_write(path, &head, sizeof head, &copy),
                                 "the file cannot be written");
    free(copy.at);
    return status;
}

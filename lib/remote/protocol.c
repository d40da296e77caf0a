#include "remote/protocol.h"

#include <string.h>

struct pi_pack pi_envelope_begin(struct pi_envelope *envelope)
{
    return (struct pi_pack){.at = envelope->bytes + PI_FRAME_SIZE, .size = PI_MAX_HEAD};
}

void pi_envelope_end(struct pi_envelope *envelope, const struct pi_pack *head,
                     const struct pi_frame *frame)
{
    struct pi_frame whole = {frame->kind, head->used, frame->tail};
    pi_frame_write(envelope->bytes, &whole);
    envelope->size = PI_FRAME_SIZE + head->used;
}

/* Whether the head was exactly what was read of it. */
static bool is_whole(const struct pi_pack *head)
{
    return !head->wrong && head->used == head->size;
}

/* ---- JOIN ---- */

void pi_join_write(struct pi_envelope *envelope, const struct pi_join *join)
{
    struct pi_pack head = pi_envelope_begin(envelope);
    pi_put(&head, join->version, 4);
    pi_put_bytes(&head, join->token, sizeof join->token);
    pi_put(&head, (uint64_t)join->pid, 8);
    pi_put_text(&head, join->node, PI_NODE_SIZE - 1);
    pi_put(&head, join->has_pool, 1);
    pi_envelope_end(envelope, &head, &(struct pi_frame){.kind = PI_JOIN});
}

bool pi_join_read(struct pi_pack *head, struct pi_join *join)
{
    join->version = (uint32_t)pi_get(head, 4);
    const unsigned char *token = pi_get_bytes(head, sizeof join->token);
    if (token)
        memcpy(join->token, token, sizeof join->token);
    join->pid = (int64_t)pi_get(head, 8);
    pi_get_text(head, join->node, sizeof join->node);
    for (char *c = join->node; *c; c++) /* it stands in messages */
        if (*c < ' ' || *c > '~')
            *c = '?';
    uint64_t has_pool = pi_get(head, 1);
    join->has_pool = has_pool;
    return is_whole(head) && has_pool <= 1;
}

/* ---- SUBMIT ---- */

static void put_place(struct pi_pack *head, const struct pi_place_in *place)
{
    pi_put(head, place->module, 4);
    pi_put(head, place->offset, 8);
}

static struct pi_place_in get_place(struct pi_pack *head)
{
    struct pi_place_in place = {.module = (uint32_t)pi_get(head, 4)};
    place.offset = pi_get(head, 8);
    return place;
}

void pi_submit_write(struct pi_envelope *envelope, const struct pi_submit *submit, uint64_t size)
{
    struct pi_pack head = pi_envelope_begin(envelope);
    pi_put(&head, submit->number, 8);
    put_place(&head, &submit->fn);
    pi_put(&head, submit->n_pointers, 4);
    for (uint32_t i = 0; i < submit->n_pointers; i++) {
        pi_put(&head, submit->pointers[i].at, 8);
        put_place(&head, &submit->pointers[i].value);
    }
    pi_put(&head, (uint64_t)submit->time_left_ms, 8);
    pi_put(&head, submit->max_memory, 8);
    pi_put(&head, (uint64_t)submit->max_cpu_ms, 8);
    pi_put(&head, submit->runs, 4);
    pi_put(&head, submit->unread, 8);
    pi_envelope_end(envelope, &head, &(struct pi_frame){.kind = PI_SUBMIT, .tail = size});
}

bool pi_submit_read(struct pi_pack *head, struct pi_submit *submit)
{
    memset(submit, 0, sizeof *submit);
    submit->number = pi_get(head, 8);
    submit->fn = get_place(head);
    uint64_t pointers = pi_get(head, 4);
    if (pointers > PI_MAX_POINTERS)
        return false;
    submit->n_pointers = (uint32_t)pointers;
    for (uint32_t i = 0; i < submit->n_pointers; i++) {
        submit->pointers[i].at = pi_get(head, 8);
        submit->pointers[i].value = get_place(head);
    }
    submit->time_left_ms = (int64_t)pi_get(head, 8);
    submit->max_memory = pi_get(head, 8);
    submit->max_cpu_ms = (int64_t)pi_get(head, 8);
    submit->runs = (uint32_t)pi_get(head, 4);
    submit->unread = pi_get(head, 8);
    return is_whole(head) && submit->time_left_ms >= -1 && submit->max_cpu_ms >= 0 &&
           submit->runs < 255;
}

/* ---- RESULT ---- */

void pi_result_write(struct pi_envelope *envelope, const struct pi_result *result, uint64_t size)
{
    struct pi_pack head = pi_envelope_begin(envelope);
    pi_put(&head, result->number, 8);
    pi_put(&head, result->outcome, 4);
    pi_put(&head, (uint32_t)result->code, 4);
    pi_put(&head, (uint32_t)result->signal, 4);
    pi_put(&head, (uint32_t)result->exit_code, 4);
    pi_put(&head, (uint64_t)result->pid, 8);
    pi_put(&head, result->peak_memory, 8);
    pi_put(&head, result->cpu_ns, 8);
    pi_put(&head, result->done, 8);
    pi_put(&head, result->total, 8);
    pi_envelope_end(envelope, &head, &(struct pi_frame){.kind = PI_RESULT, .tail = size});
}

bool pi_result_read(struct pi_pack *head, struct pi_result *result)
{
    result->number = pi_get(head, 8);
    result->outcome = (uint32_t)pi_get(head, 4);
    result->code = pi_get_int(head);
    result->signal = pi_get_int(head);
    result->exit_code = pi_get_int(head);
    result->pid = (int64_t)pi_get(head, 8);
    result->peak_memory = pi_get(head, 8);
    result->cpu_ns = pi_get(head, 8);
    result->done = pi_get(head, 8);
    result->total = pi_get(head, 8);
    return is_whole(head) && result->outcome < PI_OUTCOMES;
}

/* ---- what a task tells ---- */

static unsigned numbers_of(unsigned kind) { return kind == PI_PROGRESS ? 2 : 1; }

void pi_told_write(struct pi_envelope *envelope, unsigned kind, const struct pi_told *told)
{
    struct pi_pack head = pi_envelope_begin(envelope);
    pi_put(&head, told->number, 8);
    for (unsigned i = 0; i < numbers_of(kind); i++)
        pi_put(&head, told->numbers[i], 8);
    pi_envelope_end(envelope, &head, &(struct pi_frame){.kind = kind});
}

bool pi_told_read(struct pi_pack *head, unsigned kind, struct pi_told *told)
{
    *told = (struct pi_told){.number = pi_get(head, 8)};
    for (unsigned i = 0; i < numbers_of(kind); i++)
        told->numbers[i] = pi_get(head, 8);
    return is_whole(head);
}

/* ---- the others ---- */

void pi_plain_write(struct pi_envelope *envelope, unsigned kind, uint64_t tail)
{
    struct pi_pack head = pi_envelope_begin(envelope);
    pi_put(&head, PI_REMOTE_VERSION, 8);
    pi_envelope_end(envelope, &head, &(struct pi_frame){.kind = kind, .tail = tail});
}

void pi_number_write(struct pi_envelope *envelope, unsigned kind, uint64_t number, uint64_t tail)
{
    struct pi_pack head = pi_envelope_begin(envelope);
    pi_put(&head, number, 8);
    pi_envelope_end(envelope, &head, &(struct pi_frame){.kind = kind, .tail = tail});
}

bool pi_number_read(struct pi_pack *head, uint64_t *number)
{
    *number = pi_get(head, 8);
    return is_whole(head);
}

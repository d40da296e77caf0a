/* burdens.h - see burdens.c. */
#ifndef BURDENS_H
#define BURDENS_H

#include "chaos.h"

void open_files(struct chaos *chaos); /* asserts */
void close_files(struct chaos *chaos);

void draw_burden(struct driver *driver, struct bid *bid);
void load_job(const struct chaos *chaos, const struct bid *bid, posse_job *job);

/* In a task. */
bool has_its_file(posse_task *task, const struct order *order);
void note_order(posse_task *task, const struct order *order);

/* Of an order that has ended. NULL, or what is wrong. */
const char *judge_report(struct driver *driver, const struct bid *bid, const posse_error *error);

#endif

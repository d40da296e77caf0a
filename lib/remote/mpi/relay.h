/* relay.h - the two kinds of ranks. Runs in: posse-relay. The design is in relay.c. */
#pragma once

#include "remote/mpi/relay_words.h"

/* What rank 0, and another one, does until the relay ends. token: its text. */
void pi_relay_at_program(const struct pi_relay_words *words);
void pi_relay_at_node(const struct pi_relay_words *words, size_t rank, const char *token);

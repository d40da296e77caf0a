/* token.h - what only the program and its agents know: 128 bits, in text 32 hexadecimal digits. */
#pragma once

#include "remote/protocol.h"

#define PI_TOKEN_TEXT (2 * PI_TOKEN_SIZE + 1)

/* False and errno: the system has none to give. */
bool pi_token_make(unsigned char token[PI_TOKEN_SIZE]);
void pi_token_write(const unsigned char token[PI_TOKEN_SIZE], char text[PI_TOKEN_TEXT]);
/* Writes as many random digits, for a unique name. False and errno: the system has none to give. */
bool pi_token_name(char text[PI_TOKEN_TEXT]);
/* False: the text does not begin with a token. */
bool pi_token_read(const char *text, unsigned char token[PI_TOKEN_SIZE]);

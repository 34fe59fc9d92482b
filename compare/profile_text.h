/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles as plain text: what a profile file (io/profile_file.h, JSON) says, one entry per line, so that the library
 * reads profiles without a JSON reader. Lines end in '\n':
 *
 *     # my-kernel.json              optional, first: what errors call it
 *     name s my-kernel              KEY s TEXT       a string, to the end of the line
 *     exp_argument n 1.2e-7         KEY n NUMBER
 *     operand 0                     KEY 0            null: exact
 *     op {                          KEY {            an object; its keys follow as KEY.key
 *     op.format s binary32
 *     sites {
 *     sites.state {
 *     sites.state.u n 0.004
 *     exp ?                         KEY ?            anything else, which is refused by its key
 */
#ifndef GLASSBOX_PROFILE_TEXT_H
#define GLASSBOX_PROFILE_TEXT_H

#include "profiles.h"

/* Errors: GLA_BAD_FILE, the text names the key; GLA_NO_MEMORY. */
gla_status gla_profile_parse(const char *text, gla_profile *out, gla_error *err);

#endif
